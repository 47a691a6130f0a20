# SPDX-License-Identifier: ISC
"""The three witnesses: what the scripted outside, Postern's log and the scripted inside saw, event by event.

An Event has
    at, done    monotonic seconds: when it began and when it was over. Both ends live in one process with one clock, so
                "a.done < b.at" means that a had happened before b began: what the judge may build upon.
    side        "outside", "postern" or "inside"
    connection  the name of a connection, unique in its Witness; of a log line: the id of its session, or ""
    kind        "opened"   the connection is there; words: own port
                "said"     octets were written by this end
                "heard"    octets were read by this end
                "left"     this end ended it; words: FIN, RST, or half (no more is sent, but still heard)
                "ended"    the other end ended it; words: FIN or RST
                "waited"   this end waited in vain; words: for what, how long
                "log"      octets is the line
                "note"     words are for the reader of the story

Marks join them. Each outside connection has a number, each of its transactions a number in it: mark(12) is what EHLO
says, mark(12, 3) is in sender, recipients, Message-ID and body of its third message. marks_in() finds them in octets.
"""
import re
import threading
import time
from typing import NamedTuple

OUTSIDE, POSTERN, INSIDE = SIDES = ("outside", "postern", "inside")
MARK = re.compile(rb"zq-(\d+)-z(\d*)")  # not in the alphabet of session ids
SHOWN = 150  # octets of one event in a story
WIDTH = 10


class Event(NamedTuple):
    at: float
    done: float
    side: str
    connection: str
    kind: str
    octets: bytes = b""
    words: str = ""


class Witness:
    """Takes events down, from any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self._events = []
        self.began = time.monotonic()

    def add(self, side, connection, kind, octets=b"", words="", at=None):
        """`at` is when it began, where that was not now."""
        now = time.monotonic()
        with self._lock:
            self._events.append(Event(now if at is None else at, now, side, connection, kind, bytes(octets), words))

    def events(self):
        """All there are now, in the order in which they were over."""
        with self._lock:
            return list(self._events)

    def story(self):
        """The three logs of a case, aligned by time."""
        return story(self.events(), self.began)


def mark(connection, transaction=None):
    return f"zq-{connection}-z{'' if transaction is None else transaction}"


def marks_in(octets):
    """Pairs (connection, transaction); transaction is None where only the connection is named."""
    return [(int(c), int(t) if t else None) for c, t in MARK.findall(octets)]


def mark_of(octets):
    """The first mark of a transaction, or None."""
    return next((m for m in marks_in(octets) if m[1] is not None), None)


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


def story(events, began=None):
    began = events[0].at if began is None and events else began
    head = "  ".join(f"{side:{WIDTH}}" for side in SIDES)
    lines = [f"{'seconds':>9}  {head}"]
    for event in sorted(events, key=lambda e: e.at):
        lead = " " * (2 + WIDTH) * SIDES.index(event.side)
        lines.append(f"{event.at - began:9.3f}  {lead}{told(event)}")
    return "\n".join(lines)


def told(event):
    sign = {"said": ">", "heard": "<", "log": ""}.get(event.kind, event.kind)
    text = " ".join(part for part in (event.words, shown(event.octets) if event.octets else "") if part)
    if event.kind == "log":
        return event.octets.decode(errors="replace")
    slow = f" ({event.done - event.at:.3f} s)" if event.done - event.at > 0.05 else ""
    return f"{event.connection} {sign} {text}{slow}"


def shown(octets):
    if len(octets) <= SHOWN:
        return repr(octets)[1:]
    half = SHOWN // 2
    return f"{repr(octets[:half])[1:]} .. {len(octets)} octets .. {repr(octets[-half:])[1:]}"
