/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/log.h"

enum {
    IDENT_MAX = 32,
    STAMP_MAX = 24,
    PREFIX_MAX = 96,
    PIECES = 3,
    STDERR_MAX = 4096,
    DROPS_TEXT_MAX = 64,
    REOPEN_PAUSE_MS = 1000
};

enum destination { TO_STDERR, TO_SYSLOG, TO_FUNCTION };

/* How stderr is written to without ever waiting in the kernel. */
enum stderr_kind {
    STDERR_SHARED, /* asked before each write: for files that is enough, and for what we may not open anew all there is
                    */
    STDERR_OWN,    /* a pipe or device through an open file of this process alone, non-blocking */
    STDERR_SOCKET  /* each write says that it does not wait */
};

/* One of the three file-scope variables that are not const: a line must be possible from everywhere. */
static struct {
    enum destination to;
    enum level most;
    const _Atomic uint32_t *ordered; /* or NULL */
    char ident[IDENT_MAX];
    int facility;
    struct sockaddr_un syslog;
    enum stderr_kind stderr_kind;
    int fd;            /* connected to `syslog`, or -1 */
    pid_t owner;       /* whose the socket and the next three are: a worker begins anew */
    bool stalled;      /* the last line waited in vain: the next ones do not wait, until one gets through */
    int64_t reopen_ms; /* while stalled: when the socket is opened anew */
    uint64_t dropped;  /* lines, since the last report */
    uint64_t lost;     /* lines, since the process began */
    time_t stamp_of;   /* the second that `stamp` says */
    char stamp[STAMP_MAX];
    void (*sink)(enum level level, const char *line);
} state = {.to = TO_STDERR, .most = LEVEL_INFO, .ident = "posternd", .fd = -1};

static void set_ident(const char *ident)
{
    snprintf(state.ident, sizeof(state.ident), "%s", ident);
}

static void forget_socket(void)
{
    if (state.fd >= 0)
        close(state.fd);
    state.fd = -1;
}

/* After fork: the parent's socket is not closed, since its number may long belong to somebody else; nor are the
 * parent's dropped lines reported once more. */
static void begin_anew_after_fork(void)
{
    pid_t self = getpid();
    if (state.owner == self)
        return;
    state.owner = self;
    state.fd = -1;
    state.stalled = false;
    state.dropped = state.lost = 0;
}

/* What was dropped belongs to the destination before. */
static void change_destination(enum destination to)
{
    state.stamp_of = 0;
    begin_anew_after_fork();
    forget_socket();
    state.to = to;
    state.stalled = false;
    state.dropped = 0;
}

/* Flags are shared by all who hold a copy of an open file: the starter, and workers who might clear O_NONBLOCK. So a
 * pipe or a terminal is opened anew. A file is not: it never makes anybody wait, and the place to write at is the
 * starter's, too. */
static enum stderr_kind open_stderr_anew(void)
{
    struct stat is;
    if (fstat(STDERR_FILENO, &is) != 0)
        return STDERR_SHARED;
    if (S_ISSOCK(is.st_mode))
        return STDERR_SOCKET;
    if (!S_ISFIFO(is.st_mode) && !S_ISCHR(is.st_mode))
        return STDERR_SHARED;
    int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return STDERR_SHARED;
    bool taken = dup2(fd, STDERR_FILENO) == STDERR_FILENO;
    close(fd);
    return taken ? STDERR_OWN : STDERR_SHARED;
}

bool log_keep_stderr(void)
{
    if (state.to != TO_STDERR)
        return false;
    state.stderr_kind = open_stderr_anew();
    return true;
}

void log_to_stderr(const char *ident)
{
    change_destination(TO_STDERR);
    set_ident(ident);
    state.stderr_kind = open_stderr_anew();
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

void log_follow(const _Atomic uint32_t *ordered)
{
    state.ordered = ordered;
}

bool log_wants(enum level level)
{
    uint32_t ordered = state.ordered != NULL ? atomic_load_explicit(state.ordered, memory_order_relaxed) : 0;
    return level <= (ordered >= 1 && ordered <= LEVEL_DEBUG + 1 ? (enum level)(ordered - 1) : state.most);
}

bool log_is_heard(void)
{
    return state.dropped == 0;
}

/* -- syslog */

static bool open_socket(void)
{
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
    return true;
}

static bool is_writable(int fd, int64_t deadline_ms)
{
    struct pollfd wanted = {.fd = fd, .events = POLLOUT};
    return clock_poll(&wanted, 1, deadline_ms) > 0;
}

/* One line with what goes before and behind it, as it is written: nothing is copied for that. */
struct pieces {
    char prefix[PREFIX_MAX];
    struct iovec parts[PIECES];
    size_t size;
};

static void put_piece(struct pieces *p, int which, const char *at, size_t size)
{
    p->parts[which] = (struct iovec){.iov_base = (void *)(uintptr_t)at, .iov_len = size};
    p->size += size;
}

/* One datagram, and no wait: the socket is our own and non-blocking. Not sendmsg: it can hand descriptors to others, so
 * no worker may call it. False with EAGAIN when the reader is stopped, with anything else when the socket is of no use
 * any more. */
static bool try_datagram(struct pieces *p)
{
    return open_socket() && writev(state.fd, p->parts, PIECES) == (ssize_t)p->size;
}

/* The one that hangs may have been replaced, and its socket would never tell. */
static bool try_another_reader(struct pieces *p)
{
    if (clock_ms() < state.reopen_ms) {
        errno = EAGAIN;
        return false;
    }
    state.reopen_ms = clock_deadline(REOPEN_PAUSE_MS);
    forget_socket();
    return try_datagram(p);
}

static bool wait_with_datagram(struct pieces *p)
{
    if (state.stalled)
        return try_another_reader(p);
    if (is_writable(state.fd, clock_deadline(LOG_WAIT_MS)) && try_datagram(p))
        return true;
    state.stalled = true;
    state.reopen_ms = clock_deadline(REOPEN_PAUSE_MS);
    return false;
}

static bool send_datagram(struct pieces *p)
{
    bool sent = try_datagram(p);
    if (!sent && errno != EAGAIN && state.fd >= 0) { /* syslogd was restarted: its new socket has the old name */
        forget_socket();
        sent = try_datagram(p);
    }
    if (!sent && errno == EAGAIN && state.fd >= 0)
        sent = wait_with_datagram(p);
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
static void print_stamp(time_t now)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm = {0};
    localtime_r(&now, &tm);
    snprintf(state.stamp, sizeof(state.stamp), "%s %2d %02d:%02d:%02d", months[tm.tm_mon % 12], tm.tm_mday % 32,
             tm.tm_hour % 24, tm.tm_min % 60, tm.tm_sec % 61);
    state.stamp_of = now;
}

static void put_name(struct buffer *prefix)
{
    buffer_put_text(prefix, state.ident);
    buffer_put_char(prefix, '[');
    buffer_put_number(prefix, (uint64_t)state.owner, 1);
    buffer_put_text(prefix, "]: ");
}

static bool write_syslog(enum level level, struct slice line)
{
    struct pieces p = {.size = 0};
    struct buffer prefix;
    time_t now = clock_wall();
    if (now != state.stamp_of)
        print_stamp(now);
    buffer_init(&prefix, p.prefix, sizeof(p.prefix));
    buffer_put_char(&prefix, '<');
    buffer_put_number(&prefix, (uint64_t)(state.facility | syslog_severity(level)), 1);
    buffer_put_char(&prefix, '>');
    buffer_put_text(&prefix, state.stamp);
    buffer_put_char(&prefix, ' ');
    put_name(&prefix);
    put_piece(&p, 0, p.prefix, prefix.end);
    put_piece(&p, 1, line.at, line.size);
    put_piece(&p, 2, "", 0);
    return send_datagram(&p);
}

/* -- stderr */

/* As one, and without a wait, whatever others made of the socket. */
static bool send_stderr(const struct pieces *p)
{
    char line[STDERR_MAX];
    struct buffer whole;
    buffer_init(&whole, line, sizeof(line));
    for (int i = 0; i < PIECES; i++)
        buffer_put(&whole, slice_make(p->parts[i].iov_base, p->parts[i].iov_len));
    return send(STDERR_FILENO, line, whole.end, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)p->size;
}

static bool try_stderr(struct pieces *p)
{
    if (state.stderr_kind == STDERR_SOCKET)
        return send_stderr(p);
    if (state.stderr_kind == STDERR_SHARED && !is_writable(STDERR_FILENO, clock_ms())) {
        errno = EAGAIN;
        return false;
    }
    return writev(STDERR_FILENO, p->parts, PIECES) == (ssize_t)p->size;
}

static bool wait_with_stderr(struct pieces *p)
{
    if (!state.stalled && is_writable(STDERR_FILENO, clock_deadline(LOG_WAIT_MS)) && try_stderr(p))
        return true;
    state.stalled = true;
    return false;
}

/* At most a page in one write: that is whole in a pipe with several writers. */
static bool write_stderr(struct slice line)
{
    struct pieces p = {.size = 0};
    struct buffer prefix;
    buffer_init(&prefix, p.prefix, sizeof(p.prefix));
    put_name(&prefix);
    size_t room = STDERR_MAX - 1 - prefix.end;
    put_piece(&p, 0, p.prefix, prefix.end);
    put_piece(&p, 1, line.at, line.size < room ? line.size : room);
    put_piece(&p, 2, "\n", 1);
    errno = 0;
    bool written = try_stderr(&p) || (errno == EAGAIN && wait_with_stderr(&p));
    if (written)
        state.stalled = false;
    return written;
}

/* -- lines */

/* `line` has its NUL behind it. */
static bool write_line(enum level level, struct slice line)
{
    switch (state.to) {
    case TO_SYSLOG:
        return write_syslog(level, line);
    case TO_FUNCTION:
        state.sink(level, line.at);
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
    if (write_line(LEVEL_WARNING, slice_of(text)))
        state.dropped = 0;
}

uint64_t log_dropped(void)
{
    begin_anew_after_fork();
    return state.lost;
}

void log_count_dropped(uint64_t lines)
{
    begin_anew_after_fork();
    state.lost += lines;
}

void log_report_drops(void)
{
    if (state.dropped > 0)
        begin_anew_after_fork();
    if (state.dropped > 0)
        report_drops();
}

/* Errno is kept: a line is often written between a failure and its %m. */
static void write_or_drop(enum level level, struct slice line)
{
    int error = errno;
    begin_anew_after_fork();
    if (!write_line(level, line)) {
        state.dropped++;
        state.lost++;
    } else if (state.dropped > 0)
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

/* Alone for its large frame, which a line that nobody wants does not pay. */
static __attribute__((noinline, format(printf, 2, 0))) void print_line(enum level level, const char *format,
                                                                       va_list arguments)
{
    char line[RECORD_MAX];
    int printed = vsnprintf(line, sizeof(line), format, arguments);
    if (printed < 0)
        return;
    blot_controls(line);
    write_or_drop(level, slice_of(line));
}

void log_line(enum level level, const char *format, ...)
{
    va_list arguments;
    if (!log_wants(level))
        return;
    va_start(arguments, format);
    print_line(level, format, arguments);
    va_end(arguments);
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
    write_or_drop(level, slice_make(r->text, size));
}
