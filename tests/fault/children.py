# SPDX-License-Identifier: ISC
"""What a process does with its children: who was made, who was buried, whom it signalled. strace tells."""
import re
import shutil
import signal
import subprocess
import tempfile

from machine_rig import Skip, demand

CALLS = ("?clone,?clone3,?fork,?vfork,wait4,?waitid,kill,?tkill,?tgkill,?rt_sigqueueinfo,?rt_tgsigqueueinfo,"
         "?pidfd_send_signal,?pidfd_open")
LINE = re.compile(r"^(?:\[pid +\d+\] )?(\d+\.\d+) (\w+)\((.*)\) += (-?\d+)")
BIRTHS = ("clone", "clone3", "fork", "vfork")
ATTACH_SECONDS = 20


class Watch:
    """While it holds. The children that there were before are its own, too."""

    def __init__(self, pid):
        self.pid = pid
        self._log = tempfile.NamedTemporaryFile(prefix="postern-children-")
        self.births, self.strangers, self.signals, self.most = [], [], 0, 0

    def __enter__(self):
        if not shutil.which("strace"):
            raise Skip("strace is not installed")
        self._process = subprocess.Popen(
            ["strace", "-ttt", "-o", self._log.name, "-e", f"trace={CALLS}", "-p", str(self.pid)],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if "attached" not in self._process.stderr.readline():
            self._process.terminate()
            raise Skip(f"strace cannot attach: {self._process.communicate(timeout=ATTACH_SECONDS)[1]}")
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as f:
            self._before = {int(pid) for pid in f.read().split()}
        return self

    def __exit__(self, *_error):
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=ATTACH_SECONDS)
        self._read()

    def _read(self):
        alive = set(self._before)
        self.most = len(alive)
        with open(self._log.name) as f:
            for line in f:
                found = LINE.match(line)
                if found:
                    self._take(alive, float(found[1]), found[2], found[3], int(found[4]), line)

    def _take(self, alive, when, call, arguments, result, line):
        if call in BIRTHS and result > 0:
            if result not in self._before:  # made while strace attached
                self.births.append(when)
            alive.add(result)
            self.most = max(self.most, len(alive))
        elif call in ("wait4", "waitid") and result > 0:
            alive.discard(result)
        elif call not in (*BIRTHS, "wait4", "waitid"):
            self.signals += 1
            if call != "kill" or int(arguments.split(",")[0]) not in alive:
                self.strangers.append(line.strip())

    def demand_own_signals(self):
        demand(not self.strangers, "it signalled who is not its child: " + "\n".join(self.strangers[:5]))

    def demand_at_most(self, count):
        demand(self.most <= count, f"it had {self.most} children at once")
