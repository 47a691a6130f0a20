# SPDX-License-Identifier: ISC
"""The scripted inside: an SMTP server whose every word can be another one.

A script maps a step to what is done there, instead of the usual answer. Steps: "banner", "EHLO 1", "XCLIENT",
"banner 2" (the 220 to XCLIENT is that same step), "EHLO 2", "MAIL", "RCPT 1", "RCPT 2", .., "DATA", "data" (some octets
of the message are here), "dot", "BDAT 1", .., "LAST", "RSET", "NOOP", "QUIT"; in a connection's later transactions MAIL
and the like are "MAIL 2.", "RCPT 2.1", "DATA 2.", .. The value is octets, said as they are, or a function that gets the
Connection and the usual octets. An action happens once in the life of a script, unless it was made with always=True.
"accept" is done with each connection as soon as it is there.

It reads to CRLF.CRLF and to nothing else, and judges nothing.
"""
import os
import socket
import struct
import sys
import threading
import time

from witness import INSIDE, Witness

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import net  # noqa: E402

KEYWORDS = (b"PIPELINING", b"SIZE 50000000", b"8BITMIME", b"ENHANCEDSTATUSCODES", b"CHUNKING", b"BINARYMIME",
            b"XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT")
PATIENCE = 30


class Over(Exception):
    """The connection has ended, by either end."""


class Script:
    """What is done where; thread-safe, because a gate may open several connections at once."""

    def __init__(self, actions=None, always=False):
        self.actions, self.always = dict(actions or {}), always
        self.done = []  # steps whose action was taken
        self._lock = threading.Lock()

    def take(self, step):
        with self._lock:
            if step not in self.actions:
                return None
            self.done.append(step)
            return self.actions[step] if self.always else self.actions.pop(step)


class Connection:
    def __init__(self, server, peer, name):
        self.server, self.socket, self.name = server, peer, name
        self.witness, self.script, self.stage = server.witness, server.script, server.stage
        self._unread = b""
        self._hellos = self._mails = self._rcpts = self._chunks = 0

    # -- for scripts

    def say(self, octets):
        began = time.monotonic()
        try:
            self.socket.sendall(octets)
        except OSError:
            self._take_down("said", octets, "cut", began)
            self._over("ended", "RST")
        self._take_down("said", octets, at=began)

    def trickle(self, octets, seconds):
        for octet in octets:
            time.sleep(seconds)
            self.say(bytes([octet]))

    def close(self):
        self._over("left", "FIN")

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._over("left", "RST")

    def stall(self):
        """Not a word, until the other end goes."""
        while True:
            self._hear()

    def sleep_deaf(self, seconds):
        """Neither reads nor writes."""
        time.sleep(seconds)

    # -- the conversation

    def serve(self):
        try:
            self._step("accept", b"")
            self._step("banner", b"220 inside.test ESMTP\r\n")
            while True:
                self._obey(self._line())
        except Over:
            pass
        finally:
            self.socket.close()

    def _step(self, name, usual):
        action = self.script.take(name)
        if callable(action):
            action(self, usual)
        elif action is not None:
            self.say(action)
        elif usual:
            self.say(usual)

    def _obey(self, line):
        verb = line.split(b" ")[0].strip().upper().decode("ascii", "replace")
        handler = getattr(self, f"_{verb.lower()}", None) if verb.isalpha() else None
        if handler is None:
            self.say(b"502 5.5.2 unknown\r\n")
        else:
            handler(line)

    def _ehlo(self, _line):
        self._hellos += 1
        lines = [b"inside.test", *self.server.keywords]
        usual = b"".join(b"250-" + line + b"\r\n" for line in lines[:-1]) + b"250 " + lines[-1] + b"\r\n"
        self._step(f"EHLO {self._hellos}", usual)

    def _helo(self, _line):
        self._step("HELO", b"250 inside.test\r\n")

    def _xclient(self, _line):
        self._step("XCLIENT", b"220 inside.test ESMTP\r\n")

    def _mail(self, line):
        self._mails += 1
        self._rcpts = self._chunks = 0
        self._step("MAIL" + self._turn(), b"250 2.1.0 " + _path(line) + b" ok\r\n")

    def _rcpt(self, line):
        self._rcpts += 1
        turn = self._turn() or " "
        self._step(f"RCPT{turn}{self._rcpts}", b"250 2.1.5 " + _path(line) + b" ok\r\n")

    def _data(self, _line):
        said = []
        self._listen_in(said, lambda: self._step("DATA" + self._turn(), b"354 go ahead\r\n"))
        if b"".join(said).startswith(b"354"):
            self._read_message()

    def _bdat(self, line):
        words = line.split()
        is_last = len(words) > 2
        self._take(int(words[1]))
        self._chunks += 1
        self._step("LAST" + self._turn() if is_last else f"BDAT{self._turn() or ' '}{self._chunks}",
                   b"250 2.0.0 queued as %s\r\n" % self.server.next_id() if is_last else b"250 2.0.0 octets\r\n")

    def _rset(self, _line):
        self._step("RSET", b"250 2.0.0 reset\r\n")

    def _noop(self, _line):
        self._step("NOOP", b"250 2.0.0 ok\r\n")

    def _quit(self, _line):
        self._step("QUIT", b"221 2.0.0 bye\r\n")
        self.close()

    def _turn(self):
        return "" if self._mails <= 1 else f" {self._mails}."

    # -- reading

    def _read_message(self):
        octets, began = b"", False
        while True:
            octets += self._unread
            self._unread = b""
            at = 0 if octets.startswith(b".\r\n") else octets.find(b"\r\n.\r\n")
            if at >= 0:
                self._unread = octets[at + (3 if octets.startswith(b".\r\n") else 5):]
                self._step("dot" + self._turn(), b"250 2.0.0 queued as %s\r\n" % self.server.next_id())
                return
            if octets and not began:
                began = True
                self._step("data" + self._turn(), b"")
            self._hear()

    def _listen_in(self, said, action):
        """What the action says first decides how it goes on."""
        say = self.say
        self.say = lambda octets: (said.append(octets), say(octets))[1]
        try:
            action()
        finally:
            self.say = say

    def _line(self):
        while b"\n" not in self._unread:
            self._hear()
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def _take(self, size):
        while len(self._unread) < size:
            self._hear()
        self._unread = self._unread[size:]

    def _hear(self):
        try:
            octets = self.socket.recv(65536)
        except socket.timeout:
            self._take_down("waited", words=f"{PATIENCE} s")
            self._over("left", "FIN")
        except OSError:
            self._over("ended", "RST")
        if not octets:
            self._over("ended", "FIN")
        self._take_down("heard", octets)
        self._unread += octets

    def _over(self, kind, how):
        self._take_down(kind, words=how)
        self.socket.close()
        raise Over

    def _take_down(self, kind, octets=b"", words="", at=None):
        self.witness.add(INSIDE, self.name, kind, octets, words, at)


class Inside:
    """Listens at `address`. play() changes witness and script between cases, for connections that come from then on."""

    def __init__(self, name="in", keywords=KEYWORDS, host="127.0.0.1", port=0):
        self.name, self.keywords = name, keywords
        self.witness, self.script, self.stage = Witness(), Script(), None
        self._lock = threading.Lock()
        self._connections = self._ids = 0
        self._open = set()
        self.bugs = []
        self.address = (host, port or net.free_port(host))
        self.listen()

    def play(self, witness, script=None, stage=None):
        """`stage` is for scripts that need to know more than their connection."""
        self.witness, self.script, self.stage, self.bugs = witness, script or Script(), stage, []

    def next_id(self):
        with self._lock:
            self._ids += 1
            return f"{self.name}{self._ids}".encode()

    def refuse(self):
        """Connections are refused until listen()."""
        self.stop()

    def listen(self):
        self._listener = socket.create_server(self.address[:2], backlog=128)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def is_quiet(self):
        """Has every connection come to its end?"""
        with self._lock:
            return not self._open

    def stop(self):
        """Nobody is accepted any more, and connections are refused."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def _accept(self, listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.settimeout(PATIENCE)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections += 1
                connection = Connection(self, peer, f"{self.name}.{self._connections}")
                self._open.add(connection)
            self.witness.add(INSIDE, connection.name, "opened")
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.serve()
        except Exception as fault:  # of a script: never taken for a fault of inside's
            self.bugs.append(f"{connection.name}: {type(fault).__name__}: {fault}")
        finally:
            with self._lock:
                self._open.discard(connection)


def _path(line):
    begin, end = line.find(b"<"), line.find(b">")
    return line[begin:end + 1] if 0 <= begin < end else b"?"
