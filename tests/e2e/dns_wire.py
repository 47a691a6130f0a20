# SPDX-License-Identifier: ISC
"""DNS messages as octets (RFC 1035 section 4), written and read. It writes anything, wrong ones too; what it reads it
believes only where it is well formed.

A name is text ("mail.example.test", a dot at the end or none) or a list of labels as bytes, for what text cannot say.
"""
import ipaddress
import re
import struct

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "OPT": 41}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
QR, AA, TC, RD, RA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
IN, CH = 1, 3
TO_QUESTION = b"\xc0\x0c"  # a pointer to the name right behind the header
HEADER = struct.Struct("!HHHHHH")


class Malformed(Exception):
    """No DNS message."""


class Record:
    def __init__(self, owner, kind, data, ttl=60, klass=IN):
        self.owner, self.kind, self.data, self.ttl, self.klass = owner, kind, data, ttl, klass


class Message:
    def __init__(self, octets):
        self.octets = octets
        if len(octets) < HEADER.size:
            raise Malformed("no header")
        self.id, self.flags, *counts = HEADER.unpack_from(octets)
        self.rcode = self.flags & 15
        self.questions, self.answers = [], []
        at = HEADER.size
        for _ in range(counts[0]):
            name, at = read_name(octets, at)
            kind, _ = _unpack("!HH", octets, at)
            self.questions.append((name, TYPE_NAMES.get(kind, str(kind))))
            at += 4
        for _ in range(counts[1]):
            at = self._read_record(at)

    def _read_record(self, at):
        name, at = read_name(self.octets, at)
        kind, klass, ttl, size = _unpack("!HHIH", self.octets, at)
        at += 10
        if at + size > len(self.octets):
            raise Malformed("a record that is cut")
        word = TYPE_NAMES.get(kind, str(kind))
        self.answers.append(Record(name, word, _read_data(self.octets, at, size, word), ttl, klass))
        return at + size

    @property
    def is_cut(self):
        return bool(self.flags & TC)

    def said(self):
        """[(type, what it says)] of the answer section."""
        return [(record.kind, record.data) for record in self.answers]


# -- writing

def name_octets(name):
    if isinstance(name, bytes):
        return name  # as it is: a pointer, rubbish
    labels = [label.encode() for label in name.rstrip(".").split(".") if label] if isinstance(name, str) else name
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def text_octets(text):
    """TXT's strings: of 255 octets each, the last one is shorter."""
    parts = [text[at:at + 255] for at in range(0, len(text), 255)] or [b""]
    return b"".join(bytes([len(part)]) + part for part in parts)


def data_octets(kind, value):
    """`value` as in a zone file ("192.0.2.1", "10 mx.test", '"v=spf1" " -all"'), or octets as they are."""
    if isinstance(value, bytes):
        return value
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind in ("CNAME", "NS", "PTR"):
        return name_octets(value)
    if kind == "MX":
        preference, name = value.split()
        return struct.pack("!H", int(preference)) + name_octets(name)
    if kind == "TXT":
        strings = re.findall(r'"([^"]*)"', value)
        parts = [part.encode() for part in strings]
        return b"".join(bytes([len(part)]) + part for part in parts) if parts else text_octets(value.encode())
    raise ValueError(kind)


def record_octets(record):
    kind = TYPES[record.kind] if isinstance(record.kind, str) else record.kind
    data = data_octets(record.kind, record.data)
    return name_octets(record.owner) + struct.pack("!HHIH", kind, record.klass, record.ttl, len(data)) + data


def question_octets(name, kind):
    return name_octets(name) + struct.pack("!HH", TYPES[kind], IN)


def message_octets(number, flags, question=b"", answers=(), counted=None):
    """`question` is empty or question_octets(); `answers` are Records or octets; `counted` says how many there are,
    where that is to be a lie."""
    body = b"".join(one if isinstance(one, bytes) else record_octets(one) for one in answers)
    count = len(answers) if counted is None else counted
    return HEADER.pack(number, flags, 1 if question else 0, count, 0, 0) + question + body


# -- reading

def _unpack(shape, octets, at):
    try:
        return struct.unpack_from(shape, octets, at)
    except struct.error:
        raise Malformed("cut") from None


def read_name(octets, at):
    """(the name as text, where it ends). A pointer may only go back."""
    labels, end, limit = [], None, at
    while True:
        size, = _unpack("!B", octets, at)
        if size >= 0xC0:
            end = end or at + 2
            at = _unpack("!H", octets, at)[0] & 0x3FFF
            if at >= limit:
                raise Malformed("a pointer that does not go back")
            limit = at
            continue
        if size > 63 or at + 1 + size > len(octets):
            raise Malformed("no label")
        at += 1 + size
        if size == 0:
            return ".".join(labels), end or at
        labels.append(octets[at - size:at].decode("latin-1"))


def _read_data(octets, at, size, kind):
    data = octets[at:at + size]
    if kind in ("A", "AAAA") and size == {"A": 4, "AAAA": 16}[kind]:
        return str(ipaddress.ip_address(data))
    if kind in ("CNAME", "NS", "PTR"):
        return read_name(octets, at)[0]
    if kind == "MX":
        return f"{_unpack('!H', octets, at)[0]} {read_name(octets, at + 2)[0]}"
    if kind == "TXT":
        return b"".join(_strings(data))
    return data


def _strings(data):
    at = 0
    while at < len(data):
        if at + 1 + data[at] > len(data):
            raise Malformed("a string that is cut")
        yield data[at + 1:at + 1 + data[at]]
        at += 1 + data[at]
