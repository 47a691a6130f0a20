# SPDX-License-Identifier: ISC
"""The minutes that the housekeeper writes down, over minutes of a wall clock that the test sets (wall_clock.c)."""
import os
import re
import signal
import socket
import struct
import time

import pytest

import net
from smtp_client import Client
from test_posternctl import a_message, gates, place, server  # noqa: F401, pylint: disable=unused-import
from wall_clock import WallClock

VALUES = ("sessions", "messages", "refused_messages", "bytes_in", "held_sessions", "turned_away", "limited", "let_go",
          "crashed", "busy", "busy_most", "held", "held_most", "workers")
FORM = re.compile(r'minute time="(\d{4}-\d\d-\d\dT\d\d:\d\dZ)" ago=(\d+) ' + " ".join(rf"{v}=(\d+)" for v in VALUES))
COUNTED = VALUES[:9]


@pytest.fixture
def clock(tmp_path):
    return WallClock(tmp_path)


@pytest.fixture
def start(clock, gates, monkeypatch):  # noqa: F811
    """A function: start("option = value") starts a posternd that goes by the clock."""
    def one(more=""):
        with monkeypatch.context() as environment:
            for name, value in clock.environment().items():
                environment.setenv(name, value)
            gate = gates(more)
        gate.wait_log("event=housekeeper ")
        return gate
    return one


def minutes(gate, count=60):
    return gate.records("minute", "history", str(count))


def pass_time(gate, clock, seconds=60):
    """The minute under way is over then; the last record there is."""
    before = {m["time"] for m in minutes(gate, 1440)}
    clock.go_on(seconds)

    def seen():
        records = minutes(gate, 1440)
        return records if {m["time"] for m in records} - before else None
    return net.wait_until(seen, 15, "no minute is written down", gate.story)[-1]


def minute_number(record):
    return int(time.mktime(time.strptime(record["time"] + " UTC", "%Y-%m-%dT%H:%MZ %Z")) - time.timezone) // 60


def together(gate):
    """Minutes pass while a test runs: what was done in all of them."""
    return {value: sum(m[value] for m in minutes(gate)) for value in COUNTED}


def wait_sessions(gate, count):
    net.wait_until(lambda: gate.records("totals", "stats")[0]["sessions"] == count, 10, "sessions are not counted",
                   gate.story)


def test_what_was_done_is_in_the_minutes(start, clock):
    gate = start()
    for _ in range(3):
        assert a_message(gate).code == 250
    wait_sessions(gate, 3)
    with Client(gate.address) as client:
        client.hello()
        record = pass_time(gate, clock)
        assert record["busy"] == 1 <= record["busy_most"] and record["held"] == 0 and record["workers"] >= 2, record
        sums = together(gate)
        assert sums["sessions"] == sums["messages"] == 3 and sums["refused_messages"] == sums["crashed"] == 0, sums
        assert sums["bytes_in"] == gate.records("totals", "stats")[0]["bytes_in"] > 0
        client.quit()
    wait_sessions(gate, 4)
    gate.ctl("reload")  # the workers that said so are gone then
    assert a_message(gate).code == 250
    wait_sessions(gate, 5)
    pass_time(gate, clock)
    assert (together(gate)["sessions"], together(gate)["messages"]) == (5, 4)


def test_the_history_survives_the_housekeeper(start, clock):
    gate = start()
    assert a_message(gate).code == 250
    wait_sessions(gate, 1)
    first = pass_time(gate, clock)
    assert a_message(gate).code == 250
    wait_sessions(gate, 2)
    before = gate.housekeeper()
    os.kill(before, signal.SIGKILL)
    net.wait_until(lambda: not net.is_alive(before) and gate.housekeeper() != before, 10, "no other housekeeper")
    pass_time(gate, clock)
    assert together(gate)["messages"] == 2 and first["time"] in [m["time"] for m in minutes(gate)]


def test_minutes_without_posternd_are_left_out(start, clock):
    gate = start()
    pass_time(gate, clock)
    pass_time(gate, clock, 30 * 60)
    pass_time(gate, clock)
    numbers = [minute_number(m) for m in minutes(gate)]
    assert numbers == sorted(set(numbers)) and len(numbers) <= 5 and numbers[-1] - numbers[0] >= 30, numbers
    assert len(minutes(gate, 20)) < len(numbers)
    # In two steps: the minute under way has to be seen when it is written down, before it is a day old itself.
    pass_time(gate, clock, 24 * 3600 - 10 * 60)
    pass_time(gate, clock, 11 * 60)
    assert not set(numbers) & {minute_number(m) for m in minutes(gate, 1440)}, "a day is over"


def test_the_form(start, clock):
    """As a program reads it, octet by octet."""
    gate = start()
    assert a_message(gate).code == 250
    wait_sessions(gate, 1)
    pass_time(gate, clock)
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(gate.socket)
        control.sendall(b"history 1440\n")
        now = int(clock.now()) // 60
        lines = control.makefile().read().splitlines()
    assert lines[-1] == "ok" and len(lines) > 1
    for line in lines[:-1]:
        found = FORM.fullmatch(line)
        assert found, line
        at = minute_number({"time": found.group(1)})
        assert 0 <= at + int(found.group(2)) - now <= 1 and int(found.group(2)) >= 1, line
    table = gate.ctl("history").stdout
    assert re.match(r"MINUTE +SESSIONS +MESSAGES +REFUSED +RECEIVED", table), table
    assert len(table.splitlines()) == len(lines)


def test_what_a_hostile_housekeeper_writes_is_shown_in_range(start, clock):
    gate = start()
    record = pass_time(gate, clock)
    with open(net.region_of(gate.master, "history"), "r+b", buffering=0) as region:
        octets = region.read()
        at = octets.index(struct.pack("<q", minute_number(record))) + 8
        for values in (b"\xff" * 8 * len(VALUES), os.urandom(8 * len(VALUES)), b"\0" * 7 + b"\x80"):
            region.seek(at)
            region.write(values)
            shown = [m for m in minutes(gate, 1440) if m["time"] == record["time"]]
            assert len(shown) == 1 and all(0 <= shown[0][v] < 2 ** 53 for v in VALUES), shown
        assert gate.ctl("history").returncode == 0
        for noise in (b"\xff" * len(octets), os.urandom(len(octets)), bytes(len(octets))):
            region.seek(0)
            region.write(noise)
            assert all(0 <= m[v] < 2 ** 53 for m in minutes(gate, 1440) for v in VALUES)
        net.wait_until(lambda: os.pread(region.fileno(), 8, 0) == struct.pack("<q", int(clock.now()) // 60), 10,
                       "the housekeeper does not go on", gate.story)
    assert a_message(gate).code == 250
    wait_sessions(gate, 1)
    pass_time(gate, clock)
    assert a_message(gate).code == 250
    wait_sessions(gate, 2)
    assert pass_time(gate, clock)["messages"] <= 1
    assert gate.records("posternd", "status")[0]["housekeeper_restarts"] == 0


def test_how_many_minutes(start):
    gate = start()
    assert gate.ctl("history", "1").stdout == "no minute was written down in that time\n" or minutes(gate, 1)
    for wrong in ("0", "1441", "x", "18446744073709551617", "1m"):
        assert "1 to 1440" in gate.ask("history", wrong, status=1)["error"]["why"], wrong
    assert gate.ctl("history", "1", "2").returncode == 2
