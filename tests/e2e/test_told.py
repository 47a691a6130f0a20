# SPDX-License-Identifier: ISC
"""Who the client is, as another gate tells it (XCLIENT, XFORWARD), and what inside hears of that: swaks and a Postfix in
front, a Postfix behind."""
import os
import re
import shutil
import subprocess
import tempfile

import pytest

import net
import postfix_rig
import stories
from smtp_client import Client
from vectors import trace_of

CONTENT = b"From: a@example.com\r\nTo: user@example.org\r\nSubject: told\r\nMessage-ID: <1@example.com>\r\n\r\nhello\r\n"
GATE = "127.0.0.7"  # another one, in front of ours
FORWARDED = """127.0.0.1:{forwarded}  inet  n - n - 100 smtpd -o smtpd_authorized_xclient_hosts=127.0.0.1
  -o smtpd_authorized_xforward_hosts=127.0.0.1"""


@pytest.fixture(scope="module")
def running_told():
    """A Postfix whose service `forwarded` believes XCLIENT and takes XFORWARD, too."""
    directory = tempfile.mkdtemp(prefix="postfix-")
    os.chmod(directory, 0o755)
    ports = {"forwarded": net.free_port()}
    rig = postfix_rig.Postfix(directory, services=[FORWARDED.format(**ports)])
    try:
        rig.start()
        rig.ports.update(ports)
        yield rig
    finally:
        rig.stop()
        postfix_rig.remove(rig)


@pytest.fixture
def told(running_told):
    stories.add(running_told)
    return running_told


@pytest.fixture
def sending_postfix(tmp_path):
    """A function: sending_postfix(address) is a Postfix that relays all to that address, and says XFORWARD there."""
    started = []

    def start(address):
        directory = tempfile.mkdtemp(prefix="postfix-")
        os.chmod(directory, 0o755)
        rig = postfix_rig.Postfix(directory, services=["smtp unix - - n - - smtp"],
                                  main=["virtual_transport = smtp:[127.0.0.1]:%d" % address[1],
                                        "smtp_send_xforward_command = yes", "smtp_bind_address = " + GATE])
        started.append(rig)
        rig.start()
        return rig

    yield start
    for rig in started:
        rig.stop()
        shutil.rmtree(rig.dir, ignore_errors=True)


def swaks(address, *arguments):
    return subprocess.run(["swaks", "--server", address[0], "--port", str(address[1]), "--helo", "swaks.test", "--from",
                           "a@example.com", "--local-interface", GATE, "--body", "from swaks", *arguments],
                          capture_output=True, text=True, timeout=60, check=False)


def test_swaks_says_xclient(told, postern):
    """Postfix inside hears of the client that swaks names, by name, address and port; its own mail goes on as well."""
    gate = postern(told.address("xclient"), f"listener.xclient_from={GATE}")
    done = swaks(gate.address, "--to", "xclient@example.org", "--xclient-addr", "198.51.100.7", "--xclient-name",
                 "sender.example", "--xclient-port", "4711")
    assert done.returncode == 0, done.stdout
    message = told.only_message("xclient@example.org")
    told.wait_log(message.queue_id + r": client=sender\.example\[198\.51\.100\.7\]")
    assert b"from swaks.test (sender.example [198.51.100.7])" in message.head.replace(b"\n\t", b" ")
    gate.wait_log(rf"event=session .*client=198\.51\.100\.7 .*proxy={GATE}")
    received = b"from swaks.test (sender.example [198.51.100.7])"
    assert message.octets.replace(b"\n\t", b" ").count(b"Received: " + received) == 2  # Postfix's, and ours


def test_swaks_is_not_believed(told, postern):
    gate = postern(told.address("xclient"), "listener.xclient_from=127.0.0.99")
    done = swaks(gate.address, "--to", "nobody-believed@example.org", "--xclient-addr", "198.51.100.7")
    assert done.returncode != 0, done.stdout
    gate.wait_log(rf"event=session .*client={re.escape(GATE)} ")
    assert "198.51.100.7" not in gate.log()


def test_a_login_goes_inside(told, postern):
    """LOGIN of the other gate reaches Postfix: sasl_username, as if it had logged in there."""
    gate = postern(told.address("xclient"), f"listener.xclient_from={GATE}")
    done = swaks(gate.address, "--to", "login@example.org", "--xclient-addr", "198.51.100.8", "--xclient-login", "ann+x")
    assert done.returncode == 0, done.stdout
    message = told.only_message("login@example.org")
    told.wait_log(message.queue_id + r": client=.*, sasl_method=XCLIENT, sasl_username=ann\+x")
    gate.wait_log(r"event=message .*auth=XCLIENT login=ann\+x")


def test_postfix_logs_our_session(told, postern):
    """XFORWARD IDENT: one grep leads from Postfix's log to ours; the client is still the one that XCLIENT names."""
    gate = postern(told.address("forwarded"))
    with Client(gate.address, source="127.0.0.9") as client:
        client.hello()
        assert client.message("ident1@example.org", CONTENT).code == 250
        assert client.message("ident2@example.org", CONTENT).code == 250
        client.quit()
    session = gate.wait_log(r"event=session session=(\w+) ").group(1)
    for recipient in ("ident1@example.org", "ident2@example.org"):
        message = told.only_message(recipient)
        told.wait_log(message.queue_id + rf": client=\S*\[127\.0\.0\.9\], orig_queue_id={session}")
        trace_of(message.content, CONTENT)


def test_a_sending_postfix_says_xforward(told, postern, sending_postfix):
    """Postfix, Postern, Postfix: the last one logs the queue id of the first, and of whom that got the message."""
    gate = postern(told.address("forwarded"), f"listener.xforward_from={GATE}")
    sender = sending_postfix(gate.address)
    with Client(sender.address("xclient"), source="127.0.0.11") as client:
        client.hello("origin.test")
        assert client.message("forwarded@example.org", CONTENT).code == 250
        client.quit()
    first = sender.wait_log(r": ([0-9A-Za-z]+): client=\S*\[127\.0\.0\.11\]").group(1)
    gate.wait_log(rf"event=message .*client={GATE} .*verdict=delivered .*forwarded_addr=127\.0\.0\.11 "
                  rf".*forwarded_ident={first}")
    message = told.only_message("forwarded@example.org")
    told.wait_log(message.queue_id + rf": client=.*, orig_queue_id={first}, orig_client=\S*\[127\.0\.0\.11\]")


def test_xforward_is_not_taken_from_others(told, postern, sending_postfix):
    """It is not offered, so a Postfix does not say it; the mail passes."""
    gate = postern(told.address("forwarded"))
    sender = sending_postfix(gate.address)
    with Client(sender.address("xclient")) as client:
        client.hello()
        assert client.message("not-forwarded@example.org", CONTENT).code == 250
        client.quit()
    wanted = gate.wait_log(r"event=message session=(\w+) .*verdict=delivered.*")
    assert "forwarded_" not in wanted.group(0)
    sender.settle()
    message = told.only_message("not-forwarded@example.org")
    told.wait_log(message.queue_id + rf": client=.*, orig_queue_id={wanted.group(1)}")
