# SPDX-License-Identifier: ISC
"""A thousand sessions in TLS, on both legs, and handshakes that fail in every way, leave a worker's memory and
descriptors where they were, and nothing of one is seen in another."""
import re
import ssl
import subprocess

import pytest

import stories
from smtp_client import Closed
from test_soak import CONTENT, MARKER, SESSIONS, assert_not_grown, measure, sessions_by_worker, welcome

WARM_UP = 400  # OpenSSL's memory finds its places only by and by; beyond 3,000 sessions it grows no more
HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(120))  # the beginning of a ClientHello


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    path = tmp_path_factory.mktemp("certificate") / "mx.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=friend.test", "-keyout", path, "-out", f"{path}.crt"], check=True,
                   capture_output=True)
    with open(path, "a") as both, open(f"{path}.crt") as certificate:
        both.write(certificate.read())
    return str(path)


def context(certificate=None, version=ssl.TLSVersion.TLSv1_3, verify=ssl.CERT_NONE):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = verify
    made.maximum_version = version
    if certificate:
        made.load_cert_chain(certificate)
    return made


# -- what clients do; `marker` is theirs alone

def starttls(client, marker, by, name=None):
    client.hello("clear.test")
    client.ask("STARTTLS", 220)
    client.socket = by.wrap_socket(client.socket, server_hostname=name)
    client.ask(f"EHLO {marker}.test", 250)


def good(client, marker, certificate):
    starttls(client, marker, context())
    assert client.message(f"user-{marker}@example.org", marker.encode() + CONTENT).code == 250
    client.quit()


def known(client, marker, certificate):
    starttls(client, marker, context(certificate, ssl.TLSVersion.TLSv1_2), f"{marker}.sni.test")
    assert client.message(f"user-{marker}@example.org", marker.encode() + CONTENT).code == 250
    client.quit()


def aborted(client, marker, certificate):
    starttls(client, marker, context(certificate), f"{marker}.sni.test")
    client.begin(f"user-{marker}@example.org")
    client.send(marker.encode() + CONTENT)
    client.reset()


def suspicious(client, marker, certificate):
    with pytest.raises(ssl.SSLCertVerificationError):
        starttls(client, marker, context(verify=ssl.CERT_REQUIRED), f"{marker}.sni.test")


def babbling(client, marker, certificate):
    client.hello(f"{marker}.test")
    client.ask("STARTTLS", 220)
    client.send(f"EHLO {marker}.test\r\n".encode())
    client.socket.recv(100)


def cut_off(client, marker, certificate):
    client.hello(f"{marker}.test")
    client.ask("STARTTLS", 220)
    client.send(HELLO)


def silent_end(client, marker, certificate):
    starttls(client, marker, context())
    client.ask(f"MAIL FROM:<{marker}@example.com>", 250)
    client.socket.unwrap().close()


KINDS = [good, known, aborted, suspicious, babbling, cut_off, silent_end]


def starttls_inside(certificate):
    """Every ninth time there is no handshake behind the 220."""
    by = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    by.load_cert_chain(certificate)
    times = iter(range(100 * SESSIONS))

    def action(session):
        session.say(b"220 go\r\n")
        if next(times) % 9 == 8:
            session.close()
        session.connection = by.wrap_socket(session.connection, server_side=True)
    return action


def test_thousand_sessions_in_tls(inside, postern, certificate):
    server = inside({"STARTTLS": starttls_inside(certificate)}, keywords=[b"STARTTLS", b"XCLIENT NAME ADDR PORT"])
    gate = postern(server.address, "listener.max_workers=2", "listener.min_spare=1", "listener.max_spare=2",
                   "listener.sessions_per_worker=1000000", "listener.tls.mode=may", "backend.tls.mode=require",
                   f"listener.tls.certificate={certificate}", "listener.tls.ask_client_certificate=yes")
    before = {}
    for number in range(SESSIONS):
        stories.forget()
        serve_one(gate, KINDS[number % len(KINDS)], f"m{number}x", certificate)
        if number + 1 == WARM_UP:
            before = {pid: measure(gate, pid) for pid in gate.workers()}
    served = sessions_by_worker(gate)
    busiest, count = served.most_common(1)[0]
    assert count > SESSIONS // 3, f"no worker served long enough: {served}"
    assert busiest in before and busiest in gate.workers(), "the worker was replaced"
    for pid in before:
        assert_not_grown(f"worker {pid}, {served[pid]} sessions", before[pid], measure(gate, pid))
    for line in re.findall(r"^.*event=(?:session|message) .*$", gate.log(), re.M):
        assert len(set(MARKER.findall(line.encode()))) <= 1, f"two clients in one line: {line}"
    for session in server.sessions:
        assert len(set(MARKER.findall(bytes(session.heard)))) <= 1, f"two clients in one session: {session.heard[:500]}"


def serve_one(gate, kind, marker, certificate):
    client = welcome(gate)
    try:
        kind(client, marker, certificate)
    except (Closed, ConnectionError, ssl.SSLError):
        pass
    except AssertionError:
        if not client.transcript[-1][1].startswith(b"451 "):  # inside hung up before the handshake
            raise
    finally:
        client.close()
