# SPDX-License-Identifier: ISC
"""Control groups of our own, version 1 or 2: what processes may use, and what they did use, apart from all others."""
import contextlib
import os

import net

CGROUPS = "/sys/fs/cgroup"
SECONDS = 30


class Unavailable(Exception):
    """There is none to be had here, in words."""


def _knows(path, controller):
    try:
        with open(f"{path}/cgroup.subtree_control") as f:
            return controller in f.read().split()
    except OSError:
        return path.endswith(controller)


def _parent(controller):
    for path in (f"{CGROUPS}/{controller}", CGROUPS):
        if os.path.exists(f"{path}/cgroup.procs") and _knows(path, controller):
            return path
    raise Unavailable(f"no control group for {controller}")


def _move(pid, path):
    with open(f"{path}/cgroup.procs", "w") as f:
        f.write(str(pid))


class ControlGroup:
    """Of one controller: memory, pids .."""

    def __init__(self, controller):
        self.parent = _parent(controller)
        self.path = f"{self.parent}/postern-{os.getpid()}-{id(self)}-{os.urandom(4).hex()}"
        try:
            os.mkdir(self.path)
        except OSError as fault:
            raise Unavailable(f"control groups cannot be made: {fault}") from None

    def has(self, name):
        return os.path.exists(f"{self.path}/{name}")

    def read(self, name):
        with open(f"{self.path}/{name}") as f:
            return f.read()

    def write(self, name, value):
        with open(f"{self.path}/{name}", "w") as f:
            f.write(str(value))

    def take(self, pids):
        for pid in pids:
            _move(pid, self.path)

    @contextlib.contextmanager
    def entered(self):
        """This process is in here meanwhile, and what it starts stays."""
        _move(os.getpid(), self.path)
        try:
            yield
        finally:
            _move(os.getpid(), self.parent)

    def pids(self):
        return [int(word) for word in self.read("cgroup.procs").split()]

    def remove(self):
        """Who is still in there goes where the group stood."""
        for pid in self.pids():
            with contextlib.suppress(OSError):  # it has ended
                _move(pid, self.parent)
        net.wait_until(self._removed, SECONDS, f"{self.path} stays")

    def _removed(self):
        try:
            os.rmdir(self.path)
        except OSError:
            return False
        return True


class MemoryGroup(ControlGroup):
    """What its processes use, the kernel's memory for them among it, and for the sockets that they accepted."""

    def __init__(self):
        super().__init__("memory")
        self._old = self.has("memory.usage_in_bytes")

    def limit(self, octets):
        self.write("memory.limit_in_bytes" if self._old else "memory.max", octets)

    def _kib(self, old, new):
        name = old if self._old else new
        return int(self.read(name)) / 1024 if self.has(name) else None

    def kernel_kib(self):
        """None: it cannot be told."""
        if self._old:
            return self._kib("memory.kmem.usage_in_bytes", None) if self.has("memory.kmem.usage_in_bytes") else None
        words = dict(line.split() for line in self.read("memory.stat").splitlines())
        return int(words["kernel"]) / 1024 if "kernel" in words else None

    def used_kib(self):
        return self._kib("memory.usage_in_bytes", "memory.current")

    def begin_peak(self):
        """Version 2 keeps the peak from the start where its kernel cannot forget it."""
        with contextlib.suppress(OSError):
            self.write("memory.max_usage_in_bytes" if self._old else "memory.peak", 0)

    def peak_kib(self):
        return self._kib("memory.max_usage_in_bytes", "memory.peak")


class NoGroup:
    """In place of a MemoryGroup where there is none: nothing is known of it."""

    def entered(self):
        return contextlib.nullcontext()

    def unknown(self):
        return None

    kernel_kib = used_kib = peak_kib = pids = begin_peak = remove = unknown


def memory_group():
    try:
        return MemoryGroup()
    except Unavailable:
        return NoGroup()
