# SPDX-License-Identifier: ISC
"""One connection of the proxy that can be made wrong: the conversation, and each flaw where it strikes."""
import re
import select
import socket
import time

BYE = b"421 4.4.2 Timeout\r\n"
LOST = (451, b"451 4.4.2 Inside is lost\r\n")
MARGIN = 0.25  # it gives up sooner than it might, so that no judge can doubt it
UNHEARD = "the client had hung up before the answer"
REPLY = re.compile(rb"([2-5]\d\d)(?:[ -].*)?\r?\n")


class Lost(Exception):
    """Inside is, for this transaction."""


class Gone(Exception):
    """The client is, or was told to go."""


class End:
    """One connection, read by lines with a deadline."""

    def __init__(self, peer):
        self.socket, self.buffer, self.has_ended = peer, b"", False

    def is_readable(self, seconds=0):
        return bool(self.buffer) or bool(select.select([self.socket], [], [], max(seconds, 0))[0])

    def has_hung_up(self):
        """A FIN with nothing unread, or worse."""
        if self.buffer or not select.select([self.socket], [], [], 0)[0]:
            return False
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def line(self, deadline, watched=None):
        """With its LF; None: ended; raises TimeoutError, and Gone when `watched` hangs up meanwhile."""
        while b"\n" not in self.buffer:
            if time.monotonic() >= deadline or len(self.buffer) > 4000:
                raise TimeoutError
            ready = select.select([self.socket], [], [], 0.02 if watched else deadline - time.monotonic())[0]
            if watched and watched.has_hung_up():
                raise Gone("client hung up")
            if ready and not self._fill():
                return None
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line + b"\n"

    def _fill(self):
        try:
            octets = self.socket.recv(65536)
        except OSError:
            octets = b""
        self.buffer += octets
        return bool(octets)

    def say(self, octets):
        try:
            self.socket.sendall(octets)
            return True
        except OSError:
            return False

    def close(self):
        self.socket.close()


class Mail:
    def __init__(self, sender):
        self.sender, self.recipients = sender, []
        self.verdict, self.reason, self.lines = "dropped", "", []


class Session:
    def __init__(self, proxy, outside, port, name):
        self.proxy, self.outside, self.port, self.name = proxy, outside, port, name
        self.inside = self.mail = None
        self.is_lost = False  # until RSET or MAIL
        self.helo = "unknown"

    def serve(self):
        why = "QUIT"
        try:
            self.outside.say(b"220 wrong.test ESMTP\r\n")
            while self._step():
                pass
        except Gone as gone:
            why = str(gone)
        self.outside.close()
        self._drop(self.inside is not None and why == "QUIT")
        self.proxy.log(self.name, f'event=session session={self.name} helo={self.helo} port={self.port} ended="{why}"')

    def _drop(self, in_order):
        self._close_mail()
        if self.inside and in_order and not self.inside.is_readable():
            self.inside.say(b"QUIT\r\n")
            self.inside.is_readable(0.5)
        self._leave_inside()

    def _leave_inside(self):
        if self.inside:
            self.inside.close()
        self.inside = None

    # -- one command

    def _step(self):
        try:
            line = self.outside.line(time.monotonic() + self.proxy.patience)
        except TimeoutError:
            self.outside.say(BYE)
            raise Gone("timeout") from None
        if line is None:
            raise Gone("client hung up")
        words = line.split()
        verb = words[0].upper().decode("latin-1") if words else ""
        handler = getattr(self, f"_{verb.lower()}", None) if verb in ("EHLO", "MAIL", "RCPT", "DATA", "RSET") else None
        if not line.endswith(b"\r\n") or b"\0" in line or b"\r" in line[:-2]:
            self._answer(b"500 5.5.2 No command\r\n")
        elif verb in ("EHLO", "DATA") and self.outside.buffer and not self.proxy.has("hears too much"):
            self._answer(b"554 5.5.0 Wait for the reply\r\n")
            raise Gone("input before the reply")
        elif handler:
            handler(line)
        elif verb == "QUIT":
            self._answer(b"221 2.0.0 Bye\r\n")
            return False
        else:
            self._answer(b"250 2.0.0 Ok\r\n" if verb == "NOOP" else b"500 5.5.1 Unknown\r\n")
        return True

    def _answer(self, octets):
        if not self.outside.say(octets):
            raise Gone("client hung up")
        if octets.startswith(b"421"):
            raise Gone("inside said 421")

    def _ehlo(self, line):
        self._forget()
        self.helo = line.split()[1].decode("latin-1") if len(line.split()) > 1 else "unknown"
        self._answer(b"250-wrong.test\r\n250 PIPELINING\r\n")

    def _rset(self, _line):
        self._forget()
        self._answer(b"250 2.0.0 Ok\r\n" * (2 if self.proxy.has("two replies") else 1))

    def _forget(self):
        if self.mail and self.inside:
            try:
                if self._ask(b"RSET\r\n", 2)[0] // 100 != 2:
                    self._leave_inside()
            except Lost:
                pass
        self._close_mail()
        self.is_lost = False

    def _path(self, line):
        found = re.search(rb":[ \t]*(<[!-;=?-~]*>)", line)
        return found.group(1) if found else None

    def _carried(self, verb, line, expected=2):
        """What inside answers, or the loss of it."""
        path = self._path(line)
        try:
            return self._ask(line if self.proxy.has("unparsed") else verb + path + b"\r\n", expected)
        except Lost:
            self.is_lost = True
            if self.mail:
                self.mail.verdict = "lost"
            return self._trouble()

    def _trouble(self):
        return (554, b"554 5.3.0 Inside is lost\r\n") if self.proxy.has("permanent") else LOST

    def _mail(self, line):
        if self.mail and not self.is_lost:
            return self._answer(b"503 5.5.1 Nested\r\n")
        if self._path(line) is None:
            return self._answer(b"501 5.5.4 Syntax\r\n")
        self._close_mail()
        self.is_lost = self.proxy.is_sulking
        self.mail = Mail(self._path(line).decode())
        if self.is_lost or not self._have_inside():
            self.is_lost, self.mail.verdict = True, "lost"
            return self._answer(self._trouble()[1])
        code, reply = self._carried(b"MAIL FROM:", line)
        if code // 100 != 2 and not self.is_lost:
            self.mail.verdict = "refused" if code // 100 == 5 else "deferred"
            self._close_mail()
        if self.proxy.has("mixes replies"):
            self.proxy.last_reply, reply = reply, self.proxy.last_reply or reply
        return self._answer(reply)

    def _rcpt(self, line):
        if self.is_lost:
            return self._answer(self._trouble()[1])
        if self.mail is None or self._path(line) is None:
            return self._answer(b"503 5.5.1 MAIL first\r\n" if self.mail is None else b"501 5.5.4 Syntax\r\n")
        code, reply = self._carried(b"RCPT TO:", line)
        if self.is_lost and self.proxy.has("another connection") and self._have_inside():
            self.is_lost = False
            code, reply = self._carried(b"RCPT TO:", line)
        if code // 100 == 5 and self.proxy.has("takes every recipient"):
            return self._answer(b"250 2.1.5 Surely\r\n")
        if code // 100 == 2:
            self.mail.recipients.append(self._path(line))
        return self._answer(reply)

    # -- inside

    def _have_inside(self):
        if self.inside and (not self.inside.is_readable() or self.proxy.has("takes unasked words")):
            return True
        self._leave_inside()
        for server in self.proxy.servers:
            try:
                self._open(server)
                return True
            except (Lost, OSError):
                self._leave_inside()
        if self.proxy.has("sulks"):
            self.proxy.is_sulking = True
        return False

    def _open(self, server):
        self.inside = End(socket.create_connection(server[:2], self.proxy.seconds))
        self.inside.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._hear(2)[0] != 220 or self._ask(f"EHLO {self.helo}\r\n".encode("latin-1"), 2)[0] // 100 != 2:
            self._lose()

    def _lose(self):
        self._leave_inside()
        if self.proxy.has("sulks"):
            self.proxy.is_sulking = True
        raise Lost

    def _ask(self, line, expected):
        if self.inside is None:
            raise Lost
        is_careless = self.proxy.has("takes unasked words") or self.proxy.has("late replies")
        if not is_careless and self.inside.is_readable():
            self._lose()
        if not self.inside.say(line):
            self._lose()
        return self._hear(expected)

    def _hear(self, expected, is_final=False):
        """(code, octets); a 421 ends the connection, what is no answer to this loses it."""
        watched = None if is_final or self.proxy.has("keeps the worker") else self.outside
        deadline, lines = time.monotonic() + self.proxy.seconds - MARGIN, []
        if self.proxy.has("waits for ever"):
            deadline += 3600
        while not lines or lines[-1][3:4] == b"-":
            try:
                line = self.inside.line(deadline, watched)
            except TimeoutError:
                if self.proxy.has("late replies"):
                    return LOST  # and the connection is kept
                self._lose()
            if line is None or not REPLY.fullmatch(line) or lines and line[:3] != lines[0][:3] or len(lines) > 100:
                self._lose()
            lines.append(line)
        code = int(lines[0][:3])
        if code // 100 not in (expected, 4, 5) and not self.proxy.has("any class") or len(b"".join(lines)) > 4000:
            self._lose()
        if code == 421:
            self._leave_inside()
        return code, b"".join(re.sub(rb"[^ -~]", b" ", line.rstrip(b"\r\n"))[:500] + b"\r\n" for line in lines)

    # -- the message

    def _data(self, _line):
        if self.is_lost:
            return self._answer(self._trouble()[1])
        if self.mail is None or not self.mail.recipients:
            return self._answer(b"503 5.5.1 MAIL first\r\n" if self.mail is None else b"554 5.5.1 No recipients\r\n")
        try:
            code, reply = self._ask(b"DATA\r\n", 3)
        except Lost:
            self.is_lost, self.mail.verdict = True, "lost"
            return self._answer(self._trouble()[1])
        if code // 100 != 3:
            self.mail.verdict = "refused" if code // 100 == 5 else "deferred"
            return self._answer(reply)
        self._answer(b"354 Go ahead\r\n")
        return self._message()

    def _message(self):
        refusal = self._stream()
        if refusal is None:
            refusal = self._commit()
        answer = refusal
        if self.outside.has_hung_up() and not self.proxy.has("hides the unheard"):
            self.mail.reason = UNHEARD
        self._close_mail()
        if not self.proxy.has("acknowledges early") or not answer.startswith(b"2"):
            self._answer(answer)

    def _stream(self):
        """Line by line inside. None, or why there will be no dot."""
        refusal = None
        if self.proxy.leftover and self.proxy.has("mixes"):
            self._forward(self.proxy.leftover)
        end = time.monotonic() + 2 * self.proxy.patience
        while True:
            line = self._content_line(end, refusal)
            if line in (b".\r\n", None):
                return refusal
            if refusal is None:
                refusal = self._take(line)

    def _content_line(self, end, refusal):
        try:
            line = self.outside.line(min(end, time.monotonic() + self.proxy.patience))
        except TimeoutError:
            if self.proxy.has("ends on time-out"):
                return None
            self._abort("timeout in a message", refusal or BYE)
        if line is None and not self.proxy.has("ends on EOF"):
            self._abort("client hung up in the message")
        return line

    def _abort(self, why, answer=b""):
        self._leave_inside()
        self.mail.verdict = "aborted" if self.mail.verdict == "dropped" else self.mail.verdict
        self.outside.say(answer)
        raise Gone(why)

    def _take(self, line):
        is_foul = not line.endswith(b"\r\n") or b"\0" in line or b"\r" in line[:-2]
        if is_foul and not self.proxy.has("passes bare LF"):
            self._leave_inside()
            self.mail.verdict = "refused"
            return b"550 5.6.0 Not a line\r\n"
        if self.inside.is_readable() and not self.proxy.has("deaf to refusals"):
            return self._early()
        self.mail.lines.append(line)
        if self.proxy.has("drops an octet") and b"text" in line:
            line = line.replace(b"text", b"txt")
        if self.proxy.has("unstuffs") and line.startswith(b".."):
            line = line[1:]
        return None if self._forward(line) else self._early()

    def _forward(self, line):
        if self.proxy.has("mixes") and b"zq" in line:
            self.proxy.leftover = line
        return self.inside.say(line)

    def _early(self):
        """A refusal answers the dot; a yes to what is not complete is a fault."""
        try:
            code, reply = self._hear(4)
            self._leave_inside()
            if code // 100 in (4, 5):
                self.mail.verdict = "refused" if code // 100 == 5 else "deferred"
                return reply
        except Lost:
            pass
        self.mail.verdict = "lost"
        return self._trouble()[1]

    def _commit(self):
        if self.inside.is_readable() and not self.proxy.has("deaf to refusals"):
            return self._early()
        if self.proxy.has("acknowledges early"):
            self.outside.say(b"250 2.0.0 Queued, surely\r\n")
        self.inside.say(b".\r\n")
        try:
            code, reply = self._hear(2, True)
            self.mail.verdict = {2: "delivered", 5: "refused"}.get(code // 100, "deferred")
            return reply
        except Lost:
            self.mail.verdict = "deferred" if self.proxy.has("hides the doubt") else "unknown"
            if self.proxy.has("replays") or self.proxy.has("next server"):
                return self._replay(self.proxy.servers[-1] if self.proxy.has("next server") else self.proxy.servers[0])
            return self._trouble()[1]

    def _replay(self, server):
        try:
            self._open(server)
            for line in (b"MAIL FROM:" + self.mail.sender.encode() + b"\r\n",
                         *(b"RCPT TO:" + r + b"\r\n" for r in self.mail.recipients)):
                self._ask(line, 2)
            self._ask(b"DATA\r\n", 3)
            self.inside.say(b"".join(self.mail.lines) + b".\r\n")
            return self._hear(2, True)[1]
        except (Lost, OSError):
            return self._trouble()[1]

    def _close_mail(self):
        if self.mail is None:
            return
        reason = f' reason="{self.mail.reason}"' if self.mail.reason else ""
        self.proxy.log(self.name, f"event=message session={self.name} helo={self.helo} from={self.mail.sender} "
                                  f"verdict={self.mail.verdict}{reason}")
        self.mail = None
