# SPDX-License-Identifier: ISC
"""The tests' own tools, tested: a relay that defends nothing must be caught by what posternd has to pass."""
import pytest

import stories
import vectors
from inside_server import language_fault
from relay import Relay
from smtp_client import Client, stuffed


@pytest.fixture
def relay():
    started = []

    def start(inside):
        started.append(Relay(inside))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_postfix_takes_a_message(postfix):
    with Client(postfix.address("plain")) as client:
        client.hello()
        reply = client.message("rig@example.org", b"Subject: rig\r\n\r\n.dot\r\n")
        client.quit()
    message = postfix.only_message("rig@example.org")
    assert message.content == b"Subject: rig\r\n\r\n.dot\r\n"
    assert message.queue_id in reply.text.decode()


def test_smuggling_through_a_plain_relay_is_noticed(postfix, relay):
    """Debian's Postfix ends a message at LF.LF. If this fails, test_boundaries.py proves nothing any more."""
    before = len(postfix.messages("smuggled@example.org"))
    with Client(relay(postfix.address("plain")).address) as client:
        client.hello()
        client.begin("victim@example.org")
        client.send(b"Subject: x\r\n\r\nx" + vectors.MIDDLE["LF.LF"] + vectors.SMUGGLED + b"QUIT\r\n")
        client.all_replies()
    postfix.settle()
    smuggled = postfix.messages("smuggled@example.org")
    assert len(smuggled) == before + 1


def test_a_bare_line_end_that_gets_inside_is_noticed(inside, relay):
    server = inside()
    with Client(relay(server.address).address) as client:
        client.hello()
        client.message("user@example.org", b"x\r\n")
        client.begin("user@example.org")
        client.send(b"x\n.\r\ny\r\n.\r\n")
        client.reply()
    good, bad = server.messages
    assert good.accepted and language_fault(good.octets, complete=True) is None
    assert "bare" in language_fault(bad.octets, complete=True)


@pytest.mark.parametrize("octets, complete, fault", [
    (b".\r\n", True, None),
    (b"a\r\n..\r\n.\r\n", True, None),
    (b"a\r\n.b\r\n.\r\n", True, "not stuffed"),
    (b"a\rb\r\n.\r\n", True, "bare"),
    (b"a\nb\r\n.\r\n", True, "bare"),
    (b"a\0b\r\n.\r\n", True, "NUL"),
    (b"a\r\n", True, "dot"),
    (b"a\r\n.\r\n", False, "not stuffed"),
    (b"a\r\nb", False, None),
    (b"a\r\nb\r", False, None),
    (b"", False, None),
])
def test_language(octets, complete, fault):
    found = language_fault(octets, complete)
    assert found is None if fault is None else fault in (found or "")


def test_stuffing_is_its_own_inverse():
    content = b".\r\n..\r\nx.\r\n.x\r\n\r\n"
    assert vectors.unstuffed(stuffed(content) + b".\r\n") == content


def test_a_failure_tells_who_said_what(inside):
    with Client(inside().address) as client:
        client.hello("story.test")
    assert "EHLO story.test" in stories.tell() and "220 inside.test" in stories.tell()
