# SPDX-License-Identifier: ISC
"""Connections that end early, half or late: who hangs up frees the worker, but never turns a no into a yes."""
import threading

import pytest

import net
from smtp_client import Client

CONTENT = b"Subject: ends\r\n\r\ntext\r\n"
STEPS = ["connected", "banner", "EHLO", "MAIL", "RCPT", "DATA", "body"]


def go_to(client, step):
    """Up to and with the step; the last of it has been answered."""
    for name, octets, code in (("banner", b"", 220), ("EHLO", b"EHLO client.test\r\n", 250),
                               ("MAIL", b"MAIL FROM:<sender@example.com>\r\n", 250),
                               ("RCPT", b"RCPT TO:<user@example.org>\r\n", 250), ("DATA", b"DATA\r\n", 354)):
        if step == "connected":
            return
        if octets:
            client.send(octets)
        client.expect(code)
        if step == name:
            return
    client.send(CONTENT)


def assert_all_gone(gate, server):
    """No worker holds a session any more, and inside was told."""
    net.wait_until(lambda: all(session.ended for session in server.sessions), 20, "an inside session is left",
                   server.story)
    with Client(gate.address) as client:
        client.hello()
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()


@pytest.mark.parametrize("how", ["reset", "close", "finish_sending"])
@pytest.mark.parametrize("step", STEPS)
def test_client_leaves(inside, postern, step, how):
    server = inside()
    gate = postern(server.address)
    with Client(gate.address) as client:
        go_to(client, step)
        getattr(client, how)()
        if how == "finish_sending":
            assert len(client.all_replies()) <= 2
    assert_all_gone(gate, server)
    assert len(server.accepted) == 1, "something was delivered that nobody ended"


@pytest.mark.parametrize("tail", [b"QUIT\r\n", b""])
def test_half_close_behind_the_dot_is_no_hang_up(inside, postern, tail):
    """A client that pipelines its QUIT and then shuts its sending side still wants its answers."""
    server = inside()
    gate = postern(server.address)
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(CONTENT + b".\r\n" + tail)
        client.finish_sending()
        codes = [reply.code for reply in client.all_replies()]
    assert codes[:1] == [250] and (not tail or codes == [250, 221]), codes
    assert len(server.accepted) == 1


def test_half_close_behind_a_pipeline(inside, postern):
    server = inside()
    gate = postern(server.address)
    with Client(gate.address) as client:
        client.hello()
        client.send(b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<user@example.org>\r\nRSET\r\nQUIT\r\n")
        client.finish_sending()
        assert [reply.code for reply in client.all_replies()] == [250, 250, 250, 221]


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("verdict, logged", [(b"250 2.0.0 queued as KEPT\r\n", "KEPT"),
                                             (b"554 5.7.1 spam\r\n", "554")])
def test_client_leaves_between_dot_and_answer(inside, postern, how, verdict, logged):
    """Inside may have the message already: its answer is awaited, and logged, though nobody hears it."""
    has_dot, may_answer = threading.Event(), threading.Event()

    def wait_and_answer(session):
        has_dot.set()
        assert may_answer.wait(20)
        session.say(verdict)

    server = inside({"dot": wait_and_answer})
    gate = postern(server.address)
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(CONTENT + b".\r\n")
        assert has_dot.wait(20)
        getattr(client, how)()
    net.wait_until(lambda: net.holder_of(client.port, client.own_port, gate.workers()) is None or how == "close", 20,
                   "the reset was not heard")
    may_answer.set()
    gate.wait_log(logged)
    server.script.clear()
    assert_all_gone(gate, server)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_client_leaves_while_inside_thinks(inside, postern, step):
    """A hang-up frees the worker at once, however long inside would still take."""
    asked = threading.Event()

    def think(session):
        asked.set()
        session.stall()

    server = inside({step: think})
    gate = postern(server.address, "backend.command_timeout=1h", "backend.data_timeout=1h")
    with Client(gate.address) as client:
        go_to(client, {"MAIL": "EHLO", "RCPT": "MAIL", "DATA": "RCPT"}[step])
        client.send({"MAIL": b"MAIL FROM:<sender@example.com>\r\n", "RCPT": b"RCPT TO:<user@example.org>\r\n",
                     "DATA": b"DATA\r\n"}[step])
        assert asked.wait(20)
        client.reset()
    server.script.clear()
    assert_all_gone(gate, server)


def test_inside_is_closed_when_the_client_quits(inside, postern):
    server = inside()
    gate = postern(server.address)
    with Client(gate.address) as client:
        client.hello()
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.quit()
    assert_all_gone(gate, server)
    assert b"QUIT" in server.sessions[0].commands or server.sessions[0].ended == "closed"
