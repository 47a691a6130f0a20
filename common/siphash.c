/* SPDX-License-Identifier: ISC */
#include <endian.h>
#include <string.h>

#include "common/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

/* Octets in the order of the definition, whatever the machine's is. */
static uint64_t word_at(const uint8_t *octets, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, octets, size);
    return le64toh(word);
}

static void mix(struct state *s, int rounds)
{
    while (rounds-- > 0) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 = rotate(s->v2, 32);
    }
}

static void take(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    mix(s, 2);
    s->v0 ^= word;
}

uint64_t siphash(const uint8_t key[SIPHASH_KEY_BYTES], const void *data, size_t size)
{
    const uint8_t *octets = data;
    uint64_t k0 = word_at(key, 8), k1 = word_at(key + 8, 8);
    struct state s = {k0 ^ 0x736F6D6570736575u, k1 ^ 0x646F72616E646F6Du, k0 ^ 0x6C7967656E657261u,
                      k1 ^ 0x7465646279746573u}; /* "somepseudorandomlygeneratedbytes" */
    size_t whole = size / 8 * 8;
    for (size_t i = 0; i < whole; i += 8)
        take(&s, word_at(octets + i, 8));
    take(&s, (uint64_t)size << 56 | word_at(octets + whole, size - whole));
    s.v2 ^= 0xFF;
    mix(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
