# SPDX-License-Identifier: ISC
"""Submission: AUTH through Postern, with a real Postfix and Cyrus SASL inside as INSTALL tells to set them up, and with
a scripted inside server for what Cyrus does not have. No word of what lets a user in stays behind."""
import base64
import os
import re
import shutil
import subprocess
import tempfile

import pytest

import net
import postern as postern_program
import sasl
import sasl_postfix
import stories
from smtp_client import Client
from tls_peers import TlsClient

ROOT = postern_program.ROOT
NAME, PASSWORD = b"ann@example.org", b"Canary-0815-plugh"
WRONG = b"Canary-1234-xyzzy"
BOB = b"Canary,=9876"  # with what SCRAM does not escape in a password
CONTENT = b"Subject: submitted\r\n\r\nhello\r\n"
OURS = {b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-1", b"SCRAM-SHA-256"}  # .. that Cyrus has, too
HEAD = """\
hostname = mx.test
log = stderr
log_level = debug
user = nobody
group = nogroup
probe_interval = 0s
control_socket = {socket}
include "{example}"
"""


@pytest.fixture(scope="module")
def running_postfix():
    directory = tempfile.mkdtemp(prefix="postfix-")
    os.chmod(directory, 0o755)
    rig = sasl_postfix.SaslPostfix(directory, {"ann": PASSWORD, "bob": BOB})
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def postfix(running_postfix):
    stories.add(running_postfix)
    return running_postfix


class Gate(postern_program.PosternFrom):
    """posternd as conf/examples/submission.conf has it; only addresses, certificate and user are the test's."""

    def __init__(self, directory, inside, pair, *options):
        self.addresses = {name: ("127.0.0.1", net.free_port()) for name in ("submission", "submissions")}
        self.control = f"{directory}/run/control"
        example = shutil.copy(ROOT + "/conf/examples/submission.conf", directory)
        os.chmod(example, 0o644)
        path = f"{directory}/postern.conf"
        with open(path, "w") as f:
            f.write(HEAD.format(socket=self.control, example=example))
        os.chmod(path, 0o644)
        own = ["listener.%s.address=%s:%d" % (name, *address) for name, address in self.addresses.items()]
        own += [f"listener.tls.certificate={pair.certificate}", f"listener.tls.key={pair.key}",
                "backend.server.address=%s:%d" % inside]
        super().__init__(self.addresses["submission"], "-f", "-c", path,
                         *sum((["-o", option] for option in [*own, *options]), []))
        net.wait_until(lambda: "event=ready" in self.log(), 30, "posternd is not ready", self.story)

    def ctl(self, *arguments):
        subprocess.run([postern_program.BUILD + "/posternctl", "-s", self.control, *arguments], check=True,
                       capture_output=True, timeout=30)


@pytest.fixture
def gate(tmp_path, certificates):
    """A function: gate(inside_address, "listener.auth.mode=may", ..) starts posternd for submission."""
    started = []

    def start(inside, *options):
        directory = tmp_path / str(len(started))
        directory.mkdir()
        started.append(Gate(directory, inside, certificates.mx, *options))
        return started[-1]

    yield start
    for program in started:
        program.stop()
        program.check_log()


def entered(program, listener="submission", source=None):
    """A client in TLS that has said EHLO, and what it was offered."""
    client = TlsClient(program.addresses[listener], source)
    if listener == "submission":
        return client, client.starttls()
    client.begin_tls()
    return client, client.hello()


def offered_mechanisms(reply):
    lines = [line[5:].split() for line in reply.text.split(b"\n") if line.startswith(b"AUTH ")]
    assert len(lines) <= 1
    return set(lines[0]) if lines else None


def keeps_silent(program, *secrets):
    log = program.log().encode()
    assert [secret for secret in secrets if secret in log] == []


# -- Postfix and Cyrus


def test_postfix_offers_more_than_passes(gate, postfix):
    """The careless service has all that may never pass, and none of it does."""
    with Client(postfix.address("careless")) as direct:
        inside = offered_mechanisms(direct.hello())
    assert inside >= OURS | {b"DIGEST-MD5", b"NTLM", b"ANONYMOUS"}
    program = gate(postfix.address("careless"))
    client, reply = entered(program)
    with client:
        assert offered_mechanisms(reply) == OURS
        for line in ("DIGEST-MD5", "NTLM", "EXTERNAL =", "ANONYMOUS Z3Vlc3Q=", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS",
                     "XOAUTH2", "OAUTHBEARER", "GSSAPI"):
            assert client.command(f"AUTH {line}").code == 504, line
        client.ask("MAIL FROM:<ann@example.org>", 530)
        client.quit()


@pytest.mark.parametrize("listener", ["submission", "submissions"])
@pytest.mark.parametrize("mechanism", sorted(OURS))
def test_each_mechanism(gate, postfix, mechanism, listener):
    mechanism = mechanism.decode()
    program = gate(postfix.address())
    recipient = f"{mechanism.lower()}-{listener}@foreign.example"
    client, _ = entered(program, listener, source="127.0.0.5")
    with client:
        assert sasl.authenticate(client, mechanism, NAME, PASSWORD).code == 235
        assert client.message(recipient, CONTENT, sender="ann@example.org").code == 250
        client.quit()
    line = program.wait_log(rf"event=message .*to=<{re.escape(recipient)}>.*").group(0)
    queue_id = re.search(r"queue_id=(\w+)", line).group(1)
    assert f" auth={mechanism} login=ann@example.org " in line and " verdict=delivered " in line
    program.wait_log(rf"event=session .*listener={listener} .*auth={mechanism} login=ann@example\.org ")
    postfix.wait_log(rf"postfix/submission/smtpd.*{queue_id}: client=\S*\[127\.0\.0\.5\], sasl_method={mechanism}, "
                     r"sasl_username=ann@example\.org")
    postfix.wait_log(rf"{queue_id}: to=<{re.escape(recipient)}>.*status=sent")


def test_received_says_so(gate, postfix):
    program = gate(postfix.address())
    client, _ = entered(program)
    with client:
        assert sasl.authenticate(client, "SCRAM-SHA-256", b"bob@example.org", BOB).code == 235
        assert client.message("received@example.org", CONTENT).code == 250
        client.quit()
    content = postfix.only_message("received@example.org").content
    assert re.match(rb"Received: from client\.test .*?by mx\.test with ESMTPSA id ", content, re.S), content


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_wrong_password(gate, postfix, mechanism):
    """Postfix's own words come out; the connection inside stays good."""
    program = gate(postfix.address())
    client, _ = entered(program, source="127.0.0.6")
    with client:
        refused = sasl.authenticate(client, mechanism, NAME, WRONG)
        assert refused.code == 535 and b"authentication failed" in refused.text
        client.ask("MAIL FROM:<ann@example.org>", 530)
        assert sasl.authenticate(client, mechanism, NAME, PASSWORD).code == 235
        client.ask("MAIL FROM:<ann@example.org>", 250)
        client.quit()
    program.wait_log(r"event=fault .*client=127\.0\.0\.6 .*command=AUTH errors=1")
    postfix.wait_log(rf"\[127\.0\.0\.6\]: SASL {mechanism} authentication failed")
    keeps_silent(program, *sasl.traces_of(NAME, WRONG), *sasl.traces_of(NAME, PASSWORD))


def test_cancelled(gate, postfix):
    program = gate(postfix.address())
    client, _ = entered(program)
    with client:
        client.ask("AUTH LOGIN", 334)
        client.ask("*", 501)
        client.ask("AUTH LOGIN", 334)
        client.ask("no base64!", 501)
        assert sasl.authenticate(client, "LOGIN", NAME, PASSWORD).code == 235
        client.quit()


def test_relaying_needs_auth(gate, postfix):
    """With mode = may it is Postfix that says no to who did not log in: to it, that is the client, not the gate."""
    program = gate(postfix.address(), "listener.auth.mode=may")
    client, _ = entered(program)
    with client:
        client.ask("MAIL FROM:<ann@example.org>", 250)
        client.ask("RCPT TO:<somebody@foreign.example>", 554)
        client.ask("RSET", 250)
        assert sasl.authenticate(client, "PLAIN", NAME, PASSWORD).code == 235
        assert client.message("somebody@foreign.example", CONTENT).code == 250
        client.quit()


def test_not_in_the_clear(gate, postfix):
    program = gate(postfix.address(), "listener.submission.tls.mode=may")
    with Client(program.addresses["submission"]) as client:
        assert offered_mechanisms(client.hello()) is None
        client.ask(b"AUTH PLAIN " + base64.b64encode(b"\0" + NAME + b"\0" + PASSWORD), 538)
        client.ask("MAIL FROM:<ann@example.org>", 530)
        client.quit()
    keeps_silent(program, *sasl.traces_of(NAME, PASSWORD))


def swaks(address, *arguments):
    return subprocess.run(["swaks", "--server", address[0], "--port", str(address[1]), "--helo", "swaks.test", "--from",
                           "ann@example.org", "--body", "from swaks", *arguments], capture_output=True, text=True,
                          timeout=60, check=False)


@pytest.mark.parametrize("listener, tls", [("submission", "--tls"), ("submissions", "--tls-on-connect")])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_swaks(gate, postfix, listener, tls, mechanism):
    program = gate(postfix.address())
    recipient = f"swaks-{listener}-{mechanism.lower()}@foreign.example"
    known = ("--auth", mechanism, "--auth-user", NAME.decode(), "--auth-password")
    done = swaks(program.addresses[listener], tls, "--to", recipient, *known, PASSWORD.decode())
    assert done.returncode == 0, done.stdout + done.stderr
    postfix.wait_log(rf"to=<{re.escape(recipient)}>.*status=sent")
    done = swaks(program.addresses[listener], tls, "--to", recipient, *known, WRONG.decode())
    assert done.returncode == 28 and "535 5.7.8" in done.stdout, done.stdout + done.stderr  # 28: AUTH failed
    done = swaks(program.addresses[listener], tls, "--to", recipient)
    assert done.returncode == 23 and "530 5.7.0" in done.stdout, done.stdout + done.stderr  # 23: MAIL failed
    if listener == "submission":
        done = swaks(program.addresses[listener], "--to", recipient)
        assert done.returncode == 23 and "STARTTLS" in done.stdout, done.stdout + done.stderr


# -- what Cyrus does not have


def heard_auth(session, line=None):
    """The initial response of the AUTH that was heard last, or the client's next line."""
    line = line or session.commands[-1].split(b" ")[2]
    return base64.b64decode(line)


def bearer(token):
    """Lets in who has the token; says why not in a challenge, whose answer it awaits (RFC 7628 section 3.2.3)."""
    def action(session):
        if b"\1auth=Bearer " + token + b"\1\1" in heard_auth(session):
            session.say(b"235 2.7.0 welcome\r\n")
            return
        session.say(b"334 " + base64.b64encode(b'{"status":"invalid_token"}') + b"\r\n")
        session.commands.append(session._line())
        session.say(b"535 5.7.8 no\r\n")
    return action


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_tokens(gate, inside, mechanism):
    server = inside({"AUTH": bearer(PASSWORD)}, keywords=(b"AUTH XOAUTH2 OAUTHBEARER SCRAM-SHA-256-PLUS EXTERNAL",
                                                          b"XCLIENT ADDR NAME PORT LOGIN"))
    program = gate(server.address)
    client, reply = entered(program)
    with client:
        assert offered_mechanisms(reply) == {b"XOAUTH2", b"OAUTHBEARER"}
        assert sasl.authenticate(client, mechanism, NAME, WRONG).code == 535
        assert sasl.authenticate(client, mechanism, NAME, PASSWORD).code == 235
        assert client.message("somebody@foreign.example", CONTENT).code == 250
        client.quit()
    assert not any(b"LOGIN=" in command for command in server.commands)
    program.wait_log(rf"event=message .*verdict=delivered .*auth={mechanism} login=ann@example\.org ")
    keeps_silent(program, *sasl.traces_of(NAME, WRONG), *sasl.traces_of(NAME, PASSWORD))


@pytest.mark.parametrize("when", ["next", "asked"])
def test_inside_lost_after_auth(gate, inside, when):
    """Nothing is opened anew: 421 at the next command that needs it."""
    script = {"AUTH": b"235 2.7.0 welcome\r\n"}
    if when == "asked":
        script["MAIL"] = lambda session: session.close()
    server = inside(script, keywords=(b"AUTH PLAIN", b"XCLIENT ADDR"))
    program = gate(server.address)
    client, _ = entered(program)
    with client:
        assert sasl.authenticate(client, "PLAIN", NAME, PASSWORD).code == 235
        if when == "asked":
            client.ask("MAIL FROM:<ann@example.org>", 451)
            client.ask("RSET", 250)
        else:
            server.stop()
        client.ask("MAIL FROM:<ann@example.org>", 421)
        assert client.is_closed()
    assert len([s for s in server.sessions if any(c.startswith(b"AUTH") for c in s.commands)]) == 1


def test_killed_in_the_dialogue(gate, inside):
    """The session ends at once, and so does inside's, which hears nothing more: its next line would be a password."""
    server = inside({"AUTH": b"334 VXNlcm5hbWU6\r\n"}, keywords=(b"AUTH LOGIN", b"XCLIENT ADDR"))
    program = gate(server.address)
    client, _ = entered(program)
    with client:
        client.ask("AUTH LOGIN", 334)
        program.ctl("kill", re.search(r"event=command session=(\w+)", program.log()).group(1))
        assert client.is_closed()
    program.wait_log(r'event=session .*ended="killed by posternctl"')
    net.wait_until(lambda: server.sessions[-1].ended, 10, "inside is not left", server.story)
    assert server.sessions[-1].commands[-1] == b"AUTH LOGIN"


# -- nothing is left of it


@pytest.mark.parametrize("mechanism", sorted(m.decode() for m in OURS))
def test_no_trace_of_a_password(gate, postfix, mechanism):
    """Log at debug with a trace of all that is said: nothing that gives the password away."""
    program = gate(postfix.address())
    program.ctl("trace", "127.0.0.0/8", "1h")
    client, _ = entered(program)
    with client:
        sasl.authenticate(client, mechanism, NAME, WRONG)
        client.ask(b"AUTH PLAIN " + base64.b64encode(b"\0" + NAME + b"\0" + WRONG) + b"!", 501)
        client.command(b"AUHT PLAIN " + base64.b64encode(b"\0" + NAME + b"\0" + WRONG))
        client.command(base64.b64encode(WRONG))
        assert sasl.authenticate(client, mechanism, NAME, PASSWORD).code == 235
        client.ask("NOOP", 250)
        client.quit()
    assert re.search(r"event=trace .*line=\"AUTH \S+", program.log())
    program.wait_log("event=session ")
    keeps_silent(program, *sasl.traces_of(NAME, PASSWORD), *sasl.traces_of(NAME, WRONG))


# -- what the configuration may say


@pytest.mark.parametrize("options, words", [
    (["listener.auth.mechanisms=PLAIN,EXTERNAL"], "EXTERNAL cannot be carried: it vouches for the client's TLS"),
    (["listener.auth.mechanisms=SCRAM-SHA-256-PLUS"], "it vouches for the client's TLS"),
    (["listener.auth.mechanisms=ANONYMOUS"], "it lets everybody in"),
    (["listener.auth.mechanisms=DIGEST-MD5"], "it is not known here"),
    (["listener.submission.tls.mode=none"], "nobody could use AUTH"),
])
def test_refused_configuration(tmp_path, certificates, options, words):
    path = tmp_path / "postern.conf"
    example = shutil.copy(ROOT + "/conf/examples/submission.conf", tmp_path)
    os.chmod(example, 0o644)
    path.write_text(HEAD.format(socket="/run/none", example=example))
    own = [f"listener.tls.certificate={certificates.mx.certificate}", f"listener.tls.key={certificates.mx.key}"]
    status, _, error = postern_program.run("-t", "-c", str(path), *sum((["-o", o] for o in [*own, *options]), []))
    assert status != 0 and words in error, error
    status, _, error = postern_program.run("-t", "-c", str(path), *sum((["-o", o] for o in own), []))
    assert status == 0, error
