# SPDX-License-Identifier: ISC
"""TLS outside, with peers that share no code with Postern: openssl s_client, swaks, Postfix as a client, and raw
sockets that say words around the handshake and beneath TLS.

The witness of what went inside is the recording server; the marker `injected` must never get there.
"""
import os
import random
import re
import socket
import ssl
import subprocess
import tempfile

import pytest

import net
import postern as postern_program
import postfix_rig
import stories
from inside_server import Inside
from smtp_client import Client, Closed
from tls_peers import (SClient, SessionsOf, TlsBeneath, TlsClient, client_context, heard_to_the_end,
                       is_alert_or_nothing, only_message, session_lines)
from vectors import trace_of

HEAD = b"From: sender@example.com\r\nTo: user@example.org\r\nSubject: tls\r\n\r\n"
SMALL = HEAD + b"..two dots\r\n.\r\nend\r\n"
FIXED_SEED = 20261122
CLEAR_INSIDE = ("backend.pass_client=none",)


# -- openssl s_client

@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_s_client(tls_gate, certificates, version, kind):
    """Verified by name, with either version and either kind of key."""
    program, server = tls_gate(pairs=(certificates.mx, certificates.mx_rsa))
    algorithms = {"EC": "ECDSA+SHA256", "RSA": "RSA-PSS+SHA256:RSA+SHA256"}[kind]
    with SClient(program.address, "-CAfile", certificates.ca.certificate, "-verify_return_error", "-verify_hostname",
                 "mx.test", "-servername", "mx.test", f"-tls{version.replace('.', '_')}", "-sigalgs",
                 algorithms) as client:
        client.ask("EHLO client.test", 250)
        client.message("user@example.org", SMALL)
        client.ask("QUIT", 221)
    received = trace_of(only_message(server), SMALL)
    assert b"(using TLSv%s with cipher " % version.encode() in received and b" with ESMTPS id " in received
    cipher = re.search(rb"with cipher (\S+)", received).group(1).decode()
    program.wait_log(rf"event=session .*helo=client\.test .*tls=TLSv{version} cipher={cipher} .*sni=mx\.test")
    assert version == "1.3" or ("ECDSA" in cipher) == (kind == "EC")


def test_s_client_implicit(tls_gate, certificates):
    program, server = tls_gate(mode="implicit")
    ca = certificates.ca.certificate
    with SClient(program.address, "-CAfile", ca, "-verify_return_error", starttls=False) as client:
        client.expect(220)
        client.ask("EHLO client.test", 250)
        client.message("user@example.org", SMALL)
        client.ask("QUIT", 221)
    trace_of(only_message(server), SMALL)


@pytest.mark.parametrize("asked, shown", [("mx.test", "mx.test"), ("other.test", "other.test"), (None, "mx.test"),
                                          ("OTHER.test", "other.test"), ("nobody.test", "mx.test")])
def test_server_name(tls_gate, certificates, asked, shown):
    program, _ = tls_gate(pairs=(certificates.mx, certificates.other))
    with TlsClient(program.address) as client:
        context = client_context(ca=certificates.ca)
        context.check_hostname = False
        client.starttls(context=context, name=asked)
        names = [value for kind, value in client.socket.getpeercert()["subjectAltName"] if kind == "DNS"]
        assert names == [shown]
        client.quit()


def test_client_certificate(tls_gate, certificates):
    program, server = tls_gate("listener.tls.ask_client_certificate=yes",
                           f"listener.tls.client_ca={certificates.ca.certificate}")
    for pair, verdict in ((certificates.client, "verified"), (certificates.stranger, "not verified")):
        with SClient(program.address, "-cert", pair.certificate, "-key", pair.key) as client:
            client.ask("EHLO client.test", 250)
            client.message("user@example.org", SMALL)
            client.ask("QUIT", 221)
        received = trace_of(server.messages[-1].content, SMALL)
        assert b'(client CN "%s", %s)' % (pair.name.encode(), verdict.encode()) in received
    assert len(session_lines(program, 2)) == 2
    program.wait_log(r"event=session .*client_cert=client\.test client_fingerprint=[0-9a-f]{64} client_verified=yes")
    program.wait_log(r"event=session .*client_cert=inside\.test client_fingerprint=[0-9a-f]{64} client_verified=no")


def test_no_renegotiation(tls_gate):
    """TLS 1.2 can ask for it in the middle of a session; nobody gets it."""
    program, _ = tls_gate()
    done = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-tls1_2", "-connect",
                           "%s:%d" % program.address], input=b"R\n", capture_output=True, timeout=30, check=False)
    assert b"RENEGOTIATING" in done.stdout + done.stderr and b"no renegotiation" in done.stderr, done
    with TlsClient(program.address) as client:
        client.starttls()
        client.quit()


@pytest.mark.parametrize("version", ["1", "1_1"])
def test_old_versions(tls_gate, version):
    program, server = tls_gate()
    command = ["openssl", "s_client", "-starttls", "smtp", f"-tls{version}", "-cipher", "DEFAULT:@SECLEVEL=0",
               "-connect", "%s:%d" % program.address]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False)
    assert done.returncode != 0 and b"alert protocol version" in done.stderr, done
    program.wait_log(r'event=session .*ended="TLS handshake failed" why=')
    assert not server.messages


def test_swaks(secure_gate):
    """A whole session of somebody else's SMTP."""
    program, server = secure_gate(*CLEAR_INSIDE)
    done = subprocess.run(["swaks", "--server", program.address[0], "--port", str(program.address[1]), "--tls",
                           "--helo", "swaks.test", "--from", "a@example.com", "--to", "user@example.org", "--body",
                           "from swaks"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"from swaks" in only_message(server)
    program.wait_log(r"event=message .*helo=swaks\.test .*tls=TLSv1\.3 .*inside_tls=TLSv1\.3")


# -- Postfix as a client

class SendingPostfix(postfix_rig.Postfix):
    """Takes mail for example.net at its service `plain` and gives it to the gate, by TLS or not at all."""

    def __init__(self, directory, gate, certificates, *options):
        main = [f"relayhost = [{gate[0]}]:{gate[1]}", "default_transport = smtp", "relay_transport = smtp",
                "mynetworks = 127.0.0.0/8", "smtpd_relay_restrictions = permit_mynetworks, reject",
                "smtp_tls_security_level = secure", "smtp_tls_secure_cert_match = mx.test",
                f"smtp_tls_CAfile = {certificates.ca.certificate}", "smtp_tls_loglevel = 1",
                "smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache", *options]
        super().__init__(directory, main=main,
                         services=["smtp unix - - n - - smtp", "tlsmgr unix - - n 1000? 1 tlsmgr"])


@pytest.fixture
def sending_postfix(certificates):
    """A function: sending_postfix(gate.address, "main.cf line", ..)."""
    started = []

    def start(address, *options):
        directory = tempfile.mkdtemp(prefix="postfix-")
        os.chmod(directory, 0o755)
        rig = SendingPostfix(directory, address, certificates, *options)
        started.append(rig)
        stories.add(rig)
        rig.start()
        return rig

    yield start
    for rig in started:
        rig.stop()
        postfix_rig.remove(rig)


@pytest.mark.parametrize("mode, options", [("may", []), ("require", ["smtp_tls_mandatory_protocols = <=TLSv1.2"]),
                                           ("implicit", ["smtp_tls_wrappermode = yes"])])
def test_postfix_sends(secure_gate, sending_postfix, mode, options):
    """Postfix verifies us by CA and name, and sends by TLS: what arrives is what it sent."""
    program, server = secure_gate(*CLEAR_INSIDE, mode=mode)
    postfix = sending_postfix(program.address, *options)
    for number in range(3):
        with Client(postfix.address("plain")) as client:
            client.hello()
            assert client.message("user@example.net", HEAD + b"%d\r\n" % number).code == 250
            client.quit()
    postfix.settle()
    assert sorted(m.content[-3:] for m in server.accepted) == [b"0\r\n", b"1\r\n", b"2\r\n"]
    version = "TLSv1.2" if any("1.2" in option for option in options) else "TLSv1.3"
    postfix.wait_log(rf"Verified TLS connection established to .*: {re.escape(version)} with cipher")
    program.wait_log(rf"event=message (?=.* verdict=delivered ).* tls={re.escape(version)} ")


# -- words around the handshake: nothing of what is said in the clear counts once TLS was asked for

@pytest.fixture(scope="module")
def running_pair(certificates):
    """For all of them: a posternd, and the recording server behind it."""
    server = Inside()
    program = postern_program.Postern(server.address, *certificates.outside())
    yield program, server
    program.stop()
    program.check_log()
    server.stop()


@pytest.fixture
def pair(running_pair):
    """.., and the sessions of this test."""
    program, server = running_pair
    stories.add(program)
    stories.add(server)
    server.sessions.clear()
    return program, server, SessionsOf(program)


MAILS = b"MAIL FROM:<injected@example.com>\r\nRCPT TO:<injected@example.org>\r\nDATA\r\ninjected\r\n.\r\n"
INJECTIONS = {
    "RSET": b"RSET\r\n",
    "NOOP": b"NOOP injected\r\n",
    "EHLO": b"EHLO injected.test\r\n",
    "transaction": b"EHLO injected.test\r\n" + MAILS,
    "QUIT": b"QUIT\r\n",
    "STARTTLS": b"STARTTLS\r\n",
    "part of a command": b"NOO",
    "octet": b"N",
    "LF": b"\n",
    "NUL": b"\0",
    "much": b"NOOP injected\r\n" * 5000,
}


def nothing_was_injected(server):
    return not [c for c in server.commands if b"injected" in c] and not server.messages


@pytest.mark.parametrize("name", INJECTIONS)
@pytest.mark.parametrize("way", ["in one segment", "in two", "after 220"])
def test_injected_before_the_handshake(pair, name, way):
    """All end the session, none gets a reply in TLS; what TLS is begun behind them fails."""
    program, server, sessions = pair
    octets = INJECTIONS[name]
    with Client(program.address) as client:
        client.hello()
        try:
            if way == "in one segment":
                client.send(b"STARTTLS\r\n" + octets)
            elif way == "in two":
                client.send_in_pieces([b"STARTTLS\r\n", octets])
            else:
                client.ask("STARTTLS", 220)
                client.send(octets)
            begun = TlsBeneath(client.socket).handshake()
        except OSError:  # the reply in the clear is no ServerHello; or it was over before
            begun = False
    assert not begun, "TLS began, with words in front of it"
    sessions.one()
    assert nothing_was_injected(server), server.commands
    with TlsClient(program.address) as client:  # and the next client is served
        client.starttls()
        client.quit()
    sessions.lines(2)


@pytest.mark.parametrize("name", INJECTIONS)
def test_said_in_one_segment_is_answered_with_554(pair, name):
    program, server, sessions = pair
    with Client(program.address) as client:
        client.hello()
        client.send(b"STARTTLS\r\n" + INJECTIONS[name])
        assert [reply.code for reply in client.all_replies()] == [554]
    assert 'ended="input before the reply"' in sessions.one()
    assert nothing_was_injected(server)


@pytest.mark.parametrize("name", INJECTIONS)
def test_injected_into_the_handshake(pair, name):
    """Between ClientHello and Finished: the session ends, and nothing was obeyed."""
    program, server, sessions = pair
    with Client(program.address) as client:
        client.hello()
        client.ask("STARTTLS", 220)
        tls = TlsBeneath(client.socket)
        try:
            tls.handshake(before_finished=INJECTIONS[name])
            assert tls.hear_to_the_end() == b""
        except OSError:  # the gate was quicker
            pass
    assert 'ended="TLS handshake failed" why=' in sessions.one()
    assert nothing_was_injected(server)


NO_HELLO = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: mx.test\r\n\r\n",
    "SSL 2": b"\x80\x2e\x01\0\x02" + b"\0" * 43,
    "too long a record": b"\x16\x03\x01\xff\xff" + b"\0" * 70000,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "empty lines": b"\r\n" * 9,
}


@pytest.mark.parametrize("name", NO_HELLO)
@pytest.mark.parametrize("mode", ["may", "implicit"])
def test_no_client_hello(tls_gate, mode, name):
    """Not a word in the clear comes back."""
    program, _ = tls_gate(mode=mode)
    with Client(program.address) as client:
        if mode == "may":
            client.hello()
            client.ask("STARTTLS", 220)
        try:
            client.send(NO_HELLO[name])
        except OSError:
            pass
        assert is_alert_or_nothing(heard_to_the_end(client.socket))
    program.wait_log(r'event=session .*ended="TLS handshake failed" why=')


def test_random_handshakes(pair):
    """Seeded noise, true beginnings, and true beginnings with an octet changed."""
    program, server, sessions = pair
    dice = random.Random(FIXED_SEED)
    outgoing = ssl.MemoryBIO()
    tls = client_context().wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    for number in range(60):
        octets = bytearray(hello[:dice.randrange(1, len(hello))] if number % 3 else hello)
        if number % 2:
            octets[dice.randrange(len(octets))] ^= 1 << dice.randrange(8)
        with Client(program.address) as client:
            client.hello()
            client.ask("STARTTLS", 220)
            client.send(bytes(octets))
            client.finish_sending()
            assert not re.search(rb"(^|\n)[2-5][0-9][0-9][ -]", heard_to_the_end(client.socket))
    assert not server.messages
    with TlsClient(program.address) as client:
        client.starttls()
        client.quit()
    sessions.lines(61)


def test_words_beneath_tls(pair):
    """After the handshake a word in the clear ends the session, wherever it stands."""
    program, server, sessions = pair
    for steps in ([], ["MAIL FROM:<a@example.com>"], ["MAIL FROM:<a@example.com>", "RCPT TO:<b@example.org>", "DATA"]):
        with TlsClient(program.address) as client:
            client.starttls()
            for step in steps:
                assert client.command(step).code in (250, 354)
            beneath = socket.socket(fileno=os.dup(client.socket.fileno()))
            beneath.sendall(b"NOOP injected\r\n.\r\nQUIT\r\n")
            with pytest.raises((Closed, OSError)):
                client.reply()
            beneath.close()
    assert not [m for m in server.messages if m.has_dot]
    assert not [line for line in sessions.lines(3) if "ended=QUIT" in line]


def test_close_notify_and_words(pair):
    """TLS's end is the session's end: no word after it is read, no message is ended by it."""
    program, server, sessions = pair
    with Client(program.address) as client:
        client.hello()
        client.ask("STARTTLS", 220)
        tls = TlsBeneath(client.socket)
        assert tls.handshake()
        tls.tls.write(b"EHLO client.test\r\n")
        tls.flush()
        net.wait_until(lambda: tls.hear().count(b"\n") > 3, 10, "no answer to EHLO", program.story)
        tls.tls.write(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        tls.flush()
        net.wait_until(lambda: b"\n354" in tls.hear(), 10, "no 354", program.story)
        tls.tls.write(b"text\r\n")
        tls.say_close_notify()
        tls.flush()
        client.socket.sendall(b".\r\nMAIL FROM:<injected@example.com>\r\n")
        heard = tls.hear()
        assert tls.hear_to_the_end() == heard
    assert "ended=QUIT" not in sessions.one()
    assert not [m for m in server.messages if m.has_dot]
    assert not [c for c in server.commands if b"injected" in c]


@pytest.mark.parametrize("at_once", [True, False])
def test_quit_and_close_notify_together(pair, at_once):
    """A client that says QUIT, ends TLS and leaves hears 221."""
    program, _, sessions = pair
    with Client(program.address) as client:
        client.hello()
        client.ask("STARTTLS", 220)
        tls = TlsBeneath(client.socket)
        assert tls.handshake()
        tls.tls.write(b"QUIT\r\n")
        if not at_once:
            tls.flush()
        tls.say_close_notify()
        try:
            tls.flush()
            client.finish_sending()
        except OSError:  # it has answered, and left
            pass
        assert tls.hear_to_the_end().startswith(b"221 ")
    assert "ended=QUIT" in sessions.one()


# -- slow handshakes

def test_stalled_handshakes_hold_nobody_up(tls_gate):
    """Each of them ends at its deadline, where nobody needs the room; the good client is served."""
    program, _ = tls_gate("listener.tls.handshake_timeout=2s", "listener.max_workers=12",
                          "listener.min_spare=1")
    stalled = []
    for number in range(8):
        client = Client(program.address)
        client.hello()
        client.ask("STARTTLS", 220)
        client.send(b"\x16\x03\x01\x02\x00"[:number % 6])
        stalled.append(client)
    with TlsClient(program.address) as client:
        client.starttls()
        client.quit()
    for client in stalled:
        assert is_alert_or_nothing(heard_to_the_end(client.socket))
        client.close()
    lines = session_lines(program, 9)
    assert len([line for line in lines if 'ended="TLS handshake timeout"' in line]) == 8


