# SPDX-License-Identifier: ISC
"""What a worker that somebody has taken over could say to the storekeeper: by the socket of a living one, which root
may have for the asking. Written from what common/store.h says, as an attacker would."""
import ctypes
import errno
import os
import random
import socket
import struct

import net

PIDFD_GETFD = 438
DEEDS = range(1, 9)
ATTEMPT, PUT = 1, 6
KEY_MAX = 480
NO_PLACE = 0xFFFFFFFF
ALL_ONES = 0xFFFFFFFF
_HEAD = struct.Struct("=10I24s")
_libc = ctypes.CDLL(None, use_errno=True)


class Impossible(Exception):
    """The right to look into other processes is missing."""


def question(deed=ATTEMPT, place=NO_PLACE, key=b"g 192.0.2.0/24 x@a.test y@example.org", size=None,
             numbers=(1, 2, 3, 0, 0, 0), value=bytes(24)):
    size = len(key) if size is None else size
    return _HEAD.pack(deed, place, random.randrange(1, ALL_ONES), size, *numbers, value) + key


def worst(count, seed):
    """Datagrams that are wrong in every field, and a few that are right."""
    draw = random.Random(seed)
    edges = (0, 1, 8, 9, 63, 64, 255, 480, 481, 1 << 24, 1 << 31, ALL_ONES)
    for _ in range(count):
        kind = draw.randrange(4)
        if kind == 0:
            yield draw.randbytes(draw.choice((1, 4, 63, 64, 65, 500, 545, 2000)))
            continue
        key = draw.choice((b"", b"g", b"g ", b"t 0.0.0.0/0", b"n ::/0", b"d " + b"x" * 470, b"%00 \xff\n\0",
                           draw.randbytes(draw.randrange(KEY_MAX))))
        size = len(key) if kind != 1 else draw.choice(edges)
        yield question(draw.choice(DEEDS) if kind != 2 else draw.choice(edges),
                       draw.choice((NO_PLACE, *edges)), key, size, [draw.choice(edges) for _ in range(6)],
                       draw.randbytes(24))


def of_worker(gate):
    """The writing end, as a socket of ours."""
    for pid in gate.settled_workers():
        pidfd = os.pidfd_open(pid)
        try:
            for number, target in net.numbered_descriptors(pid).items():
                one = _taken(pidfd, number) if target.startswith("socket:") else None
                if one is not None and (one.family, one.type & 15) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
                    return one
        finally:
            os.close(pidfd)
    raise AssertionError("no worker has a socket to the storekeeper\n" + gate.story())


def _taken(pidfd, number):
    fd = _libc.syscall(PIDFD_GETFD, pidfd, number, 0)
    if fd < 0:
        if ctypes.get_errno() in (errno.EPERM, errno.ENOSYS):
            raise Impossible(os.strerror(ctypes.get_errno()))
        return None
    return socket.socket(fileno=fd)
