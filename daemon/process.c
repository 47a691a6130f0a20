/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <syslog.h>

#include "common/control.h"
#include "common/log.h"

#include "daemon/process.h"

#define FACILITIES "mail|daemon|local0|local1|local2|local3|local4|local5|local6|local7"

static const int FACILITY_NUMBERS[] = {LOG_MAIL,   LOG_DAEMON, LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2,
                                       LOG_LOCAL3, LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};

/* clang-format off */
const struct option process_option_rows[] = {
    {.name = "user", .type = OPTION_TEXT, .offset = offsetof(struct process_options, user), .fallback = "postern",
     .meaning = "Whom workers run as, when posternd is started by root. Not root."},
    {.name = "group", .type = OPTION_TEXT, .offset = offsetof(struct process_options, group),
     .meaning = "The one group of workers. Not set: the user's own group and those that the user is a member of."},
    {.name = "pid_file", .type = OPTION_PATH, .offset = offsetof(struct process_options, pid_file),
     .meaning = "Holds the master's process number and is locked while it runs. Its directory should be root's alone."},
    {.name = "drain_timeout", .type = OPTION_TIME, .offset = offsetof(struct process_options, drain_timeout_ms),
     .fallback = "60s", .allowed = "0s..1h",
     .meaning = "How long sessions may go on after posternd was told to stop; then they are cut."},
    {.name = "retire_timeout", .type = OPTION_TIME, .offset = offsetof(struct process_options, retire_timeout_ms),
     .fallback = "1h", .allowed = "0s..7d",
     .meaning = "How long sessions that began under an earlier configuration may go on after a reload; then they are cut."},
    {.name = "log", .type = OPTION_CHOICE, .offset = offsetof(struct process_options, log), .fallback = "syslog",
     .allowed = "syslog|stderr", .meaning = "Where the log goes. With -f always stderr."},
    {.name = "log_facility", .type = OPTION_CHOICE, .offset = offsetof(struct process_options, log_facility),
     .fallback = "mail", .allowed = FACILITIES, .meaning = "The syslog facility."},
    {.name = "log_level", .type = OPTION_CHOICE, .offset = offsetof(struct process_options, log_level),
     .fallback = "info", .allowed = "error|warning|notice|info|debug",
     .meaning = "Lines that matter less than this are not written."},
    {.name = "log_socket", .type = OPTION_PATH, .offset = offsetof(struct process_options, log_socket),
     .fallback = "/dev/log", .meaning = "The datagram socket of the system's log."},
    {.name = "control_socket", .type = OPTION_PATH, .offset = offsetof(struct process_options, control_socket),
     .meaning = "Where posternctl asks, " CONTROL_SOCKET " if it is not told otherwise. Not set: nowhere."},
    {.name = "control_group", .type = OPTION_TEXT, .offset = offsetof(struct process_options, control_group),
     .meaning = "The group whose members may use posternctl, for everything it can do. Not set: root alone."},
    {.name = "listed_file", .type = OPTION_PATH, .offset = offsetof(struct process_options, listed_file),
     .meaning = "Whom posternctl blocked and allowed, a line each; read at the start. Not set: a start forgets it."},
    {.name = "sandbox", .type = OPTION_CHOICE, .offset = offsetof(struct process_options, sandbox), .fallback = "on",
     .allowed = "off|log|on",
     .meaning = "Whether workers and housekeeper are kept to the system calls that they need, and from all files. With log "
     "the kernel only writes down what it would refuse."},
    {0},
};
/* clang-format on */

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

const char *process_unchangeable(const struct process_options *running, const struct process_options *wanted)
{
    const struct {
        const char *option;
        bool same;
    } rows[] = {
        {"user", is_same(running->user, wanted->user)},
        {"group", is_same(running->group, wanted->group)},
        {"pid_file", is_same(running->pid_file, wanted->pid_file)},
        {"log", running->log == wanted->log},
        {"log_facility", running->log_facility == wanted->log_facility},
        {"log_socket", is_same(running->log_socket, wanted->log_socket)},
        {"control_socket", is_same(running->control_socket, wanted->control_socket)},
        {"control_group", is_same(running->control_group, wanted->control_group)},
        {"listed_file", is_same(running->listed_file, wanted->listed_file)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!rows[i].same)
            return rows[i].option;
    return NULL;
}

void process_open_log(const struct process_options *options)
{
    if (options->log == PROCESS_LOG_SYSLOG)
        log_to_syslog(PROCESS_IDENT, FACILITY_NUMBERS[options->log_facility], options->log_socket);
    else
        log_to_stderr(PROCESS_IDENT);
    log_set_level((enum level)options->log_level);
}
