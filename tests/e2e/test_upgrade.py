# SPDX-License-Identifier: ISC
"""Another program in the place of the one that runs: the same process, nobody is refused and nothing is lost, what was
counted and ordered stays; and a program that cannot take the place leaves the one before in it, which says why."""
import json
import os
import re
import resource
import shutil
import signal
import socket
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
    limit rate {{ of = messages  per = client  rate = 3/1h  action = defer  mode = {limit} }}
}}
"""
USER = 65534
CAPABILITIES = {"root": 1 << 2 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10, "nobody": 0, "nobody with a port": 1 << 10}
AS_USER = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
CONTENT = b"Subject: upgrade\r\n\r\ntext\r\n"
TALKATIVE_SCRIPT = "#!/bin/sh\nhead -c 20000 /dev/zero | tr '\\0' y >&2\necho >&2\necho the end of it >&2\nexit 3\n"
BAD_SCRIPT = "#!/bin/sh\necho this version wants a newer kernel >&2\nexit 3\n"


class Gate(postern_program.PosternFrom):
    """A posternd from a file of its own, which another can be put in the place of."""

    def __init__(self, directory, server, more="", limit="watch", how=None, before=(), **options):
        directory.mkdir(exist_ok=True)
        os.chmod(directory, 0o755)
        self.directory = directory
        self.run = directory / "run"
        self.path = directory / "postern.conf"
        self.how, self.before = how, before
        port = net.free_port()
        self.path.write_text(CONFIGURATION.format(run=self.run, more=more, port=port, limit=limit,
                                                  inside=server.address[1]))
        self.path.chmod(0o644)
        self.install(postern_program.POSTERND)
        super().__init__(("127.0.0.1", port), "-f", "-c", str(self.path), program=str(directory / "posternd"),
                         **options)
        net.wait_until(lambda: "event=ready" in self.log() and "event=housekeeper state=working" in self.log(), 30,
                       "posternd is not ready", self.story)
        net.wait_until(lambda: len(self.workers()) >= 2, 30, "it has no workers", self.story)

    def _popen(self, command, **options):
        if self.how is not None:
            options["env"]["POSTERN_NEXT"] = self.how
        return super()._popen([*self.before, *command], **options)

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

    def dropped(self):
        """Lines of the log."""
        return next(r["value"] for r in self.records("sample", "metrics")
                    if r["name"] == "postern_log_dropped_lines_total")

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
    """What it runs, by the file itself, which may have lost its name. None: it has ended."""
    try:
        return identity_of(f"/proc/{pid}/exe")
    except OSError:
        return None


def identity_of(path):
    is_it = os.stat(path)
    return is_it.st_dev, is_it.st_ino


def make_room_for_a_user(directory):
    """Who is not root can run a gate in it."""
    for place in (directory.parent.parent, directory.parent, directory):
        place.chmod(0o755)
    (directory / "gate").mkdir()
    os.chown(directory / "gate", USER, USER)


def limit_processes(pid, most):
    """How many its user may have, for it alone. By that user: root may lack the right."""
    soft = "unlimited" if most == resource.RLIM_INFINITY else most
    subprocess.run([*AS_USER, "prlimit", f"--pid={pid}", f"--nproc={soft}:"], check=True, timeout=30)


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
        assert (after["version"], after["pid"]) == (NEXT_VERSION, master)
        assert after["uptime_ms"] >= before["uptime_ms"]
        assert after["generation"] == before["generation"] + 1 and after["state"] == "serving"
        assert (after["log_level"], after["log_level_ordered"], after["bypass"]) == ("debug", True, True)
        session = gate.records("session", "sessions")[0]
        assert session["port"] == client.own_port and session["listener"] == "mx"
        net.wait_until(lambda: [r["alive"] for r in gate.records("draining", "status")] == [1], 10,
                       "those that are idle did not leave")
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
    done = subprocess.run([str(gate.directory / "posternd"), "-f", "-c", str(gate.path)], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 1 and f"already running as process {master}" in done.stderr, done


def test_what_was_counted_and_charged_stays(gates):
    gate = gates(limit="enforce")
    for _ in range(3):
        gate.deliver()

    def charged():
        with Client(gate.address) as client:
            client.hello()
            client.ask("MAIL FROM:<a@example.com>", 250)
            reply = client.command("RCPT TO:<b@example.org>")
            client.quit()
        return reply.code

    def counted():
        hits = [(r["key"], r["limit"], r["times"]) for r in gate.records("rate", "rates")]
        tables = {r["table"]: r["used"] for r in gate.records("table", "stats")}
        totals = {k: v for k, v in gate.totals().items() if k in ("messages", "sessions", "limited")}
        return hits, tables, totals

    assert charged() == 451
    net.wait_until(lambda: gate.totals()["sessions"] == 4, 10, "a session is not counted", gate.story)
    before = counted()
    assert before[0] == [("127.0.0.1", "inbound.rate", 1)] and before[1]["reputations"] > 0
    for program in (NEXT, postern_program.POSTERND, NEXT):
        gate.install(program)
        gate.upgrade()
        assert counted() == before
    assert charged() == 451


@pytest.mark.parametrize("who", CAPABILITIES)
def test_it_has_the_rights_that_it_had(gates, tmp_path, who):
    """Neither more, nor less; and the port below 1024 that it was given stays bound."""
    before = AS_USER if who != "root" else []
    if who == "nobody with a port":
        before = [*before, "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"]
    if who != "root":
        make_room_for_a_user(tmp_path)
    gate = gates(before=before)
    gate.deliver()

    def rights():
        held = {name: int(net.status_field(gate.master, name), 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")}
        return held, net.status_field(gate.master, "Uid"), net.status_field(gate.master, "Groups")

    has = CAPABILITIES[who]
    assert rights()[0] == {"CapPrm": has, "CapEff": has, "CapInh": 0, "CapAmb": 0}
    was = rights()
    for program in (NEXT, postern_program.POSTERND):
        gate.install(program)
        gate.upgrade()
        assert rights() == was
        assert gate.settled_workers()  # none keeps a right, or this would have failed; who leaves meanwhile is none
    gate.deliver()


def test_a_daemon_that_was_started_from_somewhere_else(gates, server, tmp_path, monkeypatch):
    """By names that mean nothing in /, which is where it lives."""
    gate = gates()  # for its file and its place
    gate.stop()
    monkeypatch.chdir(gate.directory)
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(str(gate.directory / "log"))
    os.chmod(gate.directory / "log", 0o666)
    gate.path.write_text(gate.path.read_text().replace("log = stderr", f"log_socket = {gate.directory}/log"))
    done = subprocess.run(["./posternd", "-c", "postern.conf"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done
    pid = int((gate.run / "pid").read_text())
    try:
        gate.install(NEXT)
        assert gate.upgrade() == {"kind": "upgraded", "from": "0.1", "to": NEXT_VERSION, "pid": pid}
        assert gate.upgrade()["from"] == NEXT_VERSION
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        gate.deliver()
        log.close()
        for _ in range(40):
            gate.ask("log", "configured")
        lost = gate.dropped()
        assert lost >= 40
        gate.upgrade()
        assert gate.dropped() >= lost, "a counter goes back"
    finally:
        os.kill(pid, signal.SIGTERM)
        net.wait_until(lambda: not net.is_alive(pid), 20, "it does not end")
        log.close()


def test_who_asks_meanwhile_is_answered(gates):
    """Several at once, a reload among them, and one who has said half of his line when it begins."""
    gate = gates()
    gate.install(NEXT)
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(gate.run / "control"))
        slow.sendall(b"vers")
        net.wait_until(lambda: len([d for d in net.descriptors(gate.master) if "socket" in d]) > 2, 5,
                       "who asks is not heard", gate.story)
        asked = [subprocess.Popen([POSTERNCTL, "-s", str(gate.run / "control"), verb], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                 for verb in ("upgrade", "reload", "upgrade", "upgrade", "reload", "status")]
        for one in asked:
            said, _ = one.communicate(timeout=60)
            assert one.returncode == 0, (one.args, said, gate.story())
        slow.sendall(b"ion\n")
        slow.settimeout(10)
        assert slow.recv(4096).decode() == f'version version="{NEXT_VERSION}"\nok\n'


def test_the_new_program_is_tried_first(gates):
    """What lies there is no program, or one that cannot take the place: nothing has happened but that."""
    gate = gates(more="control_group = nogroup")
    master, workers = gate.master, set(gate.settled_workers())
    for text, why in (("", "cannot execute it: Exec format error"),
                      (BAD_SCRIPT, "this version wants a newer kernel"),
                      (TALKATIVE_SCRIPT, None),
                      ("#!/bin/sh\n", "what lies there is no posternd that can take a place"),
                      ("#!/nonexistent\n", "cannot execute it: No such file or directory")):
        gate.install(text=text)
        said = gate.refused_upgrade()
        assert said == why if why else said.endswith("yyy the end of it"), said
    (gate.directory / "posternd").unlink()
    assert gate.refused_upgrade() == f"cannot look at {gate.directory}/posternd: No such file or directory"
    gate.install(NEXT)
    if os.geteuid() == 0:
        (gate.directory / "posternd").chmod(0o757)
        assert "others may write to it" in gate.refused_upgrade()
        (gate.directory / "posternd").chmod(0o755)
    good = gate.path.read_text()
    gate.path.write_text(good.replace("max_workers", "max_wrkers"))
    assert "max_wrkers" in gate.refused_upgrade()
    gate.path.write_text(good.replace("control_group = nogroup", "control_group = root"))
    assert "control_group: cannot change while posternd runs" in gate.refused_upgrade()
    gate.path.write_text(good)
    assert gate.status()["version"] == "0.1" and gate.status()["state"] == "serving"
    assert gate.master == master and set(gate.workers()) == workers
    gate.deliver()
    assert len(re.findall("event=upgrade-failed version=0.1 why=", gate.log())) == 8 + (os.geteuid() == 0)
    gate.upgrade()


@pytest.mark.parametrize("value", ["", "to", "to 77", "to 77 78", "back 77 x", "trial 1", "trial -1", "trial 0",
                                   "trial 99999999999", "by hand"])
def test_what_is_not_for_people(value):
    """Whoever sets the variable by hand, with nothing behind it."""
    done = subprocess.run([postern_program.POSTERND, "-V"], env=dict(os.environ, POSTERN_UPGRADE=value),
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and done.stderr.startswith("posternd: POSTERN_UPGRADE ") and done.stdout == "", done


@pytest.mark.parametrize("how, why", [
    ("trial-crash", "the new program was ended by signal 11 when it was tried"),
    ("trial-silent", "what lies there is no posternd that can take a place"),
])
def test_a_program_that_fails_on_trial(gates, how, why):
    gate = gates(how=how)
    gate.install(NEXT)
    assert gate.refused_upgrade() == why
    gate.deliver()


def check_the_way_back(gate, why, server):
    """The program before is there again, in the same process, with all that it had; and can be upgraded."""
    master = gate.master
    gate.deliver()
    with Client(gate.address) as client:
        client.hello()
        was = gate.status()
        gate.install(NEXT)
        assert why in gate.refused_upgrade()
        gate.wait_log(f"event=upgrade-failed version=0.1 scoreboard=kept why=.*{why}")
        now = gate.status()
        assert (now["version"], now["pid"]) == ("0.1", master) and now["uptime_ms"] >= was["uptime_ms"]
        assert gate.master == master and net.command_name(master) == "posternd"
        assert program_of(master) != identity_of(gate.directory / "posternd")
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()
    gate.deliver()
    net.wait_until(lambda: gate.totals()["messages"] == 3, 10, "a message is not counted", gate.story)
    gate.install(postern_program.POSTERND)
    assert gate.upgrade()["to"] == "0.1"
    assert program_of(gate.master) == identity_of(gate.directory / "posternd")
    gate.deliver()


@pytest.mark.parametrize("how, why", [
    ("crash", "the new program was ended by signal 11"),
    ("abort", "the new program was ended by signal 06"),
    ("exit", "the new program ended at its start"),
])
def test_the_way_back(gates, server, how, why):
    check_the_way_back(gates(how=how), why, server)


def test_the_way_back_takes_its_time(gates, server):
    """Each of them waits for something that does not come: all at once, or this would take half a minute."""
    waiting = {how: gates(how=how, name=how) for how in ("trial-hang", "hang", "workers")}
    second = f'listener second {{ address = "127.0.0.1:{net.free_port()}"  backend = inside  policy = inbound }}'
    waiting["some"] = gates(how="some", name="some", more=second)
    waiting["workers"].expects_crashes = waiting["some"].expects_crashes = True
    found = {}

    def ask(how):
        waiting[how].install(NEXT)
        found[how] = waiting[how].refused_upgrade()

    threads = [threading.Thread(target=ask, args=(how,)) for how in waiting]
    for thread in threads:
        thread.start()
    some = waiting["some"]
    some.wait_log("event=upgrade-begun")
    new = identity_of(some.directory / "posternd")
    net.wait_until(lambda: [program_of(pid) for pid in some.workers()].count(new) >= 2, 10, "it makes no workers",
                   some.story)
    early = [Client(some.address) for _ in range(4)]  # as many as there are of both programs
    for client in early:
        client.hello()
    hanging = waiting["hang"]
    hanging.wait_log("event=upgrade-begun")
    new = identity_of(hanging.directory / "posternd")
    net.wait_until(lambda: program_of(hanging.master) == new, 10, "it is not executed", hanging.story)
    hanging.deliver()
    os.kill(hanging.workers()[0], signal.SIGKILL)  # heard of afterwards, and so is this:
    os.kill(hanging.master, signal.SIGHUP)
    trial = waiting["trial-hang"]
    assert trial.status()["state"] == "upgrading"
    stopping = [r["value"] for r in trial.records("sample", "metrics") if r["name"] == "postern_stopping"]
    assert stopping == [0], "an alarm would say that it stops"
    for thread in threads:
        thread.join()
    assert found == {"trial-hang": "the new program did not answer in time",
                     "hang": "the new program was not ready in time",
                     "workers": f"the workers of posternd {NEXT_VERSION} do not come up; see its lines in the log",
                     "some": f"the workers of posternd {NEXT_VERSION} do not come up; see its lines in the log"}
    for client in early:  # also those whom a worker of the new program serves
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()
    hanging.wait_log("event=worker-cut .*signal=KILL")
    hanging.wait_log("event=reload state=done by=signal")
    for gate in waiting.values():
        assert gate.status()["version"] == "0.1"
        gate.deliver()


def catches(pid, number):
    return int(net.status_field(pid, "SigCgt"), 16) >> (number - 1) & 1 == 1


def test_the_way_back_is_tried_again(gates, tmp_path):
    """What kept both programs from beginning passes: meanwhile the workers that there are serve."""
    make_room_for_a_user(tmp_path)
    gate = gates(how="hang", before=AS_USER)
    gate.wait_log("event=housekeeper state=working")  # it listens before it has all that it will hold
    master, held, found = gate.master, len(net.descriptors(gate.master)), []
    gate.install(NEXT)
    asking = threading.Thread(target=lambda: found.append(gate.refused_upgrade()))
    asking.start()
    new = identity_of(gate.directory / "posternd")
    net.wait_until(lambda: program_of(master) == new and catches(master, signal.SIGABRT), 10,
                   "it is not executed, or not ready to go back", gate.story)
    limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]  # which it has as well
    limit_processes(master, 1)
    os.kill(master, signal.SIGABRT)
    gate.wait_log("event=fork-failed")
    gate.wait_log('event=start-failed why="no workers can be made')
    gate.deliver()
    limit_processes(master, limit)
    asking.join()
    assert found == ["the new program was ended by signal 06"]
    assert gate.master == master and gate.status()["version"] == "0.1"
    gate.deliver()
    gate.install(postern_program.POSTERND)
    gate.upgrade()
    net.wait_until(lambda: len(net.descriptors(master)) == held, 10, "it holds other descriptors", gate.story)


def test_another_layout_is_another_scoreboard(gates):
    """What is remembered is lost, and said to be; what was ordered is not, nor what was counted of sessions that were
    over by then."""
    gate = gates(how="layout")
    gate.deliver()
    gate.ask("bypass", "on")
    gate.ask("log", "notice")
    gate.ask("block", "192.0.2.7")
    with Client(gate.address) as client:
        client.hello()
        assert client.message("user@example.org", CONTENT).code == 250
        gate.install(NEXT)
        gate.upgrade()
        gate.wait_log("event=upgraded .*scoreboard=new")
        status = gate.status()
        assert (status["bypass"], status["log_level"], status["log_level_ordered"]) == (True, "notice", True)
        assert [r["network"] for r in gate.records("listed", "block")] == ["192.0.2.7"]
        assert gate.totals()["messages"] == 1
        assert [r["alive"] for r in gate.records("draining", "status")] == [1]
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()
    net.wait_until(lambda: not gate.records("draining", "status"), 10, "the earlier worker stays", gate.story)
    gate.deliver()
    memory = [d for d in net.descriptors(gate.master) if "memfd:postern-tags" in d]
    assert len(memory) == 2, "the earlier scoreboard is still held"
    gate.upgrade()  # the same program again
    gate.wait_log("event=upgraded .*scoreboard=kept")


def test_what_no_program_could_begin_with(gates):
    """A configuration that reads well, but for an address that somebody else has: nothing has happened, neither to who
    serves nor to the way back, which would have had to begin with the same."""
    gate = gates()
    gate.install(NEXT)
    good = gate.path.read_text()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        gate.path.write_text(good + f'listener more {{ address = "{taken}"  backend = inside  policy = inbound }}\n')
        why = gate.refused_upgrade()
        assert f"listener more: cannot listen on {taken}: Address already in use" in why
        assert gate.status()["version"] == "0.1" and gate.status()["state"] == "serving"
        gate.deliver()
    before = gate.status()["generation"]
    gate.upgrade()
    assert gate.status()["generation"] == before + 1
    gate.deliver()


def test_an_asker_who_says_a_nul(gates):
    """Half of a line, by when the program changes: no reason for any of them not to understand what is left to it."""
    gate = gates(how="crash")
    with socket.socket(socket.AF_UNIX) as odd:
        odd.connect(str(gate.run / "control"))
        odd.sendall(b"ver\0")
        net.wait_until(lambda: len([d for d in net.descriptors(gate.master) if "socket" in d]) > 2, 5,
                       "who asks is not heard", gate.story)
        gate.install(NEXT)
        assert "was ended by signal 11" in gate.refused_upgrade()
        odd.sendall(b"\n")
        odd.settimeout(10)
        assert odd.recv(4096).startswith(b"error ")
    gate.deliver()
