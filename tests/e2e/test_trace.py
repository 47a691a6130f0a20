# SPDX-License-Identifier: ISC
"""Authentication-Results that claim to be the gate's own never go inside; every other octet of a message does.

Fields are made from the grammar of RFC 8601 section 2.2, so that whoever makes one knows whose it is; messages of them
go through posternd by DATA, by BDAT to DATA and by BDAT to BDAT, cut anywhere.
"""
import random

import pytest

import postern as postern_program
import stories
import vectors
from inside_server import KEYWORDS, Inside
from smtp_client import Client, chunks, stuffed

OURS = "mx.example.org"
NAME = "Authentication-Results"
RECIPIENT = "user@example.org"
SEED = 8601
CASES = 60


def hear_chunk(session):
    """BDAT inside: so many octets behind the command, and no more."""
    words = session.commands[-1].split()
    size = int(words[1])
    while len(session._unread) < size:
        session._read()
    session.server.chunks.append(bytes(session._unread[:size]))
    del session._unread[:size]
    session.say(b"250 2.0.0 %d octets\r\n" % size)


@pytest.fixture(scope="module")
def server():
    inside = Inside({"BDAT": hear_chunk}, (*KEYWORDS, b"CHUNKING", b"BINARYMIME"))
    yield inside
    inside.stop()


@pytest.fixture(scope="module")
def house(server):
    gate = postern_program.Postern(server.address, f"hostname={OURS}")
    yield gate
    gate.stop()
    gate.check_log()


@pytest.fixture
def gate(house, server):
    stories.add(house)
    stories.add(server)
    server.sessions.clear()
    return house


# -- the grammar

def any_case(dice, text):
    return "".join(dice.choice((c.lower(), c.upper())) for c in text)


def comment(dice, depth=2):
    inner = [dice.choice(("a", " ", "\r\n ", "\\)", "\\(", '"', ";", OURS, "=")) for _ in range(dice.randrange(5))]
    if depth and dice.random() < 0.4:
        inner.append(comment(dice, depth - 1))
    return "(" + "".join(inner) + ")"


def cfws(dice):
    choices = (lambda: "", lambda: " ", lambda: "\t ", lambda: "\r\n ", lambda: "\r\n\t  ", lambda: comment(dice),
               lambda: f" {comment(dice)}\r\n {comment(dice)} ")
    return dice.choice(choices)()


def quoted(dice, text):
    return '"' + "".join(("\\" if dice.random() < 0.2 else "") + c for c in text) + '"'


def value(dice, name):
    return quoted(dice, name) if dice.random() < 0.3 else any_case(dice, name)


def results_field(dice, name):
    version = dice.choice(("", " 1", "\r\n 1", " (v) 1 (v)"))
    results = dice.choice(("; none", ";\r\n spf=pass smtp.mailfrom=a@b.test", f"; dkim=fail ({OURS}) header.d={OURS}", ""))
    blanks = dice.choice(("", "", "", " ", "\t "))
    return f"{any_case(dice, NAME)}{blanks}:{cfws(dice)}{value(dice, name)}{cfws(dice)}{version}{results}\r\n"


FOREIGN = (f"{OURS}.example", f"a.{OURS}", "mx.example.or", "mx.example.orgy", "mx", "other.test", "1")


def other_field(dice):
    name = dice.choice(("Subject", "Received", f"X-{NAME}", f"ARC-{NAME}", "Authentication-Result", f"{NAME}-X", "A", "To"))
    return f"{name}: {OURS}; spf=pass" + dice.choice(("", f"\r\n {NAME}: {OURS}", "\r\n\t.")) + "\r\n"


def make_message(dice):
    """(what is sent, what is to arrive, how many fields are removed)"""
    sent, kept, removed = [], [], 0
    for _ in range(dice.randrange(1, 9)):
        kind = dice.random()
        if kind < 0.4:
            sent.append(results_field(dice, OURS))
            removed += 1
            continue
        sent.append(results_field(dice, dice.choice(FOREIGN)) if kind < 0.7 else other_field(dice))
        kept.append(sent[-1])
    body = dice.choice(("", "\r\n", f"\r\n{NAME}: {OURS}; none\r\n", "\r\n..\r\n.x\r\n",
                        f"no field\r\n{NAME}: {OURS}; none\r\n"))
    return "".join(sent + [body]).encode(), "".join(kept + [body]).encode(), removed


# -- the tests

def cut(dice, octets):
    places = sorted(dice.randrange(len(octets) + 1) for _ in range(dice.randrange(6)))
    return [octets[a:b] for a, b in zip([0, *places], [*places, len(octets)]) if a < b]


def send_data(dice, client, content):
    client.ask("DATA", 354)
    client.send_in_pieces(cut(dice, stuffed(content) + b".\r\n"))
    client.expect(250)


def send_chunks(dice, client, content):
    places = [dice.randrange(len(content) + 1) for _ in range(dice.randrange(6))]
    for chunk in chunks(content, places):
        client.send_in_pieces(cut(dice, chunk) if dice.random() < 0.3 else [chunk])
        client.expect(250)


def arrived_lines(server):
    return server.messages[-1].content


def arrived_chunks(server):
    return b"".join(server.chunks)


WAYS = {
    "DATA": ("", send_data, arrived_lines),
    "BDAT to DATA": (" BODY=8BITMIME", send_chunks, arrived_lines),
    "BDAT to BDAT": (" BODY=BINARYMIME", send_chunks, arrived_chunks),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_claims_to_be_ours_is_removed(gate, server, way):
    parameters, send, arrived = WAYS[way]
    dice = random.Random(f"{SEED} {way}")
    with Client(gate.address) as client:
        client.hello()
        for number in range(CASES):
            sent, expected, removed = make_message(dice)
            server.chunks = []
            sender = f"{number}-{way.replace(' ', '-')}@example.com"
            client.ask(f"MAIL FROM:<{sender}>{parameters}", 250)
            client.ask(f"RCPT TO:<{RECIPIENT}>", 250)
            send(dice, client, sent)
            assert vectors.trace_of(arrived(server), expected).startswith(b"Received: "), sent
            line = gate.wait_log(f"event=message .*from=<{sender}> .*").group(0)
            assert f" size={len(sent)} " in line, (sent, line)
            assert (f" removed={removed} " in line) == (removed > 0), (sent, line)
        client.quit()
