/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "common/orders.h"
#include "workers/kill_switch.h"

static struct {
    const struct orders *orders;
    int slot;
    _Atomic uint64_t session_number;
    atomic_int fd; /* -1: not armed. Written last when arming, first when disarming */
    atomic_bool pulled;
} armed = {.fd = -1};

_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "a handler takes no locks");

/* A shutdown only: descriptor and session stay their owner's. */
static void look(void)
{
    int fd = atomic_load(&armed.fd);
    if (fd < 0 || !orders_want_killed(armed.orders, armed.slot, atomic_load(&armed.session_number)))
        return;
    atomic_store(&armed.pulled, true);
    shutdown(fd, SHUT_RDWR);
}

static void handle(int number)
{
    int error = errno;
    (void)number;
    look();
    errno = error;
}

bool kill_switch_install(void)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    return sigaction(SIGUSR2, &action, NULL) == 0;
}

void kill_switch_arm(const struct orders *orders, int slot, uint64_t session_number, int outside_fd)
{
    atomic_store(&armed.fd, -1);
    armed.orders = orders;
    armed.slot = slot;
    atomic_store(&armed.session_number, session_number);
    atomic_store(&armed.pulled, false);
    atomic_store(&armed.fd, outside_fd);
    look();
}

void kill_switch_disarm(void)
{
    atomic_store(&armed.fd, -1);
}

bool kill_switch_is_pulled(void)
{
    return atomic_load(&armed.pulled);
}
