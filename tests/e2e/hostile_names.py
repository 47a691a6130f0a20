# SPDX-License-Identifier: ISC
"""Names below hostile.test and what becomes of who asks for them: one row each. test_dns_rig.py shows that each does
what its row says, test_dns.py what Postern makes of it."""
import struct

from dns_wire import AA, FORMERR, NOTIMP, NXDOMAIN, QR, RD, REFUSED, SERVFAIL, TC, TO_QUESTION, CH, Record, name_octets
from hostile_dns import (after, altered, answers, by_turns, closes, cut, fails, from_elsewhere, in_turn, no_data, raw,
                         repeated, silent, to_another_question, trickles, with_wrong_id)

GOOD = "A 192.0.2.1"
ADDRESS = bytes((192, 0, 2, 66))  # what nobody may believe
BAD = "A 192.0.2.66"
SLOW_LISTS = 20  # slow0.hostile.test .. slow19.hostile.test answer after 0 .. 190 ms


def resource(owner, kind, data, size=None):
    """A record by hand, its size a lie where it is given."""
    return owner + struct.pack("!HHIH", kind, 1, 60, len(data) if size is None else size) + data


def chain(length, *lines):
    """So many CNAMEs, the last of which leads to the name of these records."""
    owners = [TO_QUESTION] + [f"c{number}.hostile.test" for number in range(1, length + 1)]
    made = [Record(owner, "CNAME", target) for owner, target in zip(owners, owners[1:])]
    return made + [Record(owners[-1], *line.split(" ", 1)) for line in lines]


def pointing(offset):
    return struct.pack("!H", 0xC000 | offset)


def own_place(query):
    """Where the first record begins."""
    return len(query.message())


def named(*labels):
    return name_octets(list(labels))


def texts(total):
    """TXT records that make a message of `total` octets, or a few less."""
    def make(query):
        one = resource(TO_QUESTION, 16, bytes([250]) + b"x" * 250)
        return query.message([one] * ((total - own_place(query)) // len(one)))
    return raw(make)


def of_size(total):
    """A message of exactly so many octets: TXT records, the last one of what is left."""
    def make(query):
        left, made = total - own_place(query), []
        while left:
            size = min(left, 263)
            size = size if left - size >= 14 or left == size else size - 14
            made.append(resource(TO_QUESTION, 16, bytes([size - 13]) + b"y" * (size - 13)))
            left -= size
        return query.message(made)
    return raw(make)


def looping(kind):
    """A record whose owner is a pointer to itself, and one whose name is."""
    def owner(query):
        return query.message([resource(pointing(own_place(query)), 1, ADDRESS)])

    def data(query):
        place = own_place(query) + 12
        preference = b"\0\x0a" if kind == 15 else b""
        return query.message([resource(TO_QUESTION, kind, preference + pointing(place + len(preference)))])
    return raw(owner if kind == 1 else data)


def two_pointers(query):
    """Each points to the other."""
    place = own_place(query) + 12
    return query.message([resource(TO_QUESTION, 12, pointing(place + 2) + pointing(place))])


def many_pointers(query):
    """A hundred, one behind the other, which do end: at the name that was asked for."""
    place = own_place(query) + 12
    hops = [TO_QUESTION] + [pointing(place + 2 * number) for number in range(99)]
    return query.message([resource(TO_QUESTION, 12, b"".join(hops)), resource(TO_QUESTION, 12, pointing(place + 198))])


def endless_name(_query=None):
    """127 labels of one octet and one more: 257 octets on the wire."""
    return b"\x01a" * 128 + b"\0"


def without_question(query):
    return struct.pack("!HHHHHH", query.id, QR | AA, 0, 1, 0, 0) + resource(b"\0", 1, ADDRESS)


NAMES = {
    # -- as it should be
    "good": answers(GOOD),
    "both": answers("A 192.0.2.1", "A 192.0.2.2"),
    "nodata": no_data(),
    "mx": answers("MX 20 b.test", "MX 10 a.test"),
    "null-mx": answers(Record(TO_QUESTION, "MX", b"\0\0\0")),
    "ptr": answers("PTR Mail.Example.TEST."),
    "txt": answers('TXT "v=spf1 " "-all"'),
    "aaaa": answers("AAAA 2001:db8::1"),
    "under_score": answers(GOOD),
    # -- no answer
    "silent": silent(),
    "servfail": fails(SERVFAIL), "refused": fails(REFUSED), "formerr": fails(FORMERR), "notimp": fails(NOTIMP),
    "rcode15": fails(15),
    "rcode6-and-address": answers(BAD, rcode=6), "nxdomain-and-address": answers(BAD, rcode=NXDOMAIN),
    "once-silent": by_turns(silent(), answers(GOOD)),
    "once-servfail": by_turns(fails(SERVFAIL), answers(GOOD)),
    "late": after(0.3, answers(GOOD)),
    **{f"slow{number}": after(0.01 * number, answers(f"A 127.0.0.{number + 2}")) for number in range(SLOW_LISTS)},
    # -- TCP
    "cut": cut(answers(GOOD, "A 192.0.2.2")),
    "cut-with-records": cut(answers(GOOD), beside=[BAD]),
    "cut-again": answers(BAD, flags=TC),
    "cut-closes": cut(closes()),
    "cut-silent": cut(silent()),
    "cut-servfail": cut(fails(SERVFAIL)),
    "trickle": cut(trickles(answers(GOOD), 0.005)),
    "trickle-for-ever": cut(trickles(of_size(60000), 0.05)),
    "trickle-stops": cut(trickles(answers(GOOD), 0.0, 10)),
    "large": cut(of_size(65535)),
    "many": cut(answers(*[f"A 192.0.2.{number}" for number in range(1, 256)])),
    "many-mx": cut(answers(*[f"MX {number} m{number}.test" for number in range(255, 0, -1)])),
    "many-txt": cut(texts(65000)),
    "tcp-short": cut(raw(lambda query: query.message()[:11])),
    "tcp-empty": cut(raw(lambda query: b"")),
    # -- lies about who answers what
    "wrong-id": with_wrong_id(answers(BAD)),
    "wrong-id-first": in_turn(repeated(3, with_wrong_id(answers(BAD))), after(0.05, answers(GOOD))),
    "wrong-question": to_another_question("good.hostile.test", "A", BAD),
    "wrong-question-first": in_turn(to_another_question("other.test", "A", BAD), after(0.05, answers(GOOD))),
    "wrong-type-of-question": to_another_question("wrong-type-of-question.hostile.test", "TXT", BAD),
    "elsewhere": from_elsewhere(answers(BAD)),
    "elsewhere-first": in_turn(repeated(3, from_elsewhere(answers(BAD))), after(0.05, answers(GOOD))),
    "twice": repeated(2, answers(GOOD)),
    "twice-unlike": in_turn(answers(GOOD), answers(BAD)),
    "hundred": repeated(100, answers(GOOD)),
    "no-question": raw(without_question),
    "echo": raw(lambda query: query.message(flags=RD)),
    # -- broken
    "empty": raw(lambda query: b""),
    "short": raw(lambda query: query.message([Record(TO_QUESTION, "A", ADDRESS)])[:11]),
    "cut-off": altered(answers(BAD), lambda octets: octets[:-3]),
    "behind": altered(answers(GOOD), lambda octets: octets + b"rubbish"),
    "counts-too-many": answers(BAD, counted=1000),
    "counts-too-few": answers(GOOD, "A 192.0.2.2", counted=1),
    "size-too-large": answers(resource(TO_QUESTION, 1, ADDRESS, 400)),
    "noise": answers(bytes(255 - (n * 7) % 256 for n in range(400))),
    # -- names that lead round in circles, or far
    "owner-loop": looping(1),
    "ptr-loop": looping(12),
    "mx-loop": looping(15),
    "cname-pointer-loop": looping(5),
    "two-pointers": raw(two_pointers),
    "many-pointers": raw(many_pointers),
    "pointer-beyond": answers(resource(TO_QUESTION, 12, pointing(16383))),
    "pointer-ahead": answers(resource(TO_QUESTION, 12, pointing(4000))),
    "pointer-cut": answers(resource(TO_QUESTION, 12, b"\xc0")),
    "long-name": answers(resource(TO_QUESTION, 12, endless_name())),
    "reserved-label": answers(resource(TO_QUESTION, 12, b"\x80ab\0")),
    "cname": answers(*chain(1, GOOD)),
    "cname-chain": answers(*chain(16, GOOD)),
    "cname-chain-long": cut(answers(*chain(200, GOOD))),
    "cname-alone": answers(*chain(1)),
    "cname-self": answers(Record(TO_QUESTION, "CNAME", TO_QUESTION)),
    "cname-loop": answers(Record(TO_QUESTION, "CNAME", "there.hostile.test"),
                          Record("there.hostile.test", "CNAME", TO_QUESTION)),
    "cname-loop-and-address": answers(Record(TO_QUESTION, "CNAME", "there.hostile.test"),
                                      Record("there.hostile.test", "CNAME", TO_QUESTION),
                                      Record(TO_QUESTION, "A", "192.0.2.1")),
    "cname-ptr": answers(*chain(1, "PTR mail.example.test")),
    "cname-txt": answers(*chain(2, "TXT v=spf1 -all")),
    "cname-mx": answers(*chain(1, "MX 10 a.test")),
    "cname-bad": answers(Record(TO_QUESTION, "CNAME", named(b"a\r\nb", b"test")),
                         Record(named(b"a\r\nb", b"test"), "A", "192.0.2.1")),
    # -- records that are not what was asked for
    "other-owner": answers(Record("elsewhere.test", "A", ADDRESS)),
    "other-owner-txt": answers(Record("elsewhere.test", "TXT", "v=spf1 +all")),
    "other-owner-mx": answers(Record("elsewhere.test", "MX", "10 evil.test")),
    "other-owner-ptr": answers(Record("elsewhere.test", "PTR", "evil.test")),
    "other-type": answers("TXT 192.0.2.66", "MX 1 evil.test", "PTR evil.test"),
    "other-type-too": answers("TXT x", GOOD, "MX 1 evil.test"),
    "other-class": answers(Record(TO_QUESTION, "A", ADDRESS, klass=CH)),
    "a-of-3": answers(resource(TO_QUESTION, 1, ADDRESS[:3])),
    "a-of-16": answers(resource(TO_QUESTION, 1, ADDRESS * 4)),
    "a-of-0": answers(resource(TO_QUESTION, 1, b"")),
    "aaaa-of-4": answers(resource(TO_QUESTION, 28, ADDRESS)),
    "mx-of-1": answers(resource(TO_QUESTION, 15, b"\0")),
    "mx-of-2": answers(resource(TO_QUESTION, 15, b"\0\x0a")),
    "ptr-of-0": answers(resource(TO_QUESTION, 12, b"")),
    # -- what is in them
    **{f"ptr-{word}": answers(resource(TO_QUESTION, 12, named(label, b"test"))) for word, label in (
        ("cr-lf", b"mail\r\nRCPT TO:<x>"), ("nul", b"mail\0x"), ("blank", b"mail x"), ("quote", b'mail"x'),
        ("eight-bit", b"m\xe4il"), ("dot", b"ma.il"), ("backslash", b"ma\\il"), ("star", b"*"), ("tab", b"ma\til"),
        ("bracket", b"[192.0.2.1]"), ("at", b"a@b"), ("equals", b"a=b"), ("esc", b"\x1b[2J"), ("del", b"a\x7f"))},
    "ptr-root": answers(resource(TO_QUESTION, 12, b"\0")),
    "ptr-mixed": answers(resource(TO_QUESTION, 12, named(b"bad name", b"test")), "PTR good.example.test"),
    "mx-cr-lf": answers(resource(TO_QUESTION, 15, b"\0\x0a" + named(b"a\r\nDATA", b"test"))),
    "mx-nul": answers(resource(TO_QUESTION, 15, b"\0\x0a" + named(b"a\0", b"test"))),
    "mx-mixed": answers(resource(TO_QUESTION, 15, b"\0\x05" + named(b"a b", b"test")), "MX 10 a.test"),
    "txt-cr-lf-nul": answers(resource(TO_QUESTION, 16, b"\x09v=spf1\r\n\0")),
    "txt-eight-bit": answers(resource(TO_QUESTION, 16, b"\x04\xff\xfe\x80\x01")),
    "txt-beyond": answers(resource(TO_QUESTION, 16, b"\x20v=spf1")),
    "txt-no-strings": answers(resource(TO_QUESTION, 16, b"")),
    "txt-empty": answers(resource(TO_QUESTION, 16, b"\0")),
    "txt-of-4096": cut(answers("TXT " + "z" * 4096)),
    "txt-of-4097": cut(answers("TXT " + "z" * 4097, "TXT short")),
    "txt-empty-strings": cut(answers(resource(TO_QUESTION, 16, b"\0" * 60000))),
}
NAMES = {f"{name}.hostile.test": behaviour for name, behaviour in NAMES.items()}
