/* SPDX-License-Identifier: ISC
 *
 * greylist - what the memory on disk bears: `bench-greylist [DIRECTORY [ENTRIES [SECONDS [RATE]]]]`. Figures as
 * measured, beside what they are to reach; the status is 0 whatever they are.
 *
 * The real storekeeper, its socket as the master makes it, and eight processes that ask as workers do, each the next
 * question when it has heard the answer to the last: three of four about somebody who was never seen, the rest about
 * somebody that this process asked about before. First RATE questions a second, then as many as there can be: more
 * than the disk takes, so that there is no room for some, and nobody can say. DIRECTORY is where commits go, so the
 * disk counts; ENTRIES are there before, half of which are over, so that they are cleaned away meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/scoreboard.h"

#include "workers/storekeeper/shelf.h"
#include "workers/storekeeper/storekeeper.h"

enum {
    ASKERS = 8,
    SLOTS = 16,
    WAITS_MAX = 1 << 20, /* of each asker; what comes behind is counted, and not in the median */
    QUEUED_BYTES = 1 << 20,
    FILL_BATCH = 10000,
    SEEN_MASK = 1023, /* an asker comes again with one of so many */
    DEADLINE_MS = 1000,
    START_BOUND_MS = 2000,
    PAUSE_BOUND_MS = 50,
    RATE_BOUND = 5000,
    DAY_S = 86400,
    US_PER_MS = 1000,
    SECONDS_DEFAULT = 10,
    RATE_DEFAULT = 10000
};

struct asker {
    uint64_t asked, unsure;
    uint32_t longest_us;
    uint32_t waits_us[WAITS_MAX];
};

static struct scoreboard board;
static struct store_options options = {.size_bytes = (int64_t)2 << 30, .deadline_ms = DEADLINE_MS};
static int questions[2], lifeline[2]; /* reading end, writing end */
static struct asker *askers;          /* shared */

static _Noreturn void fail(const char *step)
{
    fprintf(stderr, "bench-greylist: %s: %s\n", step, strerror(errno));
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static struct slice key_of(char text[STORE_KEY_MAX], unsigned who, uint64_t number)
{
    int size = snprintf(text, STORE_KEY_MAX, "g 10.%u.%u.0/24 sender-%llu@bench%u.example.com user-%u@example.org",
                        (unsigned)(number >> 8 & 255), (unsigned)(number & 255), (unsigned long long)number, who,
                        (unsigned)(number % 100));
    return slice_make(text, (size_t)size);
}

/* -- what is there before */

static int compare_changes(const void *a, const void *b)
{
    const struct shelf_change *one = a, *other = b;
    size_t least = one->key.size < other->key.size ? one->key.size : other->key.size;
    int order = memcmp(one->key.at, other->key.at, least);
    return order != 0 ? order : (one->key.size > other->key.size) - (one->key.size < other->key.size);
}

static void fill_batch(struct shelf *shelf, uint64_t first)
{
    static char texts[FILL_BATCH][STORE_KEY_MAX];
    static struct shelf_change changes[FILL_BATCH];
    static struct store_record records[2];
    uint32_t now = (uint32_t)clock_wall();
    const char *why = NULL;
    for (int i = 0; i < 2; i++)
        records[i] = (struct store_record){.first_s = now - DAY_S, .last_s = now - DAY_S, .count = 1};
    records[0].expires_s = now - 1;
    records[1].expires_s = now + DAY_S;
    for (unsigned i = 0; i < FILL_BATCH; i++)
        changes[i] = (struct shelf_change){key_of(texts[i], ASKERS, first + i), &records[i & 1]};
    qsort(changes, FILL_BATCH, sizeof(changes[0]), compare_changes);
    if (shelf_write(shelf, changes, FILL_BATCH, &why) != SHELF_DONE)
        fail(why != NULL ? why : "cannot fill it");
}

static void fill(uint64_t entries)
{
    struct shelf *shelf;
    const char *why = NULL;
    if (shelf_open(&shelf, options.directory, (uint64_t)options.size_bytes, &why) != SHELF_DONE)
        fail(why != NULL ? why : "cannot open it");
    uint64_t began_us = now_us();
    for (uint64_t first = 0; first < entries; first += FILL_BATCH)
        fill_batch(shelf, first);
    struct shelf_size size = {0};
    shelf_measure(shelf, &size);
    printf("%llu entries made in %.1f s, %.1f MiB on disk\n", (unsigned long long)size.records,
           (double)(now_us() - began_us) / 1e6, (double)size.bytes_used / (1 << 20));
    shelf_close(&shelf);
}

/* -- the storekeeper */

static pid_t start_storekeeper(void)
{
    static const int bytes = QUEUED_BYTES;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, questions) != 0 || pipe(lifeline) != 0)
        fail("sockets");
    if (setsockopt(questions[1], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
        (void)setsockopt(questions[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        close(lifeline[1]);
        log_to_stderr("bench-greylist");
        log_set_level(LEVEL_WARNING);
        struct storekeeper_setup setup = {
            .options = &options, .board = &board, .lifeline = lifeline[0], .questions = questions[0]};
        storekeeper_main(&setup);
    }
    return pid;
}

static void await_life(void)
{
    uint64_t began_us = now_us();
    while (!store_is_alive(board.store, DEADLINE_MS)) {
        if (now_us() - began_us > 60u * 1000000u)
            fail("the storekeeper does not begin");
        usleep(US_PER_MS);
    }
    printf("%-38s %10.1f ms    at most %d\n", "start", (double)(now_us() - began_us) / US_PER_MS, START_BOUND_MS);
}

/* -- who asks */

static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void ask(struct asker *asker, unsigned who, uint64_t number)
{
    char text[STORE_KEY_MAX];
    struct store_request request;
    store_request_init(&request, STORE_ATTEMPT, key_of(text, who, number));
    request.delay_s = 300;
    request.window_s = DAY_S;
    request.lifetime_s = 36 * DAY_S;
    request.allow_after = 5;
    uint64_t began_us = now_us();
    struct store_answer answer =
        store_ask(board.store, questions[1], who, &request, clock_deadline(options.deadline_ms));
    uint32_t took_us = (uint32_t)(now_us() - began_us);
    if (asker->asked < WAITS_MAX)
        asker->waits_us[asker->asked] = took_us;
    asker->asked++;
    asker->unsure += answer.outcome == STORE_UNSURE;
    asker->longest_us = took_us > asker->longest_us ? took_us : asker->longest_us;
}

/* When the next one is due; rate 0: now. */
static void await_turn(uint64_t began_us, uint64_t asked, unsigned rate)
{
    uint64_t due_us = rate > 0 ? began_us + asked * ASKERS * UINT64_C(1000000) / rate : 0;
    for (uint64_t now = now_us(); now < due_us; now = now_us())
        usleep((useconds_t)(due_us - now));
}

static _Noreturn void ask_for(unsigned who, unsigned seconds, unsigned rate)
{
    struct asker *asker = &askers[who];
    uint64_t seen[SEEN_MASK + 1] = {0}, state = 88172645463325252u + who + rate;
    if (!scoreboard_enter(&board, (int)who))
        fail("cannot enter the scoreboard");
    uint64_t began_us = now_us(), end_us = began_us + seconds * UINT64_C(1000000);
    for (uint64_t number = 1; now_us() < end_us; number++) {
        bool comes_again = (draw(&state) & 3) == 0 && number > SEEN_MASK;
        uint64_t place = comes_again ? draw(&state) & SEEN_MASK : number & SEEN_MASK;
        if (!comes_again)
            seen[place] = draw(&state) >> 16;
        await_turn(began_us, number, rate);
        ask(asker, who, seen[place]);
    }
    _exit(0);
}

static double run_askers(unsigned seconds, unsigned rate)
{
    pid_t pids[ASKERS];
    memset(askers, 0, ASKERS * sizeof(askers[0]));
    uint64_t began_us = now_us();
    for (unsigned i = 0; i < ASKERS; i++) {
        pids[i] = fork();
        if (pids[i] < 0)
            fail("fork");
        if (pids[i] == 0)
            ask_for(i, seconds, rate);
    }
    for (int i = 0; i < ASKERS; i++)
        waitpid(pids[i], NULL, 0);
    return (double)(now_us() - began_us) / 1e6;
}

/* -- what came of it */

static int compare_waits(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    return (one > other) - (one < other);
}

/* All waits in one place, in order. */
static uint32_t *sorted_waits(size_t *count_out)
{
    uint32_t *all = malloc(ASKERS * sizeof(askers[0].waits_us));
    size_t count = 0;
    if (all == NULL)
        fail("memory");
    for (int i = 0; i < ASKERS; i++) {
        size_t own = askers[i].asked < WAITS_MAX ? askers[i].asked : WAITS_MAX;
        memcpy(all + count, askers[i].waits_us, own * sizeof(all[0]));
        count += own;
    }
    qsort(all, count, sizeof(all[0]), compare_waits);
    *count_out = count;
    return all;
}

static void print_figure(const char *name, double value, const char *unit, const char *bound)
{
    printf("%-38s %10.1f %-5s %s\n", name, value, unit, bound);
}

static void print_waits(double took_s)
{
    size_t count;
    uint32_t *waits = sorted_waits(&count), longest = 0;
    uint64_t asked = 0, unsure = 0;
    for (int i = 0; i < ASKERS; i++) {
        asked += askers[i].asked;
        unsure += askers[i].unsure;
        longest = askers[i].longest_us > longest ? askers[i].longest_us : longest;
    }
    char bound[64];
    snprintf(bound, sizeof(bound), "at least %d", RATE_BOUND);
    print_figure("decisions a second", (double)asked / took_s, "", bound);
    print_figure("wait, median", count > 0 ? waits[count / 2] : 0, "us", "");
    print_figure("wait, 99 of 100", count > 0 ? waits[count * 99 / 100] : 0, "us", "");
    snprintf(bound, sizeof(bound), "at most %d; no session more than %d", PAUSE_BOUND_MS, DEADLINE_MS);
    print_figure("wait, longest", longest / (double)US_PER_MS, "ms", bound);
    print_figure("nobody could say", (double)unsure, "", "");
    free(waits);
}

static void print_head(uint64_t commits_before)
{
    const struct store_head *head = &board.store->head;
    print_figure("commits", (double)(atomic_load(&head->commits) - commits_before), "", "");
    print_figure("commit, longest", (double)atomic_load(&head->longest_commit_us) / US_PER_MS, "ms", "");
    print_figure("records", (double)atomic_load(&head->records), "", "");
    print_figure("size", (double)atomic_load(&head->bytes) / (1 << 20), "MiB", "");
    print_figure("purged", (double)atomic_load(&head->purged), "", "");
    print_figure("evicted", (double)atomic_load(&head->evicted), "", "");
    print_figure("lost", (double)atomic_load(&head->lost), "", "");
}

static void measure(unsigned seconds, unsigned rate)
{
    uint64_t commits_before = atomic_load(&board.store->head.commits);
    if (rate > 0)
        printf("\nat %u a second, for %u s\n", rate, seconds);
    else
        printf("\nas many as there can be, for %u s\n", seconds);
    double took_s = run_askers(seconds, rate);
    print_waits(took_s);
    print_head(commits_before);
}

static void stop_storekeeper(pid_t keeper)
{
    uint64_t began_us = now_us();
    int status = 0;
    close(lifeline[1]);
    waitpid(keeper, &status, 0);
    print_figure("\nuntil it had left", (double)(now_us() - began_us) / US_PER_MS, "ms", "");
    if (WIFSIGNALED(status))
        printf("the storekeeper died of signal %d\n", WTERMSIG(status));
}

static uint64_t number_of(const char *text)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "bench-greylist: %s is no number\n", text);
        exit(2);
    }
    return number;
}

int main(int argc, char **argv)
{
    static const struct scoreboard_size size = {.slots = SLOTS, .rates = 1024, .reputations = 1024};
    char made[] = "/tmp/postern-bench-greylist-XXXXXX";
    uint64_t entries = argc > 2 ? number_of(argv[2]) : 0;
    unsigned seconds = argc > 3 ? (unsigned)number_of(argv[3]) : SECONDS_DEFAULT;
    unsigned rate = argc > 4 ? (unsigned)number_of(argv[4]) : RATE_DEFAULT;
    options.directory = argc > 1 ? argv[1] : mkdtemp(made);
    if (options.directory == NULL || (mkdir(options.directory, 0700) != 0 && errno != EEXIST))
        fail("cannot make the directory");
    setvbuf(stdout, NULL, _IOLBF, 0);
    askers = mmap(NULL, ASKERS * sizeof(askers[0]), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (askers == MAP_FAILED || !scoreboard_create(&board, &size))
        fail("memory");
    if (entries > 0)
        fill(entries);
    pid_t keeper = start_storekeeper();
    await_life();
    measure(seconds, rate);
    measure(seconds, 0);
    stop_storekeeper(keeper);
    return 0;
}
