/* SPDX-License-Identifier: ISC
 *
 * keyword - the EHLO keywords that Postern knows, as bits, and what the scoreboard remembers of an inside server's.
 *
 * A word of struct heard: the half hour that it holds for, and the bits heard in it; 0 is nothing heard. Two half hours
 * are kept, so that "the last hour" needs no clean-up. All of it is rumour: what is read here is in range.
 */
#ifndef POSTERN_COMMON_KEYWORD_H
#define POSTERN_COMMON_KEYWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/scoreboard.h"

enum keyword {
    KEYWORD_PIPELINING = 1 << 0,
    KEYWORD_SIZE = 1 << 1,
    KEYWORD_8BITMIME = 1 << 2,
    KEYWORD_SMTPUTF8 = 1 << 3,
    KEYWORD_ENHANCEDSTATUSCODES = 1 << 4,
    KEYWORD_DSN = 1 << 5,
    KEYWORD_CHUNKING = 1 << 6,
    KEYWORD_STARTTLS = 1 << 7,
    KEYWORD_XCLIENT = 1 << 8
};

struct keyword_row {
    uint32_t bit;
    const char *text;
};

enum { KEYWORDS = 9 };
extern const struct keyword_row keyword_rows[KEYWORDS]; /* in the order in which we say them */

enum { KEYWORD_EPOCH_MS = 30 * 60 * 1000, KEYWORD_DISTRUST_MS = 10 * 60 * 1000 };
#define KEYWORD_HEARD 0x80000000u /* in a word: something was */
/* Those that make sense to remember: what an EHLO of ours may pass on. */
enum { KEYWORDS_REMEMBERED = KEYWORD_SIZE | KEYWORD_8BITMIME | KEYWORD_SMTPUTF8 | KEYWORD_DSN };

uint32_t keyword_epoch(int64_t now_ms);
uint32_t keyword_epoch_of(uint64_t word);

struct keyword_memory {
    bool known;
    uint32_t keywords;   /* heard all the time in the last hour */
    uint64_t size_limit; /* the smallest; 0: none */
};

void keyword_merge(struct keyword_memory *memory, uint32_t keywords, uint64_t size_limit);
struct keyword_memory keyword_recall(const struct heard *heard, int64_t now_ms);
bool keyword_is_distrusted(const struct heard *heard, int64_t now_ms);
uint64_t keyword_smaller_limit(uint64_t a, uint64_t b); /* 0 is none */

#endif
