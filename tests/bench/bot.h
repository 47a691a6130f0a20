/* SPDX-License-Identifier: ISC
 *
 * bot - the programs of a botnet: each comes once, tries to leave one message, and has no time.
 *
 * How long it waits for answers, all in all, is drawn when it begins: exponential, so that nine in ten are gone after
 * ten seconds. What it needs to send, where it sends an octet at a time, is not waiting.
 */
#ifndef BENCH_BOT_H
#define BENCH_BOT_H

#include "tests/bench/talker.h"

enum bot_kind {
    BOT_PLAIN,
    BOT_EARLY,      /* says EHLO before the banner, and goes on with what it hears */
    BOT_DICTIONARY, /* 50 recipients, of which the last one exists */
    BOT_TRICKLE,    /* an octet a second */
    BOT_SILENT,     /* nothing behind EHLO, and all the time there is */
    BOT_KINDS
};

struct bots {
    struct room *room;
    int addresses; /* that they come from */
    uint64_t random;
    long begun, inside, refused, dropped, gave_up;
    long of_kind[BOT_KINDS], inside_of_kind[BOT_KINDS];
    int now, held, held_most; /* connections that there are; that are established; the most of these */
    struct bot *first, *ended;
};

void bots_begin(struct bots *b, struct room *room, int addresses, uint64_t seed);
void bots_add(struct bots *b, bool silent);
void bots_bury(struct bots *b); /* gives the memory of those that have ended back */
void bots_end(struct bots *b);

#endif
