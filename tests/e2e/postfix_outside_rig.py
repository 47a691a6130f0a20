# SPDX-License-Identifier: ISC
"""A private Postfix as the outside: it takes mail, sends all of it to one address, and tries again each second what was
deferred there."""
import re

import net
import postfix_rig
from smtp_client import Client

MAIN = """
virtual_transport = smtp:[{host}]:{port}
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
transport_retry_time = 1s
smtp_host_lookup = native
smtp_tls_security_level = none
"""


class OutsidePostfix(postfix_rig.Postfix):
    def __init__(self, directory, gate, main=()):
        lines = [line for line in MAIN.format(host=gate[0], port=gate[1]).splitlines() if line]
        super().__init__(directory, services=["smtp unix - - n - - smtp"], main=[*lines, *main])

    def submit(self, recipient, content, sender="ann@sender.test"):
        """A message into its queue; its name there."""
        with Client(self.address("plain")) as client:
            client.hello()
            reply = client.message(recipient, content, sender=sender)
            client.quit()
        assert reply.code == 250, reply
        return re.search(rb"queued as (\S+)", reply.text).group(1).decode()

    def look_again(self):
        """Its queue manager looks through its queues: one that meets a message which is still being delivered lays it
        aside (`skipped, still being delivered`) until it is called, minutes later by itself."""
        if "still being delivered" in self.log():
            self._postfix("flush", check=False)

    def tries(self, queue_id):
        """What became of each, in order: (status, what was said)."""
        return re.findall(rf"postfix/smtp\[\d+\]: {queue_id}: .*?status=(\w+) \((.*)\)", self.log())

    def wait_tries(self, queue_id, pattern):
        """A line of its log about this message."""
        pattern = re.compile(rf"postfix/smtp\[\d+\]: {queue_id}: .*{pattern}")

        def found():
            self.look_again()
            return pattern.search(self.log())
        return net.wait_until(found, 30, f"nothing in its log is {pattern.pattern}", self.story)
