# SPDX-License-Identifier: ISC
"""Parameters of MAIL and RCPT with real servers that know them: what they do shows that they heard them. DSN (RFC 3461)
with all four, DELIVERBY (RFC 2852) with Sendmail, AUTH= (RFC 4954) with Postfix. What a server does not offer Postern
does not take before it."""
import os
import re
import shutil
import tempfile

import pytest

import net
import sasl
import sasl_postfix
import sendmail_rig
import servers
import stories
from exim_rig import Exim
from smtp_client import Client, stuffed
from tls_peers import TlsClient

CONTENT = (b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: sender@example.com\r\nTo: user@example.org\r\n"
           b"Subject: parameters\r\nMessage-ID: <1@example.com>\r\n\r\n.unmistakable\r\n")
LEAST_SECONDS = 3600


class EximWithDsn(Exim):
    """It offers DSN to nobody where that is not said."""

    def write_files(self):
        super().write_files()
        path = "/etc/exim4/exim4.conf"
        self.write(path, self.text_of(path).replace("begin acl", "dsn_advertise_hosts = *\n\nbegin acl"))


class SendmailWithLeastTime(sendmail_rig.Sendmail):
    def write_files(self):
        super().write_files()
        path = "/etc/mail/sendmail.cf"
        self.write(path, f"O DeliverByMin={LEAST_SECONDS}\n" + self.text_of(path))


RIGS = {**servers.SERVERS, "exim": EximWithDsn, "sendmail": SendmailWithLeastTime}


@pytest.fixture(scope="module")
def running(certificates):
    with servers.started_on_demand(RIGS, certificates.inside_rsa) as get:
        yield get


@pytest.fixture
def gate_of(running, postern):
    """A function: the server of that name, and a posternd before it."""
    def get(name, *options):
        server = running(name)
        stories.add(server)
        return server, postern(server.address(), "backend.pass_client=none", *options)
    return get


def by_data(client):
    client.ask("DATA", 354)
    client.send(stuffed(CONTENT) + b".\r\n")
    return client.reply()


def by_chunks(client):
    return client.bdat(CONTENT, [3, len(CONTENT) - 5])


@pytest.mark.parametrize("way", [by_data, by_chunks])
@pytest.mark.parametrize("name", RIGS)
def test_delivery_is_notified_as_asked(gate_of, name, way):
    """RET, ENVID, NOTIFY and ORCPT, in what the server writes of a delivery. Nothing of who said NEVER."""
    server, gate = gate_of(name)
    asked = f"asked-{way.__name__}@example.org".replace("_", "-")
    with Client(gate.address) as client:
        assert b"DSN" in client.hello().text
        client.ask(f"MAIL FROM:<{asked}> ret=hdrs ENVID=envelope+2B{name}", 250)
        client.ask("RCPT TO:<to-1@example.org> NOTIFY=success,DELAY ORCPT=rfc822;first+2Bname@elsewhere.example", 250)
        if name != "opensmtpd":  # which takes no NEVER beside another recipient's SUCCESS
            client.ask("RCPT TO:<to-2@example.org> NOTIFY=NEVER ORCPT=rfc822;second@elsewhere.example", 250)
        assert way(client).code == 250
        client.quit()
    net.wait_until(lambda: server.messages(asked), 30, "no notification", server.story)
    notification = server.only_message(asked)
    said = notification.content.decode()
    assert notification.sender in ("", "MAILER-DAEMON")  # as Sendmail names it to its mailers
    if name != "opensmtpd":  # whose notifications have neither
        assert re.search(rf"^Original-Envelope-Id: envelope\+(2B)?{name}\r$", said, re.M | re.I), said
        first = r"^Original-Recipient: rfc822; ?first\+(2B)?name@elsewhere\.example\r$"
        assert re.search(first, said, re.M | re.I), said
    assert "second@elsewhere.example" not in said
    assert "Subject: parameters" in said and "unmistakable" not in said  # RET=HDRS


def test_sendmail_is_told_by_when(gate_of):
    """DELIVERBY with the least time that it takes, and its own refusal of less."""
    server, gate = gate_of("sendmail")
    lines = ["BY=10;R", f"BY={LEAST_SECONDS};R", "by=+7200;nt", "BY=-5;N"]
    heard = []
    for address in (server.address(), gate.address):
        with Client(address) as client:
            assert f"DELIVERBY {LEAST_SECONDS}".encode() in client.hello().text.split(b"\n")
            heard.append([])
            for line in lines:
                heard[-1].append(client.command(f"MAIL FROM:<sender@example.com> {line}"))
                client.ask("RSET", 250)
            client.quit()
    assert [reply.lines for reply in heard[0]] == [reply.lines for reply in heard[1]]
    assert [reply.code // 100 for reply in heard[1]] == [5, 2, 2, 2], heard


def test_a_message_that_has_time(gate_of):
    """BY beside BDAT."""
    server, gate = gate_of("sendmail")
    with Client(gate.address) as client:
        client.hello()
        client.ask("MAIL FROM:<in-time@example.org> BY=7200;N", 250)
        client.ask("RCPT TO:<timed@example.org>", 250)
        assert by_chunks(client).code == 250
        client.quit()
    assert server.only_message("timed@example.org").content.endswith(CONTENT)


@pytest.mark.parametrize("name", RIGS)
@pytest.mark.parametrize("parameter", ["MT-PRIORITY=3", "HOLDFOR=60", "HOLDUNTIL=2026-12-01T00:00:00Z", "REQUIRETLS",
                                       "BY=7200;R", "AUTH=<>", "BODY=BINARYMIME", "SMTPUTF8", "RET=FULL"])
def test_what_is_not_offered_is_not_taken(gate_of, name, parameter):
    """.. and what is offered is: EHLO and MAIL are of one mind, for each parameter and each server."""
    word = parameter.split("=")[0]
    keyword = {"HOLDFOR": "FUTURERELEASE", "HOLDUNTIL": "FUTURERELEASE", "BY": "DELIVERBY", "BODY": "BINARYMIME",
               "RET": "DSN"}.get(word, word)
    _, gate = gate_of(name)
    with Client(gate.address) as client:
        offered = {line.split()[0].decode() for line in client.hello().text.split(b"\n")[1:]}
        reply = client.command(f"MAIL FROM:<sender@example.com> {parameter}")
        assert reply.code == 250 if keyword in offered else reply.code in (501, 555), reply
        client.quit()


def test_postfix_is_told_who_submitted_first(certificates, postern):
    """AUTH= of MAIL, from who is logged in."""
    directory = tempfile.mkdtemp(prefix="postfix-")
    os.chmod(directory, 0o755)
    postfix = sasl_postfix.SaslPostfix(directory, {"ann": b"secret"})
    try:
        postfix.start()
        gate = postern(postfix.address(), "listener.auth.mode=require", *certificates.outside())
        with TlsClient(gate.address) as client:
            client.starttls()
            assert sasl.authenticate(client, "PLAIN", b"ann@example.org", b"secret").code == 235
            client.ask("MAIL FROM:<ann@example.org> AUTH=first+2Bauthor@example.org", 250)
            client.ask("RCPT TO:<user@foreign.example>", 250)
            assert by_chunks(client).code == 250
            client.quit()
        postfix.wait_log(r"sasl_username=ann@example\.org, sasl_sender=first\+2Bauthor@example\.org")
    finally:
        postfix.stop()
        shutil.rmtree(directory, ignore_errors=True)
