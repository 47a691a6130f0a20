/* SPDX-License-Identifier: ISC
 *
 * What the show units share: a child's answer, and the listings in its table.
 */
#ifndef POSTERN_DAEMON_SHOW_INTERNAL_H
#define POSTERN_DAEMON_SHOW_INTERNAL_H

#include "daemon/show.h"

enum { SHOW_BUFFER = 4 * CONTROL_RECORD_MAX };

struct show {
    struct control_view view;
    struct control_request request;
    int fd;
    struct show_asker asker;
    int64_t deadline_ms;
    int64_t now_ms;
    struct buffer out;
    char memory[SHOW_BUFFER];
};

/* A record begins; what is there already leaves where it would not fit behind it. Who does not read ends the child. */
struct buffer *show_record(struct show *show, const char *kind);
void show_flush(struct show *show);

/* Each ends with true, or with false after the error. */
typedef bool show_function(struct show *show);
show_function show_status, show_sessions, show_workers, show_servers, show_check, show_kill;
show_function show_blocked, show_allowed, show_limits, show_rates, show_lists, show_clients, show_stats, show_history,
    show_metrics, show_explain, show_memory;

/* What the master knows of who is at this slot; NULL: nobody, or of a generation that is gone. */
const struct crew *show_crew_of(const struct show *show, const struct roster_entry *entry);
/* What was done since the start, by those who have ended and by those who live: rumour. */
struct totals show_totals(const struct show *show);
struct buffer *show_begin_totals(struct show *show, const struct totals *totals); /* their record, not ended */
int show_count_listed(const struct show *show, enum listed_as as);
/* The workers of one crew, or of all with -1; held ones are busy, too. */
struct show_tally {
    int alive, idle, busy, starting, held;
};
struct show_tally show_tally_of(const struct show *show, uint32_t generation, int crew);
/* Who is in a session at this slot. Read once: what comes out is what is shown. */
bool show_read_session(const struct show *show, int slot, struct slot_facts *out);
/* What the storekeeper says of itself; all zero where no store is configured. */
struct show_store {
    bool is_configured, is_working;
    const char *words; /* what it is */
    uint64_t records, bytes, bytes_max, waiting, commits, longest_commit_us, longest_answer_us;
    uint64_t attempts[STORE_OUTCOMES];
    uint64_t purged, evicted, lost;
};
struct show_store show_read_store(const struct show *show);
/* How long ago; what is no time yet, or none any more, is 0. */
int64_t show_age(const struct show *show, int64_t since_ms);
/* A number of rumour: as large as a reader of JSON understands, at most. */
void show_count(struct buffer *to, const char *key, uint64_t value);

#endif
