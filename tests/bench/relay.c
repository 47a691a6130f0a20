/* SPDX-License-Identifier: ISC
 *
 * relay - what a process for each session costs by itself: `bench-relay OWN-PORT INSIDE-PORT PROCESSES`, on loopback.
 *
 * Each process takes one connection after the other and carries it inside and back in step, by the fewest system calls:
 * a read and a write for each line and each reply. It knows of SMTP only where a message begins and ends; it checks,
 * logs and notices nothing, and is no proxy that anybody could use. No front with a process for each session can cost
 * less.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, PIECE_BYTES = 65536 };

static const char END[] = "\r\n.\r\n";
enum { END_SIZE = sizeof END - 1 };

static char piece[PIECE_BYTES];

static struct sockaddr_in on_loopback(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    return address;
}

static int new_socket(void)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        perror("relay: socket");
        exit(1);
    }
    return fd;
}

static int listen_at(const char *port)
{
    struct sockaddr_in own = on_loopback(port);
    int on = 1, fd = new_socket();
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&own, sizeof own) != 0 || listen(fd, BACKLOG) != 0) {
        perror("relay: listen");
        exit(1);
    }
    return fd;
}

static bool send_all(int fd, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t now = send(fd, piece + sent, size - sent, MSG_NOSIGNAL);
        if (now <= 0)
            return false;
        sent += (size_t)now;
    }
    return true;
}

static size_t carry(int from, int to)
{
    ssize_t got = recv(from, piece, sizeof piece, 0);
    return got > 0 && send_all(to, (size_t)got) ? (size_t)got : 0;
}

/* The last octets seen, whatever pieces they came in. */
static bool is_end(char last[END_SIZE], size_t size)
{
    size_t fresh = size < END_SIZE ? size : END_SIZE;
    memmove(last, last + fresh, END_SIZE - fresh);
    memcpy(last + END_SIZE - fresh, piece + size - fresh, fresh);
    return memcmp(last, END, END_SIZE) == 0;
}

static bool carry_message(int outside, int inside)
{
    char last[END_SIZE] = "\0\0\0\r\n";
    size_t size;
    do {
        size = carry(outside, inside);
    } while (size > 0 && !is_end(last, size));
    return size > 0;
}

static void serve(int outside, int inside)
{
    while (carry(inside, outside) > 0) {
        bool begins = memcmp(piece, "354", 3) == 0;
        if (begins ? !carry_message(outside, inside) : carry(outside, inside) == 0)
            return;
    }
}

static _Noreturn void take_turns(int listener, const struct sockaddr_in *inside_address)
{
    for (;;) {
        int outside = accept4(listener, NULL, NULL, SOCK_CLOEXEC), inside = new_socket();
        if (connect(inside, (const struct sockaddr *)inside_address, sizeof *inside_address) == 0)
            serve(outside, inside);
        close(inside);
        close(outside);
    }
}

int main(int count, char **words)
{
    if (count != 4) {
        fputs("usage: bench-relay OWN-PORT INSIDE-PORT PROCESSES\n", stderr);
        return 2;
    }
    struct sockaddr_in inside = on_loopback(words[2]);
    int listener = listen_at(words[1]);
    for (long left = strtol(words[3], NULL, 10); left > 0; left--) {
        if (fork() != 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        take_turns(listener, &inside);
    }
    pause();
    return 0;
}
