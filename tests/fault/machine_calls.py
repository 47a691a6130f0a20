# SPDX-License-Identifier: ISC
"""System calls of a worker that fail: in turn each of a whole session's, once or from then on."""
from machine_rig import Violation, demand
from strace import Injection

K_MAX = 400  # more calls than a session makes

# How each fails in life, and what the kernel might say one day. Not close: the fault would be the leak.
CALLS = {
    "accept4": ("EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED", "EINTR", "ENOBUFS", "EPROTO", "EIO"),
    "connect": ("EMFILE", "ENOMEM", "EADDRNOTAVAIL", "EINTR", "ENETUNREACH", "ENOBUFS"),
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "epoll_wait": ("EINTR", "ENOMEM"),
    "getsockname": ("ENOBUFS",),
    "getsockopt": ("ENOMEM", "ENOBUFS"),
    "poll": ("EINTR", "ENOMEM"),
    "read": ("EINTR", "EIO"),
    "recvfrom": ("ENOMEM", "EINTR", "EIO", "ECONNRESET"),
    "sendmsg": ("ENOBUFS", "EINTR", "EPIPE", "ENOMEM", "EIO", "ECONNRESET"),
    "setitimer": ("EINVAL",),
    "setsockopt": ("ENOMEM",),
    "shutdown": ("ENOBUFS",),
    "socket": ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"),
    "write": ("ENOSPC", "EIO", "EINTR", "EPIPE"),  # standard error: the log
}


def each_once(house, call, error):
    """Each session of a row loses one call more of its kind than the one before."""
    hits = 0
    for k in range(1, K_MAX):
        hit = _session(house, call, error, str(k))
        hits += hit
        if not hit:
            demand(hits, f"no session ever called {call}")
            return
    raise Violation(f"a session calls {call} more than {K_MAX} times")


def from_then_on(house, call, error, every=5):
    for k in range(1, K_MAX, every):
        if not _session(house, call, error, f"{k}+"):
            return


def _session(house, call, error, when):
    """How many calls failed in it."""
    house.play()
    with Injection(house.idle_workers, call, error, when) as injection:
        house.converse()
        if "+" not in when:
            house.idle_workers()  # what comes after the session is hit as well
        hits = len(injection.hits())
    try:
        house.settle()
    except Violation as fault:
        raise Violation(f"{call} {when}: {fault}") from None
    return hits
