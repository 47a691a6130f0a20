# SPDX-License-Identifier: ISC
"""Who is held, and who makes room: real workers and their pressure pipe. Nothing is asserted about time but that the
right one goes, and the others stay."""
import os
import select
import socket
import time

import pytest

import net
import postern as postern_program
import stories
from inside_server import Inside
from smtp_client import Client

HOUSE = 10
SPARE = 2
BUSY = b"421 4.3.2 Busy, try again later\r\n"
GOES_SECONDS = 20
STAYS_SECONDS = 0.3


@pytest.fixture
def server():
    inside = Inside()
    stories.add(inside)
    yield inside
    inside.stop()


def gate_with(server, *options):
    """It knows no stress: with so few workers there would be no delay left."""
    return postern_program.Postern(server.address, f"listener.max_workers={HOUSE}", f"listener.min_spare={SPARE}",
                                   f"listener.max_spare={HOUSE}", "listener.stress_timeout=0s", *options)


def gate_that_holds(server, *options):
    return gate_with(server, "policy.pregreet.mode=enforce", "policy.pregreet.wait=1m", *options)


class Held:
    """A client that says nothing, of which the gate has taken notice."""

    def __init__(self, gate, greeting=b""):
        self.socket = socket.create_connection(gate.address, timeout=30)
        self.heard = b""
        while not self.heard.endswith(greeting):
            self.heard += self.socket.recv(1000)
        self.heard = b""
        port = self.socket.getsockname()[1]
        net.wait_until(lambda: net.holder_of(gate.address[1], port, gate.workers()), 10, "nobody serves it", gate.story)

    def hear(self, seconds):
        """What it has heard when it is told to go, or when the time is over."""
        self.socket.settimeout(seconds)
        try:
            while got := self.socket.recv(1000):
                self.heard += got
        except TimeoutError:
            pass
        return self.heard

    def goes(self):
        return self.hear(GOES_SECONDS) == BUSY

    def close(self):
        self.socket.close()


def all_stay(clients):
    return select.select([client.socket for client in clients], [], [], STAYS_SECONDS)[0] == []


def wait_for_house(gate):
    """All workers that there may be are there, or will be when they are needed."""
    return net.wait_until(lambda: len(gate.settled_workers()) >= SPARE, 20, "no workers", gate.story)


def test_the_longest_held_makes_room(server):
    """In a full house each new client sends the one that was held longest away, and nobody else."""
    gate = gate_that_holds(server, "listener.tarpit_share=100")
    wait_for_house(gate)
    held = [Held(gate) for _ in range(HOUSE - SPARE)]
    assert all_stay(held)
    for _ in range(HOUSE):
        held.append(Held(gate))
        assert held.pop(0).goes(), gate.story()
        assert all_stay(held), gate.story()
    for client in held:
        client.close()
    gate.wait_log('held_ms=[1-9].* ended="made room"')
    gate.stop()
    gate.check_log()


def test_a_flood_is_held_and_let_go(server):
    """Many at once: some are turned away, the house stays full of those that came last, and nobody is stuck."""
    gate = gate_that_holds(server, "listener.tarpit_share=100")
    wait_for_house(gate)
    flood = [socket.create_connection(gate.address, timeout=30) for _ in range(10 * HOUSE)]
    left = list(flood)

    def most_went():
        for s in list(left):
            s.settimeout(0.01)
            try:
                if s.recv(1000).startswith(b"421 4.3.2 "):
                    left.remove(s)
            except TimeoutError:
                pass
        return len(left) <= HOUSE
    net.wait_until(most_went, 60, "the flood stays", gate.story)
    for s in flood:
        s.close()
    with Client(gate.address, timeout=30):
        pass
    net.wait_until(lambda: gate.log().count("event=session") >= HOUSE, 20, "they are still held", gate.story)
    gate.stop()
    gate.check_log()


def test_no_more_are_held_than_may_be(server):
    """Beyond tarpit_share the longest held goes, though there is room."""
    gate = gate_that_holds(server, "listener.tarpit_share=30")
    wait_for_house(gate)
    held = [Held(gate) for _ in range(3)]
    assert all_stay(held)
    for _ in range(4):
        held.append(Held(gate))
        assert held.pop(0).goes(), gate.story()
        assert all_stay(held), gate.story()
    for client in held:
        client.close()
    gate.stop()
    gate.check_log()


def test_who_lets_us_wait_makes_room(server):
    """Not held, but silent for longer than a second: it goes when others need the room."""
    gate = gate_with(server)
    wait_for_house(gate)
    silent = [Held(gate, b"\r\n") for _ in range(HOUSE - SPARE)]
    time.sleep(1.5)
    assert all_stay(silent)
    with Client(gate.address, timeout=30) as client:
        client.hello("new.test")
        assert silent[0].goes(), gate.story()
        assert client.message("user@example.org", b"Subject: x\r\n\r\ntext\r\n").code == 250
        client.quit()
    assert all_stay(silent[1:])
    for client in silent:
        client.close()
    gate.stop()
    gate.check_log()


def test_a_hang_up_frees_the_worker(server):
    gate = gate_that_holds(server)
    client = Held(gate)
    client.close()
    gate.wait_log('held_ms=.* ended="client hung up"')
    client = Held(gate)
    client.socket.shutdown(socket.SHUT_WR)
    assert client.hear(GOES_SECONDS) == b""
    net.wait_until(lambda: gate.log().count('ended="client hung up"') == 2, 10, "it is held on", gate.story)
    gate.stop()
    gate.check_log()


def cost(pid):
    """(descriptors, KiB of its own) of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        own = next(line for line in status if line.startswith("RssAnon:"))
    return len(os.listdir(f"/proc/{pid}/fd")), int(own.split()[1])


def test_nothing_is_left_behind(server):
    """A worker that held, let go and lost hundreds of clients is as it was after the first few."""
    gate = postern_program.Postern(server.address, "listener.max_workers=4", "listener.min_spare=1",
                                   "listener.max_spare=4", "policy.pregreet.mode=enforce", "policy.pregreet.wait=1m",
                                   "listener.stress_timeout=0s", "listener.tarpit_share=25")

    def hold(count):
        before_all = gate.log().count("event=session")
        for i in range(count):
            client = Held(gate)
            if i % 2:
                later = Held(gate)
                # Of two who came at almost the same time it may be either.
                assert select.select([client.socket, later.socket], [], [], GOES_SECONDS)[0], gate.story()
                later.close()
            client.close()
            ended = i + 1 + (i + 1) // 2
            net.wait_until(lambda: gate.log().count("event=session") - before_all >= ended, 20, "it is held on",
                           gate.story)
    hold(20)
    before = {pid: cost(pid) for pid in gate.workers()}
    hold(60)
    after = {pid: cost(pid) for pid in gate.workers() if pid in before}
    assert after
    for pid, (descriptors, own) in after.items():
        assert descriptors == before[pid][0], f"{before} {after}"
        assert own <= before[pid][1] + 64 or postern_program.SANITIZED, f"{before} {after}"
    gate.stop()
    gate.check_log()
