# SPDX-License-Identifier: ISC
"""What the machine is, and who used its processors: a front with all its processes, the sink, everybody else.

A tree's CPU time is the sum over its living processes of what the scheduler counted for each thread (nanoseconds), and
of what those of their children had used that have ended and were waited for (ticks): a process that ends in between
moves from the one to the other, so that the difference of two looks loses nothing. Time that the kernel spends in
interrupts belongs to nobody, and shows as foreign.
"""
import os
import platform
import re
import resource
import subprocess
import time

TICK = 1 / os.sysconf("SC_CLK_TCK")
LOG_READERS = {"postlogd"}  # of a front's tree, but not counted as front: others have theirs outside


def read(path):
    with open(path, errors="replace") as f:
        return f.read()


def stat_of(pid):
    """(name, parent, seconds that its ended children used)"""
    text = read(f"/proc/{pid}/stat")
    words = text.rsplit(")", 1)[1].split()
    return text[text.index("(") + 1:text.rindex(")")], int(words[1]), (int(words[13]) + int(words[14])) * TICK


def own_seconds(pid):
    """All its threads that there are."""
    return sum(int(read(f"/proc/{pid}/task/{thread}/schedstat").split()[0]) / 1e9
               for thread in os.listdir(f"/proc/{pid}/task"))


def processes():
    """pid -> stat_of, for all of this namespace."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found[int(name)] = stat_of(int(name))
            except (OSError, ValueError):
                pass  # it has ended
    return found


def tree(root):
    """pid -> stat_of, for a process and all below it."""
    every = processes()
    below = {}
    for pid, (_, parent, _) in every.items():
        below.setdefault(parent, []).append(pid)
    found, new = {}, [root]
    while new:
        pid = new.pop()
        if pid in every:
            found[pid] = every[pid]
            new += below.get(pid, [])
    return found


def cpu_seconds(root, is_wanted=lambda name: name not in LOG_READERS):
    """Of a tree, with those in it that have ended."""
    total = 0.0
    for pid, (name, _, ended) in tree(root).items():
        try:
            total += own_seconds(pid) + ended if is_wanted(name) else 0
        except OSError:
            pass  # it ends now, and its parent will have it
    return total


def busy_seconds():
    """All processors, whoever it was for; what the host took away is busy, too."""
    user, nice, system, _, _, irq, softirq, steal = map(int, read("/proc/stat").split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) * TICK


def used_by(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


class Meter:
    """Looked at before and after a run."""

    def __init__(self, front, sink, log=None, beside=()):
        """Pids, each of a tree; log is that of a reader of the front's log, where it is not below the front; beside are
        those that serve the front."""
        self.front, self.sink, self.log, self.beside = front, sink, log, beside
        self.began = self.look()

    def look(self):
        seen = {"front": 0.0, "log": 0.0, "sink": cpu_seconds(self.sink)}
        if self.front:
            seen["front"] = cpu_seconds(self.front)
            seen["log"] = cpu_seconds(self.log or self.front, lambda name: self.log or name in LOG_READERS)
        seen["beside"] = sum(map(cpu_seconds, self.beside))
        seen["load"] = used_by(resource.RUSAGE_CHILDREN)
        seen["bench"] = used_by(resource.RUSAGE_SELF)
        seen["busy"] = busy_seconds()
        seen["time"] = time.monotonic()
        return seen

    def stop(self):
        """name -> seconds, and `foreign`: the share of the machine that went to nobody whom we know."""
        ended = self.look()
        used = {name: max(0.0, ended[name] - self.began[name]) for name in ended}
        ours = sum(used[name] for name in ("front", "log", "sink", "beside", "load", "bench"))
        capacity = used["time"] * os.cpu_count()
        return {**used, "foreign": min(1.0, max(0.0, used["busy"] - ours) / capacity)}


# -- what is written on top

def outcome_of(*command):
    """(status, what it said)"""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
                          text=True, timeout=30)
    return done.returncode, done.stdout


def output_of(*command):
    """Nothing, where there is no such program."""
    try:
        return outcome_of(*command)[1]
    except OSError:
        return ""


def first(pattern, text, otherwise="unknown"):
    found = re.search(pattern, text, re.M)
    return found.group(1) if found else otherwise


def processor():
    return first(r"^model name\s*: (.*)$", read("/proc/cpuinfo"), platform.machine())


def describe():
    memory = int(first(r"^MemTotal:\s+(\d+)", read("/proc/meminfo"), "0")) / 1024 / 1024
    return (f"{os.cpu_count()} processors ({processor()}), {memory:.0f} GiB, kernel {platform.release()}, "
            f"load before {os.getloadavg()[0]:.1f}")
