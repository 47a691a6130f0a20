# SPDX-License-Identifier: ISC
"""Slow peers in numbers: each keeps a worker for as long as the options say and no longer, and a good client beside
them gets its banner and delivers. Time-outs are set small; nothing is asserted about time but that things happen."""
import resource
import select
import socket
import time

import pytest

import net
import postern as postern_program
import stories
from inside_server import Inside
from smtp_client import Client

# A worker of the sanitized build is some thirty times as large.
CROWD = 150 if postern_program.SANITIZED else 1000
CONTENT = b"Subject: beside them\r\n\r\ntext\r\n"
# Words, and what ends the answer to them.
HELLO = (b"EHLO slow.test\r\n", b"250 CHUNKING\r\n")
ENVELOPE = (b"MAIL FROM:<slow@example.com>\r\nRCPT TO:<user@example.org>\r\n", b"250 2.1.5 recipient ok\r\n")
DATA = (b"DATA\r\n", b"\r\n354 go ahead\r\n")
CHUNK = (b"BDAT 1000000 LAST\r\n", b"")
# At every step of a session: what a slow client says, awaiting each time what comes then, and what it trickles.
STEPS = [([], b""), ([], b"N"), ([HELLO], b""), ([HELLO], b"MAIL FROM:<"), ([HELLO, ENVELOPE], b"RCPT TO:<x"),
         ([HELLO, ENVELOPE, DATA], b"text "), ([HELLO, ENVELOPE, DATA], b"x\r\n"), ([HELLO, ENVELOPE, CHUNK], b"chunk ")]
TIMEOUT_SECONDS = 4
ALL_SECONDS = 90


class Crowd:
    """Slow clients, each at a step of its own."""

    def __init__(self, address, count):
        self.sockets = {}
        self.replies = {}
        for i in range(count):
            said, drip = STEPS[i % len(STEPS)]
            s = socket.create_connection(address, timeout=30)
            self.sockets[s], self.replies[s] = drip, b""
            self._begin(s, said)

    def _begin(self, s, said):
        """On a busy machine the time may be over before: then 421 is what is heard."""
        try:
            for words, answer in [(b"", b"220 "), *said]:
                s.sendall(words)
                self._hear(s, answer)
        except OSError:
            pass

    def _hear(self, s, answer):
        while answer not in self.replies[s]:
            got = s.recv(65536)
            if not got:
                return
            self.replies[s] += got

    def trickle(self):
        """One octet more of each; False when none is connected any more."""
        for s, drip in list(self.sockets.items()):
            try:
                if drip:
                    s.send(drip[:1])
                self.sockets[s] = drip[1:] + drip[:1]
            except OSError:
                self.sockets[s] = b""  # what it was told before is still to be read
        self._read()
        return bool(self.sockets)

    def _read(self):
        poll = select.poll()
        by_fd = {s.fileno(): s for s in self.sockets}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(0):
            s = by_fd[fd]
            try:
                got = s.recv(65536)
            except OSError:
                got = b""
            self.replies[s] += got
            if not got:
                self._end(s)

    def _end(self, s):
        s.close()
        self.sockets.pop(s, None)

    def close(self):
        for s in list(self.sockets):
            self._end(s)


@pytest.fixture(autouse=True)
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096 <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server():
    inside = Inside()
    stories.add(inside)
    yield inside
    inside.stop()


def deliver(gate):
    with Client(gate.address, timeout=30) as client:
        client.hello("good.test")
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()


def good_messages(server):
    return [m for m in server.accepted if b"beside them" in m.content]


def gate_with_room(server, timeout):
    return postern_program.Postern(server.address, f"listener.max_workers={CROWD + 100}", "listener.stress_timeout=0s",
                                   "listener.min_spare=20", "listener.max_spare=60",
                                   f"listener.command_timeout={timeout}", f"listener.data_timeout={timeout}")


def test_a_good_client_beside_all_of_them(server):
    """None of them has run out of time yet; when they leave, so do their workers."""
    gate = gate_with_room(server, "5m")
    crowd = Crowd(gate.address, CROWD)
    for _ in range(3):
        assert crowd.trickle()
        deliver(gate)
    assert len(crowd.sockets) == CROWD and len(gate.workers()) > CROWD
    crowd.close()
    net.wait_until(lambda: len(gate.workers()) <= 100, 30, "their workers are not retired", gate.story)
    assert len(good_messages(server)) == 3
    gate.stop()
    gate.check_log()


def test_a_crowd_of_slow_clients(server):
    """With room for them nobody is held for longer than he may be, and the good client never notices."""
    gate = gate_with_room(server, f"{TIMEOUT_SECONDS}s")
    deliver(gate)
    crowd = Crowd(gate.address, CROWD)
    delivered = 1
    end = time.monotonic() + ALL_SECONDS
    while crowd.trickle():
        assert time.monotonic() < end, f"{len(crowd.sockets)} are still held\n{gate.story()}"
        deliver(gate)
        delivered += 1
        time.sleep(0.2)
    assert len(good_messages(server)) == delivered
    assert not [m for m in server.messages if m.has_dot and b"beside them" not in m.content]
    assert [text for text in crowd.replies.values() if b"\r\n421 4.4.2 " not in text] == []
    net.wait_until(lambda: len(gate.workers()) <= 100, 30, "their workers are not retired", gate.story)
    gate.stop()
    gate.check_log()


def test_stress_makes_room(server):
    """Without room for them: who is slow goes after stress_timeout, or at once where somebody is turned away for him,
    long before command_timeout; and the good client that is turned away and comes again gets in."""
    gate = postern_program.Postern(server.address, "listener.max_workers=20", "listener.stress_timeout=1s",
                                   "listener.command_timeout=5m", "listener.data_timeout=5m")
    deliver(gate)
    crowd = Crowd(gate.address, 60)

    def gets_in():
        crowd.trickle()
        with Client(gate.address, timeout=30) as client:
            if client.reply().code != 220:
                return False
            client.ask("EHLO good.test", 250)
            assert client.message("user@example.org", CONTENT).code == 250
            client.quit()
            return True
    net.wait_until(gets_in, ALL_SECONDS, "the good client does not get in", gate.story)
    gate.wait_log('ended="(timeout under stress|made room)"')
    crowd.close()
    gate.stop()
    gate.check_log()
