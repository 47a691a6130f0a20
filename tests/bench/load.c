/* SPDX-License-Identifier: ISC
 *
 * load - sends messages to an SMTP server, in parallel sessions of one process, and says how long that took.
 *
 * One line of JSON on stdout: messages, sessions, how many of those resumed TLS, seconds, and the times of a session
 * from connect() to the 220, to the 250 of its first message, and to the 221, in microseconds. Status 1 and a line on
 * stderr when anything was not answered as it must be: a load that half the server refused measures nothing.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/caller.h"

enum { SESSIONS_MAX = 10000, MESSAGES_MAX = 10000000, SIZE_MAX_BYTES = 1 << 30, EVENTS_AT_A_TIME = 256 };

static const char USAGE[] = "usage: load [options] 127.0.0.1:PORT\n"
                            "  --sessions N         as many at the same time (1)\n"
                            "  --messages N         in all (1)\n"
                            "  --per-connection N   messages in each connection (1)\n"
                            "  --size BYTES         of a message, headers and all (4096)\n"
                            "  --starttls HOW       none, full or resume (none)\n"
                            "  --limit SECONDS      then it has failed (120)\n";

struct options {
    int sessions;
    size_t size;
    unsigned limit_seconds;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static _Noreturn void usage(int status)
{
    fputs(USAGE, status == 0 ? stdout : stderr);
    exit(status);
}

static uint64_t to_number(const char *text, uint64_t most)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < 1 || number > most)
        usage(2);
    return number;
}

static enum starttls to_starttls(const char *text)
{
    static const char *const names[] = {"none", "full", "resume"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0)
            return (enum starttls)i;
    usage(2);
}

static void to_address(const char *text, struct load *l)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&l->address;
    char host[INET_ADDRSTRLEN] = "";
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host)
        usage(2);
    memcpy(host, text, (size_t)(colon - text));
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)to_number(colon + 1, UINT16_MAX));
    if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
        usage(2);
    l->address_size = sizeof *in;
}

static const struct option LONG_OPTIONS[] = {
    /* clang-format off */
    {"sessions",       required_argument, NULL, 's'},
    {"messages",       required_argument, NULL, 'm'},
    {"per-connection", required_argument, NULL, 'p'},
    {"size",           required_argument, NULL, 'l'},
    {"starttls",       required_argument, NULL, 't'},
    {"limit",          required_argument, NULL, 'x'},
    {"help",           no_argument,       NULL, 'h'},
    {NULL, 0, NULL, 0},
    /* clang-format on */
};

static void take(int letter, struct options *o, struct load *l)
{
    switch (letter) {
    case 's':
        o->sessions = (int)to_number(optarg, SESSIONS_MAX);
        break;
    case 'm':
        l->messages = to_number(optarg, MESSAGES_MAX);
        break;
    case 'p':
        l->per_connection = to_number(optarg, MESSAGES_MAX);
        break;
    case 'l':
        o->size = to_number(optarg, SIZE_MAX_BYTES);
        break;
    case 't':
        l->starttls = to_starttls(optarg);
        break;
    case 'x':
        o->limit_seconds = (unsigned)to_number(optarg, 3600);
        break;
    default:
        usage(letter == 'h' ? 0 : 2);
    }
}

static void parse(int argc, char **argv, struct options *o, struct load *l)
{
    int letter;
    while ((letter = getopt_long(argc, argv, "h", LONG_OPTIONS, NULL)) != -1)
        take(letter, o, l);
    if (argc - optind != 1)
        usage(2);
    to_address(argv[optind], l);
}

/* Headers, lines of 72 octets as people write them, and the dot. Not one octet fewer than was asked for. */
static void make_message(struct load *l, size_t size)
{
    static const char head[] = "From: <s@example.org>\r\nTo: <r@example.com>\r\nSubject: a load\r\n\r\n";
    static const char line[] = "The quick brown fox jumps over the lazy dog, and then it does so again\r\n";
    char *text = malloc(size + sizeof head + 2 * sizeof line), *at = text;
    if (!text)
        fail("no memory");
    memcpy(at, head, sizeof head - 1);
    for (at += sizeof head - 1; (size_t)(at - text) < size; at += sizeof line - 1)
        memcpy(at, line, sizeof line - 1);
    memcpy(at, ".\r\n", 3);
    l->message = text;
    l->message_size = (size_t)(at + 3 - text);
}

static void make_times(struct times *t, uint64_t count)
{
    t->ns = calloc(count, sizeof *t->ns);
    if (!t->ns)
        fail("no memory");
}

static void watch(int epoll, int operation, struct caller *c)
{
    struct epoll_event event = {.events = EPOLLIN | (caller_wants_out(c) ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(epoll, operation, c->fd, &event) != 0)
        fail("epoll_ctl");
}

/* False: this place has nothing left to do. */
static bool serve(int epoll, struct caller *c)
{
    bool wanted_out = caller_wants_out(c);
    caller_go_on(c);
    if (c->fd >= 0) {
        if (caller_wants_out(c) != wanted_out)
            watch(epoll, EPOLL_CTL_MOD, c);
        return true;
    }
    if (!caller_connect(c, c->load))
        return false;
    watch(epoll, EPOLL_CTL_ADD, c);
    return true;
}

static void send_all(struct load *l, int sessions)
{
    struct epoll_event events[EVENTS_AT_A_TIME];
    struct caller *callers = calloc((size_t)sessions, sizeof *callers);
    int epoll = epoll_create1(EPOLL_CLOEXEC), active = 0;
    if (!callers || epoll < 0)
        fail("no memory");
    while (active < sessions && caller_connect(&callers[active], l))
        watch(epoll, EPOLL_CTL_ADD, &callers[active++]);
    while (active > 0) {
        int count = epoll_wait(epoll, events, EVENTS_AT_A_TIME, -1);
        for (int i = 0; i < count; i++)
            active -= !serve(epoll, events[i].data.ptr);
    }
    for (int i = 0; i < sessions; i++)
        SSL_SESSION_free(callers[i].place.ticket);
    free(callers);
    close(epoll);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void say_times(const char *name, struct times *t)
{
    qsort(t->ns, t->count, sizeof *t->ns, by_size);
    printf(", \"%s\": {\"p50\": %.1f, \"p99\": %.1f}", name, (double)t->ns[t->count / 2] / 1e3,
           (double)t->ns[t->count * 99 / 100] / 1e3);
    free(t->ns);
}

static double seconds_since(const struct timespec *began)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

static void too_late(int number)
{
    static const char text[] = "load: not done in time\n";
    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(1);
}

int main(int argc, char **argv)
{
    struct options options = {.sessions = 1, .size = 4096, .limit_seconds = 120};
    struct load load = {.messages = 1, .per_connection = 1};
    struct timespec began;
    parse(argc, argv, &options, &load);
    make_message(&load, options.size);
    make_times(&load.banner, load.messages);
    make_times(&load.first, load.messages);
    make_times(&load.whole, load.messages);
    if (load.starttls != STARTTLS_NONE && !(load.context = secure_context()))
        fail("no memory for TLS");
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = too_late}, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL); /* OpenSSL writes without MSG_NOSIGNAL */
    alarm(options.limit_seconds);
    clock_gettime(CLOCK_MONOTONIC, &began);
    send_all(&load, options.sessions);
    printf("{\"seconds\": %.6f, \"messages\": %" PRIu64 ", \"sessions\": %" PRIu64 ", \"resumed\": %" PRIu64,
           seconds_since(&began), load.delivered, load.sessions, load.resumed);
    say_times("banner_us", &load.banner);
    say_times("message_us", &load.first);
    say_times("session_us", &load.whole);
    printf("}\n");
    SSL_CTX_free(load.context);
    free((char *)load.message);
    return 0;
}
