# SPDX-License-Identifier: ISC
"""Peers that mean ill or are broken, on either side: bounded, answered as the laws say, and gone without a trace.

Time-outs are set small so that the tests end; nothing is asserted about time but that an answer comes at all.
"""
import time

import pytest

import net
import postern as postern_program
import stories
from inside_server import Inside, close, language_fault, reset, say_and_close, stall
from smtp_client import Client, Closed

CONTENT = b"Subject: hostile\r\n\r\ntext\r\n"
OPTIONS = ["listener.command_timeout=2s", "listener.data_timeout=2s", "listener.message_timeout=6s",
           "listener.max_errors=5", "listener.max_commands=50", "listener.max_recipients=100",
           "backend.connect_timeout=2s", "backend.greeting_timeout=2s", "backend.command_timeout=2s",
           "backend.data_timeout=2s", "backend.block_timeout=2s", "backend.final_timeout=3s"]


@pytest.fixture(scope="module")
def pair():
    server = Inside()
    gate = postern_program.Postern(server.address, *OPTIONS)
    yield gate, server
    gate.stop()
    gate.check_log()
    server.stop()


@pytest.fixture
def server(pair):
    stories.add(pair[1])
    pair[1].script.clear()
    pair[1].sessions.clear()
    return pair[1]


@pytest.fixture
def gate(pair, server):
    """After every test a good message passes, and the master and its number of workers are sane."""
    stories.add(pair[0])
    master = pair[0].master
    yield pair[0]
    server.script.clear()
    pass_a_message(pair[0], server)
    assert pair[0].master == master


def pass_a_message(gate, server):
    before = len(server.accepted)
    with Client(gate.address) as client:
        client.hello("good.test")
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()
    assert len(server.accepted) == before + 1


def trickle(client, octets, pause, seconds):
    """One octet at a time, until the connection ends or (a generous bound) the time is over."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for octet in octets:
                client.socket.sendall(bytes([octet]))
                time.sleep(pause)
    except OSError:
        return
    raise AssertionError(f"still trickling after {seconds} s: no deadline")


def end_of_session(client):
    """The last reply before the connection ended; a reset loses it, then None."""
    replies = client.all_replies()
    return replies[-1] if replies else None


# -- outside

@pytest.mark.parametrize("octets", [b"NOOP", b"EHLO x.test", b"A"])
def test_trickled_command(gate, octets):
    with Client(gate.address) as client:
        client.expect(220)
        trickle(client, octets, 0.2, 30)
        last = end_of_session(client)
        assert last is None or last.code in (421, 500), last


def test_silence(gate):
    with Client(gate.address, timeout=30) as client:
        client.expect(220)
        client.expect(421)
        assert client.is_closed()


def test_silence_after_hello(gate):
    with Client(gate.address, timeout=30) as client:
        client.hello()
        client.expect(421)
        assert client.is_closed()


def test_trickled_data(gate, server):
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        trickle(client, b"text\r\n", 0.2, 40)
        last = end_of_session(client)
        assert last is None or last.code == 421, last
    assert not [m for m in server.messages if m.has_dot]


def test_silence_within_data(gate, server):
    with Client(gate.address, timeout=30) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(b"text\r\n.")
        client.expect(421)
        assert client.is_closed()
    assert not [m for m in server.messages if m.has_dot]


@pytest.mark.parametrize("size", [600, 5_000, 70_000, 1_000_000])
@pytest.mark.parametrize("verb", [b"NOOP ", b"", b"MAIL FROM:<", b"EHLO "])
def test_long_command_line(gate, server, verb, size):
    """One line is one command: its tail is never taken for another."""
    line = verb + b"x" * size + b"\r\n"
    with Client(gate.address) as client:
        client.hello()
        try:
            client.send(line + b"QUIT\r\n")
        except ConnectionError:
            return
        replies = client.all_replies()
    assert 1 <= len(replies) <= 2, replies
    assert size < 5_000 or replies[0].code >= 421, replies
    assert b"x" * 5_000 not in b"".join(server.commands)


def test_line_without_end(gate):
    with Client(gate.address) as client:
        client.hello()
        try:
            for _ in range(200):
                client.socket.sendall(b"x" * 65536)
        except OSError:
            pass
        last = end_of_session(client)
        assert last is None or last.code in (421, 500), last


def test_commands_hidden_in_a_long_line(gate, server):
    line = b"x" * 4096 + b"MAIL FROM:<hidden@example.com>" + b"y" * 4096 + b"\r\n"
    with Client(gate.address) as client:
        client.hello()
        client.send(line + b"QUIT\r\n")
        replies = client.all_replies()
    assert [reply.code // 100 for reply in replies] in ([5, 2], [5], [4])
    assert not [c for c in server.commands if b"hidden" in c]


def test_unknown_commands(gate):
    with Client(gate.address) as client:
        client.hello()
        codes = []
        for number in range(100):
            try:
                codes.append(client.command(b"JUNK%d" % number).code)
            except (Closed, ConnectionError):
                break
    assert codes[-1] == 421 and len(codes) <= 7, codes
    assert set(codes[:-1]) == {500} or set(codes[:-1]) == {502}


def test_unknown_commands_in_one_piece(gate):
    with Client(gate.address) as client:
        client.hello()
        client.send(b"JUNK\r\n" * 1000)
        codes = [reply.code for reply in client.all_replies()]
    assert len(codes) <= 7 and (not codes or codes[-1] in (421, 500, 502)), codes


def test_idle_commands(gate):
    with Client(gate.address) as client:
        client.hello()
        codes = []
        for _ in range(200):
            try:
                codes.append(client.command("NOOP").code)
            except (Closed, ConnectionError):
                break
    assert codes[-1] == 421 and len(codes) <= 52, codes


def test_messages_are_not_idle_commands(gate, server):
    """max_commands counts what brings no message: a busy honest client never meets it."""
    with Client(gate.address) as client:
        client.hello()
        for _ in range(30):
            assert client.message("user@example.org", CONTENT).code == 250
        client.quit()
    assert len(server.accepted) == 30


def test_too_many_recipients(gate, server):
    with Client(gate.address) as client:
        client.hello()
        client.ask("MAIL FROM:<sender@example.com>", 250)
        codes = [client.command(f"RCPT TO:<user-{n}@example.org>").code for n in range(103)]
        assert codes[:100] == [250] * 100 and set(codes[100:]) == {452}, codes
        client.ask("DATA", 354)
        client.send(CONTENT + b".\r\n")
        client.expect(250)
        client.quit()
    assert sum(c.startswith(b"RCPT") for c in server.commands) == 100


JUNK = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\nMAIL FROM:<x@example.com>\r\n",
    "HTTP with a session": b"POST / HTTP/1.1\r\n\r\nEHLO x.test\r\nMAIL FROM:<a@example.com>\r\n"
                           b"RCPT TO:<user@example.org>\r\nDATA\r\n" + CONTENT + b".\r\nQUIT\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    "NUL": b"\0" * 4096,
    "CRLF": b"\r\n" * 2000,
    "LF": b"\n" * 5000,
    "telnet": b"\xff\xfb\x1f\xff\xfb\x20",
    "all octets": bytes(range(256)) * 300,
    "a session": b"EHLO x.test\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n" + CONTENT
                 + b".\r\nQUIT\r\n",
    "PROXY": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n",
    "XCLIENT": b"XCLIENT ADDR=192.0.2.1\r\nEHLO x.test\r\n",
}


@pytest.mark.parametrize("name", JUNK)
def test_junk_before_the_banner(gate, server, name):
    with Client(gate.address) as client:
        try:
            client.send(JUNK[name])
            client.finish_sending()
        except OSError:
            pass
        replies = client.all_replies()
    assert len(replies) < 12
    assert not server.accepted and not [c for c in server.commands if b"192.0.2" in c]


def test_xclient_from_outside_is_refused(gate, server):
    with Client(gate.address, source="127.0.0.7") as client:
        assert b"XCLIENT" not in client.hello().text
        assert client.command("XCLIENT ADDR=192.0.2.9 NAME=trusted.example.org").code >= 500
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()
    assert not [c for c in server.commands if b"192.0.2.9" in c]
    assert [c for c in server.commands if c.startswith(b"XCLIENT") and b"127.0.0.7" in c]


def test_who_does_not_read(gate):
    """Asks and asks and never listens: the worker is free again some time."""
    with Client(gate.address) as client:
        client.hello()
        pid = gate.worker_of(client)
        client.socket.settimeout(3)
        try:
            for _ in range(2000):
                client.socket.sendall(b"NOOP\r\n" * 1000)
        except OSError:
            pass
        net.wait_until(lambda: net.holder_of(client.port, client.own_port, [pid]) is None, 40, "still held", gate.story)


def test_many_who_come_and_go(gate):
    clients = []
    for number in range(60):
        clients.append(Client(gate.address))
        if number % 3 == 0:
            clients.pop().reset()
        elif number % 3 == 1:
            clients.pop().close()
    for client in clients:
        client.close()


# -- inside

FAULTS = {
    "closes": close,
    "resets": reset,
    "stalls": stall,
    "garbage": b"\0\xff\x80garbage\r\n",
    "no code": b"hello there\r\n",
    "half a line": say_and_close(b"250 2.0.0 o"),
    "half a multi-line reply": say_and_close(b"250-2.0.0 one\r\n250-2.0.0"),
    "another code in one reply": b"250-2.0.0 one\r\n550 5.0.0 two\r\n",
    "421": b"421 4.3.2 shutting down\r\n",
    "long line": b"250 " + b"x" * 100_000 + b"\r\n",
    "endless reply": b"250-more\r\n" * 20_000,
    "bare LF": b"250 2.0.0 ok\n550 5.0.0 no\r\n",
    "NUL": b"250 2.0.0 o\0k\r\n",
}

# These begin like a yes: taken for one or not, both are right.
AMBIGUOUS = ("long line", "endless reply", "another code in one reply", "bare LF", "NUL")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", ["connect", "EHLO", "XCLIENT", "MAIL", "RCPT", "DATA", "body", "dot"])
def test_inside_fails(gate, server, step, fault):
    server.script[step] = FAULTS[fault]
    with Client(gate.address, timeout=40) as client:
        codes = converse(client, server)
    _assert_no_false_yes(server, codes)
    assert not server.accepted or codes.get("dot") == 250 or fault in AMBIGUOUS, f"a yes of inside got lost: {codes}"
    failed = [code for code in codes.values() if code >= 400]
    assert all(code < 500 for code in failed), f"inside's trouble is 4xx outside: {codes}"


def send_until_inside_spoke(client, server):
    """Data, and then no dot before inside has done what its script says: a dot that crosses an early answer on its way
    cannot be told from one that came before it."""
    client.send(CONTENT + b"x" * 70_000 + b"\r\n")
    if "body" in server.script and server.script["body"] is not stall:
        net.wait_until(lambda: server.messages and server.messages[-1].is_under_way, 10, "no data inside", server.story)


def converse(client, server):
    """A session up to the first refusal; code by what was asked."""
    codes = {}
    try:
        codes["banner"] = client.reply().code
        for name, line in (("EHLO", "EHLO client.test"), ("MAIL", "MAIL FROM:<sender@example.com>"),
                           ("RCPT", "RCPT TO:<user@example.org>"), ("DATA", "DATA")):
            codes[name] = client.command(line).code
            if codes[name] >= 400:
                return codes
        send_until_inside_spoke(client, server)
        client.send(b".\r\n")
        codes["dot"] = client.reply().code
        codes["QUIT"] = client.command("QUIT").code
    except (Closed, ConnectionError):
        pass
    return codes


def _assert_no_false_yes(server, codes):
    dots = [m for m in server.messages if m.has_dot]
    assert len(dots) <= 1, "the dot was sent more than once"
    for message in server.messages:
        assert language_fault(message.octets, message.has_dot) is None
    if codes.get("dot", 500) < 300:
        assert [m.accepted for m in dots] == [True], f"yes outside, but not inside: {codes}"


@pytest.mark.parametrize("step, reply, outside", [
    ("MAIL", b"550 5.7.1 not you\r\n", {"MAIL": 550}),
    ("MAIL", b"452 4.3.1 full\r\n", {"MAIL": 452}),
    ("RCPT", b"550-5.1.1 no such\r\n550 5.1.1 user\r\n", {"RCPT": 550}),
    ("RCPT", b"450 4.2.0 greylisted\r\n", {"RCPT": 450}),
    ("DATA", b"554 5.5.1 no\r\n", {"DATA": 554}),
    ("dot", b"554 5.7.1 spam\r\n", {"dot": 554}),
    ("dot", b"451 4.3.0 later\r\n", {"dot": 451}),
    ("dot", b"354 what?\r\n", {"dot": 451}),
    ("MAIL", b"354 what?\r\n", {"MAIL": 451}),
])
def test_inside_refuses(gate, server, step, reply, outside):
    server.script[step] = reply
    with Client(gate.address) as client:
        codes = converse(client, server)
    assert {name: codes.get(name) for name in outside} == outside, codes
    assert not server.accepted


@pytest.mark.parametrize("answer, code", [(b"552 5.3.4 too big\r\n", 552), (b"451 4.3.1 full\r\n", 451),
                                          (b"250 2.0.0 already\r\n", 451)])
@pytest.mark.parametrize("then", ["stays", "closes"])
def test_inside_answers_before_the_dot(gate, server, answer, code, then):
    """A refusal answers the dot when it comes; an acceptance of what was not complete is a fault."""
    server.script["body"] = say_and_close(answer) if then == "closes" else lambda session: session.say(answer)
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        send_until_inside_spoke(client, server)
        for _ in range(20):
            client.send(b"y" * 70_000 + b"\r\n")
        client.send(b".\r\n")
        client.expect(code)
    assert not [m for m in server.messages if m.accepted]


def test_inside_trickles_its_reply(gate, server):
    def trickles(session):
        for octet in b"250 2.1.0 " + b"o" * 400 + b"\r\n":
            session.say(bytes([octet]))
            time.sleep(0.1)
    server.script["MAIL"] = trickles
    with Client(gate.address, timeout=30) as client:
        client.hello()
        assert client.command("MAIL FROM:<sender@example.com>").code in (421, 451)


def test_inside_that_does_not_read(gate, server):
    server.script["body"] = stall
    with Client(gate.address, timeout=40) as client:
        client.hello()
        client.begin("user@example.org")
        try:
            for _ in range(200):
                client.send(b"z" * 69_998 + b"\r\n")
            client.send(b".\r\n")
            assert client.reply().code in (421, 451)
        except (Closed, ConnectionError):
            pass
    assert not [m for m in server.messages if m.has_dot]


def test_talkative_inside_does_not_shift_the_replies(gate, server):
    """An answer too many must not answer the next command."""
    server.script["MAIL"] = b"250 2.1.0 ok\r\n250 2.1.5 one too many\r\n"
    server.script["RCPT"] = b"550 5.1.1 no\r\n"
    with Client(gate.address) as client:
        codes = converse(client, server)
    assert codes.get("RCPT", 451) >= 400 and codes.get("DATA", 451) >= 400, codes


def test_nobody_inside(inside, postern):
    """Own trouble is 4xx, never 5xx, never 2xx; and the house stands."""
    nobody = inside()
    nobody.stop()
    gate = postern(nobody.address, *OPTIONS)
    for _ in range(3):
        with Client(gate.address) as client:
            codes = converse(client, nobody)
        assert not any(code >= 500 for code in codes.values()), codes
        assert codes.get("MAIL", 451) in (421, 451), codes
