/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

enum { IDENT_MAX = 32, STAMP_MAX = 24, DATAGRAM_MAX = RECORD_MAX + 128, STDERR_MAX = 4096, DROPS_TEXT_MAX = 64 };

enum destination { TO_STDERR, TO_SYSLOG, TO_FUNCTION };

/* One of the three file-scope variables that are not const: a line must be possible from everywhere. */
static struct {
    enum destination to;
    enum level most;
    char ident[IDENT_MAX];
    int facility;
    struct sockaddr_un syslog;
    int fd;           /* connected to `syslog`, or -1 */
    pid_t fd_owner;   /* who opened it: a worker never uses its master's */
    bool stalled;     /* the last line waited in vain: the next ones do not wait, until one gets through */
    uint64_t dropped; /* lines, since the last report */
    void (*sink)(enum level level, const char *line);
} state = {.to = TO_STDERR, .most = LEVEL_INFO, .ident = "posternd", .fd = -1};

static void set_ident(const char *ident)
{
    snprintf(state.ident, sizeof(state.ident), "%s", ident);
}

/* Only what this very process opened is closed: after fork the number may long belong to somebody else. */
static void forget_socket(void)
{
    if (state.fd >= 0 && state.fd_owner == getpid())
        close(state.fd);
    state.fd = -1;
}

/* What was dropped belongs to the destination before. */
static void change_destination(enum destination to)
{
    forget_socket();
    state.to = to;
    state.stalled = false;
    state.dropped = 0;
}

void log_to_stderr(const char *ident)
{
    change_destination(TO_STDERR);
    set_ident(ident);
}

void log_to_syslog(const char *ident, int facility, const char *socket_path)
{
    change_destination(TO_SYSLOG);
    set_ident(ident);
    tzset();
    state.facility = facility;
    state.syslog = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(state.syslog.sun_path, sizeof(state.syslog.sun_path), "%s", socket_path);
}

void log_to_function(void (*sink)(enum level level, const char *line))
{
    change_destination(TO_FUNCTION);
    state.sink = sink;
}

void log_set_level(enum level most)
{
    state.most = most;
}

bool log_wants(enum level level)
{
    return level <= state.most;
}

/* -- syslog */

static bool open_socket(void)
{
    if (state.fd_owner != getpid())
        forget_socket();
    if (state.fd >= 0)
        return true;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (connect(fd, (const struct sockaddr *)&state.syslog, sizeof(state.syslog)) != 0) {
        close(fd);
        return false;
    }
    state.fd = fd;
    state.fd_owner = getpid();
    return true;
}

static bool wait_writable(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLOUT};
    return clock_poll(&wanted, 1, clock_deadline(LOG_WAIT_MS)) > 0;
}

/* False with EAGAIN when the reader is stopped, with anything else when the socket is of no use any more. */
static bool try_datagram(const char *text, size_t size)
{
    if (!open_socket())
        return false;
    if (send(state.fd, text, size, MSG_NOSIGNAL) >= 0)
        return true;
    if (errno != EAGAIN || state.stalled)
        return false;
    if (wait_writable(state.fd) && send(state.fd, text, size, MSG_NOSIGNAL) >= 0)
        return true;
    state.stalled = true;
    errno = EAGAIN;
    return false;
}

static bool send_datagram(const char *text, size_t size)
{
    bool sent = try_datagram(text, size);
    if (!sent && errno != EAGAIN && state.fd >= 0) { /* syslogd was restarted: its new socket has the old name */
        forget_socket();
        sent = try_datagram(text, size);
    }
    if (sent)
        state.stalled = false;
    return sent;
}

static int syslog_severity(enum level level)
{
    static const int severities[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};
    return severities[level];
}

/* RFC 3164 section 4.1.2: "Mmm dd hh:mm:ss", the day padded with a blank, local time. */
static void print_stamp(char stamp[STAMP_MAX])
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = clock_wall();
    struct tm tm = {0};
    localtime_r(&now, &tm);
    snprintf(stamp, STAMP_MAX, "%s %2d %02d:%02d:%02d", months[tm.tm_mon % 12], tm.tm_mday % 32, tm.tm_hour % 24,
             tm.tm_min % 60, tm.tm_sec % 61);
}

static size_t at_most(int printed, size_t size)
{
    return printed < 0 ? 0 : (size_t)printed < size ? (size_t)printed : size - 1;
}

static bool write_syslog(enum level level, const char *line)
{
    char datagram[DATAGRAM_MAX], stamp[STAMP_MAX];
    print_stamp(stamp);
    int printed = snprintf(datagram, sizeof(datagram), "<%d>%s %s[%d]: %s", state.facility | syslog_severity(level),
                           stamp, state.ident, (int)getpid(), line);
    return send_datagram(datagram, at_most(printed, sizeof(datagram)));
}

/* -- stderr */

/* At most a page in one write: that is whole in a pipe with several writers, and never waits behind POLLOUT. */
static bool write_stderr(const char *line)
{
    char text[STDERR_MAX];
    int printed = snprintf(text, sizeof(text) - 1, "%s[%d]: %s", state.ident, (int)getpid(), line);
    size_t size = at_most(printed, sizeof(text) - 1);
    text[size++] = '\n';
    struct pollfd wanted = {.fd = STDERR_FILENO, .events = POLLOUT};
    int64_t deadline = state.stalled ? clock_ms() : clock_deadline(LOG_WAIT_MS);
    state.stalled = clock_poll(&wanted, 1, deadline) <= 0;
    return !state.stalled && write(STDERR_FILENO, text, size) == (ssize_t)size;
}

/* -- lines */

static bool write_line(enum level level, const char *line)
{
    switch (state.to) {
    case TO_SYSLOG:
        return write_syslog(level, line);
    case TO_FUNCTION:
        state.sink(level, line);
        return true;
    case TO_STDERR:
        break;
    }
    return write_stderr(line);
}

static void report_drops(void)
{
    char text[DROPS_TEXT_MAX];
    snprintf(text, sizeof(text), "event=log-drops lines=%llu", (unsigned long long)state.dropped);
    if (write_line(LEVEL_WARNING, text))
        state.dropped = 0;
}

/* Errno is kept: a line is often written between a failure and its %m. */
static void write_or_drop(enum level level, const char *line)
{
    int error = errno;
    if (!write_line(level, line))
        state.dropped++;
    else if (state.dropped > 0)
        report_drops();
    errno = error;
}

/* Whatever was printed into it, a line is one line. Octets over 126 stay: a path may well be UTF-8. */
static void blot_controls(char *line)
{
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            *line = '?';
}

void log_line(enum level level, const char *format, ...)
{
    if (!log_wants(level))
        return;
    char line[RECORD_MAX];
    va_list arguments;
    va_start(arguments, format);
    int printed = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (printed < 0)
        return;
    blot_controls(line);
    write_or_drop(level, line);
}

void record_send(struct record *r, enum level level)
{
    static const char cut[] = " cut=yes"; /* record.c keeps room for it */
    if (!log_wants(level))
        return;
    size_t size = r->size;
    if (r->cut) {
        memcpy(r->text + size, cut, sizeof(cut) - 1);
        size += sizeof(cut) - 1;
    }
    r->text[size] = '\0';
    write_or_drop(level, r->text);
}
