# SPDX-License-Identifier: ISC
"""The other side: real mail servers as clients of Postern, each with what it makes use of. Exim says BDAT, and all that
can do TLS here say STARTTLS. What they were given arrives in the Postfix inside."""
import os
import re
import tempfile

import pytest

import exim_rig
import net
import opensmtpd_rig
import postfix_rig
import private_server
import sendmail_rig
import stories
from smtp_client import Client

CONTENT = (b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: sender@example.com\r\nTo: user@example.org\r\n"
           b"Subject: sent\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.\r\n..\r\n.x\r\n"
           + "Grüße\r\n".encode() + (b"y" * 900 + b"\r\n") * 400 + b"\r\n\r\nend\r\n")


def replaced(text, *pairs):
    for old, new in pairs:
        assert text.count(old) == 1, f"{text.count(old)} times {old!r}"
        text = text.replace(old, new)
    return text


class SendingPostfix(postfix_rig.Postfix):
    def __init__(self, directory, gate, _):
        super().__init__(directory, services=["smtp unix - - n - - smtp", "tlsmgr unix - - n 1000? 1 tlsmgr"],
                         main=["virtual_transport = smtp:[127.0.0.1]:%d" % gate[1], "smtp_tls_security_level = may"])


class SendingExim(exim_rig.Exim):
    def __init__(self, directory, gate, certificate):
        super().__init__(directory, certificate)
        self.gate = gate

    def write_files(self):
        super().write_files()
        self.write("/etc/exim4/exim4.conf", replaced(
            self.text_of("/etc/exim4/exim4.conf"),
            ("driver = accept\n  transport = keep",
             "driver = manualroute\n  route_list = * 127.0.0.1 byname\n  self = send\n  transport = gate"),
            ("begin transports", "begin transports\ngate:\n  driver = smtp\n  port = %d\n  hosts_require_tls = *\n"
                                 "  tls_verify_certificates =\n" % self.gate[1]),
            ("^nobody", "^none-of-these")))


class SendingSendmail(sendmail_rig.Sendmail):
    def __init__(self, directory, gate, certificate):
        super().__init__(directory, certificate)
        self.gate = gate

    def write_files(self):
        super().write_files()
        text = self.text_of("/etc/mail/sendmail.cf")
        text = replaced(text, ("$#keep $@ example.org $:", "$#esmtp $@ [127.0.0.1] $:"))
        self.write("/etc/mail/sendmail.cf", re.sub(r"A=TCP \$h$", "A=TCP $h %d" % self.gate[1], text, flags=re.M))


class SendingOpenSmtpd(opensmtpd_rig.OpenSmtpd):
    def __init__(self, directory, gate, certificate):
        super().__init__(directory, certificate)
        self.gate = gate

    def write_files(self):
        super().write_files()
        self.write("/etc/smtpd.conf", replaced(
            self.text_of("/etc/smtpd.conf"),
            ('action keep maildir "/mail" virtual <everybody>',
             'action keep relay host "smtp+notls://127.0.0.1:%d"' % self.gate[1])), 0o640)


SENDERS = {"postfix": SendingPostfix, "exim": SendingExim, "sendmail": SendingSendmail, "opensmtpd": SendingOpenSmtpd}
SAYS_BDAT, SAYS_TLS = {"exim"}, {"postfix", "exim", "sendmail"}


@pytest.fixture
def sender_of(certificates):
    """A function: sender_of(name, address) is a server that relays all to that address."""
    started = []

    def start(name, address):
        directory = tempfile.mkdtemp(prefix=f"sending-{name}-")
        os.chmod(directory, 0o755)
        reason = None if name == "postfix" else private_server.why_impossible(directory)
        server = SENDERS[name](directory, address, certificates.inside_rsa)
        started.append(server)
        if reason:
            pytest.skip(f"{name}: {reason}")
        server.start()
        stories.add(server)
        return server

    yield start
    for server in started:
        server.stop()
        private_server.remove(server)


def relayed(sender, service, postfix, recipients, content=CONTENT, parameters="", per_recipient=""):
    """Given to the sender, which gives it to Postern, and that to Postfix: what arrived there, for each recipient."""
    with Client(sender.address(service)) as client:
        client.hello()
        client.ask(f"MAIL FROM:<sender@example.org>{parameters}", 250)
        for recipient in recipients:
            client.ask(f"RCPT TO:<{recipient}>{per_recipient}", 250)
        client.ask("DATA", 354)
        client.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        client.expect(250)
        client.quit()
    for recipient in recipients:
        net.wait_until(lambda to=recipient: postfix.messages(to), 30, f"nothing arrives for {recipient}",
                       lambda: sender.story() + "\n" + postfix.story())
    return [postfix.only_message(recipient) for recipient in recipients]


@pytest.mark.parametrize("name", SENDERS)
def test_a_server_sends(postfix, postern, certificates, sender_of, name):
    """Leading dots, 8-bit, 360 kB, two recipients."""
    gate = postern(postfix.address("xclient"), "log_level=debug", *certificates.outside())
    sender = sender_of(name, gate.address)
    recipients = [f"sent-{name}-{number}@example.org" for number in range(2)]
    for message in relayed(sender, "plain", postfix, recipients, parameters=" BODY=8BITMIME"):
        assert message.sender == "sender@example.org"
        assert message.content.endswith(CONTENT), message.content[:2000]
        assert message.content.startswith(b"Received: from "), message.content[:200]
        first = re.match(rb"Received: [^\r\n]*(?:\r\n[ \t][^\r\n]*)*", message.content).group(0)
        assert (b"with ESMTPS" in first) == (name in SAYS_TLS) and b"by stand.example.org" in first, first
    line = gate.wait_log(r"event=message .*verdict=delivered.*").group(0)
    assert (" tls=TLSv1.3 " in line) == (name in SAYS_TLS), line
    assert ("command=BDAT" in gate.log()) == (name in SAYS_BDAT)
    assert ("command=DATA" in gate.log()) == (name not in SAYS_BDAT)


def test_exim_sends_large_by_bdat(postfix, postern, certificates, sender_of):
    """Four megabytes: a chunk, and the last one behind it."""
    content = CONTENT + b"".join(b"%06d " % number + b"z" * 990 + b"\r\n" for number in range(4000))
    gate = postern(postfix.address("xclient"), "log_level=debug", *certificates.outside())
    sender = sender_of("exim", gate.address)
    [message] = relayed(sender, "plain", postfix, ["large@example.org"], content)
    assert message.content.endswith(content)
    assert gate.log().count("command=BDAT") >= 2
    gate.wait_log(r"event=message .*to=<large@example\.org> .*verdict=delivered")


def test_a_refused_recipient_of_exims(postfix, postern, certificates, sender_of):
    """It pipelines BDAT behind RCPT; what Postfix refuses of it is refused, and the rest arrives."""
    gate = postern(postfix.address("xclient"), "log_level=debug", *certificates.outside())
    sender = sender_of("exim", gate.address)
    with Client(sender.address()) as client:
        client.hello()
        assert client.message(["nobody@example.org", "somebody@example.org"], CONTENT).code == 250
        assert client.message(["nobody-else@example.org"], CONTENT, sender="").code == 250
        client.quit()
    net.wait_until(lambda: postfix.messages("somebody@example.org"), 60, "it does not arrive", sender.story)
    assert postfix.only_message("somebody@example.org").content.endswith(CONTENT)
    assert postfix.messages("nobody@example.org") == []
    net.wait_until(lambda: re.search(r"\*\* nobody-else@example\.org.*550 5\.1\.1", sender.log()), 60,
                   "Exim has not heard of it", sender.story)
