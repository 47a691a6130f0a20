# SPDX-License-Identifier: ISC
"""The judge: what three witnesses saw, held against the laws. Pure: evidence in, violations out.

    witness = Witness()                     # one for each case, given to Outside, Inside and whoever reads the log
    .. the case ..
    for violation in judge(witness.events(), Limits(command=2, data=2, final=2)):
        print(violation.law, violation.where, violation.words)

What it needs of a case:
  - each outside connection's name ends with its number, and it says EHLO <mark>.test, MAIL FROM:<mark..> (outside.Mail
    does all of that); the log lines of its session, event=session with port= among them, are there, or `is_killed`.
  - Limits: the gate's own time-outs towards inside, in seconds, and how long each end may be kept waiting.
  - must_pass: marks (connection, transaction) of messages that have to be delivered, come what may (I6).
  - is_killed: a process of the gate was ended by force; then a connection may end without a word and the log may lack
    lines, but not a word of it may be untrue.

A violation names a law of the design (L1 .. L10), or an invariant: I6 the next clean message passes, I7 the log tells
the truth and names the one doubt that SMTP has. Where the events' order does not prove who knew what, the gate is
given the benefit; "provably before" is a.done < b.at.
"""
import re
from typing import NamedTuple

import laws_inside
import laws_log
import laws_outside
import reading
from witness import mark as mark_text

REPLY_SECONDS = 14  # the outside's own patience is longer than this
HANG_UP_SECONDS = 6


class Violation(NamedTuple):
    law: str
    where: str  # a connection, or a message's mark
    words: str

    def __str__(self):
        return f"{self.law} {self.where}: {self.words}"


class Limits(NamedTuple):
    """Seconds. Of inside: how long the gate waits there; None: no answer is ever late."""
    greeting: float = None
    command: float = None
    data: float = None
    final: float = None
    block: float = None
    reply: float = REPLY_SECONDS      # the longest wait for a reply outside
    hang_up: float = HANG_UP_SECONDS  # from a hang-up outside to event=session

    def of(self, name):
        kind = {"greeting": self.greeting, "DATA": self.data, "dot": self.final, "BDAT": self.block}
        limit = kind.get(name, self.command)
        return float("inf") if limit is None else limit


class Case:
    """All that the laws look at."""

    def __init__(self, events, limits, must_pass, is_killed):
        self.events, self.limits, self.must_pass, self.is_killed = events, limits, set(must_pass), is_killed
        self.outside, self.inside = reading.views(events, limits)
        self.log = reading.read_log(events)
        self.found = []

    def fault(self, law, where, words):
        self.found.append(Violation(law, where, words))

    def messages_of(self, mark):
        """Everything that inside heard as a message of this transaction: (view, message)."""
        return [(view, m) for view in self.inside for m in view.messages if m.mark == mark]

    def asked(self, octets_of, mark):
        """Commands inside that carry the mark: (view, asked), by verb."""
        word = mark_text(*mark).encode()
        pattern = re.compile(rb"(?i)^" + octets_of + rb"[^<]*<" + re.escape(word) + rb"(?!\d)")
        return [(view, a) for view in self.inside for a in view.asked if pattern.search(a.octets)]

    def inside_of(self, view):
        """Inside connections that carried something of this outside one."""
        return [i for i in self.inside if view.number in i.marks]


def judge(events, limits=Limits(), must_pass=(), is_killed=False):
    """Violations, each once."""
    case = Case(events, limits, must_pass, is_killed)
    for law in (*laws_outside.LAWS, *laws_inside.LAWS, *laws_log.LAWS):
        law(case)
    return list(dict.fromkeys(case.found))
