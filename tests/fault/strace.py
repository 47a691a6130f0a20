# SPDX-License-Identifier: ISC
"""System calls of a running process that fail on purpose: strace, attached for a while."""
import re
import shutil
import signal
import subprocess
import tempfile

from machine_rig import Skip

ATTACH_SECONDS = 20
TRIES = 5


class Injection:
    """While it holds, of each process that find() names the calls named fail with `error`: which of them `when` says,
    by strace's own counting ("3" the third, "3+" from the third on)."""

    def __init__(self, find, calls, error, when, follow=False):
        self.find, self.follow = find, follow  # its children, too
        self.expression = f"{calls}:error={error}:when={when}"
        self.calls = calls
        self._log = tempfile.NamedTemporaryFile(prefix="postern-strace-")

    def __enter__(self):
        if not shutil.which("strace"):
            raise Skip("strace is not installed")
        for _ in range(TRIES):  # who was found may leave before it is attached
            said = self._attach(self.find())
            if said is None:
                return self
        raise Skip(f"strace cannot attach: {said.strip()}")

    def _attach(self, pids):
        """None, or what strace complains of."""
        command = ["strace", "-yy", *(["-f"] if self.follow else []), "-o", self._log.name, "-e", f"trace={self.calls}",
                   "-e", f"inject={self.expression}", "-p", ",".join(map(str, pids))]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = [self._process.stderr.readline() for _ in pids]
        if all("attached" in line for line in said):
            return None
        self._process.terminate()
        return "".join(said) + self._process.communicate(timeout=ATTACH_SECONDS)[1]

    def __exit__(self, *error):
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=ATTACH_SECONDS)

    def hits(self):
        """The calls that were made to fail so far."""
        with open(self._log.name) as f:
            return re.findall(r"^.*\(INJECTED\).*$", f.read(), re.M)
