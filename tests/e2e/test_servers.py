# SPDX-License-Identifier: ISC
"""More than one inside server, and when the inside session is opened."""
import pytest

import net
import postern as postern_program
from inside_server import close, reset
from smtp_client import Client

CONTENT = b"Subject: servers\r\n\r\ntext\r\n"

CONFIG = """\
hostname = mx.example.org
user     = nobody
probe_interval = 0s
listener mx {
    address   = 127.0.0.1:%d
    backend   = inside
    policy    = inbound
    min_spare = 1
}
backend inside {
    pass_client = xclient
    connect     = %s
    connect_timeout = 2s
    server one { address = 127.0.0.1:%d }
    server two { address = 127.0.0.1:%d }
}
policy inbound { }
"""


@pytest.fixture(params=["mail", "greeting"])
def gate(request, inside, tmp_path):
    """A function: posternd in front of two inside servers."""
    started = []

    def start(first, second):
        address = ("127.0.0.1", net.free_port())
        path = tmp_path / "postern.conf"
        path.write_text(CONFIG % (address[1], request.param, first.address[1], second.address[1]))
        program = postern_program.PosternFrom(address, "-f", "-c", str(path))
        started.append(program)
        program.wait_ready()
        return program

    yield start
    for program in started:
        program.stop()
        program.check_log()


def deliver(gate):
    with Client(gate.address) as client:
        client.hello()
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()


def test_first_serves_when_it_can(inside, gate):
    first, second = inside(), inside()
    program = gate(first, second)
    deliver(program)
    assert (len(first.accepted), len(second.accepted)) == (1, 0)


@pytest.mark.parametrize("script", [{"connect": close}, {"connect": reset}, {"connect": b"421 4.3.2 no\r\n"},
                                    {"connect": b"554 5.3.2 never\r\n"}, {"EHLO": b"451 4.3.0 sick\r\n"},
                                    {"EHLO": close}])
def test_second_serves_when_the_first_is_sick(inside, gate, script):
    first, second = inside(script), inside()
    program = gate(first, second)
    for _ in range(2):
        deliver(program)
    assert (len(first.accepted), len(second.accepted)) == (0, 2)


def test_second_serves_when_the_first_is_down(inside, gate):
    first, second = inside(), inside()
    first.stop()
    program = gate(first, second)
    for _ in range(2):
        deliver(program)
    assert len(second.accepted) == 2


def test_first_dies_between_two_messages(inside, gate):
    """Between transactions the connection is opened anew; the client notices nothing."""
    first, second = inside(), inside()
    program = gate(first, second)
    with Client(program.address) as client:
        client.hello()
        assert client.message("user@example.org", CONTENT).code == 250
        first.stop()
        net.wait_until(lambda: first.sessions[0].ended, 10, "the first is still there")
        reply = client.message("user@example.org", CONTENT)
        assert reply.code == 250, reply
        client.quit()
    assert (len(first.accepted), len(second.accepted)) == (1, 1)


def test_first_dies_within_a_transaction(inside, gate):
    """A transaction lives and dies with one inside connection: 451 until RSET or MAIL."""
    first, second = inside(), inside()
    program = gate(first, second)
    with Client(program.address) as client:
        client.hello()
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.ask("RCPT TO:<user@example.org>", 250)
        first.stop()
        net.wait_until(lambda: first.sessions[0].ended, 10, "the first is still there")
        client.ask("RCPT TO:<other@example.org>", 451)
        client.ask("DATA", 451)
        client.ask("RSET", 250)
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()
    assert (len(first.accepted), len(second.accepted)) == (0, 1)


def test_both_are_down(inside, gate):
    first, second = inside(), inside()
    first.stop()
    second.stop()
    program = gate(first, second)
    with Client(program.address) as client:
        reply = client.reply()
        for line in ("EHLO client.test", "MAIL FROM:<sender@example.com>"):
            if reply.is_positive:
                reply = client.command(line)
    assert reply.code in (421, 451), reply
