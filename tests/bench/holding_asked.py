# SPDX-License-Identifier: ISC
"""What a session costs that has used DNS: all checks of checked.py before their resolver, clients from 198.18.0.0/15."""
import socket
import time

import checked
import holding

import net  # private knows where it lies

TALKERS_MAX = 1000
SAID = (b"EHLO client.example\r\n", b"MAIL FROM:<s@example.org>\r\n", b"RCPT TO:<r@example.com>\r\n")


class Talkers:
    """They have brought a recipient, and stay without a word."""

    def __init__(self, gate, count):
        began = time.monotonic()
        self.count, self.sockets = count, []
        for number in range(count):
            self.sockets.append(self._talk(gate, f"198.18.2.{number % 250 + 1}"))
        self.seconds = time.monotonic() - began

    @staticmethod
    def _talk(gate, source):
        s = socket.create_connection(gate.address, holding.SECONDS, (source, 0))
        with s.makefile("rb") as heard:
            for line in (b"", *SAID):
                s.sendall(line)
                answer = heard.readline()
                while answer[3:4] == b"-":
                    answer = heard.readline()
                if answer[:1] != b"2":
                    raise holding.Failed(f"{line} was answered {answer}: {gate.program.said()[-2000:]}")
        return s

    def leave(self):
        for s in self.sockets:
            s.close()


class Asked:
    """Measures as the Bench that it was given."""

    def __init__(self, bench):
        self.bench, self.names = bench, checked.Names()
        self.checks = "\n".join(checked.CHECKS[name] for name in checked.all_checks())

    def hold_once(self, seconds):
        """The answers come while they are held."""
        bench = self.bench
        return bench.measure(lambda: self._gate(holding.HOLDS), lambda gate: holding.Crowd(gate, bench.count, False),
                             seconds)

    def mail_once(self, seconds):
        count = min(self.bench.count, TALKERS_MAX)
        return self.bench.measure(lambda: self._gate(""), lambda gate: Talkers(gate, count), seconds)

    def _gate(self, policy):
        return self.bench.make_gate(policy=self.checks + "\n" + policy, more=self.names.configuration(),
                                    address=(checked.ADDRESS, net.free_port(checked.ADDRESS)))

    def close(self):
        self.names.stop()
