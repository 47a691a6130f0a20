# SPDX-License-Identifier: ISC
"""posternctl top on a terminal of our own, in front of a real posternd, and of one that says anything."""
import contextlib
import re
import signal
import socket
import threading
import time

import pytest

import net
from screen import Terminal
from smtp_client import Client
from test_posternctl import (POSTERNCTL, a_message, gate, gates, place, run,  # noqa: F401
                             server)  # pylint: disable=unused-import

OTHER = "127.0.0.9"


@pytest.fixture
def terminals():
    """A function: terminals(socket, *arguments) is posternctl top on a terminal."""
    started = []

    def start(socket, *arguments, **kwargs):
        started.append(Terminal([POSTERNCTL, "-s", socket, "top", *arguments], **kwargs))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


def quit_well(terminal):
    terminal.type("q")
    assert terminal.ends() == 0
    assert terminal.is_restored()


def test_it_shows_and_quits(gate, terminals):
    assert a_message(gate).code == 250
    with Client(gate.address) as client:
        client.hello()
        top = terminals(gate.socket)
        top.shows(r"^posternd \S+ stand\.example\.org  serving  up \d+s  generation 1$")
        top.shows(r"^stand +\[#.*\.+ *\] 1 busy, 0 held, \d+ idle, max 200$")
        top.shows(r"^messages/min ")
        top.shows(r"^CLIENT +PHASE +AGE")
        top.shows(rf"^127\.0\.0\.1 +hello +\d+s .*{gate.session_of(client)['id']}$")
        top.shows(r"sessions \d+\.\d/s +messages 0\.0/s")
        quit_well(top)


def test_it_ends_a_session(gate, terminals):
    with Client(gate.address) as client, Client(gate.address) as other:
        client.hello()
        other.hello()
        gate.session_of(client)
        gate.session_of(other)
        first, second = gate.sessions()  # as it orders them
        top = terminals(gate.socket)
        top.shows(first["id"])
        top.shows(second["id"])
        top.type("\x1bOB")  # the second of them: the oldest stands first
        top.type("k")
        top.shows(rf"^end session {second['id']}\? \(y/n\)")
        top.type("n")
        top.shows("^nothing was done")
        assert len(gate.sessions()) == 2
        top.type("k")
        top.shows(rf"^end session {second['id']}\? \(y/n\)")
        top.type("y")
        top.shows(f"^kill {second['id']}: done")
        top.shows_no(second["id"] + "$")
        assert [s["id"] for s in gate.sessions()] == [first["id"]]
        quit_well(top)


def test_it_blocks_and_allows(gate, terminals):
    with Client(gate.address, source=OTHER) as client:
        client.hello()
        top = terminals(gate.socket)
        top.type("2")
        top.shows(rf"^{OTHER} +1 ")
        top.type("b")
        top.shows(rf"^block {OTHER} for how long \(.*\)\? 1h$")
        top.type("\x7f\x7f30x\r")
        top.shows(rf"\? 30x$")
        top.type("\x7fm\r")
        top.shows(rf"^block {OTHER} for 30m\? \(y/n\)")
        top.type("y")
        top.shows(rf"^block {OTHER} for 30m: done")
        entry, = gate.records("listed", "block")
        assert entry["network"].startswith(OTHER) and 0 < entry["left_ms"] <= 30 * 60000
        top.type("a")
        top.shows(r"\? 1h$")
        top.type("\x7f\x7fever\r")
        top.shows(rf"^allow {OTHER} ever\? \(y/n\)")
        top.type("y")
        top.shows(rf"^allow {OTHER}: done")
        assert not gate.records("listed", "block") and len(gate.records("listed", "allow")) == 1
        quit_well(top)


def test_panes_and_help(gate, terminals):
    with Client(gate.address) as client:
        client.hello()
        top = terminals(gate.socket)
        top.shows("^CLIENT +PHASE")
        top.type("\t")
        top.shows("^CLIENT +SESSIONS")
        top.type("\t")
        top.shows("^BACKEND +SERVER")
        top.shows("^inside +one +127")
        top.type("\t")
        top.shows("no policy has limits")
        top.type("5")
        top.shows("nobody hit a limit lately")
        top.type("\t")
        top.shows("^CLIENT +PHASE")
        top.type("?")
        top.shows("Any key: back")
        top.type("x")
        top.shows("^CLIENT +PHASE")
        top.type("sss")
        top.shows("by messages")
        top.type("r")
        top.shows("by messages, reversed")
        top.type("/127.0\r")
        top.shows(r"5 hits  1 by messages, reversed /127\.0$")
        top.type("/\x7f\x7f\x7f\x7f\x7fnobody\r")
        top.shows("no such row")
        top.type("g")
        top.shows("^sessions/min")
        top.type("p")
        top.shows("^PAUSED")
        top.type("p")
        top.shows_no("^PAUSED")
        quit_well(top)


def test_bypass_is_loud(gate, terminals):
    top = terminals(gate.socket)
    top.shows("^posternd ")
    assert "BYPASSED" not in top.screen.text()
    gate.ctl("bypass", "on")
    top.shows(r"^CHECKS BYPASSED for \d+s: ")
    gate.ctl("bypass", "off")
    top.shows_no("BYPASSED")
    quit_well(top)


def test_sizes(gate, terminals):
    with Client(gate.address) as client:
        client.hello()
        top = terminals(gate.socket)
        top.shows(r"^127\.0\.0\.1 ")
        for lines, columns in ((10, 40), (24, 80), (60, 200), (3, 20), (1, 1), (2, 5), (24, 12)):
            top.resize(lines, columns)
            if lines >= 10 and columns >= 40:
                top.shows(r"^127\.0\.0\.1 +hello")
                top.shows(r"^posternd ")
            for keys in ("\t\t\t\t\t", "?", "x", "k", "n", "/abc\r", "/\x7f\x7f\x7f\r", "\x1bOB\x1bOA\x1b[6~"):
                top.type(keys)
                top.watch(0.05)
        top.resize(24, 80)
        top.shows(r"^posternd .*generation")
        quit_well(top)


def test_what_is_too_long_for_a_line_is_cut(said, terminals):
    said = said({"status": TOTALS + MASTER, "sessions": b"ok\n"})
    for columns in (10, 13, 20, 30, 46):
        top = terminals(said.path, lines=24, columns=columns)
        top.shows("^no session")
        names = "1 sessions 2 clients 3 servers 4 limits 5 hits"[:columns].rstrip()
        assert re.search(rf"^{names}\nCLIENT.*\nno sess[^\n]*\n\n", top.screen.text(), re.M), top.screen.text()
        quit_well(top)


def test_another_size_answers_no_question(gate, terminals):
    with Client(gate.address) as client:
        client.hello()
        top = terminals(gate.socket)
        top.shows(r"^127\.0\.0\.1 ")
        top.type("k")
        top.shows(r"^end session \S+\? \(y/n\)")
        top.resize(30, 90)
        top.type("\f")
        top.watch(1.5)
        top.shows(r"^end session \S+\? \(y/n\)")
        top.type("n?")
        top.shows("Any key: back")
        top.resize(24, 80)
        top.watch(1.5)
        top.shows("Any key: back")
        top.type("x")
        quit_well(top)


def test_colours_where_they_are(gates, terminals):
    gate = gates(policy="pregreet { mode = enforce  wait = 1m }")
    with socket.create_connection(gate.address):
        top = terminals(gate.socket, kind="xterm-256color")
        top.screen.feed = lambda text: None  # more than a VT100 knows
        net.wait_until(lambda: top.read() and re.search(rb"\x1b\[[\d;]*33[\d;]*m", top.raw), 10, "nothing is yellow",
                       lambda: repr(top.raw))
        quit_well(top)


def test_a_master_that_goes_and_comes(gates, terminals, tmp_path):
    first = gates()
    top = terminals(first.socket)
    top.shows("^posternd ")
    first.stop()
    top.shows("^NOT REACHED: ")
    second = gates()
    top.shows_no("NOT REACHED")
    with Client(second.address) as client:
        client.hello()
        top.shows(r"^127\.0\.0\.1 +hello")
    quit_well(top)
    second.stop()


def test_signals_end_it_well(gate, terminals):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        top = terminals(gate.socket)
        top.shows("^posternd ")
        top.process.send_signal(number)
        assert top.ends() == 0
        assert top.is_restored()


def test_where_it_cannot_be(gate, terminals):
    done = gate.ctl("top")
    assert done.returncode == 1 and "needs a terminal" in done.stderr and "posternctl stats" in done.stderr
    for kind in ("no-such-terminal", "dumb"):
        top = terminals(gate.socket, kind=kind)
        assert top.ends() == 1
        said = top.screen.text().replace("\n", "")
        assert f"TERM={kind}" in said and "TERM=vt100" in said
        assert top.is_restored()
    nobody = terminals(gate.socket + ".nobody")
    assert nobody.ends() == 3 and "is posternd running" in nobody.screen.text()


@pytest.mark.parametrize("arguments", [("-d", "0"), ("-d", "61"), ("-d", "x"), ("x",), ("--json",)])
def test_usage(arguments):
    done = run("-s", "/nonexistent", "top", *arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr != ""
    assert run("-s", "/nonexistent", "-d", "3", "status").returncode == 2


# -- held ones: they say nothing, and wait to be greeted


def test_held_sessions(gates, terminals):
    gate = gates(policy="pregreet { mode = enforce  wait = 1m }")
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(gate.address)) for _ in range(3)]
        held_sessions(terminals(gate.socket), silent)


def held_sessions(top, silent):
    top.shows(r"^stand +\[H+\.* .* 3 busy, 3 held, ")
    assert len(top.shows(r"(?:^127\.0\.0\.1 +greeting +\d+s yes .*\n){3}").group().splitlines()) == 3
    top.type("gg")
    top.type("g")
    top.shows(r"^held, most .* 3( |$)")
    for one in silent:
        one.close()
    top.shows("^no sessions")
    quit_well(top)


def test_hostile_clients(gates, terminals):
    """What a client calls itself, and from whom it sends, is on no screen but as printable ASCII."""
    gate = gates(policy="limit letters { of = messages  per = sender  rate = 1/1h  action = defer }")
    top = terminals(gate.socket)
    with socket.create_connection(gate.address) as hostile:
        hostile.sendall(b"EHLO \x1b]0;owned\x07\x1b[2J\r\nHELO \xc2\x9b31m%n%s\r\n")
        with Client(gate.address) as client:
            client.hello()
            for sender in ('<"%n%s\\\x7f"@x.example>', '<"\x1b[2J"@x.example>', '<"a;$(b)%n"@x.example>'):
                for _ in range(2):
                    client.command(f"MAIL FROM:{sender}")
                    client.command("RCPT TO:<user@example.org>")
                    client.ask("RSET", 250)
            for pane in "12345":
                top.type(pane)
                top.watch(0.2)
            top.shows(r'^"a;\$\(b\)%n"@x\.example +permissive\.letters +sender +1 ')
            top.type("b")
            top.shows("^no address is selected")
    quit_well(top)
    assert b"owned" not in top.raw and not re.search(rb"[\x80-\xff\x07\x7f]", top.raw)


def test_a_domain_is_no_address(gates, terminals):
    """Nobody gets an address blocked by sending from a domain that looks like it."""
    gate = gates(policy="limit domains { of = messages  per = sender_domain  rate = 1/1h  action = defer }\n"
                        "limit clients { of = messages  per = client  rate = 2/1h  action = defer }")
    with Client(gate.address) as client:
        client.hello()
        for sender in ("a@192.0.2.1", "a@192.0.2.1", "a@x.example", "a@y.example"):
            client.ask(f"MAIL FROM:<{sender}>", 250)
            client.command("RCPT TO:<user@example.org>")
            client.ask("RSET", 250)
    rates = {r["key"]: r for r in gate.records("rate", "rates")}
    assert rates["192.0.2.1"]["per"] == "sender_domain" and "client" not in rates["192.0.2.1"]
    assert rates["127.0.0.1"]["per"] == "client" and rates["127.0.0.1"]["client"] == "127.0.0.1"
    top = terminals(gate.socket, columns=100)
    top.type("5")
    top.type("/domains\r")
    top.shows(r"^192\.0\.2\.1 +permissive\.domains +sender_domain +\d ")
    top.type("b")
    top.shows("^no address is selected")
    top.type("/\b\b\b\b\b\b\bclients\r")
    top.shows(r"^127\.0\.0\.1 +permissive\.clients +client +\d ")
    top.type("b")
    top.shows(r"^block 127\.0\.0\.1 for how long")
    top.type("\x1b")
    top.shows("^nothing was done")
    quit_well(top)


# -- a posternd of which nothing is true


class Said:
    """Gives everybody who asks the answer to his verb; what it has none for, it does not know."""

    def __init__(self, path, answers):
        self.path, self.answers, self.asked, self.cut = path, answers, [], 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        while True:
            connection, _ = self.listener.accept()
            with connection:
                request = connection.makefile().readline().strip()
                if request == "end":
                    return
                self.asked.append(request)
                try:
                    connection.sendall(self.answers.get(request, b'error why="there is no such verb" try=""\n'))
                except OSError:
                    self.cut += 1

    def close(self):
        with socket.socket(socket.AF_UNIX) as end:
            end.connect(self.path)
            end.sendall(b"end\n")
        self.thread.join(30)
        self.listener.close()


@pytest.fixture
def said(tmp_path):
    """A function: said({"status": b"..", ..})."""
    started = []

    def start(answers):
        started.append(Said(str(tmp_path / "said"), answers))
        return started[-1]

    yield start
    for one in started:
        one.close()


TOTALS = b"totals messages=1 sessions=1\n"
MASTER = (b'posternd version="0.1" state="serving" hostname="h" uptime_ms=5000 generation=4\n'
          b'draining generation=3 alive=2 busy=2 held=0\nok\n')
EVIL = rb"\x1B]0;owned\x07\x1B[2J\x9B31m\xC2\x9B\x0D\x0A\x00%n%s"


def test_hostile_words_stay_words(said, terminals):
    master = MASTER.replace(b'"h"', b'"' + EVIL + b'"').replace(b'"serving"', b'"' + EVIL + b'"')
    listener = b'listener name="%s" alive=1 busy=9223372036854775807 held=-5 idle=-9 starting=1 max=0\n' % EVIL
    said = said({
        "status": listener * 9 + b"totals sessions=9223372036854775807 bytes_in=-1\n" + master,
        "history": b'minute time="%s" ago=0\nminute time="9999-99-99T99:99Z"\nminute messages=1\nok\n' % EVIL,
        "sessions": b'session id="%s" client="%s" phase="%s" standing="%s" age_ms=-7\nsession\nok\n' % ((EVIL,) * 4),
        "clients --worst": b'client client="%s" sessions="many"\nok\n' % EVIL,
        "servers": b'server backend="%s" name="%s" address="" health="down" trouble="%s"\nok\n' % ((EVIL,) * 3),
        "limits": b'limit name="%s" hits="%s"\nok\n' % (EVIL, EVIL),
        "rates": b'error why="%s" try="%s"\n' % (EVIL, EVIL),
    })
    top = terminals(said.path, LC_ALL="C.UTF-8", lines=40, columns=200)
    for pane in "12345":
        top.type(pane)
        top.shows(r"\?\]0;owned\?\?\[2J\?31m")
        for key in "ka":
            top.type(key)
            top.watch(0.1)
            top.shows("^(no session is selected|no address is selected|sessions are ended in their own pane)")
    quit_well(top)
    assert b"\x1b]" not in top.raw and b"\x07" not in top.raw and b"\x9b" not in top.raw and b"%n%s" in top.raw
    assert not [request for request in said.asked if request.split()[0] in ("kill", "block", "allow")]


@pytest.mark.parametrize("answer", [b"", b"\xff\xfe\n", b"status\nok\n", b"x" * 9000, b"ok\n"],
                         ids=["nothing", "octets", "another", "long", "empty"])
def test_what_is_no_answer(said, terminals, answer):
    said = said({"status": MASTER, "sessions": answer})
    top = terminals(said.path)
    top.shows("^posternd 0.1 h  serving  up 5s  generation 4, draining 3 \\(2 busy\\)")
    top.watch(1.2)
    quit_well(top)


def test_a_status_that_is_refused(said, terminals):
    """By a machine short of memory, say: what was known last stays, and the next status is no leap from nothing."""
    said = said({"status": b"totals sessions=1000000\n" + MASTER, "sessions": b"ok\n"})
    top = terminals(said.path, columns=100)
    top.shows(r"sessions 0\.0/s")
    said.answers["status"] = b'error why="Cannot allocate memory" try=""\n'
    top.shows("^Cannot allocate memory")
    top.shows("^posternd 0.1 h  serving")
    said.answers["status"] = b"totals sessions=1000001\n" + MASTER
    top.shows_no("Cannot allocate")
    top.shows(r"sessions (-|0\.0/s)")
    quit_well(top)
    assert not re.search(rb"\d{4,}/s", top.raw)


def minutes(of):
    """An hour and a half of history, with so many messages by how many minutes ago it is."""
    line = 'minute time="%s" ago=%d sessions=7 messages=%d busy=1 busy_most=3 held=0 held_most=0 workers=5\n'
    now = int(time.time()) // 60
    said = [line % (time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(60 * (now - ago))), ago, of(ago))
            for ago in range(90, 0, -1)]
    return "".join(said).encode() + b"ok\n"


def test_the_last_hour(said, terminals):
    said = said({"status": TOTALS + MASTER, "sessions": b"ok\n",
                 "history": minutes(lambda ago: 1000 if ago < 20 else 0 if ago > 40 else 500 + 10 * (ago % 2))})
    top = terminals(said.path, columns=100)
    top.shows(r"^messages/min \.{17,20}[=+]{20,22}@{18,19}\. 1000$")
    top.type("g")
    top.shows(r"^sessions/min @{58,59}\. 7$")
    quit_well(top)
    top = terminals(said.path, columns=100, LC_ALL="C.UTF-8")
    top.shows("^messages/min \\.{17,20}\u2584{20,22}\u2588{18,19}\\. 1000$")
    quit_well(top)
    assert said.asked.count("history") <= 2 * 2  # once a minute each


def test_no_history(said, terminals):
    said = said({"status": TOTALS + MASTER, "sessions": b"ok\n"})
    top = terminals(said.path, columns=100)
    top.shows(r"^messages/min .*no history: since top began")
    quit_well(top)


def test_what_it_asks_is_bounded(said, terminals):
    """Only what the open pane shows, each second, and no more of it than a thousand rows."""
    sessions = b"".join(b'session id="s%05d" client="192.0.2.1" age_ms=5 phase="hello"\n' % n for n in range(20000))
    said = said({"status": TOTALS + MASTER, "sessions": sessions + b"ok\n",
                 "servers": b"ok\n", "history": b"ok\n"})
    top = terminals(said.path)
    top.shows(r"5 hits  1000\+ by age")
    top.type("\x1b[4~")
    top.type("3")
    top.shows("no inside servers")
    seen = len(said.asked)
    top.watch(3)
    asked = said.asked[seen:]
    quit_well(top)
    assert said.cut > 0 and "sessions" not in asked
    assert 2 <= asked.count("status") <= 4 and 2 <= asked.count("servers") <= 4
    assert set(asked) <= {"status", "servers", "history"}


def test_it_looks_as_often_as_was_said(said, terminals):
    said = said({"status": TOTALS + MASTER, "sessions": b"ok\n"})
    top = terminals(said.path, "-d", "60")
    top.shows("no sessions")
    top.type("p")
    top.shows("PAUSED")
    top.watch(1.5)
    assert said.asked.count("status") == 2  # is it there, and the first look
    top.type("p")
    net.wait_until(lambda: said.asked.count("status") == 3, 5, "going on looks at once", lambda: repr(said.asked))
    quit_well(top)
