# SPDX-License-Identifier: ISC
"""The syslog daemon is stopped, dead, away, or another one all of a sudden: mail flows at its usual speed, and what got
lost of the log is counted."""
import os
import re
import select
import socket
import threading
import time

from machine_rig import Gate, House, Violation, demand, net
from outside import is_yes

HOUSE = 4  # sessions of its beginning
USUAL = 10  # sessions, to see how long they take where all is well
SESSIONS = 40  # more lines than a socket holds
LINES = 2  # of each: event=message, event=session
STAY = ("listener.max_spare=4",)  # nobody leaves with lines in mind
WAIT_SECONDS = 0.2  # LOG_WAIT_MS


class Syslog:
    """Reads, or does not."""

    def __init__(self, path):
        self.path = path
        self._lines, self._lock = [], threading.Lock()
        self._reads = threading.Event()
        self.begin()

    def begin(self):
        """A daemon that reads, at the old name."""
        if os.path.exists(self.path):
            os.unlink(self.path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self._reads.set()
        threading.Thread(target=self._read, args=(self._socket,), daemon=True).start()

    def stop(self):
        self._reads.clear()

    def go_on(self):
        self._reads.set()

    def die(self):
        """Its socket's file stays."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def vanish(self):
        self.die()
        os.unlink(self.path)

    def restart(self):
        """What was sent to the old one is read: the kernel had taken it."""
        old = self._socket
        self.begin()
        net.wait_until(lambda: not select.select([old], [], [], 0)[0], 5, "the old daemon does not read")
        old.shutdown(socket.SHUT_RDWR)
        old.close()

    def text(self):
        with self._lock:
            return "\n".join(self._lines)

    def _read(self, source):
        while True:
            self._reads.wait()
            try:
                octets = source.recv(65536)
            except OSError:
                return
            if not octets:
                return
            with self._lock:
                self._lines.append(octets.decode(errors="replace"))


class SyslogGate(Gate):
    """Its log is what the daemon got."""

    how = "-n"

    def command_for(self, inside, options):
        self.syslog = Syslog(f"{self.directory}/log")
        return super().command_for(inside, [f"log_socket={self.syslog.path}", *options, *STAY])

    def log(self):
        return self.syslog.text()


FAULTS = {  # what happens to it, and what makes it well again
    "stopped": (Syslog.stop, Syslog.go_on),
    "dead": (Syslog.die, Syslog.begin),
    "away": (Syslog.vanish, Syslog.begin),
    "another": (Syslog.restart, None),
    "another after a stop": (Syslog.stop, Syslog.restart),
}


def syslog(name):
    """A house of its own: what is lost is counted over its whole life."""
    with House(gate=SyslogGate) as house:
        _syslog(house, *FAULTS[name])
        house.settle(lenient=True)


def _syslog(house, harm, heal):
    daemon = house.gate.syslog
    well = [_timed_session(house) for _ in range(USUAL)]
    _await_read(house)
    harm(daemon)
    took = [_timed_session(house) for _ in range(SESSIONS)]
    waited = sum(took) - sum(well) / USUAL * SESSIONS
    demand(waited < SESSIONS * LINES * WAIT_SECONDS / 2, f"{SESSIONS} sessions waited {waited:.1f} s for the log")
    if heal:
        heal(daemon)
        _demand_counted(house)


def _await_read(house):
    """What the kernel took for a daemon that dies before it reads is lost, and no sender can know of it."""
    due = LINES * (HOUSE + USUAL)
    net.wait_until(lambda: _lines(house) >= due, 5, f"not all of {due} lines came")


def _lines(house):
    return len(re.findall(r"event=(?:message|session) ", house.gate.log()))


def _timed_session(house):
    house.play()
    began = time.monotonic()
    answer, _ = house.converse(long=False)
    demand(is_yes(answer), f"no mail without a log: {answer}")
    return time.monotonic() - began


def _demand_counted(house):
    """Each line of each session came, or is among those that were reported as dropped."""
    made = HOUSE + USUAL + SESSIONS
    for _ in range(20):
        time.sleep(0.1)
        _timed_session(house)
        made += 1
        dropped = sum(map(int, re.findall(r"event=log-drops lines=(\d+)", house.gate.log())))
        try:
            net.wait_until(lambda: _lines(house) + dropped >= LINES * made, 0.5, "")
            return
        except AssertionError:
            continue
    raise Violation(f"{LINES * made} lines were due, {_lines(house)} came, {dropped} were "
                    f"counted as dropped\n{house.gate.story()}")
