# SPDX-License-Identifier: ISC
"""The loads: what is sent through a front, and what one run of it gives."""
import json
import subprocess
import time

import machine
import report
from private import BUILD, spelled

LIMIT = 120  # seconds that a run may take at most
sent = 0  # messages by all of them: the sink must have as many


class Failed(Exception):
    """The front did not carry this load."""


def count_sent(messages):
    global sent
    sent += messages


class Load:
    """`sample` is one run through a front: a rate and who used the processors for how long."""

    NAME = TITLE = UNIT = None
    TRIAL = 200  # messages that tell how many fit into a run; they warm up the front, too
    PER_MESSAGE = 1.0  # of UNIT
    MESSAGES_MIN = 20
    table = staticmethod(report.rates)

    def fits(self, front):
        return True

    def send(self, front, messages):
        """Seconds that it took, and what else was found: a dict."""
        raise NotImplementedError

    def sample(self, front, sink, messages):
        meter = machine.Meter(front.root, sink.root, front.log_reader, front.beside)
        seconds, more = self.send(front, messages)
        used = meter.stop()
        return {"messages": messages, "seconds": seconds, "rate": messages * self.PER_MESSAGE / seconds,
                "front_ms": 1000 * used["front"] / messages, "sink_ms": 1000 * used["sink"] / messages,
                "load_ms": 1000 * used["load"] / messages, "beside_ms": 1000 * used["beside"] / messages,
                "all_ms": 1000 * sum(used[who] for who in ("front", "log", "sink", "beside", "load")) / messages,
                "foreign": used["foreign"], **more}

    def messages_for(self, front, seconds):
        """A number that takes about so long; trials tell, of which the first finds everybody cold."""
        self.send(front, self.TRIAL)
        took = min(self.send(front, self.TRIAL)[0] for _ in range(2))
        return max(self.MESSAGES_MIN, round(self.TRIAL * seconds / took))


class Source(Load):
    """Postfix's smtp-source, which sends HELO and does not pipeline."""

    def __init__(self, name, title, sessions, size, many=False, trial=200):
        self.NAME, self.TITLE, self.TRIAL = name, title, trial
        self.UNIT = "MB/s" if size > 1000000 else "messages/s"
        self.PER_MESSAGE = size / 1e6 if size > 1000000 else 1.0
        self.options = ["-s", str(sessions), "-l", str(size), *(["-d"] if many else [])]
        self.MESSAGES_MIN = sessions

    def send(self, front, messages):
        command = ["/usr/sbin/smtp-source", "-M", "client.example", "-f", "s@example.org", "-t", "r@example.com",
                   *self.options, "-m", str(messages), spelled(front.address)]
        began = time.monotonic()
        said = run(command)
        seconds = time.monotonic() - began
        if said:
            raise Failed(said)
        count_sent(messages)
        return seconds, {}


class Own(Load):
    """tests/bench/load, which says EHLO and does not pipeline either, and knows TLS and the times of a session."""

    def __init__(self, name, title, *options, unit="messages/s", trial=100, table=report.rates):
        self.NAME, self.TITLE, self.UNIT, self.TRIAL, self.options = name, title, unit, trial, options
        self.table = table

    def fits(self, front):
        return front.tls or "--starttls" not in self.options

    def send(self, front, messages):
        found = json.loads(run([BUILD + "/bench-load", *self.options, "--messages", str(messages),
                                "--limit", str(LIMIT), spelled(front.address)]))
        count_sent(found["messages"])
        return found["seconds"], {name: found[name] for name in ("resumed", "banner_us", "message_us", "session_us")}


def run(command):
    """What it said; it went well."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=LIMIT + 10)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {LIMIT} s") from None
    if done.returncode != 0:
        raise Failed(done.stdout.strip() or f"status {done.returncode}")
    return done.stdout.strip()


LOADS = {load.NAME: load for load in (
    Source("w1", "20 sessions at a time, 4 KiB, one message a connection", 20, 4096),
    Source("w2", "20 sessions at a time, 4 KiB, many messages a connection", 20, 4096, many=True, trial=800),
    Source("w3", "4 sessions at a time, 10 MiB, one message a connection", 4, 10485760, trial=8),
    Source("w4", "200 connections at once, 1 KiB, one message a connection", 200, 1024, trial=600),
    Own("times", "one session at a time, 4 KiB, one message each", "--size", "4096", table=report.times),
    Own("tls-full", "20 sessions at a time with STARTTLS, 1 KiB each, a full handshake", "--sessions", "20", "--size",
        "1024", "--starttls", "full", unit="sessions/s"),
    Own("tls-resume", "20 sessions at a time with STARTTLS, 1 KiB each, all but each place's first resumed",
        "--sessions", "20", "--size", "1024", "--starttls", "resume", unit="sessions/s"),
)}
