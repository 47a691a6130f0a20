# SPDX-License-Identifier: ISC
"""TLS on both legs, with a real Postfix inside: what is said, what arrives, what both logs say of it."""
import os
import re
import shutil
import smtplib
import ssl
import tempfile

import pytest

import postern as postern_program
import postfix_rig
import stories
from smtp_client import Client
from tls_peers import Pair, TlsClient, heard_to_the_end
from vectors import trace_of

HEAD = b"From: sender@example.com\r\nTo: user@example.org\r\nSubject: e2e\r\nMessage-ID: <1@example.com>\r\n"
CONTENT = HEAD + b"\r\n..\r\n" + b"".join(b"%d" % (n % 10) + b"x" * 75 + b"\r\n" for n in range(13_000))
MESSAGES = {"small": HEAD + b"\r\n.hello\r\n.\r\n", "empty": b"", "a megabyte": CONTENT}
NAME = "inside.test"


@pytest.fixture(scope="module")
def pairs():
    directory = tempfile.mkdtemp(prefix="certificates-")
    os.chmod(directory, 0o755)
    yield {name: Pair(directory, name) for name in ("mx.test", NAME, "client.example")}
    shutil.rmtree(directory)


TLS_SERVICES = """
127.0.0.1:{xclient}  inet  n - n - 100 smtpd -o smtpd_authorized_xclient_hosts=127.0.0.1
  -o smtpd_tls_security_level=may -o smtpd_tls_cert_file=CERTIFICATE -o smtpd_tls_key_file=KEY
  -o smtpd_tls_loglevel=1 -o smtpd_tls_received_header=yes
127.0.0.1:{plain}  inet  n - n - 100 smtpd -o smtpd_authorized_xclient_hosts=127.0.0.1
  -o smtpd_tls_wrappermode=yes -o smtpd_tls_cert_file=CERTIFICATE -o smtpd_tls_key_file=KEY
  -o smtpd_tls_loglevel=1 -o smtpd_tls_received_header=yes
tlsmgr    unix  - - n 1000? 1 tlsmgr
"""


@pytest.fixture(scope="module")
def running_tls_postfix(pairs):
    """`xclient` offers STARTTLS, `plain` begins with TLS; both believe XCLIENT."""
    services = TLS_SERVICES.replace("CERTIFICATE", pairs[NAME].certificate).replace("KEY", pairs[NAME].key)
    rest = postfix_rig.MASTER_CF[postfix_rig.MASTER_CF.index("{ipv6}"):]
    directory = tempfile.mkdtemp(prefix="postfix-")
    os.chmod(directory, 0o755)
    rig = postfix_rig.Postfix(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postfix_rig, "MASTER_CF", services + rest)
        rig._write_files()
        rig._write_files = lambda: None
        try:
            rig.start()
            yield rig
        finally:
            rig.stop()
            postfix_rig.remove(rig)


@pytest.fixture
def tls_postfix(running_tls_postfix):
    stories.add(running_tls_postfix)
    return running_tls_postfix


@pytest.fixture
def gate(postern, pairs, tls_postfix):
    """A function: gate("backend.tls.mode=may", ..) starts a posternd that has a certificate outside."""

    def start(*options, outside="may", service="xclient"):
        own = [f"listener.tls.mode={outside}", f"listener.tls.certificate={pairs['mx.test'].certificate}",
               f"listener.tls.key={pairs['mx.test'].key}"]
        return postern(tls_postfix.address(service), *own, *options)

    return start


def arrived(postfix, recipient, content):
    """The message with our Received line, unfolded, after it was found to be what was sent."""
    message = postfix.only_message(recipient)
    return message, trace_of(message.content, content).decode()


@pytest.mark.parametrize("what", MESSAGES)
def test_both_legs(gate, tls_postfix, what):
    program = gate("backend.tls.mode=require")
    recipient = f"{what.replace(' ', '-')}@example.org"
    with TlsClient(program.address, source="127.0.0.5") as client:
        offered = client.starttls()
        assert b"STARTTLS" not in offered.text
        assert client.message(recipient, MESSAGES[what], parameters=" BODY=8BITMIME").code == 250
        client.quit()
    message, received = arrived(tls_postfix, recipient, MESSAGES[what])
    assert re.search(r" \(using TLSv1\.3 with cipher TLS_\w+ \((\d+)/\1 bits\)\) by \S+ with ESMTPS id ", received)
    assert b" with ESMTPS id " in message.head
    tls_postfix.wait_log(message.queue_id + r": client=\S*\[127\.0\.0\.5\]")
    program.wait_log(r"event=message .*tls=TLSv1\.3 cipher=TLS_\w+ .*server=one inside_tls=TLSv1\.3 .*queue_id="
                     + message.queue_id)
    program.wait_log(r"event=session .*tls=TLSv1\.3 cipher=TLS_\w+ ended=QUIT")


def test_tls_is_the_clients_affair(gate, tls_postfix):
    """mode = may: without STARTTLS it goes as before, and inside none is wanted."""
    program = gate()
    with Client(program.address) as client:
        assert b"STARTTLS" in client.hello().text
        assert client.message("clear@example.org", MESSAGES["small"]).code == 250
        client.quit()
    _, received = arrived(tls_postfix, "clear@example.org", MESSAGES["small"])
    assert "using" not in received and " with ESMTP id " in received
    line = program.wait_log(r"event=message .*verdict=delivered.*").group(0)
    assert "tls=" not in line


def test_demanded(gate):
    program = gate(outside="require")
    with TlsClient(program.address) as client:
        client.hello()
        for line in ("MAIL FROM:<a@example.com>", "RCPT TO:<b@example.org>", "DATA", "RSET", "VRFY x", "WHAT"):
            client.ask(line, 530)
        client.ask("NOOP", 250)
        client.ask("STARTTLS", 220)
        client.begin_tls()
        client.ask("MAIL FROM:<a@example.com>", 503)
        client.ask("STARTTLS", 503)
        client.ask("EHLO client.test", 250)
        client.ask("MAIL FROM:<a@example.com>", 250)
        client.quit()


def test_demanded_of_some(gate):
    program = gate("listener.tls.require_from=127.0.0.9")
    for source, code in (("127.0.0.9", 530), ("127.0.0.8", 250)):
        with Client(program.address, source=source) as client:
            client.hello()
            client.ask("MAIL FROM:<a@example.com>", code)
            client.quit()


@pytest.mark.parametrize("connect", ["mail", "greeting"])
def test_tls_from_the_first_octet(gate, tls_postfix, connect):
    """Implicit on both legs."""
    program = gate("backend.tls.mode=implicit", f"backend.connect={connect}", outside="implicit", service="plain")
    recipient = f"implicit-{connect}@example.org"
    with TlsClient(program.address) as client:
        client.begin_tls(name="mx.test")
        assert b"STARTTLS" not in client.hello().text
        client.ask("STARTTLS", 503)
        assert client.message(recipient, CONTENT).code == 250
        client.quit()
    assert " with ESMTPS id " in arrived(tls_postfix, recipient, CONTENT)[1]
    program.wait_log(r"event=session .*sni=mx\.test ended=QUIT")


def test_pipelined_in_tls(gate, tls_postfix):
    program = gate("backend.tls.mode=may")
    with TlsClient(program.address) as client:
        client.starttls()
        client.send(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<piped@example.org>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n")
        assert [reply.code for reply in client.replies(4)] == [250, 250, 550, 354]
        client.send(HEAD + b"\r\nx\r\n.\r\nMAIL FROM:<a@example.com>\r\nRSET\r\nQUIT\r\n")
        assert [reply.code for reply in client.all_replies()] == [250, 250, 250, 221]
    arrived(tls_postfix, "piped@example.org", HEAD + b"\r\nx\r\n")


GOOD = {
    "none": [],
    "ca": ["backend.tls.verify=ca", "backend.tls.ca={certificate}"],
    "name": ["backend.tls.verify=name", "backend.tls.ca={certificate}", f"backend.server.tls_name={NAME}"],
    "pin": ["backend.tls.verify=pin", "backend.tls.pin={pin}"],
}
BAD = {
    "ca": ["backend.tls.verify=ca"],
    "name": ["backend.tls.verify=name", "backend.tls.ca={certificate}", "backend.server.tls_name=other.test"],
    "pin": ["backend.tls.verify=pin", "backend.tls.pin=" + 64 * "0"],
}


def filled(options, pair):
    return [option.format(certificate=pair.certificate, pin=pair.pin()) for option in options]


@pytest.mark.parametrize("verify", GOOD)
def test_inside_is_who_it_should_be(gate, pairs, verify):
    program = gate("backend.tls.mode=require", *filled(GOOD[verify], pairs[NAME]))
    with Client(program.address) as client:
        client.hello()
        assert client.message("user@example.org", MESSAGES["small"]).code == 250
        client.quit()


@pytest.mark.parametrize("mode", ["may", "require"])
@pytest.mark.parametrize("verify", BAD)
def test_inside_is_somebody_else(gate, pairs, verify, mode):
    """Nobody falls back to the clear."""
    program = gate(f"backend.tls.mode={mode}", *filled(BAD[verify], pairs[NAME]))
    with Client(program.address) as client:
        client.expect(220)
        client.ask("EHLO client.test", 451)
        client.ask("MAIL FROM:<a@example.com>", 451)
        client.quit()
    program.wait_log(r'event=inside .*alarm="the TLS handshake with inside failed: .*certificate|pin|name')


def test_clients_certificate(gate, pairs, tls_postfix):
    program = gate("listener.tls.ask_client_certificate=yes", f"listener.tls.client_ca={pairs['client.example'].certificate}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(pairs["client.example"].certificate, pairs["client.example"].key)
    with TlsClient(program.address) as client:
        client.starttls(context=context)
        assert client.message("shown@example.org", MESSAGES["small"]).code == 250
        client.quit()
    assert '(client CN "client.example", verified)' in arrived(tls_postfix, "shown@example.org", MESSAGES["small"])[1]
    program.wait_log("event=session .*client_cert=client.example client_fingerprint=[0-9a-f]{64} client_verified=yes")


def test_a_full_house_says_nothing_before_tls(gate):
    """421 can be said in the clear, or after a handshake that a full house has no time for."""
    program = gate("listener.max_workers=2", outside="implicit")
    with TlsClient(program.address) as guest:
        guest.begin_tls()
        guest.hello()
        with Client(program.address) as one_too_many:  # now: of two that come together both may be turned away
            assert one_too_many.is_closed()
        guest.quit()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_any_worker_takes_a_session_up(gate, version):
    program = gate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    with TlsClient(program.address) as first, TlsClient(program.address) as second:
        first.starttls(context=context)
        second.starttls(context=context, session=first.socket.session)
        assert second.socket.session_reused
        first.quit()
        second.quit()
    program.wait_log("(?s)event=session .*event=session ")
    workers = {line.split(":")[0] for line in program.log().splitlines() if "event=session" in line}
    assert len(workers) == 2
    program.wait_log("event=session .*resumed=yes")


def test_a_handshake_that_fails_is_seen(gate):
    program = gate()
    with TlsClient(program.address) as client:
        client.hello()
        client.ask("STARTTLS", 220)
        client.send(b"EHLO client.test\r\n")
        assert heard_to_the_end(client.socket)[:1] in (b"", b"\x15")  # nothing but an alert
    program.wait_log(r'event=session .*ended="TLS handshake failed" why=')


def test_smtplib(gate, tls_postfix):
    """A client that is none of ours."""
    program = gate("backend.tls.mode=require")
    with smtplib.SMTP(*program.address, timeout=20) as client:
        client.starttls(context=TlsClient.tls_context)
        client.sendmail("a@example.com", "smtplib@example.org", MESSAGES["small"])
    assert " with ESMTPS id " in arrived(tls_postfix, "smtplib@example.org", MESSAGES["small"])[1]


def test_verify_name_needs_names(tmp_path):
    path = tmp_path / "postern.conf"
    path.write_text("""hostname = mx.test
listener mx { address = 127.0.0.1:2525 backend = inside policy = inbound }
backend inside {
    tls { mode = require verify = name }
    server one { address = 127.0.0.1:10025 tls_name = inside.test }
    server two { address = 127.0.0.1:10026 }
}
policy inbound { hops { max = 50 } }
""")
    status, _, error = postern_program.run("-t", "-c", str(path), "-o", "user=nobody")
    assert status == 1 and re.search(f"{path}:6: .*server two: tls_name: has to be set", error), error
