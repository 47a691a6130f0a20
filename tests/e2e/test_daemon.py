# SPDX-License-Identifier: ISC
"""posternd as a Unix daemon: its options, its users, its start and its stop."""
import collections
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

import net
import postern as postern_program
from postern import run
from smtp_client import Client, Closed

CONTENT = b"Subject: daemon\r\n\r\ntext\r\n"
USER = "nobody"  # of every Debian; posternd's own is made by its package

SMALL = ("listener.min_spare=1", "listener.max_spare=2", "listener.max_workers=4")

GOOD = """\
hostname = mx.example.org
user     = nobody
log      = stderr
listener mx {
    address     = 127.0.0.1:%(port)d
    backend     = inside
    policy      = inbound
    max_workers = 4
    min_spare   = 1
    max_spare   = 2
    command_timeout = 30s
}
backend inside {
    pass_client = xclient
    server one { address = 127.0.0.1:%(inside)d }
}
policy inbound {
    mode = enforce
}
"""


@pytest.fixture
def written(tmp_path):
    """A function: writes a configuration and returns its path."""
    def write(text, **places):
        path = tmp_path / "postern.conf"
        path.write_text(text % {"port": net.free_port(), "inside": 1, **places})
        return str(path)
    return write


@pytest.fixture
def started(tmp_path):
    """A function: posternd in the foreground with a configuration of the test's own."""
    programs = []

    def start(path, address):
        program = postern_program.PosternFrom(address, "-f", "-c", path)
        programs.append(program)
        program.wait_ready()
        return program

    yield start
    for program in programs:
        program.stop()
        program.check_log()


def a_message(address):
    with Client(address) as client:
        client.hello()
        reply = client.message("user@example.org", CONTENT)
        client.quit()
    return reply


# -- command line and configuration

def test_version():
    status, out, err = run("-V")
    assert status == 0 and re.match(r"(?i)postern", out), (status, out, err)


def test_unknown_flag():
    status, out, err = run("-Z")
    assert status != 0 and "-t" in out + err, (status, out, err)


def test_reference_names_every_option():
    status, out, err = run("-d")
    assert status == 0, err
    wanted = ("hostname user group pid_file drain_timeout log log_level listener address backend policy max_workers "
              "min_spare max_spare command_timeout data_timeout message_timeout message_size_limit max_recipients "
              "max_errors max_commands sessions_per_worker received pass_client connect server connect_timeout "
              "greeting_timeout block_timeout final_timeout mode recipient relay_domains").split()
    missing = [word for word in wanted if not re.search(rf"\b{word}\b", out)]
    assert not missing, f"-d does not mention {missing}"


def test_good_configuration(written):
    status, out, err = run("-t", "-c", written(GOOD))
    assert status == 0, (out, err)


@pytest.mark.parametrize("old, new, words", [
    ("    max_workers = 4", "    max_wrkers = 4", "max_wrkers"),
    ("    max_workers = 4", "    max_workers = many", "max_workers"),
    ("    max_workers = 4", "    max_workers = -1", "max_workers"),
    ("    max_workers = 4", "    max_workers = 99999999999999999999", "max_workers"),
    ("    command_timeout = 30s", "    command_timeout = 30", "command_timeout"),
    ("    command_timeout = 30s", "    command_timeout = 30 fortnights", "command_timeout"),
    ("    backend     = inside", "    backend     = outside", "outside"),
    ("    policy      = inbound", "    policy      = unbound", "unbound"),
    ("    address     = 127.0.0.1:%(port)d", "    address     = 127.0.0.1:99999", "address"),
    ("    address     = 127.0.0.1:%(port)d", "    address     = 300.0.0.1:25", "address"),
    ("    mode = enforce", "    mode = sometimes", "mode"),
    ("    pass_client = xclient", "    pass_client = xclient\n    pass_client = xclient", "pass_client"),
    ("    min_spare   = 1", "    min_spare   = 1;", ""),
    ("hostname = mx.example.org", "hostname = not_a_name!", "hostname"),
    ("hostname = mx.example.org", "hostname = ${HOME}", ""),
    ("policy inbound {", "policy inbound {\n    surprise { }", "surprise"),
    ("    mode = enforce", "    mode = enforce\n    client 192.0.2.1/24 { }", "192.0.2.0/24"),
    ("    mode = enforce", "    mode = enforce\n    client mx.example.org { }", "mx.example.org"),
    ("    mode = enforce", "    mode = enforce\n    bare_lf = keep", "reject, normalise"),
    ("    mode = enforce", "    mode = enforce\n    withhold = { DSN, CHUNKS }", "CHUNKING"),
    ("    policy      = inbound", "    policy      = inbound\n    policy      = inbound", "policy"),
    ("    mode = enforce", "    mode = enforce\n    greylist { mode = watch }", "greylist: mode: needs the memory on disk"),
    ("    mode = enforce", "    mode = enforce\n    mailbox { trap_memory = 30d }", "store { directory = /var/lib/postern/memory }"),
])
def test_error_names_file_and_line(written, old, new, words):
    assert old in GOOD
    path = written(GOOD.replace(old, new))
    line = GOOD[:GOOD.index(old)].count("\n") + 1 + new.count("\n")
    status, out, err = run("-t", "-c", path)
    assert status != 0, "a bad configuration passed"
    assert f"{path}:{line}:" in out + err and words in out + err, out + err


@pytest.mark.parametrize("text", ["", "hostname = mx.example.org\n", GOOD[:-3], GOOD + "}\n", "\0\1\2",
                                  "include(/nonexistent)\n" + GOOD, GOOD.replace("}\nbackend", "\nbackend")])
def test_broken_file(written, text):
    status, out, err = run("-t", "-c", written(text))
    assert status not in (0, None) and status > 0 and (out + err).strip(), (status, out, err)


def test_missing_file(tmp_path):
    path = str(tmp_path / "nothing.conf")
    status, out, err = run("-t", "-c", path)
    assert status != 0 and path in out + err


@pytest.mark.parametrize("flags", [["-f"], []])
def test_start_with_a_bad_configuration_fails_visibly(written, flags):
    status, out, err = run(*flags, "-c", written(GOOD.replace("enforce", "sometimes")))
    assert status != 0 and "mode" in err


def test_pass_client_none_needs_relay_domains(written):
    """An inside server on loopback takes Postern for a trusted host: an open relay, were it not refused."""
    text = GOOD.replace("pass_client = xclient", "pass_client = none")
    status, out, err = run("-t", "-c", written(text))
    assert status != 0 and "relay_domains" in out + err, (status, out, err)
    closed = text.replace("mode = enforce", "mode = enforce\n    recipient { relay_domains = { example.org } }")
    status, out, err = run("-t", "-c", written(closed))
    assert status == 0, (out, err)


def test_who_must_use_tls_needs_a_listener_that_has_it(written):
    text = GOOD.replace("mode = enforce", "client 192.0.2.0/24 { tls = require }")
    status, out, err = run("-t", "-c", written(text))
    assert status != 0 and "192.0.2.0/24" in out + err and "tls" in out + err, (status, out, err)
    policy = "policy inbound { client 192.0.2.0/24 { tls = require\n withhold = STARTTLS } }\n"
    status, out, err = run("-t", "-c", written(policy + GOOD[:GOOD.index("policy inbound")]))
    assert status != 0 and ":2: policy inbound: client 192.0.2.0/24: withhold: STARTTLS" in out + err, (status, out, err)


def test_port_in_use(written):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, err = run("-f", "-c", written(GOOD, port=port))
    assert status == 1 and str(port) in out + err, (status, out, err)


# -- running

def test_workers_are_nobody(inside, written, started):
    address = ("127.0.0.1", net.free_port())
    gate = started(written(GOOD, port=address[1], inside=inside().address[1]), address)
    assert a_message(address).code == 250
    assert os.geteuid() == 0, "run as root: whether privileges are dropped cannot be seen otherwise"
    workers = gate.settled_workers()
    assert workers
    for pid in workers:
        assert set(net.status_field(pid, "Uid").split()) == {"65534"}, f"{pid} is somebody"
        assert set(net.status_field(pid, "Gid").split()) == {"65534"}, pid
        assert "0" not in net.status_field(pid, "Groups").split(), pid
        for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(net.status_field(pid, name), 16) == 0, f"{pid} has {name}"


def test_workers_never_run_as_root(written):
    status, out, err = run("-t", "-c", written(GOOD.replace("= nobody", "= root")))
    if status == 0:
        status, out, err = run("-f", "-c", written(GOOD.replace("= nobody", "= root")))
    assert status != 0 and "user" in out + err, (status, out, err)


def test_started_by_an_ordinary_user(inside, written, tmp_path):
    """Everything then runs as that user."""
    program = _copy_for_all(tmp_path)
    address = ("127.0.0.1", net.free_port())
    path = written(GOOD.replace("user     = nobody\n", ""), port=address[1], inside=inside().address[1])
    _open_to_all(tmp_path)
    gate = postern_program.PosternFrom(address, "-f", "-c", path, user=USER, program=program)
    try:
        gate.wait_ready()
        assert a_message(address).code == 250
        for pid in [gate.master] + gate.workers():
            assert set(net.status_field(pid, "Uid").split()) == {"65534"}, pid
    finally:
        gate.stop()
    gate.check_log()


def _copy_for_all(directory):
    """The build may lie where only root gets to."""
    program = str(directory / "posternd")
    shutil.copy(postern_program.POSTERND, program)
    _open_to_all(directory)
    return program


def _open_to_all(tmp_path):
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        os.chmod(place, 0o755)


def test_daemonizes_with_pid_file_and_log(inside, written, tmp_path):
    """Without -f: the command ends with 0 when the port is served, and the log goes where it was told to."""
    server, port = inside(), net.free_port()
    pid_file, log_path = tmp_path / "postern.pid", str(tmp_path / "log")
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(log_path)
    log.settimeout(10)
    os.chmod(log_path, 0o666)
    _open_to_all(tmp_path)
    text = GOOD.replace("log      = stderr", f"log = syslog\nlog_socket = {log_path}\npid_file = {pid_file}")
    path = written(text, port=port, inside=server.address[1])
    status, out, err = run("-c", path)
    assert status == 0, (out, err)
    pid = int(pid_file.read_text())
    try:
        assert net.is_listening(("127.0.0.1", port))
        assert net.status_field(pid, "NSsid").split()[0] != str(os.getsid(0)), "still in the terminal's session"
        assert a_message(("127.0.0.1", port)).code == 250
        lines = _datagrams_until(log, b"INSIDE1")
        assert all(re.match(rb"<\d+>", line) for line in lines)
        second = run("-c", path)
        assert second[0] != 0, "a second one with the same pid file"
        assert int(pid_file.read_text()) == pid
    finally:
        family = [pid] + net.children(pid)
        os.kill(pid, signal.SIGTERM)
        net.wait_until(lambda: not any(map(net.is_alive, family)), 30, "does not end")
    assert not net.is_listening(("127.0.0.1", port))
    assert not pid_file.exists() or pid_file.read_text() == ""


def _datagrams_until(log, wanted):
    lines = []
    while not lines or wanted not in lines[-1]:
        lines.append(log.recv(65536))
    return lines


def test_no_log_is_said_at_start(inside, written, tmp_path):
    """Nobody hears its log: the one who started it does, and the daemon runs."""
    pid_file, path = tmp_path / "postern.pid", tmp_path / "nolog"
    text = GOOD.replace("log      = stderr", f"log_socket = {path}\npid_file = {pid_file}")
    status, _, err = run("-c", written(text, inside=inside().address[1]))
    pid = int(pid_file.read_text())
    family = [pid] + net.children(pid)
    os.kill(pid, signal.SIGTERM)
    net.wait_until(lambda: not any(map(net.is_alive, family)), 30, "does not end")
    assert status == 0 and str(path) in err, err


def test_check_by_anybody_looks_the_user_up(written, tmp_path):
    program = _copy_for_all(tmp_path)
    path = written(GOOD.replace("user     = nobody", "user = no-such-user"))
    _open_to_all(tmp_path)
    done = subprocess.run([program, "-t", "-c", path], user=USER, capture_output=True, text=True)
    assert done.returncode == 1 and "no-such-user" in done.stderr, done


def test_port_is_free_after_stop(inside, postern):
    gate = postern(inside().address)
    assert a_message(gate.address).code == 250
    gate.stop()
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # or TIME_WAIT would be in the way
        s.bind(gate.address)
        s.listen()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_open_session_finishes_its_message(inside, postern, how):
    server = inside()
    gate = postern(server.address)
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(CONTENT)
        os.kill(gate.process.pid, how)
        net.wait_until(lambda: not net.is_listening(gate.address), 10, "still listens after TERM", gate.story)
        client.send(b".\r\n")
        client.expect(250)
        client.send(b"QUIT\r\n")
        assert [reply.code for reply in client.all_replies()] in ([221], [421], [])
    assert gate.wait() == 0
    assert len(server.accepted) == 1


def test_second_term_cuts(inside, postern):
    server = inside()
    gate = postern(server.address)
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        client.send(CONTENT)
        gate.terminate()
        net.wait_until(lambda: not net.is_listening(gate.address), 10, "still listens after TERM", gate.story)
        gate.terminate()
        assert gate.wait(30) == 0
        assert not [reply for reply in client.all_replies() if reply.is_positive]
    assert not [m for m in server.messages if m.has_dot]


def test_drain_timeout_cuts(inside, postern):
    server = inside()
    gate = postern(server.address, "drain_timeout=1s")
    with Client(gate.address) as client:
        client.hello()
        client.begin("user@example.org")
        gate.terminate()
        assert gate.wait(30) == 0
        assert not [reply for reply in client.all_replies() if reply.is_positive]


def test_idle_house_ends_at_once(inside, postern):
    gate = postern(inside().address, "drain_timeout=1h")
    gate.workers()
    gate.terminate()
    assert gate.wait(30) == 0


def test_turned_away_when_full(inside, postern):
    """The last free worker serves nobody: it tells those who come that the house is full."""
    gate = postern(inside().address, "listener.max_workers=3", "listener.min_spare=1", "listener.max_spare=2")
    with Client(gate.address) as first, Client(gate.address) as second:
        first.hello()
        second.hello()
        for _ in range(5):
            with Client(gate.address) as third:
                reply = third.expect(421)
                assert reply.text.startswith(b"4.3.2"), reply
                assert third.is_closed()
        first.quit()
        net.wait_until(lambda: _is_welcome(gate.address), 20, "nobody is served again", gate.story)
        assert second.message("user@example.org", CONTENT).code == 250
        second.quit()


def test_everyone_in_a_crowd_gets_an_answer(inside, postern):
    """Many more than can be served: each hears 220 or 421 4.3.2, and nobody is left in the queue."""
    gate = postern(inside().address, "listener.max_workers=5", "listener.min_spare=1", "listener.max_spare=3")
    for _ in range(3):
        net.wait_until(lambda: all(map(net.is_at_rest, gate.workers())), 20, "workers do not come to rest", gate.story)
        clients = [Client(gate.address) for _ in range(100)]
        codes = collections.Counter(client.reply().code for client in clients)
        assert set(codes) == {220, 421} and codes[220] <= 5, codes
        for client in clients:
            client.close()
    net.wait_until(lambda: _is_welcome(gate.address), 20, "nobody is served again", gate.story)
    assert len(gate.workers()) <= 5


def _is_welcome(address):
    with Client(address) as client:
        try:
            return client.reply().code == 220
        except Closed:
            return False


def test_pool_grows_with_the_load(inside, postern):
    gate = postern(inside().address, "listener.max_workers=12", "listener.min_spare=2", "listener.max_spare=4")
    clients = []
    try:
        for _ in range(10):
            clients.append(Client(gate.address))
            clients[-1].hello()
        net.wait_until(lambda: len(gate.workers()) == 12, 20, "no spare workers are made", gate.story)
        assert len({gate.worker_of(client) for client in clients}) == 10
    finally:
        for client in clients:
            client.close()
    net.wait_until(lambda: len(gate.workers()) <= 8, 20, "the pool does not shrink", gate.story)
    assert a_message(gate.address).code == 250


def test_hangup_signal_does_not_end_it(inside, postern):
    gate = postern(inside().address)
    master = gate.master
    os.kill(master, signal.SIGHUP)
    assert a_message(gate.address).code == 250
    assert gate.master == master


def test_workers_retire_after_their_share(inside, postern):
    gate = postern(inside().address, "listener.sessions_per_worker=3", *SMALL)
    for _ in range(20):
        net.wait_until(lambda: _is_welcome(gate.address), 20, "nobody is served", gate.story)  # may be a moment short
    assert len(set(re.findall(r"\[(\d+)\]: event=session ", gate.log()))) >= 5
    assert "crash" not in gate.log().lower()


def test_every_session_is_logged_once(inside, postern):
    gate = postern(inside().address)
    for number in range(5):
        with Client(gate.address, source=f"127.0.0.{50 + number}") as client:
            client.hello(f"logged{number}.test")
            assert client.message("user@example.org", CONTENT).code == 250
            client.quit()
    for number in range(5):
        gate.wait_log(rf"127\.0\.0\.{50 + number}\b")
        gate.wait_log(rf"INSIDE{number + 1}\b")


def test_log_cannot_be_forged(inside, postern):
    gate = postern(inside().address)
    forged = b"event=forged reply=250"
    with Client(gate.address) as client:
        client.expect(220)
        client.command(b"EHLO x\n" + forged)
        client.command(b"EHLO x.test\r" + forged)
        client.command(b"MAIL FROM:<\"" + forged + b"\"@example.com>")
        client.command(b"JUNK \n" + forged)
        client.close()
    assert a_message(gate.address).code == 250
    assert not re.search(r"^(?!.*[\"<]).*event=forged", gate.log(), re.M), gate.log()
