# SPDX-License-Identifier: ISC
"""A cell of the matrix: one session that meets a fault, then a clean message; judged.

A Cell has a name ("inside mail: RST at RCPT 1"), the kind of Lane that it needs, scripts for the inside servers there,
and play(stage), which is the outside's part. A Lane is a gate's address with the inside servers behind it; one case at
a time. run_cell() gives a Result.
"""
import itertools
import threading
import time

from inside import Script
from judge import Limits, Violation, judge
from outside import REPLY_SECONDS, Outside, is_yes
from reading import read_log
from witness import Witness, mark_of, story

_numbers = itertools.count(1)
QUIET_SECONDS = 4
MEET_SECONDS = 8


class Cell:
    """`scripts`: a dictionary of steps for each server of the lane, the first ones; a fault that no session met makes
    the cell fail."""

    def __init__(self, name, kind, play, *scripts):
        self.name, self.kind, self.play, self.scripts = name, kind, play, scripts

    @property
    def group(self):
        return self.name.split(":")[0]


class Lane:
    """`log(ports, since)` gives the events of the sessions that clients with these ports had."""

    def __init__(self, kind, address, insides, log, limits, patience=REPLY_SECONDS):
        self.kind, self.address, self.insides, self.log, self.limits = kind, address, insides, log, limits
        self.patience = patience  # the outside's, for one reply


class Result:
    def __init__(self, cell, violations, events, began, seconds):
        self.cell, self.violations, self.events, self.began, self.seconds = cell, violations, events, began, seconds

    def story(self):
        return story(self.events, self.began)


class Stage:
    """What a cell's play works with."""

    def __init__(self, lane, cell):
        self.lane, self.cell = lane, cell
        self.witness = Witness()
        self.outsides, self.must_pass = [], set()
        self.met = threading.Event()       # for actions: the fault's place was reached
        self.may_go_on = threading.Event()  # .. and for the play to say so
        self.scripts = [Script(steps) for steps in cell.scripts]
        for number, inside in enumerate(lane.insides):
            inside.play(self.witness, self.scripts[number] if number < len(self.scripts) else None, self)

    def connect(self, pace=0):
        outside = Outside(self.witness, self.lane.address, next(_numbers), self.lane.patience)
        outside.pace = pace
        self.outsides.append(outside)
        return outside

    def wait_met(self, step=None):
        """Until inside has come to the fault: to this step, where one is named."""
        end = time.monotonic() + MEET_SECONDS
        while time.monotonic() < end:
            if self.met.is_set() or any(step in script.done for script in self.scripts if step):
                return
            time.sleep(0.005)

    def must(self, mail):
        """This message has to pass."""
        self.must_pass.add(mail.mark)
        return mail

    def clean(self, outside):
        """A message that must pass, on this connection where it is still there."""
        if outside.is_over or not is_yes(outside.ask(b"RSET\r\n")) or outside.is_over:
            return
        outside.send(self.must(outside.mail()))

    def clean_anew(self):
        outside = self.connect()
        mail = self.must(outside.mail())
        if outside.greet():
            outside.send(mail)
        outside.quit()

    # -- the end of it

    def settle(self):
        """All sessions have ended, on both sides, and the log says so; bounded, the judge sees what is missing."""
        self.may_go_on.set()
        for outside in self.outsides:
            outside.close()
        self.wait_ended()
        self._wait(lambda: all(inside.is_quiet() for inside in self.lane.insides), QUIET_SECONDS)
        return self.witness.events() + self._log()

    def wait_ended(self):
        """Until the log says of each connection so far that it has ended."""
        self._wait(self._have_ended, self.lane.limits.hang_up + QUIET_SECONDS)

    def _have_ended(self):
        ended = {line.session for line in read_log(self._log()) if line.event == "session"}
        return len(ended) >= len(self.outsides)

    def _log(self):
        return self.lane.log({str(outside.port) for outside in self.outsides}, self.witness.began)

    @staticmethod
    def _wait(question, seconds):
        end = time.monotonic() + seconds
        while not question() and time.monotonic() < end:
            time.sleep(0.02)


def run_cell(cell, lane):
    began = time.monotonic()
    stage = Stage(lane, cell)
    found = []
    try:
        cell.play(stage)
        stage.clean_anew()
    except Exception as fault:  # of the tester: never taken for a pass
        found.append(Violation("tester", cell.name, f"{type(fault).__name__}: {fault}"))
    events = stage.settle()
    bugs = [bug for inside in lane.insides for bug in inside.bugs]
    found += [Violation("tester", cell.name, bug) for bug in bugs]
    missed = [step for script in stage.scripts for step in script.actions]
    if missed:
        found.append(Violation("tester", cell.name, f"nobody came to {', '.join(missed)}"))
    marks = {mark_of(text.encode()) for text in stage.must_pass}
    found += judge(events, lane.limits, marks)
    return Result(cell, found, events, stage.witness.began, time.monotonic() - began)


def limits_of(seconds):
    return Limits(greeting=seconds, command=seconds, data=seconds, final=seconds, block=seconds)
