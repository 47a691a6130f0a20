# SPDX-License-Identifier: ISC
"""What one outside connection's events mean: which octets were a command, which a message, which reply answers what.

What is wrong already at this level is in `faults`, as (law, words).
"""
import re
from typing import NamedTuple

from witness import Stream, mark_of, marks_in

REPLY_LINE = re.compile(rb"[2-5][0-9][0-9](?:[ -][^\r\n\0]*)?\r\n")


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
        self.is_followed = False  # by more, in the same write
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
        self.mail, self.mark = mail, mark_of(mail.octets)
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
        exchange.is_followed = end < len(octets) and said.event_at(end) is said.event_at(end - 1)
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
        lists = {"RCPT": transaction.rcpts, "DATA": transaction.datas, "BDAT": transaction.chunks}
        lists[exchange.verb].append(exchange)
    return transaction


def _take_data(view, said, at, transaction, answered):
    octets = said.octets
    end = at if octets.startswith(b".\r\n", at) else octets.find(b"\r\n.\r\n", at)
    if transaction is None:
        view.faults.append(("L9", "354 outside without a transaction"))
        return None
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
