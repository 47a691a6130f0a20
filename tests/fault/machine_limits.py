# SPDX-License-Identifier: ISC
"""Limits that are reached: descriptors, memory, processes, room on a disk. Mail flows, or is put off with 4yz."""
import contextlib
import os
import re
import resource
import signal
import subprocess
import tempfile
import time

from machine_master import ask_reload
from machine_rig import BRISK_SECONDS, Gate, SETTLE_SECONDS, House, Skip, demand, net, postern
from outside import is_code, is_yes

from control_group import ControlGroup, MemoryGroup, Unavailable  # machine_rig knows where it lies

EXTRAS = range(4)  # descriptors that may still be opened
MEMORY_EXTRAS = (0, 64 << 10, 512 << 10)


class Limited:
    """A limit of running processes, while it holds. Set by who they run as: that needs no right."""

    def __init__(self, pids, which, value):
        self.pids, self.which, self.value = pids, which, value

    def __enter__(self):
        self._before = {pid: self._prlimit(pid, f"--{self.which}", "--raw", "--noheadings", "--output=SOFT")
                        for pid in self.pids}
        for pid in self.pids:
            self._prlimit(pid, f"--{self.which}={self.value(pid)}:")
        return self

    def __exit__(self, *error):
        for pid, before in self._before.items():
            if net.is_alive(pid):
                self._prlimit(pid, f"--{self.which}={before}:")

    @staticmethod
    def _prlimit(pid, *words):
        try:
            uid, gid = (int(net.status_field(pid, name).split()[1]) for name in ("Uid", "Gid"))
        except FileNotFoundError:
            return ""  # it has left: that is what a limit may lead to
        done = subprocess.run(["prlimit", f"--pid={pid}", *words], capture_output=True, text=True, user=uid, group=gid,
                              extra_groups=[], check=False)
        if done.returncode and net.is_alive(pid):
            raise Skip(f"no limit can be set: {done.stderr.strip()}")
        return done.stdout.strip()


def next_descriptor(pid):
    """Below which it opens nothing more."""
    used = set(net.numbered_descriptors(pid))
    return next(n for n in range(len(used) + 1) if n not in used)


# -- descriptors

def worker_descriptors(house, extra):
    """None for the client, none for the inside connection, or just enough."""
    house.play()
    with Limited(house.idle_workers(), "nofile", lambda pid: next_descriptor(pid) + extra):
        answers = house.converse()
        demand(extra < 2 or all(map(is_yes, answers)), f"two descriptors are enough for a session: {answers}")
    house.settle(lenient=True)


def one_worker_without(house):
    """It was woken for the client, cannot accept it, and leaves: the other one has to hear of it."""
    house.play()
    workers = house.idle_workers()
    demand(len(workers) > 1, f"one worker alone: {workers}")
    before = len(house.gate.log())
    with contextlib.ExitStack() as limits:
        held = {pid: limits.enter_context(Limited([pid], "nofile", next_descriptor)) for pid in workers}
        outside = house.connect()

        def failed():
            return re.search(r"\[(\d+)\]: event=accept-failed", house.gate.log()[before:])
        short = int(net.wait_until(failed, SETTLE_SECONDS, "nobody fails", house.gate.story).group(1))
        for pid in set(workers) - {short}:
            held[pid].__exit__()
        demand(outside.greet(), "the client is left in the queue")
    outside.quit()
    house.settle()


def _reload_at(house, limit, value_of):
    """A reload is refused or done; nothing is lost in between."""
    with Limited([house.master], limit, value_of):
        ask_reload(house, "done|refused", "at a limit")
        house.pass_clean()
    ask_reload(house, "done", "after it")
    house.settle()


def master_descriptors(house, extra):
    _reload_at(house, "nofile", lambda pid: next_descriptor(pid) + extra)


def master_memory(house, extra):
    _reload_at(house, "as", lambda pid: _memory(pid) + extra)


def worker_memory(house, extra):
    """None for a worker that has all it needs; a session without TLS needs none."""
    house.play()
    with Limited(house.idle_workers(), "as", lambda pid: _memory(pid) + extra):
        answers = house.converse()
    demand(all(map(is_yes, answers)), f"a session wanted more memory: {answers}\n{house.story()}")
    house.settle()


def _memory(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[0]) * resource.getpagesize()


# -- processes

def group_of(controller):
    try:
        return MemoryGroup() if controller == "memory" else ControlGroup(controller)
    except Unavailable as why:
        raise Skip(str(why)) from None


def no_more_processes(house):
    """Whoever has a worker is served; the others are told 421, or wait; then there is room again."""
    group = group_of("pids")
    try:
        group.take([house.master, *net.descendants(house.master)])
        group.write("pids.max", len(net.descendants(house.master)) + 1)
        house.play()
        crowd = [house.connect() for _ in range(4)]
        heard = [outside.reply() for outside in crowd[:1]]
        demand(is_code(heard[0], b"220"), f"the first of a crowd heard {heard[0]}")
        house.gate.wait_log("event=fork-failed")
        group.write("pids.max", "max")
        for outside in crowd[1:]:
            demand(outside.reply() is not None, "somebody in the crowd waits in vain")
        for outside in crowd:
            outside.close()
    finally:
        group.remove()
    house.settle(lenient=True)


def out_of_memory(house):
    """The kernel ends one worker, as it does when there is none left."""
    group = group_of("memory")
    try:
        house.play()
        outside = house.connect()
        pid = house.worker_of(outside)
        group.take([pid])
        group.limit(4096)
        if outside.greet():
            outside.send(outside.mail(lines=(b"x" * 70,) * 20000))
        outside.close()
        if net.is_alive(pid):
            raise Skip("the kernel did not end the worker")
    finally:
        group.remove()
    house.settle(lenient=True)
    house.gate.wait_log(rf"event=worker-crashed .*pid={pid} .*signal=KILL")


# -- room on a disk

class SmallDisk(Gate):
    """Its log and its pid file lie on a disk of 16 KiB, which it alone sees."""

    def command_for(self, inside, options):
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
            raise Skip("no mount namespace can be had")
        self.disk = f"{self.directory}/disk"
        os.mkdir(self.disk)
        command = super().command_for(inside, [f"pid_file={self.disk}/pid", *options])
        script = f'mount -t tmpfs -o size=16k,mode=755 none {self.disk} && exec "$@" 2>{self.disk}/log'
        return ["unshare", "-m", "sh", "-c", script, "sh", *command]

    def inner(self, name):
        """As the test sees it."""
        return f"/proc/{self.process.pid}/root{self.disk}/{name}"

    def log(self):
        try:
            with open(self.inner("log"), errors="replace") as f:
                self._kept = f.read()
        except OSError:
            pass  # it has ended
        return getattr(self, "_kept", "") + super().log()

    def fill(self):
        try:
            with open(self.inner("fill"), "wb", buffering=0) as f:
                while f.write(b"x" * 512):
                    pass
        except OSError:
            pass

    def empty(self):
        os.unlink(self.inner("fill"))
        os.truncate(self.inner("log"), 0)


def disk_full():
    with House(gate=SmallDisk) as house:
        _disk_full(house)


def _disk_full(house):
    house.gate.fill()
    for _ in range(10):
        house.play()
        began = time.monotonic()
        answers = house.converse()
        demand(all(map(is_yes, answers)), f"no mail on a full disk: {answers}")
        demand(time.monotonic() - began < BRISK_SECONDS, "a full disk makes sessions slow")
    os.kill(house.master, signal.SIGHUP)
    house.pass_quiet()
    house.gate.empty()
    os.kill(house.master, signal.SIGHUP)  # something for the master to say
    for _ in range(3):
        house.pass_quiet()
    house.gate.wait_log("event=log-drops lines=")


def disk_full_at_start():
    """It says so and ends: a daemon without its pid file would be one that nobody can stop."""
    with tempfile.TemporaryDirectory(prefix="postern-disk-") as directory:
        address = f"127.0.0.1:{net.free_port()}"
        script = f'mount -t tmpfs -o size=16k none {directory} && head -c 16384 /dev/zero >{directory}/fill; exec "$@"'
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", postern.STAND, address, "127.0.0.1:9",
                               f"pid_file={directory}/pid"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=dict(os.environ, POSTERN_BUILD=postern.BUILD), timeout=30, check=False)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        raise Skip(done.stderr.strip())
    demand(done.returncode == 1 and "pid file" in done.stderr, f"status {done.returncode}: {done.stderr}")
