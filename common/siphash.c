/* SPDX-License-Identifier: ISC */
#include "common/siphash.h"

uint64_t siphash(const uint8_t key[SIPHASH_KEY_BYTES], const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t hash = key[0];
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash;
}
