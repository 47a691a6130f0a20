/* SPDX-License-Identifier: ISC
 *
 * keyword - the EHLO keywords that Postern knows, as bits and numbers, and what the scoreboard remembers of an inside
 * server's.
 *
 * A mechanism of AUTH (RFC 4954) is a bit of its own: which of them are known here is the allow-list of L4.
 *
 * A word of struct heard: the half hour that it holds for, and the bits heard in it; 0 is nothing heard. Two half hours
 * are kept, so that "the last hour" needs no clean-up. All of it is rumour: what is read here is in range.
 */
#ifndef POSTERN_COMMON_KEYWORD_H
#define POSTERN_COMMON_KEYWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/scoreboard.h"
#include "common/slice.h"

enum keyword {
    KEYWORD_PIPELINING = 1 << 0,
    KEYWORD_SIZE = 1 << 1,
    KEYWORD_8BITMIME = 1 << 2,
    KEYWORD_SMTPUTF8 = 1 << 3,
    KEYWORD_ENHANCEDSTATUSCODES = 1 << 4,
    KEYWORD_DSN = 1 << 5,
    KEYWORD_CHUNKING = 1 << 6,
    KEYWORD_STARTTLS = 1 << 7,
    KEYWORD_XCLIENT = 1 << 8,
    KEYWORD_XFORWARD = 1 << 9,
    KEYWORD_BINARYMIME = 1 << 10,
    KEYWORD_REQUIRETLS = 1 << 11,
    KEYWORD_MT_PRIORITY = 1 << 12,
    KEYWORD_FUTURERELEASE = 1 << 13,
    KEYWORD_DELIVERBY = 1 << 14,
    KEYWORD_LIMITS = 1 << 15,
    KEYWORD_AUTH_PLAIN = 1 << 16,
    KEYWORD_AUTH_LOGIN = 1 << 17,
    KEYWORD_AUTH_CRAM_MD5 = 1 << 18,
    KEYWORD_AUTH_SCRAM_SHA_1 = 1 << 19,
    KEYWORD_AUTH_SCRAM_SHA_256 = 1 << 20,
    KEYWORD_AUTH_XOAUTH2 = 1 << 21,
    KEYWORD_AUTH_OAUTHBEARER = 1 << 22
};
enum { KEYWORDS_AUTH = 0x7F << 16 };

struct keyword_row {
    uint32_t bit;
    const char *text;
};

enum { KEYWORDS = 16, AUTH_MECHANISMS = 7 };
extern const struct keyword_row keyword_rows[KEYWORDS]; /* in the order in which we say them; AUTH comes last */
extern const struct keyword_row auth_mechanism_rows[AUTH_MECHANISMS];
/* The bit of a word, in any case of letters; 0: it is in none of the rows. */
uint32_t keyword_find(const struct keyword_row *rows, size_t count, struct slice word);

/* What stands behind some of them; 0: nothing did. Of two the smaller one holds, but for NUMBER_BY_MIN. */
enum keyword_number {
    NUMBER_SIZE,          /* octets (RFC 1870) */
    NUMBER_RCPTMAX,       /* LIMITS (RFC 9422): recipients of a message */
    NUMBER_MAILMAX,       /* .. messages of a session */
    NUMBER_RCPTDOMAINMAX, /* .. domains of a message's recipients */
    NUMBER_BY_MIN,        /* DELIVERBY (RFC 2852): the least seconds that one may ask for */
    NUMBER_HOLD_FOR,      /* FUTURERELEASE (RFC 4865): the most seconds */
    NUMBER_HOLD_UNTIL,    /* .. and the latest moment, in seconds since 1970 */
    NUMBER_PRIORITIES,    /* MT-PRIORITY (RFC 6710): which profile, extensions.c knows */
    KEYWORD_NUMBERS
};

enum { KEYWORD_EPOCH_MS = 30 * 60 * 1000, KEYWORD_DISTRUST_MS = 10 * 60 * 1000 };
#define KEYWORD_HEARD 0x80000000u /* in a word: something was */
/* Those that make sense to remember: what an EHLO of ours may pass on. */
enum {
    KEYWORDS_REMEMBERED = KEYWORD_SIZE | KEYWORD_8BITMIME | KEYWORD_SMTPUTF8 | KEYWORD_DSN | KEYWORD_CHUNKING |
                          KEYWORD_BINARYMIME | KEYWORD_REQUIRETLS | KEYWORD_MT_PRIORITY | KEYWORD_FUTURERELEASE |
                          KEYWORD_DELIVERBY | KEYWORD_LIMITS | KEYWORDS_AUTH
};

uint32_t keyword_epoch(int64_t now_ms);
uint32_t keyword_epoch_of(uint64_t word);

struct keyword_memory {
    bool known;
    uint32_t keywords; /* heard all the time in the last hour */
    uint64_t numbers[KEYWORD_NUMBERS];
};

void keyword_merge(struct keyword_memory *memory, uint32_t keywords, const uint64_t numbers[KEYWORD_NUMBERS]);
/* Of two numbers, the one that is safe to say for both. */
uint64_t keyword_number_merge(enum keyword_number which, uint64_t a, uint64_t b);
struct keyword_memory keyword_recall(const struct heard *heard, int64_t now_ms);
bool keyword_is_distrusted(const struct heard *heard, int64_t now_ms);

#endif
