# SPDX-License-Identifier: ISC
"""A name server for DNS lists: A and TXT records by name, everything else does not exist. It answers as late as it is
told to, not at all where it is told to be silent, and counts what it was asked."""
import socket
import struct
import threading
import time

A, TXT = 1, 16
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


class ListServer:
    def __init__(self):
        self.records = {}   # (name, type) -> [text]
        self.silent = set()  # ends of names
        self.failing = set()
        self.late = {}  # end of a name -> seconds
        self.asked = []  # (name, type), as they came
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def add(self, name, *texts, kind=A):
        with self._lock:
            self.records[name, kind] = list(texts)

    def clear(self):
        with self._lock:
            self.records.clear()

    def count(self, end):
        """Questions for names that end so."""
        with self._lock:
            return sum(name.endswith(end) for name, _ in self.asked)

    def close(self):
        self._socket.sendto(b"", self.address)
        self._thread.join(10)
        self._socket.close()

    def _serve(self):
        while True:
            question, asker = self._socket.recvfrom(4096)
            if not question:
                return
            self._take(question, asker)

    def _take(self, question, asker):
        name, end = _name_at(question)
        kind = struct.unpack_from(">H", question, end)[0]
        with self._lock:
            self.asked.append((name, kind))
            texts = self.records.get((name, kind), [])
            known = any(one == name for one, _ in self.records)
        code = NOERROR if known else NXDOMAIN
        if any(name.endswith(one) for one in self.failing):
            code, texts = SERVFAIL, []
        if any(name.endswith(one) for one in self.silent):
            return
        head = question[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, len(texts), 0, 0)
        answer = head + question[12:end + 4] + b"".join(map(_record(kind), texts))
        seconds = next((late for one, late in self.late.items() if name.endswith(one)), 0)
        if seconds:
            threading.Thread(target=self._answer_later, args=(seconds, answer, asker), daemon=True).start()
        else:
            self._socket.sendto(answer, asker)

    def _answer_later(self, seconds, answer, asker):
        time.sleep(seconds)
        try:
            self._socket.sendto(answer, asker)
        except OSError:
            pass  # closed meanwhile


def _name_at(question):
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode("ascii").lower())
        at += 1 + question[at]
    return ".".join(labels), at + 1


def _record(kind):
    def pack(text):
        data = socket.inet_aton(text) if kind == A else bytes([len(text)]) + text.encode()
        return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(data)) + data
    return pack
