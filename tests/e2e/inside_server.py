# SPDX-License-Identifier: ISC
"""A scripted inside server that records every octet it hears.

A script maps a step to what is done there. Steps: "connect" (before the greeting), the verbs in capitals, "body" (the
first octets of a message are here, its dot is not), "dot" (the whole message is here, nothing answered). A value is
bytes (said as it is), or a function that gets the Session and does what it likes; a step that is not in the script
gets the usual answer.
"""
import socket
import struct
import threading

import stories

KEYWORDS = (b"PIPELINING", b"SIZE 50000000", b"8BITMIME", b"SMTPUTF8", b"DSN", b"ENHANCEDSTATUSCODES",
            b"XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT")
TIMEOUT = 30


class Gone(Exception):
    """The session has ended, by either side."""


class Message:
    """What was heard from 354 on. `octets` holds the final dot too when it came."""

    def __init__(self):
        self.octets = bytearray()
        self.has_dot = False
        self.accepted = False
        self.is_under_way = False  # the step "body" has been done

    @property
    def content(self):
        """Without the dot, stuffing undone."""
        lines = bytes(self.octets)[:-3].split(b"\r\n")
        return b"\r\n".join(line[1:] if line[:1] == b"." else line for line in lines)


class Session:
    def __init__(self, server, connection):
        self.server = server
        self.connection = connection
        self.transcript = []  # ("I<" said by us | "I>" heard | "I!", octets)
        self.heard = bytearray()
        self.commands = []  # lines without CRLF
        self.messages = []
        self.ended = None  # "closed", "reset" or "by us"
        self.secured_at = None  # so many commands were heard before TLS began
        self._unread = bytearray()

    # -- for scripts

    def say(self, octets):
        self.transcript.append(("I<", octets))
        try:
            self.connection.sendall(octets)
        except OSError:
            self._end("reset")

    def close(self):
        self._end("by us")

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._end("by us")

    def stall(self):
        """Says nothing more, until the other side goes away or the test ends."""
        self.transcript.append(("I!", b"stalls"))
        while True:
            self._read()

    def secure(self, context):
        """TLS begins; what was heard before is no part of it."""
        self.transcript.append(("I!", b"TLS, with %d octets unread" % len(self._unread)))
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except OSError as fault:  # an ssl.SSLError is one
            self.transcript.append(("I!", str(fault).encode()))
            self._end("no TLS")
        self.secured_at = len(self.commands)

    # -- the conversation

    def serve(self):
        try:
            self.step("connect", b"220 inside.test ESMTP\r\n")
            while True:
                self._serve_command(self._line())
        except Gone:
            pass
        finally:
            self.connection.close()

    def step(self, name, usual):
        action = self.server.script.get(name, usual)
        if name == "dot":  # before it is said: who hears it may ask at once
            self.messages[-1].accepted = isinstance(action, bytes) and action.startswith(b"2")
        if callable(action):
            action(self)
        elif action:
            self.say(action)
        return action

    def _serve_command(self, line):
        self.commands.append(line)
        verb = line.split(b" ")[0].upper().decode("ascii", "replace")
        answer = self.step(verb, self._usual(verb))
        if verb == "DATA" and isinstance(answer, bytes) and answer.startswith(b"354"):
            self.read_message()
        if verb == "QUIT":
            self._end("by us")

    def _usual(self, verb):
        if verb in ("EHLO", "HELO"):
            keywords = [k for k in self.server.keywords if self.secured_at is None or k != b"STARTTLS"]
            lines = [b"inside.test"] + (keywords if verb == "EHLO" else [])
            return b"".join(b"250-" + line + b"\r\n" for line in lines[:-1]) + b"250 " + lines[-1] + b"\r\n"
        if verb == "BDAT":
            return b"502 5.5.1 not here\r\n"
        return {"XCLIENT": b"220 inside.test ESMTP\r\n", "DATA": b"354 go ahead\r\n", "QUIT": b"221 2.0.0 bye\r\n",
                "MAIL": b"250 2.1.0 sender ok\r\n", "RCPT": b"250 2.1.5 recipient ok\r\n",
                "RSET": b"250 2.0.0 reset\r\n", "NOOP": b"250 2.0.0 ok\r\n"}.get(verb, b"502 5.5.2 unknown\r\n")

    def read_message(self):
        """Reads to CRLF.CRLF and to nothing else."""
        message = Message()
        self.messages.append(message)
        while not message.has_dot:
            if not self._unread:
                self._read()
            fresh, begun = bytes(self._unread), len(message.octets)
            message.octets += fresh
            self._unread.clear()
            end = _end_of_data(message.octets, begun)
            if end is not None:
                message.has_dot = True
                self._unread += message.octets[end:]
                del message.octets[end:]
                number = self.server.next_message_number()
                self.step("dot", b"250 2.0.0 queued as INSIDE%d\r\n" % number)
            elif not message.is_under_way:
                try:
                    self.step("body", b"")
                finally:
                    message.is_under_way = True

    def _line(self):
        while b"\n" not in self._unread:
            self._read()
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread[:] = rest
        return line.rstrip(b"\r")

    def _read(self):
        try:
            octets = self.connection.recv(65536)
        except socket.timeout:
            self._end("by us")
        except OSError:
            self._end("reset")
        if not octets:
            self._end("closed")
        self.transcript.append(("I>", octets))
        self.heard += octets
        self._unread += octets

    def _end(self, how):
        self.ended = self.ended or how
        self.transcript.append(("I!", b"ended: " + how.encode()))
        self.connection.close()
        raise Gone


class Inside:
    def __init__(self, script=None, keywords=KEYWORDS):
        self.script = dict(script or {})
        self.keywords = keywords
        self.sessions = []
        self._count = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = self._listener.getsockname()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        stories.add(self)

    @property
    def messages(self):
        return [m for s in list(self.sessions) for m in s.messages]

    @property
    def accepted(self):
        return [m for m in self.messages if m.accepted]

    @property
    def commands(self):
        return [c for s in list(self.sessions) for c in s.commands]

    def next_message_number(self):
        with self._lock:
            self._count += 1
            return self._count

    def stop(self):
        """Nobody is accepted any more, and who is here is cut off."""
        stop_listening(self._listener)
        for session in self.sessions:
            try:
                session.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def story(self):
        lines = []
        for number, session in enumerate(self.sessions[-5:], max(1, len(self.sessions) - 4)):
            lines.append(f"--- inside, session {number} of {len(self.sessions)}")
            lines += [f"{who} {stories.shown(octets)}" for who, octets in session.transcript]
        return "\n".join(lines) or "--- inside: nobody came"

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(TIMEOUT)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.start_session(connection)

    def start_session(self, connection):
        session = Session(self, connection)
        self.sessions.append(session)
        threading.Thread(target=session.serve, daemon=True).start()


def _end_of_data(octets, begun):
    """Where the final dot's line ends; only what came from `begun` on can complete it."""
    if octets[:3] == b".\r\n":
        return 3
    at = octets.find(b"\r\n.\r\n", max(0, begun - 4))
    return None if at < 0 else at + 5


def stop_listening(listener):
    """Also where a thread is in accept(): closing alone would not wake it, and the port would stay open."""
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was stopped before
    listener.close()


# -- actions for scripts

def close(session):
    session.close()


def reset(session):
    session.reset()


def stall(session):
    session.stall()


def say_and_close(octets):
    def action(session):
        session.say(octets)
        session.close()
    return action


def calling(function, then=None):
    """Calls function(), then does as another action would."""
    def action(session):
        function()
        if callable(then):
            then(session)
        elif then:
            session.say(then)
    return action


def language_fault(octets, complete):
    """What is wrong with the octets heard between 354 and the end, or None: the language of the inside leg is
    (line CRLF)* with line free of CR, LF and NUL and dot-stuffed, then one dot line. A message that was broken off
    (complete = False) may end anywhere, but not with the dot."""
    octets = bytes(octets)
    if b"\0" in octets:
        return "NUL"
    lines = octets.split(b"\r\n")
    for number, line in enumerate(lines):
        is_cut = not complete and number == len(lines) - 1
        bare = line[:-1] if is_cut and line.endswith(b"\r") else line
        if b"\r" in bare or b"\n" in bare:
            return f"bare CR or LF in line {number}: {line[:80]!r}"
    body = lines[:-2] if complete else lines
    if complete and lines[-2:] != [b".", b""]:
        return f"does not end with the dot: {octets[-20:]!r}"
    for number, line in enumerate(body):
        unfinished = not complete and number == len(body) - 1
        if line.startswith(b".") and not line.startswith(b"..") and not (unfinished and line == b"."):
            return f"line {number} is not stuffed: {line[:80]!r}"
    return None
