# SPDX-License-Identifier: ISC
"""Conversations drawn by lot, on both sides; what must hold for all of them. Seeded: a failure can be repeated.

Worth most with POSTERN_BUILD=build/sanitize.
"""
import random
import re

import pytest

import net
import postern as postern_program
import stories
from inside_server import Inside, language_fault
from smtp_client import Client, Closed

SEED = 4711
SESSIONS = 250
OPTIONS = ["listener.command_timeout=3s", "listener.data_timeout=3s", "listener.message_timeout=6s",
           "listener.max_errors=1000", "listener.max_commands=1000", "backend.greeting_timeout=2s",
           "backend.command_timeout=2s", "backend.data_timeout=2s", "backend.block_timeout=2s",
           "backend.final_timeout=3s"]

PIECES = [
    b"EHLO a.test\r\n", b"HELO a.test\r\n", b"ehlo [127.0.0.1]\r\n", b"EHLO\r\n", b"EHLO " + b"x" * 300 + b"\r\n",
    b"MAIL FROM:<a@example.com>\r\n", b"MAIL FROM:<>\r\n", b"mail from: a@example.com\r\n", b"MAIL FROM:<a@b\r\n",
    b"MAIL FROM:<a@example.com> SIZE=10 BODY=8BITMIME\r\n", b"MAIL FROM:<a@example.com> SIZE=1 SIZE=2\r\n",
    b"MAIL FROM:<a@example.com> SMTPUTF8\r\n", b"MAIL FROM:<\"a b\"@example.com> RET=FULL ENVID=x+2By\r\n",
    b"MAIL FROM:<@a.test,@b.test:c@example.com>\r\n", b"MAIL FROM:<a@[IPv6:::1]>\r\n", b"MAIL\r\n",
    b"MAIL FROM:<\xc3\xbc@example.com>\r\n", b"MAIL FROM:<a@example.com> XYZZY=1\r\n",
    b"RCPT TO:<b@example.org>\r\n", b"RCPT TO:<postmaster>\r\n", b"RCPT TO:<>\r\n", b"RCPT TO:b@example.org\r\n",
    b"RCPT TO:<b@example.org> NOTIFY=NEVER ORCPT=rfc822;b@example.org\r\n", b"RCPT TO:<b%c@example.org>\r\n",
    b"RCPT TO:<b@example.org> ORCPT=rfc822;+0D+0AQUIT\r\n", b"RCPT TO:<" + b"l" * 900 + b"@example.org>\r\n",
    b"DATA\r\n", b"DATA x\r\n", b"Subject: x\r\n\r\ntext\r\n", b".\r\n", b"\r\n.\r\n", b"..\r\n", b".x\r\n",
    b"RSET\r\n", b"NOOP\r\n", b"NOOP x y\r\n", b"VRFY a\r\n", b"EXPN a\r\n", b"HELP\r\n", b"QUIT\r\n", b"\r\n", b"\n",
    b"\r", b"\0", b"x" * 5000 + b"\r\n", b"x" * 70000, b"STARTTLS\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"AUTH LOGIN\r\n",
    b"BDAT 4\r\nabcd", b"BDAT 0 LAST\r\n", b"BDAT 99999999999999999999\r\n", b"XCLIENT ADDR=192.0.2.1\r\n",
    b"XFORWARD NAME=x\r\n", b"ETRN x\r\n", b"\xff\xfe\xfd\r\n",
    b"MAIL FROM:<a@example.com>\nRCPT TO:<b@example.org>\r\n",
]
GOOD_START = [b"EHLO a.test\r\n", b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<b@example.org>\r\n", b"DATA\r\n"]

# What may be said inside: commands printed anew, in printable ASCII or the UTF-8 of an address, nothing pipelined in.
INSIDE_COMMAND = re.compile(
    rb"(EHLO|HELO) [\x21-\x7e]+|XCLIENT( [A-Z_]+=[\x21-\x7e]+)+|MAIL FROM:<[^\x00-\x1f\x7f]*>( [\x21-\x7e\x80-\xff]+)*|"
    rb"RCPT TO:<[^\x00-\x1f\x7f]+>( [\x21-\x7e\x80-\xff]+)*|DATA|RSET|NOOP|QUIT")


@pytest.fixture(scope="module")
def pair():
    server = Inside()
    gate = postern_program.Postern(server.address, *OPTIONS)
    yield gate, server
    gate.stop()
    gate.check_log()
    server.stop()


@pytest.fixture
def gate(pair):
    stories.add(pair[0])
    return pair[0]


@pytest.fixture
def server(pair):
    stories.add(pair[1])
    pair[1].script.clear()
    pair[1].sessions.clear()
    return pair[1]


def held_a_message_count(client):
    """How many dots were answered with yes: a 250 right behind a 354."""
    replies = b"".join(octets for who, octets in client.transcript if who == "S")
    codes = [line[:3] for line in replies.split(b"\r\n") if line[3:4] == b" "]
    return sum(a == b"354" and b == b"250" for a, b in zip(codes, codes[1:]))


def assert_sane(server, client):
    for command in server.commands:
        assert INSIDE_COMMAND.fullmatch(command), f"this went inside: {command!r}"
    for message in server.messages:
        fault = language_fault(message.octets, message.has_dot)
        assert fault is None, f"{fault}: {bytes(message.octets)[:300]!r}"
    assert held_a_message_count(client) <= len(server.accepted), "more yes outside than inside"


def test_random_clients(gate, server):
    dice = random.Random(SEED)
    for number in range(SESSIONS):
        server.sessions.clear()
        stories.forget()
        pieces = GOOD_START[:dice.randint(0, 4)] + [dice.choice(PIECES) for _ in range(dice.randint(1, 12))]
        with Client(gate.address) as client:
            client.name += f", session {number} of seed {SEED}"
            run_pieces(dice, client, pieces)
        assert_sane(server, client)


def run_pieces(dice, client, pieces):
    """Each piece alone, its reply awaited or not, as the dice say; then the end of sending, and all that comes."""
    try:
        client.reply()
        for piece in pieces:
            client.send(piece)
            if dice.random() < 0.6:
                hear_what_comes(client)
        client.finish_sending()
        client.all_replies()
    except (Closed, OSError):
        pass


def hear_what_comes(client):
    """A reply, if one comes soon: not every piece gets one."""
    client.socket.settimeout(0.05)
    try:
        octets = client.socket.recv(65536)
        if not octets:
            raise Closed
        client.transcript.append(("S", octets))
    except TimeoutError:
        pass
    finally:
        client.socket.settimeout(20)


REPLY_PIECES = [b"250", b"354", b"220", b"421", b"550", b"451", b"999", b"000", b"25", b"2500", b" ", b"-", b"\r\n",
                b"\r\n", b"\r\n", b"\n", b"\r", b"\0", b"ok", b"2.0.0 ", b"5.1.1 ", b"4.x.0", b"SIZE 10",
                b"XCLIENT ADDR", b"\xff\xfe", b"x" * 600, b"\t", b"=", b"\x7f", b"\x1b[2J", b"250-ok\r\n" * 50]


def random_reply(dice):
    """Mostly a good beginning: what begins wrong ends at its first octet."""
    start = dice.choice([b"250 ", b"250-", b"354 ", b"220 ", b"550 ", b"421 ", b""])
    return start + b"".join(dice.choice(REPLY_PIECES) for _ in range(dice.randint(0, 8)))


def say_once(octets, ends):
    def action(session):
        session.say(octets)
        if ends:
            session.close()
    return action


@pytest.mark.parametrize("step", ["connect", "EHLO", "XCLIENT", "MAIL", "RCPT", "DATA", "body", "dot", "RSET", "QUIT"])
def test_random_inside(gate, server, step):
    dice = random.Random(SEED + len(step) * 100 + ord(step[0]))
    for number in range(15):
        server.sessions.clear()
        stories.forget()
        reply = random_reply(dice)
        server.script[step] = say_once(reply, ends=True)
        with Client(gate.address) as client:
            client.name += f", reply {number} to {step}: {reply[:60]!r}"
            try:
                client.hello()
                client.begin("user@example.org")
                client.send(b"Subject: x\r\n\r\n" + b"y" * 70_000 + b"\r\n")
                if step == "body":  # an early answer that crosses the dot on its way cannot be told from the right one
                    net.wait_until(lambda: server.messages and server.messages[-1].is_under_way, 10, "no data inside")
                client.send(b".\r\n")
                answer = client.reply()
                dots = sum(m.has_dot for m in server.messages)
                assert not answer.is_positive or dots == 1, f"{answer}, but inside heard {dots} dots"
                client.command("RSET")
                client.command("QUIT")
            except AssertionError as error:
                assert " not 2" in str(error) or " not 354" in str(error), error
            except (Closed, OSError):
                pass
        assert_replies_are_clean(client)
    server.script.clear()


def assert_replies_are_clean(client):
    """No octet of inside's nonsense comes through as it is."""
    heard = b"".join(octets for who, octets in client.transcript if who == "S")
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", heard), heard
    assert b"\n" not in heard.replace(b"\r\n", b"") and b"\r" not in heard.replace(b"\r\n", b""), heard
