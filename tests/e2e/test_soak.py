# SPDX-License-Identifier: ISC
"""A thousand sessions of every kind in one worker leave its memory and its descriptors where they were, and nothing of
one is seen in another."""
import collections
import socket

import net
import postern as postern_program
from smtp_client import Client, Closed

SESSIONS = 1000
WARM_UP = 10  # sessions of a worker, all kinds among them, before it is measured
GROWTH_KIB = 128  # a leak of 200 octets a session would be more
CONTENT = b"Subject: soak\r\n\r\n" + b"0123456789" * 100 + b"\r\n"


def good(client):
    client.hello()
    assert client.message("user@example.org", CONTENT).code == 250
    client.quit()


def aborted(client):
    client.hello()
    client.begin("user@example.org")
    client.send(CONTENT)
    client.reset()


def refused(client):
    client.hello()
    client.ask("MAIL FROM:<sender@example.com>", 250)
    client.ask("RCPT TO:<nobody@example.org>", 550)
    assert client.command("DATA").code >= 500
    client.quit()


def bare_line_feed(client):
    client.hello()
    client.begin("user@example.org")
    client.send(b"bare\nLF\r\n.\r\n")
    assert client.reply().code >= 500


def early_talker(client):
    client.send(b"EHLO early.test\r\nMAIL FROM:<sender@example.com>\r\nQUIT\r\n")
    client.all_replies()


def lost(client):
    client.expect(220)
    client.command("WHAT is this")
    client.close()


def silent(client):
    client.close()


def two_messages(client):
    client.hello("again.test")
    for _ in range(2):
        assert client.message(["a@example.org", "b@example.org"], CONTENT).code == 250
    client.ask("RSET", 250)
    client.quit()


KINDS = [good, aborted, refused, bare_line_feed, early_talker, lost, silent, two_messages]


def test_thousand_sessions(inside, postern):
    server = inside({"RCPT": lambda session: session.say(
        b"550 5.1.1 unknown\r\n" if b"nobody" in session.commands[-1] else b"250 2.1.5 ok\r\n")})
    gate = postern(server.address, "listener.max_workers=2", "listener.min_spare=1", "listener.max_spare=2",
                   "listener.sessions_per_worker=1000000", "listener.max_errors=100")
    served, first = collections.Counter(), {}
    for number in range(SESSIONS):
        pid = _serve_one(gate, KINDS[number % len(KINDS)])
        served[pid] += 1
        if served[pid] == 2 * WARM_UP:
            first[pid] = _measure(gate, pid)
        del server.sessions[:-20]
    busiest, count = served.most_common(1)[0]
    assert count > SESSIONS // 3, f"no worker served long enough: {served}"
    for pid, before in first.items():
        after = _measure(gate, pid)
        story = f"worker {pid}, {served[pid]} sessions: {before} -> {after}"
        print(story)
        assert after["descriptors"] == before["descriptors"], story
        if not postern_program.SANITIZED:  # the sanitizer keeps what was freed
            assert after["Pss_Anon"] <= before["Pss_Anon"] + GROWTH_KIB, story
            assert after["Rss"] <= before["Rss"] + 4 * GROWTH_KIB, story
    assert busiest in gate.workers(), "the worker was replaced"


def _serve_one(gate, kind):
    client = _welcome(gate)
    pid = gate.worker_of(client)
    try:
        kind(client)
    except (Closed, ConnectionError):
        pass
    finally:
        client.close()
    return pid


def _welcome(gate):
    """A client that was not turned away: the last free worker serves nobody, and the other may not be done yet."""
    while True:
        client = Client(gate.address)
        if client.socket.recv(3, socket.MSG_PEEK) == b"220":
            return client
        client.close()


def _measure(gate, pid):
    """Once the worker holds no session any more."""
    def is_idle():
        sockets = [name for name in net.descriptors(pid) if name.startswith("socket:")]
        return len(sockets) <= idle_sockets(gate)
    net.wait_until(is_idle, 20, f"worker {pid} keeps its session", gate.story)
    facts = {name: net.rollup_kib(pid, name) for name in ("Rss", "Pss_Anon")}
    facts["descriptors"] = len(net.descriptors(pid))
    return facts


def idle_sockets(gate):
    """What the least busy worker holds: listeners and the log's, whatever they are."""
    return min(sum(name.startswith("socket:") for name in net.descriptors(pid)) for pid in gate.workers())
