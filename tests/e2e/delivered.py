# SPDX-License-Identifier: ISC
"""A message as a mail server left it in a file: the server's own lines on top, below them what it was given."""
import re


class Delivered:
    """`content` is what is below the server's own lines, with CRLF again. `queue_id` is a regular expression whose first
    group is the message's name in the queue, searched in the own lines."""

    def __init__(self, octets, queue_id):
        self.octets = octets
        head, self.content = _split_at_own_received(octets)
        self.head = head
        self.recipient = (_field(head, b"Delivered-To") or _field(head, b"Envelope-to")).decode()
        self.sender = _field(head, b"Return-Path").strip(b"<>").decode()
        found = re.search(queue_id, head)
        self.queue_id = found.group(1).decode() if found else None


def _field(head, name):
    found = re.search(rb"^" + name + rb": (.*)$", head, re.M | re.I)
    return found.group(1).strip() if found else b""


def _split_at_own_received(octets):
    """Servers put Return-Path, Delivered-To and the like and their (folded) Received on top, in this order."""
    found = re.match(rb"(?:(?!Received:)[^\n]*\n)*Received: [^\n]*\n(?:[ \t][^\n]*\n)*", octets)
    assert found, f"no Received line of the server's: {octets[:300]!r}"
    return found.group(0), octets[found.end():].replace(b"\n", b"\r\n")
