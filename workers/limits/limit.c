/* SPDX-License-Identifier: ISC */
#include "common/clock.h"

#include "workers/limits/limit.h"
#include "workers/session.h"

enum { NAME_MAX_OCTETS = 640 };

/* -- whose -- */

/* A gate that says for whom it speaks is not limited: those are for whom it does. */
static bool is_left_alone(const struct session *s, const struct limit *limit)
{
    return s->rules.unlimited || session_client_is_in(s, &limit->except) ||
           session_client_is_in(s, &s->options->xclient_from);
}

bool limit_find(const struct session *s, size_t index, const struct path *recipient, struct limit_case *out)
{
    out->s = s;
    out->recipient = recipient;
    out->limit = block_at(&s->options->policy->limits, index);
    out->index = index;
    return !is_left_alone(s, out->limit) && limit_key_find(out->limit, s, recipient, &out->key);
}

/* -- names of entries -- */

/* Policy, limit and a number, with NULs between them, which are in no name. */
static uint64_t hash_of(const struct limit_case *c, const char *number)
{
    char memory[NAME_MAX_OCTETS];
    struct buffer name;
    buffer_init(&name, memory, sizeof(memory));
    buffer_put_text(&name, c->s->options->policy->name);
    buffer_put_char(&name, '\0');
    buffer_put_text(&name, c->limit->name);
    buffer_put_char(&name, '\0');
    buffer_put_text(&name, number);
    return scoreboard_hash(c->s->setup->board, buffer_unread(&name), slice_make(c->key.octets, c->key.size));
}

uint64_t limit_entry(const struct limit_case *c, size_t rate)
{
    return hash_of(c, (const char[]){(char)('0' + rate), '\0'});
}

/* Nobody is 0. */
static uint32_t whom(const struct limit_case *c)
{
    uint32_t hash = (uint32_t)hash_of(c, "seat");
    return hash != 0 ? hash : 1;
}

/* -- rates -- */

static struct rate_answer ask_one(const struct limit_case *c, size_t i, enum rate_way way, uint64_t amount,
                                  struct table_counts *counts)
{
    struct rate rate = limit_rate(c->limit, i);
    if (c->s->setup->looks_only)
        return rate_look(&c->s->setup->board->rates, limit_entry(c, i), &rate, clock_ms(), amount);
    return rate_ask(&c->s->setup->board->rates, limit_entry(c, i), &rate, clock_ms(), way, amount, counts);
}

/* What was charged before one of them was found to be over. */
static void untake(const struct limit_case *c, size_t count, uint64_t amount, struct table_counts *counts)
{
    for (size_t i = 0; i < count; i++)
        ask_one(c, i, RATE_RETURN, amount, counts);
}

struct limit_answer limit_ask(const struct limit_case *c, enum rate_way way, uint64_t amount)
{
    struct limit_answer all = {.rate = -1};
    struct table_counts counts = {0};
    for (size_t i = 0; i < c->limit->rates.count; i++) {
        struct rate_answer one = ask_one(c, i, way, amount, &counts);
        if (one.allowed)
            continue;
        if (way == RATE_TAKE) {
            untake(c, i, amount, &counts);
            way = RATE_LOOK; /* the others may have to be waited for still longer */
        }
        if (!all.over || one.wait_ms > all.wait_ms) {
            all.rate = (int)i;
            all.wait_ms = one.wait_ms;
        }
        all.over = true;
    }
    slot_add_counts(c->s->setup->board, &counts);
    return all;
}

int64_t limit_charged(const struct limit_case *c, size_t i)
{
    struct rate rate = limit_rate(c->limit, i);
    return rate_charged(&c->s->setup->board->rates, limit_entry(c, i), &rate, clock_ms());
}

/* -- seats -- */

void limit_rise(const struct limit_case *c)
{
    if (c->limit->concurrent > 0 && !c->s->setup->looks_only)
        scoreboard_take_seat(c->s->setup->board, limit_column(&c->s->options->policy->limits, c->index), 0);
}

int limit_seats(const struct limit_case *c)
{
    int column = limit_column(&c->s->options->policy->limits, c->index);
    return scoreboard_count_seats(c->s->setup->board, column, whom(c));
}

struct limit_answer limit_sit(const struct limit_case *c, bool stays)
{
    if (c->s->setup->looks_only)
        return (struct limit_answer){.over = limit_seats(c) >= c->limit->concurrent, .rate = -1};
    struct scoreboard *board = c->s->setup->board;
    int column = limit_column(&c->s->options->policy->limits, c->index);
    uint32_t key = whom(c);
    scoreboard_take_seat(board, column, key);
    bool over = scoreboard_count_seats(board, column, key) > c->limit->concurrent;
    if (over && !stays)
        limit_rise(c);
    return (struct limit_answer){.over = over, .rate = -1};
}
