# SPDX-License-Identifier: ISC
"""BDAT: whatever octets come in whatever chunks, inside hears DATA in the language of the inside leg, or no dot.

The rule is foretold from the octets alone (vectors.py): a CR, LF or NUL that stands alone is refused, or mended where
bare_lf = normalise; all else arrives once, octet for octet, but for a last line end that was missing.
"""
import random

import pytest

import postern as postern_program
import stories
import vectors
from inside_server import Inside, language_fault
from smtp_client import Client, chunks

HEAD = b"Subject: chunks\r\n\r\n"
RECIPIENT = "user@example.org"
SEED = 3030
RANDOM_CASES = 200


@pytest.fixture(scope="module")
def house():
    """posternd, one that mends, and the recording server behind both, for the whole file."""
    server = Inside()
    strict = postern_program.Postern(server.address)
    mending = postern_program.Postern(server.address, "policy.bare_lf=normalise")
    yield strict, mending, server
    for gate in (strict, mending):
        gate.stop()
        gate.check_log()
    server.stop()


@pytest.fixture
def gate(house):
    stories.add(house[0])
    stories.add(house[2])
    return house[0]


@pytest.fixture
def mending(house):
    stories.add(house[1])
    stories.add(house[2])
    return house[1]


@pytest.fixture
def server(house):
    house[2].sessions.clear()
    return house[2]


def send(gate, content, cuts=(), pipelined=False):
    """One message in chunks and a QUIT; the replies to the chunks."""
    commands = chunks(content, cuts)
    with Client(gate.address) as client:
        client.hello()
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.ask(f"RCPT TO:<{RECIPIENT}>", 250)
        if pipelined:
            client.send(b"".join(commands) + b"QUIT\r\n")
            replies = client.all_replies()
            assert replies.pop().code == 221
        else:
            replies = []
            for command in commands:
                client.send(command)
                replies.append(client.reply())
            client.quit()
    assert len(replies) == len(commands), f"{len(replies)} replies to {len(commands)} chunks: {replies}"
    return replies


def with_line_end(content):
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"


def mended(content):
    """bare_lf = normalise, by its definition."""
    out, at = bytearray(), 0
    while at < len(content):
        if content[at:at + 2] == b"\r\n":
            out += b"\r\n"
            at += 2
            continue
        octet = content[at:at + 1]
        out += {b"\n": b"\r\n", b"\r": b" ", b"\0": b" "}.get(octet, octet)
        at += 1
    return bytes(out)


def check(gate, server, content, cuts=(), pipelined=False):
    replies = send(gate, content, cuts, pipelined)
    for message in server.messages:
        fault = language_fault(message.octets, message.has_dot)
        assert fault is None, f"{content!r} went inside as {bytes(message.octets)!r}: {fault}"
    assert not [c for c in server.commands if b"smuggled" in c], "part of the message became commands inside"
    assert not [c for c in server.commands if c.upper().startswith(b"BDAT")], "inside hears DATA"
    return replies


def check_strict(gate, server, content, cuts=(), pipelined=False):
    replies = check(gate, server, content, cuts, pipelined)
    if vectors.has_bare(content):
        assert replies[-1].code == 550, replies
        assert not [m for m in server.messages if m.has_dot]
    else:
        assert [reply.code for reply in replies] == [250] * len(replies), replies
        assert [m.accepted for m in server.messages] == [True]
        vectors.trace_of(server.messages[0].content, with_line_end(content))


def check_mended(gate, server, content, cuts=(), pipelined=False):
    replies = check(gate, server, content, cuts, pipelined)
    assert [reply.code for reply in replies] == [250] * len(replies), replies
    assert [m.accepted for m in server.messages] == [True]
    vectors.trace_of(server.messages[0].content, with_line_end(mended(content)))


def a_message(vector):
    return HEAD + b"before" + vector + vectors.SMUGGLED + b"after\r\n"


@pytest.mark.parametrize("name", [*vectors.MIDDLE, *vectors.CONTROLS])
@pytest.mark.parametrize("way", ["one", "cut in it", "cut in octets", "pipelined"])
def test_vector(gate, mending, server, name, way):
    vector = vectors.MIDDLE.get(name) or vectors.CONTROLS[name]
    begin = len(HEAD + b"before")
    cuts = {"one": (), "cut in it": (begin + 1,), "pipelined": (begin, begin + 1)}.get(way)
    if cuts is None:
        cuts = range(begin, begin + min(len(vector), 8) + 1)
    check_strict(gate, server, a_message(vector), cuts, way == "pipelined")
    server.sessions.clear()
    check_mended(mending, server, a_message(vector), cuts, way == "pipelined")


@pytest.mark.parametrize("name", vectors.FIRST)
def test_vector_first(gate, mending, server, name):
    content = b"x" + vectors.FIRST[name] + vectors.SMUGGLED
    check_strict(gate, server, content, (1, 2))
    server.sessions.clear()
    check_mended(mending, server, content, (1, 2))


@pytest.mark.parametrize("content", [b"", b"\r\n", b".", b".\r\n", b"x", b"..", b"x\r\n.", b".\r\n.\r\n", b"x\r\n\r\n"])
@pytest.mark.parametrize("cuts", [(), (0,), (0, 0)])
def test_short_messages(gate, server, content, cuts):
    check_strict(gate, server, content, cuts)


@pytest.mark.parametrize("ending", [b"\r", b"x\r", b"\n", b"\0"])
def test_last_octet(gate, mending, server, ending):
    check_strict(gate, server, HEAD + ending)
    server.sessions.clear()
    check_mended(mending, server, HEAD + ending)


def test_random_octets_in_random_chunks(gate, mending, server):
    dice = random.Random(SEED)
    alphabet = [b"\r\n", b"\r\n", b".", b"x", b"\r\n.", b"\r\n..", b"\t", b"\xc3\xbc"]
    bad = [b"\r", b"\n", b"\0", b"\r\r\n", b"\n.\n", b"\n.\r\n"]
    for number in range(RANDOM_CASES):
        letters = alphabet + (bad if number % 2 else [])
        content = b"x" + b"".join(dice.choice(letters) for _ in range(dice.randint(1, 30)))
        cuts = [dice.randrange(len(content) + 1) for _ in range(dice.randint(0, 5))]
        check_strict(gate, server, content, cuts, number % 3 == 0)
        server.sessions.clear()
        check_mended(mending, server, content, cuts, number % 3 == 0)
        server.sessions.clear()


def test_long_chunks(gate, server):
    """Longer than any buffer on the way, with dots wherever a buffer could end."""
    line = b".." + b"y" * 61 + b"\r\n"
    content = HEAD + line * 20000 + b"." * 70000
    check_strict(gate, server, content, (1, 65535, 65536, 65537, 131072, 700000))


def test_what_a_refused_chunk_holds_is_never_a_command(gate, server):
    """Octets of chunks that nobody asked for: before MAIL, without recipients, behind a refused message."""
    evil = b"RSET\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<evil@example.org>\r\nDATA\r\n"
    with Client(gate.address) as client:
        client.hello()
        client.send(b"".join(chunks(evil * 1000, (5, 70000))))
        assert [reply.code for reply in client.replies(3)] == [503] * 3
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.send(b"".join(chunks(evil, (5,))))
        assert [reply.code for reply in client.replies(2)] == [554] * 2
        client.ask(f"RCPT TO:<{RECIPIENT}>", 503)  # with its last chunk the refused message is over
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.ask(f"RCPT TO:<{RECIPIENT}>", 250)
        client.send(b"".join(chunks(b"a\nb" + evil, (2, 4))))
        assert [reply.code for reply in client.replies(3)] == [550] * 3
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.ask(f"RCPT TO:<{RECIPIENT}>", 250)
        assert client.bdat(HEAD + b"good").code == 250
        client.quit()
    assert not [c for c in server.commands if b"evil" in c]
    assert len(server.accepted) == 1
    vectors.trace_of(server.accepted[0].content, HEAD + b"good\r\n")


@pytest.mark.parametrize("size", ["", "x", "-1", "18446744073709551616", "5 LAST now", "0x5", "5,LAST"])
def test_a_size_that_is_none_ends_the_session(gate, server, size):
    with Client(gate.address) as client:
        client.hello()
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.ask(f"RCPT TO:<{RECIPIENT}>", 250)
        client.send(f"BDAT {size}\r\nRSET\r\nMAIL FROM:<evil@example.com>\r\n".encode())
        assert [reply.code for reply in client.all_replies()] == [501]
    assert not [c for c in server.commands if b"evil" in c]


def test_postfix_gets_exactly_what_was_accepted(postfix, postern):
    """All vectors, by BDAT, into a Postfix that itself ends messages at LF.LF and its kin."""
    gate = postern(postfix.address("xclient"))
    before = len(postfix.messages("smuggled@example.org"))
    expected = {}
    for number, vector in enumerate([*vectors.MIDDLE.values(), *vectors.CONTROLS.values()]):
        recipient = f"chunk-{number}@example.org"
        content = a_message(vector)
        with Client(gate.address) as client:
            client.hello()
            client.ask("MAIL FROM:<sender@example.com>", 250)
            client.ask(f"RCPT TO:<{recipient}>", 250)
            reply = client.bdat(content, (len(HEAD) + 7,))
            client.quit()
        assert reply.is_positive != vectors.has_bare(content), f"{vector!r}: {reply}"
        expected[recipient] = [] if vectors.has_bare(content) else [content]
    postfix.settle()
    assert len(postfix.messages("smuggled@example.org")) == before
    for recipient, contents in expected.items():
        arrived = postfix.messages(recipient)
        assert len(arrived) == len(contents)
        for message, content in zip(arrived, contents):
            vectors.trace_of(message.content, content)
