# SPDX-License-Identifier: ISC
"""max_sessions: an inside server that counts who is with it never counts one too many, and everybody gets his turn.
Real workers of several listeners and generations, probes among them, and workers that are killed."""
import os
import random
import select
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import net
from inside_server import Inside
from smtp_client import Client, Closed
from test_posternctl import Gate, place  # noqa: F401, pylint: disable=unused-import

CONFIGURATION = """\
hostname = stand.example.org
log = stderr
user = nobody
group = nogroup
control_socket = {socket}
probe_interval = {probes}
listener one {{ address = "127.0.0.1:{port}" backend = inside policy = permissive received = no }}
listener two {{ address = "127.0.0.1:{other}" backend = inside policy = permissive received = no }}
backend inside {{
    pass_client = none
    max_sessions_wait = {wait}
    {servers}
}}
policy permissive {{ recipient {{ relay_domains = "*" }} }}
"""
CONTENT = b"Subject: %d\r\n\r\nhello\r\n"
BUSY = "451 4.3.2 The mail server is busy, try again later"
WORK_SECONDS = 0.05


class Counted:
    """A connection. As inside sees it, it has ended before it is closed: nobody can know sooner."""

    def __init__(self, inside, connection):
        self._inside, self._connection = inside, connection

    def close(self):
        self._inside.leave(self)
        self._connection.close()

    def is_cut(self):
        """The other side's kernel has ended it."""
        poll = select.poll()
        poll.register(self._connection, select.POLLRDHUP)
        return bool(poll.poll(0))

    def __getattr__(self, name):
        return getattr(self._connection, name)


class Counting(Inside):
    """Counts who is there whenever somebody comes. `sees_cuts`: who was killed is not there any more, though nobody has
    looked yet."""

    def __init__(self, sees_cuts=False):
        self._there, self._counter = [], threading.Lock()
        self.peak, self.order, self.sees_cuts = 0, [], sees_cuts
        super().__init__({"dot": Counting.work})

    @staticmethod
    def work(session):
        time.sleep(WORK_SECONDS)
        session.messages[-1].accepted = True
        session.say(b"250 2.0.0 queued\r\n")

    def come(self, connection):
        counted = Counted(self, connection)
        with self._counter:
            self._there.append(counted)
            there = [c for c in self._there if not (self.sees_cuts and c.is_cut())]
            self.peak = max(self.peak, len(there))
        return counted

    def leave(self, connection):
        with self._counter:
            if connection in self._there:
                self._there.remove(connection)

    def start_session(self, connection):
        return super().start_session(self.come(connection))


class CountedGate(Gate):
    def __init__(self, directory, servers, bound=3, wait="30s", probes="0s"):
        self.others = ("127.0.0.1", net.free_port())
        self.bound, self.wait_time, self.probes = bound, wait, probes
        self.servers = servers
        super().__init__(directory, servers[0])

    def write(self, text):
        """As the class would, but a configuration of our own."""
        lines = [f'server s{n} {{ address = "127.0.0.1:{s.address[1]}" max_sessions = {self.bound} }}'
                 for n, s in enumerate(self.servers, 1)]
        port = text.split('address = "127.0.0.1:', 1)[1].split('"')[0]
        super().write(CONFIGURATION.format(socket=self.socket, port=port, other=self.others[1], wait=self.wait_time,
                                           probes=self.probes, servers="\n    ".join(lines)))

    def server_records(self):
        return self.records("server", "servers")

    def wait_for(self, sessions, waiting, number=0):
        def is_so():
            record = self.server_records()[number]
            return record["sessions"] == sessions and record["waiting"] == waiting
        net.wait_until(is_so, 20, f"not {sessions} there and {waiting} waiting", self.story)


@pytest.fixture
def servers():
    """A function: counting servers that end with the test."""
    started = []

    def start(count=1, **options):
        started.extend(Counting(**options) for _ in range(count))
        return started
    yield start
    for server in started:
        server.stop()


@pytest.fixture
def gate_of(place):  # noqa: F811
    started = []

    def start(*arguments, **options):
        started.append(CountedGate(place, *arguments, **options))
        return started[-1]
    yield start
    for gate in started:
        gate.stop()
        gate.check_log()


def deliver(address, number, patience=60):
    """A session with one message; the answer to it, or what ended it before."""
    with Client(address, timeout=patience) as client:
        client.hello()
        reply = client.command("MAIL FROM:<sender@example.com>")
        if reply.code == 250:
            client.ask("RCPT TO:<user@example.org>", 250)
            client.ask("DATA", 354)
            client.send(CONTENT % number + b".\r\n")
            reply = client.reply()
        client.quit()
        return reply


def deliver_until_taken(address, number):
    """Also where a worker is killed meanwhile."""
    for _ in range(20):
        try:
            if deliver(address, number).code == 250:
                return True
        except (Closed, OSError, AssertionError):
            pass
    return False


def test_never_one_too_many(gate_of, servers):
    """30 at once by two listeners, a reload in the middle, and probes as often as can be."""
    inside, = servers()
    gate = gate_of([inside], probes="100ms")
    addresses = [gate.address, gate.others]
    with ThreadPoolExecutor(30) as pool:
        results = [pool.submit(deliver, addresses[n % 2], n) for n in range(60)]
        net.wait_until(lambda: len(inside.accepted) > 10, 30, "nothing is delivered", gate.story)
        gate.ctl("reload")
        replies = [result.result() for result in results]
    assert [reply.code for reply in replies] == [250] * 60
    assert inside.peak == 3
    assert sorted(m.content for m in inside.accepted) == sorted(CONTENT % n for n in range(60))
    gate.wait_log("event=session .*inside_wait_ms=[1-9]")
    gate.wait_for(0, 0)
    assert gate.server_records()[0]["max_sessions"] == 3


def test_in_the_order_of_coming(gate_of, servers):
    inside, = servers()
    gate = gate_of([inside], bound=1)
    first = Client(gate.address)
    first.hello()
    first.ask("MAIL FROM:<sender@example.com>", 250)
    with ThreadPoolExecutor(8) as pool:
        results = []
        for n in range(8):
            gate.wait_for(1, n)
            results.append(pool.submit(deliver, gate.address, n))
        gate.wait_for(1, 8)
        first.quit()
        assert all(result.result().code == 250 for result in results)
    assert [m.content for m in inside.accepted] == [CONTENT % n for n in range(8)]
    assert inside.peak == 1


def test_who_waits_in_vain(gate_of, servers):
    """.. is told so, may come again in the same session, and costs nobody a place."""
    inside, = servers()
    gate = gate_of([inside], bound=1, wait="300ms")
    with Client(gate.address) as first, Client(gate.address) as second:
        first.hello()
        first.ask("MAIL FROM:<sender@example.com>", 250)
        second.hello()
        assert repr(second.command("MAIL FROM:<sender@example.com>")) == BUSY
        gate.wait_log("event=inside .*server=s1 trouble=\"max_sessions are there already")
        first.quit()
        second.ask("RSET", 250)
        assert second.message("user@example.org", CONTENT % 0).code == 250
        second.quit()
    assert inside.peak == 1


def test_who_hangs_up_waits_no_more(gate_of, servers):
    inside, = servers()
    gate = gate_of([inside], bound=1)
    with Client(gate.address) as first:
        first.hello()
        first.ask("MAIL FROM:<sender@example.com>", 250)
        waiting = [Client(gate.address) for _ in range(4)]
        for client in waiting:
            client.hello()
            client.send(b"MAIL FROM:<sender@example.com>\r\n")
        gate.wait_for(1, 4)
        for client in waiting[:2]:
            client.close()
        for client in waiting[2:]:
            client.reset()
        gate.wait_for(1, 0)
        first.quit()
    assert deliver(gate.address, 1).code == 250 and inside.peak == 1


def test_the_next_server_has_room(gate_of, servers):
    """Nobody waits while a server of the backend has room; who waits gets the first that has."""
    one, two = servers(2)
    gate = gate_of([one, two], bound=1)
    with Client(gate.address) as first, Client(gate.address) as second, ThreadPoolExecutor(1) as pool:
        for client in (first, second):
            client.hello()
            client.ask("MAIL FROM:<sender@example.com>", 250)
        assert len(one.sessions) == len(two.sessions) == 1
        third = pool.submit(deliver, gate.address, 3)
        gate.wait_for(1, 1)
        second.quit()
        assert third.result().code == 250
        first.quit()
    assert len(two.accepted) == 1 and one.peak == two.peak == 1


def test_killed_workers_leave_their_places(gate_of, servers):
    """kill -9, whatever they are doing: those who are left are delivered, and nothing is taken for ever."""
    inside, = servers(sees_cuts=True)
    gate = gate_of([inside], bound=3)
    gate.expects_crashes = True
    chance = random.Random(7)
    with ThreadPoolExecutor(20) as pool:
        results = [pool.submit(deliver_until_taken, gate.address, n) for n in range(80)]
        for _ in range(15):
            time.sleep(0.1)
            workers = gate.workers()
            if workers:
                os.kill(chance.choice(workers), signal.SIGKILL)
        assert all(result.result() for result in results), gate.story()
    gate.wait_for(0, 0)
    assert {m.content for m in inside.accepted} == {CONTENT % n for n in range(80)}
    assert inside.peak == 3


def test_who_is_killed_while_others_wait(gate_of, servers):
    """The one who is next, and the one who is there: the others get on."""
    inside, = servers(sees_cuts=True)
    gate = gate_of([inside], bound=1)
    gate.expects_crashes = True
    clients = []
    for n in range(4):
        clients.append(Client(gate.address))
        clients[-1].hello()
        clients[-1].send(b"MAIL FROM:<sender@example.com>\r\n")
        gate.wait_for(1, n)
    os.kill(gate.worker_of(clients[1]), signal.SIGKILL)
    gate.wait_for(1, 2)
    os.kill(gate.worker_of(clients[0]), signal.SIGKILL)
    gate.wait_for(1, 1)
    assert clients[2].expect(250)
    clients[2].quit()
    assert clients[3].expect(250)
    clients[3].quit()
    for client in clients[:2]:
        client.close()
    gate.wait_for(0, 0)
    assert inside.peak == 1
