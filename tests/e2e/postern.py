# SPDX-License-Identifier: ISC
"""posternd under test: in the foreground, through tests/stand, its log collected, its processes accounted for."""
import os
import re
import signal
import subprocess
import tempfile

import net
import stories

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAND = ROOT + "/tests/stand"
BUILD = os.path.join(ROOT, os.environ.get("POSTERN_BUILD", "build/plain"))
POSTERND = BUILD + "/posternd"
SANITIZED = "sanitize" in BUILD
HOUSEKEEPER = "posternd-house"  # its name in /proc
START_SECONDS = 30
STOP_SECONDS = 60


class Postern:
    """One running posternd. `options` are block.option=value, as tests/stand takes them; inside gets XCLIENT, if they
    do not say otherwise."""

    def __init__(self, inside, *options, host="127.0.0.1"):
        self.address = (host, net.free_port(host))
        if not any(option.startswith("backend.pass_client=") for option in options):
            options = ("backend.pass_client=xclient", *options)
        command = [STAND, _spelled(self.address), _spelled(inside), *options]
        self._start(command)
        self.wait_ready()

    def _start(self, command, user=None):
        self.command = command
        self._seen = set()  # every pid that was ever asked for
        self.expects_crashes = False
        self._log = tempfile.TemporaryFile()
        stories.add(self)
        assert os.path.exists(POSTERND), f"{POSTERND} is missing: build it first (make)"
        self.process = self._popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
                                   env=dict(os.environ, POSTERN_BUILD=BUILD), start_new_session=True, user=user)

    def _popen(self, command, **options):
        return subprocess.Popen(command, **options)

    def wait_ready(self):
        net.wait_until(lambda: self._listens() or self._ended(), START_SECONDS, "posternd does not listen", self.story)
        assert not self._ended(), f"posternd ended at once: status {self.process.poll()}\n{self.story()}"

    # -- its processes

    @property
    def master(self):
        """The pid of posternd itself, whether tests/stand became it or started it."""
        if net.command_name(self.process.pid) == "posternd":
            return self.process.pid
        found = [pid for pid in net.children(self.process.pid) if net.command_name(pid) == "posternd"]
        assert found, f"no posternd below {self.process.pid}\n{self.story()}"
        return found[0]

    def workers(self):
        found = [pid for pid in net.children(self.master) if net.is_alive(pid)]
        self._seen.update(found)
        return [pid for pid in found if net.command_name(pid) == "posternd"]

    def settled_workers(self):
        """Those there are now, each past its set-up: until then a housekeeper looks like one."""
        return [pid for pid in net.wait_settled(self.workers(), self.story) if net.command_name(pid) == "posternd"]

    def housekeeper(self):
        """Its pid, as soon as there is one."""
        def find():
            found = [pid for pid in net.children(self.master)
                     if net.command_name(pid) == HOUSEKEEPER and net.is_alive(pid)]
            self._seen.update(found)
            return found
        return net.wait_until(find, 10, "no housekeeper", self.story)[0]

    def worker_of(self, client):
        """The pid of who serves this client."""
        return net.wait_until(lambda: net.holder_of(client.port, client.own_port, self.workers()), 10,
                              f"nobody holds the connection of {client.name}", self.story)

    # -- its log

    def log(self):
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def wait_log(self, pattern):
        return net.wait_until(lambda: re.search(pattern, self.log(), re.M), 10, f"posternd did not log {pattern}",
                              self.story)

    def story(self):
        lines = self.log().splitlines()
        return f"--- {' '.join(self.command)}\n" + "\n".join(lines[-80:])

    # -- its end

    def terminate(self):
        os.kill(self.process.pid, signal.SIGTERM)

    def wait(self, seconds=STOP_SECONDS):
        """Its exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"posternd does not end\n{self.story()}") from None

    def stop(self):
        """TERM, and all that must be true then. What a test ended itself is only cleaned up."""
        family = net.descendants(self.process.pid)
        was_ended = self._ended()
        try:
            if not was_ended:
                self.terminate()
                self.wait()
        finally:
            left = self._kill_left(family)
        status = self.process.returncode
        assert was_ended or status == 0, f"posternd ended with status {status}\n{self.story()}"
        assert not left, f"workers were left: {left}\n{self.story()}"

    def _kill_left(self, family):
        """Who is still there after a moment, which is nobody if all is well."""
        if not self._ended():
            self.process.kill()
            self.process.wait()
        ours = set(family) | {pid for pid in self._seen if net.command_name(pid) in ("posternd", HOUSEKEEPER)}
        try:
            net.wait_until(lambda: not any(map(net.is_alive, ours)), 5, "")
        except AssertionError:
            pass
        left = [pid for pid in ours if net.is_alive(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return left

    def check_log(self):
        found = re.search(r"^.*(AddressSanitizer|runtime error:|LeakSanitizer).*$", self.log(), re.M)
        assert not found, f"the sanitizer complains: {found.group(0)}\n{self.log()}"
        crashed = re.search(r"^.*event=worker-(crashed|broken|short|deserted).*$", self.log(), re.M)
        assert self.expects_crashes or not crashed, f"{crashed.group(0)}\n{self.story()}"

    def _ended(self):
        return self.process.poll() is not None

    def _listens(self):
        return net.is_listening(self.address)


class PosternFrom(Postern):
    """posternd with a configuration file and arguments of the test's own."""

    def __init__(self, address, *arguments, user=None, program=POSTERND):
        self.address = address
        self._start([program, *arguments], user)


def run(*arguments, seconds=30):
    """posternd as a command that ends by itself: (status, stdout, stderr)."""
    assert os.path.exists(POSTERND), f"{POSTERND} is missing: build it first (make)"
    done = subprocess.run([POSTERND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds)
    return done.returncode, done.stdout, done.stderr


def _spelled(address):
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
