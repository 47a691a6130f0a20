# SPDX-License-Identifier: ISC
"""Signals at each step of a session, to the worker that holds it, the housekeeper and the master."""
import os
import signal
import threading
import time

from machine_rig import BRISK_SECONDS, SETTLE_SECONDS, Gate, Violation, demand, net
from outside import is_yes

FATAL = ("KILL", "SEGV", "ABRT")
# Where the outside calls: before it says the next thing. Where inside does: before it answers.
OUTSIDE_STEPS = ("connected", "greeted", "hello", "mail", "rcpt", "354", "half", "answered")
INSIDE_STEPS = ("banner", "EHLO 1", "XCLIENT", "EHLO 2", "MAIL", "RCPT 1", "DATA", "data", "dot", "QUIT")
AFTER = "after the dot's answer"  # inside has said it; whether it was heard is open
LATE = ("answered", "QUIT", AFTER)  # the answer may have been heard by then
STEPS = (*OUTSIDE_STEPS, *INSIDE_STEPS, AFTER)
PAUSE_SECONDS = 0.3  # how long somebody is stopped


class Call:
    """What is done once when a session comes to the step."""

    def __init__(self, step, function):
        self.step, self.function = step, function
        self.done = threading.Event()
        self.trouble = None

    def now(self):
        try:
            self.function()
        except Exception as fault:  # in a thread of inside's: kept for the cell
            self.trouble = fault
        self.done.set()

    def actions(self):
        """For the inside."""
        if self.step == AFTER:
            return {"dot": lambda connection, usual: (connection.say(usual), self.now())}
        if self.step in INSIDE_STEPS:
            return {self.step: lambda connection, usual: (self.now(), connection.say(usual) if usual else None)}
        return {}

    def at(self, step):
        """For the outside."""
        if step == self.step:
            self.now()

    def demand_done(self):
        demand(self.done.wait(SETTLE_SECONDS), f"the session never came to {self.step}")
        if self.trouble:
            raise self.trouble


def talk(outside, call):
    """One message, in so many steps; as far as it goes. The answer to the dot."""
    mail = outside.mail(lines=(b"x" * 70,) * 3000)
    half = len(mail.stuffed) // 2
    answer = None
    for step, say in (("connected", lambda: outside.reply()), ("greeted", lambda: outside.ask(outside.hello)),
                      ("hello", lambda: outside.ask(mail.mail_line)), ("mail", lambda: outside.ask(mail.rcpt_lines[0])),
                      ("rcpt", lambda: outside.ask(b"DATA\r\n"))):
        call.at(step)
        answer = say()
        if answer is None or answer[:1] not in b"23":
            return None
    call.at("354")
    outside.say(mail.stuffed[:half])
    call.at("half")
    outside.say(mail.stuffed[half:] + b".\r\n")
    answer = outside.reply()
    call.at("answered")
    outside.ask(b"QUIT\r\n")
    outside.drain()
    return answer


def session(house, step, make):
    """One session in which make(pid of its worker) is called at the step; the answer to its message."""
    call = Call(step, lambda: make(worker))
    house.play(call.actions())
    outside = house.connect()
    worker = house.worker_of(outside)
    answer = talk(outside, call)
    outside.close()
    call.demand_done()
    return answer


# -- the worker

def worker_dies(house, step, name):
    victims = []

    def kill(worker):
        victims.append(worker)
        _end(worker, name)
    answer = session(house, step, kill)
    demand(answer is None or step in LATE, f"{answer} from beyond the grave")
    house.settle(lenient=True)
    house.gate.wait_log(rf"event=worker-crashed .*pid={victims[0]} .*signal={name}")


def worker_stops(house, step, _name):
    """Meanwhile another is served, and what was sent to the stopped one goes on when it does."""
    seen = []

    def stop(pid):
        os.kill(pid, signal.SIGSTOP)
        # By somebody else, since inside and outside may be waiting for us.
        threading.Thread(target=serve_other, args=(pid,)).start()

    def serve_other(pid):
        began = time.monotonic()
        try:
            answer, _ = house.converse(long=False)
            seen.append((answer, time.monotonic() - began))
        finally:
            time.sleep(PAUSE_SECONDS)
            os.kill(pid, signal.SIGCONT)
    answer = session(house, step, stop)
    net.wait_until(lambda: seen, SETTLE_SECONDS, "the other session does not end", house.story)
    demand(is_yes(seen[0][0]) and seen[0][1] < BRISK_SECONDS, f"beside a stopped worker: {seen[0]}")
    demand(is_yes(answer), f"a worker that was stopped for a moment: {answer}\n{house.story()}")
    house.settle()


# -- the housekeeper

def housekeeper_dies(house, step, name):
    """No session notices; there is another one soon."""
    pid = house.gate.housekeeper()
    answer = session(house, step, lambda _: _end(pid, name))
    demand(is_yes(answer), f"the housekeeper's end cost a message: {answer}\n{house.story()}")
    net.wait_until(lambda: house.gate.housekeeper() != pid, SETTLE_SECONDS, "no other housekeeper", house.story)
    house.settle()


def housekeeper_stops(house, step, _name):
    pid = house.gate.housekeeper()
    try:
        answer = session(house, step, lambda _: os.kill(pid, signal.SIGSTOP))
        demand(is_yes(answer), f"a stopped housekeeper cost a message: {answer}\n{house.story()}")
        house.pass_clean()
    finally:
        os.kill(pid, signal.SIGCONT)
    house.settle()


# -- the master

def master_stops(house, step, _name):
    """The session goes on, and there is room for another."""
    try:
        answer = session(house, step, lambda _: os.kill(house.master, signal.SIGSTOP))
        demand(is_yes(answer), f"a stopped master cost a message: {answer}\n{house.story()}")
        house.judge()
        house.pass_clean()
    finally:
        os.kill(house.master, signal.SIGCONT)
    house.settle()


def master_dies(house, step, name):
    """The session is brought to its end, who waited leaves, and a new master has the port at once: the house's from
    then on."""
    news = []

    def kill(_worker):
        workers.extend(house.gate.workers())
        _end(house.master, name)
        house.gate.process.wait()
        news.append(_new_gate(house))
    workers = []
    answer = session(house, step, kill)
    demand(is_yes(answer) or step in ("connected",), f"the master's end cost a message: {answer}\n{house.story()}")
    old, house.gate = house.gate, news[0]
    house.master = house.gate.master
    net.wait_until(lambda: not any(map(net.is_alive, workers)), SETTLE_SECONDS, "workers without a master stay",
                   old.story)
    house.judge(lenient=True)
    house.pass_clean()
    old.stop()


def _new_gate(house):
    """As an init system would: again at once where it failed."""
    end = time.monotonic() + BRISK_SECONDS
    while True:
        try:
            return Gate(house.gate.address, house.server.address)
        except AssertionError as fault:
            if time.monotonic() > end:
                raise Violation(f"a new master cannot have the port: {fault}") from None


def _end(pid, name):
    os.kill(pid, getattr(signal, f"SIG{name}"))
    net.wait_until(lambda: not net.is_alive(pid), SETTLE_SECONDS, f"{pid} does not die of {name}")
