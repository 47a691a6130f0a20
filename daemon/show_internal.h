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

/* What the master knows of who is at this slot; NULL: nobody, or of a generation that is gone. */
const struct crew *show_crew_of(const struct show *show, const struct roster_entry *entry);
/* A number of rumour: as large as a reader of JSON understands, at most. */
void show_count(struct buffer *to, const char *key, uint64_t value);

#endif
