/* SPDX-License-Identifier: ISC
 *
 * process - the options of the process as a whole, at the top level of postern.conf; where its log goes.
 */
#ifndef POSTERN_DAEMON_PROCESS_H
#define POSTERN_DAEMON_PROCESS_H

#include "common/config.h"

struct process_options {
    const char *user;
    const char *group;    /* NULL: the user's own */
    const char *pid_file; /* NULL: none */
    int64_t drain_timeout_ms;
    int64_t retire_timeout_ms;
    int log;          /* enum process_log */
    int log_facility; /* position in the choices; process_open_log knows the numbers */
    int log_level;    /* enum level */
    const char *log_socket;
    int sandbox; /* enum sandbox_mode */
    const char *control_socket;
    const char *control_group; /* NULL: root alone */
    const char *listed_file;   /* NULL: none */
};

enum process_log { PROCESS_LOG_SYSLOG, PROCESS_LOG_STDERR };

extern const struct option process_option_rows[]; /* fills struct process_options */

#define PROCESS_IDENT "posternd"

/* The first option that differs and cannot change while the process runs; NULL: there is none. */
const char *process_unchangeable(const struct process_options *running, const struct process_options *wanted);

void process_open_log(const struct process_options *options);

#endif
