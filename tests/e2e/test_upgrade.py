# SPDX-License-Identifier: ISC
"""Another program in the place of the one that runs: the same process, nobody is refused and nothing is lost, what was
counted and ordered stays; and a program that cannot take the place leaves the one before in it, which says why."""
import json
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest

import net
import postern as postern_program
from smtp_client import Client

POSTERNCTL = postern_program.BUILD + "/posternctl"
NEXT = postern_program.BUILD + "/next/posternd"  # tests/upgrade/next.c
NEXT_VERSION = "0.1-next"
CONFIGURATION = """\
hostname = mx.example.org
log = stderr
user = nobody
group = nogroup
pid_file = {run}/pid
control_socket = {run}/control
listed_file = {run}/listed/list
{more}
listener mx {{
    address = "127.0.0.1:{port}"
    backend = inside
    policy = inbound
    max_workers = 20
    min_spare = 2
}}
backend inside {{
    server one {{ address = "127.0.0.1:{inside}" }}
}}
policy inbound {{
    recipient {{ relay_domains = "*" }}
    limit rate {{ of = connections  per = client  rate = 3/1h  burst = 3 }}
}}
"""
CONTENT = b"Subject: upgrade\r\n\r\ntext\r\n"
BAD_SCRIPT = "#!/bin/sh\necho this version wants a newer kernel >&2\nexit 3\n"


class Gate(postern_program.PosternFrom):
    """A posternd from a file of its own, which another can be put in the place of."""

    def __init__(self, directory, server, more="", how=None, **options):
        directory.mkdir(exist_ok=True)
        os.chmod(directory, 0o755)
        self.directory = directory
        self.run = directory / "run"
        self.path = directory / "postern.conf"
        self.how = how
        port = net.free_port()
        self.path.write_text(CONFIGURATION.format(run=self.run, more=more, port=port, inside=server.address[1]))
        self.path.chmod(0o644)
        self.install(postern_program.POSTERND)
        super().__init__(("127.0.0.1", port), "-f", "-c", str(self.path), program=str(directory / "posternd"), **options)
        net.wait_until(lambda: "event=ready" in self.log(), 30, "posternd is not ready", self.story)

    def _popen(self, command, **options):
        if self.how is not None:
            options["env"]["POSTERN_NEXT"] = self.how
        return super()._popen(command, **options)

    def install(self, program=None, text=None):
        """As a package or make install does it: a new file, renamed over the old one. Root may not be needed for it."""
        new = self.directory / "posternd.new"
        if text is not None:
            new.write_text(text)
        else:
            shutil.copy(program, new)
        new.chmod(0o755)
        new.rename(self.directory / "posternd")

    def ctl(self, *arguments):
        return subprocess.run([POSTERNCTL, "-s", str(self.run / "control"), *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)

    def ask(self, *arguments, status=0):
        done = self.ctl("--json", *arguments)
        assert done.returncode == status, (done, self.story())
        return json.loads(done.stdout)

    def records(self, kind, *arguments):
        return [record for record in self.ask(*arguments)["records"] if record["kind"] == kind]

    def status(self):
        return self.records("posternd", "status")[0]

    def totals(self):
        return self.records("totals", "stats")[0]

    def upgrade(self):
        """The record of one that is good."""
        return self.records("upgraded", "upgrade")[0]

    def refused_upgrade(self):
        """Why."""
        return self.ask("upgrade", status=1)["error"]["why"]

    def deliver(self):
        with Client(self.address) as client:
            client.hello()
            assert client.message("user@example.org", CONTENT).code == 250
            client.quit()


@pytest.fixture
def server(inside):
    return inside()


@pytest.fixture
def gates(tmp_path, server):
    started = []

    def start(more="", name="gate", **options):
        started.append(Gate(tmp_path / name, server, more, **options))
        return started[-1]

    yield start
    for gate in started:
        gate.stop()
        gate.check_log()
        assert not os.path.exists(gate.run / "control") and not os.path.exists(gate.run / "pid")


def program_of(pid):
    """What it runs, by the file itself: it may have lost its name."""
    is_it = os.stat(f"/proc/{pid}/exe")
    return is_it.st_dev, is_it.st_ino


def identity_of(path):
    is_it = os.stat(path)
    return is_it.st_dev, is_it.st_ino


def test_another_program_takes_the_place(gates, server):
    gate = gates()
    master = gate.master
    gate.deliver()
    gate.ask("block", "192.0.2.7", "reason", "of the test")
    gate.ask("log", "debug")
    gate.ask("bypass", "on")
    before = gate.status()
    with Client(gate.address) as client:
        client.hello()
        client.ask("MAIL FROM:<a@example.com>", 250)
        client.ask("RCPT TO:<b@example.org>", 250)
        gate.install(NEXT)
        assert gate.upgrade() == {"kind": "upgraded", "from": "0.1", "to": NEXT_VERSION, "pid": master}
        assert gate.master == master and net.command_name(master) == "posternd"
        assert program_of(master) == identity_of(gate.directory / "posternd")
        after = gate.status()
        assert (after["version"], after["pid"], after["started"]) == (NEXT_VERSION, master, before["started"])
        assert after["generation"] == before["generation"] + 1 and after["state"] == "serving"
        assert (after["log_level"], after["log_level_ordered"], after["bypass"]) == ("debug", True, True)
        session = gate.records("session", "sessions")[0]
        assert session["port"] == client.own_port and session["listener"] == "mx"
        assert [r["alive"] for r in gate.records("draining", "status")] == [1]
        client.ask("DATA", 354)
        client.send(CONTENT + b".\r\n")
        assert client.reply().code == 250
        client.quit()
    gate.ask("bypass", "off")
    gate.ask("log", "configured")
    net.wait_until(lambda: not gate.records("draining", "status"), 10, "the earlier workers stay", gate.story)
    gate.deliver()
    assert [m.content.endswith(b"\r\n" + CONTENT) for s in server.sessions for m in s.messages] == [True] * 3
    assert {program_of(pid) for pid in gate.workers()} == {program_of(master)}
    net.wait_until(lambda: gate.totals()["messages"] == 3, 10, "a message is not counted", gate.story)
    assert [r["network"] for r in gate.records("listed", "block")] == ["192.0.2.7"]
    gate.ask("forget", "192.0.2.7")
    assert not os.path.exists(gate.run / "listed" / "list.saved"), "it did not know its own file again"
    gate.wait_log(rf"event=upgraded from=0.1 to={NEXT_VERSION} scoreboard=kept")
