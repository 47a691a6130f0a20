/* SPDX-License-Identifier: ISC
 *
 * survey - asks every server of every backend for its health, each probe_interval, and writes down what it found: the
 * scoreboard's health (it alone writes there) and the keywords heard (workers/heard.h).
 *
 * All at once in the beginning, evenly spread over the interval after that. A server in two backends is asked for each
 * of them. One failure says nothing; with the second in a row a server is down, with one good answer it is up. Each
 * change is logged once, restarts and reloads or not: it goes on from the scoreboard. A server without a place on the
 * scoreboard (there are SCOREBOARD_SERVERS_MAX) is not asked. A probe is one of the server's max_sessions; where they
 * are all taken, or somebody waits, it is left out this time: that it serves sessions is known then.
 */
#ifndef POSTERN_WORKERS_HOUSEKEEPER_SURVEY_H
#define POSTERN_WORKERS_HOUSEKEEPER_SURVEY_H

#include "common/scoreboard.h"
#include "workers/housekeeper/housekeeper.h"
#include "workers/housekeeper/probe.h"

enum { SURVEY_FAILURES = 2 };

struct survey_entry {
    struct probe_target target;
    struct probe probe;
    int64_t next_ms;
};

struct survey {
    const struct housekeeper_options *options;
    struct scoreboard *board;
    struct wait *wait;
    struct survey_entry *entries;
    int count; /* at most SCOREBOARD_SERVERS_MAX; 0 when there are to be no probes */
};

/* False: no memory. */
bool survey_open(struct survey *survey, const struct housekeeping *work, struct scoreboard *board, struct wait *wait,
                 int64_t now_ms);
void survey_close(struct survey *survey);

/* One for each entry; how many. */
int survey_poll(const struct survey *survey, struct pollfd fds[SCOREBOARD_SERVERS_MAX]);
int64_t survey_next_ms(const struct survey *survey); /* when to call survey_step at the latest */
/* `fds` as survey_poll filled them, with what became of them. */
void survey_step(struct survey *survey, const struct pollfd *fds, int64_t now_ms);

#endif
