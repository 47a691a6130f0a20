# SPDX-License-Identifier: ISC
"""The housekeeper: servers that go and come, certificates that are replaced, and that mail flows without it."""
import os
import signal
import socket
import ssl
import subprocess
import time
import types

import pytest

import net
import postern as postern_program
from inside_server import close
from smtp_client import Client

CONTENT = b"Subject: housekeeper\r\n\r\ntext\r\n"

CONFIG = """\
hostname = mx.example.org
user     = nobody
probe_interval = %(interval)s
probe_timeout  = 1s
listener mx {
    address   = 127.0.0.1:%(port)d
    backend   = inside
    policy    = inbound
    min_spare = 1
    %(tls)s
}
backend inside {
    pass_client = xclient
    connect_timeout = 2s
    %(servers)s
}
policy inbound { }
"""


@pytest.fixture
def gate(tmp_path):
    """A function: posternd in front of these servers."""
    started = []

    def start(*servers, interval="200ms", tls="", crashes=False):
        address = ("127.0.0.1", net.free_port())
        names = ("one", "two", "three")
        lines = [f"server {name} {{ address = 127.0.0.1:{server.address[1]} }}" for name, server in zip(names, servers)]
        path = tmp_path / "postern.conf"
        path.write_text(CONFIG % {"interval": interval, "port": address[1], "tls": tls, "servers": "\n    ".join(lines)})
        program = postern_program.PosternFrom(address, "-f", "-c", str(path))
        program.expects_crashes = crashes
        started.append(program)
        program.wait_ready()
        return program

    yield start
    for program in started:
        program.stop()
        program.check_log()


def deliver(program):
    with Client(program.address) as client:
        client.hello()
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()


# -- the process


def test_it_is_killed_and_comes_back(inside, gate):
    server = inside()
    program = gate(server, crashes=True)
    for _ in range(2):
        victim = program.housekeeper()
        os.kill(victim, signal.SIGKILL)
        net.wait_until(lambda: not net.is_alive(victim), 10, "it does not die")
        deliver(program)
        assert program.housekeeper() != victim
    assert len(server.accepted) == 2
    program.wait_log(r"event=housekeeper-crashed .*signal=KILL")


def test_mail_flows_while_it_is_stopped(inside, gate):
    server = inside()
    program = gate(server)
    pid = program.housekeeper()
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            deliver(program)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert len(server.accepted) == 3
    asked = len(server.sessions)
    net.wait_until(lambda: len(server.sessions) > asked + 1, 10, "it does not go on", program.story)


def test_it_leaves_with_the_master(inside, gate):
    program = gate(inside())
    pid = program.housekeeper()
    program.stop()
    assert not net.is_alive(pid)
    assert program.process.returncode == 0


def test_it_is_unprivileged_and_holds_no_listener(inside, gate):
    program = gate(inside(), interval="0s")
    pid = program.housekeeper()
    program.wait_log("event=housekeeper state=working")
    assert net.effective_uid(pid) == net.effective_uid(program.settled_workers()[0])
    for target in net.descriptors(pid):
        assert "postern-" not in target, f"a way to the scoreboard is left open: {target}"
    assert net.status_field(pid, "CapEff") == "0000000000000000"


# -- servers


def test_a_server_goes_and_comes_back(inside, gate):
    first, second = inside(), inside()
    program = gate(first, second)
    program.wait_log(r"event=server state=up backend=inside server=one$")
    program.wait_log(r"event=server state=up backend=inside server=two$")
    first.script["connect"] = b"421 4.3.2 too busy\r\n"
    program.wait_log(r'event=server state=down backend=inside server=one trouble="no 220" '
                     r'why="421 4.3.2 too busy" failures=2$')
    seen = len(first.commands)
    deliver(program)
    assert (len(first.accepted), len(second.accepted)) == (0, 1)
    assert b"XCLIENT" not in b" ".join(first.commands[seen:])  # nobody waited for it
    del first.script["connect"]
    net.wait_until(lambda: program.log().count("state=up backend=inside server=one") == 2, 10, "one is not up again",
                   program.story)
    deliver(program)
    assert (len(first.accepted), len(second.accepted)) == (1, 1)


def test_all_down_is_no_reason_not_to_try(inside, gate):
    """A rumour keeps no mail away: who was down is asked all the same."""
    server = inside({"connect": close})
    program = gate(server, interval="1s")
    program.wait_log("state=down backend=inside server=one")
    os.kill(program.housekeeper(), signal.SIGSTOP)
    del server.script["connect"]
    deliver(program)
    os.kill(program.housekeeper(), signal.SIGCONT)
    assert len(server.accepted) == 1


def test_probes_say_nothing_but_hello(inside, gate):
    server = inside()
    program = gate(server, interval="100ms")
    net.wait_until(lambda: len(server.sessions) >= 5, 10, "there are no probes", program.story)
    program.stop()
    verbs = {command.split()[0] for command in server.commands}
    assert verbs == {b"EHLO", b"QUIT"}
    assert {command for command in server.commands if command.startswith(b"EHLO")} == {b"EHLO mx.example.org"}


def test_a_real_postfix_is_up(postfix, postern):
    program = postern(postfix.address("xclient"), "probe_interval=500ms")
    program.wait_log("event=server state=up backend=inside server=one$")
    deliver(program)
    assert "state=down" not in program.log()


def test_the_first_ehlo_is_answered_from_what_a_probe_heard(inside, gate):
    """Inside is not opened for it."""
    server = inside()
    program = gate(server, interval="1h")
    program.wait_log("state=up backend=inside server=one")
    with Client(program.address) as client:
        assert b"DSN" in client.hello().text
        client.quit()
    assert len(server.sessions) == 1


# -- certificates


def make_certificate(path, name):
    """Certificate and key in one file, put in place in one step."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "30", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-out", f"{path}.new", "-keyout", f"{path}.key"], check=True, capture_output=True, timeout=60)
    with open(f"{path}.new", "ab") as certificate, open(f"{path}.key", "rb") as key:
        certificate.write(key.read())
    os.unlink(f"{path}.key")
    os.chmod(f"{path}.new", 0o600)
    os.rename(f"{path}.new", path)


def shown_certificate(program):
    """What a new session shows, as DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Client(program.address) as client:
        client.hello()
        client.ask("STARTTLS", 220)
        with context.wrap_socket(client.socket.dup()) as secure:
            secure.settimeout(10)
            shown = secure.getpeercert(binary_form=True)
            secure.shutdown(socket.SHUT_RDWR)
    return shown


@pytest.fixture
def certificate(tmp_path):
    os.mkdir(tmp_path / "tls")
    path = str(tmp_path / "tls" / "mx.pem")
    make_certificate(path, "first.example.org")
    return path


def renewals(program):
    return program.log().count("event=reload state=done")


def test_a_new_certificate_is_shown_without_a_signal(inside, gate, certificate):
    program = gate(inside(), tls=f"tls {{ mode = may  certificate = {certificate} }}")
    old = shown_certificate(program)
    make_certificate(certificate, "second.example.org")
    net.wait_until(lambda: shown_certificate(program) != old, 40, "the old certificate is shown", program.story)
    deliver(program)
    # The new workers serve before the master says that they do.
    net.wait_until(lambda: renewals(program) > 0, 10, "nobody says that it was renewed", program.story)
    assert renewals(program) == 1


def test_in_the_background_certificates_are_watched_and_signals_heard(inside, tmp_path, certificate):
    """The watch is opened with the plan, before posternd leaves its terminal."""
    address, pid_file = ("127.0.0.1", net.free_port()), tmp_path / "pid"
    path = tmp_path / "postern.conf"
    text = CONFIG % {"interval": "200ms", "port": address[1], "tls": f"tls {{ mode = may  certificate = {certificate} }}",
                     "servers": "server one { address = 127.0.0.1:%d }" % inside().address[1]}
    path.write_text(f"pid_file = {pid_file}\nlog_socket = {tmp_path}/nobody\n" + text)
    status, _, error = postern_program.run("-c", str(path))
    assert status == 0, error
    pid = int(pid_file.read_text())
    try:
        program = types.SimpleNamespace(address=address)
        for name in ("second", "third"):
            old = shown_certificate(program)
            make_certificate(certificate, f"{name}.example.org")
            net.wait_until(lambda: shown_certificate(program) != old, 40, "the old certificate is shown")
        family = [pid] + net.descendants(pid)
        os.kill(pid, signal.SIGTERM)
        net.wait_until(lambda: not any(map(net.is_alive, family)), 30, "TERM does not end it")
    finally:
        if net.is_alive(pid):
            for process in [pid] + net.descendants(pid):
                os.kill(process, signal.SIGKILL)


def test_a_link_that_is_turned_is_noticed(inside, gate, certificate, tmp_path):
    """As certbot does it."""
    live = tmp_path / "live"
    live.mkdir()
    os.symlink("../tls/mx.pem", live / "mx.pem")
    make_certificate(str(tmp_path / "next.pem"), "second.example.org")
    program = gate(inside(), tls=f"tls {{ mode = may  certificate = {live}/mx.pem }}")
    old = shown_certificate(program)
    os.symlink("../next.pem", live / "mx.pem.new")
    os.rename(live / "mx.pem.new", live / "mx.pem")
    net.wait_until(lambda: shown_certificate(program) != old, 40, "the old certificate is shown", program.story)


def test_a_certificate_that_is_replaced_all_the_time_renews_now_and_then(inside, gate, certificate):
    program = gate(inside(), tls=f"tls {{ mode = may  certificate = {certificate} }}")
    began = time.monotonic()
    while time.monotonic() < began + 25:
        make_certificate(certificate, "again.example.org")
        deliver(program)
        time.sleep(1)
    most = (time.monotonic() - began) // 10 + 1
    assert 1 <= renewals(program) <= most


def test_a_busy_directory_renews_nothing(inside, gate, certificate):
    """Something else lies beside the certificate, and is written all the time."""
    program = gate(inside(), tls=f"tls {{ mode = may  certificate = {certificate} }}")
    began = time.monotonic()
    while time.monotonic() < began + 17:  # the pause, and as long as it waits for quiet
        with open(os.path.dirname(certificate) + "/journal", "a") as f:
            f.write("a line\n")
        time.sleep(0.2)
    assert "event=reload" not in program.log()
    old = shown_certificate(program)
    make_certificate(certificate, "second.example.org")
    net.wait_until(lambda: shown_certificate(program) != old, 40, "the old certificate is shown", program.story)


def test_a_broken_certificate_changes_nothing(inside, gate, certificate):
    program = gate(inside(), tls=f"tls {{ mode = may  certificate = {certificate} }}")
    old = shown_certificate(program)
    with open(certificate, "w") as f:
        f.write("nothing of the kind\n")
    net.wait_until(lambda: "event=reload state=refused" in program.log(), 40, "nothing is refused", program.story)
    assert shown_certificate(program) == old
    make_certificate(certificate, "second.example.org")
    net.wait_until(lambda: shown_certificate(program) != old, 40, "the old certificate is shown", program.story)
