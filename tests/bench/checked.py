# SPDX-License-Identifier: ISC
"""Postern with its checks, all of them, and without: what a policy costs.

Clients come from 198.18.0.0/15, which is nobody's and not private (RFC 2544): a front that listens there is spoken to
from there. DNS is real: unbound, which caches, before nsd, which knows the names of the load; both are the tests' own.
Whom the load says it is passes every check, so that all of them are asked for each message.
"""
import re

import fronts
import machine
from private import BUILD

import net  # private knows where it lies
from name_server import CachingResolver, NameServer, reverse_name

ADDRESS = "198.18.0.1"
LISTS = [f"list{number}.test" for number in range(1, 6)]
NAMES = {
    reverse_name(ADDRESS): ["PTR client.example."],
    "client.example": [f"A {ADDRESS}", 'TXT "v=spf1 a -all"'],
    "example.org": ["MX 10 mx.example.org.", "A 198.18.0.2", 'TXT "v=spf1 include:spf.example.org -all"'],
    "mx.example.org": ["A 198.18.0.2"],
    "spf.example.org": ['TXT "v=spf1 mx ip4:198.18.0.0/24 -all"'],
    "example.com": ["MX 10 mx.example.com.", "A 198.18.0.3"],
    "mx.example.com": ["A 198.18.0.3"],
    **{f"2.0.0.127.{name}": ["A 127.0.0.2"] for name in LISTS},
    f"{reverse_name(ADDRESS).removesuffix('.in-addr.arpa')}.{LISTS[4]}": ["A 127.0.0.10"],
}
MANY = "1000000/1m"
# A check that this posternd has not got is left out. crowd and pregreet only delay.
CHECKS = {
    "access": "access { allow_sender = { friend.example } reject = { 203.0.113.0/24 } reject_helo = { .bad.example } }",
    "dnsbl": "dnsbl { mode = enforce " + " ".join(f"list {name} {{ score = 2 }}" for name in LISTS) + " }",
    "rdns": "rdns { mode = enforce }",
    "helo": "helo { mode = enforce }",
    "sender": "sender { mode = enforce }",
    "spf": "spf { mode = enforce }",
    "limit": "\n".join(f"limit {name} {{ of = {of} per = {per} rate = {MANY} }}" for name, of, per in (
        ("connections", "connections", "client"), ("messages", "messages", "sender"),
        ("recipients", "recipients", "recipient_domain"), ("errors", "errors", "network")))
    + "\nlimit parallel { of = connections per = client concurrent = 1000 action = drop }",
}


def known_blocks():
    """What a policy of this posternd may have in it."""
    reference = machine.output_of(BUILD + "/posternd", "-d")
    return set(re.findall(r"^policy NAME / (\w+)(?: NAME)? \{", reference, re.M))


def all_checks():
    known = known_blocks()
    return [name for name in CHECKS if name in known]


class Names:
    """The resolver, and whom it asks; started for the first front that needs them."""

    def __init__(self):
        self.server = NameServer(NAMES)
        self.resolver = CachingResolver(self.server)

    @property
    def pids(self):
        return [self.server.process.pid, self.resolver.process.pid]

    def configuration(self):
        return 'resolver = { "%s:%d" }' % self.resolver.address

    def stop(self):
        self.resolver.stop()
        self.server.stop()


class Unchecked(fronts.Postern):
    """As Postern, but for the address, since no list is asked about 127.0.0.1."""

    NAME = "unchecked"

    def __init__(self, directory, inside, certificate):
        super().__init__(directory, inside, certificate)
        self.address = ADDRESS, net.free_port(ADDRESS)

    @property
    def ABOUT(self):
        return "no checks but relay_domains and hops; " + super().ABOUT


class Checked(Unchecked):
    NAME = "checked"
    names = None

    @property
    def ABOUT(self):
        return f"checks: {' '.join(all_checks())}; DNS: unbound before nsd; " + fronts.Postern.ABOUT.fget(self)

    def prepare(self):
        super().prepare()
        self.names = Names()
        self.beside = self.names.pids
        self.ROOT = self.names.configuration()
        self.POLICY = "\n".join(CHECKS[name] for name in all_checks())

    def stop(self):
        super().stop()
        if self.names:
            self.names.stop()


fronts.FRONTS.update({front.NAME: front for front in (Unchecked, Checked)})
