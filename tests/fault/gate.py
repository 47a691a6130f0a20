# SPDX-License-Identifier: ISC
"""posternd under test: one, with a listener and a backend for each lane, so that many cases run side by side.

Its log is read as it is written, each line with the moment at which it came. lines_of() gives those of some sessions.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from reading import read_log
from witness import POSTERN, Event

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TOP + "/tests/e2e")
import net  # noqa: E402

START_SECONDS = 30
STOP_SECONDS = 20
COMPLAINT = re.compile(rb"AddressSanitizer|runtime error:|LeakSanitizer|event=(?:worker-(?:crashed|broken|short|deserted)"
                       rb"|bug)")


class LaneOptions:
    """What a lane's listener and backend are told; `servers` are addresses."""

    def __init__(self, servers, listener=(), backend=()):
        self.servers, self.listener, self.backend = list(servers), dict(listener), dict(backend)


class Gate:
    def __init__(self, lanes, build="build/plain"):
        self.addresses = [("127.0.0.1", net.free_port()) for _ in lanes]
        self._events, self._lock = [], threading.Lock()
        self._of_session, self._ended = {}, []  # events by session; (at, listener, port, session) of those that ended
        program = os.path.join(TOP, build, "posternd")
        if not os.path.exists(program):
            raise SystemExit(f"fault: {program} is not built: make")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(self._configuration(lanes))
            file.flush()
            self.process = subprocess.Popen([program, "-f", "-c", file.name], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
            net.wait_until(lambda: self._says("event=ready") or self.process.poll() is not None, START_SECONDS,
                           "posternd does not begin", self.text)
        if self.process.poll() is not None:
            raise SystemExit(f"fault: posternd ended at once\n{self.text()}")

    def _configuration(self, lanes):
        user = "user = nobody\ngroup = nogroup\n" if os.geteuid() == 0 else ""
        text = f"hostname = gate.test\nlog = stderr\nprobe_interval = 0s\n{user}" \
               'policy open {\n    recipient { relay_domains = "*" }\n}\n'
        for number, (lane, address) in enumerate(zip(lanes, self.addresses)):
            listener = "".join(f"    {k} = {v}\n" for k, v in lane.listener.items())
            backend = "".join(f"    {k} = {v}\n" for k, v in lane.backend.items())
            servers = "".join(f"    server s{n} {{ address = \"{host}:{port}\" }}\n"
                              for n, (host, port) in enumerate(lane.servers))
            text += f"listener l{number} {{\n    address = \"{address[0]}:{address[1]}\"\n    backend = b{number}\n" \
                    f"    policy = open\n    min_spare = 1\n    max_spare = 2\n{listener}}}\n" \
                    f"backend b{number} {{\n{backend}{servers}}}\n"
        return text

    # -- its log

    def _read(self):
        for line in self.process.stderr:
            now = time.monotonic()
            text = line.rstrip(b"\n")
            found = re.search(rb" session=([0-9A-Za-z]+)", text)
            event = Event(now, now, POSTERN, found.group(1).decode() if found else "", "log", text)
            with self._lock:
                self._events.append(event)
                self._of_session.setdefault(event.connection, []).append(event)
                if b"event=session " in text:
                    fields = read_log([event])[0].fields
                    self._ended.append((now, fields.get("listener"), fields.get("port"), event.connection))

    def events(self):
        with self._lock:
            return list(self._events)

    def text(self):
        return "\n".join(e.octets.decode(errors="replace") for e in self.events())

    def lines_of(self, lane, ports, since):
        """Events of the sessions that clients with these ports (words) had in the lane of this number, as far as they
        have ended. A port is used again: none that ended before `since` is meant."""
        with self._lock:
            ids = [session for at, listener, port, session in self._ended
                   if at >= since and listener == f"l{lane}" and port in ports]
            return [event for session in ids for event in self._of_session[session]]

    def complaints(self):
        return [e.octets.decode(errors="replace") for e in self.events() if COMPLAINT.search(e.octets)]

    def _says(self, word):
        return word.encode() in b"\n".join(e.octets for e in self.events())

    # -- its end

    def stop(self):
        """Its exit status; 'killed' when it had to be."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            status = f"killed after {STOP_SECONDS} s: {self.process.wait()}"
        self._reader.join(5)
        return status
