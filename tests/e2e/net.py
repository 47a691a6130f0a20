# SPDX-License-Identifier: ISC
"""Ports, waiting and /proc: what every other file here needs."""
import os
import random
import socket
import struct
import time

LISTEN = 10  # the state of a socket, as the kernel counts them
IDLE_CALL = {"x86_64": "232", "aarch64": "22"}.get(os.uname().machine)  # epoll_wait, epoll_pwait
# Below the kernel's own; runs side by side each have a part of them.
_LANE, _WIDTH = int(os.environ.get("POSTERN_LANE", 0)), 3700
PORTS = (3000 + _LANE * _WIDTH, 2999 + (_LANE + 1) * _WIDTH)
_given = set()  # nobody has to wait for what an earlier test left at its port


def free_port(host="127.0.0.1"):
    """A port that nobody holds now, from below the range that the kernel gives to outgoing connections."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(200):
        port = random.randint(*PORTS)
        if port in _given:
            continue
        with socket.socket(family) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((host, port))
                _given.add(port)
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def wait_until(question, seconds, complaint, story=None):
    """Asks until the answer is true, and returns it. The bound is generous: it ends hangs, it measures nothing."""
    end = time.monotonic() + seconds
    pause = 0.02
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(complaint + ("\n" + story() if story else ""))
        time.sleep(pause)
        pause = min(1.5 * pause, 0.05)


NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLMSG_ERROR, NLMSG_DONE = 4, 20, 2, 3
NLM_F_REQUEST_DUMP = 0x301


def _listeners(family):
    """{(address, port)} of TCP. The kernel is asked for these alone: /proc/net/tcp walks through all it could hold."""
    wanted = struct.pack("=BBBBI48x", family, socket.IPPROTO_TCP, 0, 0, 1 << LISTEN)
    asked = struct.pack("=IHHII", 16 + len(wanted), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0) + wanted
    found = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(asked)
        while True:
            said = kernel.recv(1 << 16)
            while said:
                size, kind = struct.unpack("=IH", said[:6])
                if kind == NLMSG_ERROR:
                    raise OSError(-struct.unpack("=i", said[16:20])[0], "the kernel does not say who listens")
                if kind == NLMSG_DONE:
                    return found
                about = said[16:size]
                octets = about[8:24] if family == socket.AF_INET6 else about[8:12]
                found.add((socket.inet_ntop(family, octets), int.from_bytes(about[4:6], "big")))
                said = said[size + 3 & ~3:]


def is_listening(address):
    """At this very address, or at its family's wildcard: somebody else may have the same port at another one."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    own = socket.inet_ntop(family, socket.inet_pton(family, address[0]))
    anywhere = "::" if family == socket.AF_INET6 else "0.0.0.0"
    listeners = _listeners(family)
    return any((host, address[1]) in listeners for host in (own, anywhere))


def listening_ports():
    """Of TCP, IPv4 and IPv6."""
    return {port for family in (socket.AF_INET, socket.AF_INET6) for _, port in _listeners(family)}


def children(pid):
    """The pids whose parent is pid, now. A child that ends while the kernel lists them may hide another one, once."""
    before, found = None, _children(pid)
    while found != before:
        before, found = found, _children(pid)
    return found


def _children(pid):
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as f:
                found += [int(word) for word in f.read().split()]
    except OSError:
        pass  # it has ended, or one of its threads
    return sorted(found)


def descendants(pid):
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


def is_alive(pid):
    """A zombie has ended."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def command_name(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


def effective_uid(pid):
    return int(status_field(pid, "Uid").split()[1])


def status_field(pid, name):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].strip()
    return ""


def wait_settled(pids, story=None):
    """Of these children of root's those that go on, each past its set-up: who was forked a moment ago is a copy of its
    parent yet, with all its rights and descriptors."""
    def settled(pid):
        try:
            return "0" not in status_field(pid, "Uid").split() and int(status_field(pid, "CapPrm"), 16) == 0
        except OSError:
            return True  # it has ended
    for pid in pids:
        wait_until(lambda: settled(pid), 20, f"{pid} keeps root's rights", story)
    return [pid for pid in pids if is_alive(pid)]


def is_at_rest(pid):
    """In epoll_wait, as a worker that serves nobody is."""
    try:
        with open(f"/proc/{pid}/syscall") as f:
            return f.read().split()[0] == IDLE_CALL
    except (OSError, IndexError):
        return False


def descriptors(pid):
    """What each descriptor of a process points at."""
    return sorted(numbered_descriptors(pid).values())


def numbered_descriptors(pid):
    """number -> what it points at; one that is closed meanwhile is none, and a process that is gone has none."""
    found = {}
    names = os.listdir(f"/proc/{pid}/fd") if os.path.isdir(f"/proc/{pid}/fd") else []
    for name in names:
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            pass
    return found


def rollup_kib(pid, field):
    """Rss, Pss, .. in KiB."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise KeyError(field)


def region_of(pid, name):
    """A path that opens the shared memory of this name of a master, as those who may write there see it."""
    return next(f"/proc/{pid}/fd/{number}" for number, target in sorted(numbered_descriptors(pid).items())
                if f"memfd:postern-{name} " in target)


def holder_of(local_port, remote_port, pids):
    """Who of pids holds the established IPv4 connection with these two ports, seen from its side; or None."""
    inode = _inode(local_port, remote_port)
    for pid in pids:
        try:
            if inode and f"socket:[{inode}]" in descriptors(pid):
                return pid
        except OSError:
            continue
    return None


def _inode(local_port, remote_port):
    with open("/proc/net/tcp") as f:
        for line in f.readlines()[1:]:
            words = line.split()
            if (_port(words[1]), _port(words[2])) == (local_port, remote_port) and words[9] != "0":
                return words[9]
    return None


def _port(end):
    return int(end.rsplit(":", 1)[1], 16)
