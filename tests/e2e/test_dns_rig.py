# SPDX-License-Identifier: ISC
"""The tests' own name servers, tested: that the hostile one does what its names say, and that the real ones answer. Who
judges the answers here is dns_wire, which shares no code with Postern or c-ares."""
import socket
import time

import pytest

import dns_client
import dns_wire
import hostile_dns as hostile
import net
from dns_wire import FORMERR, NOERROR, NOTIMP, NXDOMAIN, REFUSED, SERVFAIL
from hostile_names import NAMES, SLOW_LISTS
from name_server import reverse_name

GOOD, BAD = ("A", "192.0.2.1"), ("A", "192.0.2.66")


@pytest.fixture(scope="module")
def stub():
    server = hostile.HostileDns(NAMES)
    yield server
    server.stop()


def asked(stub, name, kind="A"):
    """The one datagram that comes at once, as it is."""
    heard = dns_client.ask_udp(stub.address, f"{name}.hostile.test", kind)
    assert heard and heard[0][0] == stub.address, heard
    return heard[0][1]


def over_tcp(stub, name, seconds=5):
    return dns_client.ask_tcp(stub.address, f"{name}.hostile.test", "A", seconds)


WHOLE = {
    "good": (NOERROR, [GOOD]),
    "nodata": (NOERROR, []),
    "mx": (NOERROR, [("MX", "20 b.test"), ("MX", "10 a.test")]),
    "null-mx": (NOERROR, [("MX", "0 ")]),
    "txt": (NOERROR, [("TXT", b"v=spf1 -all")]),
    "is-not-there": (NXDOMAIN, []),
    "servfail": (SERVFAIL, []), "refused": (REFUSED, []), "formerr": (FORMERR, []), "notimp": (NOTIMP, []),
    "rcode15": (15, []),
    "behind": (NOERROR, [GOOD]),
    "counts-too-few": (NOERROR, [GOOD]),
    "cname-chain": (NOERROR, [("CNAME", f"c{number}.hostile.test") for number in range(1, 17)] + [GOOD]),
    "cname-self": (NOERROR, [("CNAME", "cname-self.hostile.test")]),
    "cname-loop": (NOERROR, [("CNAME", "there.hostile.test"), ("CNAME", "cname-loop.hostile.test")]),
    "other-type": (NOERROR, [("TXT", b"192.0.2.66"), ("MX", "1 evil.test"), ("PTR", "evil.test")]),
    "other-owner": (NOERROR, [BAD]),
    "a-of-3": (NOERROR, [("A", b"\xc0\0\2")]),
    "ptr-cr-lf": (NOERROR, [("PTR", "mail\r\nRCPT TO:<x>.test")]),
    "ptr-nul": (NOERROR, [("PTR", "mail\0x.test")]),
    "ptr-blank": (NOERROR, [("PTR", "mail x.test")]),
    "ptr-quote": (NOERROR, [("PTR", 'mail"x.test')]),
    "ptr-eight-bit": (NOERROR, [("PTR", "m\xe4il.test")]),
    "mx-cr-lf": (NOERROR, [("MX", "10 a\r\nDATA.test")]),
    "mx-nul": (NOERROR, [("MX", "10 a\0.test")]),
    "txt-cr-lf-nul": (NOERROR, [("TXT", b"v=spf1\r\n\0")]),
    "txt-eight-bit": (NOERROR, [("TXT", b"\xff\xfe\x80\x01")]),
    "many-pointers": (NOERROR, [("PTR", "many-pointers.hostile.test")] * 2),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_answers(stub, name):
    message = dns_wire.Message(asked(stub, name))
    assert (message.rcode, message.said()) == WHOLE[name]
    assert message.questions == [(f"{name}.hostile.test", "A")] and message.flags & dns_wire.QR


BROKEN = {"short": "header", "cut-off": "record", "counts-too-many": "", "size-too-large": "record", "noise": "",
          "owner-loop": "go back", "ptr-loop": "go back", "mx-loop": "go back", "cname-pointer-loop": "go back",
          "two-pointers": "go back", "pointer-beyond": "go back", "pointer-ahead": "go back", "pointer-cut": "cut",
          "reserved-label": "label", "ptr-of-0": "cut", "mx-of-1": "cut", "txt-beyond": "string"}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers(stub, name):
    with pytest.raises(dns_wire.Malformed, match=BROKEN[name]):
        dns_wire.Message(asked(stub, name))


def test_silence(stub):
    for name in ("silent", "once-silent"):
        assert dns_client.ask_udp(stub.address, f"{name}.hostile.test", "A", 0.2) == []
    assert dns_wire.Message(asked(stub, "once-silent")).said() == [GOOD]
    assert stub.times_asked("silent.hostile.test") == 1
    assert dns_client.ask_udp(stub.address, "empty.hostile.test", "A")[0][1] == b""


def test_answers_take_their_time(stub):
    began = time.monotonic()
    for number in (0, SLOW_LISTS - 1):
        dns_client.ask(stub.address, f"slow{number}.hostile.test", "A")
    assert 0.19 <= time.monotonic() - began < 5


def test_cut_and_whole_over_tcp(stub):
    for name, said in (("cut", [GOOD, ("A", "192.0.2.2")]), ("cut-with-records", [GOOD])):
        assert dns_wire.Message(asked(stub, name)).is_cut
        assert dns_wire.Message(over_tcp(stub, name)[0]).said() == said


def test_dead_tcp(stub, hostile_dns):
    assert dns_wire.Message(asked(stub, "cut-closes")).is_cut
    assert over_tcp(stub, "cut-closes") == (b"", 0)
    assert over_tcp(stub, "cut-silent", 0.2) == (b"", 0)
    without = hostile_dns(NAMES, tcp=False)
    assert dns_wire.Message(asked(without, "cut")).is_cut
    with pytest.raises(ConnectionRefusedError):
        over_tcp(without, "cut")


def test_octet_by_octet(stub):
    whole, pieces = over_tcp(stub, "trickle")
    assert dns_wire.Message(whole).said() == [GOOD] and pieces > len(whole) // 2
    assert len(over_tcp(stub, "trickle-stops", 0.3)[0]) == 8
    assert 1 < len(over_tcp(stub, "trickle-for-ever", 0.5)[0]) < 40


def test_large_ones(stub):
    whole = dns_wire.Message(over_tcp(stub, "large")[0])
    assert len(whole.octets) == 65535 and {kind for kind, _ in whole.said()} == {"TXT"}
    assert len(dns_wire.Message(over_tcp(stub, "many")[0]).answers) == 255
    assert len(dns_wire.Message(over_tcp(stub, "cname-chain-long")[0]).answers) == 201
    assert len(over_tcp(stub, "txt-empty-strings")[0]) > 60000


def test_lies_about_who_answers_what(stub):
    assert dns_wire.Message(asked(stub, "wrong-question")).questions == [("good.hostile.test", "A")]
    assert dns_wire.Message(asked(stub, "wrong-type-of-question")).questions[0][1] == "TXT"
    assert dns_wire.Message(asked(stub, "no-question")).questions == []
    assert not dns_wire.Message(asked(stub, "echo")).flags & dns_wire.QR
    (who, octets), = dns_client.ask_udp(stub.address, "elsewhere.hostile.test", "A")
    assert who[0] == stub.address[0] and who != stub.address and dns_wire.Message(octets).said() == [BAD]


def test_the_wrong_id_is_wrong(stub):
    question = dns_wire.message_octets(0x1234, dns_wire.RD, dns_wire.question_octets("wrong-id.hostile.test", "A"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(question, stub.address)
        assert s.recv(512)[:2] != question[:2]


def test_more_than_one_answer(stub):
    for name, count, last in (("twice", 2, GOOD), ("twice-unlike", 2, BAD), ("wrong-id-first", 4, GOOD),
                              ("elsewhere-first", 4, GOOD), ("wrong-question-first", 2, GOOD)):
        heard = dns_client.ask_udp(stub.address, f"{name}.hostile.test", "A", answers=count)
        assert len(heard) == count, name
        assert dns_wire.Message(heard[-1][1]).said() == [last], name


def test_names_below_a_star(hostile_dns):
    server = hostile_dns({"*.list.test": hostile.answers("A 127.0.0.2"),
                          ("a.list.test", "TXT"): hostile.answers("TXT why")})
    assert dns_client.ask(server.address, "b.LIST.test", "A").said() == [("A", "127.0.0.2")]
    assert dns_client.ask(server.address, "a.list.test", "TXT").said() == [("TXT", b"why")]
    assert dns_client.ask(server.address, "b.a.list.test", "A").rcode == NXDOMAIN


def test_writing_and_reading_are_inverse():
    lines = ["A 192.0.2.1", "AAAA 2001:db8::1", "MX 10 mx.test", "PTR a.test", "TXT one"]
    said = dns_wire.Message(dns_wire.message_octets(7, dns_wire.QR, dns_wire.question_octets("a.test", "A"),
                                                    hostile.records(*lines))).said()
    assert said == [("A", "192.0.2.1"), ("AAAA", "2001:db8::1"), ("MX", "10 mx.test"), ("PTR", "a.test"),
                    ("TXT", b"one")]


# -- the real ones

ZONES = {
    "mail.example.test": ["A 192.0.2.7", "MX 10 mx.example.test.", 'TXT "v=spf1 " "-all"'],
    reverse_name("192.0.2.7"): ["PTR mail.example.test."],
    reverse_name("2001:db8::7"): ["PTR six.example.test."],
    "alias.example.test": ["CNAME mail.example.test."],
}


def judge_zones(server):
    for name, kind, said in (("mail.example.test", "A", [("A", "192.0.2.7")]),
                             ("mail.example.test", "MX", [("MX", "10 mx.example.test")]),
                             ("mail.example.test", "TXT", [("TXT", b"v=spf1 -all")]),
                             ("7.2.0.192.in-addr.arpa", "PTR", [("PTR", "mail.example.test")]),
                             (reverse_name("2001:db8::7"), "PTR", [("PTR", "six.example.test")]),
                             ("mail.example.test", "AAAA", [])):
        message = server.ask(name, kind)
        assert (message.rcode, message.said()) == (NOERROR, said), (name, kind)
    assert ("A", "192.0.2.7") in server.ask("alias.example.test", "A").said()
    assert server.ask("nobody.example.test", "A").rcode == NXDOMAIN
    assert server.ask("any.dead.test", "A").rcode == SERVFAIL


def test_nsd_and_unbound(name_server, caching_resolver):
    server = name_server(ZONES, broken=["dead.test"])
    judge_zones(server)
    resolver = caching_resolver(server)
    judge_zones(resolver)
    server.load({"new.test": ["A 192.0.2.8"]})
    net.wait_until(lambda: server.ask("new.test", "A").said() == [("A", "192.0.2.8")], 10, "the old zones", server.story)
    assert server.ask("mail.example.test", "A").rcode == NXDOMAIN
    assert resolver.ask("mail.example.test", "A").said() == [("A", "192.0.2.7")], "it remembers"
