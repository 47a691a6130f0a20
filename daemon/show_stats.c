/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/clock.h"

#include "daemon/show_internal.h"

enum { ADD_AGAIN_MS = 20 };

/* False: one of them could not be read. */
static bool add_living(const struct house *house, struct totals *sum)
{
    bool all = true;
    struct slot_facts facts;
    for (int slot = 0; slot < house->roster.end; slot++) {
        if (house->roster.entries[slot].pid == 0)
            continue;
        all &= slot_read(&house->board, slot, &facts);
        totals_add(sum, &facts); /* unreadable: all zero */
    }
    return all;
}

/* As large as a reader of JSON understands. Not cut there, as other numbers are: a sum that one worker's lie has made
 * larger goes on from what is left of it, and its differences are true. */
static void wrap(struct totals *sum)
{
    uint64_t words[sizeof(*sum) / sizeof(uint64_t)];
    memcpy(words, sum, sizeof(words));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        words[i] &= HISTORY_MOST;
    memcpy(sum, words, sizeof(words));
}

/* Who ended since this child was forked is in the region by now: what was counted once never shrinks, but where workers
 * end faster than anybody can add up, or one never stops writing. One that had to wait for the processor while it wrote
 * is read a little later: what shrinks for a moment has begun anew to who takes differences. */
struct totals show_totals(const struct show *show)
{
    const struct house *house = show->view.house;
    struct totals sum;
    uint32_t sequence;
    for (int i = 0; i < TOTALS_TRIES; i++) {
        bool whole = totals_read(house->board.ended, &sum, &sequence);
        whole &= add_living(house, &sum);
        if (whole && totals_holds(house->board.ended, sequence))
            break;
        clock_poll(NULL, 0, clock_deadline(ADD_AGAIN_MS));
    }
    wrap(&sum);
    return sum;
}

struct buffer *show_begin_totals(struct show *show, const struct totals *totals)
{
    struct buffer *to = show_record(show, "totals");
    show_count(to, "sessions", totals->sessions);
    show_count(to, "messages", totals->messages);
    show_count(to, "refused_messages", totals->refused_messages);
    show_count(to, "unheard", totals->unheard);
    show_count(to, "bytes_in", totals->bytes_in);
    show_count(to, "limited", totals->limited);
    show_count(to, "held_sessions", totals->held_sessions);
    show_count(to, "held_ms", totals->held_ms);
    show_count(to, "let_go", totals->let_go);
    show_count(to, "turned_away", totals->turned_away);
    show_count(to, "inside_waits", totals->inside_waits);
    show_count(to, "inside_wait_ms", totals->inside_wait_ms);
    return to;
}

static void say_totals(struct show *show)
{
    struct totals totals = show_totals(show);
    struct buffer *to = show_begin_totals(show, &totals);
    show_count(to, "evictions", totals.evictions);
    show_count(to, "damaged", totals.damaged);
    show_count(to, "given_up", totals.given_up);
    show_count(to, "forked", show->view.house->forked);
    show_count(to, "crashed", totals.crashed);
    control_end(to);
}

int show_count_listed(const struct show *show, enum listed_as as)
{
    int found = 0;
    struct listed_entry entry;
    char reason[LISTED_REASON_MAX];
    for (int i = 0; i < LISTED_MAX; i++)
        found += listed_read(show->view.house->board.listed, i, clock_wall(), &entry, reason) && entry.as == as;
    return found;
}

static void say_now(struct show *show)
{
    const struct house *house = show->view.house;
    struct tag_count tags = scoreboard_count(&house->board, 0, house->roster.end);
    struct buffer *to = show_record(show, "now");
    control_number(to, "workers", tags.alive);
    control_number(to, "idle", tags.idle);
    control_number(to, "busy", tags.alive - tags.idle - tags.starting);
    control_number(to, "held", tags.held);
    control_number(to, "blocked", show_count_listed(show, LISTED_BLOCKED));
    control_number(to, "allowed", show_count_listed(show, LISTED_ALLOWED));
    control_flag(to, "bypass", show->view.bypass->on);
    control_end(to);
}

static void say_table(struct show *show, const char *name, const struct table *table)
{
    struct buffer *to = show_record(show, "table");
    control_string(to, "table", name);
    show_count(to, "used", table_used(table));
    show_count(to, "entries", table->line_count * TABLE_WAYS);
    control_end(to);
}

/* Without the prefix that the regions have among the files of /proc. What a reader may not see (the ticket keys) has a
 * size, and no more is known of it. */
static void say_region(struct show *show, enum scoreboard_region region)
{
    struct region_cost cost = scoreboard_cost(&show->view.house->board, region);
    const char *dash = strchr(cost.name, '-');
    struct buffer *to = show_record(show, "region");
    control_string(to, "region", dash != NULL ? dash + 1 : cost.name);
    show_count(to, "bytes", cost.bytes);
    if (region != REGION_KEYS)
        show_count(to, "resident_bytes", cost.resident_bytes);
    show_count(to, "page_table_bytes", cost.page_table_bytes);
    control_end(to);
}

bool show_stats(struct show *show)
{
    const struct scoreboard *board = &show->view.house->board;
    say_totals(show);
    say_now(show);
    say_table(show, "rates", &board->rates);
    say_table(show, "reputations", &board->reputations);
    for (int i = 0; i < REGIONS; i++)
        say_region(show, (enum scoreboard_region)i);
    return true;
}
