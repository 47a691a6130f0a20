# SPDX-License-Identifier: ISC
"""The outside party: sends exactly the octets it is told, and remembers both directions."""
import re
import socket
import struct
import time

import stories

TIMEOUT = 20  # for one reply: generous, it only ends hangs


class Closed(Exception):
    """The other side ended the connection where a reply was due."""


class Reply:
    def __init__(self, lines):
        self.lines = lines  # without CRLF
        self.code = int(lines[-1][:3])
        self.text = b"\n".join(line[4:] for line in lines)

    @property
    def is_positive(self):
        return 200 <= self.code < 300

    def __repr__(self):
        return b" / ".join(self.lines).decode("utf-8", "backslashreplace")


class Client:
    def __init__(self, address, source=None, timeout=TIMEOUT):
        self.transcript = []  # (who, octets); who is "C" or "S", or "!" for what happened
        self._unread = b""
        self.name = f"client of {address[0]}:{address[1]}"
        stories.add(self)
        self.socket = socket.create_connection(address[:2], timeout, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.own_port = self.socket.getsockname()[1]
        self.port = address[1]

    # -- sending

    def send(self, octets):
        self.transcript.append(("C", bytes(octets)))
        self.socket.sendall(octets)

    def send_in_pieces(self, pieces):
        """Each in a segment of its own, as far as the kernel lets us."""
        for piece in pieces:
            self.send(piece)
            time.sleep(0.002)

    def command(self, line):
        self.send(_octets(line) + b"\r\n")
        return self.reply()

    # -- hearing

    def reply(self):
        """One whole reply, its grammar checked: RFC 5321 section 4.2. Raises Closed at the end of the connection."""
        lines = []
        while True:
            line = self._line()
            assert re.fullmatch(rb"[2-5][0-9][0-9](?:[ -][^\r\n\0]*)?", line), f"no reply line: {line!r}"
            assert not lines or line[:3] == lines[0][:3], f"another code in one reply: {lines} {line!r}"
            assert len(line) <= 510, f"a reply line of {len(line)} octets"
            lines.append(line)
            if line[3:4] != b"-":
                return Reply(lines)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def all_replies(self):
        """Every reply until the connection ends."""
        found = []
        while True:
            try:
                found.append(self.reply())
            except Closed:
                return found

    def expect(self, code):
        reply = self.reply()
        assert reply.code == code, f"{reply}, not {code}"
        return reply

    def ask(self, line, code):
        reply = self.command(line)
        assert reply.code == code, f"{line!r} -> {reply}, not {code}"
        return reply

    def is_closed(self):
        """Waits for the end of the connection; nothing may come before it."""
        try:
            line = self._line()
        except Closed:
            return True
        raise AssertionError(f"heard {line!r} instead of the end")

    # -- whole steps

    def hello(self, name="client.test"):
        self.expect(220)
        return self.ask(f"EHLO {name}", 250)

    def begin(self, recipients, sender="sender@example.com", parameters=""):
        """MAIL, RCPT .., DATA; all accepted. A recipient alone may be given as a string."""
        self.ask(f"MAIL FROM:<{sender}>{parameters}", 250)
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            self.ask(f"RCPT TO:<{recipient}>", 250)
        self.ask("DATA", 354)

    def message(self, recipients, content, sender="sender@example.com", parameters=""):
        """A transaction up to the answer to the dot, which is returned. `content` ends with CRLF, or is empty."""
        self.begin(recipients, sender, parameters)
        self.send(stuffed(content) + b".\r\n")
        return self.reply()

    def bdat(self, content, cuts=()):
        """A message in chunks (RFC 3030), cut at these places in it; each waits for the answer to the one before. What
        was answered to the last, or to the first that was refused."""
        for chunk in chunks(content, cuts):
            self.send(chunk)
            reply = self.reply()
            if reply.code != 250:
                break
        return reply

    def quit(self):
        self.ask("QUIT", 221)
        assert self.is_closed()
        self.close()

    # -- ending

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends with RST instead of FIN."""
        self.transcript.append(("!", b"reset by us"))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def finish_sending(self):
        self.transcript.append(("!", b"FIN by us"))
        self.socket.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def story(self):
        return f"--- {self.name}\n" + "\n".join(f"{who}: {stories.shown(octets)}" for who, octets in self.transcript)

    def _line(self):
        while b"\r\n" not in self._unread:
            assert b"\n" not in self._unread, f"a bare LF in a reply: {self._unread!r}"
            try:
                octets = self.socket.recv(65536)
            except ConnectionError:
                octets = b""
            except socket.timeout:
                self.transcript.append(("!", b"waited in vain"))
                raise AssertionError(f"no answer within {self.socket.gettimeout()} s") from None
            if not octets:
                self.transcript.append(("!", b"closed by the other side"))
                assert not self._unread, f"the connection ended within a line: {self._unread!r}"
                raise Closed
            self.transcript.append(("S", octets))
            self._unread += octets
        line, self._unread = self._unread.split(b"\r\n", 1)
        return line


def stuffed(content):
    """RFC 5321 section 4.5.2."""
    assert content == b"" or content.endswith(b"\r\n")
    return re.sub(rb"(^|\r\n)\.", rb"\1..", content)


def chunks(content, cuts=()):
    """BDAT commands with what follows each. Where two cuts are the same there is an empty chunk."""
    ends = [0, *sorted(cuts), len(content)]
    parts = [content[begin:end] for begin, end in zip(ends, ends[1:])]
    last = len(parts) - 1
    return [b"BDAT %d%s\r\n" % (len(part), b" LAST" if n == last else b"") + part for n, part in enumerate(parts)]


def _octets(line):
    return line if isinstance(line, bytes) else line.encode()
