/* SPDX-License-Identifier: ISC
 *
 * swarm - a botnet and legitimate senders at the same door, from addresses of their own across 127.0.0.0/8.
 *
 * Bots come at a steady rate, whatever became of those before (bot.h says what they are); with --hold they are silent
 * ones, and whoever is thrown out is replaced, at that rate at most. Senders wait for one another's messages no more
 * than mail servers do (sender.h). It ends when the time is over, or when all that was asked for was sent; one line
 * says how it went. Bots' messages come from bot@botnet.example, the senders' from legit@mail.example, so that inside
 * can count them. It shares no code with Postern.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/bot.h"
#include "tests/bench/sender.h"

enum { EVENTS_AT_A_TIME = 512, FDS_BESIDE = 32, TURN_MS = 2 };
enum { SECONDS_MAX = 3600, RATE_MAX = 100000, OPEN_MAX_DEFAULT = 30000, ADDRESSES_MAX = 1000000, BOTS_MAX = 100000000 };

struct swarm {
    struct room room;
    struct bots bots;
    struct senders senders;
    long seconds, rate, most_bots, hold, addresses, seed, size, open_most;
    int64_t began_us, turned_us;
    int64_t late_us; /* the longest time in which nobody was looked at */
};

static const char USAGE[] = "usage: swarm [options] 127.0.0.1:PORT\n"
                            "  --seconds N    how long (60)\n"
                            "  --senders N    legitimate senders (20)\n"
                            "  --size N       octets of their messages (4096)\n"
                            "  --pause MS     between two messages of one (500)\n"
                            "  --patience S   of a sender (300)\n"
                            "  --messages N   each sends so many, then it is done; 0: no end (0)\n"
                            "  --rate N       bots a second (0)\n"
                            "  --addresses N  that bots come from (2000)\n"
                            "  --bots N       in all, at most (100000000)\n"
                            "  --hold N       bots are silent, so many at the same time\n"
                            "  --open N       connections at the same time, at most (30000)\n"
                            "  --seed N       of chance (1)\n";

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "swarm: %s: %s\n", what, strerror(errno));
    exit(1);
}

static _Noreturn void usage(int status)
{
    fputs(USAGE, status == 0 ? stdout : stderr);
    exit(status);
}

static long to_number(const char *text, long least, long most)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < least || number > most)
        usage(2);
    return number;
}

static void to_address(char *text, struct sockaddr_in *out)
{
    char *colon = strchr(text, ':');
    if (colon == NULL)
        usage(2);
    *colon = '\0';
    out->sin_family = AF_INET;
    out->sin_port = htons((uint16_t)to_number(colon + 1, 1, UINT16_MAX));
    if (inet_pton(AF_INET, text, &out->sin_addr) != 1)
        usage(2);
}

/* -- what was asked for */

struct number {
    const char *name;
    long *into;
    long otherwise, least, most;
};

enum { NUMBERS = 12 };

static void parse(int argc, char **argv, struct swarm *s)
{
    long senders, pause_ms, patience;
    const struct number numbers[NUMBERS] = {{"seconds", &s->seconds, 60, 1, SECONDS_MAX},
                                            {"senders", &senders, 20, 0, SENDERS_MAX},
                                            {"size", &s->size, 4096, 1, 100000000},
                                            {"pause", &pause_ms, 500, 1, 600000},
                                            {"patience", &patience, 300, 1, SECONDS_MAX},
                                            {"messages", &s->senders.messages, 0, 0, BOTS_MAX},
                                            {"rate", &s->rate, 0, 0, RATE_MAX},
                                            {"addresses", &s->addresses, 2000, 1, ADDRESSES_MAX},
                                            {"bots", &s->most_bots, BOTS_MAX, 0, BOTS_MAX},
                                            {"hold", &s->hold, 0, 1, BOTS_MAX},
                                            {"open", &s->open_most, OPEN_MAX_DEFAULT, 1, 1000000},
                                            {"seed", &s->seed, 1, 0, BOTS_MAX}};
    struct option options[NUMBERS + 2] = {[NUMBERS] = {"help", no_argument, NULL, 'h'}};
    for (int i = 0; i < NUMBERS; i++) {
        *numbers[i].into = numbers[i].otherwise;
        options[i] = (struct option){numbers[i].name, required_argument, NULL, i + 256};
    }
    int letter;
    while ((letter = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (letter < 256)
            usage(letter == 'h' ? 0 : 2);
        const struct number *n = &numbers[letter - 256];
        *n->into = to_number(optarg, n->least, n->most);
    }
    if (argc - optind != 1)
        usage(2);
    to_address(argv[optind], &s->room.address);
    s->senders.count = (int)senders;
    s->senders.pause_us = pause_ms * 1000;
    s->senders.patience_us = patience * 1000000;
}

/* -- time passes */

static long wanted_bots(const struct swarm *s)
{
    int64_t since_us = s->turned_us - s->began_us;
    long due = (long)(since_us * s->rate / 1000000) - s->bots.begun;
    if (s->hold > 0 && due > s->hold - s->bots.now)
        due = s->hold - s->bots.now;
    long left = s->most_bots - s->bots.begun, room = s->open_most - s->room.open;
    due = due < left ? due : left;
    return due < room ? due : room;
}

static void add_bots(struct swarm *s)
{
    for (long wanted = wanted_bots(s); wanted > 0; wanted--)
        bots_add(&s->bots, s->hold > 0);
}

static bool is_over(const struct swarm *s)
{
    bool no_more_bots = s->rate == 0 || (s->bots.begun >= s->most_bots && s->bots.now == 0);
    bool no_more_mail = s->senders.count == 0 || (s->senders.messages > 0 && s->senders.done == s->senders.count);
    return (no_more_bots && no_more_mail) || s->turned_us - s->began_us >= s->seconds * 1000000;
}

static void ring(struct alarm *a)
{
    struct talker *t = (struct talker *)a;
    t->kind->rung(t);
}

static void turn(struct swarm *s)
{
    struct epoll_event events[EVENTS_AT_A_TIME];
    int count = epoll_wait(s->room.epoll, events, EVENTS_AT_A_TIME, TURN_MS);
    for (int i = 0; i < count; i++)
        talker_go_on(events[i].data.ptr, events[i].events);
    int64_t now = now_us();
    if (now - s->turned_us > s->late_us)
        s->late_us = now - s->turned_us;
    s->turned_us = now;
    wheel_turn(&s->room.wheel, now / 1000, ring);
    add_bots(s);
    bots_bury(&s->bots);
}

/* -- what is said of it */

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void report(struct swarm *s)
{
    static const char *const names[BOT_KINDS] = {"plain", "early", "dictionary", "trickle", "silent"};
    struct senders *legit = &s->senders;
    struct bots *bots = &s->bots;
    double seconds = (double)(now_us() - s->began_us) / 1e6;
    int held_at_end = bots->now;
    struct senders_found found = senders_end(legit);
    printf("seconds=%.3f cpu=%.3f late_ms=%.1f senders=%d delivered=%ld refused=%ld dropped=%ld impatient=%ld "
           "unfinished=%d never=%d ",
           seconds, cpu_seconds(), (double)s->late_us / 1000, legit->count, legit->delivered, legit->refused,
           legit->dropped, legit->gave_up, found.unfinished, found.never);
    printf("rate=%.3f rate_from_second=%.3f first_ms=%.1f banner_p50_ms=%.2f banner_p99_ms=%.2f delivery_p50_ms=%.2f "
           "delivery_p99_ms=%.2f delivery_max_ms=%.1f ",
           (double)legit->delivered / seconds, found.rate_from_second, found.first_ms,
           times_percentile(&legit->banner, 50), times_percentile(&legit->banner, 99),
           times_percentile(&legit->delivery, 50), times_percentile(&legit->delivery, 99), found.delivery_ms);
    printf("bots=%ld bots_inside=%ld bots_refused=%ld bots_dropped=%ld bots_gave_up=%ld bots_talking=%d held=%d "
           "unconnected=%ld",
           bots->begun, bots->inside, bots->refused, bots->dropped, bots->gave_up, held_at_end, bots->held_most,
           s->room.unconnected);
    for (int kind = 0; kind < BOT_KINDS; kind++)
        printf(" %s=%ld %s_inside=%ld", names[kind], bots->of_kind[kind], names[kind], bots->inside_of_kind[kind]);
    printf("\n");
}

/* As many as the machine allows, and no more connections than these are for. */
static void allow_descriptors(struct swarm *s)
{
    struct rlimit limit, more;
    rlim_t wanted = (rlim_t)s->open_most + FDS_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("limit of open files");
    more = (struct rlimit){wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &more) == 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("limit of open files");
    s->open_most = (long)limit.rlim_cur - FDS_BESIDE;
}

int main(int argc, char **argv)
{
    static struct swarm s;
    parse(argc, argv, &s);
    allow_descriptors(&s);
    s.room.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s.room.epoll < 0)
        fail("epoll");
    s.began_us = s.turned_us = now_us();
    wheel_begin(&s.room.wheel, s.began_us / 1000);
    bots_begin(&s.bots, &s.room, (int)s.addresses, (uint64_t)s.seed);
    senders_begin(&s.senders, &s.room, (size_t)s.size);
    while (!is_over(&s))
        turn(&s);
    report(&s);
    bots_end(&s.bots);
    free(s.senders.each);
    free((void *)s.senders.message);
    free(s.senders.banner.ms);
    free(s.senders.delivery.ms);
    return 0;
}
