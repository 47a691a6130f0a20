/* SPDX-License-Identifier: ISC
 *
 * A toy to talk with, for the runner's own tests: what it hears outside it says inside to server 1, and back; but for
 * QUIT, and for words that make it misbehave. It has one buffer for each side, and waits 60 s for either.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

#include "tests/talk/subject.h"

enum { WAIT_MS = 60000 };

struct side_buffer {
    int fd;
    char text[65536];
    size_t size;
};

static char server_path[100];
static void (*log_sink)(const char *line);

bool subject_prepare(const struct script *script, const char *directory, char *why, size_t why_size)
{
    if (script->setting_count > 0) {
        snprintf(why, why_size, "the toy has no options");
        return false;
    }
    snprintf(server_path, sizeof server_path, "%s/1", directory);
    return true;
}

void subject_log_to(void (*sink)(const char *line))
{
    log_sink = sink;
}

void subject_clear(void)
{
}

static void say(int fd, const char *text, size_t size)
{
    while (size > 0) {
        struct pollfd waits = {.fd = fd, .events = POLLOUT};
        ssize_t done = send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && clock_poll(&waits, 1, clock_deadline(WAIT_MS)) <= 0)
            return;
        if (done > 0) {
            text += done;
            size -= (size_t)done;
        }
    }
}

/* The size of the line at the front of b->text; 0 when there is none in time. */
static size_t hear(struct side_buffer *b)
{
    for (;;) {
        char *lf = memchr(b->text, '\n', b->size);
        struct pollfd waits = {.fd = b->fd, .events = POLLIN};
        if (lf)
            return (size_t)(lf - b->text) + 1;
        if (clock_poll(&waits, 1, clock_deadline(WAIT_MS)) <= 0)
            return 0;
        ssize_t more = recv(b->fd, b->text + b->size, sizeof b->text - b->size, MSG_DONTWAIT);
        if (more <= 0)
            return 0;
        b->size += (size_t)more;
    }
}

static void drop(struct side_buffer *b, size_t size)
{
    memmove(b->text, b->text + size, b->size - size);
    b->size -= size;
}

static bool is(const struct side_buffer *b, const char *word)
{
    return strncmp(b->text, word, strlen(word)) == 0;
}

static bool open_inside(struct side_buffer *inside)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", server_path);
    inside->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(inside->fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static void misbehave(const struct side_buffer *outside)
{
    if (is(outside, "CRASH"))
        abort();
    if (is(outside, "LEAK") && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
        abort();
    if (is(outside, "SPIN"))
        for (volatile int forever = 1; forever;)
            continue;
}

/* False: the session ends. */
static bool relay(struct side_buffer *outside, struct side_buffer *inside)
{
    size_t line = hear(outside);
    if (line == 0)
        return false;
    misbehave(outside);
    if (is(outside, "QUIT")) {
        say(outside->fd, "221 Bye\r\n", 9);
        return false;
    }
    if (inside->fd < 0 && !open_inside(inside))
        return false;
    say(inside->fd, outside->text, line);
    if (is(outside, "TWICE"))
        say(inside->fd, outside->text, line);
    drop(outside, line);
    size_t reply = hear(inside);
    say(outside->fd, inside->text, reply);
    drop(inside, reply);
    return reply > 0;
}

void subject_serve(int outside_fd, const char *client)
{
    static struct side_buffer outside, inside;
    char line[200];
    outside.fd = outside_fd;
    inside.fd = -1;
    outside.size = inside.size = 0;
    say(outside_fd, "220-toy\r\n220 here\r\n", 19);
    while (relay(&outside, &inside))
        continue;
    snprintf(line, sizeof line, "session client=%s end=\"as it should\"", client);
    log_sink(line);
    close(outside_fd);
    if (inside.fd >= 0)
        close(inside.fd);
}
