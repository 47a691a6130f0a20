/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/totals.h"

#include "daemon/adopted.h"
#include "daemon/estate.h"
#include "daemon/inherited.h"

enum { NUMBER_MAX = INT32_MAX, HEX_BASE = 16, REFUSED_MAX = 512 /* it may be four times as long when escaped */ };

/* -- the scoreboard */

static void print_key(const uint8_t key[SIPHASH_KEY_BYTES], char text[2 * SIPHASH_KEY_BYTES + 1])
{
    for (int i = 0; i < SIPHASH_KEY_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02X", key[i]);
}

static bool parse_key(const char *text, uint8_t key[SIPHASH_KEY_BYTES])
{
    static const char digits[] = "0123456789ABCDEF";
    for (int i = 0; i < 2 * SIPHASH_KEY_BYTES; i++) {
        const char *digit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;
        if (digit == NULL)
            return false;
        key[i / 2] = (uint8_t)(key[i / 2] * HEX_BASE + (digit - digits));
    }
    return true;
}

static void write_board(const struct scoreboard *board, struct legacy *to)
{
    char key[2 * SIPHASH_KEY_BYTES + 1];
    print_key(board->hash_key, key);
    legacy_begin(to, "scoreboard");
    legacy_put_number(to, "layout", scoreboard_layout());
    legacy_put_number(to, "slots", board->size.slots);
    legacy_put_number(to, "rates", board->size.rates);
    legacy_put_number(to, "reputations", board->size.reputations);
    legacy_put_string(to, "hash_key", key);
    legacy_end(to);
    for (int i = 0; i < REGIONS; i++) {
        legacy_begin(to, "region");
        legacy_put_string(to, "name", scoreboard_region_name((enum scoreboard_region)i));
        legacy_put_fd(to, "fd", board->regions[i].fd);
        legacy_put_fd(to, "readonly_fd", board->regions[i].readonly_fd);
        legacy_put_number(to, "bytes", (int64_t)board->regions[i].size);
        legacy_end(to);
    }
}

static void read_regions(struct legacy *from, struct region regions[REGIONS])
{
    char name[64];
    for (int i = 0; i < REGIONS; i++)
        regions[i] = REGION_NONE;
    for (struct legacy_record r = {0}; legacy_next(from, "region", &r);) {
        struct region region = {legacy_fd(&r, "fd"), legacy_fd(&r, "readonly_fd"),
                                (size_t)legacy_number(&r, "bytes", 0, INT64_MAX)};
        legacy_text(&r, "name", name, sizeof(name));
        for (int i = 0; i < REGIONS; i++)
            if (strcmp(name, scoreboard_region_name((enum scoreboard_region)i)) == 0)
                regions[i] = region;
    }
}

static void leave_regions(struct legacy *from, const struct region regions[REGIONS])
{
    for (int i = 0; i < REGIONS; i++) {
        legacy_leave(from, regions[i].fd);
        legacy_leave(from, regions[i].readonly_fd);
    }
}

/* False with errno; EPROTO: it is of another layout or size. */
static bool adopt_board(struct scoreboard *board, struct legacy *from, const struct scoreboard_size *wanted)
{
    struct legacy_record r = {0};
    struct region regions[REGIONS];
    uint8_t hash_key[SIPHASH_KEY_BYTES] = {0};
    char key[2 * SIPHASH_KEY_BYTES + 1];
    errno = EPROTO;
    if (!legacy_next(from, "scoreboard", &r) || legacy_number(&r, "layout", 0, INT64_MAX) != scoreboard_layout() ||
        legacy_number(&r, "slots", 1, INT64_MAX) != wanted->slots ||
        legacy_number(&r, "rates", 1, INT64_MAX) != wanted->rates ||
        legacy_number(&r, "reputations", 1, INT64_MAX) != wanted->reputations ||
        legacy_text(&r, "hash_key", key, sizeof(key)) != sizeof(key) - 1 || !parse_key(key, hash_key))
        return false;
    read_regions(from, regions);
    if (scoreboard_adopt(board, wanted, hash_key, regions))
        return true;
    leave_regions(from, regions);
    return false;
}

/* -- the house */

static const struct {
    const char *key;
    size_t offset;
} TOTALS[] = {
    {"sessions", offsetof(struct totals, sessions)},
    {"messages", offsetof(struct totals, messages)},
    {"refused_messages", offsetof(struct totals, refused_messages)},
    {"bytes_in", offsetof(struct totals, bytes_in)},
    {"unheard", offsetof(struct totals, unheard)},
    {"held_sessions", offsetof(struct totals, held_sessions)},
    {"held_ms", offsetof(struct totals, held_ms)},
    {"let_go", offsetof(struct totals, let_go)},
    {"limited", offsetof(struct totals, limited)},
    {"turned_away", offsetof(struct totals, turned_away)},
    {"inside_waits", offsetof(struct totals, inside_waits)},
    {"inside_wait_ms", offsetof(struct totals, inside_wait_ms)},
    {"evictions", offsetof(struct totals, evictions)},
    {"damaged", offsetof(struct totals, damaged)},
    {"given_up", offsetof(struct totals, given_up)},
    {"log_dropped", offsetof(struct totals, log_dropped)},
    {"crashed", offsetof(struct totals, crashed)},
};
_Static_assert(sizeof(TOTALS) / sizeof(TOTALS[0]) * sizeof(uint64_t) == sizeof(struct totals), "all of them");

static uint64_t *total_at(struct totals *totals, size_t i)
{
    return (uint64_t *)(void *)((char *)totals + TOTALS[i].offset);
}

/* What workers that live have done so far counts only where they are not heard any more: those of an old scoreboard. */
static void write_totals(const char *kind, struct totals totals, struct legacy *to)
{
    legacy_begin(to, kind);
    for (size_t i = 0; i < sizeof(TOTALS) / sizeof(TOTALS[0]); i++)
        legacy_put_number(to, TOTALS[i].key, (int64_t)(*total_at(&totals, i) & INT64_MAX));
    legacy_end(to);
}

static void add_totals(struct totals *totals, const char *kind, struct legacy *from)
{
    struct legacy_record r = {0};
    if (!legacy_next(from, kind, &r))
        return;
    for (size_t i = 0; i < sizeof(TOTALS) / sizeof(TOTALS[0]); i++)
        if (legacy_has(&r, TOTALS[i].key)) /* an earlier program may not have had all of them */
            *total_at(totals, i) += (uint64_t)legacy_number(&r, TOTALS[i].key, 0, INT64_MAX);
}

static struct totals totals_of_living(const struct house *house)
{
    struct totals totals = {0};
    struct slot_facts facts;
    for (int slot = 0; slot < house->roster.end; slot++)
        if (house->roster.entries[slot].pid != 0 && slot_read(&house->board, slot, &facts))
            totals_add(&totals, &facts);
    return totals;
}

static void write_roster(const struct roster *roster, struct legacy *to)
{
    for (int slot = 0; slot < roster->end; slot++) {
        const struct roster_entry *entry = &roster->entries[slot];
        if (entry->pid == 0)
            continue;
        legacy_begin(to, "worker");
        legacy_put_number(to, "slot", slot);
        legacy_put_number(to, "pid", entry->pid);
        legacy_put_number(to, "generation", entry->generation);
        legacy_put_number(to, "crew", entry->crew);
        legacy_put_number(to, "started_ms", entry->started_ms);
        legacy_put_number(to, "told", entry->told);
        legacy_put_number(to, "no_blame_before_ms", entry->no_blame_before_ms);
        legacy_end(to);
    }
}

static void read_roster(struct roster *roster, struct legacy *from, const struct succession *s)
{
    for (struct legacy_record r = {0}; legacy_next(from, "worker", &r);) {
        int slot = (int)legacy_number(&r, "slot", 0, roster->size - 1);
        struct roster_entry entry = {
            .pid = (pid_t)legacy_number(&r, "pid", 2, NUMBER_MAX),
            .generation = (uint32_t)legacy_number(&r, "generation", 1, UINT32_MAX),
            .crew = (int)legacy_number(&r, "crew", 0, NUMBER_MAX),
            .started_ms = legacy_number(&r, "started_ms", 0, INT64_MAX),
            .told = (int)legacy_number(&r, "told", 0, NUMBER_MAX),
        };
        const struct generation *generation = succession_find(s, entry.generation);
        if (generation == NULL || entry.crew >= generation->count || roster->entries[slot].pid != 0) {
            legacy_be_bad(from, "worker", "it is nowhere, or where another one is");
            return;
        }
        roster_add(roster, slot, &entry);
        roster->entries[slot].no_blame_before_ms = legacy_number(&r, "no_blame_before_ms", 0, INT64_MAX);
    }
}

static void write_house(const struct house *house, struct legacy *to)
{
    write_board(&house->board, to);
    write_totals("ended", house->ended, to);
    write_totals("living", totals_of_living(house), to);
    write_roster(&house->roster, to);
    legacy_begin(to, "forked");
    legacy_put_number(to, "workers", (int64_t)house->forked);
    legacy_end(to);
    legacy_begin(to, "wake");
    legacy_put_fd(to, "read", house->wake_read);
    legacy_put_fd(to, "write", house->wake_write);
    legacy_end(to);
    legacy_begin(to, "store");
    legacy_put_fd(to, "read", house->store_read);
    legacy_put_fd(to, "write", house->store_write);
    legacy_end(to);
}

static bool fail(char *why, size_t why_size, const char *what)
{
    snprintf(why, why_size, "%s: %s", what, strerror(errno));
    return false;
}

static bool open_board(struct estate *estate, struct legacy *from, const struct plan *plan)
{
    const struct scoreboard_options *options = plan->scoreboard;
    const struct scoreboard_size size = {SCOREBOARD_SLOTS_MAX, options->rates, options->reputations};
    struct scoreboard *board = &estate->house->board;
    if (adopt_board(board, from, &size))
        return true;
    estate->is_new_board = errno == EPROTO;
    return estate->is_new_board && scoreboard_create(board, &size);
}

static bool read_house(struct estate *estate, struct legacy *from, const struct plan *plan, char *why, size_t why_size)
{
    struct house *house = estate->house;
    struct legacy_record r = {0};
    if (!open_board(estate, from, plan))
        return fail(why, why_size, "cannot take over the scoreboard");
    if (!roster_open(&house->roster, SCOREBOARD_SLOTS_MAX))
        return fail(why, why_size, "cannot make the roster");
    add_totals(&house->ended, "ended", from);
    if (estate->is_new_board)
        add_totals(&house->ended, "living", from);
    if (legacy_next(from, "forked", &r))
        house->forked = (uint64_t)legacy_number(&r, "workers", 0, INT64_MAX);
    r = (struct legacy_record){0};
    read_roster(&house->roster, from, estate->succession);
    if (!legacy_next(from, "wake", &r))
        legacy_be_bad(from, "wake", "there is none");
    else {
        house->wake_read = legacy_fd(&r, "read");
        house->wake_write = legacy_fd(&r, "write");
    }
    r = (struct legacy_record){0};
    if (legacy_next(from, "store", &r)) {
        house->store_read = legacy_fd(&r, "read");
        house->store_write = legacy_fd(&r, "write");
    }
    if ((house->store_read < 0 || house->store_write < 0) && !house_open_store(house)) /* of a program without one */
        return fail(why, why_size, "cannot make the storekeeper's socket");
    return true;
}

/* -- housekeeper and storekeeper */

static void write_household(const struct household *household, struct legacy *to)
{
    legacy_begin(to, household->kind->name);
    legacy_put_number(to, "pid", household->pid);
    legacy_put_flag(to, "leaving", household->leaving);
    legacy_put_fd(to, "lifeline", household->lifeline);
    legacy_put_fd(to, "ask_read", household->ask_read);
    legacy_put_fd(to, "ask_write", household->ask_write);
    legacy_put_number(to, "started_ms", household->started_ms);
    legacy_put_number(to, "kill_ms", household->kill_ms);
    legacy_put_number(to, "restarts", household->restarts);
    legacy_end(to);
}

static void take_household(struct household *household, struct house *house, const struct legacy_record *r)
{
    *household = (struct household){
        .kind = household->kind,
        .house = house,
        .pid = (pid_t)legacy_number(r, "pid", 0, NUMBER_MAX),
        .leaving = legacy_flag(r, "leaving"),
        .lifeline = legacy_fd(r, "lifeline"),
        .ask_read = legacy_fd(r, "ask_read"),
        .ask_write = legacy_fd(r, "ask_write"),
        .started_ms = legacy_number(r, "started_ms", 0, INT64_MAX),
        .kill_ms = legacy_number(r, "kill_ms", 0, CLOCK_NEVER),
        .restarts = (int)legacy_number(r, "restarts", 0, NUMBER_MAX),
    };
}

static void read_housekeeper(struct household *household, struct house *house, struct legacy *from)
{
    struct legacy_record r = {0};
    if (legacy_next(from, household->kind->name, &r))
        take_household(household, house, &r);
    else
        legacy_be_bad(from, household->kind->name, "there is none");
}

/* The program before may not have known any. */
static void read_storekeeper(struct household *household, struct house *house, struct legacy *from)
{
    struct legacy_record r = {0};
    household_open(household, house, household->kind); /* it has no pipe: nothing can fail */
    if (legacy_next(from, household->kind->name, &r))
        take_household(household, house, &r);
}

/* -- what was ordered */

static void write_orders(const struct orders *orders, const struct bypass *bypass, struct legacy *to)
{
    legacy_begin(to, "bypass");
    legacy_put_flag(to, "on", bypass->on);
    legacy_put_number(to, "since_ms", bypass->since_ms);
    legacy_put_number(to, "say_ms", bypass->say_ms);
    legacy_end(to);
    legacy_begin(to, "log");
    legacy_put_number(to, "ordered", atomic_load(&orders->log_level)); /* 0: as configured */
    legacy_put_number(to, "dropped", (int64_t)(log_dropped() & INT64_MAX));
    legacy_end(to);
}

/* The orders themselves lie in the scoreboard, and went along with it. */
static void read_orders(struct estate *estate, struct legacy *from)
{
    struct bypass *bypass = estate->bypass;
    struct orders *orders = estate->house->board.orders;
    struct legacy_record r = {0};
    if (legacy_next(from, "bypass", &r))
        *bypass = (struct bypass){.on = legacy_flag(&r, "on"),
                                  .since_ms = legacy_number(&r, "since_ms", 0, INT64_MAX),
                                  .say_ms = legacy_number(&r, "say_ms", 0, INT64_MAX)};
    r = (struct legacy_record){0};
    bool found = legacy_next(from, "log", &r);
    int ordered = found ? (int)legacy_number(&r, "ordered", 0, LEVEL_DEBUG + 1) : 0;
    if (found && legacy_has(&r, "dropped")) /* an earlier program may not have said it */
        log_count_dropped((uint64_t)legacy_number(&r, "dropped", 0, INT64_MAX));
    if (!estate->is_new_board)
        return;
    orders_set_bypass(orders, bypass->on);
    if (ordered > 0)
        orders_set_log_level(orders, false, (enum level)(ordered - 1));
}

/* -- whom an administrator listed: in the scoreboard, and in a file */

static void write_listing(const struct listing *listing, struct legacy *to)
{
    const struct stat *is = &listing->file.is;
    legacy_begin(to, "listing");
    legacy_put_flag(to, "changed", listing->changed);
    legacy_put_string(to, "unkept", listing->unkept);
    legacy_put_number(to, "retry_ms", listing->retry_ms);
    legacy_put_number(to, "device", (int64_t)is->st_dev);
    legacy_put_number(to, "inode", (int64_t)is->st_ino);
    legacy_put_number(to, "bytes", is->st_size);
    legacy_put_number(to, "changed_s", is->st_mtim.tv_sec);
    legacy_put_number(to, "changed_ns", is->st_mtim.tv_nsec);
    legacy_end(to);
}

static void read_listing(struct estate *estate, struct legacy *from, const char *path, bool loud)
{
    struct listing *listing = estate->listing;
    struct legacy_record r = {0};
    if (estate->is_new_board || !legacy_next(from, "listing", &r)) {
        listing_open(listing, estate->house->board.listed, path, loud);
        return;
    }
    *listing = (struct listing){.listed = estate->house->board.listed,
                                .file.path = path,
                                .changed = legacy_flag(&r, "changed"),
                                .retry_ms = legacy_number(&r, "retry_ms", 0, INT64_MAX)};
    legacy_text(&r, "unkept", listing->unkept, sizeof(listing->unkept));
    struct stat *is = &listing->file.is;
    is->st_dev = (dev_t)legacy_number(&r, "device", INT64_MIN, INT64_MAX);
    is->st_ino = (ino_t)legacy_number(&r, "inode", INT64_MIN, INT64_MAX);
    is->st_size = legacy_number(&r, "bytes", 0, INT64_MAX);
    is->st_mtim.tv_sec = legacy_number(&r, "changed_s", INT64_MIN, INT64_MAX);
    is->st_mtim.tv_nsec = legacy_number(&r, "changed_ns", 0, INT64_MAX);
}

/* -- the master itself */

static void write_master(const struct estate *estate, struct legacy *to)
{
    legacy_begin(to, "master");
    legacy_put_number(to, "started_ms", *estate->started_ms);
    legacy_put_number(to, "started_wall", *estate->started_wall);
    legacy_put_number(to, "reloaded_ms", *estate->reloaded_ms);
    legacy_put_number(to, "reloads", *estate->reloads);
    legacy_put_text(to, "reload_refused", slice_make(estate->reload->why, strnlen(estate->reload->why, REFUSED_MAX)));
    legacy_end(to);
    legacy_begin(to, "pidfile");
    legacy_put_string(to, "path", estate->pidfile->path);
    legacy_put_fd(to, "fd", estate->pidfile->fd); /* the lock is the process's, and goes along */
    legacy_end(to);
}

static void read_master(struct estate *estate, struct legacy *from)
{
    struct legacy_record r = {0};
    if (!legacy_next(from, "master", &r)) {
        legacy_be_bad(from, "master", "there is none");
        return;
    }
    *estate->started_ms = legacy_number(&r, "started_ms", 0, INT64_MAX);
    *estate->started_wall = (time_t)legacy_number(&r, "started_wall", INT64_MIN, INT64_MAX);
    *estate->reloaded_ms = legacy_number(&r, "reloaded_ms", 0, INT64_MAX);
    *estate->reloads = (int)legacy_number(&r, "reloads", 0, NUMBER_MAX);
    legacy_text(&r, "reload_refused", estate->reload->why, sizeof(estate->reload->why));
    r = (struct legacy_record){0};
    if (!legacy_next(from, "pidfile", &r))
        return;
    legacy_text(&r, "path", estate->pidfile->path, sizeof(estate->pidfile->path));
    estate->pidfile->fd = legacy_fd(&r, "fd");
}

/* -- all of it */

void estate_write(const struct estate *estate, struct legacy *to)
{
    write_master(estate, to);
    adopted_write(estate->succession, to);
    inherited_write(to);
    write_household(estate->household, to);
    write_household(estate->storekeeper, to);
    write_orders(estate->house->board.orders, estate->bypass, to);
    write_listing(estate->listing, to);
    write_house(estate->house, to);
}

bool estate_read(struct estate *estate, struct legacy *from, const struct plan *plan, char *why, size_t why_size)
{
    const struct process_options *process = plan->process;
    read_master(estate, from);
    adopted_read(estate->succession, from);
    read_housekeeper(estate->household, estate->house, from);
    read_storekeeper(estate->storekeeper, estate->house, from);
    if (!inherited_read(from, why, why_size) || !legacy_is_good(from, why, why_size) ||
        !read_house(estate, from, plan, why, why_size))
        return false;
    read_orders(estate, from);
    read_listing(estate, from, process->listed_file, process->log != PROCESS_LOG_STDERR);
    return legacy_is_good(from, why, why_size);
}

void estate_take_effect(const struct estate *estate)
{
    const struct house *house = estate->house;
    orders_set_slots_end(house->board.orders, house->roster.end);
    totals_begin_change(house->board.ended);
    totals_end_change(house->board.ended, &house->ended);
}
