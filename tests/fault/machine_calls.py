# SPDX-License-Identifier: ISC
"""System calls of a worker that fail: in turn each of a whole session's, once or from then on."""
from machine_rig import Violation, demand, net
from outside import is_yes
from strace import Injection

K_MAX = 400  # more calls than a session makes

LOG = "write,writev"  # on standard error
SLOW = "connect,getsockopt"  # a server that takes its time, and then nobody says how it went

# How each fails in life, and what the kernel might say one day. Not close: the fault would be the leak.
CALLS = {
    "accept4": ("EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED", "EINTR", "ENOBUFS", "EPROTO", "EIO"),
    "connect": ("EMFILE", "ENOMEM", "EADDRNOTAVAIL", "EINTR", "ENETUNREACH", "ENOBUFS"),
    SLOW: ("EINPROGRESS",),
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "epoll_wait": ("EINTR", "ENOMEM"),
    "getsockname": ("ENOBUFS",),
    "poll": ("EINTR", "ENOMEM"),
    "recvfrom": ("ENOMEM", "EINTR", "EIO", "ECONNRESET"),
    "sendto": ("ENOBUFS", "EINTR", "EPIPE", "ENOMEM", "EIO", "ECONNRESET"),
    "setsockopt": ("ENOMEM",),
    "socket": ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"),
    LOG: ("ENOSPC", "EIO", "EINTR", "EPIPE"),
}


# What may last. The others the kernel says once, or as often as something happens.
LASTING = {call: [error for error in errors if error not in ("EINTR", "ECONNABORTED")]
           for call, errors in CALLS.items()}
# Nobody outside notices: what failed is tried again, or was of no account. (Not setsockopt: a connection whose waits
# cannot be bounded is none.)
UNNOTICED = ("accept4", "epoll_wait", "getsockname", LOG)
# Of the inside leg alone, whatever strace shows.
INSIDE = ("connect", SLOW, "setsockopt", "socket")


def each_once(house, call, error, every=1):
    """In each session of a row another call of the kind fails."""
    hits = 0
    for k in range(1, K_MAX, every):
        hit = _session(house, call, error, str(k))
        hits += hit
        if not hit:
            demand(hits, f"no session ever called {call}")
            return
    raise Violation(f"a session calls {call} more than {K_MAX} times")


def from_then_on(house, call, error, every=5):
    for k in range(1, K_MAX, every):
        if not _session(house, call, error, f"{k}+"):
            demand(k > 1, f"no session ever called {call}")
            return
    raise Violation(f"a session calls {call} more than {K_MAX} times")


def _session(house, call, error, when):
    """How many calls failed in it."""
    once = "+" not in when
    house.play()
    with Injection(house.idle_workers, call, error, when) as injection:
        answers = house.converse()
        if once:
            house.idle_workers()  # what comes after the session is hit as well
        hits = injection.hits() if once else _hits_soon(injection)
    try:
        if once and (call in UNNOTICED or (error == "EINTR" and call != "connect")):
            demand(all(map(is_yes, answers)), f"a client noticed: {answers}\n{house.story()}")
        house.settle(lenient=call == LOG or not all(_is_inside(house, call, hit) for hit in hits))
    except Violation as fault:
        raise Violation(f"{call} {when}: {fault}\n" + "\n".join(hits[:5])) from None
    return len(hits)


def _hits_soon(injection):
    """Who fails for ever may never rest: what comes after the session is waited for as long as it may take, no more."""
    try:
        return net.wait_until(injection.hits, 1, "")
    except AssertionError:
        return []


def _is_inside(house, call, hit):
    """Of the leg on which trouble must not cost the client its reply."""
    first = hit.split("}", 1)[0] if call == "poll" else hit
    return call in INSIDE or f":{house.server.address[1]}]" in first
