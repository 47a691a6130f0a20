# SPDX-License-Identifier: ISC
"""What Postfix knows of the client, attribute by attribute, as its policy protocol says it (SMTPD_POLICY_README): by
each way in which Postern passes the client on."""
import os
import socketserver
import tempfile
import threading

import pytest

import net
import postfix_rig
import stories
from smtp_client import Client

CONTENT = b"From: a@example.com\r\nTo: user@example.org\r\nSubject: x\r\nMessage-ID: <1@example.com>\r\n\r\nhello\r\n"
SERVICE = ("127.0.0.1:{port} inet n - n - 100 smtpd -o smtpd_recipient_restrictions=check_policy_service,"
           "inet:127.0.0.1:{policy} -o smtpd_delay_reject=yes {more}")
MORE = {"xclient": "-o smtpd_authorized_xclient_hosts=127.0.0.1", "proxy": "-o smtpd_upstream_proxy_protocol=haproxy",
        "plain": ""}
GATE = "127.0.0.7"


class Policy(socketserver.StreamRequestHandler):
    def handle(self):
        asked = {}
        for line in self.rfile:
            name, _, value = line.decode().rstrip("\n").partition("=")
            if name:
                asked[name] = value
                continue
            self.server.asked.append(asked)
            asked = {}
            self.wfile.write(b"action=DUNNO\n\n")


@pytest.fixture(scope="module")
def policy():
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Policy) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def running(policy):
    directory = tempfile.mkdtemp(prefix="postfix-")
    os.chmod(directory, 0o755)
    ports = {name: net.free_port() for name in MORE}
    services = [SERVICE.format(port=ports[name], policy=policy.server_address[1], more=more)
                for name, more in MORE.items()]
    rig = postfix_rig.Postfix(directory, services=services, main=["inet_protocols = all"])
    try:
        rig.start()
        rig.ports.update({"policy-" + name: port for name, port in ports.items()})
        yield rig
    finally:
        rig.stop()
        postfix_rig.remove(rig)


@pytest.fixture
def known(running, policy, postern):
    """A function: what Postfix says of who sends a message through Postern, and the client's own port."""
    stories.add(running)

    def get(service, way, *options, before=(), hello="EHLO who.client.test", source="127.0.0.9"):
        policy.asked.clear()
        gate = postern(running.address("policy-" + service), f"backend.pass_client={way}", *options)
        with Client(gate.address, source=source) as client:
            client.expect(220)
            for line, code in before:
                client.ask(line, code)
            client.ask(hello, 250)
            client.ask("MAIL FROM:<a@example.com>", 250)
            client.ask("RCPT TO:<user@example.org>", 250)
            client.ask("DATA", 354)
            client.send(CONTENT + b".\r\n")
            client.expect(250)
            client.quit()
        assert len(policy.asked) == 1, policy.asked
        return policy.asked[0], client.own_port, gate.address
    return get


def check(asked, **wanted):
    assert {name: asked.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("hello, protocol", [("EHLO who.client.test", "ESMTP"), ("HELO who.client.test", "ESMTP")])
def test_xclient(known, hello, protocol):
    """Each attribute of the nine that Postfix has. Postern itself always says EHLO to it."""
    asked, port, gate = known("xclient", "xclient", hello=hello)
    check(asked, client_address="127.0.0.9", client_port=str(port), client_name="unknown",
          reverse_client_name="unknown", helo_name="who.client.test", protocol_name=protocol, sasl_username="", server_address=gate[0],
          server_port=str(gate[1]))


def test_xclient_of_another_gate(known):
    """What that says of the client is what Postfix hears, all of it."""
    told = ("XCLIENT NAME=sender.example REVERSE_NAME=ptr.sender.example ADDR=198.51.100.7 PORT=4711 PROTO=ESMTP "
            "HELO=elsewhere.example LOGIN=ann+2Bx@example.org DESTADDR=203.0.113.25 DESTPORT=2525")
    asked, _, _ = known("xclient", "xclient", f"listener.xclient_from={GATE}", source=GATE,
                        before=[("EHLO gate.test", 250), (told, 220)])
    check(asked, client_address="198.51.100.7", client_port="4711", client_name="sender.example",
          reverse_client_name="ptr.sender.example", helo_name="who.client.test", protocol_name="ESMTP",
          sasl_username="ann+x@example.org", sasl_method="XCLIENT", server_address="203.0.113.25", server_port="2525")


def test_xclient_of_another_gate_with_six(known):
    told = "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 PORT=4711"
    asked, _, _ = known("xclient", "xclient", f"listener.xclient_from={GATE}", source=GATE,
                        before=[("EHLO gate.test", 250), (told, 220)])
    check(asked, client_address="2001:db8::7", client_port="4711", client_name="unknown", helo_name="who.client.test")


@pytest.mark.parametrize("way", ["proxy-v1", "proxy-v2"])
def test_proxy(known, way):
    asked, port, gate = known("proxy", way)
    check(asked, client_address="127.0.0.9", client_port=str(port), helo_name="who.client.test", protocol_name="ESMTP",
          sasl_username="", server_address=gate[0], server_port=str(gate[1]))


SIX = [("EHLO gate.test", 250), ("XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 PORT=4711", 220)]


@pytest.mark.parametrize("way", ["proxy-v1", "proxy-v2"])
def test_proxy_with_six(known, way):
    """Here, where the gate itself was reached by IPv4: the header has one family, so its own address is none."""
    asked, _, gate = known("proxy", way, f"listener.xclient_from={GATE}", source=GATE, before=SIX)
    check(asked, client_address="2001:db8::7", client_port="4711", helo_name="who.client.test", server_address="::",
          server_port=str(gate[1]))


@pytest.mark.parametrize("name, way", [("exim", "proxy-v1"), ("exim", "proxy-v2"), ("opensmtpd", "proxy-v2")])
def test_proxy_with_six_elsewhere(server_of, postern, name, way):
    server, recipient = server_of(name), f"six-{way}@example.org"
    gate = postern(server.address("proxy"), f"backend.pass_client={way}", f"listener.xclient_from={GATE}")
    with Client(gate.address, source=GATE) as client:
        client.expect(220)
        for line, code in SIX:
            client.ask(line, code)
        client.ask("EHLO who.client.test", 250)
        assert client.message(recipient, CONTENT).code == 250
        client.quit()
    assert b"2001:db8::7]" in server.only_message(recipient).head


def test_none(known):
    """Postfix sees Postern's host, and the client's name alone."""
    asked, _, _ = known("plain", "none")
    check(asked, client_address="127.0.0.1", helo_name="who.client.test", protocol_name="ESMTP")
