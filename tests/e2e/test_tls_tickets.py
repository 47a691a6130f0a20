# SPDX-License-Identifier: ISC
"""Sessions of TLS that are resumed: by whichever worker, across rotations of the ticket keys and across a reload."""
import os
import re
import signal
import subprocess

import pytest

import net
import postern as postern_program
from tls_peers import SClient, TlsClient, client_context, only_message, session_lines
from vectors import trace_of

SMALL = b"Subject: tls\r\n\r\n..two dots\r\nend\r\n"


def resumed(client):
    return client.socket.session_reused


def begin_and_keep(program, context, session=None):
    """A client whose session is in TLS, and is still there."""
    client = TlsClient(program.address)
    client.starttls(context=context, session=session)
    return client


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_s_client_resumes_elsewhere(tls_gate, tmp_path, version):
    """-sess_out and -sess_in; the first worker is still busy with the first session, so another one takes it up."""
    program, _ = tls_gate()
    ticket = str(tmp_path / "ticket")
    flag = f"-tls{version.replace('.', '_')}"
    with SClient(program.address, flag, "-sess_out", ticket) as first:
        first.ask("EHLO first.test", 250)
        net.wait_until(lambda: os.path.exists(ticket) and os.path.getsize(ticket), 10, "no ticket", program.story)
        for number in range(3):
            with SClient(program.address, flag, "-sess_in", ticket, "-sess_out", ticket) as next_one:
                next_one.ask(f"EHLO next{number}.test", 250)
                next_one.ask("QUIT", 221)
        first.ask("QUIT", 221)
    lines = {re.search(r"helo=(\S+)", line).group(1): line for line in session_lines(program, 4)}
    assert "resumed=" not in lines["first.test"]
    for number in range(3):
        assert "resumed=yes" in lines[f"next{number}.test"], lines
    workers = {name: re.search(r"session=\S*?([0-9a-z]{4}) ", line).group(1) for name, line in lines.items()}
    assert workers["next0.test"] != workers["first.test"]


def test_s_client_reconnects(tls_gate):
    """Five times in a row, with one ticket."""
    program, _ = tls_gate()
    done = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-tls1_2", "-reconnect", "-connect",
                           "%s:%d" % program.address], input=b"", capture_output=True, timeout=60, check=False)
    assert len(re.findall(rb"^Reused, TLSv1\.2", done.stdout, re.M)) == 5, done.stdout.decode(errors="replace")
    assert len([line for line in session_lines(program, 6) if "resumed=yes" in line]) == 5


def rotations(program):
    return program.log().count("event=ticket-keys ")


def wait_rotations(program, count):
    net.wait_until(lambda: rotations(program) >= count, 30, f"there are not {count} rotations", program.story)


def test_ticket_outlives_a_rotation(tls_gate):
    """The key that sealed it still opens for a while; the new ticket is sealed by the new one."""
    program, _ = tls_gate("ticket_key_lifetime=3s")
    contexts = {version: client_context(version) for version in ("1.2", "1.3")}
    sessions = {}
    for _ in range(3):
        seen = rotations(program)
        for version, context in contexts.items():
            with begin_and_keep(program, context, sessions.get(version)) as client:
                assert resumed(client) == (version in sessions)
                sessions[version] = client.socket.session
                client.quit()
        wait_rotations(program, seen + 1)


def test_ticket_dies_with_its_key(tls_gate):
    """.. and after three rotations it is worth nothing, which costs a whole handshake and no session."""
    program, server = tls_gate("ticket_key_lifetime=1s")
    context = client_context("1.3")
    with begin_and_keep(program, context) as first:
        session = first.socket.session
        first.quit()
    wait_rotations(program, rotations(program) + 3)
    with begin_and_keep(program, context, session) as second:
        assert not resumed(second)
        assert second.message("user@example.org", SMALL).code == 250
        second.quit()
    trace_of(only_message(server), SMALL)


# -- across a reload

class FileGate(postern_program.PosternFrom):
    """posternd with a file of its own, that can be written anew."""

    def __init__(self, path, inside, certificates):
        self.path, self.inside = path, inside
        address = ("127.0.0.1", net.free_port())
        self.write(certificates.mx, address)
        super().__init__(address, "-f", "-c", str(path))
        self.wait_ready()

    def write(self, pair, address=None):
        host, port = address or self.address
        user = "user = nobody\ngroup = nogroup\n" if os.geteuid() == 0 else ""
        self.path.write_text(f"""hostname = mx.test
log = stderr
{user}listener mx {{
    address = {host}:{port}
    backend = inside
    policy = inbound
    tls {{ mode = may  certificate = {pair.certificate}  key = {pair.key} }}
}}
backend inside {{ pass_client = xclient  server one {{ address = 127.0.0.1:{self.inside[1]} }} }}
policy inbound {{ recipient {{ relay_domains = {{ "*" }} }} }}
""")

    def reload(self):
        """Up to the new generation's readiness."""
        os.kill(self.master, signal.SIGHUP)
        self.wait_log(r"event=reload state=done")


@pytest.fixture
def file_gate(inside, certificates, tmp_path):
    server = inside()
    program = FileGate(tmp_path / "postern.conf", server.address, certificates)
    yield program, server
    program.stop()
    program.check_log()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_ticket_outlives_a_reload(file_gate, version):
    """HUP: another generation of workers takes up what the one before began."""
    program, _ = file_gate
    context = client_context(version)
    with begin_and_keep(program, context) as first:
        session = first.socket.session
        before = program.worker_of(first)
        first.quit()
    program.reload()
    net.wait_until(lambda: before not in program.workers(), 20, "the old worker stays", program.story)
    with begin_and_keep(program, context, session) as second:
        assert resumed(second)
        second.quit()


def test_another_certificate_by_reload(file_gate, certificates):
    """Who was in TLS stays there; who comes after sees the new one; a session is taken up across it."""
    program, server = file_gate
    context = client_context(ca=certificates.ca)
    context.check_hostname = False
    with begin_and_keep(program, context) as held:
        session = held.socket.session
        program.write(certificates.other)
        program.reload()
        with begin_and_keep(program, context) as client:
            assert ("DNS", "other.test") in client.socket.getpeercert()["subjectAltName"]
            client.quit()
        with begin_and_keep(program, context, session) as client:
            assert resumed(client)
            client.quit()
        assert held.message("user@example.org", SMALL).code == 250
        held.quit()
    trace_of(only_message(server), SMALL)


def test_a_certificate_that_is_broken_changes_nothing(file_gate, certificates, tmp_path):
    """The reload is refused, and the old one goes on."""
    program, _ = file_gate
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    certificate = type(certificates.mx).__new__(type(certificates.mx))
    certificate.certificate, certificate.key = str(broken), certificates.mx.key
    program.write(certificate)
    os.kill(program.master, signal.SIGHUP)
    program.wait_log(r"event=reload state=refused")
    with begin_and_keep(program, client_context()) as client:
        client.quit()
