# SPDX-License-Identifier: ISC
"""What Postern makes of what DNS says: workers/dns, dns_answer and lookups, by dns-ask, before a name server that
answers as none should, and before real ones. Each row of hostile_names ends in the right status, in the session's way of asking
and in the housekeeper's."""
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

import hostile_dns as hostile
import name_server as name_servers
from dns_ask import AT_ONCE, IN_TURN, LOOP, Asked
from dns_wire import FORMERR, REFUSED, SERVFAIL
from hostile_names import NAMES, SLOW_LISTS

FOUND, NO_DATA, NO_NAME, NO_ANSWER = "found", "no data", "no such name", "no answer"
GOOD = ["192.0.2.1"]
WAYS = {"session": AT_ONCE, "housekeeper": LOOP}
BATCH = 60  # a session asks no more than 80
TRY_MS, PATIENT_MS, DEADLINE_MS = 200, 5000, 10000
TEXT_X, TEXT_Y, MANY = "x" * 250, "y" * 250, 64


def text_of(octets):
    """As dns-ask prints it."""
    return "".join(chr(c) if 0x20 < c < 0x7f and c != 0x5c else f"\\x{c:02x}" for c in octets)


# name: (type, status, records). Over UDP all of them are asked at once.
UDP = {
    "good": ("A", FOUND, GOOD),
    "both": ("A", FOUND, ["192.0.2.1", "192.0.2.2"]),
    "nodata": ("A", NO_DATA, []),
    "is-not-there": ("A", NO_NAME, []),
    "mx": ("MX", FOUND, ["10 a.test", "20 b.test"]),
    "null-mx": ("MX", FOUND, ["0 "]),
    "ptr": ("PTR", FOUND, ["mail.example.test"]),
    "txt": ("TXT", FOUND, [text_of(b"v=spf1 -all")]),
    "aaaa": ("AAAA", FOUND, ["2001:db8::1"]),
    "under_score": ("A", FOUND, GOOD),
    "silent": ("A", NO_ANSWER, []),
    "servfail": ("A", NO_ANSWER, []), "refused": ("A", NO_ANSWER, []), "notimp": ("A", NO_ANSWER, []),
    "rcode15": ("A", NO_ANSWER, []), "rcode6-and-address": ("A", NO_ANSWER, []),
    "nxdomain-and-address": ("A", NO_NAME, []),
    "once-silent": ("A", FOUND, GOOD),
    "once-servfail": ("A", FOUND, GOOD),
    "late": ("A", FOUND, GOOD),
    "wrong-id": ("A", NO_ANSWER, []),
    "wrong-id-first": ("A", FOUND, GOOD),
    "wrong-question": ("A", NO_ANSWER, []),
    "wrong-question-first": ("A", FOUND, GOOD),
    "wrong-type-of-question": ("A", NO_ANSWER, []),
    "elsewhere": ("A", NO_ANSWER, []),
    "elsewhere-first": ("A", FOUND, GOOD),
    "twice": ("A", FOUND, GOOD), "twice-unlike": ("A", FOUND, GOOD), "hundred": ("A", FOUND, GOOD),
    "no-question": ("A", NO_ANSWER, []),
    "echo": ("A", NO_ANSWER, []),
    "empty": ("A", NO_ANSWER, []), "short": ("A", NO_ANSWER, []), "cut-off": ("A", NO_ANSWER, []),
    "behind": ("A", FOUND, GOOD),
    "counts-too-many": ("A", NO_ANSWER, []),
    "counts-too-few": ("A", FOUND, GOOD),
    "size-too-large": ("A", NO_ANSWER, []),
    "noise": ("A", NO_ANSWER, []),
    "owner-loop": ("A", NO_ANSWER, []),
    "ptr-loop": ("PTR", NO_ANSWER, []),
    "mx-loop": ("MX", NO_ANSWER, []),
    "cname-pointer-loop": ("A", NO_ANSWER, []),
    "two-pointers": ("PTR", NO_ANSWER, []), "many-pointers": ("PTR", NO_ANSWER, []),
    "pointer-beyond": ("PTR", NO_ANSWER, []),
    "pointer-ahead": ("PTR", NO_ANSWER, []),
    "pointer-cut": ("PTR", NO_ANSWER, []),
    "reserved-label": ("PTR", NO_ANSWER, []),
    "long-name": ("PTR", NO_DATA, []),
    "cname": ("A", FOUND, GOOD), "cname-chain": ("A", FOUND, GOOD),
    "cname-alone": ("A", NO_DATA, []), "cname-self": ("A", NO_DATA, []), "cname-loop": ("A", NO_DATA, []),
    "cname-loop-and-address": ("A", FOUND, GOOD),
    "cname-bad": ("A", FOUND, GOOD),
    "cname-ptr": ("PTR", FOUND, ["mail.example.test"]),
    "cname-txt": ("TXT", FOUND, [text_of(b"v=spf1 -all")]),
    "cname-mx": ("MX", FOUND, ["10 a.test"]),
    "other-owner": ("A", NO_DATA, []), "other-owner-txt": ("TXT", NO_DATA, []), "other-owner-mx": ("MX", NO_DATA, []),
    "other-owner-ptr": ("PTR", NO_DATA, []),
    "other-type": ("A", NO_DATA, []),
    "other-type-too": ("A", FOUND, GOOD),
    "other-class": ("A", NO_DATA, []),
    "a-of-3": ("A", NO_DATA, []), "a-of-16": ("A", NO_DATA, []), "a-of-0": ("A", NO_DATA, []),
    "aaaa-of-4": ("AAAA", NO_DATA, []),
    "mx-of-1": ("MX", NO_ANSWER, []), "mx-of-2": ("MX", NO_ANSWER, []), "ptr-of-0": ("PTR", NO_ANSWER, []),
    **{f"ptr-{word}": ("PTR", NO_DATA, []) for word in (
        "cr-lf", "nul", "blank", "quote", "eight-bit", "dot", "backslash", "star", "tab", "bracket", "at", "equals",
        "esc", "del", "root")},
    "ptr-mixed": ("PTR", FOUND, ["good.example.test"]),
    "mx-cr-lf": ("MX", NO_DATA, []), "mx-nul": ("MX", NO_DATA, []),
    "mx-mixed": ("MX", FOUND, ["10 a.test"]),
    "txt-cr-lf-nul": ("TXT", FOUND, [text_of(b"v=spf1\r\n\0")]),
    "txt-eight-bit": ("TXT", FOUND, [text_of(b"\xff\xfe\x80\x01")]),
    "txt-beyond": ("TXT", NO_ANSWER, []),
    "txt-no-strings": ("TXT", NO_DATA, []),
    "txt-empty": ("TXT", FOUND, [""]),
}
# These spoil the connection, or the channel, for others: each in a process of its own.
ALONE = {
    "formerr": ("A", NO_ANSWER, []),
    "cut": ("A", FOUND, ["192.0.2.1", "192.0.2.2"]),
    "cut-with-records": ("A", FOUND, GOOD),
    "cut-again": ("A", NO_ANSWER, []),
    "cut-closes": ("A", NO_ANSWER, []), "cut-silent": ("A", NO_ANSWER, []), "cut-servfail": ("A", NO_ANSWER, []),
    "trickle": ("A", FOUND, GOOD),
    "trickle-for-ever": ("A", NO_ANSWER, []), "trickle-stops": ("A", NO_ANSWER, []),
    "tcp-short": ("A", NO_ANSWER, []), "tcp-empty": ("A", NO_ANSWER, []),
    "large": ("TXT", FOUND, [TEXT_Y] * MANY),
    "many": ("A", FOUND, [f"192.0.2.{number}" for number in range(1, MANY + 1)]),
    "many-txt": ("TXT", FOUND, [TEXT_X] * MANY),
    "many-mx": ("MX", FOUND, None),
    "cname-chain-long": ("A", FOUND, GOOD),
    "txt-of-4096": ("TXT", FOUND, ["z" * 4096]),
    "txt-of-4097": ("TXT", FOUND, ["short"]),
    "txt-empty-strings": ("TXT", FOUND, [""]),
}
ROWS = {**UDP, **ALONE}
CUT = {"large", "many", "many-txt", "many-mx", "txt-of-4097"}  # there was more than is given
IN_VAIN = {"cut-silent", "trickle-for-ever", "trickle-stops", "tcp-short"}  # their only try has to end


@pytest.fixture(scope="module")
def stub():
    server = hostile.HostileDns(NAMES)
    yield server
    server.stop()


def full(name):
    return f"{name}.hostile.test"


def batches():
    """(names, ms for a try): those of UDP together, all others alone."""
    names = list(UDP)
    yield from ((names[at:at + BATCH], TRY_MS) for at in range(0, len(names), BATCH))
    yield from (([name], TRY_MS if name in IN_VAIN else PATIENT_MS) for name in ALONE)


@pytest.fixture(scope="module", params=WAYS)
def answers(request, stub):
    """What came for each row, by its full name."""
    def ask(batch):
        names, try_ms = batch
        questions = [(ROWS[name][0], full(name)) for name in names]
        return Asked(stub.address, questions, WAYS[request.param], try_ms=try_ms, deadline=DEADLINE_MS).of

    with ThreadPoolExecutor(4) as pool:  # which mostly wait
        return {name: answer for of in pool.map(ask, batches()) for name, answer in of.items()}


@pytest.mark.parametrize("name", ROWS)
def test_what_a_hostile_answer_is(answers, name):
    kind, status, records = ROWS[name]
    answer = answers[full(name)]
    assert (answer.kind, answer.status) == (kind, status), answer
    assert records is None or answer.records == records, answer
    assert answer.cut == (name in CUT), answer
    assert not answer.late or status == NO_ANSWER, answer


def test_all_rows_are_judged():
    assert {full(name) for name in ROWS} >= {name for name in NAMES if not re.match(r"slow\d", name)}


def test_nothing_but_names_comes_out(answers):
    found = [record.split(" ")[-1] for answer in answers.values() if answer.kind in ("MX", "PTR")
             for record in answer.records]
    assert len(found) > 60
    assert [name for name in found if not re.fullmatch(r"[a-z0-9_.-]*", name)] == []


def test_more_than_is_given(answers):
    """Of the mail exchangers those with the best preference are not sure to be among them: `cut` says so."""
    records = answers[full("many-mx")].records
    numbers = [int(record.split()[0]) for record in records]
    assert len(numbers) == MANY and numbers == sorted(numbers)


# -- time

def silent_names(count):
    return [("A", f"n{number}.silent.test") for number in range(count)]


@pytest.mark.parametrize("way", [AT_ONCE, IN_TURN])
def test_one_deadline_for_all(hostile_dns, way):
    """Not one for each name: thirty that say nothing take 0.6 s, not 18."""
    server = hostile_dns({"*.silent.test": hostile.silent()})
    asked = Asked(server.address, silent_names(30), way, deadline=600)
    assert asked.statuses() == {NO_ANSWER} and all(answer.late for answer in asked.of.values())
    assert 600 <= asked.waited < 3000 and asked.ms < 5000, asked.said


def test_a_deadline_for_what_trickles(stub):
    asked = Asked(stub.address, [("A", full("trickle-for-ever"))], try_ms=5000, deadline=400)
    answer, = asked.of.values()
    assert answer.status == NO_ANSWER and answer.late and asked.waited < 2500, asked.said


def test_lists_are_asked_side_by_side(stub):
    """Twenty of them, in 0 to 190 ms: together what the slowest takes, far from the 1900 ms of their sum."""
    names = [("A", full(f"slow{number}")) for number in range(SLOW_LISTS)]
    asked = Asked(stub.address, names, deadline=DEADLINE_MS)
    assert asked.statuses() == {FOUND}
    assert [answer.records for answer in asked.of.values()] == [[f"127.0.0.{n + 2}"] for n in range(SLOW_LISTS)]
    assert 180 <= asked.waited < 950, asked.said


def test_what_comes_late_is_nobodys(hostile_dns):
    """An answer that arrives in the next session, which asks the same, is not taken there."""
    server = hostile_dns({"late.test": hostile.by_turns(hostile.after(0.3, hostile.answers("A 192.0.2.66")),
                                                        hostile.after(0.3, hostile.answers("A 192.0.2.1")))})
    asked = Asked(server.address, [("A", "late.test")], rounds=2, deadline=200)
    assert asked.statuses() == {NO_ANSWER}, asked.said
    assert server.times_asked("late.test") == 2


def test_who_answers_others_is_not_dead(hostile_dns):
    """Names whose servers are silent say nothing of the resolver, and the next session's patience is whole."""
    server = hostile_dns({"*.silent.test": hostile.silent(),
                          "slow.test": hostile.by_turns(hostile.answers("A 192.0.2.1"),
                                                        hostile.after(1.2, hostile.answers("A 192.0.2.1")))})
    asked = Asked(server.address, [("A", "slow.test"), *silent_names(2)], try_ms=5000, rounds=2, deadline=1500)
    assert asked.of["slow.test"].records == GOOD, asked.said


# -- servers

def ports_of(hostile_dns, host):
    """Those that five sessions asked from, two questions each, one after the other."""
    seen = []

    async def tell(query):
        seen.append(query.peer[1])
        await hostile.answers("A 192.0.2.1")(query)

    server = hostile_dns({"a.test": tell, "b.test": tell}, host=host)
    asked = Asked(server.address, [("A", "a.test"), ("A", "b.test")], IN_TURN, rounds=5)
    assert asked.statuses() == {FOUND} and len(seen) == 10, asked.said
    return set(seen)


def test_a_resolver_on_this_machine_is_asked_from_one_port(hostile_dns):
    """Nobody else can say anything to it; and a socket for each question costs as much as the question."""
    assert len(ports_of(hostile_dns, "127.0.0.1")) == 1


# In a network of its own, which has an address beside those of loopback.
ELSEWHERE = ("ip link set lo up && ip addr add 198.18.0.1/32 dev lo && exec /usr/bin/python3 -B -c 'import test_dns; "
             "print(len(test_dns.ports_of(test_dns.hostile.HostileDns, \"198.18.0.1\")))'")


def test_one_elsewhere_from_a_new_port_each_time():
    """Whoever would forge its answers has to guess it."""
    done = subprocess.run(["unshare", "--net", "sh", "-c", ELSEWHERE], cwd=os.path.dirname(os.path.abspath(__file__)),
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and int(done.stdout) > 5, done


def test_nobody_listens():
    """Soon known: there is nothing to wait for."""
    address = "127.0.0.1", name_servers.free_dns_port()
    asked = Asked(address, silent_names(5), deadline=5000)
    assert asked.statuses() == {NO_ANSWER} and asked.waited < 2500, asked.said


def test_nobody_listens_for_tcp(hostile_dns):
    server = hostile_dns(NAMES, tcp=False)
    asked = Asked(server.address, [("A", full("cut")), ("A", full("late"))], deadline=5000)
    assert asked.of[full("cut")].status == NO_ANSWER and asked.of[full("late")].records == GOOD, asked.said
    assert asked.waited < 2500, asked.said


def test_tcp_that_ends_is_nobody_elses_trouble(stub):
    asked = Asked(stub.address, [("A", full("cut-closes")), ("A", full("late"))], deadline=5000)
    assert asked.of[full("cut-closes")].status == NO_ANSWER and asked.of[full("late")].records == GOOD, asked.said


@pytest.mark.parametrize("first", ["dead", "silent", "servfail", "refused"])
def test_the_next_server_is_asked(hostile_dns, first):
    """Where the first one cannot be had, or will not say."""
    how = {"silent": hostile.silent(), "servfail": hostile.fails(SERVFAIL), "refused": hostile.fails(REFUSED)}
    dead = "127.0.0.1", name_servers.free_dns_port()
    bad = dead if first == "dead" else hostile_dns({"a.test": how[first]}).address
    good = hostile_dns({"a.test": hostile.answers("A 192.0.2.1")})
    asked = Asked([bad, good.address], [("A", "a.test")], try_ms=200, deadline=5000)
    assert asked.of["a.test"].records == GOOD, asked.said


def test_a_server_without_edns_is_asked_on(hostile_dns):
    """FORMERR is what old ones say to it."""
    server = hostile_dns({"a.test": hostile.by_turns(hostile.fails(FORMERR), hostile.answers("A 192.0.2.1")),
                          "b.test": hostile.answers("A 192.0.2.1"),
                          "c.test": hostile.cut(hostile.answers("A 192.0.2.1"))})
    asked = Asked(server.address, [("A", f"{name}.test") for name in "abc"], IN_TURN, deadline=5000)
    assert [answer.records for answer in asked.of.values()] == [GOOD] * 3, asked.said


# -- what is asked

def test_what_is_no_name_is_not_asked(hostile_dns):
    server = hostile_dns({})
    names = ["a..test", ".test", "a\tb.test", "a\\b.test", "a\r\nb.test", "\xe4.test", "x" * 64 + ".test", "a." * 127 + "b"]
    for name in names:
        assert Asked(server.address, [("A", name)]).statuses() == {NO_NAME}, name
    assert server.asked == []


def test_the_same_question_is_asked_once(hostile_dns):
    server = hostile_dns({"a.test": hostile.answers("A 192.0.2.1")})
    asked = Asked(server.address, [("A", "a.test"), ("A", "a.test"), ("A", "A.TEST"), ("MX", "a.test")])
    assert asked.of["A.TEST"].records == GOOD
    assert sorted(server.asked) == [("a.test", "A", "udp"), ("a.test", "MX", "udp")]


def test_more_than_fits(hostile_dns):
    """A session keeps a certain amount: what does not fit is no answer, and costs nobody else his."""
    server = hostile_dns({"*.large.test": hostile.cut(hostile.answers("TXT " + "z" * 4000)),
                          "*.few.test": hostile.answers("A 192.0.2.1")})
    questions = [("TXT", f"n{n}.large.test") for n in range(12)] + [("A", f"n{n}.few.test") for n in range(90)]
    asked = Asked(server.address, questions, IN_TURN, deadline=5000)
    large = [answer.status for name, answer in asked.of.items() if "large" in name]
    assert 3 <= large.count(FOUND) < 12 and set(large) == {FOUND, NO_ANSWER}, asked.said
    whole = [answer for name, answer in asked.of.items() if "large" in name and answer.status == FOUND]
    assert all(answer.records == ["z" * 4000] for answer in whole)
    assert asked.of["n89.few.test"].status == NO_ANSWER


# -- what is left behind

@pytest.mark.parametrize("way", [AT_ONCE, LOOP])
def test_nothing_is_left_open(hostile_dns, way):
    """Of fifty sessions, each of which ends with open questions, over UDP and TCP: what is kept are the epoll
    and, since the name server is on this machine, the socket to ask it by UDP."""
    server = hostile_dns({**NAMES, "*.silent.test": hostile.silent()})
    names = [("A", full(name)) for name in ("good", "cut", "noise", "cut-closes", "hundred", "cut-silent")]
    asked = Asked(server.address, names + silent_names(10), way, deadline=20, rounds=50)
    before, during, after = asked.descriptors
    assert (during, after) == (before + 2, before), asked.said


# -- real name servers

ZONES = {
    "mail.example.test": ["A 192.0.2.7", "A 192.0.2.8", "MX 20 b.example.test.", "MX 10 a.example.test.",
                          'TXT "v=spf1 " "-all"'],
    "seven.example.test": ["AAAA 2001:db8::7"],
    "alias.example.test": ["CNAME mail.example.test."],
    "null.example.test": ["MX 0 ."],
    name_servers.reverse_name("192.0.2.7"): ["PTR Mail.example.test."],
    "large.example.test": [f'TXT "{n:03}{"x" * 200}"' for n in range(40)],
    "odd.example.test": [r"PTR a\010b.example.test.", r"PTR fine.example.test."],
}
REAL = {
    "mail.example.test": ("A", FOUND, ["192.0.2.7", "192.0.2.8"]),
    "alias.example.test": ("MX", FOUND, ["10 a.example.test", "20 b.example.test"]),
    "seven.example.test": ("AAAA", FOUND, ["2001:db8::7"]),
    "null.example.test": ("MX", FOUND, ["0 "]),
    name_servers.reverse_name("192.0.2.7"): ("PTR", FOUND, ["mail.example.test"]),
    "large.example.test": ("TXT", FOUND, sorted(f'{n:03}{"x" * 200}' for n in range(40))),
    "odd.example.test": ("PTR", FOUND, ["fine.example.test"]),
    "gone.example.test": ("A", NO_NAME, []),
    name_servers.reverse_name("192.0.2.9"): ("PTR", NO_NAME, []),
    "example.test": ("A", NO_DATA, []),
    "any.dead.test": ("A", NO_ANSWER, []),
}


def test_nsd_and_unbound(name_server, caching_resolver):
    server = name_server(ZONES, broken=["dead.test"])
    resolver = caching_resolver(server)
    for address in (server.address, resolver.address, resolver.address):  # the last time from its cache
        asked = Asked(address, [(kind, name) for name, (kind, _, _) in REAL.items()], deadline=5000)
        assert {name: (answer.kind, answer.status, answer.records if answer.kind == "MX" else sorted(answer.records))
                for name, answer in asked.of.items()} == REAL
