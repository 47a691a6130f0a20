/* SPDX-License-Identifier: ISC
 *
 * log - lines to syslog (own datagrams to /dev/log) or to stderr.
 *
 * Not syslog(3): it blocks for ever when the daemon is stopped. Here a line waits LOG_WAIT_MS at most, then it is
 * dropped and counted; the count is reported with the next line that gets through. A closed or replaced /dev/log is
 * opened again by itself. Nothing fails, nothing is returned. Each line is one write.
 *
 * After one that was dropped the next ones do not wait, until one gets through; a log that hangs is looked for anew
 * once a second. A process that forks need not care: the child opens a socket of its own, leaves the inherited
 * descriptor to whoever closes descriptors there, and counts from 0. Only with stderr it calls log_keep_stderr.
 *
 * A record is one key=value line, event=.. first. Every value is escaped: a value with blanks, quotes, '=', '\',
 * controls or octets over 126 is put in double quotes with \" \\ and \xHH; no peer can forge a second line or field. In
 * the text of log_line, controls become '?'.
 */
#ifndef POSTERN_COMMON_LOG_H
#define POSTERN_COMMON_LOG_H

#include <stdatomic.h>

#include "common/slice.h"

enum level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_NOTICE, LEVEL_INFO, LEVEL_DEBUG };

enum { LOG_WAIT_MS = 200, RECORD_MAX = 4096 };

struct record {
    char text[RECORD_MAX];
    size_t size;
    bool cut; /* something did not fit: the line says cut=yes */
};

void log_to_stderr(const char *ident); /* a pipe or terminal is opened anew, so that nobody else changes its flags */
void log_to_syslog(const char *ident, int facility, const char *socket_path);
/* For tests: every line, without its line end, goes there. */
void log_to_function(void (*sink)(enum level level, const char *line));
/* In a child, as long as it may open what its parent could: true when the log needs stderr, which is then an open file
 * of the child's own where that is possible. False: stderr is free. */
bool log_keep_stderr(void);
void log_set_level(enum level most); /* lines beyond it are not written */
/* A word in shared memory goes before that: enum level + 1, or 0 (and whatever is no level) for none. NULL: none. The
 * scoreboard sets it, whose word it is; it must stay mapped. */
void log_follow(const _Atomic uint32_t *ordered);
bool log_wants(enum level level);
/* Where a process ends: there is no next line that could say what was lost. */
void log_report_drops(void);
uint64_t log_dropped(void);             /* lines of this process that were lost, reported or not */
void log_count_dropped(uint64_t lines); /* of the program that was this process before */
bool log_is_heard(void);                /* no line of this process was lost since the last that got through */
void log_line(enum level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

void record_begin(struct record *r, const char *event);
void record_text(struct record *r, const char *key, struct slice value); /* an empty value is left out */
void record_string(struct record *r, const char *key, const char *value);
void record_number(struct record *r, const char *key, uint64_t value);
void record_send(struct record *r, enum level level);

#endif
