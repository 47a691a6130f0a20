# SPDX-License-Identifier: ISC
"""Where a message ends: what goes inside is in the language of the inside leg, whatever came from outside.

Each case sends octets behind 354 and a QUIT behind them, and foretells by the strict rule (vectors.py) what must come
of it: refused when a bare CR, LF or NUL is in the message, otherwise delivered once, unchanged.
"""
import random

import pytest

import postern as postern_program
import stories
import vectors
from inside_server import Inside, language_fault
from smtp_client import Client

HEAD = b"Subject: boundaries\r\n\r\n"
END = b"\r\n.\r\n"
FIXED_SEED = 20261121
RANDOM_CASES = 300


@pytest.fixture(scope="module")
def pair():
    """posternd and the recording server behind it, for the whole file."""
    server = Inside()
    gate = postern_program.Postern(server.address)
    yield gate, server
    gate.stop()
    gate.check_log()
    server.stop()


@pytest.fixture
def gate(pair):
    stories.add(pair[0])
    stories.add(pair[1])
    return pair[0]


@pytest.fixture
def server(pair):
    pair[1].sessions.clear()
    return pair[1]


def dot_and_quit_replies(client, pieces):
    """One transaction whose data are these pieces, then QUIT; (reply to the dot, the replies behind it)."""
    client.hello()
    client.begin("user@example.org")
    if len(pieces) == 1:
        client.send(pieces[0] + b"QUIT\r\n")
    else:
        client.send_in_pieces(pieces + [b"QUIT\r\n"])
    replies = client.all_replies()
    assert replies, "neither an answer to the dot nor a refusal"
    return replies[0], replies[1:]


def check(gate, server, octets, pieces=None):
    """One case: octets from 354 on, which hold the end of the message at their own end and nowhere before."""
    assert vectors.end_of_data(octets) == len(octets), "a fault of the test: not one message"
    with Client(gate.address) as client:
        answer, rest = dot_and_quit_replies(client, pieces or [octets])
    for message in server.messages:
        fault = language_fault(message.octets, message.has_dot)
        assert fault is None, f"octets {octets!r} went inside as {bytes(message.octets)!r}: {fault}"
    if vectors.has_bare(octets):
        assert answer.code >= 500, f"a message with bare CR, LF or NUL: {answer}"
        assert not [m for m in server.messages if m.has_dot]
    else:
        assert answer.code == 250, answer
        assert [m.accepted for m in server.messages] == [True], "not exactly one message inside"
        vectors.trace_of(server.messages[0].content, vectors.unstuffed(octets))
    assert [reply.code for reply in rest] in ([221], []), f"replies behind the dot's: {rest}"
    assert rest or answer.code >= 400
    assert not smuggled_commands(server), "part of the message became commands inside"


def smuggled_commands(server):
    return [c for c in server.commands if b"smuggled" in c]


def as_one_message(octets):
    """Cut behind the first end of data; one is added when there is none."""
    octets += b"" if vectors.end_of_data(octets) else END
    return octets[:vectors.end_of_data(octets)]


def _single(octets):
    return [octets[n:n + 1] for n in range(len(octets))]


@pytest.mark.parametrize("name", vectors.MIDDLE)
@pytest.mark.parametrize("cut", ["whole", "in octets"])
def test_vector_in_the_middle(gate, server, name, cut):
    vector = vectors.MIDDLE[name]
    octets = as_one_message(HEAD + b"before" + vector + vectors.SMUGGLED)
    assert octets.endswith(b"smuggled\r\n.\r\n"), "a fault of the test: the vector ends the message by itself"
    pieces = None
    if cut == "in octets" and len(vector) < 20:
        before = HEAD + b"before"
        pieces = [before] + _single(vector) + [octets[len(before) + len(vector):]]
    check(gate, server, octets, pieces)


@pytest.mark.parametrize("name", vectors.FIRST)
@pytest.mark.parametrize("cut", ["whole", "in octets"])
def test_vector_first(gate, server, name, cut):
    vector = vectors.FIRST[name]
    octets = as_one_message(vector + vectors.SMUGGLED)
    pieces = None
    if cut == "in octets":
        pieces = _single(vector) + [octets[len(vector):]]
    check(gate, server, octets, pieces)


@pytest.mark.parametrize("name", vectors.CONTROLS)
def test_control_cut_at_every_octet(gate, server, name):
    octets = HEAD + b"text" + vectors.CONTROLS[name]
    for at in range(len(HEAD) + 3, len(octets)):
        check(gate, server, octets, [octets[:at], octets[at:]])
        server.sessions.clear()


def test_control_in_single_octets(gate, server):
    octets = HEAD + b"text\r\n..\r\n.\r\n"
    check(gate, server, octets, _single(octets))


@pytest.mark.parametrize("cut", [[b".\r\n"], [b".", b"\r\n"], [b".\r", b"\n"], [b".", b"\r", b"\n"]])
def test_empty_message(gate, server, cut):
    check(gate, server, b".\r\n", cut)


def test_dot_behind_a_long_line_is_content(gate, server):
    for length in vectors.LONG_LINES:
        check(gate, server, HEAD + b"x" * length + b".\r\ny" + END)
        server.sessions.clear()


def test_dot_line_behind_a_long_line_ends_it(gate, server):
    for length in vectors.LONG_LINES:
        check(gate, server, HEAD + b"x" * length + END)
        server.sessions.clear()


def test_stuffed_line_behind_a_long_line_stays(gate, server):
    for length in vectors.LONG_LINES:
        check(gate, server, HEAD + b"x" * length + b"\r\n..\r\n..y" + END)
        server.sessions.clear()


def test_random_octets(gate, server):
    """Whatever the octets and the segments, the same rule: seeded, so that a failure can be repeated. The first line
    does not begin with a blank: that has a test of its own (a vector's, and in test_postfix.py)."""
    dice = random.Random(FIXED_SEED)
    alphabet = [b"\r\n", b"\r\n", b"\r\n", b".", b".", b"x", b"\r\n.", b"\r\n..", b"\t"]
    bad = [b"\r", b"\n", b"\0", b"\r\r\n", b"\n.\n"]
    for number in range(RANDOM_CASES):
        letters = alphabet + (bad if number % 2 else [])
        octets = as_one_message(b"x" + b"".join(dice.choice(letters) for _ in range(dice.randint(1, 30))))
        check(gate, server, octets, _random_pieces(dice, octets) if number % 3 == 0 else None)
        server.sessions.clear()


def _random_pieces(dice, octets):
    cuts = sorted(dice.randrange(len(octets) + 1) for _ in range(3))
    return [piece for piece in (octets[a:b] for a, b in zip([0] + cuts, cuts + [len(octets)])) if piece]


def test_what_follows_the_end_is_commands_not_content(gate, server):
    """A whole second transaction behind a true end: its data came before our 354, which is out of order."""
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(HEAD + b"first" + END + vectors.SMUGGLED)
        replies = client.all_replies()
    assert replies[0].code == 250
    assert sum(reply.code == 354 for reply in replies) == 0
    assert replies[-1].code in (554, 421)
    assert len(server.accepted) == 1
    vectors.trace_of(server.accepted[0].content, HEAD + b"first\r\n")


@pytest.mark.parametrize("ending", [b"", b"\r", b"\r\n", b"\r\n.", b"\r\n.\r", b"\n.\n", b"\r.\r"])
def test_end_of_the_connection_ends_no_message(gate, server, ending):
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(HEAD + b"text" + ending)
        client.finish_sending()
        assert not [reply for reply in client.all_replies() if reply.is_positive]
    for message in server.messages:
        assert not message.has_dot and language_fault(message.octets, complete=False) is None


def test_session_goes_on_after_a_refused_message(gate, server):
    """Or ends in good order; either way nothing of the first message is left."""
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(HEAD + b"bare\nLF" + END)
        assert client.reply().code >= 500
    with Client(gate.address) as client:
        client.hello()
        assert client.message("user@example.org", HEAD + b"clean\r\n").code == 250
        client.quit()
    assert len(server.accepted) == 1
    vectors.trace_of(server.accepted[0].content, HEAD + b"clean\r\n")


@pytest.mark.parametrize("octet", [b"\n", b"\r", b"\0"])
@pytest.mark.parametrize("place", ["verb", "address", "parameter", "end"])
def test_bare_octets_in_commands_do_not_get_inside(gate, server, octet, place):
    lines = {
        "verb": b"MA%sIL FROM:<a@example.com>",
        "address": b"MAIL FROM:<a%sRSET@example.com>",
        "parameter": b"MAIL FROM:<a@example.com> BODY=8BIT%sMIME",
        "end": b"MAIL FROM:<a@example.com>%sRCPT TO:<b@example.org>",
    }
    with Client(gate.address) as client:
        client.hello()
        client.send(lines[place] % octet + b"\r\nQUIT\r\n")
        replies = client.all_replies()
    assert replies and replies[0].code >= 500
    assert bytes(octet) not in b"".join(server.commands)
    assert not [c for c in server.commands if c.upper().startswith((b"RCPT", b"DATA"))]


def test_bare_line_feed_ends_no_command(gate, server):
    """RFC 5321 section 2.3.8: one line, one reply, however many line feeds stand in it."""
    with Client(gate.address) as client:
        client.hello()
        client.ask("MAIL FROM:<a@example.com>", 250)
        client.send(b"RCPT TO:<b@example.org>\nRCPT TO:<c@example.org>\r\nQUIT\r\n")
        codes = [reply.code for reply in client.all_replies()]
    assert not [c for c in server.commands if c.startswith(b"RCPT")]
    assert codes in ([500, 221], [421]), codes


def test_postfix_gets_exactly_what_was_accepted(postfix, postern):
    """All vectors into a Postfix that itself ends messages at LF.LF and its kin."""
    gate = postern(postfix.address("xclient"))
    before = len(postfix.messages("smuggled@example.org"))
    expected = {}
    for number, (name, octets) in enumerate(_all_cases()):
        recipient = f"vector-{number}@example.org"
        with Client(gate.address) as client:
            client.hello()
            client.begin(recipient)
            client.send(octets + b"QUIT\r\n")
            answer = client.all_replies()[0]
        assert answer.is_positive != vectors.has_bare(octets), f"{name}: {answer}"
        expected[recipient] = int(answer.is_positive)
    postfix.settle()
    assert len(postfix.messages("smuggled@example.org")) == before
    assert {recipient: len(postfix.messages(recipient)) for recipient in expected} == expected


def _all_cases():
    for name, vector in vectors.MIDDLE.items():
        yield name, as_one_message(HEAD + b"before" + vector + vectors.SMUGGLED)
    for name, vector in vectors.FIRST.items():
        yield name, as_one_message(vector + vectors.SMUGGLED)
    for name, vector in vectors.CONTROLS.items():
        yield name, HEAD + b"before" + vector
