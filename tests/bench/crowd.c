/* SPDX-License-Identifier: ISC
 *
 * crowd - many clients that connect, shake hands where TLS comes first, and say nothing: whoever delays them holds
 * them.
 *
 * One process, at a steady rate, from many addresses of the other side's network (a /16), which are all this machine's.
 * It says `connected N` when all are (after their handshakes) and `heard N` when each has heard something, then stays
 * until its standard input ends, and closes with one line of JSON: how many connections, how many of them heard
 * something, and how many were ended by the other side. It shares no code with Postern.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/secure.h"

#define NETWORK 0xffff0000u
#define FIRST   0x0101u

enum { COUNT_MAX = 60000, SOURCES_MAX = 250, EVENTS_AT_A_TIME = 256, STEP_MS = 10, FDS_BESIDE = 16 };

struct member {
    int fd;
    bool connecting, shaking_hands, heard, ended;
    struct secure secure;
};

struct crowd {
    struct sockaddr_in address;
    int count, begun, connected, heard, ended;
    int sources;   /* addresses that they come from */
    int each_step; /* as many begin every STEP_MS */
    SSL_CTX *context;
    int epoll;
    struct member *members;
    struct secure_place place; /* tickets go here, and are not used */
};

static const char USAGE[] = "usage: crowd [options] COUNT 127.0.0.1:PORT\n"
                            "  --tls            TLS comes first\n"
                            "  --sources N      from so many addresses, 127.0.1.1 and so on, of the same network (50)\n"
                            "  --rate N         connections a second (4000)\n";

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
    exit(1);
}

static _Noreturn void usage(int status)
{
    fputs(USAGE, status == 0 ? stdout : stderr);
    exit(status);
}

static int to_number(const char *text, long most)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < 1 || number > most)
        usage(2);
    return (int)number;
}

static void to_address(char *text, struct crowd *c)
{
    char *colon = strchr(text, ':');
    if (colon == NULL)
        usage(2);
    *colon = '\0';
    c->address.sin_family = AF_INET;
    c->address.sin_port = htons((uint16_t)to_number(colon + 1, UINT16_MAX));
    if (inet_pton(AF_INET, text, &c->address.sin_addr) != 1)
        usage(2);
}

static void parse(int argc, char **argv, struct crowd *c)
{
    static const struct option options[] = {{"tls", no_argument, NULL, 't'},
                                            {"sources", required_argument, NULL, 's'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int letter, rate = 4000;
    bool tls = false;
    while ((letter = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (letter == 't')
            tls = true;
        else if (letter == 's')
            c->sources = to_number(optarg, SOURCES_MAX);
        else if (letter == 'r')
            rate = to_number(optarg, 1000000);
        else
            usage(letter == 'h' ? 0 : 2);
    }
    if (argc - optind != 2)
        usage(2);
    c->count = to_number(argv[optind], COUNT_MAX);
    c->each_step = rate * STEP_MS / 1000 > 0 ? rate * STEP_MS / 1000 : 1;
    to_address(argv[optind + 1], c);
    if (tls && (c->context = secure_context()) == NULL)
        fail("TLS");
}

/* -- one of them */

static void watch(struct crowd *c, int operation, struct member *m, bool out)
{
    struct epoll_event event = {.events = out ? EPOLLOUT : EPOLLIN | EPOLLRDHUP, .data.ptr = m};
    if (epoll_ctl(c->epoll, operation, m->fd, &event) != 0)
        fail("epoll_ctl");
}

static void begin(struct crowd *c)
{
    struct member *m = &c->members[c->begun];
    struct sockaddr_in own = {.sin_family = AF_INET};
    int on = 1;
    own.sin_addr.s_addr =
        htonl((ntohl(c->address.sin_addr.s_addr) & NETWORK) + FIRST + (uint32_t)(c->begun % c->sources));
    m->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (m->fd < 0 || setsockopt(m->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0 ||
        bind(m->fd, (struct sockaddr *)&own, sizeof own) != 0 ||
        (connect(m->fd, (struct sockaddr *)&c->address, sizeof c->address) != 0 && errno != EINPROGRESS))
        fail("connect");
    m->connecting = true;
    watch(c, EPOLL_CTL_ADD, m, true);
    c->begun++;
}

static void say_when_all(const struct crowd *c, const char *what, int count)
{
    if (count != c->count)
        return;
    printf("%s %d\n", what, count);
    fflush(stdout);
}

static void settle(struct crowd *c, struct member *m)
{
    c->connected++;
    watch(c, EPOLL_CTL_MOD, m, false);
    say_when_all(c, "connected", c->connected);
}

/* What is left afterwards is the socket alone: memory of this side is nobody's question. */
static void shake_hands(struct crowd *c, struct member *m)
{
    int done = secure_shake_hands(&m->secure);
    if (done < 0)
        fail("handshake");
    if (done == 0) {
        watch(c, EPOLL_CTL_MOD, m, m->secure.wants_out);
        return;
    }
    m->shaking_hands = false;
    SSL_free(m->secure.ssl);
    m->secure.ssl = NULL;
    settle(c, m);
}

static void be_connected(struct crowd *c, struct member *m)
{
    socklen_t size = sizeof errno;
    if (getsockopt(m->fd, SOL_SOCKET, SO_ERROR, &errno, &size) != 0 || errno != 0)
        fail("connect");
    m->connecting = false;
    if (c->context == NULL) {
        settle(c, m);
        return;
    }
    if (!secure_begin(&m->secure, c->context, m->fd, &c->place, false))
        fail("TLS");
    m->shaking_hands = true;
    shake_hands(c, m);
}

/* Tickets come behind a handshake; so what is heard in TLS says nothing. */
static void listen_to(struct crowd *c, struct member *m)
{
    char octets[4096];
    ssize_t got = recv(m->fd, octets, sizeof octets, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0 && m->heard)
        return;
    if (got > 0) {
        m->heard = true;
        c->heard++;
        say_when_all(c, "heard", c->heard);
        return;
    }
    c->ended++;
    close(m->fd);
    m->fd = -1;
    m->ended = true;
}

static void go_on(struct crowd *c, struct member *m)
{
    if (m->connecting)
        be_connected(c, m);
    else if (m->shaking_hands)
        shake_hands(c, m);
    else
        listen_to(c, m);
}

/* -- all of them */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_over(void)
{
    char octet;
    return read(STDIN_FILENO, &octet, 1) <= 0;
}

static void stand_there(struct crowd *c)
{
    struct epoll_event events[EVENTS_AT_A_TIME];
    int64_t next_ms = now_ms();
    for (;;) {
        if (c->begun < c->count && now_ms() >= next_ms) {
            for (int i = 0; i < c->each_step && c->begun < c->count; i++)
                begin(c);
            next_ms += STEP_MS;
        }
        int count = epoll_wait(c->epoll, events, EVENTS_AT_A_TIME, c->begun < c->count ? 1 : -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr != NULL)
                go_on(c, events[i].data.ptr);
            else if (is_over())
                return;
        }
    }
}

int main(int argc, char **argv)
{
    struct crowd c = {.sources = 50, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct epoll_event own = {.events = EPOLLIN};
    parse(argc, argv, &c);
    rlim_t wanted = (rlim_t)c.count + FDS_BESIDE;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("limit of open files");
    if (limit.rlim_cur < wanted)
        limit = (struct rlimit){wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("limit of open files");
    c.members = calloc((size_t)c.count, sizeof *c.members);
    if (c.members == NULL || c.epoll < 0 || epoll_ctl(c.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &own) != 0)
        fail("begin");
    stand_there(&c);
    for (int i = 0; i < c.count; i++)
        secure_end(&c.members[i].secure);
    SSL_SESSION_free(c.place.ticket);
    SSL_CTX_free(c.context);
    free(c.members);
    printf("{\"connected\": %d, \"heard\": %d, \"ended\": %d}\n", c.connected, c.heard, c.ended);
    return 0;
}
