# SPDX-License-Identifier: ISC
"""Access lists in files: a changed one is picked up without a session noticing, one with an error changes nothing."""
import os
import signal

import pytest

import net
import postern as postern_program
from smtp_client import Client, stuffed

CONF = """\
hostname = mx.example.org
user     = nobody
log      = stderr
probe_interval = 0s
listener mx {
    address     = 127.0.0.1:%(port)d
    backend     = inside
    policy      = inbound
    max_workers = 10
    min_spare   = 2
    max_spare   = 4
}
backend inside {
    pass_client = xclient
    server one { address = 127.0.0.1:%(inside)d }
}
policy inbound {
    access { allow = { 192.0.2.0/24 }  reject = { 198.51.100.0/24, file:%(enemies)s } }
}
"""
LINE = CONF[:CONF.index("access {")].count("\n") + 1
CONTENT = b"Subject: under way\r\n\r\ntext\r\n"


class Lists:
    """The configuration and its one file, which is replaced as a whole."""

    def __init__(self, directory, inside_port):
        self.port = net.free_port()
        self.enemies = str(directory / "enemies")
        self.conf = str(directory / "postern.conf")
        self.write("")
        self._replace(self.conf, CONF % {"port": self.port, "inside": inside_port, "enemies": self.enemies})

    def write(self, text):
        self._replace(self.enemies, text)

    @staticmethod
    def _replace(path, text):
        with open(path + ".new", "w") as f:
            f.write(text)
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)


@pytest.fixture
def lists(tmp_path, inside):
    return Lists(tmp_path, inside().address[1])


@pytest.fixture
def gate(lists):
    program = postern_program.PosternFrom(("127.0.0.1", lists.port), "-f", "-c", lists.conf)
    program.wait_ready()
    yield program
    program.stop()
    program.check_log()


def refusal(gate):
    """What a client hears to its recipient."""
    with Client(gate.address) as client:
        client.hello()
        client.ask("MAIL FROM:<sender@example.com>", 250)
        reply = client.command("RCPT TO:<a@example.org>")
        client.quit()
        return str(reply)


def test_change(gate, lists):
    """Found by itself within seconds. What was accepted before is delivered, by the rules of then."""
    with Client(gate.address) as early:
        early.hello()
        early.begin("a@example.org")
        lists.write("# closed\n\n127.0.0.0/8  Closed today\n")
        net.wait_until(lambda: "state=done by=file" in gate.log(), 30, "the change is not picked up", gate.story)
        net.wait_until(lambda: "554 5.7.1 Closed today" in refusal(gate), 10, "the old list is used", gate.story)
        early.send(stuffed(CONTENT) + b".\r\n")
        early.expect(250)
        early.ask("QUIT", 221)
    gate.wait_log(rf'event=message .*verdict=refused reason="client 127.0.0.1 rejected by {lists.enemies}:3"')
    lists.write("127.0.0.1\n127.0.0.1/8 never\n")
    os.kill(gate.process.pid, signal.SIGHUP)
    gate.wait_log(rf"event=reload state=refused by=\w+ why=.*{lists.conf}:{LINE}: policy inbound: access: reject: "
                  rf"{lists.enemies}:2: '127.0.0.1/8' is no address, network or host name")
    assert "554 5.7.1 Closed today" in refusal(gate)


@pytest.mark.parametrize("text, why", [
    ("192.0.2.1/24\n", "enemies:1: '192.0.2.1/24' is no address, network or host name; allowed: 192.0.2.1"),
    ("192.0.2.1\r\n", "enemies:1: a carriage return"),
    (None, "enemies cannot be opened: No such file or directory"),
])
def test_checked(lists, text, why):
    """posternd -t reads the lists, too."""
    if text is None:
        os.unlink(lists.enemies)
    else:
        lists.write(text)
    status, out, err = postern_program.run("-t", "-c", lists.conf)
    assert status != 0 and f"{lists.conf}:{LINE}: policy inbound: access: reject: " in err and why in err, (out, err)
