# SPDX-License-Identifier: ISC
"""The scripted outside: one connection to the gate, everything said and heard taken down by the witness.

It parses no more than it must in order to go on: reply() gives the lines of one reply, or None when the connection has
ended or nothing came within the time. Whether what it heard is right is for the judge.
"""
import socket
import struct
import time

from witness import OUTSIDE, mark

REPLY_SECONDS = 15  # for one reply: beyond all of the gate's own deadlines together


class Mail:
    """One message of a connection, its marks wherever it can have one."""

    def __init__(self, connection, number, recipients=1, lines=(b"text",), parameters="", head=()):
        self.mark = mark(connection, number)
        self.sender = f"{self.mark}@from.test"
        self.recipients = [f"{self.mark}-{n}@to.test" for n in range(1, recipients + 1)]
        self.parameters = parameters
        head = [f"Message-ID: <{self.mark}@id.test>".encode(), b"Subject: fault", *head]
        self.content = b"".join(line + b"\r\n" for line in [*head, b"", self.mark.encode(), *lines])

    @property
    def mail_line(self):
        return f"MAIL FROM:<{self.sender}>{self.parameters}\r\n".encode()

    @property
    def rcpt_lines(self):
        return [f"RCPT TO:<{recipient}>\r\n".encode() for recipient in self.recipients]

    @property
    def stuffed(self):
        """As DATA carries it, without the dot."""
        return b"".join(b"." + line if line[:1] == b"." else line for line in self.content.splitlines(keepends=True))


class Outside:
    def __init__(self, witness, address, number, seconds=REPLY_SECONDS):
        self.witness, self.number, self.seconds = witness, number, seconds
        self.name = f"out{number}"
        self.hello = f"EHLO {mark(number)}.test\r\n".encode()
        self.is_over = False
        self.pace = 0  # seconds before each command of ask()
        self._unread = b""
        self._mails = 0
        self.socket = socket.create_connection(address[:2], seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self.socket.getsockname()[1]
        self._take_down("opened", words=str(self.port))

    def mail(self, **how):
        self._mails += 1
        return Mail(self.number, self._mails, **how)

    # -- sending

    def say(self, octets):
        """False when that was not possible any more."""
        began = time.monotonic()
        try:
            self.socket.sendall(octets)
        except OSError as fault:
            # How much of it went out is not known; all of it may have been heard.
            self._take_down("said", octets, words=f"cut: {type(fault).__name__}", at=began)
            return False
        self._take_down("said", octets, at=began)
        return True

    def trickle(self, octets, seconds):
        """An octet at a time, with so long between them."""
        return all([self._say_later(bytes([octet]), seconds) for octet in octets])

    def _say_later(self, octets, seconds):
        time.sleep(seconds)
        return not self.is_over and self.say(octets)

    def ask(self, line):
        time.sleep(self.pace)
        self.say(line)
        return self.reply()

    # -- hearing

    def reply(self):
        """Its octets, or None."""
        taken = b""
        while True:
            line = self._line()
            if line is None:
                return None
            taken += line
            if line[3:4] != b"-":
                return taken

    def peek(self):
        """Is there something to be heard, be it the end? Waits as long as the socket does."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except socket.timeout:
            return False
        except OSError:
            pass
        return True

    def drain(self):
        """Everything until the connection ends."""
        while self.reply() is not None:
            pass

    def _line(self):
        while b"\n" not in self._unread:
            if not self._hear():
                return None
        line, self._unread = self._unread.split(b"\n", 1)
        return line + b"\n"

    def _hear(self):
        if self.is_over:
            return False
        began = time.monotonic()
        try:
            octets = self.socket.recv(65536)
        except socket.timeout:
            self._take_down("waited", words=f"{self.seconds} s for a reply", at=began)
            self.close()
            return False
        except OSError:
            return self._end("ended", "RST")
        if not octets:
            return self._end("ended", "FIN")
        self._take_down("heard", octets)
        self._unread += octets
        return True

    # -- ends

    def close(self):
        if not self.is_over:
            self._end("left", "FIN")
        self.socket.close()

    def reset(self):
        if not self.is_over:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._end("left", "RST")
        self.socket.close()

    def finish_sending(self):
        self._take_down("left", words="half")
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _end(self, kind, how):
        self.is_over = True
        self._take_down(kind, words=how)
        return False

    # -- whole steps

    def greet(self):
        return is_yes(self.reply()) and is_yes(self.ask(self.hello))

    def envelope(self, mail):
        """MAIL and RCPT, one after the other."""
        return is_yes(self.ask(mail.mail_line)) and all([is_yes(self.ask(line)) for line in mail.rcpt_lines])

    def send(self, mail):
        """A whole transaction by DATA: the answer to the dot, or to what came before and was no yes."""
        if not self.envelope(mail) or not is_code(self.ask(b"DATA\r\n"), b"354"):
            return None
        return self.ask(mail.stuffed + b".\r\n")

    def quit(self):
        self.ask(b"QUIT\r\n")
        self.drain()
        self.close()

    def note(self, words):
        self._take_down("note", words=words)

    def _take_down(self, kind, octets=b"", words="", at=None):
        self.witness.add(OUTSIDE, self.name, kind, octets, words, at)


def is_yes(reply):
    return is_code(reply, b"2")


def is_code(reply, code):
    return reply is not None and reply.startswith(code)
