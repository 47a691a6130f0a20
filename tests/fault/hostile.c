/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/scoreboard.h"
#include "tests/fault/hostile.h"
#include "workers/worker.h"

enum { STUCK_SECONDS = 5, DIES_AT_ONCE_ONE_IN = 20, PAUSE_ONE_IN = 64 };

_Noreturn void __real_worker_main(const struct worker_setup *setup);
_Noreturn void __wrap_worker_main(const struct worker_setup *setup);

static struct tally *open_tally(void)
{
    const char *path = getenv("HOSTILE_TALLY");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return NULL;
    void *at = mmap(NULL, sizeof(struct tally), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at != MAP_FAILED ? at : NULL;
}

static bool is_over(const struct tally *tally)
{
    return atomic_load(&tally->done) >= atomic_load(&tally->wanted);
}

/* Without the sanitizer's word about it, which would look like the master's. */
static _Noreturn void die_by_signal(struct hostile *h)
{
    static const int numbers[] = {SIGKILL, SIGSEGV, SIGABRT, SIGBUS, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU};
    int number = numbers[hostile_random(h, sizeof(numbers) / sizeof(numbers[0]))];
    sigset_t none;
    sigemptyset(&none);
    sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    kill(getpid(), number);
    _exit(1);
}

static _Noreturn void die(struct hostile *h)
{
    static const int statuses[] = {WORKER_RETIRED, WORKER_ORPHANED, WORKER_SHORT, WORKER_BROKEN, 1, 255};
    enum ending ending = (enum ending)atomic_load(&h->tally->ending);
    if (ending == ENDING_ANY)
        ending = hostile_random(h, 2) == 0 ? ENDING_STATUS : ENDING_SIGNAL;
    if (ending == ENDING_SIGNAL)
        die_by_signal(h);
    if (ending == ENDING_RETIRED)
        _exit(WORKER_RETIRED);
    _exit(statuses[hostile_random(h, sizeof(statuses) / sizeof(statuses[0]))]);
}

static int64_t end_of_life(struct hostile *h)
{
    int64_t life_ms = (int64_t)atomic_load(&h->tally->life_ms);
    if (life_ms == 0 || hostile_random(h, DIES_AT_ONCE_ONE_IN) == 0)
        return clock_ms();
    return clock_ms() + life_ms + (int64_t)hostile_random(h, (uint64_t)life_ms);
}

_Noreturn void __wrap_worker_main(const struct worker_setup *setup)
{
    struct hostile h = {.tally = open_tally(), .slot = setup->slot, .slot_count = setup->board->slot_count};
    if (h.tally == NULL || is_over(h.tally)) {
        sandbox_prepare(h.tally);
        __real_worker_main(setup);
    }
    h.random = ((uint64_t)clock_wall_us() ^ (uint64_t)getpid() << 32) | 1;
    atomic_fetch_add(&h.tally->births, 1);
    if (!scoreboard_enter(setup->board, setup->slot))
        _exit(WORKER_BROKEN);
    scribble_prepare(&h);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    for (int64_t end_ms = end_of_life(&h); !is_over(h.tally) && clock_ms() < end_ms;) {
        alarm(STUCK_SECONDS); /* a listener without O_NONBLOCK may keep it for ever */
        scribble_round(&h);
        mischief_round(&h);
        atomic_fetch_add(&h.tally->done, 1);
        if (hostile_random(&h, PAUSE_ONE_IN) == 0)
            usleep((useconds_t)hostile_random(&h, 5000));
    }
    if (hostile_random(&h, 2) == 0)
        scribble_lie(&h);
    die(&h);
}
