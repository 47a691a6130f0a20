# SPDX-License-Identifier: ISC
"""posternctl against a running posternd, and against sockets that say what they should not."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import pytest

import net
import postern as postern_program
from inside_server import calling
from smtp_client import Client, Closed

TOP = pathlib.Path(__file__).resolve().parents[2]
POSTERNCTL = postern_program.BUILD + "/posternctl"
CONFIGURATION = """\
hostname = stand.example.org
log = stderr
user = nobody
group = nogroup
drain_timeout = 30s
control_socket = {socket}
{more}
listener stand {{
    address = "127.0.0.1:{port}"
    backend = inside
    policy = permissive
}}
backend inside {{
    server one {{ address = "127.0.0.1:{inside}" }}
}}
policy permissive {{
    recipient {{ relay_domains = "*" }}
    {policy}
}}
"""
CONTENT = b"Subject: x\r\n\r\nhello\r\n"
SECRET = "AHVzZXIAcGFzc3dvcmQ="  # \0user\0password


class Gate(postern_program.PosternFrom):
    """A posternd with a control socket and a configuration that the test may change."""

    def __init__(self, directory, server, more="", policy=""):
        address = ("127.0.0.1", net.free_port())
        self.socket = str(directory / "run" / "control")
        self.path = directory / "postern.conf"
        self.write(CONFIGURATION.format(socket=self.socket, more=more, policy=policy, port=address[1],
                                        inside=server.address[1]))
        super().__init__(address, "-f", "-c", str(self.path))
        net.wait_until(lambda: "event=ready" in self.log(), 30, "posternd is not ready", self.story)

    def write(self, text):
        self.path.write_text(text)
        os.chmod(self.path, 0o644)

    def ctl(self, *arguments, **kwargs):
        return run("-s", self.socket, *arguments, **kwargs)

    def ask(self, *arguments, status=0):
        """The JSON document."""
        done = self.ctl("--json", *arguments)
        assert done.returncode == status, (done, self.story())
        return json.loads(done.stdout)

    def records(self, kind, *arguments):
        return [record for record in self.ask(*arguments)["records"] if record["kind"] == kind]

    def sessions(self):
        return self.records("session", "sessions")

    def session_of(self, client):
        """Its record, once it is there."""
        found = net.wait_until(lambda: [s for s in self.sessions() if s["port"] == client.own_port], 10,
                               f"no session of {client.name}", self.story)
        return found[0]


def run(*arguments, seconds=60, **kwargs):
    assert os.path.exists(POSTERNCTL), f"{POSTERNCTL} is missing: build it first (make)"
    return subprocess.run([POSTERNCTL, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds, **kwargs)


@pytest.fixture
def server(inside):
    return inside()


@pytest.fixture
def gates(tmp_path, place, server):
    """A function: gates("option = value") starts one; they end well with the test."""
    started = []

    def start(more="", directory=tmp_path, server=server, policy=""):
        started.append(Gate(directory, server, more, policy))
        return started[-1]

    yield start
    faults = []
    for gate in started:
        try:
            gate.stop()
            gate.check_log()
            assert not os.path.exists(gate.socket) and not os.path.exists(gate.socket + ".draining")
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)


@pytest.fixture
def gate(gates):
    return gates()


@pytest.fixture
def place():
    """A directory that everybody gets to; those of pytest are root's."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posternctl-"))
    os.chmod(directory, 0o755)
    yield directory
    shutil.rmtree(directory)


def a_message(gate):
    with Client(gate.address) as client:
        client.hello()
        reply = client.message("user@example.org", CONTENT)
        client.quit()
    return reply


def banner(gate):
    with Client(gate.address) as client:
        return client.expect(220).text


# -- the listings


def test_status(gate):
    assert a_message(gate).code == 250
    gate.wait_log("event=session")
    record, = gate.records("posternd", "status")
    assert record["pid"] == gate.master and record["state"] == "serving" and record["generation"] == 1
    assert record["hostname"] == "stand.example.org" and record["log_level"] == "info"
    assert record["log_level_ordered"] is False and 0 <= record["uptime_ms"] < 3600000
    assert abs(record["started"] - time.time()) < 3600
    listener, = gate.records("listener", "status")
    assert listener["name"] == "stand" and listener["addresses"] == "127.0.0.1:%d" % gate.address[1]
    assert listener["max"] == 200 and listener["alive"] >= listener["idle"]
    totals = net.wait_until(lambda: [t for t in gate.records("totals", "status") if t["sessions"] == 1], 10,
                            "the session is not counted", gate.story)[0]
    assert totals["messages"] == 1 and totals["bytes_in"] > len(CONTENT)
    text = gate.ctl("status")
    assert text.returncode == 0 and text.stderr == ""
    assert re.search(r"^state +serving$", text.stdout, re.M)
    assert re.search(r"^LISTENER +ADDRESSES +WORKERS +BUSY", text.stdout, re.M)
    assert re.search(r"^messages delivered +1$", text.stdout, re.M)


def test_totals_stay_when_workers_go(gates):
    gate = gates()
    for _ in range(3):
        assert a_message(gate).code == 250
    before = gate.workers()
    gate.ctl("reload")
    net.wait_until(lambda: not set(before) & set(gate.workers()), 20, "old workers do not leave", gate.story)
    totals, = gate.records("totals", "status")
    assert (totals["sessions"], totals["messages"]) == (3, 3)


def workers_shown(gate):
    return {worker["pid"]: worker for worker in gate.records("worker", "workers")}


def test_sessions_and_workers(gate):
    with Client(gate.address) as one, Client(gate.address) as other:
        one.hello()
        one.ask("MAIL FROM:<sender@example.com>", 250)
        other.expect(220)
        first, second = gate.session_of(one), gate.session_of(other)
        assert (first["phase"], second["phase"]) == ("mail", "greeting")
        assert first["client"] == "127.0.0.1" and first["listener"] == "stand" and first["tls"] is False
        assert first["pid"] == gate.worker_of(one) and second["pid"] == gate.worker_of(other)
        ages = [session["age_ms"] for session in gate.sessions()]
        assert ages == sorted(ages, reverse=True) and len(ages) == 2
        text = gate.ctl("sessions").stdout
        assert re.search(rf"^{first['id']} +\d+s +mail +no +0 +127\.0\.0\.1 +{one.own_port} ", text, re.M), text
        net.wait_until(lambda: workers_shown(gate).keys() == set(gate.workers()), 10, "others are shown", gate.story)
        workers = workers_shown(gate)
        assert workers[first["pid"]]["state"] == "busy" and workers[first["pid"]]["session"] == first["id"]
        assert "idle" in {worker["state"] for worker in workers.values()}
        assert "SERVES" in gate.ctl("workers").stdout
    net.wait_until(lambda: not gate.sessions(), 10, "sessions stay", gate.story)
    assert gate.ctl("sessions").stdout == "no sessions\n"


def test_session_counts_its_messages(gate):
    with Client(gate.address) as client:
        client.hello()
        for _ in range(2):
            assert client.message("user@example.org", CONTENT).code == 250
        net.wait_until(lambda: gate.session_of(client)["messages"] == 2, 10, "not counted", gate.story)


def test_servers(gate, server):
    assert a_message(gate).code == 250
    net.wait_until(lambda: gate.records("server", "servers")[0]["sessions"] == 0, 10, "it stays there", gate.story)
    record, = gate.records("server", "servers")
    assert record["backend"] == "inside" and record["name"] == "one"
    assert record["address"] == "127.0.0.1:%d" % server.address[1]
    assert record["health"] in ("unknown", "up") and record["distrusted"] is False
    assert set(record["keywords"].split()) >= {"SIZE", "8BITMIME"} and record["size_limit"] == 50000000
    assert (record["sessions"], record["max_sessions"], record["waiting"]) == (0, 0, 0)
    assert re.search(r"^inside +one +127", gate.ctl("servers").stdout, re.M)


def test_version(gate):
    assert gate.ask("version")["records"][0]["version"] == run("-V").stdout.split()[1]


# -- what changes something


def test_log_level_reaches_running_workers(gate):
    with Client(gate.address) as client:
        client.hello()
        client.ask("NOOP", 250)
        assert "event=command" not in gate.log()
        assert gate.ctl("log", "debug").returncode == 0
        client.ask("NOOP", 250)
        gate.wait_log("event=command")
        assert gate.records("posternd", "status")[0]["log_level"] == "debug"
        assert gate.ctl("log", "configured").returncode == 0
        said = gate.log().count("event=command")
        client.ask("NOOP", 250)
        client.quit()
    gate.wait_log("event=session")
    assert gate.log().count("event=command") == said
    gate.wait_log(rf"event=control verb=log argument=debug uid={os.getuid()} pid=\d+")
    done = gate.ctl("log", "loud")
    assert done.returncode == 1 and "no level" in done.stderr and "try:" in done.stderr


def test_trace_shows_the_conversation_and_no_secret(gate):
    assert a_message(gate).code == 250  # from now on EHLO is answered from memory: inside is opened at MAIL
    with Client(gate.address) as client, Client(gate.address, source="127.0.0.9") as other:
        client.hello()
        other.hello("other.test")
        assert "127.0.0.1" in gate.ctl("trace", "127.0.0.1", "1h").stdout
        record, = gate.records("trace", "trace")
        assert record["network"] == "127.0.0.1" and 3500000 < record["left_ms"] <= 3600000
        client.command("AUTH PLAIN " + SECRET)
        client.command("AUTH LOGIN")
        client.command(SECRET)
        assert client.message("user@example.org", CONTENT).code == 250
        other.ask("NOOP", 250)
        client.quit()
    session = gate.wait_log(r"event=session session=(\w+) .*helo=client.test .*messages=1 .*errors=[1-9]").group(1)
    lines = re.findall(r"event=trace session=(\w+) side=(\w+) dir=(\w+) line=(.*)", gate.log())
    assert {line[0] for line in lines} == {session}
    said = [line[1:] for line in lines]
    for expected in [("client", "in", '"AUTH PLAIN [hidden]"'), ("client", "in", "[hidden]"), ("client", "in", "DATA"),
                     ("client", "in", f'"[message of {len(CONTENT)} octets]"'), ("server", "out", "DATA"),
                     ("server", "in", '"354 go ahead"'), ("client", "out", '"221 2.0.0 Bye"')]:
        assert expected in said, expected
    assert any(side == "server" and way == "out" and "XCLIENT" in line for side, way, line in said)
    assert any(side == "server" and way == "in" and "queued" in line for side, way, line in said)
    assert SECRET not in gate.log() and "hello" not in "".join(line for _, _, line in said)
    assert gate.ctl("trace", "off").stdout == "nobody is traced\n"
    with Client(gate.address) as client:
        client.hello()
        client.quit()
    assert {line[0] for line in re.findall(r"event=trace session=(\w+)()", gate.log())} == {session}


def test_trace_off_names_who_is_still_traced(gate):
    assert gate.ctl("trace", "192.0.2.7").returncode == 0
    assert gate.ctl("trace", "2001:db8::/32").returncode == 0
    text = gate.ctl("trace", "off", "192.0.2.7").stdout
    assert "2001:db8::/32" in text and "192.0.2.7" not in text
    assert gate.ctl("trace", "off", "2001:db8::/32").stdout == "nobody is traced\n"


@pytest.mark.parametrize("arguments", [("example.org",), ("192.0.2.1/24",), ("192.0.2.1", "2d"), ("192.0.2.1", "5"),
                                       ("off", "192.0.2.1"), ("off", "x")])
def test_trace_of_what_is_none(gate, arguments):
    done = gate.ctl("trace", *arguments)
    assert done.returncode == 1 and "try:" in done.stderr
    assert gate.records("trace", "trace") == []


def test_check_and_reload(gate):
    good = gate.path.read_text()
    assert gate.records("configuration", "check")[0]["listeners"] == 1
    gate.write(good + "nonsense = 1\n")
    for verb in ("check", "reload"):
        done = gate.ctl(verb)
        assert done.returncode == 1 and re.search(r"postern\.conf:\d+: .*nonsense", done.stderr), done
    status, = gate.records("posternd", "status")
    assert status["generation"] == 1 and "nonsense" in status["reload_refused"] and status["reloads"] == 0
    assert len(status["reload_refused"]) > 160 and status["reload_refused"] in gate.ctl("status").stdout
    gate.write(good.replace("stand.example.org", "other.example.org"))
    assert gate.ctl("check").returncode == 0
    with Client(gate.address) as client:
        assert b"stand.example.org" in client.reply().text
        done = gate.ctl("reload")
        assert done.returncode == 0 and "reloaded" in done.stdout, done
        net.wait_until(lambda: b"other.example.org" in banner(gate), 10, "nobody has the new configuration", gate.story)
        status, = gate.records("posternd", "status")
        assert status["generation"] == 2 and status["reloads"] == 1 and "reload_refused" not in status
        draining = net.wait_until(lambda: [d for d in gate.records("draining", "status") if d["alive"] == 1], 10,
                                  "old workers do not leave", gate.story)[0]
        assert (draining["generation"], draining["busy"]) == (1, 1)
        assert gate.session_of(client)["generation"] == 1


def test_stop_leaves_the_place_and_answers_until_the_end(gates):
    gate = gates()
    with Client(gate.address) as client:
        client.hello()
        assert gate.ctl("stop").returncode == 0
        assert not os.path.exists(gate.socket)
        status = gate.ctl("status")
        assert re.search(r"^state +draining$", status.stdout, re.M) and "stopping" in status.stderr
        assert gate.session_of(client)["phase"] == "hello"
        refused = gate.ctl("reload")
        assert refused.returncode == 1 and "is stopping" in refused.stderr
        client.quit()
    assert gate.wait() == 0
    done = gate.ctl("status")
    assert done.returncode == 3 and "is posternd running" in done.stderr


def test_who_hears_that_it_stops_finds_the_place_free(gates):
    """posternctl stop, and at once another posternd."""
    for number in range(5):
        gate = gates()
        with connect(gate) as s:
            s.sendall(b"stop\n")
            assert s.recv(100) == b"ok\n"
            assert not os.path.exists(gate.socket) and not net.is_listening(gate.address), number
        assert gate.wait() == 0


def test_stop_twice_cuts(gates):
    gate = gates()
    with Client(gate.address) as client:
        client.hello()
        assert gate.ctl("stop").returncode == 0
        assert gate.ctl("stop").returncode == 0
        assert client.is_closed()
    assert gate.wait() == 0


# -- kill


def test_kill_ends_the_session_that_was_named(gate):
    with Client(gate.address) as client, Client(gate.address) as other:
        client.hello()
        other.hello("other.test")
        session = gate.session_of(client)
        done = gate.ctl("kill", session["id"])
        assert done.returncode == 0 and done.stdout == "the session has ended\n"
        assert client.is_closed()
        other.ask("NOOP", 250)
        gate.wait_log(rf'event=session session={session["id"]} .*ended="killed by posternctl"')
        gate.wait_log(rf'event=control verb=kill argument={session["id"]} uid=')
        again = gate.ctl("kill", session["id"])
        assert again.returncode == 1 and "no such session" in again.stderr and "posternctl sessions" in again.stderr
        assert net.is_alive(session["pid"])  # the worker goes on
    for wrong in ("x", "1k0t361f2da0000", "zzzzzzzzzzzzzzz", "000000000000000"):
        assert gate.ctl("kill", wrong).returncode == 1


def test_kill_while_inside_is_asked(inside, gates):
    """A session that waits for inside's answer to RCPT ends at once; what the client sent ahead is not obeyed."""
    asked = threading.Event()
    server = inside({"RCPT": calling(asked.set, lambda session: session.stall())})
    gate = gates(server=server)
    with Client(gate.address) as client:
        client.hello()
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.send(b"RCPT TO:<user@example.org>\r\nNOOP\r\nNOOP\r\n")
        assert asked.wait(10)
        assert gate.ctl("kill", gate.session_of(client)["id"]).returncode == 0
        assert client.all_replies() == []
    gate.wait_log('ended="killed by posternctl"')


def test_kill_within_a_message(gate):
    """Neither line of the log says that it was the client."""
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(b"Subject: x\r\n")
        session = gate.session_of(client)
        assert gate.ctl("kill", session["id"]).returncode == 0
        assert client.is_closed()
    gate.wait_log(rf'event=message session={session["id"]} .*verdict=aborted reason="killed by posternctl"')
    gate.wait_log(rf'event=session session={session["id"]} .*ended="killed by posternctl"')


def test_kill_waits_for_the_answer_to_a_message(inside, gates):
    """Law 9: between the dot and inside's answer the answer is awaited; the message is counted and logged."""
    asked, go_on = threading.Event(), threading.Event()

    def late(session):
        session.messages[-1].accepted = True
        session.say(b"250 2.0.0 queued as LATE\r\n")

    server = inside({"dot": calling(lambda: (asked.set(), go_on.wait(30)), late)})
    gate = gates(server=server)
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(CONTENT + b".\r\n")
        assert asked.wait(10)
        session = gate.session_of(client)
        assert session["phase"] == "commit"
        done = gate.ctl("kill", session["id"])
        assert done.returncode == 1 and "waits for the inside server's answer" in done.stderr, done
        assert gate.session_of(client)["id"] == session["id"]
        go_on.set()
        with pytest.raises((Closed, ConnectionError)):
            client.reply()
    gate.wait_log('event=message .*verdict=delivered .*reason="the client had hung up before the answer"')
    gate.wait_log('event=session .*unheard=1 .*ended="killed by posternctl"')
    assert len(server.accepted) == 1


def test_an_old_id_never_hits_the_next_session(gates):
    """One worker serves one session after the other; each is told to end as soon as it has ended. All of the others
    go on to their own end."""
    gate = gates()
    stop, killed = threading.Event(), []
    first = Client(gate.address)
    first.hello()

    def kill_all_that_ended():
        seen = set()
        while not stop.is_set():
            for old in re.findall(r"event=session session=(\w+)", gate.log()):
                if old not in seen:
                    seen.add(old)
                    killed.append(gate.ctl("kill", old).returncode)

    killer = threading.Thread(target=kill_all_that_ended)
    killer.start()
    try:
        for _ in range(150):
            with Client(gate.address) as client:
                client.hello()
                client.ask("NOOP", 250)
                client.quit()
        net.wait_until(lambda: len(killed) > 50, 60, "too few kills", gate.story)
    finally:
        stop.set()
        killer.join()
    first.ask("NOOP", 250)
    named = gate.session_of(first)["id"]
    assert gate.ctl("kill", named).returncode == 0
    assert first.is_closed()
    assert set(killed) == {1}
    assert re.findall(r'session=(\w+) .*ended="killed by posternctl"', gate.log()) == [named]


# -- who asks, and how


def connect(gate):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(gate.socket)
    return s


def answer(s):
    text = b""
    try:
        while piece := s.recv(65536):
            text += piece
    except ConnectionResetError:
        pass  # not all was read of what we said
    return text.decode()


def test_the_socket_is_roots_alone(gates, place):
    gate = gates(directory=place)
    assert os.stat(gate.socket).st_mode & 0o7777 == 0o600
    program = shutil.copy(POSTERNCTL, place)
    done = subprocess.run([program, "-s", gate.socket, "stop"], user="nobody", capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 3 and "control_group" in done.stderr, done
    assert gate.ctl("status").returncode == 0


def test_members_of_the_group_may_ask(gates, place):
    gate = gates("control_group = mail", directory=place)
    assert os.stat(gate.socket).st_mode & 0o7777 == 0o660
    program = shutil.copy(POSTERNCTL, place)

    def ask_as(groups):
        return subprocess.run([program, "-s", gate.socket, "log", "info"], user="nobody", extra_groups=groups,
                              capture_output=True, text=True, timeout=30)

    done = ask_as([])
    assert done.returncode == 3 and "the group mail" in done.stderr, done
    assert ask_as(["mail"]).returncode == 0
    gate.wait_log("event=control verb=log argument=info uid=65534 pid=")


def test_where_a_living_master_answers_there_is_no_second(gate, tmp_path):
    other = gate.path.read_text().replace(":%d" % gate.address[1], ":%d" % net.free_port())
    path = tmp_path / "other.conf"
    path.write_text(other)
    os.chmod(path, 0o644)
    status, _, error = postern_program.run("-f", "-c", str(path))
    assert status == 1 and "another posternd answers there" in error
    assert gate.ctl("status").returncode == 0


def test_a_socket_left_behind_is_replaced_and_a_file_is_not(gates, tmp_path):
    os.mkdir(tmp_path / "run")
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "run" / "control"))
    left.close()
    gate = gates()
    assert gate.ctl("status").returncode == 0
    other = tmp_path / "other"
    os.makedirs(other / "run")
    (other / "run" / "control").write_text("a letter")
    path = other / "postern.conf"
    path.write_text(gate.path.read_text().replace(gate.socket, str(other / "run" / "control"))
                    .replace(":%d" % gate.address[1], ":%d" % net.free_port()))
    os.chmod(path, 0o644)
    status, _, error = postern_program.run("-f", "-c", str(path))
    assert status == 1 and "something else is there" in error
    assert (other / "run" / "control").read_text() == "a letter"


def test_nonsense_is_refused_and_half_a_line_is_waited_for(gate):
    for request in (b"\n", b"stop now\n", b"STOP\n", b"st\0p\n", b"\xff\xfe\n", b"x" * 600, b"kill \\\"\n", b"stop\r\n"):
        with connect(gate) as s:
            s.sendall(request)
            said = answer(s)
            assert re.fullmatch(r'error why="[^"]+"( try="[^"]+")?\n', said), (request, said)
    with connect(gate) as s:
        for octet in b"version\n":
            s.sendall(bytes([octet]))
            time.sleep(0.01)
        assert answer(s).endswith("ok\n")
    assert a_message(gate).code == 250


def test_the_gate_is_not_disturbed(gate):
    """Hundreds who connect and say nothing, others who ask and do not read: mail goes on, and so does posternctl once
    there is room again."""
    crowd = []
    try:
        for number in range(300):
            s = socket.socket(socket.AF_UNIX)
            s.setblocking(False)
            try:
                s.connect(gate.socket)
                if number % 2:
                    s.send(b"workers\n")
            except BlockingIOError:
                s.close()
                continue
            crowd.append(s)
        assert len(crowd) > 100
        began = time.monotonic()
        for _ in range(5):
            assert a_message(gate).code == 250
        assert time.monotonic() - began < 10
    finally:
        for s in crowd:
            s.close()
    net.wait_until(lambda: gate.ctl("status").returncode == 0, 60, "posternctl is not answered any more", gate.story)
    left = net.wait_until(lambda: {net.command_name(p) for p in net.children(gate.master)} <= {"posternd", "posternd-house"},
                          40, "children of the control socket stay", gate.story)
    assert left


@pytest.mark.parametrize("mode, owner", [(0o777, 0), (0o775, 65534), (0o755, None)])
def test_a_directory_where_others_may_write_is_none(gate, tmp_path, mode, owner):
    """Who could put a socket or a file of his own in its place would be asked, or ended, instead of posternd."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 0 if owner is not None else 65534, owner or 0)
    os.chmod(theirs, mode)
    path = tmp_path / "other.conf"
    text = gate.path.read_text().replace(":%d" % gate.address[1], ":%d" % net.free_port())
    for option in (f"control_socket = {theirs}/control", f"control_socket = {tmp_path}/c\npid_file = {theirs}/pid"):
        path.write_text(text.replace(f"control_socket = {gate.socket}", option))
        os.chmod(path, 0o644)
        status, _, error = postern_program.run("-f", "-c", str(path))
        assert status == 1 and ("others may write in its directory" in error or "another user" in error), error
        assert not list(theirs.iterdir())


def test_posternctl_does_not_wait_for_ever(tmp_path):
    """Where a stopped posternd's queue is full, even connecting waits."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "control"))
        server.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(tmp_path / "control"))
            done = run("-s", str(tmp_path / "control"), "status", seconds=25)
            assert done.returncode == 3 and "does not answer" in done.stderr, done


def test_children_have_no_rights(inside, gates):
    """The child that waits for a session's end is not root, and has nothing but its connection and the scoreboard."""
    asked, go_on = threading.Event(), threading.Event()
    gate = gates(server=inside({"dot": calling(lambda: (asked.set(), go_on.wait(30)), b"250 2.0.0 ok\r\n")}))

    def children():
        return [pid for pid in net.children(gate.master) if net.command_name(pid) == "posternd-show"]

    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(CONTENT + b".\r\n")
        assert asked.wait(10)
        session = gate.session_of(client)["id"].encode()
        net.wait_until(lambda: not children(), 10, "the child that listed the sessions stays", gate.story)
        with connect(gate) as s:
            s.sendall(b"kill " + session + b"\n")
            child, = net.wait_until(children, 10, "no child", gate.story)
            net.wait_until(lambda: net.status_field(child, "CapEff") == "0" * 16, 10, "it keeps its rights", gate.story)
            assert set(net.status_field(child, "Uid").split()) == {"65534"}
            assert not [d for d in net.descriptors(child) if "memfd" in d or "eventpoll" in d or "inotify" in d]
            assert len([d for d in net.descriptors(child) if d.startswith("socket:")]) == 1
            go_on.set()
            assert answer(s).endswith("\n")


# -- posternctl itself


@pytest.mark.parametrize("arguments", [(), ("no-such-verb",), ("kill",), ("status", "x"), ("--no-such-option",),
                                       ("kill", "a b"), ("kill", ""), ("kill", "x" * 600), ("kill", "\x01")])
def test_usage(arguments):
    done = run("-s", "/nonexistent", *arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr != "", done


def test_options_may_stand_behind_the_verb(gate):
    done = gate.ctl("version", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["ok"]


def verbs_of_help():
    done = run("help")
    assert done.returncode == 0
    return set(re.findall(r"^  ([a-z]\w*)", done.stdout, re.M))


def test_help_names_every_verb():
    table = (TOP / "common/control.c").read_text(encoding="ascii")
    assert verbs_of_help() == set(re.findall(r"^    \[CONTROL_\w+\] *= \{\"(\w+)\"", table, re.M)) | {"top"}


def test_completion_and_manual_name_every_verb():
    completion = (TOP / "daemon/ctl/posternctl.bash").read_text(encoding="ascii")
    offered = re.search(r"^    :\*\) words='(.*)' ;;$", completion, re.M).group(1).split()
    assert {word for word in offered if word[0] != "-"} == verbs_of_help() | {"help"}
    manual = (TOP / "daemon/ctl/posternctl.8").read_text(encoding="ascii")
    assert verbs_of_help() <= set(re.findall(r"^\.It Cm (\w+)", manual, re.M))


def test_nobody_is_there(tmp_path):
    done = run("-s", str(tmp_path / "nothing"), "status")
    assert done.returncode == 3 and done.stdout == "" and "is posternd running" in done.stderr
    done = run("-s", str(tmp_path / "nothing"), "--json", "status")
    document = json.loads(done.stdout)
    assert done.returncode == 3 and document["ok"] is False and document["records"] == []
    assert "is posternd running" in document["error"]["why"]
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "left"))
    done = run("-s", str(tmp_path / "left"), "status")
    assert done.returncode == 3 and "not running" in done.stderr
    assert run("-s", "/" + "x" * 200, "status").returncode == 3


class Scripted:
    """Says something to whoever asks, once, and hangs up."""

    def __init__(self, directory, says):
        self.path = str(directory / "scripted")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.heard = b""
        self.thread = threading.Thread(target=self._serve, args=(says,))
        self.thread.start()

    def _serve(self, says):
        connection, _ = self.listener.accept()
        with connection:
            while not self.heard.endswith(b"\n"):
                self.heard += connection.recv(4096)
            for piece in says:
                connection.sendall(piece)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.thread.join(30)
        self.listener.close()


def scripted(directory, *says):
    return Scripted(directory, says)


def test_an_answer_comes_in_pieces(tmp_path):
    with scripted(tmp_path, b'serv', b'er backend="a" name="', b'x" took_ms=7\no', b"k\n") as s:
        done = run("-s", s.path, "--json", "servers")
    assert s.heard == b"servers\n"
    assert json.loads(done.stdout)["records"] == [{"kind": "server", "backend": "a", "name": "x", "took_ms": 7}]


@pytest.mark.parametrize("says", [b"", b"ok", b'session id="x"\n', b"nonsense=\nok\n", b"\n", b'error why="\nok\n',
                                  b"x" * 9000 + b"\nok\n", b"ok\nok\n", b"\xff\n"],
                         ids=["nothing", "half", "no-end", "no-value", "empty", "no-quote", "long", "two-ends", "no-ascii"])
def test_what_is_no_answer(tmp_path, says):
    with scripted(tmp_path, says) as s:
        done = run("-s", s.path, "sessions")
    assert done.returncode == 3 and done.stderr.startswith("posternctl: "), done


def test_nothing_reaches_the_terminal_but_printable_ascii(tmp_path):
    evil = rb'session id="a\x1B[2J\x0A\xC3\xA9\\" client="\x07" port=1' + b"\n"
    with scripted(tmp_path, evil, b'error why="\\x1B[31m" try="\\x9B"\n') as s:
        done = run("-s", s.path, "sessions")
    assert done.returncode == 1
    assert re.fullmatch(r"[ -~\n]*", done.stdout + done.stderr) and "a?[2J???\\" in done.stdout
    with scripted_again(tmp_path, evil, b"ok\n") as s:
        document = json.loads(run("-s", s.path, "--json", "sessions").stdout)
    assert document["records"][0]["id"] == "a\x1b[2J\n\u00e9\\"


def scripted_again(directory, *says):
    os.unlink(directory / "scripted")
    return Scripted(directory, says)


def test_what_a_newer_posternd_says_is_shown(tmp_path):
    with scripted(tmp_path, b'moon phase="full" shines=true n=-3\n', b"ok\n") as s:
        done = run("-s", s.path, "status")
    assert done.returncode == 0 and done.stdout.split() == "moon phase full shines true n -3".split()


def test_an_error_as_json(tmp_path):
    with scripted(tmp_path, b'error why="because" try="this"\n') as s:
        done = run("-s", s.path, "--json", "reload")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"verb": "reload", "ok": False, "records": [],
                                       "error": {"why": "because", "try": "this"}}


def test_a_closed_pipe_is_fine(tmp_path):
    says = b"".join(b'session id="%d"\n' % n for n in range(20000)) + b"ok\n"
    with scripted(tmp_path, says) as s:
        done = subprocess.run(["sh", "-c", f"{POSTERNCTL} -s {s.path} sessions | head -1"], capture_output=True,
                              text=True, timeout=60)
    assert done.stdout.startswith("SESSION") and done.stderr == ""
