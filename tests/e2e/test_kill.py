# SPDX-License-Identifier: ISC
"""kill -9 at every step of a session: nothing is acknowledged that inside did not accept, and the house goes on."""
import os
import signal
import threading
import time

import pytest

import net
from inside_server import calling, stall
from smtp_client import Client, Closed

CONTENT = b"Subject: kill\r\n\r\ntext\r\n"
LONG = b"Subject: kill\r\n\r\n" + (b"x" * 98 + b"\r\n") * 4000  # more than anyone keeps back
STEPS = ["connect", "EHLO", "XCLIENT", "MAIL", "RCPT", "DATA", "body", "dot"]
QUEUED = b"250 2.0.0 queued as LATE\r\n"


def converse(client, server):
    """A whole session; each reply that came, by what was asked, until the connection ended."""
    heard = {}
    try:
        heard["banner"] = client.reply()
        for name, line in (("EHLO", "EHLO client.test"), ("MAIL", "MAIL FROM:<sender@example.com>"),
                           ("RCPT", "RCPT TO:<user@example.org>"), ("DATA", "DATA")):
            heard[name] = client.command(line)
        if heard["DATA"].code == 354:
            client.send(LONG)
            net.wait_until(lambda: server.messages and server.messages[-1].octets, 10, "no data inside", server.story)
            client.send(b".\r\n")
            heard["dot"] = client.reply()
        heard["QUIT"] = client.command("QUIT")
    except (Closed, ConnectionError):
        pass
    return heard


def assert_next_session_works(gate, server):
    before = len(server.accepted)
    with Client(gate.address) as client:
        client.hello()
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()
    assert len(server.accepted) == before + 1


class Killer:
    """Kills who serves the client; returns when it is gone, so that nothing it could still do is left to chance."""

    def __init__(self, gate):
        self.gate = gate
        self.client = None
        self.victim = None
        self._done = threading.Event()

    def __call__(self):
        self.victim = self.gate.worker_of(self.client)
        os.kill(self.victim, signal.SIGKILL)
        net.wait_until(lambda: not net.is_alive(self.victim), 10, f"worker {self.victim} does not die")
        self._done.set()

    def has_killed(self):
        return self._done.wait(10)


@pytest.fixture
def postern(postern):
    """As everywhere, but that here workers crash."""
    def start(*arguments):
        gate = postern(*arguments)
        gate.expects_crashes = True
        return gate
    return start


@pytest.mark.parametrize("then", ["silent", "accepting"])
@pytest.mark.parametrize("step", STEPS)
def test_worker_killed(inside, postern, step, then):
    """The inside server kills the worker when it hears the step, then says nothing more or goes on as if all were
    well. "body" is within the data; "dot" has the whole message and has not answered."""
    server = inside()
    gate = postern(server.address)
    master, killer = gate.master, Killer(gate)
    goes_on = {"dot": QUEUED, "connect": b"220 late\r\n", "DATA": b"354 late\r\n"}.get(step, b"250 2.0.0 late\r\n")
    server.script[step] = calling(killer, stall if then == "silent" else goes_on)
    with Client(gate.address) as client:
        killer.client = client
        heard = converse(client, server)
    assert killer.has_killed(), f"the session never came to {step}"
    assert "dot" not in heard, f"an answer to the dot from beyond the grave: {heard}"
    assert not server.accepted
    server.script.clear()
    assert gate.master == master and net.is_alive(master)
    assert_next_session_works(gate, server)
    assert killer.victim not in gate.workers()
    gate.wait_log(rf"(?i)crash.*{killer.victim}|{killer.victim}.*crash")


def test_worker_killed_while_idle_in_the_conversation(inside, postern):
    server = inside()
    gate = postern(server.address)
    with Client(gate.address) as client:
        client.hello()
        os.kill(gate.worker_of(client), signal.SIGKILL)
        assert client.is_closed()
    assert_next_session_works(gate, server)
    gate.wait_log("(?i)crash")


def test_idle_workers_killed_are_replaced(inside, postern):
    server = inside()
    gate = postern(server.address, "listener.max_workers=8", "listener.max_spare=4", "listener.min_spare=2")
    for _ in range(3):
        victims = net.wait_until(gate.workers, 10, "no workers", gate.story)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        net.wait_until(lambda gone=victims: gate.workers() and not set(gone) & set(gate.workers()), 30,
                       "killed workers are not replaced", gate.story)
        assert_next_session_works(gate, server)


def test_others_do_not_notice(inside, postern):
    """A session in the same house, killed at its side, leaves the rest alone."""
    server = inside()
    gate = postern(server.address)
    with Client(gate.address) as survivor, Client(gate.address) as victim:
        survivor.hello()
        survivor.begin("user@example.org")
        survivor.send(CONTENT)
        victim.hello()
        victim.begin("user@example.org")
        os.kill(gate.worker_of(victim), signal.SIGKILL)
        assert victim.is_closed()
        survivor.send(b".\r\n")
        survivor.expect(250)
        survivor.quit()
    assert len(server.accepted) == 1


def test_inside_connection_dies_with_the_worker(inside, postern):
    """In the middle of data: inside sees the end of the connection and no dot."""
    server = inside()
    gate = postern(server.address)
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(CONTENT)
        os.kill(gate.worker_of(client), signal.SIGKILL)
        assert client.is_closed()
    net.wait_until(lambda: server.sessions[0].ended, 10, "inside still waits", server.story)
    assert not [m for m in server.messages if m.has_dot]


def test_master_killed(inside, postern):
    """The open session may finish its message; then everyone leaves, and the port is free for a new master."""
    server = inside()
    gate = postern(server.address)
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        workers = gate.workers()
        os.kill(gate.master, signal.SIGKILL)
        client.send(CONTENT + b".\r\n")
        client.expect(250)
        client.send(b"QUIT\r\n")
        client.all_replies()
    assert len(server.accepted) == 1
    net.wait_until(lambda: not [pid for pid in workers if net.is_alive(pid)], 30, "orphans are left", gate.story)
    net.wait_until(lambda: not net.is_listening(gate.address), 10, "the port is not free", gate.story)
    gate.wait()


def test_master_killed_beside_a_busy_client(inside, postern):
    """One whose client never pauses lets go of the port as soon as any other: a new master is not to wait for him."""
    gate = postern(inside().address, "listener.max_commands=100000")
    with Client(gate.address) as client:
        client.hello()
        os.kill(gate.master, signal.SIGKILL)
        end = time.monotonic() + 10
        while net.is_listening(gate.address):
            assert time.monotonic() < end, f"the port is not free\n{gate.story()}"
            client.ask("NOOP", 250)
            time.sleep(0.01)
        client.ask("QUIT", 221)
    gate.wait()
