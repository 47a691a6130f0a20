# SPDX-License-Identifier: ISC
"""A small SMTP proxy that can be made wrong on purpose: what the tester is tested with.

Proxy(servers, flaws=()) is correct: the judge finds nothing in what it does. Each flaw is one error that some proxy in
the world has or had; FLAWS says what each of them is, the laws that it breaks and the cells that show it (proofs.py).
It knows EHLO, MAIL, RCPT, DATA, RSET, NOOP, QUIT, and nobody is passed on. A thread for each connection.
"""
import re
import socket
import threading
import time

from witness import POSTERN, Event
from wrong_session import End, Session


class Proxy:
    def __init__(self, servers, seconds, flaws=(), patience=2):
        self.servers, self.seconds, self.flaws, self.patience = servers, seconds, set(flaws), patience
        self.leftover = self.last_reply = b""  # of the flaws "mixes" and "mixes replies"
        self.is_sulking = False  # of the flaw "sulks"
        self._events, self._lock, self._count = [], threading.Lock(), 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.address = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def has(self, flaw):
        return flaw in self.flaws

    def log(self, session, text):
        now = time.monotonic()
        with self._lock:
            self._events.append(Event(now, now, POSTERN, session, "log", text.encode()))

    def lines_of(self, ports, _since):
        with self._lock:
            ends = [e for e in self._events if b"event=session " in e.octets]
            mine = {e.connection for e in ends if re.search(rb" port=(\d+)", e.octets).group(1).decode() in ports}
            return [e for e in self._events if e.connection in mine]

    def stop(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def _accept(self):
        while True:
            try:
                peer, address = self._listener.accept()
            except OSError:
                return
            self._count += 1
            session = Session(self, End(peer), address[1], f"wrong{self._count}")
            threading.Thread(target=session.serve, daemon=True).start()
