/* SPDX-License-Identifier: ISC */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bot.h"

enum { DICTIONARY_SIZE = 50, TRICKLE_US = 1000000, LINE_MAX_BYTES = 64 };
enum { PERCENT_EARLY = 30, PERCENT_DICTIONARY = 20, PERCENT_TRICKLE = 10 };
static const double PATIENCE_US = 4.3e6;

/* 127.64.0.0/10: apart from the senders, and from where fronts and the inside listen. */
static const uint32_t ADDRESS_FIRST = 0x7f400000u, ADDRESS_MASK = 0x003fffffu;

static const char MESSAGE[] =
    "From: <bot@botnet.example>\r\n"
    "To: <ann@example.com>\r\n"
    "Subject: earn money at home\r\n"
    "\r\n"
    "It is so easy that it cannot be described in a single line, and so this message has several.\r\n"
    "Send us all that you have, and wait. Whoever waits is rich, in time, of which there is a lot.\r\n"
    "Answer today. This is no joke, nor was it sent to anybody but you and a million of others.\r\n"
    ".\r\n";

/* A command, its reply's first digit, and what comes then; the steps stand in their order. */
enum step { STEP_BANNER, STEP_EHLO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_MESSAGE };
static const struct {
    const char *octets; /* NULL: nothing to say, or made for each */
    char expected;
} STEPS[] = {
    [STEP_BANNER] = {NULL, '2'},
    [STEP_EHLO] = {"EHLO bot.botnet.example\r\n", '2'},
    [STEP_MAIL] = {"MAIL FROM:<bot@botnet.example>\r\n", '2'},
    [STEP_RCPT] = {NULL, '2'},
    [STEP_DATA] = {"DATA\r\n", '3'},
    [STEP_MESSAGE] = {MESSAGE, '2'},
};

struct bot {
    struct talker talker; /* first */
    struct bots *all;
    struct bot *next, **previous;
    enum bot_kind kind;
    enum step step;
    int64_t patience_us, waits_since_us;
    const char *unsaid; /* what is still to trickle */
    size_t unsaid_size;
    int recipients, accepted;
    char line[LINE_MAX_BYTES];
};

/* -- chance, the same in each run */

static uint64_t draw(struct bots *b)
{
    b->random ^= b->random >> 12;
    b->random ^= b->random << 25;
    b->random ^= b->random >> 27;
    return b->random * 0x2545f4914f6cdd1du >> 16;
}

static enum bot_kind draw_kind(struct bots *b)
{
    int percent = (int)(draw(b) % 100);
    if (percent < PERCENT_EARLY)
        return BOT_EARLY;
    if (percent < PERCENT_EARLY + PERCENT_DICTIONARY)
        return BOT_DICTIONARY;
    return percent < PERCENT_EARLY + PERCENT_DICTIONARY + PERCENT_TRICKLE ? BOT_TRICKLE : BOT_PLAIN;
}

static int64_t draw_patience(struct bots *b)
{
    double chance = ((double)(draw(b) % 1000000) + 1) / 1000001;
    return (int64_t)(-log(chance) * PATIENCE_US);
}

/* One of the set's addresses. They are scattered evenly: ten thousand have nearly as many networks (/24). */
static uint32_t draw_address(struct bots *b)
{
    uint32_t number = (uint32_t)(draw(b) % (uint64_t)b->addresses);
    uint32_t address = ADDRESS_FIRST | ((number * 2654435769u >> 10) & ADDRESS_MASK);
    return (address & 0xff) == 0 ? address | 1 : address;
}

/* -- its end */

static void leave(struct bot *bot, long *why)
{
    struct bots *all = bot->all;
    ++*why;
    all->held -= bot->talker.connected;
    talker_end(&bot->talker);
    all->now--;
    *bot->previous = bot->next;
    if (bot->next != NULL)
        bot->next->previous = bot->previous;
    bot->next = all->ended;
    all->ended = bot;
}

static void be_lost(struct talker *t)
{
    struct bot *bot = (struct bot *)t;
    leave(bot, &bot->all->dropped);
}

/* -- what it says */

static void wait_for_answer(struct bot *bot)
{
    if (bot->kind == BOT_SILENT)
        return;
    bot->waits_since_us = now_us();
    talker_ring_at(&bot->talker, bot->waits_since_us + bot->patience_us);
}

static void trickle(struct bot *bot)
{
    talker_say(&bot->talker, bot->unsaid, 1);
    bot->unsaid++;
    bot->unsaid_size--;
    if (bot->unsaid_size == 0)
        wait_for_answer(bot);
    else
        talker_ring_at(&bot->talker, now_us() + TRICKLE_US);
}

static void say(struct bot *bot, const char *octets)
{
    bot->waits_since_us = 0;
    if (bot->kind == BOT_TRICKLE) {
        bot->unsaid = octets;
        bot->unsaid_size = strlen(octets);
        trickle(bot);
        return;
    }
    talker_say(&bot->talker, octets, strlen(octets));
    wait_for_answer(bot);
}

/* Those of a dictionary that inside does not know begin with "nobody". */
static void say_recipient(struct bot *bot)
{
    int last = bot->kind == BOT_DICTIONARY ? DICTIONARY_SIZE : 1;
    bot->recipients++;
    if (bot->recipients < last)
        snprintf(bot->line, sizeof bot->line, "RCPT TO:<nobody%d@example.com>\r\n", bot->recipients);
    else
        snprintf(bot->line, sizeof bot->line, "RCPT TO:<ann@example.com>\r\n");
    say(bot, bot->line);
}

static void take(struct bot *bot, enum step step)
{
    bot->step = step;
    if (step == STEP_RCPT)
        say_recipient(bot);
    else
        say(bot, STEPS[step].octets);
}

static void begin_to_wait(struct talker *t)
{
    struct bot *bot = (struct bot *)t;
    struct bots *all = bot->all;
    if (++all->held > all->held_most)
        all->held_most = all->held;
    if (bot->kind == BOT_EARLY)
        talker_say(t, STEPS[STEP_EHLO].octets, strlen(STEPS[STEP_EHLO].octets));
}

/* -- what it hears */

static bool is_yes(const struct bot *bot, int code)
{
    return code / 100 == STEPS[bot->step].expected - '0';
}

/* Who goes through a dictionary minds no refusal but the last; that one may be because of all before it. */
static bool goes_on_with_recipients(struct bot *bot, int code)
{
    bot->accepted += is_yes(bot, code);
    return bot->kind == BOT_DICTIONARY && bot->recipients < DICTIONARY_SIZE && code != 421;
}

static void go_on(struct bot *bot)
{
    if (bot->step == STEP_BANNER && bot->kind == BOT_EARLY) {
        bot->step = STEP_EHLO; /* it was said already */
        wait_for_answer(bot);
    } else if (bot->step == STEP_MESSAGE) {
        bot->all->inside_of_kind[bot->kind]++;
        leave(bot, &bot->all->inside);
    } else if (bot->step != STEP_EHLO || bot->kind != BOT_SILENT) {
        take(bot, bot->step + 1);
    }
}

static void hear(struct talker *t, int code)
{
    struct bot *bot = (struct bot *)t;
    if (bot->waits_since_us != 0)
        bot->patience_us -= now_us() - bot->waits_since_us;
    wheel_unset(&t->alarm);
    if (bot->step == STEP_RCPT && goes_on_with_recipients(bot, code))
        say_recipient(bot);
    else if (is_yes(bot, code) || (bot->step == STEP_RCPT && bot->accepted > 0 && code != 421))
        go_on(bot);
    else
        leave(bot, &bot->all->refused);
}

static void be_rung(struct talker *t)
{
    struct bot *bot = (struct bot *)t;
    if (bot->unsaid_size > 0)
        trickle(bot);
    else
        leave(bot, &bot->all->gave_up);
}

static const struct kind KIND = {begin_to_wait, hear, be_lost, be_rung};

/* -- all of them */

void bots_begin(struct bots *b, struct room *room, int addresses, uint64_t seed)
{
    *b = (struct bots){.room = room, .addresses = addresses, .random = seed * 0x9e3779b97f4a7c15u + 1};
}

void bots_add(struct bots *b, bool silent)
{
    struct bot *bot = calloc(1, sizeof *bot);
    if (bot == NULL) {
        perror("swarm");
        exit(1);
    }
    bot->all = b;
    bot->kind = silent ? BOT_SILENT : draw_kind(b);
    bot->patience_us = draw_patience(b);
    bot->next = b->first;
    bot->previous = &b->first;
    if (bot->next != NULL)
        bot->next->previous = &bot->next;
    b->first = bot;
    b->now++;
    b->begun++;
    b->of_kind[bot->kind]++;
    if (talker_begin(&bot->talker, &KIND, b->room, draw_address(b)))
        wait_for_answer(bot);
    else
        leave(bot, &b->dropped);
}

void bots_bury(struct bots *b)
{
    struct bot *bot;
    while ((bot = b->ended) != NULL) {
        b->ended = bot->next;
        free(bot);
    }
}

void bots_end(struct bots *b)
{
    long nowhere = 0;
    while (b->first != NULL)
        leave(b->first, &nowhere);
    bots_bury(b);
}
