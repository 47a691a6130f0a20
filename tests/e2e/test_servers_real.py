# SPDX-License-Identifier: ISC
"""Messages through posternd into four real servers: Postfix, Sendmail, Exim, OpenSMTPD.

What arrives is what was sent, plus one Received line; where a server changes a message by itself, what arrives is what
arrives without Postern, plus that line. What a server changes and refuses its rig declares, and is held to here.
"""
import contextlib
import random
import re

import pytest

import postern as postern_program
import stories
from servers import SERVERS
from smtp_client import Client, chunks, stuffed
from tls_peers import TlsClient
from vectors import trace_of

EVERY_8BIT = bytes(octet for octet in range(1, 256) if octet not in b"\r\n")
HEAD = (b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: sender@example.com\r\nTo: user@example.org\r\nSubject: e2e\r\n"
        b"Message-ID: <1@example.com>\r\n")
CLIENT = "127.0.0.2"  # where clients of the gate come from, where it matters


def lines_of(length, count=3):
    return b"".join(b"%d" % (n % 10) + b"x" * (length - 1) + b"\r\n" for n in range(count))


MESSAGES = {
    "plain": HEAD + b"\r\nhello\r\n",
    "8bit": HEAD + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=x-unknown\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\n" + EVERY_8BIT + b"\r\n",
    "utf-8-in-header": HEAD + "X-Note: Grüße, 你好\r\n\r\nπάντα ῥεῖ\r\n".encode(),
    "lines-998": HEAD + b"\r\n" + lines_of(998),
    "lines-5000": HEAD + b"\r\n" + lines_of(5000),
    "lines-65533": HEAD + b"\r\n" + lines_of(65533),
    "lines-70000": HEAD + b"\r\n" + lines_of(70000),
    "header-line-5000": HEAD + b"X-Long: " + b"y" * 4992 + b"\r\n\r\nbody\r\n",
    "folded-header": HEAD + b"X-Folded: one\r\n two\r\n\tthree\r\nX-Commas: a,b , c\r\n\r\nbody\r\n",
    "many-header-lines": HEAD + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(1000)) + b"\r\nbody\r\n",
    "leading-dots": HEAD + b"\r\n.\r\n..\r\n...\r\n.x\r\n. \r\nx.\r\n.\r\n",
    "from-line": HEAD + b"\r\nFrom nobody\r\n>From nobody\r\nfrom\r\n",
    "blank-lines-at-the-end": HEAD + b"\r\nbody\r\n\r\n\r\n\r\n",
    "header-only": HEAD,
    "empty": b"",
    "one-empty-line": b"\r\n",
    "no-header": b"\r\nbody\r\n",
    "no-date": b"From: sender@example.com\r\n\r\nbody\r\n",
    "text-without-header": b"just text\r\nmore of it\r\n",
    "blank-first-line": b" \r\nbody\r\n",
    "one-megabyte": HEAD + b"\r\n" + lines_of(76, 13_000),
}
UNENDED = {"text": HEAD + b"\r\nbody", "dot": HEAD + b"\r\nbody\r\n.", "header": HEAD[:-2]}
# The sanitized build meets two of the four: the others say the same to the same code.
TESTED = {name: rig for name, rig in SERVERS.items()
          if not postern_program.SANITIZED or name in ("postfix", "sendmail")}
PASSING = [(name, *pair) for name, rig in TESTED.items() for pair in (*rig.PASSES.items(), *rig.MORE_PASSES)]


# -- how a message is sent: after RCPT, up to the answer to the whole of it

def by_data(client, content):
    client.ask("DATA", 354)
    client.send(stuffed(content) + b".\r\n")
    return client.reply()


def by_one_chunk(client, content):
    return client.bdat(content)


def by_chunks(client, content):
    """Cut anywhere: between CR and LF, behind a dot, twice at one place (an empty chunk), before LAST."""
    dice = random.Random(len(content))
    cuts = [dice.randint(0, len(content)) for _ in range(7)]
    return client.bdat(content, [*cuts, cuts[0], content.find(b"\r\n") + 1, content.rfind(b".") + 1, len(content)])


WAYS = {"DATA": by_data, "BDAT": by_one_chunk, "chunks": by_chunks}


def sent(client, recipient, content, way="DATA", sender="sender@example.com", parameters=""):
    client.ask(f"MAIL FROM:<{sender}>{parameters}", 250)
    client.ask(f"RCPT TO:<{recipient}>", 250)
    return WAYS[way](client, content)


# -- who takes part

@pytest.fixture(params=TESTED)
def server(server_of, request):
    """Each that is tested in turn, or those that a test names."""
    return server_of(request.param)


@pytest.fixture(scope="module")
def running_gates(certificates):
    """A function: get(server, way, service, option ..); one posternd for all tests that want the same."""
    started = {}

    def get(server, way, service, *options):
        key = (server.NAME, way, service, options)
        if key not in started:
            started[key] = postern_program.Postern(
                server.address(service), f"backend.pass_client={way}", *certificates.outside(), *options)
        return started[key]

    yield get
    faults = []
    for program in started.values():
        try:
            program.stop()
            program.check_log()
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)


@pytest.fixture
def gate(running_gates):
    """By pass_client = none where nothing else is said: the way that all four know."""
    def get(server, *options, way="none", service=None):
        program = running_gates(server, way, service or server.PASSES[way], *options)
        stories.add(program)
        return program
    return get


def recipient_of(*words):
    return "-".join(words).lower().replace(" ", "-") + "@example.org"


def sent_directly(server, name, content, **kwargs):
    """What it makes of the message without Postern; once for each."""
    recipient = recipient_of("direct", name)
    if not server.messages(recipient):
        with Client(server.address()) as client:
            client.hello()
            reply = sent(client, recipient, content, **kwargs)
            assert reply.code == 250, reply
            client.quit()
    return server.only_message(recipient).content


def check_arrived(server, name, recipient, content):
    """The trace, unfolded."""
    arrived = server.only_message(recipient).content
    if server.ADDS:
        arrived = re.sub(server.ADDS, b"", arrived)
    if name not in server.CHANGES:
        return trace_of(arrived, content)
    direct = sent_directly(server, name, content)
    assert direct != content, f"{server.NAME} does not change this message: take it out of CHANGES"
    if content[:1] == b" ":
        assert arrived == direct
        return None
    return trace_of(arrived, direct)


# -- the messages

@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MESSAGES)
def test_message_arrives_unchanged(server, gate, name, way):
    content, recipient = MESSAGES[name], recipient_of("through", name, way)
    program = gate(server)
    with Client(program.address) as client:
        assert b"CHUNKING" in client.hello().text
        if name in server.REFUSES:
            code, _ = server.REFUSES[name]
            direct = refused_directly(server, content)
            assert direct.code == code, direct
            assert sent(client, recipient, content, way).lines == direct.lines
            client.ask("NOOP", 250)
            return
        reply = sent(client, recipient, content, way, parameters=" BODY=8BITMIME" if name == "8bit" else "")
        assert reply.code == 250, reply
        client.quit()
    check_arrived(server, name, recipient, content)
    queue_id = server.only_message(recipient).queue_id
    assert queue_id and queue_id in reply.text.decode()
    program.wait_log(rf"event=message .* to=<{recipient}> .* size={len(content)} .*verdict=delivered .*"
                     rf"queue_id={re.escape(queue_id)}(\s|$)")


def refused_directly(server, content):
    with Client(server.address()) as client:
        client.hello()
        client.begin("refused@example.org")
        try:
            client.send(stuffed(content) + b".\r\n")
        except ConnectionError:
            pass  # it has said so already
        return client.reply()


@pytest.mark.parametrize("way", ["BDAT", "chunks"])
@pytest.mark.parametrize("name", UNENDED)
def test_a_last_line_without_its_end(server, gate, name, way):
    """Only BDAT can say such a message. None of these servers knows BINARYMIME: they hear it by DATA, ended by CRLF."""
    content, recipient = UNENDED[name], recipient_of("unended", name, way)
    with Client(gate(server).address) as client:
        assert b"CHUNKING" in client.hello().text
        assert sent(client, recipient, content, way).code == 250
        client.quit()
    check_arrived(server, {"header": "header-only"}.get(name, name), recipient, content + b"\r\n")


@pytest.mark.parametrize("way", ["DATA", "chunks"])
def test_twenty_five_megabytes(server, gate, way):
    recipient = recipient_of("big", way)
    content = HEAD + b"\r\n" + lines_of(998, 25_000)
    program = gate(server)
    with Client(program.address, timeout=60) as client:
        assert b"SIZE 40000000" in client.hello().text
        reply = sent(client, recipient, content, way, parameters=f" SIZE={len(content)}")
        assert reply.code == 250, reply
        client.quit()
    trace_of(server.only_message(recipient).content, content)
    program.wait_log(f" to=<{recipient}> .* size={len(content)} ")


# -- TLS, and the client's identity

@pytest.mark.parametrize("server", [name for name, rig in TESTED.items() if rig.TLS], indirect=True)
@pytest.mark.parametrize("outside, inside", [(True, False), (False, True), (True, True)],
                         ids=["outside", "inside", "both"])
@pytest.mark.parametrize("way", ["DATA", "chunks"])
@pytest.mark.parametrize("name", ["8bit", "leading-dots", "lines-65533", "one-megabyte"])
def test_in_tls(server, gate, name, way, outside, inside):
    recipient = recipient_of("tls", name, way, str(outside), str(inside))
    program = gate(server, *(["backend.tls.mode=require"] if inside else []))
    with TlsClient(program.address) as client:
        client.starttls() if outside else client.hello()
        assert sent(client, recipient, MESSAGES[name], way, parameters=" BODY=8BITMIME").code == 250
        client.quit()
    trace = check_arrived(server, name, recipient, MESSAGES[name])
    assert (b"with ESMTPS" in trace) == outside, trace
    head = server.only_message(recipient).head.lower()
    assert (b" with esmtps" in head) == inside, head
    line = program.wait_log(f"event=message .* to=<{recipient}> .*").group(0)
    assert f" size={len(MESSAGES[name])} " in line
    assert (" tls=TLSv1.3 " in line, " inside_tls=TLSv1.3 " in line) == (outside, inside)


@pytest.mark.parametrize("server", [name for name, rig in TESTED.items() if rig.TLS], indirect=True)
@pytest.mark.parametrize("name", UNENDED)
def test_a_last_line_without_its_end_in_tls(server, gate, name):
    content, recipient = UNENDED[name], recipient_of("unended-tls", name)
    program = gate(server, "backend.tls.mode=require")
    with TlsClient(program.address) as client:
        client.starttls()
        assert sent(client, recipient, content, "chunks").code == 250
        client.quit()
    check_arrived(server, {"header": "header-only"}.get(name, name), recipient, content + b"\r\n")
    program.wait_log(f"event=message .* to=<{recipient}> .* size={len(content)} ")


@pytest.mark.parametrize("server", [name for name, rig in TESTED.items() if rig.TLS], indirect=True)
@pytest.mark.parametrize("way", ["DATA", "chunks"])
def test_twenty_five_megabytes_in_tls(server, gate, way):
    recipient = recipient_of("big-tls", way)
    content = HEAD + b"\r\n" + lines_of(998, 25_000)
    program = gate(server, "backend.tls.mode=require")
    with TlsClient(program.address) as client:
        client.socket.settimeout(60)
        client.starttls()
        assert sent(client, recipient, content, way).code == 250
        client.quit()
    trace_of(server.only_message(recipient).content, content)
    program.wait_log(f" to=<{recipient}> .* size={len(content)} ")


def test_tls_outside_alone(server_of, gate):
    """.. is of no concern to a server without it."""
    server = server_of("opensmtpd")
    with TlsClient(gate(server).address) as client:
        client.starttls()
        assert sent(client, "tls@example.org", MESSAGES["one-megabyte"]).code == 250
        client.quit()
    assert b"with ESMTPS" in check_arrived(server, "one-megabyte", "tls@example.org", MESSAGES["one-megabyte"])


def test_tls_that_does_not_work_is_not_done_without(server_of, gate):
    """OpenSMTPD of Debian 12 offers STARTTLS, and every handshake fails. This test says so when that is mended."""
    server = server_of("opensmtpd")
    assert not server.TLS
    with TlsClient(server.address()) as client, pytest.raises(OSError):
        client.starttls()
    for mode in ("may", "require"):
        program = gate(server, f"backend.tls.mode={mode}")
        with Client(program.address) as client:
            client.expect(220)
            client.ask("EHLO client.test", 451)
        program.wait_log('event=inside .*alarm="the TLS handshake with inside failed: ')


@pytest.mark.parametrize("name, way, service", PASSING)
def test_who_the_client_is(server_of, gate, name, way, service):
    """To a server that is not told it is Postern's host; to all others the client that it is. And with each way of
    telling, messages arrive as they were sent."""
    server = server_of(name)
    letters = {recipient_of("identity", way, service, letter): letter
               for letter in ("8bit", "leading-dots", "lines-5000")}
    with Client(gate(server, way=way, service=service).address, source=CLIENT) as client:
        client.hello("who.client.test")
        for recipient, letter in letters.items():
            sending = "chunks" if letter == "lines-5000" else "DATA"
            assert sent(client, recipient, MESSAGES[letter], sending, parameters=" BODY=8BITMIME").code == 250
        client.quit()
    for recipient, letter in letters.items():
        assert b"[127.0.0.2]" in check_arrived(server, letter, recipient, MESSAGES[letter])
        head = server.only_message(recipient).head
        assert b"who.client.test" in head
        assert (b"[127.0.0.2]" in head, b"[127.0.0.1]" in head) == (way != "none", way == "none"), head


@pytest.mark.parametrize("way", ["proxy-v1", "proxy-v2"])
def test_the_header_goes_before_tls(server_of, gate, way):
    server, recipient = server_of("exim"), recipient_of("header-and-tls", way)
    with Client(gate(server, "backend.tls.mode=require", way=way).address, source=CLIENT) as client:
        client.hello()
        assert sent(client, recipient, MESSAGES["plain"]).code == 250
        client.quit()
    check_arrived(server, "plain", recipient, MESSAGES["plain"])
    head = server.only_message(recipient).head
    assert b"[127.0.0.2]" in head and b" with esmtps " in head


@pytest.mark.parametrize("name, service", sorted({(name, service) for name, way, service in PASSING if "proxy" in way}))
def test_nobody_is_heard_without_the_header(server_of, name, service):
    """Where inside is told who the client is, it does not take for itself who says nothing of it."""
    with Client(server_of(name).address(service)) as client:
        client.send(b"EHLO client.test\r\nQUIT\r\n")
        assert not any(reply.code == 250 for reply in client.all_replies())


MISFITS = sorted({(name, "none", service) for name, way, service in PASSING if "proxy" in way}
                 | {(name, way, "plain") for name in TESTED for way in ("xclient", "proxy-v1", "proxy-v2")})


@pytest.mark.parametrize("name, way, service", MISFITS)
def test_a_way_that_does_not_fit_is_own_trouble(server_of, postern, name, way, service):
    """No 5yz, which would bounce what is not the client's fault, and no mail that seems to come from Postern's host."""
    program = postern(server_of(name).address(service), "backend.greeting_timeout=2s", f"backend.pass_client={way}")
    with Client(program.address) as client:
        client.expect(220)
        reply = client.command("EHLO client.test")
        if reply.code == 250:
            reply = client.command("MAIL FROM:<sender@example.com>")
        assert reply.code in (421, 451), reply
    program.wait_log("event=inside .*(trouble|alarm)=")


# -- the conversation

def test_refused_in_the_servers_own_words(server, gate):
    replies = []
    for address in (server.address(), gate(server).address):
        with Client(address) as client:
            client.hello()
            client.ask("MAIL FROM:<sender@example.com>", 250)
            replies.append(client.ask("RCPT TO:<nobody@example.org>", 550))
            client.ask("RCPT TO:<somebody@example.org>", 250)
            client.quit()
    # RFC 2034 codes are Postern's where the server has none: it offers them.
    words = [re.sub(rb"^5\.\d+\.\d+ ", b"", reply.text) for reply in replies]
    assert words[0] == words[1] and replies[1].text.startswith(b"5."), replies
    assert server.messages("somebody@example.org") == []


def test_one_session(server, gate):
    """Two messages, RSET between and within, and a second EHLO, which not every server would bear."""
    program = gate(server)
    with Client(program.address) as client:
        client.hello()
        assert sent(client, "first@example.org", MESSAGES["plain"]).code == 250
        client.ask("RSET", 250)
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.ask("RCPT TO:<forgotten@example.org>", 250)
        client.ask("RSET", 250)
        assert sent(client, "second@example.org", MESSAGES["leading-dots"]).code == 250
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.ask("RCPT TO:<forgotten@example.org>", 250)
        client.ask("EHLO other.client.test", 250)
        assert sent(client, "third@example.org", MESSAGES["plain"]).code == 250
        client.quit()
    for recipient, name in (("first", "plain"), ("second", "leading-dots"), ("third", "plain")):
        check_arrived(server, name, recipient + "@example.org", MESSAGES[name])
    assert server.messages("forgotten@example.org") == []


def test_a_client_that_resets_a_lot(server, gate):
    """Exim refuses the eleventh RSET of a connection: to Postern's client that is nothing."""
    with Client(gate(server).address) as client:
        client.hello()
        for _ in range(15):
            client.ask("MAIL FROM:<sender@example.com>", 250)
            client.ask("RCPT TO:<forgotten@example.org>", 250)
            client.ask("RSET", 250)
        assert sent(client, "reset@example.org", MESSAGES["plain"]).code == 250
        client.quit()
    check_arrived(server, "plain", "reset@example.org", MESSAGES["plain"])
    assert server.messages("forgotten@example.org") == []


def test_many_messages_and_recipients(server, gate):
    recipients = [f"serial-{number}@example.org" for number in range(105)]
    with Client(gate(server).address) as client:
        client.hello()
        for recipient in recipients:
            assert sent(client, recipient, MESSAGES["plain"]).code == 250, recipient
        many = [f"many-{number}@example.org" for number in range(20)]
        assert client.message(many, MESSAGES["plain"]).code == 250
        client.quit()
    for recipient in (*recipients, *many):
        check_arrived(server, "plain", recipient, MESSAGES["plain"])


def test_many_sessions_at_once(server, gate):
    """More than some servers take where nobody says how many (Exim: 20), each with a message under way."""
    recipients = [f"side-by-side-{number}@example.org" for number in range(30)]
    with contextlib.ExitStack() as all_of_them:
        clients = [all_of_them.enter_context(Client(gate(server).address)) for _ in recipients]
        for client, recipient in zip(clients, recipients):
            client.hello()
            client.begin(recipient)
        for client in reversed(clients):
            client.send(MESSAGES["plain"] + b".\r\n")
            client.expect(250)
            client.quit()
    for recipient in recipients:
        check_arrived(server, "plain", recipient, MESSAGES["plain"])


def test_pipelined_chunks(server, gate):
    """Everything at once, and then once more."""
    contents = [MESSAGES["lines-5000"], MESSAGES["leading-dots"]]
    with Client(gate(server).address) as client:
        client.hello()
        client.send(b"".join(
            b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<chunked-%d@example.org>\r\n" % number
            + b"".join(chunks(content, [7, 7, len(content) - 1])) for number, content in enumerate(contents))
            + b"QUIT\r\n")
        assert [reply.code for reply in client.all_replies()] == [250] * 12 + [221]
    for number, content in enumerate(contents):
        check_arrived(server, "leading-dots", f"chunked-{number}@example.org", content)


def test_pipelined(server, gate):
    """Whether or not the server itself would bear it."""
    with Client(gate(server).address) as client:
        assert b"PIPELINING" in client.hello().text
        group = (b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<piped-%d@example.org>\r\nRCPT TO:<nobody@example.org>\r\n"
                 b"DATA\r\n")
        client.send(group % 0)
        for number in range(3):
            assert [reply.code for reply in client.replies(4)] == [250, 250, 550, 354]
            client.send(MESSAGES["plain"] + b".\r\n" + (group % (number + 1) if number < 2 else b"QUIT\r\n"))
            client.expect(250)
        client.expect(221)
    for number in range(3):
        check_arrived(server, "plain", f"piped-{number}@example.org", MESSAGES["plain"])


@pytest.mark.parametrize("in_tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("way", WAYS)
def test_smtputf8(server, gate, way, in_tls):
    """Offered where the server offers it."""
    content = "Subject: Grüße\r\n".encode() + MESSAGES["utf-8-in-header"]
    program = gate(server, *(["backend.tls.mode=require"] if in_tls and server.TLS else []))
    with TlsClient(program.address) as client:
        hello = client.starttls() if in_tls else client.hello()
        assert (b"SMTPUTF8" in hello.text) == server.SMTPUTF8
        if not server.SMTPUTF8:
            return
        recipient = f"δοκιμή-{way.lower()}-{in_tls}@example.org".lower()
        assert sent(client, recipient, content, way, "absender-ü@example.com", " SMTPUTF8 BODY=8BITMIME").code == 250
        client.quit()
    message = server.only_message(recipient)
    assert message.sender == "absender-ü@example.com"
    assert (b"with UTF8SMTPS " if in_tls else b"with UTF8SMTP ") in trace_of(message.content, content)
    ending = f"-{way}-{in_tls}@example.org".lower()
    program.wait_log(rf'event=message .* to="<\S+{re.escape(ending)}>" .* size={len(content)} ')
