# SPDX-License-Identifier: ISC
"""SPF as the daemon evaluates it (workers/spf), with a DNS of the test's: the suite for RFC 7208, and what only an
attacker writes. tests/spf/suite.c is between the two.

The suite is no part of Postern. It is looked for in $POSTERN_SPF_SUITE, then in ../shared/data/rfc7208-tests.yml beside
the project. Its explanations are not compared: Postern never uses exp=.
"""
import ipaddress
import os
import subprocess

import pytest
import yaml

import hostile_dns as hostile
from smtp_client import Client

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONTENT = b"From: ann@a.test\r\nMessage-ID: <1@a.test>\r\n\r\nhello\r\n"
PROGRAM = os.path.join(TOP, os.environ.get("POSTERN_BUILD", "build/plain"), "spf-suite")
SUITE = os.environ.get("POSTERN_SPF_SUITE") or os.path.join(TOP, "../shared/data/rfc7208-tests.yml")
CASES = 203
TYPES = ("A", "AAAA", "MX", "PTR", "TXT")


def hexed(value):
    data = value if isinstance(value, bytes) else value.encode("latin-1")
    return data.hex() or "-"


class Evaluator:
    """The program, one check after the other."""

    def __init__(self):
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, lines):
        self.process.stdin.write("clear\n" + "".join(f"{line}\n" for line in lines))

    def check(self, address, helo, sender):
        """(result, questions, why)"""
        self.process.stdin.write(f"check {address} {hexed(helo)} {hexed(sender)}\n")
        self.process.stdin.flush()
        result, questions, why = self.process.stdout.readline().rstrip("\n").split(" ", 2)
        return result, int(questions), why

    def close(self):
        """What sanitizers find shows in the exit status."""
        self.process.stdin.close()
        assert self.process.wait(30) == 0


@pytest.fixture(name="evaluator")
def fixture_evaluator():
    evaluator = Evaluator()
    yield evaluator
    evaluator.close()


def txt(name, text):
    return f"record {hexed(name)} TXT {hexed(text)}"


# -- the suite's zones --

class Zone:
    """zonedata of a scenario: entries by type, TIMEOUT for what is not there, and aliases."""

    def __init__(self, data):
        self.names = {}
        for name, entries in data.items():
            self.names.setdefault(name.lower(), []).extend(entries)

    def aliased(self, name):
        """Where its aliases end; None: nowhere."""
        for _ in range(8):
            alias = [e["CNAME"] for e in self.names.get(name, ()) if isinstance(e, dict) and "CNAME" in e]
            if not alias:
                return name
            name = alias[0].lower().rstrip(".")
        return None

    def values(self, name, kind):
        entries = [e for e in self.names.get(name, ()) if isinstance(e, dict)]
        values = [e[kind] for e in entries if kind in e]
        if kind == "TXT" and not values:  # a suite for both types of record says it once
            values = [e["SPF"] for e in entries if "SPF" in e]
        return [value for value in values if value != "NONE"]

    def lines(self):
        for name in self.names:
            yield f"there {hexed(name)}"
            owner = self.aliased(name)
            for kind in TYPES:
                values = self.values(owner, kind) if owner is not None else []
                if owner is None or (not values and "TIMEOUT" in self.names.get(owner, ())):
                    yield f"fails {hexed(name)} {kind}"
                for value in values:
                    yield f"record {hexed(name)} {kind} {hexed(self.data(kind, value))}"

    @staticmethod
    def data(kind, value):
        if kind in ("A", "AAAA"):
            return str(ipaddress.ip_address(value))
        if kind == "TXT":
            return value if isinstance(value, str) else "".join(value)
        return (value[1] if kind == "MX" else value).rstrip(".")


def suite_cases():
    with open(SUITE, encoding="utf-8") as file:
        for scenario in yaml.safe_load_all(file):
            lines = list(Zone(scenario["zonedata"]).lines())
            for name, case in scenario["tests"].items():
                wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
                yield name, lines, case, wanted


@pytest.mark.skipif(not os.path.exists(SUITE), reason=f"the suite for RFC 7208 is not there: {os.path.normpath(SUITE)}")
def test_the_suite_for_rfc_7208_holds(evaluator):
    count, wrong = 0, []
    for name, lines, case, wanted in suite_cases():
        evaluator.tell(lines)
        result, _, why = evaluator.check(case["host"], case["helo"], case["mailfrom"])
        count += 1
        if result not in wanted:
            wrong.append(f"{name}: {result} ({why}), wanted {' or '.join(wanted)}")
    print(f"{count - len(wrong)} of {count} cases")
    assert not wrong, "\n".join(wrong)
    assert count == CASES


# -- what only an attacker writes --

def test_a_tree_of_includes_is_left_at_ten(evaluator):
    def tree(name, depth):
        children = [f"{n}.{name}" for n in "0123456789"] if depth else []
        yield txt(name, "v=spf1 " + "".join(f"include:{child} " for child in children) + "-all")
        for child in children[:1]:
            yield from tree(child, depth - 1)

    evaluator.tell(list(tree("tree.example", 5)) + [txt(f"{n}.{'0.' * d}tree.example", "v=spf1 ?all")
                                                     for n in range(1, 10) for d in range(5)])
    result, questions, why = evaluator.check("192.0.2.1", "h.example", "a@tree.example")
    assert (result, questions) == ("permerror", 11), why


@pytest.mark.parametrize("record", [
    "v=spf1 a:" + "%{d}" * 127 + "x" * 120 + ".example -all",
    "v=spf1 a:" + "%{d}a" * 96 + ".example -all",
    "v=spf1 exists:" + "%{d}" * 127 + " -all",
    "v=spf1 redirect=" + "%{d}" * 127 + "x" * 300,
    "v=spf1 a:" + "x" * 3500 + ".example -all",
    "v=spf1 exp=" + "%{d}" * 127 + "x" * 120 + ".example -all",
])
def test_what_breaks_libspf2_does_not_get_there(evaluator, record):
    evaluator.tell([txt("bad.example", record)])
    result, questions, why = evaluator.check("192.0.2.1", "h.example", "a@bad.example")
    assert (result, questions) == ("permerror", 1), why


def test_an_explanation_is_never_looked_at(evaluator):
    evaluator.tell([txt("bad.example", "v=spf1 -all exp=why.example"),
                    txt("why.example", "%{d}" * 127 + "x" * 120)])
    assert evaluator.check("192.0.2.1", "h.example", "a@bad.example")[:2] == ("fail", 1)


def test_no_term_is_lost_in_a_long_record(evaluator):
    many = "".join(f" ip4:192.0.2.{n}" for n in range(250))
    asking = "".join(f" a:host-{n}.a-name-that-is-quite-long.and-has-many-labels.in-its.example" for n in range(9))
    evaluator.tell([txt("many.example", f"v=spf1{many} ip6:2001:db8::/32 -all"),
                    txt("asking.example", f"v=spf1{asking} include:many.example ~all"),
                    *(f"record {hexed(word.split(':')[1])} A {hexed('192.0.2.251')}" for word in asking.split())])
    for sender, address, result in (("many", "192.0.2.249", "pass"), ("many", "192.0.2.250", "fail"),
                                    ("many", "2001:db8::1", "pass"), ("many", "2001:db9::1", "fail"),
                                    ("asking", "192.0.2.251", "pass"), ("asking", "192.0.2.9", "pass"),
                                    ("asking", "192.0.2.252", "softfail")):
        assert evaluator.check(address, "h.example", f"a@{sender}.example")[0] == result, (sender, address)


# -- the daemon, its workers in their sandbox, and a name server on a socket

RECORDS = {
    ("a.test", "TXT"): hostile.answers("TXT v=spf1 include:b.test exists:%{s}._s.%{d} -all"),
    ("b.test", "TXT"): hostile.answers("TXT v=spf1 mx a ptr ?all"),
    ("b.test", "MX"): hostile.answers("MX 10 mx.b.test"),
    ("mx.b.test", "A"): hostile.answers("A 192.0.2.1"),
    ("b.test", "A"): hostile.answers("A 192.0.2.2"),
    ("ann@a.test._s.a.test", "A"): hostile.answers("A 127.0.0.2"),
    "silent.test": hostile.silent(),
}


@pytest.fixture(name="gate")
def fixture_gate(postern, inside, hostile_dns):
    def start(*options):
        server, names = inside(), hostile_dns(RECORDS)
        program = postern(server.address, f"resolver=127.0.0.1:{names.address[1]}", "resolver_timeout=200ms",
                          "resolver_deadline=600ms", "policy.spf.mode=enforce", "policy.spf.fail=reject",
                          "policy.spf.except=198.51.100.1", "policy.spf.helo=no", *options)
        return program, server
    return start


def sent(program, sender):
    """The code that the message, or its recipient, was answered with."""
    with Client(program.address) as client:
        client.hello("client.test")
        client.ask(f"MAIL FROM:<{sender}>", 250)
        client.send(b"RCPT TO:<user@example.org>\r\n")
        reply = client.reply()
        return reply if not reply.is_positive else client.ask("RSET", 250)


def test_a_sender_that_may_passes_and_another_does_not(gate):
    program, _ = gate()
    assert sent(program, "ann@a.test").is_positive, program.story()
    assert "550 5.7.23 SPF: the domain does not let this address send its mail" in str(sent(program, "bob@a.test"))
    program.wait_log(r"event=message .*from=<bob@a.test> .*verdict=refused .*reason=\"SPF fail: -all\"")


def test_a_dead_name_server_is_settled_by_on_unsure(gate):
    program, server = gate("policy.on_unsure=pass")
    with Client(program.address) as client:
        client.hello("client.test")
        client.message(["user@example.org"], CONTENT, sender="ann@silent.test")
    assert len(server.messages) == 1
    program, _ = gate("policy.on_unsure=defer")
    assert "451 4.3.0" in str(sent(program, "ann@silent.test"))
    program, _ = gate("policy.spf.temperror=defer")
    assert "451 4.7.24" in str(sent(program, "ann@silent.test"))
