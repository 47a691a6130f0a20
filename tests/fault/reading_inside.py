# SPDX-License-Identifier: ISC
"""What one inside connection's events mean: what the gate asked there, and what it may take inside's words for.

Inside lies, so an Answer has a kind:
    yes, go, no   2yz, 354 or 4yz/5yz as SMTP has them
    odd           it can be taken for what it looks like, or for a fault: very long, bare LF, control characters, 220 in
                  place of 250. `looks` says what like
    bad           no reply, one with two codes, or one of a class that cannot answer this command
What is wrong already at this level is in `faults`, as (law, words).
"""
import re
from typing import NamedTuple

from witness import mark_of, marks_in

LONG_LINE, MANY_LINES = 510, 100  # beyond: odd


class Answer(NamedTuple):
    kind: str
    looks: str
    code: int
    octets: bytes
    at: float    # its last octet began to be said
    done: float


class Asked:
    """A command that inside heard."""

    def __init__(self, octets, event):
        self.octets, self.at = octets, event.at
        words = octets.split()
        self.verb = words[0].upper().decode("ascii", "replace") if words else ""
        self.answer = None


class InsideMessage:
    def __init__(self, mail, rcpts, data):
        self.mail, self.rcpts, self.data = mail, rcpts, data
        self.mark = mark_of(mail.octets) if mail else None
        self.is_chunked = data.verb == "BDAT"
        self.octets = b""  # without the end
        self.heard = []  # events of them
        self.ended_at = None  # its end was heard
        self.early = []  # Answers before the end
        self.answer = None

    @property
    def content(self):
        if self.is_chunked:
            return self.octets
        return b"".join(line[1:] if line[:1] == b"." else line for line in re.split(rb"(?<=\n)", self.octets))


class InsideView:
    def __init__(self, name):
        self.name = name
        self.asked, self.messages, self.faults = [], [], []
        self.unasked = []  # Answers to nothing
        self.greeting = None
        self.is_doubtful = False  # unasked words may have been taken for answers, if they crossed with a command
        self.rest = b""  # of a line that never ended
        self.marks = set()
        self.events = []


class _Teller:
    """Cuts what inside says into Answers."""

    def __init__(self):
        self.buffer, self.lines = b"", []

    def feed(self, event, expects):
        """The Answers that end with this event, one after the other."""
        self.buffer += event.octets
        found = []
        while b"\n" in self.buffer:
            line, _, self.buffer = self.buffer.partition(b"\n")
            self.lines.append(line + b"\n")
            kind = self._judge(line, expects)
            if kind is not None:
                octets, self.lines = b"".join(self.lines), []
                code = int(octets[:3]) if octets[:3].isdigit() else 0
                found.append(Answer(*kind, code, octets, event.at, event.done))
        return found

    def _judge(self, line, expects):
        """(kind, looks) when it is complete."""
        if not re.match(rb"[2-5][0-9][0-9]([ -]|\r?$)", line) or line[:3] != self.lines[0][:3]:
            return "bad", "bad"
        if line[3:4] == b"-":
            return None
        octets = b"".join(self.lines)
        looks = _looks(octets[:3])
        if looks not in (expects, "no"):
            return "bad", looks
        is_odd = max(map(len, self.lines)) > LONG_LINE or len(self.lines) > MANY_LINES or \
            re.search(rb"(?<!\r)\n|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)", octets)
        return ("odd" if is_odd else looks), looks


def _looks(code):
    return {b"2": "yes", b"3": "go" if code == b"354" else "other"}.get(code[:1], "no")


def inside_of(name, events, limits):
    """`limits` as in judge.Limits."""
    return _InsideReader(name, events, limits).read()


class _InsideReader:
    """Walks the events of one connection in order; its modes: greeting, idle, asked, data, chunk."""

    def __init__(self, name, events, limits):
        self.view, self.limits, self.events = InsideView(name), limits, events
        self.view.events = events
        self.mode, self.teller = "greeting", _Teller()
        self.buffer, self.chunk_left = b"", 0
        self.mail, self.rcpts, self.message = None, [], None
        self.dead = None  # (since, why)
        self.began = events[0].at if events else 0

    def read(self):
        for event in self.events:
            if event.kind == "heard":
                self._heard(event)
            elif event.kind == "said":
                self._said(event)
        self.view.rest = self.buffer
        self.view.marks = {c for c, _ in marks_in(b"".join(e.octets for e in self.events if e.kind == "heard"))}
        return self.view

    def _fault(self, law, words):
        self.view.faults.append((law, words))

    # -- what Postern says

    def _heard(self, event):
        if self.dead and self.mode != "data":
            self._fault("L1", f"spoken to after {self.dead[1]}: {event.octets[:60]!r}")
        elif self.mode in ("asked", "dot") and not self.chunk_left:
            due = self.view.asked[-1].octets if self.mode == "asked" else b"the dot"
            self._fault("L1", f"spoken to while its answer to {due[:40]!r} was due: {event.octets[:60]!r}")
        elif self.mode == "greeting":
            self._fault("L1", f"spoken to before its 220: {event.octets[:60]!r}")
        self.buffer += event.octets
        while self._take(event):
            pass

    def _take(self, event):
        if self.mode == "data":
            return self._take_data(event)
        if self.chunk_left:
            return self._take_chunk(event)
        if b"\n" not in self.buffer:
            return False
        line, _, self.buffer = self.buffer.partition(b"\n")
        self._command(Asked(line + b"\n", event))
        return True

    def _command(self, asked):
        self.view.asked.append(asked)
        self.view.is_doubtful = self.view.is_doubtful or bool(self.view.unasked)
        self.mode = "asked"
        if asked.verb == "MAIL":
            self.mail, self.rcpts, self.message = asked, [], None
        elif asked.verb == "RCPT":
            self.rcpts.append(asked)
        elif asked.verb == "BDAT":
            words = asked.octets.split()
            self.chunk_left = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
            self._message(asked)
            if len(words) > 2:
                self.message.ended_at = asked.at

    def _message(self, asked):
        if self.message is None:
            self.message = InsideMessage(self.mail, list(self.rcpts), asked)
            self.view.messages.append(self.message)

    def _take_chunk(self, event):
        taken, self.buffer = self.buffer[:self.chunk_left], self.buffer[self.chunk_left:]
        self.chunk_left -= len(taken)
        self.message.octets += taken
        self.message.heard.append(event)
        if self.message.ended_at:
            self._fault("L2", "octets came with LAST")
        return bool(self.buffer)

    def _take_data(self, event):
        message = self.message
        message.octets, self.buffer = message.octets + self.buffer, b""
        message.heard.append(event)
        octets = message.octets
        end = 0 if octets.startswith(b".\r\n") else octets.find(b"\r\n.\r\n") + 2
        if octets.startswith(b".\r\n") or end > 1:
            message.octets, self.buffer = octets[:end], octets[end + 3:]
            message.ended_at = event.at
            self.mode = "dot"
            if self.buffer:
                self._fault("L1", f"octets behind the dot: {self.buffer[:60]!r}")
        return False

    # -- what inside says

    def _said(self, event):
        if event.words == "cut":  # who knows how much of it was heard
            self.dead = self.dead or (event.done, "its end")
        for answer in self.teller.feed(event, self._expects()):
            self._answer(answer)

    def _expects(self):
        return "go" if self.mode == "asked" and self.view.asked[-1].verb == "DATA" else "yes"

    def _answer(self, answer):
        handler = {"greeting": self._greeted, "asked": self._answered, "data": self._early, "dot": self._ended}
        handler.get(self.mode, self._unasked)(answer)

    def _greeted(self, answer):
        self.view.greeting = answer
        self.mode = "idle"
        self._die_of(answer, None, self.began, "greeting")

    def _answered(self, answer):
        asked = self.view.asked[-1]
        asked.answer = answer = _narrowed(answer, asked.verb)
        self.mode = "idle"
        self._die_of(answer, asked.verb, asked.at, asked.verb)
        if asked.verb == "DATA" and answer.looks == "go" and not self.dead:
            self.message = None
            self._message(asked)
            self.mode = "data"
        elif asked.verb == "BDAT" and self.message.ended_at:
            self.message.answer = answer
        elif asked.verb == "BDAT" and answer.looks == "no":
            self.message.early.append(answer)

    def _ended(self, answer):
        self.message.answer = answer = _narrowed(answer, "dot")
        self.mode = "idle"
        self._die_of(answer, "dot", self.message.ended_at, "dot")

    def _early(self, answer):
        self.message.early.append(answer)

    def _unasked(self, answer):
        self.view.unasked.append(answer)

    def _die_of(self, answer, verb, since, name):
        late = answer.at > since + self.limits.of(name)
        if late:
            self.dead = self.dead or (since + self.limits.of(name), f"the deadline of {name}")
        elif answer.kind == "bad":
            self.dead = self.dead or (answer.done, f"{answer.octets[:40]!r} to {name}")
        elif verb == "XCLIENT" and answer.code // 100 != 2:
            self.dead = self.dead or (answer.done, "its refusal of XCLIENT")
        elif answer.code == 421:
            self.dead = self.dead or (answer.done, "its 421")


def _narrowed(answer, verb):
    """2yz that are not what this command is answered by may be taken either way."""
    usual = answer.code == 220 if verb == "XCLIENT" else verb == "QUIT" or 250 <= answer.code <= 252
    return answer._replace(kind="odd") if answer.kind == "yes" and not usual else answer
