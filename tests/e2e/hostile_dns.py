# SPDX-License-Identifier: ISC
"""A name server that answers as no name server should: UDP and TCP on one port of loopback, a behaviour for each name.

A behaviour is a function of the Query; what it does over UDP and over TCP is its business. They are made by the
functions below, which can be put together: after(0.2, repeated(3, answers("A 127.0.0.2"))). What a name does is looked
up by (name, type), by name, and by "*." and what is behind its first label; every other name does as `usual` says: it
does not exist.
"""
import asyncio
import socket
import threading

import dns_wire
import net
import stories
from dns_wire import AA, NOERROR, NXDOMAIN, QR, RA, RD, TC, TO_QUESTION, Record, question_octets

ANSWER = QR | AA | RD | RA


class Query:
    def __init__(self, server, octets, say, peer):
        message = dns_wire.Message(octets)
        self.server, self.id, self.say, self.peer = server, message.id, say, peer
        self.name, self.kind = message.questions[0]
        self.question = question_octets(self.name, self.kind) if self.kind in dns_wire.TYPES else octets[12:]
        self.writer = None  # of TCP

    @property
    def is_tcp(self):
        return self.writer is not None

    def message(self, answers=(), flags=ANSWER, counted=None):
        return dns_wire.message_octets(self.id, flags, self.question, answers, counted)

    def say_from_elsewhere(self, octets):
        """From another port of the same address."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((self.server.address[0], 0))
            s.sendto(octets, self.peer)


class HostileDns:
    """`names` are behaviours as above. Where `tcp` is False nobody listens for TCP."""

    def __init__(self, names, tcp=True, usual=None, host="127.0.0.1"):
        self.names, self.usual = dict(names), usual or not_there()
        self.asked = []  # (name, type, "udp" or "tcp"), as they came
        self._datagrams, self._listener = _bound(host, tcp)
        self.address = self._datagrams.getsockname()
        self._loop = asyncio.new_event_loop()
        self._tasks = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        stories.add(self)

    def stop(self):
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the hostile name server does not end"

    def times_asked(self, name, kind=None):
        return sum(one[0] == name and kind in (None, one[1]) for one in list(self.asked))

    def story(self):
        last = self.asked[-40:]
        return f"--- hostile name server: asked {len(self.asked)} times\n" + "\n".join(map(str, last))

    def behaviour(self, name, kind):
        places = ((name, kind), name, "*." + name.partition(".")[2])
        return next((self.names[place] for place in places if place in self.names), self.usual)

    # -- its thread

    def _run(self):
        loop = self._loop
        asyncio.set_event_loop(loop)
        transport, _ = loop.run_until_complete(loop.create_datagram_endpoint(lambda: _Datagrams(self),
                                                                              sock=self._datagrams))
        server = self._listener and loop.run_until_complete(asyncio.start_server(self._serve_tcp, sock=self._listener))
        try:
            loop.run_forever()
        finally:
            transport.close()
            if server:
                server.close()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    def start(self, query, how):
        name = query.name.lower()
        self.asked.append((name, query.kind, how))
        task = self._loop.create_task(self.behaviour(name, query.kind)(query))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def say_udp(self, octets, peer):
        """By the socket itself: asyncio sends no empty datagram."""
        try:
            self._datagrams.sendto(octets, peer)
        except OSError:
            pass  # it is full, as a network may be

    async def _serve_tcp(self, reader, writer):
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                octets = await reader.readexactly(size)
                query = Query(self, octets, lambda said: writer.write(len(said).to_bytes(2, "big") + said), None)
                query.writer = writer
                await self.start(query, "tcp")
        except (OSError, EOFError, dns_wire.Malformed, IndexError, asyncio.CancelledError):
            pass
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server):
        self.server = server

    def datagram_received(self, data, addr):
        try:
            query = Query(self.server, data, lambda said: self.server.say_udp(said, addr), addr)
        except (dns_wire.Malformed, IndexError):
            return
        self.server.start(query, "udp")

    def error_received(self, exc):
        pass  # who asked has gone


def _bound(host, tcp):
    """One port of both."""
    while True:
        port = net.free_port(host)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener = None
        try:
            datagrams.bind((host, port))
            datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            if tcp:
                listener = socket.create_server((host, port))
            return datagrams, listener
        except OSError:
            datagrams.close()


# -- behaviours

def raw(make):
    """Says make(query) alone: one message as octets."""
    async def behave(query):
        query.say(make(query))
    return behave


def records(*lines):
    """Of the name that was asked for: "A 192.0.2.1", "MX 10 mx.test", or a Record, or octets."""
    def record(line):
        if not isinstance(line, str):
            return line
        kind, value = line.split(" ", 1)
        return Record(TO_QUESTION, kind, value)
    return [record(line) for line in lines]


def answers(*lines, rcode=NOERROR, flags=0, counted=None):
    made = records(*lines)
    return raw(lambda query: query.message(made, ANSWER | flags | rcode, counted))


def not_there():
    return answers(rcode=NXDOMAIN)


def no_data():
    return answers()


def fails(rcode):
    return answers(rcode=rcode)


def silent():
    async def behave(_query):
        pass
    return behave


def after(seconds, behaviour):
    async def behave(query):
        await asyncio.sleep(seconds)
        await behaviour(query)
    return behave


def in_turn(*behaviours):
    """All of them, one after the other: what comes first may be a lie."""
    async def behave(query):
        for one in behaviours:
            await one(query)
    return behave


def repeated(times, behaviour):
    return in_turn(*[behaviour] * times)


def by_turns(*behaviours):
    """The first for the first question, and so on; the last one for all that follow."""
    async def behave(query):
        before = query.server.times_asked(query.name.lower(), query.kind) - 1
        await behaviours[min(before, len(behaviours) - 1)](query)
    return behave


def _instead(behaviour, say):
    """The behaviour, but what it would say goes to say(query, own way of saying it, octets)."""
    async def behave(query):
        own = query.say
        query.say = lambda octets: say(query, own, octets)
        try:
            await behaviour(query)
        finally:
            query.say = own
    return behave


def altered(behaviour, change):
    """What it says, changed: change(octets) -> octets."""
    return _instead(behaviour, lambda _, own, octets: own(change(octets)))


def with_wrong_id(behaviour):
    return altered(behaviour, lambda octets: bytes([octets[0] ^ 0x5A]) + octets[1:])


def from_elsewhere(behaviour):
    return _instead(behaviour, lambda query, _, octets: query.say_from_elsewhere(octets))


def to_another_question(name, kind, *lines):
    """An answer to what nobody asked."""
    made = records(*lines)
    return raw(lambda query: dns_wire.message_octets(query.id, ANSWER, question_octets(name, kind), made))


def cut(over_tcp, beside=()):
    """Truncated over UDP, with these records all the same; over TCP as said."""
    made = records(*beside)

    async def behave(query):
        if query.is_tcp:
            await over_tcp(query)
        else:
            query.say(query.message(made, ANSWER | TC))
    return behave


def closes():
    """Over TCP: the connection ends in place of an answer."""
    async def behave(query):
        if query.is_tcp:
            query.writer.close()
    return behave


def trickles(behaviour, pause, octets_at_most=None):
    """Over TCP octet by octet; after so many, silence."""
    said = []
    collecting = _instead(behaviour, lambda _query, _own, octets: said.append(octets))

    async def behave(query):
        said.clear()
        await collecting(query)
        for octet in b"".join(len(one).to_bytes(2, "big") + one for one in said)[:octets_at_most]:
            query.writer.write(bytes([octet]))
            await query.writer.drain()
            await asyncio.sleep(pause)
        if octets_at_most is not None:
            await asyncio.sleep(3600)
    return behave
