# SPDX-License-Identifier: ISC
"""System calls of the master that fail, while it reloads, makes workers, buries them and is asked."""
import os
import re
import signal
import time

from machine_rig import SETTLE_SECONDS, Violation, demand, net
from outside import is_code
from strace import Injection

K_MAX = 400
FORK = "?clone,?clone3,?fork,?vfork"

# Of a reload, each in turn.
RELOAD = {
    "?open,openat": ("EIO", "ENFILE", "EMFILE"),
    "fallocate": ("EIO", "ENOSPC"),
    "pipe2": ("EMFILE", "ENFILE"),
    "fcntl": ("EMFILE", "EBADF"),
    "?fstat,?newfstatat": ("EIO",),
    "read": ("EIO", "EINTR"),
    "?poll,?ppoll": ("EINTR", "ENOMEM"),
    "wait4": ("EINTR", "ECHILD"),
    FORK: ("EAGAIN", "ENOMEM"),
}
# Of a worker that is made, each in turn.
BIRTH = {
    "?open,openat": ("EMFILE",),
    "mmap": ("ENOMEM",),
    "epoll_create1": ("EMFILE",),
    "setresuid": ("EAGAIN",),
    "setresgid": ("EPERM",),
    "setgroups": ("EPERM",),
    "capset": ("EPERM",),
    "prctl": ("EPERM",),
    "prlimit64": ("EPERM",),
    "?dup2,?dup3": ("EBADF",),
    "setpgid": ("EPERM",),
    "close_range": ("EINVAL",),
    "seccomp": ("ENOMEM",),
    "landlock_restrict_self": ("E2BIG",),
}
BIRTH_OPTIONS = ("listener.min_spare=2", "listener.max_spare=3")
LIVES_SECONDS = 1.2  # for so long a worker has to live for the pool to be at ease


def _each(who, calls, once):
    """`once(k)` with the k-th of these calls failing, until there is no k-th one; it gives what was hit."""
    hits = 0
    for k in range(1, K_MAX):
        hit = once(k)
        hits += len(hit)
        if not hit:
            demand(hits, f"no {who} calls {calls}")
            return
    raise Violation(f"a {who} calls {calls} more than {K_MAX} times")


def reload(house, calls, error):
    """Done or refused, and the log says which; the next one, with nothing in its way, is done."""
    _each("reload", calls, lambda k: _reload_once(house, calls, error, k))


def _reload_once(house, calls, error, k):
    house.play()
    with Injection(lambda: [house.master], calls, error, str(k)) as injection:
        ask_reload(house, "done|refused", f"{calls} {k}")
        house.converse(long=False)
        hits = injection.hits()
    ask_reload(house, "done", f"after {calls} {k}")
    try:
        house.settle()
    except Violation as fault:
        raise Violation(f"{calls} {k}: {fault}\n" + "\n".join(hits[:5])) from None
    return hits


def ask_reload(house, wanted, where):
    before = len(house.gate.log())
    os.kill(house.master, signal.SIGHUP)

    def over():
        return re.search(rf"event=reload state=({wanted}) ", house.gate.log()[before:])
    try:
        return net.wait_until(over, SETTLE_SECONDS, f"{where}: a reload is not {wanted}", house.gate.story).group(1)
    except AssertionError as fault:
        raise Violation(str(fault)) from None


def no_forks(house, error):
    """While no process can be made a crowd is served by whom there is, and told 421 where that is not enough; then the
    pool grows."""
    net.wait_until(lambda: len(house.idle_workers()) <= 2, SETTLE_SECONDS, "who is too many does not leave",
                   house.gate.story)
    house.play()
    with Injection(lambda: [house.master], FORK, error, "1+") as injection:
        crowd = [house.connect() for _ in range(3)]
        demand(is_code(crowd[0].reply(), b"220"), "the first of a crowd is not greeted")
        net.wait_until(injection.hits, SETTLE_SECONDS, "nobody tries to make a worker", house.gate.story)
        house.gate.wait_log("event=fork-failed")
    for outside in crowd[1:]:
        demand(outside.reply() is not None, "somebody in the crowd waits in vain")
    for outside in crowd:
        outside.close()
    house.settle(lenient=True)


def birth(house, calls, error):
    """A worker that cannot set itself up leaves, and never serves with rights that it should not have; whoever is there
    serves meanwhile; the next one is well."""
    _each("newborn worker", calls, lambda k: _birth_once(house, calls, error, k))


def _birth_once(house, calls, error, k):
    one, *victims = house.idle_workers()
    with Injection(lambda: [house.master], calls, error, str(k), follow=True) as injection:
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        house.pass_quiet()

        def born():
            """One is hit, or came through without having made so many of these calls."""
            return injection.hits() or any(map(net.is_at_rest, set(house.gate.workers()) - {one, *victims}))
        net.wait_until(born, SETTLE_SECONDS, "no worker is made", house.gate.story)
        hits = injection.hits()
    _wait_well(house, f"{calls} {k}")
    house.play()
    try:
        house.settle()
    except Violation as fault:
        raise Violation(f"{calls} {k}: {fault}\n" + "\n".join(hits[:5])) from None
    return hits


def _wait_well(house, where):
    """Two workers that have lived for long enough, unprivileged."""
    seen = {}

    def well():
        now = time.monotonic()
        workers = house.idle_workers()
        for pid in workers:
            seen.setdefault(pid, now)
        return len(workers) >= 2 and all(now - seen[pid] > LIVES_SECONDS for pid in workers)
    try:
        net.wait_until(well, 3 * SETTLE_SECONDS, f"{where}: the pool does not recover", house.gate.story)
    except AssertionError as fault:
        raise Violation(str(fault)) from None
    if os.geteuid() == 0:
        demand(all(net.effective_uid(pid) for pid in house.idle_workers()), f"{where}: a worker is root")


def no_burial(house, error):
    """A worker's death is noticed late, if wait fails; but it is."""
    house.play()
    outside = house.connect()
    pid = house.worker_of(outside)
    with Injection(lambda: [house.master], "wait4", error, "1..3"):
        os.kill(pid, signal.SIGKILL)
        outside.reply()
        house.gate.wait_log(rf"event=worker-crashed .*pid={pid} ")
    outside.close()
    house.settle(lenient=True)
