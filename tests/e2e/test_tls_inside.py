# SPDX-License-Identifier: ISC
"""TLS inside: servers that misbehave at STARTTLS, who is believed, and messages that go through TLS on both legs."""
import random

import pytest

from inside_server import KEYWORDS, language_fault, say_and_close
from smtp_client import Client, stuffed
from tls_peers import TlsClient, accepting, client_context, only_message, session_lines
from vectors import trace_of

HEAD = b"From: sender@example.com\r\nTo: user@example.org\r\nSubject: tls\r\n\r\n"
SMALL = HEAD + b"..two dots\r\n.\r\nend\r\n"
IN_TLS = (*KEYWORDS, b"STARTTLS")
FIXED_SEED = 20261122
CLEAR_INSIDE = ("backend.pass_client=none",)


# -- inside servers that misbehave at STARTTLS

def injecting(context):
    """An answer in the same segment as the 220, then TLS as if nothing were."""
    return accepting(context, b"220 2.0.0 go\r\n250 injected\r\n250 injected\r\n")


BAD_INSIDE = {
    "not offered": None,
    "454": b"454 4.7.0 not now\r\n",
    "502": b"502 5.5.1 no\r\n",
    "250": b"250 2.0.0 ok\r\n",
    "354": b"354 go ahead\r\n",
    "garbage": b"\x00\x01what?\r\n",
    "220 and then clear": b"220 2.0.0 go\r\n",
    "220 and the end": say_and_close(b"220 2.0.0 go\r\n"),
    "220 and answers": b"220 2.0.0 go\r\n250 injected\r\n250 injected\r\n354 injected\r\n250 injected\r\n",
}


@pytest.mark.parametrize("name", [*BAD_INSIDE, "220, answers and TLS"])
def test_inside_without_tls(tls_gate, certificates, name):
    """mode = require: a 4yz outside, and inside hears of no mail and of no client."""
    action = injecting(certificates.server_context()) if name not in BAD_INSIDE else BAD_INSIDE[name]
    keywords = KEYWORDS if action is None else IN_TLS
    program, server = tls_gate("backend.tls.mode=require", "backend.tls.handshake_timeout=2s",
                           script={"STARTTLS": action}, keywords=keywords)
    with Client(program.address) as client:
        client.expect(220)
        assert client.command("EHLO client.test").code in (250, 451)
        client.ask("MAIL FROM:<a@example.com>", 451)
        client.quit()
    assert not [c for c in server.commands if c.startswith((b"MAIL", b"RCPT", b"XCLIENT", b"RSET"))]
    assert not [c for c in server.commands if b"client.test" in c]
    program.wait_log(r"event=inside ")


@pytest.mark.parametrize("name", ["not offered", "454", "502"])
def test_inside_may_do_without(tls_gate, name):
    """mode = may: it goes in the clear, and the log says so."""
    keywords = KEYWORDS if BAD_INSIDE[name] is None else IN_TLS
    program, server = tls_gate("backend.tls.mode=may", script={"STARTTLS": BAD_INSIDE[name]}, keywords=keywords)
    with Client(program.address) as client:
        client.hello()
        assert client.message("user@example.org", SMALL).code == 250
        client.quit()
    trace_of(only_message(server), SMALL)
    program.wait_log(r"event=message .*inside_tls=none")


@pytest.mark.parametrize("name", ["250", "354", "garbage", "220 and then clear", "220 and the end", "220 and answers",
                                  "220, answers and TLS"])
def test_inside_may_not_fall_back(tls_gate, certificates, name):
    """mode = may: what somebody disturbed does not go in the clear instead."""
    action = injecting(certificates.server_context()) if name not in BAD_INSIDE else BAD_INSIDE[name]
    program, server = tls_gate("backend.tls.mode=may", "backend.tls.handshake_timeout=2s", script={"STARTTLS": action},
                           keywords=IN_TLS)
    with Client(program.address) as client:
        client.expect(220)
        assert client.command("EHLO client.test").code in (250, 451)
        client.ask("MAIL FROM:<a@example.com>", 451)
        client.quit()
    assert not [c for c in server.commands if c.startswith((b"MAIL", b"XCLIENT"))]
    program.wait_log(r"event=inside ")


def test_answers_behind_the_handshake(secure_gate, certificates):
    """In TLS too nobody answers before he was asked: an answer that lies there is a fault, not the next reply."""
    early = accepting(certificates.server_context(), then=b"250 injected\r\n250 injected\r\n")
    program, server = secure_gate(script={"STARTTLS": early})
    with Client(program.address) as client:
        client.expect(220)
        client.command("EHLO client.test")
        client.ask("MAIL FROM:<a@example.com>", 451)
        client.quit()
    assert not [c for c in server.commands if c.startswith(b"MAIL")]
    assert not server.messages
    program.wait_log(r"event=inside ")


def test_client_is_passed_on_in_tls_only(secure_gate):
    program, server = secure_gate("backend.pass_client=xclient")
    with Client(program.address, source="127.0.0.7") as client:
        client.hello()
        assert client.message("user@example.org", SMALL).code == 250
        client.quit()
    session = next(s for s in server.sessions if s.messages)
    clear, in_tls = session.commands[:session.secured_at], session.commands[session.secured_at:]
    assert [c.split(b" ")[0] for c in clear] == [b"EHLO", b"STARTTLS"] and b"client.test" not in b"".join(clear)
    assert [c.split(b" ")[0] for c in in_tls][:4] == [b"EHLO", b"XCLIENT", b"EHLO", b"MAIL"]
    assert b"127.0.0.7" in in_tls[1]


@pytest.mark.parametrize("verify, good", [
    (["verify=name", "ca={ca}"], True), (["verify=pin", "pin={pin}"], True), (["verify=ca", "ca={ca}"], True),
    (["verify=name", "ca={stranger}"], False), (["verify=pin", "pin={other_pin}"], False),
    (["verify=ca", "ca={stranger}"], False)])
def test_inside_is_verified(secure_gate, certificates, verify, good):
    names = {"ca": certificates.ca.certificate, "stranger": certificates.stranger.certificate,
             "pin": certificates.inside.pin(), "other_pin": certificates.other.pin()}
    options = ["backend.tls." + option.format(**names) for option in verify]
    program, server = secure_gate("backend.server.tls_name=inside.test", *options)
    with Client(program.address) as client:
        client.expect(220)
        client.command("EHLO client.test")
        client.ask("MAIL FROM:<a@example.com>", 250 if good else 451)
        client.quit()
    assert bool([c for c in server.commands if c.startswith(b"MAIL")]) == good


# -- messages

EVERY_8BIT = bytes(octet for octet in range(1, 256) if octet not in b"\r\n")
MESSAGES = {
    "small": SMALL,
    "8bit": HEAD + EVERY_8BIT + b"\r\n",
    "dots": HEAD + b".\r\n..\r\n...\r\n.x\r\n" * 3000,
    "long lines": HEAD + (b"x" * 70000 + b"\r\n") * 3,
    "records exactly": HEAD + (b"y" * 16382 + b"\r\n") * 20,
    "empty": b"",
    "ten megabytes": HEAD + b"".join(b"%07d" % n + b"z" * 991 + b"\r\n" for n in range(10_500)),
}


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("versions", [("1.2", "1.3"), ("1.3", "1.2"), ("1.3", "1.3")])
def test_message_through_both_legs(secure_gate, certificates, name, versions):
    """What arrives is what was sent, octet for octet, and only whole stuffed lines went inside (L3)."""
    outside, within = versions
    context = certificates.server_context()
    context.minimum_version = context.maximum_version = client_context(within).minimum_version
    program, server = secure_gate(script={"STARTTLS": accepting(context)})
    with TlsClient(program.address) as client:
        client.starttls(context=client_context(outside))
        assert client.message("user@example.org", MESSAGES[name], parameters=" BODY=8BITMIME").code == 250
        client.quit()
    trace_of(only_message(server), MESSAGES[name])
    assert language_fault(server.messages[0].octets, complete=True) is None
    program.wait_log(rf"event=message (?=.* verdict=delivered )(?=.* tls=TLSv{outside} ).* inside_tls=TLSv{within} ")


def test_message_in_odd_records(secure_gate):
    """However the octets are cut into records: seeded."""
    program, server = secure_gate(*CLEAR_INSIDE)
    dice = random.Random(FIXED_SEED)
    content = HEAD + b"".join(b"." * dice.randrange(4) + b"q" * dice.randrange(200) + b"\r\n" for _ in range(600))
    with TlsClient(program.address) as client:
        client.starttls()
        client.begin("user@example.org")
        octets = stuffed(content) + b".\r\n"
        while octets:
            size = dice.choice((1, 1, 2, 3, 5, 100, 5000))
            client.send(octets[:size])
            octets = octets[size:]
        client.expect(250)
        client.quit()
    trace_of(only_message(server), content)


def test_many_sessions_in_both(secure_gate):
    """One after the other in few workers, with TLS and without: nothing of one is left for the next (L8). There is room
    for more of them, since some may not be done with the session before."""
    program, server = secure_gate("listener.min_spare=1", "listener.max_spare=2", *CLEAR_INSIDE)
    for number in range(40):
        with TlsClient(program.address) as client:
            if number % 2:
                client.starttls()
            else:
                assert b"STARTTLS" in client.hello().text
            assert client.message(f"user-{number}@example.org", HEAD + b"%d\r\n" % number).code == 250
            client.quit()
    assert len(server.accepted) == 40
    lines = session_lines(program, 40)
    assert len([line for line in lines if " tls=TLSv1.3" in line]) == 20
    assert len({line.split(":")[0] for line in lines}) < 20, "no worker had two sessions"


