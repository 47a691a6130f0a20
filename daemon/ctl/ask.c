/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

#include "daemon/ctl/ask.h"

enum { IN_BYTES = 16 * CONTROL_RECORD_MAX, MS_PER_S = 1000, REACH_MS = 60000 };

/* -- reaching it */

static void set_patience(int fd, int64_t wait_ms)
{
    struct timeval wait = {.tv_sec = wait_ms / MS_PER_S, .tv_usec = wait_ms % MS_PER_S * 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

static int connect_to(const char *path, int64_t wait_ms)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(at.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Where the queue of who connects is full, connect waits for room; so does send. */
    if (fd >= 0)
        set_patience(fd, wait_ms);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int reach(const char *path, int64_t wait_ms, bool *draining_out)
{
    char draining[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int fd = connect_to(path, wait_ms), error = errno;
    if (fd >= 0 || (error != ENOENT && error != ECONNREFUSED) ||
        snprintf(draining, sizeof(draining), "%s%s", path, CONTROL_DRAINING) >= (int)sizeof(draining))
        return fd;
    fd = connect_to(draining, wait_ms);
    *draining_out = fd >= 0;
    errno = error;
    return fd;
}

static void explain_rights(const char *path, char why[ASK_WHY_MAX])
{
    struct stat is;
    const struct group *group = stat(path, &is) == 0 && (is.st_mode & S_IWGRP) != 0 ? getgrgid(is.st_gid) : NULL;
    if (group != NULL)
        snprintf(why, ASK_WHY_MAX, "%s is not for you: become root, or a member of the group %s", path, group->gr_name);
    else
        snprintf(why, ASK_WHY_MAX, "%s is not for you: become root, or have control_group set in postern.conf", path);
}

static void explain(const char *path, int error, char why[ASK_WHY_MAX])
{
    if (error == ENOENT)
        snprintf(why, ASK_WHY_MAX, "there is no %s: is posternd running, and does control_socket say this path? (-s)",
                 path);
    else if (error == ECONNREFUSED)
        snprintf(why, ASK_WHY_MAX, "nobody answers at %s: posternd is not running", path);
    else if (error == EAGAIN)
        snprintf(why, ASK_WHY_MAX, "posternd does not answer at %s in time: too many ask, or it hangs; see its log",
                 path);
    else if (error == EACCES || error == EPERM)
        explain_rights(path, why);
    else
        snprintf(why, ASK_WHY_MAX, "%s: %s", path, strerror(error));
}

/* -- hearing */

static bool fail(char why[ASK_WHY_MAX], const char *what)
{
    snprintf(why, ASK_WHY_MAX, "%s", what);
    return false;
}

static bool take_lines(struct buffer *in, struct answer *out)
{
    for (;;) {
        struct slice unread = buffer_unread(in);
        const char *end = unread.size > 0 ? memchr(unread.at, '\n', unread.size) : NULL;
        if (end == NULL)
            return unread.size < CONTROL_RECORD_MAX;
        size_t size = (size_t)(end - unread.at);
        if (size >= CONTROL_RECORD_MAX || !answer_add(out, slice_make(unread.at, size)))
            return false;
        buffer_consume(in, size + 1);
        if (out->most > 0 && out->count >= out->most)
            out->cut_short = true;
        if (out->cut_short)
            return true;
    }
}

static bool hear(int fd, int64_t wait_ms, struct answer *out, char why[ASK_WHY_MAX])
{
    static char memory[IN_BYTES];
    struct buffer in;
    buffer_init(&in, memory, sizeof(memory));
    for (;;) {
        struct pollfd wanted = {.fd = fd, .events = POLLIN};
        if (clock_poll(&wanted, 1, clock_deadline(wait_ms)) <= 0)
            return fail(why, "posternd does not answer in time: see its log");
        buffer_compact(&in);
        ssize_t got = read(fd, in.memory + in.end, buffer_room(&in));
        if (got <= 0)
            return out->end != ANSWER_CUT || fail(why, "the answer was cut off: see posternd's log");
        in.end += (size_t)got;
        if (!take_lines(&in, out))
            return fail(why, "this is no answer of posternd's: another version, or another socket?");
        if (out->cut_short)
            return true;
    }
}

/* -- asking */

/* False: what is there could not be read. Whoever does not take it says why, or has gone. */
static bool send_lines(int fd, int lines)
{
    static char memory[IN_BYTES];
    for (ssize_t got; (got = read(lines, memory, sizeof(memory))) != 0;) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        for (ssize_t sent = 0, now; sent < got; sent += now)
            if ((now = send(fd, memory + sent, (size_t)(got - sent), MSG_NOSIGNAL)) < 0)
                return true;
    }
    return true;
}

static bool converse(int fd, const char *request, int64_t wait_ms, int lines, struct answer *out, char why[ASK_WHY_MAX])
{
    char line[CONTROL_LINE_MAX + 1];
    int size = snprintf(line, sizeof(line), "%s\n", request);
    if (send(fd, line, (size_t)size, MSG_NOSIGNAL) != size)
        return fail(why, "posternd hung up before it heard the request: see its log");
    if (lines >= 0 && !send_lines(fd, lines))
        return fail(why, "what is to be imported cannot be read: a part of it may have been taken");
    if (lines >= 0)
        shutdown(fd, SHUT_WR);
    return hear(fd, wait_ms, out, why);
}

static bool reach_and_ask(const char *path, const char *request, int64_t wait_ms, int lines, struct answer *out,
                          char why[ASK_WHY_MAX])
{
    int fd = reach(path, wait_ms < REACH_MS ? wait_ms : REACH_MS, &out->draining);
    if (fd < 0) {
        explain(path, errno, why);
        return false;
    }
    set_patience(fd, wait_ms);
    bool heard = converse(fd, request, wait_ms, lines, out, why);
    close(fd);
    return heard;
}

bool ask(const char *path, const char *request, int64_t wait_ms, struct answer *out, char why[ASK_WHY_MAX])
{
    return ask_some(path, request, wait_ms, 0, out, why);
}

bool ask_some(const char *path, const char *request, int64_t wait_ms, int most, struct answer *out,
              char why[ASK_WHY_MAX])
{
    *out = (struct answer){.most = most};
    return reach_and_ask(path, request, wait_ms, -1, out, why);
}

bool ask_at_length(const char *path, const char *request, int64_t wait_ms, const struct ask_long *how,
                   struct answer *out, char why[ASK_WHY_MAX])
{
    *out = (struct answer){.take = how->take, .context = how->context};
    return reach_and_ask(path, request, wait_ms, how->lines, out, why);
}
