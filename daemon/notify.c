/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

#include "daemon/notify.h"

enum { MESSAGE_MAX = 512 };

static const char VARIABLE[] = "NOTIFY_SOCKET";

/* Where the manager listens. Kept as an address, not as a descriptor: nothing is there that a worker could inherit, and
 * a manager that was executed anew is found again. */
static struct {
    struct sockaddr_un address;
    socklen_t size; /* 0: nobody listens */
} manager;

void notify_open(void)
{
    const char *name = getenv(VARIABLE);
    size_t size = name == NULL ? 0 : strlen(name);
    manager.size = 0;
    /* Not AF_VSOCK: that is for a manager outside of a virtual machine. */
    if (size > 1 && size < sizeof(manager.address.sun_path) && (name[0] == '/' || name[0] == '@')) {
        manager.address = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(manager.address.sun_path, name, size);
        if (name[0] == '@')
            manager.address.sun_path[0] = '\0'; /* the abstract name space: the length is part of the name */
        manager.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    }
    unsetenv(VARIABLE);
}

void notify_hand_on(void)
{
    char name[sizeof(manager.address.sun_path) + 1] = "";
    if (!notify_is_on())
        return;
    memcpy(name, manager.address.sun_path, manager.size - offsetof(struct sockaddr_un, sun_path));
    if (name[0] == '\0')
        name[0] = '@';
    setenv(VARIABLE, name, 1);
}

bool notify_is_on(void)
{
    return manager.size > 0;
}

static bool is_full(ssize_t sent)
{
    return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* A state that got lost would end the service when its TimeoutStartSec is over: worth a moment where the manager's
 * queue is full. */
static void deliver(int fd, const char *message, size_t size, int64_t deadline_ms)
{
    while (is_full(send(fd, message, size, MSG_DONTWAIT | MSG_NOSIGNAL)) && clock_ms() < deadline_ms) {
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        clock_poll(&room, 1, deadline_ms);
    }
}

static void say(const char *message, size_t size, int64_t deadline_ms)
{
    if (!notify_is_on())
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)&manager.address, manager.size) == 0)
        deliver(fd, message, size, deadline_ms);
    close(fd);
}

static void say_state(const char *message)
{
    say(message, strlen(message), clock_deadline(NOTIFY_WAIT_MS));
}

void notify_ready(void)
{
    char message[MESSAGE_MAX];
    snprintf(message, sizeof(message), "READY=1\nMAINPID=%ld", (long)getpid());
    say_state(message);
}

void notify_reloading(void)
{
    char message[MESSAGE_MAX];
    /* Rounded up: of two reloads the manager takes a time before its request for the answer to the one before. */
    snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_ms() * 1000 + 999);
    say_state(message);
}

void notify_stopping(void)
{
    say_state("STOPPING=1");
}

/* A line feed would begin another assignment. */
static void make_one_line(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\n')
            *text = ' ';
}

void notify_status(const char *format, ...)
{
    char message[MESSAGE_MAX] = "STATUS=";
    size_t used = strlen(message);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + used, sizeof(message) - used, format, arguments);
    va_end(arguments);
    make_one_line(message);
    say(message, strlen(message), 0);
}
