# SPDX-License-Identifier: ISC
"""From events to meaning: which octets were a command, which a message, and what answered what.

outside_of() and inside_of() read one connection's events and give an OutsideView or an InsideView; read_log() gives
LogLines. Pure; shares nothing with Postern. What is wrong already at this level is in `faults`, as (law, words).

Of inside, which lies, an Answer's kind says what a gate may take it for:
    yes, go, no   2yz, 354 or 4yz/5yz as SMTP has them
    odd           it can be taken for what it looks like, or for a fault: very long, bare LF, control characters, 220 in
                  place of 250. `looks` says what like
    bad           no reply, one with two codes, or one of a class that cannot answer this command
"""
import re
from typing import NamedTuple, Optional

from witness import INSIDE, OUTSIDE, POSTERN, marks_in

LONG_LINE, MANY_LINES = 510, 100  # beyond: odd
REPLY_LINE = re.compile(rb"[2-5][0-9][0-9](?:[ -][^\r\n\0]*)?\r\n")


class Stream:
    """Octets of one direction, and when each of them went."""

    def __init__(self, events):
        self.octets = b"".join(e.octets for e in events)
        self._ends = []
        total = 0
        for event in events:
            total += len(event.octets)
            self._ends.append((total, event))

    def event_at(self, offset):
        """That which carried the octet at this offset."""
        return next((event for end, event in self._ends if offset < end), None)


class Reply(NamedTuple):
    code: int
    octets: bytes
    at: float  # its last octet was heard


class Exchange:
    """Something that needs one reply: a command line, a whole message, a chunk with its command."""

    def __init__(self, kind, octets, event):
        self.kind, self.octets = kind, octets  # kind: "banner", "command", "message"
        self.said_at, self.said_done = (event.at, event.done) if event else (0, 0)
        self.reply = None
        words = octets.split()
        self.verb = words[0].upper().decode("ascii", "replace") if kind == "command" and words else ""

    @property
    def code(self):
        return self.reply.code if self.reply else None

    def is_class(self, digit):
        return self.code is not None and self.code // 100 == digit


class Transaction:
    """From MAIL on. `ended_at`: the client's end of data began to be said then, or None."""

    def __init__(self, mail):
        self.mail, self.mark = mail, _mark_of(mail.octets)
        self.rcpts, self.datas, self.chunks = [], [], []
        self.raw = b""  # as it was said, without the end
        self.is_chunked = False
        self.ended_at = None
        self.end = None  # the Exchange that its end is

    @property
    def content(self):
        """What the message says, stuffing undone."""
        if self.is_chunked:
            return self.raw
        return b"".join(line[1:] if line[:1] == b"." else line for line in re.split(rb"(?<=\n)", self.raw))

    @property
    def is_binary(self):
        return b"BINARYMIME" in self.mail.octets.upper()

    @property
    def is_foul(self):
        """Has something that goes through no gate."""
        if self.is_binary:
            return False
        return b"\0" in self.raw or re.search(rb"(?<!\r)\n|\r(?!\n)", self.raw) is not None

    @property
    def answer(self):
        return self.end.reply if self.end else None


class OutsideView:
    def __init__(self, name):
        self.name = name
        self.port = self.number = None
        self.exchanges, self.transactions, self.faults = [], [], []
        self.surplus = []  # replies that answer nothing
        self.left = self.ended = self.waited = None  # events: the first of the kind
        self.said, self.marks = [], set()
        self.marks = set()


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
        self.mark = _mark_of(mail.octets) if mail else None
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
        self.marks = set()
        self.events = []


class LogLine(NamedTuple):
    at: float
    event: str
    session: str
    fields: dict
    text: str


# -- the outside

def outside_of(name, events):
    view = OutsideView(name)
    said = Stream([e for e in events if e.kind == "said"])
    view.left = next((e for e in events if e.kind == "left"), None)
    view.ended = next((e for e in events if e.kind == "ended"), None)
    view.waited = next((e for e in events if e.kind == "waited"), None)
    view.port = next((e.words for e in events if e.kind == "opened"), None)
    view.said = [e for e in events if e.kind == "said"]
    view.marks = {c for c, _ in marks_in(said.octets)}
    found = re.search(r"\d+$", name)
    view.number = int(found.group()) if found else None
    replies = _replies([e for e in events if e.kind == "heard"], view.faults)
    _pair(view, said, replies)
    view.surplus = replies
    return view


def _replies(events, faults):
    """Whole replies, strictly: it is Postern who said them."""
    stream, found, lines = Stream(events), [], []
    at = 0
    for line in re.findall(rb"[^\n]*\n", stream.octets):
        at += len(line)
        if not REPLY_LINE.fullmatch(line) or len(line) > 512:
            faults.append(("L9", f"heard outside, and no reply line: {line[:80]!r}"))
            return found
        if lines and line[:3] != lines[0][:3]:
            faults.append(("L9", f"heard outside, another code in one reply: {line[:80]!r}"))
        lines.append(line)
        if line[3:4] != b"-":
            found.append(Reply(int(line[:3]), b"".join(lines), stream.event_at(at - 1).at))
            lines = []
    if lines or at < len(stream.octets):
        faults.append(("L9", f"a reply outside without its end: {b''.join(lines) + stream.octets[at:]!r}"[:200]))
    return found


def _pair(view, said, replies):
    """One reply for each Exchange, in order. `replies` is emptied so far."""
    def answered(exchange):
        view.exchanges.append(exchange)
        exchange.reply = replies.pop(0) if replies else None
        return exchange

    answered(Exchange("banner", b"", None))
    octets, at, transaction = said.octets, 0, None
    while at < len(octets):
        end = octets.find(b"\n", at) + 1
        if not end:
            return
        line = octets[at:end]
        exchange = Exchange("command", line, said.event_at(end - 1))
        at = end
        if exchange.verb == "BDAT":
            at = _take_chunk(exchange, said, at, transaction)
            if at is None:
                answered(exchange)
                return
        answered(exchange)
        transaction = _follow(view, exchange, transaction)
        if exchange.verb == "DATA" and exchange.code == 354:
            at = _take_data(view, said, at, transaction, answered)
            transaction = None
            if at is None:
                return
        if transaction and transaction.end is exchange:  # by LAST
            transaction = None


def _follow(view, exchange, transaction):
    """The transaction that is under way behind this command."""
    if exchange.verb == "MAIL" and (transaction is None or not transaction.mail.is_class(2)):
        view.transactions.append(Transaction(exchange))
        return view.transactions[-1]
    if exchange.verb in ("RSET", "EHLO", "HELO") and exchange.is_class(2):
        return None
    if transaction and exchange.verb in ("RCPT", "DATA", "BDAT"):
        {"RCPT": transaction.rcpts, "DATA": transaction.datas, "BDAT": transaction.chunks}[exchange.verb].append(exchange)
    return transaction


def _take_data(view, said, at, transaction, answered):
    octets = said.octets
    end = at if octets.startswith(b".\r\n", at) else octets.find(b"\r\n.\r\n", at)
    if transaction is None:
        view.faults.append(("L9", "354 outside without a transaction"))
        return None
    transaction.is_opened = True
    if end < 0:
        transaction.raw = octets[at:]
        return None
    dot = end if end == at and octets.startswith(b".\r\n", at) else end + 2
    transaction.raw = octets[at:dot]
    transaction.ended_at = said.event_at(dot + 2).at
    transaction.end = answered(Exchange("message", b".\r\n", said.event_at(dot + 2)))
    return dot + 3


def _take_chunk(exchange, said, at, transaction):
    """Where it ends; None when it does not, or when nobody can know."""
    found = re.fullmatch(rb"BDAT +(\d+)( +LAST)? *\r\n", exchange.octets, re.I)
    if not found:
        return None
    size, octets = int(found.group(1)), said.octets
    if transaction:
        transaction.is_chunked = True
        transaction.raw += octets[at:at + size]
    if at + size > len(octets):
        return None
    last = said.event_at(at + size - 1) if size else said.event_at(at - 1)
    exchange.said_at, exchange.said_done = last.at, last.done
    if found.group(2) and transaction:
        transaction.ended_at, transaction.end = last.at, exchange
    return at + size


# -- inside

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


# -- the log

FIELD = re.compile(r'([a-z_0-9]+)=("(?:\\.|[^"\\])*"|[^ ]*)')


def read_log(events):
    found = []
    for event in events:
        if event.side != POSTERN or event.kind != "log":
            continue
        text = event.octets.decode("utf-8", "replace")
        fields = {name: _plain(value) for name, value in FIELD.findall(text)}
        found.append(LogLine(event.at, fields.get("event", ""), fields.get("session", ""), fields, text))
    return found


def _plain(value):
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def views(events, limits):
    """(outside views, inside views), each in the order in which the connections began."""
    def split(side):
        names = list(dict.fromkeys(e.connection for e in events if e.side == side))
        return [(name, [e for e in events if e.side == side and e.connection == name]) for name in names]

    return ([outside_of(name, its) for name, its in split(OUTSIDE)],
            [inside_of(name, its, limits) for name, its in split(INSIDE)])


def _mark_of(octets) -> Optional[tuple]:
    """(connection, transaction), the first with both."""
    return next((m for m in marks_in(octets) if m[1] is not None), None)
