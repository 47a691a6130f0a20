# SPDX-License-Identifier: ISC
"""Messages through posternd into a real Postfix: what arrives is what was sent, plus one Received line."""
import smtplib
import subprocess

import pytest

import postern as postern_program
import stories
from postfix_rig import SIZE_LIMIT
from smtp_client import Client
from vectors import trace_of

EVERY_8BIT = bytes(octet for octet in range(1, 256) if octet not in b"\r\n")
HEAD = b"From: sender@example.com\r\nTo: user@example.org\r\nSubject: e2e\r\nMessage-ID: <1@example.com>\r\n"


def lines_of(length, count=3):
    return b"".join(b"%d" % (n % 10) + b"x" * (length - 1) + b"\r\n" for n in range(count))


MESSAGES = {
    "plain": HEAD + b"\r\nhello\r\n",
    "8bit": HEAD + b"Content-Type: text/plain; charset=x-unknown\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            + EVERY_8BIT + b"\r\n",
    "utf-8": HEAD + "X-Note: Grüße, 你好\r\n\r\nπάντα ῥεῖ\r\n".encode(),
    "lines-998": HEAD + b"\r\n" + lines_of(998),
    "lines-5000": HEAD + b"\r\n" + lines_of(5000),
    "lines-70000": HEAD + b"\r\n" + lines_of(70000),
    "long-header-line": HEAD + b"X-Long: " + b"y" * 5000 + b"\r\n\r\nbody\r\n",
    "folded-header": HEAD + b"X-Folded: one\r\n two\r\n\tthree\r\n\r\nbody\r\n",
    "many-header-lines": HEAD + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(2000)) + b"\r\nbody\r\n",
    "leading-dots": HEAD + b"\r\n.\r\n..\r\n...\r\n.x\r\n. \r\nx.\r\n.\r\n",
    "empty": b"",
    "one-empty-line": b"\r\n",
    "header-only": HEAD,
    "header-and-empty-line": HEAD + b"\r\n",
    "no-header": b"\r\nbody\r\n",
    "text-without-header": b"just text\r\nmore of it\r\n",
    "blank-first-line": b" \r\nbody\r\n",
    "continuation-first": b"\tcontinued\r\nSubject: x\r\n\r\nbody\r\n",
    "older-received": b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n" * 5 + HEAD + b"\r\nbody\r\n",
    "blank-lines-at-the-end": HEAD + b"\r\nbody\r\n\r\n\r\n\r\n",
    "multipart": HEAD + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n"
                 b"\r\none\r\n--b\r\nContent-Type: text/plain\r\n\r\n.two\r\n--b--\r\nepilogue\r\n",
    "one-megabyte": HEAD + b"\r\n" + lines_of(76, 13_000),
}
# Postfix writes these otherwise than they were sent, whoever sent them: compared with its own copy only.
CHANGED_BY_POSTFIX = {"text-without-header", "blank-first-line", "continuation-first"}


@pytest.fixture(scope="module")
def running_gate(running_postfix):
    program = postern_program.Postern(running_postfix.address("xclient"))
    yield program
    program.stop()
    program.check_log()


@pytest.fixture
def gate(running_gate):
    stories.add(running_gate)
    return running_gate


@pytest.fixture
def client(gate):
    with Client(gate.address) as one:
        yield one


def sent_directly(postfix, recipient, content, **kwargs):
    with Client(postfix.address("plain")) as client:
        client.hello()
        assert client.message(recipient, content, **kwargs).code == 250
        client.quit()
    return postfix.only_message(recipient).content


@pytest.mark.parametrize("name", MESSAGES)
def test_message_arrives_unchanged(postfix, client, name):
    content = MESSAGES[name]
    client.hello()
    assert client.message(f"through-{name}@example.org", content).code == 250
    client.quit()
    arrived = postfix.only_message(f"through-{name}@example.org").content
    if name not in CHANGED_BY_POSTFIX:
        trace_of(arrived, content)
    direct = sent_directly(postfix, f"direct-{name}@example.org", content)
    if content[:1] in (b" ", b"\t"):
        assert arrived == direct
    else:
        trace_of(arrived, direct)


def test_ten_megabytes(postfix, client):
    content = HEAD + b"\r\n" + lines_of(998, 10_500)
    client.hello()
    reply = client.message("big@example.org", content, parameters=f" SIZE={len(content)}")
    client.quit()
    message = postfix.only_message("big@example.org")
    trace_of(message.content, content)
    assert message.queue_id in reply.text.decode()


def test_many_messages_in_one_connection(postfix, client):
    client.hello()
    for number in range(20):
        assert client.message(f"serial-{number}@example.org", HEAD + b"\r\n%d\r\n" % number).code == 250
        if number % 5 == 4:
            client.ask("RSET", 250)
    client.quit()
    for number in range(20):
        trace_of(postfix.only_message(f"serial-{number}@example.org").content, HEAD + b"\r\n%d\r\n" % number)


def test_hundred_recipients(postfix, client):
    recipients = [f"many-{number}@example.org" for number in range(100)]
    client.hello()
    assert client.message(recipients, MESSAGES["plain"]).code == 250
    client.quit()
    contents = {postfix.only_message(recipient).content for recipient in recipients}
    assert len(contents) == 1


def test_only_accepted_recipients_get_it(postfix, client):
    client.hello()
    client.ask("MAIL FROM:<sender@example.com>", 250)
    client.ask("RCPT TO:<some-1@example.org>", 250)
    client.ask("RCPT TO:<nobody@example.org>", 550)
    client.ask("RCPT TO:<some-2@example.org>", 250)
    client.ask("DATA", 354)
    client.send(MESSAGES["plain"] + b".\r\n")
    client.expect(250)
    client.quit()
    postfix.only_message("some-1@example.org")
    postfix.only_message("some-2@example.org")
    assert postfix.messages("nobody@example.org") == []


def test_smtputf8_addresses(postfix, client):
    assert b"SMTPUTF8" in client.hello().text
    reply = client.message("δοκιμή@example.org", MESSAGES["utf-8"], sender="absender-ü@example.com",
                           parameters=" SMTPUTF8 BODY=8BITMIME")
    assert reply.code == 250
    client.quit()
    message = postfix.only_message("δοκιμή@example.org")
    assert message.sender == "absender-ü@example.com"
    trace_of(message.content, MESSAGES["utf-8"])


def test_null_sender(postfix, client):
    client.hello()
    assert client.message("bounces@example.org", MESSAGES["plain"], sender="").code == 250
    client.quit()
    assert postfix.only_message("bounces@example.org").sender == ""


def test_received_line_names_the_client(postfix, gate):
    with Client(gate.address, source="127.0.0.5") as client:
        client.hello("who.client.test")
        assert client.message("traced@example.org", MESSAGES["plain"]).code == 250
        client.quit()
    received = trace_of(postfix.only_message("traced@example.org").content, MESSAGES["plain"])
    assert b"who.client.test" in received and b"127.0.0.5" in received and b"ESMTP" in received


def test_xclient_names_the_client(postfix, gate):
    with Client(gate.address, source="127.0.0.5") as client:
        client.hello("xclient.client.test")
        assert client.message("xclient@example.org", MESSAGES["plain"]).code == 250
        client.quit()
    message = postfix.only_message("xclient@example.org")
    postfix.wait_log(message.queue_id + r": client=\S*\[127\.0\.0\.5\]")
    assert b"from xclient.client.test (unknown [127.0.0.5])" in message.head


def test_ipv6_on_both_sides(postfix, postern):
    if not postfix.ipv6:
        pytest.skip("no IPv6 here")
    gate = postern(postfix.address("xclient6"), host="::1")
    with Client(gate.address) as client:
        client.hello()
        assert client.message("six@example.org", MESSAGES["plain"]).code == 250
        client.quit()
    message = postfix.only_message("six@example.org")
    postfix.wait_log(message.queue_id + r": client=\S*\[::1\]")


def test_without_xclient(postfix, postern):
    gate = postern(postfix.address("plain"), "backend.pass_client=none", "policy.recipient.relay_domains=example.org")
    with Client(gate.address, source="127.0.0.5") as client:
        client.hello()
        assert client.message("unpassed@example.org", MESSAGES["plain"]).code == 250
        client.ask("MAIL FROM:<sender@example.com>", 250)
        assert client.command("RCPT TO:<user@elsewhere.example>").code == 554
        client.quit()
    message = postfix.only_message("unpassed@example.org")
    trace_of(message.content, MESSAGES["plain"])
    postfix.wait_log(message.queue_id + r": client=\S*\[127\.0\.0\.1\]")


def test_xclient_not_granted_is_own_trouble(postfix, postern):
    """An inside server that does not offer XCLIENT would take the client for us: 451, and the log says what to do."""
    gate = postern(postfix.address("plain"))
    with Client(gate.address) as client:
        client.expect(220)
        reply = client.command("EHLO client.test")
        if reply.code == 250:
            reply = client.command("MAIL FROM:<sender@example.com>")
        assert reply.code in (421, 451), reply
    gate.wait_log("smtpd_authorized_xclient_hosts")


@pytest.mark.parametrize("command, code", [
    ("RCPT TO:<nobody@example.org>", 550),
    ("RCPT TO:<user@elsewhere.example>", 554),
])
def test_refusals_reach_the_client_whole(postfix, client, command, code):
    replies = []
    with Client(postfix.address("plain")) as direct:
        for one in (client, direct):
            one.hello()
            one.ask("MAIL FROM:<sender@example.com>", 250)
            replies.append(one.ask(command, code))
            one.quit()
    assert replies[0].lines == replies[1].lines


def test_declared_size_beyond_the_limit(client):
    client.hello()
    client.ask("MAIL FROM:<sender@example.com> SIZE=999999999", 552)
    client.quit()


def test_size_beyond_the_limit(postfix, client):
    client.hello()
    reply = client.message("toobig@example.org", HEAD + b"\r\n" + lines_of(998, SIZE_LIMIT // 1000 + 100))
    assert reply.code == 552, reply
    assert client.message("afterbig@example.org", MESSAGES["plain"]).code == 250
    client.quit()
    postfix.only_message("afterbig@example.org")
    assert postfix.messages("toobig@example.org") == []


def test_queue_id_is_logged(postfix, gate, client):
    client.hello()
    reply = client.message("logged@example.org", MESSAGES["plain"])
    client.quit()
    queue_id = postfix.only_message("logged@example.org").queue_id
    assert queue_id in reply.text.decode()
    gate.wait_log(queue_id)


def test_pipelining(postfix, client):
    client.hello()
    batch = (b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<piped-%d@example.org>\r\nRCPT TO:<nobody@example.org>\r\n"
             b"DATA\r\n")
    client.send(batch % 0)
    for number in range(5):
        assert [reply.code for reply in client.replies(4)] == [250, 250, 550, 354]
        last = number == 4
        client.send(MESSAGES["plain"] + b".\r\n" + (b"QUIT\r\n" if last else batch % (number + 1)))
        client.expect(250)
    client.expect(221)
    assert client.is_closed()
    for number in range(5):
        postfix.only_message(f"piped-{number}@example.org")


def test_smtplib(postfix, gate):
    with smtplib.SMTP(*gate.address, timeout=20) as client:
        client.ehlo("smtplib.test")
        refused = client.sendmail("sender@example.com", ["lib@example.org", "nobody@example.org"], MESSAGES["plain"])
    assert list(refused) == ["nobody@example.org"] and refused["nobody@example.org"][0] == 550
    trace_of(postfix.only_message("lib@example.org").content, MESSAGES["plain"])


def test_smtp_source_in_parallel(postfix, gate):
    command = ["/usr/sbin/smtp-source", "-s", "5", "-m", "50", "-l", "4000", "-f", "sender@example.com",
               "-t", "source@example.org", "%s:%d" % gate.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    postfix.settle()
    assert len(postfix.messages("source@example.org")) == 50


def test_a_client_that_leaves_within_the_message_delivers_nothing(postfix, gate):
    for how in ("reset", "finish_sending", "close"):
        with Client(gate.address) as client:
            client.hello()
            client.begin("aborted@example.org")
            client.send(MESSAGES["plain"] + b"more\r\n.")
            getattr(client, how)()
    with Client(gate.address) as client:
        client.hello()
        assert client.message("afterwards@example.org", MESSAGES["plain"]).code == 250
        client.quit()
    postfix.only_message("afterwards@example.org")
    assert postfix.messages("aborted@example.org") == []


def test_a_looping_message_is_refused(postfix, client):
    content = b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n" * 120 + MESSAGES["plain"]
    client.hello()
    reply = client.message("loop@example.org", content)
    assert reply.code == 554 and reply.text.startswith(b"5.4.6"), reply
    assert client.message("afterloop@example.org", MESSAGES["plain"]).code == 250
    client.quit()
    postfix.only_message("afterloop@example.org")
    assert postfix.messages("loop@example.org") == []


def test_own_size_limit(postfix, postern):
    """Offered, held against what is declared and against what comes, and never taken for inside's fault."""
    gate = postern(postfix.address("xclient"), "listener.message_size_limit=10K")
    with Client(gate.address) as client:
        assert b"SIZE 10240" in client.hello().text
        client.ask("MAIL FROM:<sender@example.com> SIZE=10241", 552)
        assert client.message("undersize@example.org", HEAD + b"\r\n" + lines_of(998, 9)).code == 250
        assert client.message("oversize@example.org", HEAD + b"\r\n" + lines_of(998, 12)).code == 552
        assert client.message("undersize2@example.org", MESSAGES["plain"]).code == 250
        client.quit()
    postfix.only_message("undersize@example.org")
    postfix.only_message("undersize2@example.org")
    assert postfix.messages("oversize@example.org") == []


def test_what_is_not_understood_is_not_offered(client):
    """Postfix offers more: XCLIENT, ETRN, VRFY .. Each keyword passed on is a promise to understand it."""
    keywords = {line.split()[0].decode() for line in client.hello().text.split(b"\n")[1:]}
    assert keywords <= {"PIPELINING", "SIZE", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING",
                        "STARTTLS", "LIMITS", "AUTH"}, keywords
    for verb in ("XCLIENT ADDR=192.0.2.1", "XFORWARD NAME=x", "ETRN example.org", "TURN"):
        assert client.command(verb).code in (500, 502, 503), verb
