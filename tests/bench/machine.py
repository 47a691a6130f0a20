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
NOT_A_FRONT = {"postlogd"}  # a log's reader: no other front has its own counted


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


def cpu_seconds(root):
    """Of a tree, with those in it that have ended."""
    total = 0.0
    for pid, (name, _, ended) in tree(root).items():
        try:
            total += 0 if name in NOT_A_FRONT else own_seconds(pid) + ended
        except OSError:
            pass  # it ends now, and its parent will have it
    return total


def pss_kib(root):
    """Of a tree: memory, what is shared counted in shares."""
    total = 0
    for pid in tree(root):
        try:
            total += int(re.search(r"^Pss:\s+(\d+)", read(f"/proc/{pid}/smaps_rollup"), re.M).group(1))
        except (OSError, AttributeError):
            pass
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

    def __init__(self, roots):
        self.roots = roots  # name -> pid, or None for what is not there
        self.began = self.look()

    def look(self):
        seen = {name: cpu_seconds(pid) if pid else 0.0 for name, pid in self.roots.items()}
        seen["load"] = used_by(resource.RUSAGE_CHILDREN)
        seen["bench"] = used_by(resource.RUSAGE_SELF)
        seen["busy"] = busy_seconds()
        seen["time"] = time.monotonic()
        return seen

    def stop(self):
        """name -> seconds, and `foreign`: the share of the machine that went to nobody whom we know."""
        ended = self.look()
        used = {name: max(0.0, ended[name] - self.began[name]) for name in ended}
        ours = sum(used[name] for name in [*self.roots, "load", "bench"])
        capacity = used["time"] * os.cpu_count()
        return {**used, "foreign": min(1.0, max(0.0, used["busy"] - ours) / capacity)}


# -- what is written on top

def output_of(*command):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=20)
        return done.stdout
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
