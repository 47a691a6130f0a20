# SPDX-License-Identifier: ISC
"""The sink alone, raw octets over a socket: it is the judge of other tests, so it is judged here.

It shares no code with Postern, and this file none with the other end-to-end tests.
"""
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SINK = os.path.join(ROOT, os.environ.get("POSTERN_BUILD", "build/plain"), "sink")
SECONDS = 20


class Sink:
    """A running sink; what it printed is there after stop()."""

    def __init__(self, *options, address="127.0.0.1:0", transcript=True):
        options += ("--print",) if transcript else ()
        self.process = subprocess.Popen([SINK, "--ready", "--count", *options, address],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        ready = self.process.stdout.readline()
        assert ready.startswith("ready "), ready
        self.address = ready.split()[1]
        self.printed = None

    def stop(self):
        if self.printed is None:
            self.process.terminate()
            self.printed = self.process.communicate(timeout=SECONDS)[0]
            assert self.process.returncode == 0, self.printed
        return self.printed

    def totals(self):
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", self.stop().splitlines()[-1])}

    def violations(self):
        return [line.split(" ! ")[1] for line in self.stop().splitlines() if " ! " in line]


class Client:
    def __init__(self, sink):
        if sink.address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(sink.address[5:])
        else:
            host, port = sink.address.rsplit(":", 1)
            self.socket = socket.create_connection((host.strip("[]"), int(port)))
        self.socket.settimeout(SECONDS)
        self.heard = self.socket.makefile("rb")
        assert self.reply() == ["220 sink.invalid ESMTP"]

    def reply(self):
        lines = []
        while not lines or lines[-1][3:4] == "-":
            line = self.heard.readline()
            assert line.endswith(b"\r\n"), line
            lines.append(line[:-2].decode())
        return lines

    def send(self, octets):
        self.socket.sendall(octets)

    def ask(self, line):
        self.send(line if isinstance(line, bytes) else line.encode() + b"\r\n")
        return self.reply()[-1]

    def code(self, line):
        return self.ask(line)[:3]

    def to_data(self):
        assert self.code("EHLO client.example") == "250"
        assert self.code("MAIL FROM:<a@example.org>") == "250"
        assert self.code("RCPT TO:<b@example.org>") == "250"
        assert self.code("DATA") == "354"

    def is_closed(self):
        return self.heard.read(1) == b""

    def close(self):
        self.heard.close()
        self.socket.close()


@pytest.fixture
def sink():
    """A function that starts one; all end with the test, and well."""
    started = []

    def start(*options, **kwargs):
        started.append(Sink(*options, **kwargs))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def kept(directory):
    new = os.path.join(directory, "new")
    assert os.listdir(os.path.join(directory, "tmp")) == []
    found = []
    for name in sorted(os.listdir(new)):
        with open(os.path.join(new, name), "rb") as f:
            found.append(f.read())
    return found


# What stands in the middle of a message without being its end: octets, and the violations they are. Where all of it is
# content as it stands, `content` is None.
NO_END = [
    (b"\n.\n", {"bare LF"}, None),
    (b"\n.\r", {"bare LF", "bare CR"}, None),
    (b"\r.\n", {"bare LF", "bare CR"}, None),
    (b"\r.\r", {"bare CR"}, None),
    (b"\n.\r\n", {"bare LF"}, None),
    (b"\r\n.\n", {"bare LF", "unstuffed dot"}, b"\r\n\n"),
    (b"\r.\r\n", {"bare CR"}, None),
    (b"\r\n.\r", {"bare CR", "unstuffed dot"}, b"\r\n\r"),
    (b"\r\n.\r\r\n", {"bare CR", "unstuffed dot"}, b"\r\n\r\r\n"),
    (b"\r\r\n.\r\r\n", {"bare CR", "unstuffed dot"}, b"\r\r\n\r\r\n"),
    (b"\n\r.\n\r", {"bare LF", "bare CR"}, None),
    (b"\n\r.\r\n", {"bare LF", "bare CR"}, None),
    (b"\r\n\r.\r\n", {"bare CR"}, None),
    (b"\r\n\n.\r\n", {"bare LF"}, None),
    (b"\r\n\0.\r\n", {"NUL"}, None),
    (b"\r\n.\0\r\n", {"NUL", "unstuffed dot"}, b"\r\n\0\r\n"),
    (b"\r\0\n.\r\0\n", {"NUL", "bare CR", "bare LF"}, None),
    (b"\r\n.\r\0\n", {"NUL", "bare CR", "bare LF", "unstuffed dot"}, b"\r\n\r\0\n"),
    (b"\r\n. \r\n", {"unstuffed dot"}, b"\r\n \r\n"),
    (b"\r\n.\t\r\n", {"unstuffed dot"}, b"\r\n\t\r\n"),
    (b"\r\n .\r\n", set(), None),
    (b"\r\n..\r\n", set(), b"\r\n.\r\n"),
    (b"\r\n...\r\n", set(), b"\r\n..\r\n"),
    (b"\v.\v", set(), None),
    (b"\f.\f", set(), None),
    (b"\x1c.\x1c", set(), None),
    (b"\x85.\x85", set(), None),
    ("\u2028.\u2028".encode(), set(), None),
    (b"\x8d\x8a.\x8d\x8a", set(), None),
    (b"\r\n.\xae\r\n", {"unstuffed dot"}, b"\r\n\xae\r\n"),
    (b"\r\n\x08.\r\n", set(), None),
    ("\r\n\uff0e\r\n".encode(), set(), None),
    (b"\x1a", set(), None),
]


@pytest.mark.parametrize("vector,violations,content", NO_END, ids=[repr(v[0])[2:-1] for v in NO_END])
@pytest.mark.parametrize("cut", ["at once", "octet by octet"])
def test_only_crlf_dot_crlf_ends_a_message(sink, tmp_path, vector, violations, content, cut):
    server = sink("--maildir", str(tmp_path / "box"))
    client = Client(server)
    client.to_data()
    message = b"Subject: x\r\n\r\nbefore" + vector + b"MAIL FROM:<evil@example.org>\r\n"
    pieces = [message + b".\r\n"] if cut == "at once" else [bytes([c]) for c in message + b".\r\n"]
    for piece in pieces:
        client.send(piece)
    assert client.reply()[0].startswith("250 2.0.0 taken")
    assert client.code("QUIT") == "221"
    meant = message.replace(vector, vector if content is None else content)
    assert kept(tmp_path / "box") == [meant]
    assert {v.split(" at ")[0] for v in server.violations()} == violations
    assert server.totals()["messages"] == 1


@pytest.mark.parametrize("first,violations", [(b".\n", {"bare LF", "unstuffed dot"}), (b".\r", {"bare CR", "unstuffed dot"}),
                                              (b"\n.\n", {"bare LF"}), (b"\r.\r\n", {"bare CR"})])
def test_first_octets_are_no_end_either(sink, first, violations):
    server = sink()
    client = Client(server)
    client.to_data()
    client.send(first + b"x\r\n.\r\n")
    assert client.reply()[0].startswith("250")
    assert client.code("NOOP") == "250"
    assert {v.split(" at ")[0] for v in server.violations()} == violations


def test_dot_first_is_an_empty_message(sink, tmp_path):
    server = sink("--maildir", str(tmp_path))
    client = Client(server)
    client.to_data()
    assert client.ask(b".\r\n") == "250 2.0.0 taken, 0 octets"
    assert kept(tmp_path) == [b""]
    assert server.violations() == []


def test_cr_before_the_last_line_end_is_content(sink, tmp_path):
    server = sink("--maildir", str(tmp_path))
    client = Client(server)
    client.to_data()
    assert client.code(b"x\r\r\n.\r\n") == "250"
    assert kept(tmp_path) == [b"x\r\r\n"]
    assert server.violations() == ["bare CR at octet 1 of the message, 1 in all"]


def test_violations_are_placed_and_counted(sink):
    server = sink()
    client = Client(server)
    client.to_data()
    client.send(b"0123456\n89\n")
    client.send(b"bcd\0\r\n.x\r\n.\r\n")
    client.reply()
    assert server.violations() == ["bare LF at octet 7 of the message, 2 in all", "NUL at octet 14 of the message, 1 in all",
                                   "unstuffed dot at octet 17 of the message, 1 in all"]
    assert server.totals()["violations"] == 4


@pytest.mark.parametrize("odd,name,back", [(b"\r", "bare CR", 0), (b"\n", "bare LF", 0), (b"\0", "NUL", 0),
                                           (b"\r\n.x", "unstuffed dot", 2)], ids=["CR", "LF", "NUL", "dot"])
def test_a_violation_is_found_wherever_it_stands(sink, odd, name, back):
    """Ordinary text is passed in blocks: whatever the distance to a block's edge, nothing hides in one."""
    server = sink(transcript=False)
    client = Client(server)
    client.to_data()
    text = b"".join(b"%02d ordinary text of a line\r\n" % i for i in range(10))
    places = [i for i in range(1, len(text)) if text[i - 1:i] != b"\r"]
    for i in places:
        client.send(text[:i] + odd + text[i:] + b".\r\n")
        assert client.reply()[0].startswith("250")
        client.to_data()
    client.close()
    assert server.violations() == [f"{name} at octet {i + back} of the message, 1 in all" for i in places]


def test_a_large_message_arrives_whole(sink, tmp_path):
    server = sink("--maildir", str(tmp_path))
    client = Client(server)
    client.to_data()
    lines = [b"." * (i % 5) + b"x" * (i * 37 % 1200) for i in range(5000)]
    stuffed = b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines)
    client.send(stuffed + b".\r\n")
    assert client.reply()[0].startswith("250")
    assert kept(tmp_path) == [b"".join(line + b"\r\n" for line in lines)]
    assert server.violations() == []
    assert server.totals()["octets"] == len(stuffed) + 3


def test_a_message_broken_off_is_not_kept(sink, tmp_path):
    server = sink("--maildir", str(tmp_path))
    client = Client(server)
    client.to_data()
    client.send(b"half a message\r\n.")
    client.socket.shutdown(socket.SHUT_WR)
    assert client.is_closed()
    assert kept(tmp_path) == []
    totals = server.totals()
    assert (totals["messages"], totals["unfinished"], totals["violations"]) == (0, 1, 0)
    assert " . within a message: closed by the client" in server.printed


def test_what_it_offers(sink):
    client = Client(sink())
    client.send(b"EHLO client.example\r\n")
    assert client.reply() == ["250-sink.invalid", "250-PIPELINING", "250-SIZE", "250-8BITMIME", "250-SMTPUTF8",
                              "250-ENHANCEDSTATUSCODES", "250 DSN"]
    client = Client(sink("--xclient"))
    client.send(b"EHLO [192.0.2.1]\r\n")
    assert client.reply()[-2:] == ["250-DSN", "250 XCLIENT NAME ADDR PROTO HELO PORT LOGIN DESTADDR DESTPORT"]


GOOD_MAIL = ["<>", "<a@b>", "<a.b+c=d@example.org>", '<"a b\\"@"@example.org>', "<a@[192.0.2.1]>", "<a@[IPv6:2001:db8::1]>",
             "<@relay.example,@[192.0.2.1]:a@b>", "<" + "a" * 200 + "@example.org>", "<a@b> SIZE=100",
             "<a@b> SIZE=1 BODY=8BITMIME RET=HDRS ENVID=a+2Bb", "<a@b> body=7bit", "<\u00fc@\u00fc.example> SMTPUTF8"]
BAD_MAIL = [" <a@b>", "a@b", "<a@b", "<a>", "<a@>", "<@b>", "<a@b.>", "<.a@b>", "<a..b@c>", "<a@-b>", "<a@b-.c>", "<a@b_c>",
            "<a b@c>", '<"a@b>', "<a@[1.2.3]>", "<a@[IPv6:::g]>", "<a@b> ", "<a@b>SIZE=1", "<a@b>  SIZE=1", "<a@b> SIZE=",
            "<a@b> SIZE=x", "<a@b> SIZE", "<a@b> SIZE=1 SIZE=1", "<a@b> BODY=BINARYMIME", "<a@b> SMTPUTF8=1",
            "<a@b> ENVID=a=b", "<a@b> ENVID=a+2b", "<a@b> NOTIFY=NEVER", "<a@b> AUTH=<>", "<\u00fc@b>", "<a@b>\0",
            "<a\rRSET@b>", "<a\n@b>"]
GOOD_RCPT = ["<postmaster>", "<PostMaster>", "<a@b>", "<a@b> NOTIFY=NEVER", "<a@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c"]
BAD_RCPT = ["<>", "<root>", "<a@b> NOTIFY=NEVER,DELAY", "<a@b> NOTIFY=", "<a@b> ORCPT=a", "<a@b> ORCPT=;a", "<a@b> SIZE=1",
            "<a@\u00fc.example>"]


def test_paths_and_parameters(sink):
    client = Client(sink())
    client.ask("EHLO client.example")
    answers = {}
    for path in GOOD_MAIL + BAD_MAIL:
        answers[path] = client.code("MAIL FROM:" + path)
        client.ask("RSET")
    client.ask("MAIL FROM:<>")
    for path in GOOD_RCPT + BAD_RCPT:
        answers["to " + path] = client.code("RCPT TO:" + path)
    good = [p for p in GOOD_MAIL if answers[p] != "250"] + [p for p in GOOD_RCPT if answers["to " + p] != "250"]
    bad = [p for p in BAD_MAIL if answers[p][0] != "5"] + [p for p in BAD_RCPT if answers["to " + p][0] != "5"]
    assert (good, bad) == ([], [])


def test_order_of_commands(sink):
    client = Client(sink())
    said = ["MAIL FROM:<>", "EHLO", "EHLO a_b", "EHLO a b", "HELO x.example", "MAIL FROM:<> SIZE=1", "RCPT TO:<a@b>", "DATA",
            "MAIL FROM:<>", "MAIL FROM:<>", "DATA", "RCPT TO:<a@b>", "DATA now", "RSET now", "RSET", "DATA", "VRFY a",
            "EXPN a", "HELP", "NOOP x", "STARTTLS", "AUTH PLAIN", "BDAT 1", "XCLIENT ADDR=192.0.2.1", "BLURB", "", "QUIT x"]
    assert [client.code(line) for line in said] == [
        "503", "501", "501", "501", "250", "555", "503", "503",
        "250", "503", "503", "250", "501", "501", "250", "503", "252",
        "502", "214", "250", "502", "502", "502", "550", "500", "500", "501"]
    assert client.code("quit") == "221"
    assert client.is_closed()


def test_command_lines_end_with_crlf_alone(sink):
    server = sink()
    client = Client(server)
    client.ask("EHLO client.example")
    assert client.code(b"NOOP\nMAIL FROM:<evil@example.org>\r\n") == "500"
    assert client.code(b"NOOP\rMAIL FROM:<evil@example.org>\r\n") == "500"
    assert client.code(b"RCPT TO:<a@b>\r\n") == "503"
    assert server.violations() == ["CR, LF or NUL within a command line"] * 2


def test_a_long_command_line_is_one_refusal(sink):
    client = Client(sink())
    assert client.code(b"NOOP " + b"x" * 4089 + b"\r\n") == "250"
    assert client.code(b"NOOP " + b"x" * 4090 + b"\r\n") == "500"
    assert client.code(b"NOOP " + b"x" * 300000 + b"\r\n") == "500"
    assert client.code("NOOP") == "250"


def test_pipelining(sink, tmp_path):
    server = sink("--maildir", str(tmp_path))
    client = Client(server)
    client.ask("EHLO client.example")
    group = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<>\r\nRCPT TO:<e@f>\r\nDATA\r\n"
    client.send(group)
    assert [client.reply()[0][:3] for _ in range(5)] == ["250", "250", "501", "250", "354"]
    client.send(b"one\r\n.\r\n" + group)
    assert [client.reply()[0][:3] for _ in range(6)] == ["250", "250", "250", "501", "250", "354"]
    client.send(b"two\r\n.\r\nQUIT\r\n")
    assert [client.reply()[0][:3] for _ in range(2)] == ["250", "221"]
    assert client.is_closed()
    assert kept(tmp_path) == [b"one\r\n", b"two\r\n"]
    assert server.violations() == []
    assert server.totals()["recipients"] == 4


def test_a_flood_of_commands_is_answered_in_full(sink):
    """Replies are longer than what asks for them: the sink must neither deadlock nor lose one."""
    client = Client(sink(transcript=False))
    sender = threading.Thread(target=client.send, args=(b"RSET\r\n" * 200000,))
    sender.start()
    replies = b"250 2.0.0 reset\r\n" * 200000
    assert client.heard.read(len(replies)) == replies
    sender.join()


@pytest.mark.parametrize("first", ["EHLO client.example", "HELO client.example", "DATA", "NOOP", "VRFY x"])
def test_going_on_too_early_is_a_violation(sink, first):
    server = sink()
    client = Client(server)
    if first == "DATA":
        client.ask("EHLO client.example")
        client.ask("MAIL FROM:<>")
        client.ask("RCPT TO:<a@b>")
    client.send(first.encode() + b"\r\nRSET\r\n.\r\n")
    client.reply()
    client.reply()
    assert server.violations() == [f"input behind {first.split()[0]} before its reply"]


def test_xclient_begins_anew(sink):
    server = sink("--xclient")
    client = Client(server)
    client.ask("EHLO proxy.example")
    assert client.ask("XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=1234 LOGIN=[UNAVAILABLE]"
                      " DESTADDR=192.0.2.9 DESTPORT=25") == "220 sink.invalid ESMTP"
    assert client.code("MAIL FROM:<>") == "503"
    client.send(b"EHLO client.example\r\n")
    assert "XCLIENT" not in " ".join(client.reply())
    assert client.code("XCLIENT ADDR=192.0.2.1") == "550"
    assert client.code("MAIL FROM:<>") == "250"


@pytest.mark.parametrize("attributes", ["", " ", " ADDR", " ADDR=", " ADDR=2001:db8::1", " ADDR=[192.0.2.1]", " ADDR=192.0.2",
                                        " ADDR=IPV6:192.0.2.1", " NAME=a b", " NAME=a/b", " PORT=x", " PORT=123456",
                                        " PROTO=LMTP", " LOGIN=a=b", " LOGIN=a+2b", " HELO=" + "x" * 256, " REVERSE_NAME=a",
                                        "  ADDR=192.0.2.1", " ADDR=192.0.2.1 "])
def test_xclient_is_severe(sink, attributes):
    client = Client(sink("--xclient"))
    client.ask("EHLO proxy.example")
    assert client.code("XCLIENT" + attributes) == "501"
    assert client.code("XCLIENT name=mx_1.example.org addr=192.0.2.1") == "220"


def test_xclient_not_in_a_transaction(sink):
    client = Client(sink("--xclient"))
    client.ask("EHLO proxy.example")
    client.ask("MAIL FROM:<>")
    assert client.code("XCLIENT ADDR=192.0.2.1") == "503"


def test_transcript(sink):
    server = sink()
    client = Client(server)
    client.ask("EHLO client.example")
    client.ask(b"NOOP \xff\\\r\n")
    client.to_data()
    client.ask(b"x\r\n.\r\n")
    client.ask("QUIT")
    lines = server.stop().splitlines()
    assert lines[:2] == ["1 . connected", "1 < 220 sink.invalid ESMTP"]
    assert "1 > EHLO client.example" in lines
    assert "1 < 250 DSN" in lines
    assert r"1 > NOOP \xff\x5c" in lines
    assert lines[-7:-1] == ["1 < 354 end with CRLF.CRLF", "1 . message of 3 octets", "1 < 250 2.0.0 taken, 3 octets",
                            "1 > QUIT", "1 < 221 2.0.0 bye", "1 . closed by the sink"]


def test_raw_is_every_octet(sink, tmp_path):
    said = b"EHLO a\r\n\0\xff\r\nQUIT\r\n"
    raw = tmp_path / "raw"
    raw.write_bytes(b"there before|")
    server = sink("--raw", str(raw))
    client = Client(server)
    client.send(said)
    assert client.heard.read().endswith(b"221 2.0.0 bye\r\n")
    assert raw.read_bytes() == b"there before|" + said


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:"])
def test_addresses(sink, tmp_path, address):
    if address.startswith("["):
        assert os.path.exists("/proc/net/if_inet6"), "this machine has no IPv6"
    path = str(tmp_path / "socket")
    server = sink(address=address + path if address == "unix:" else address)
    assert Client(server).code("QUIT") == "221"
    assert server.stop()
    assert not os.path.exists(path)


def test_an_address_in_use_is_an_error(sink):
    again = subprocess.run([SINK, sink().address], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert again.returncode == 1
    assert "Address already in use" in again.stderr


@pytest.mark.parametrize("arguments", [[], ["--nothing", "127.0.0.1:0"], ["127.0.0.1:0", "x"], ["--processes", "0", "127.0.0.1:0"],
                                       ["--maildir", "x", "--discard", "127.0.0.1:0"]])
def test_usage(arguments):
    done = subprocess.run([SINK, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert done.stderr.count("usage: sink") == 1


def test_many_connections_and_several_processes(sink):
    server = sink("--processes", "3")
    clients = [Client(server) for _ in range(300)]
    for client in clients:
        assert client.code("EHLO client.example") == "250"
    for client in clients:
        client.close()
    assert {line.split()[0] for line in server.stop().splitlines()[:-1]} == {str(n) for n in range(1, 301)}
    assert server.totals()["connections"] == 300


def test_leaves_with_connections_open(sink):
    server = sink("--processes", "2")
    client = Client(server)
    client.to_data()
    server.stop()
    assert client.is_closed()
    assert server.totals()["unfinished"] == 1


def test_messages_are_counted_by_who_sent_them_and_nobody_is_nobody(sink):
    server = sink("--nobody", "--mark", "bot", "--mark", "legit", "--processes", "2")
    for sender in ("bot@example.org", "BOT.2@example.org", "legit@example.org", "other@example.org", ""):
        client = Client(server)
        client.ask("EHLO client.example")
        assert client.code(f"MAIL FROM:<{sender}>") == "250"
        assert client.ask("RCPT TO:<Nobody1@example.org>") == "550 5.1.1 there is nobody of that name"
        assert client.code("DATA") == "503"
        assert client.code("RCPT TO:<b@example.org>") == "250"
        assert (client.code("DATA"), client.code("Hello\r\n.")) == ("354", "250")
        client.close()
    totals = server.totals()
    assert (totals["messages"], totals["bot"], totals["legit"], totals["recipients"]) == (5, 2, 1, 5)


def test_everybody_exists_unless_that_was_asked_for(sink):
    server = sink()
    client = Client(server)
    client.ask("EHLO client.example")
    client.ask("MAIL FROM:<a@example.org>")
    assert client.code("RCPT TO:<nobody@example.org>") == "250"
    client.close()


def test_totals_so_far_and_the_peak_of_connections(sink):
    """The peak begins anew when it was said."""
    def ask():
        server.process.send_signal(signal.SIGUSR1)
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", server.process.stdout.readline())}

    server = sink("--processes", "2", transcript=False)
    crowd = [Client(server) for _ in range(5)]
    for client in crowd[1:]:
        assert client.code("QUIT") == "221" and client.is_closed()
    said = ask()
    assert (said["connections"], said["open"], said["peak"]) == (5, 1, 5)
    crowd.append(Client(server))
    assert ask()["peak"] == 2
    assert crowd[0].code("NOOP") == "250"
    for client in crowd:
        client.close()
