/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/control.h"
#include "common/log.h"
#include "common/must.h"
#include "common/version.h"

#include "daemon/control.h"
#include "daemon/control_socket.h"
#include "daemon/deed.h"
#include "daemon/show.h"

enum { ACCEPT_PAUSE_MS = 1000 /* when descriptors are short: or the loop would ask without end */ };

/* Numbers, for a program that takes the place of this one: new ones go to the end. */
enum state { FREE, HEARING, AWAITING_RELOAD, AWAITING_STOP, ANSWERED_BY_CHILD, AWAITING_UPGRADE, STATES };

struct connection {
    enum state state;
    int fd;           /* -1 when a child has it */
    bool came_along;  /* what it waits for it asked of the program that was here before */
    int64_t until_ms; /* then it is closed, or its child killed */
    pid_t child;
    int number; /* its place in the array */
    struct ucred who;
    char line[CONTROL_LINE_MAX];
    size_t size;
};

struct control {
    struct control_host host;
    struct control_socket socket;
    int64_t accept_after_ms;
    struct connection connections[CONTROL_CONNECTIONS_MAX];
};

struct control *control_open(const char *path, const char *group, const struct control_host *host, char *why,
                             size_t why_size)
{
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL) {
        snprintf(why, why_size, "control socket %s: no memory", path);
        return NULL;
    }
    control->host = *host;
    if (control_socket_open(&control->socket, path, group, why, why_size))
        return control;
    free(control);
    return NULL;
}

void control_yield(struct control *control)
{
    if (control != NULL)
        control_socket_move_aside(&control->socket);
}

static void release(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    *c = (struct connection){.fd = -1};
}

void control_close(struct control **control)
{
    if (*control == NULL)
        return;
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        if ((*control)->connections[i].state != FREE)
            release(&(*control)->connections[i]); /* a child ends by itself, within its time */
    control_socket_close(&(*control)->socket);
    free(*control);
    *control = NULL;
}

/* -- answers of the master: short, in one write, and then the connection is over. Who does not read has room for far
 * more in the socket than the longest of them. */

static void finish(struct connection *c, const struct buffer *answer)
{
    struct slice text = buffer_unread(answer);
    if (send(c->fd, text.at, text.size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_line(LEVEL_DEBUG, "who asked at the control socket has gone");
    shutdown(c->fd, SHUT_WR); /* also where a program on trial holds a copy (upgrade.h) */
    release(c);
}

static void finish_ok(struct connection *c)
{
    char memory[CONTROL_RECORD_MAX];
    struct buffer answer;
    buffer_init(&answer, memory, sizeof(memory));
    deed_ok(&answer);
    finish(c, &answer);
}

static void finish_error(struct connection *c, const char *why, const char *try)
{
    char memory[CONTROL_RECORD_MAX];
    struct buffer answer;
    buffer_init(&answer, memory, sizeof(memory));
    deed_error(&answer, why, try);
    finish(c, &answer);
}

/* -- a request */

static void log_request(const struct connection *c, const struct control_request *request)
{
    struct record r;
    record_begin(&r, "control");
    record_string(&r, "verb", control_verbs[request->verb].name);
    record_text(&r, "argument", control_words_from(request, 0));
    record_number(&r, "uid", c->who.uid);
    record_number(&r, "pid", (uint64_t)c->who.pid);
    record_send(&r, LEVEL_NOTICE);
}

static void begin_later(struct control *control, struct connection *c, const struct control_request *request)
{
    bool upgrade = request->verb == CONTROL_UPGRADE;
    enum state awaiting = upgrade ? AWAITING_UPGRADE : AWAITING_RELOAD;
    log_request(c, request);
    c->state = awaiting; /* before it is asked for: it may be over at once */
    c->until_ms = CLOCK_NEVER;
    c->came_along = false;
    bool begun = upgrade ? control->host.upgrade(control->host.context) : control->host.reload(control->host.context);
    if (!begun && c->state == awaiting)
        finish_error(c, "posternd is stopping", NULL);
}

/* At the end of the step, and answered after it: who hears ok finds the place free for another master. */
static void begin_stop(struct connection *c, const struct control_request *request)
{
    log_request(c, request);
    c->state = AWAITING_STOP;
}

static void stop_if_asked(struct control *control)
{
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        struct connection *c = &control->connections[i];
        if (c->state != AWAITING_STOP)
            continue;
        control->host.stop(control->host.context);
        finish_ok(c);
    }
}

/* Of what was read: the child's, who reads on (store import). */
static struct slice what_is_behind(const struct connection *c)
{
    struct slice behind = slice_make(c->line, c->size);
    slice_take_until(&behind, '\n');
    return behind;
}

/* The child has a copy of the connection, and this side none: its end is the connection's. */
static void hand_to_child(struct connection *c, const struct control_view *view, const struct control_request *request)
{
    const struct show_asker asker = {.fd = c->fd, .number = c->number, .behind = what_is_behind(c)};
    c->child = show_in_child(view, request, &asker);
    if (c->child < 0) {
        finish_error(c, strerror(errno), NULL);
        return;
    }
    close(c->fd);
    c->fd = -1;
    c->state = ANSWERED_BY_CHILD;
    c->until_ms = clock_deadline(show_most_ms(request));
}

static void do_deed(struct connection *c, const struct control_view *view, const struct control_request *request)
{
    char memory[DEED_ANSWER_MAX];
    struct buffer answer;
    struct deed deed = {.view = view, .request = request, .answer = &answer};
    buffer_init(&answer, memory, sizeof(memory));
    bool done = deed_do(&deed);
    if (deed.changed)
        log_request(c, request);
    if (done && control_verbs[request->verb].by == CONTROL_BY_CHILD && buffer_unread(&answer).size == 0) {
        hand_to_child(c, view, request);
        return;
    }
    if (done)
        deed_ok(&answer);
    finish(c, &answer);
}

static void obey(struct control *control, struct connection *c, const struct control_request *request)
{
    struct control_view view = {0};
    control->host.view(control->host.context, &view);
    if (control_verbs[request->verb].by == CONTROL_LATER)
        begin_later(control, c, request);
    else if (request->verb == CONTROL_STOP)
        begin_stop(c, request);
    else
        do_deed(c, &view, request);
}

static void take_line(struct control *control, struct connection *c, size_t size)
{
    struct control_request request;
    const char *why;
    if (control_parse(slice_make(c->line, size), &request, &why))
        obey(control, c, &request);
    else
        finish_error(c, why, "posternctl help");
}

/* -- connections */

static struct connection *find_free(struct control *control, int *number_out)
{
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        *number_out = i;
        if (control->connections[i].state == FREE)
            return &control->connections[i];
    }
    return NULL;
}

static bool greet(struct connection *c, int number, int fd, int64_t now_ms)
{
    socklen_t size = sizeof(c->who);
    *c = (struct connection){.state = HEARING, .fd = fd, .number = number, .until_ms = now_ms + CONTROL_REQUEST_MS};
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->who, &size) == 0)
        return true;
    release(c);
    return false;
}

static void accept_some(struct control *control, int64_t now_ms)
{
    struct connection *c;
    int number;
    while (now_ms >= control->accept_after_ms && (c = find_free(control, &number)) != NULL) {
        int fd = accept4(control->socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            greet(c, number, fd, now_ms);
        else if (errno == EAGAIN)
            return;
        else if (errno != ECONNABORTED && errno != EINTR)
            control->accept_after_ms = now_ms + ACCEPT_PAUSE_MS;
    }
}

/* One read: who sends octet by octet is heard once in each step. */
static void hear(struct control *control, struct connection *c)
{
    ssize_t got = read(c->fd, c->line + c->size, sizeof(c->line) - c->size);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        release(c);
        return;
    }
    c->size += (size_t)got;
    const char *end = memchr(c->line, '\n', c->size);
    if (end != NULL)
        take_line(control, c, (size_t)(end - c->line));
    else if (c->size == sizeof(c->line))
        finish_error(c, "the request is too long", "posternctl help");
}

static bool awaits(const struct connection *c)
{
    return c->state == AWAITING_RELOAD || c->state == AWAITING_UPGRADE;
}

/* Both directions are closed: who only has no more to say still waits for his answer. A reload may have to wait for
 * hours, and places are few. */
static bool has_gone(const struct connection *c)
{
    struct pollfd hangup = {.fd = c->fd};
    return clock_poll(&hangup, 1, 0) > 0;
}

static void look_at(struct control *control, struct connection *c)
{
    if (c->state == HEARING)
        hear(control, c);
    else if (awaits(c) && has_gone(c))
        release(c);
}

static void end_late(struct connection *c, int64_t now_ms)
{
    if (c->state == FREE || now_ms < c->until_ms)
        return;
    if (c->state == ANSWERED_BY_CHILD) {
        kill(c->child, SIGKILL); /* ours until it is reaped */
        c->until_ms = CLOCK_NEVER;
    } else {
        finish_error(c, "no request came in time", NULL);
    }
}

void control_step(struct control *control, int64_t now_ms)
{
    if (control == NULL)
        return;
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        end_late(&control->connections[i], now_ms);
    accept_some(control, now_ms);
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        look_at(control, &control->connections[i]);
    stop_if_asked(control);
}

/* -- for the master's loop */

int control_poll_fds(const struct control *control, struct pollfd fds[CONTROL_FDS])
{
    int count = 0;
    if (control == NULL)
        return 0;
    bool room = false;
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        const struct connection *c = &control->connections[i];
        room |= c->state == FREE;
        if (c->state == HEARING || awaits(c))
            fds[count++] = (struct pollfd){.fd = c->fd, .events = c->state == HEARING ? POLLIN : 0};
    }
    if (room && clock_ms() >= control->accept_after_ms)
        fds[count++] = (struct pollfd){.fd = control->socket.fd, .events = POLLIN};
    return count;
}

int64_t control_next_ms(const struct control *control)
{
    int64_t next_ms = CLOCK_NEVER;
    if (control == NULL)
        return next_ms;
    if (clock_ms() < control->accept_after_ms)
        next_ms = control->accept_after_ms;
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        const struct connection *c = &control->connections[i];
        if (c->state != FREE && c->until_ms < next_ms)
            next_ms = c->until_ms;
    }
    return next_ms;
}

void control_reload_over(struct control *control, bool good, const char *why)
{
    for (int i = 0; control != NULL && i < CONTROL_CONNECTIONS_MAX; i++) {
        struct connection *c = &control->connections[i];
        if (c->state != AWAITING_RELOAD || (good && c->came_along))
            continue;
        if (good)
            finish_ok(c);
        else
            finish_error(c, why, "nothing has changed; after the correction: posternctl check, posternctl reload");
    }
}

static void finish_upgraded(struct connection *c, const char *before)
{
    char memory[CONTROL_RECORD_MAX];
    struct buffer answer;
    buffer_init(&answer, memory, sizeof(memory));
    control_begin(&answer, "upgraded");
    control_string(&answer, "from", before);
    control_string(&answer, "to", postern_version);
    control_number(&answer, "pid", getpid());
    control_end(&answer);
    deed_ok(&answer);
    finish(c, &answer);
}

void control_upgrade_refused(struct control *control, const char *why)
{
    for (int i = 0; control != NULL && i < CONTROL_CONNECTIONS_MAX; i++)
        if (control->connections[i].state == AWAITING_UPGRADE)
            finish_error(&control->connections[i], why,
                         "the program that ran before goes on; after the correction: posternctl upgrade");
}

void control_upgrade_over(struct control *control, const char *before)
{
    for (int i = 0; control != NULL && i < CONTROL_CONNECTIONS_MAX; i++) {
        struct connection *c = &control->connections[i];
        if (c->came_along && c->state == AWAITING_UPGRADE)
            finish_upgraded(c, before);
        else if (c->came_along && c->state == AWAITING_RELOAD)
            finish_ok(c);
    }
}

/* We ended it, its time was over, or who asked has gone. */
static bool is_an_end(int signal)
{
    return signal == SIGKILL || signal == SIGTERM || signal == SIGALRM || signal == SIGPIPE;
}

/* Who asked has seen where the answer ended; why is in the log. */
static void log_crashed(const struct connection *c, int signal)
{
    struct record r;
    struct slice line = slice_make(c->line, c->size), request = slice_take_until(&line, '\n');
    record_begin(&r, "answer-crashed");
    record_number(&r, "pid", (uint64_t)c->child);
    record_string(&r, "signal", sigabbrev_np(signal));
    record_text(&r, "request", request);
    record_send(&r, LEVEL_ERROR);
}

bool control_reaped(struct control *control, pid_t pid, int status)
{
    for (int i = 0; control != NULL && i < CONTROL_CONNECTIONS_MAX; i++) {
        struct connection *c = &control->connections[i];
        if (c->state != ANSWERED_BY_CHILD || c->child != pid)
            continue;
        if (WIFSIGNALED(status) && !is_an_end(WTERMSIG(status)))
            log_crashed(c, WTERMSIG(status));
        release(c);
        return true;
    }
    return false;
}

/* -- to another program, and from one */

static void write_connection(const struct connection *c, struct legacy *to)
{
    legacy_begin(to, "asker");
    legacy_put_number(to, "state", c->state);
    legacy_put_fd(to, "fd", c->fd);
    legacy_put_number(to, "until_ms", c->until_ms);
    legacy_put_number(to, "child", c->child);
    legacy_put_number(to, "pid", c->who.pid);
    legacy_put_number(to, "uid", c->who.uid);
    legacy_put_number(to, "gid", c->who.gid);
    legacy_put_text(to, "line", slice_make(c->line, c->size));
    legacy_end(to);
}

void control_write(const struct control *control, struct legacy *to)
{
    if (control == NULL)
        return;
    control_socket_write(&control->socket, to);
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        if (control->connections[i].state != FREE)
            write_connection(&control->connections[i], to);
}

static void read_connection(struct connection *c, int number, const struct legacy_record *r)
{
    *c = (struct connection){
        .number = number,
        .state = (enum state)legacy_number(r, "state", HEARING, STATES - 1),
        .came_along = true,
        .fd = legacy_fd(r, "fd"),
        .until_ms = legacy_number(r, "until_ms", 0, CLOCK_NEVER),
        .child = (pid_t)legacy_number(r, "child", 0, INT32_MAX),
        .who = {.pid = (pid_t)legacy_number(r, "pid", 0, INT32_MAX),
                .uid = (uid_t)legacy_number(r, "uid", 0, UINT32_MAX),
                .gid = (gid_t)legacy_number(r, "gid", 0, UINT32_MAX)},
    };
    char line[CONTROL_LINE_MAX + 1];
    c->size = legacy_octets(r, "line", line, sizeof(line)); /* whatever he said so far: he is told when it is a line */
    memcpy(c->line, line, c->size);
}

bool control_read(struct control **control, struct legacy *from, const struct control_host *host)
{
    struct control_socket socket;
    *control = NULL;
    if (!control_socket_read(&socket, from))
        return true;
    *control = calloc(1, sizeof(**control));
    if (*control == NULL)
        return false;
    (*control)->host = *host;
    (*control)->socket = socket;
    int i = 0;
    for (struct legacy_record r = {0}; i < CONTROL_CONNECTIONS_MAX && legacy_next(from, "asker", &r); i++)
        read_connection(&(*control)->connections[i], i, &r);
    return true;
}
