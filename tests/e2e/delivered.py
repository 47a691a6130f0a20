# SPDX-License-Identifier: ISC
"""Messages as a mail server left them in files: the server's own lines on top, below them what it was given."""
import os
import re

import net


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


class Maildir:
    """Where a server delivers to. `queue_id` as above."""

    def __init__(self, folder, queue_id):
        self.folder, self.queue_id = folder, queue_id
        self._read = {}

    def messages(self, recipient=None):
        """All that has been delivered, or all that was for this recipient; once the queue is empty."""
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        for name in set(names) - set(self._read):
            with open(os.path.join(self.folder, name), "rb") as f:
                self._read[name] = Delivered(f.read(), self.queue_id)
        return [m for m in self._read.values() if recipient in (None, m.recipient)]

    def only_message(self, recipient, story):
        found = self.messages(recipient)
        assert len(found) == 1, f"{len(found)} messages for {recipient}, not 1\n{story()}"
        return found[0]


class MaildirServer:
    """What rigs of servers have in common that deliver to `maildir`. They have NAME, dir, log() and queued()."""

    def wait_log(self, pattern):
        """The first match of a regular expression in the log; it may appear a little later than the reply."""
        return net.wait_until(lambda: re.search(pattern, self.log()), 10, f"{self.NAME} did not log {pattern}",
                              self.story)

    def settle(self):
        """Waits until every accepted message has been delivered (or has failed): the queue is empty."""
        net.wait_until(lambda: not self.queued(), 30, f"the queue of {self.NAME} does not become empty", self.story)

    def messages(self, recipient=None):
        """All that has been delivered, or all that was for this recipient. Call settle() first."""
        return self.maildir.messages(recipient)

    def only_message(self, recipient):
        self.settle()
        return self.maildir.only_message(recipient, self.story)

    def story(self):
        return f"--- {self.NAME} in {self.dir}\n" + "\n".join(self.log().splitlines()[-60:])


def _field(head, name):
    found = re.search(rb"^" + name + rb": (.*)$", head, re.M | re.I)
    return found.group(1).strip() if found else b""


def _split_at_own_received(octets):
    """Servers put Return-Path, Delivered-To and the like and their (folded) Received on top, in this order."""
    found = re.match(rb"(?:(?!Received:)[^\n]*\n)*Received: [^\n]*\n(?:[ \t][^\n]*\n)*", octets)
    assert found, f"no Received line of the server's: {octets[:300]!r}"
    return found.group(0), octets[found.end():].replace(b"\n", b"\r\n")
