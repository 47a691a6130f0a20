/* SPDX-License-Identifier: ISC
 *
 * siphash - SipHash-2-4 (Aumasson and Bernstein, 2012): a hash whose values nobody can choose who does not know its
 * key.
 *
 * Clients choose their addresses and names; with this they cannot choose the line of a table that these fall into.
 */
#ifndef POSTERN_COMMON_SIPHASH_H
#define POSTERN_COMMON_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

enum { SIPHASH_KEY_BYTES = 16 };

uint64_t siphash(const uint8_t key[SIPHASH_KEY_BYTES], const void *data, size_t size);

#endif
