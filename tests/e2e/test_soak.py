# SPDX-License-Identifier: ISC
"""A thousand sessions of every kind in one worker leave its memory and its descriptors where they were, and nothing of
one is seen in another."""
import collections
import re
import socket

import net
import postern as postern_program
import stories
from smtp_client import Client, Closed

SESSIONS = 1000
WARM_UP = 40  # sessions before the two workers are measured: each has seen every kind
GROWTH_KIB = 128  # a leak of 200 octets a session would be more
CONTENT = b"Subject: soak\r\n\r\n" + b"0123456789" * 100 + b"\r\n"


def good(client, marker):
    client.hello(f"{marker}.test")
    assert client.message(f"user-{marker}@example.org", marker.encode() + CONTENT).code == 250
    client.quit()


def aborted(client, marker):
    client.hello(f"{marker}.test")
    client.begin(f"user-{marker}@example.org")
    client.send(marker.encode() + CONTENT)
    client.reset()


def refused(client, marker):
    client.hello(f"{marker}.test")
    client.ask(f"MAIL FROM:<{marker}@example.com>", 250)
    client.ask(f"RCPT TO:<nobody-{marker}@example.org>", 550)
    assert client.command("DATA").code >= 500
    client.quit()


def bare_line_feed(client, marker):
    client.hello(f"{marker}.test")
    client.begin(f"user-{marker}@example.org")
    client.send(marker.encode() + b"bare\nLF\r\n.\r\n")
    assert client.reply().code >= 500


def early_talker(client, marker):
    client.send(f"EHLO {marker}.test\r\nMAIL FROM:<{marker}@example.com>\r\nQUIT\r\n".encode())
    client.all_replies()


def lost(client, marker):
    client.expect(220)
    client.command(f"WHAT is {marker}")
    client.close()


def silent(client, marker):
    client.close()


def two_messages(client, marker):
    client.hello(f"{marker}.test")
    for name in "ab":
        assert client.message([f"{name}-{marker}@example.org", f"c-{marker}@example.org"], CONTENT).code == 250
    client.ask("RSET", 250)
    client.quit()


KINDS = [good, aborted, refused, bare_line_feed, early_talker, lost, silent, two_messages]
MARKER = re.compile(rb"\bm\d+x\b")


def echo_refusal(session):
    recipient = session.commands[-1][len(b"RCPT TO:"):]
    session.say(b"550 5.1.1 unknown " + recipient + b"\r\n" if b"nobody" in recipient else b"250 2.1.5 ok\r\n")


def test_thousand_sessions(inside, postern):
    server = inside({"RCPT": echo_refusal})
    gate = postern(server.address, "listener.max_workers=2", "listener.min_spare=1", "listener.max_spare=2",
                   "listener.sessions_per_worker=1000000", "listener.max_errors=100")
    before = {}
    for number in range(SESSIONS):
        stories.forget()
        _serve_one(gate, KINDS[number % len(KINDS)], f"m{number}x")
        if number + 1 == WARM_UP:
            before = {pid: measure(gate, pid) for pid in gate.workers()}
    served = sessions_by_worker(gate)
    busiest, count = served.most_common(1)[0]
    assert count > SESSIONS // 3, f"no worker served long enough: {served}"
    assert busiest in before and busiest in gate.workers(), "the worker was replaced"
    for pid in before:
        assert_not_grown(f"worker {pid}, {served[pid]} sessions", before[pid], measure(gate, pid))
    for session in server.sessions:
        assert len(set(MARKER.findall(bytes(session.heard)))) <= 1, f"two clients in one session: {session.heard[:500]}"


def sessions_by_worker(gate):
    return collections.Counter(int(pid) for pid in re.findall(r"\[(\d+)\]: event=session ", gate.log()))


def assert_not_grown(who, before, after):
    story = f"{who}: {before} -> {after}"
    print(story)
    assert after["descriptors"] == before["descriptors"], story
    if not postern_program.SANITIZED:  # the sanitizer keeps what was freed
        assert after["Pss_Anon"] <= before["Pss_Anon"] + GROWTH_KIB, story
        assert after["Rss"] <= before["Rss"] + 4 * GROWTH_KIB, story


def _serve_one(gate, kind, marker):
    client = welcome(gate)
    try:
        kind(client, marker)
    except (Closed, ConnectionError):
        pass
    finally:
        client.close()
    heard = b"".join(octets for who, octets in client.transcript if who == "S")
    assert set(MARKER.findall(heard)) <= {marker.encode()}, f"another client's words: {heard}"


def welcome(gate):
    """A client that was not turned away: the last free worker serves nobody, and the other may not be done yet."""
    while True:
        client = Client(gate.address)
        if client.socket.recv(3, socket.MSG_PEEK) == b"220":
            return client
        client.close()


def measure(gate, pid):
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
