# SPDX-License-Identifier: ISC
"""Checks of a policy between a client and a real Postfix, with real name servers (nsd, and unbound before it), a dead
one and a silent one: what a Case says is played in each of the WAYS, all of them side by side, and test_policy.py judges
what came of it.

A case is one row: a policy as in postern.conf, in which MODE stands for the mode of its check; what DNS says; who
comes; and what he has to hear where the policy is enforced. The client's address is told by PROXY, so it may be any.
"""
import dataclasses
import re
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import hostile_dns
import name_server as name_servers
import net
import postern as postern_program
from smtp_client import Client

DEADLINE_S = 1  # resolver_deadline
TIMEOUT_S = 30
CONTENT = b"Subject: policy\r\n\r\nhello\r\n"
AT_ONCE = 12


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    policy: str
    zones: dict
    refused: str = None  # the whole refusal, a regular expression; None: mail passes in any mode
    watched: str = None  # in the line event=watched, where there is a refusal
    noted: str = None  # in the session's lines, whether it is enforced or watched
    client: str = "192.0.2.7"
    helo: str = "client.test"
    sender: str = "ann@sender.test"
    recipient: str = None
    needs_dns: bool = True  # so it cannot find out where DNS is dead
    unsure: str = r"451 4\.3\.0 This cannot be checked now, try again later"


@dataclasses.dataclass(frozen=True)
class Way:
    name: str
    resolver: str  # nsd, unbound, dead (nobody listens), silent
    mode: str
    on_unsure: str = "pass"


WATCH, ENFORCE = Way("watch", "nsd", "watch"), Way("enforce", "unbound", "enforce")
DEAD = [Way(f"{resolver}-{unsure}", resolver, "enforce", unsure)
        for resolver in ("dead", "silent") for unsure in ("pass", "defer")]
WAYS = [WATCH, ENFORCE, *DEAD]

TOP = """
hostname = gate.example.org
log = stderr
user = nobody
group = nogroup
probe_interval = 0s
resolver = "127.0.0.1:{resolver}"
resolver_timeout = 300ms
resolver_deadline = {deadline}s
backend inside {{ pass_client = xclient  server one {{ address = "127.0.0.1:{inside}" }} }}
"""
ONE = """
listener {name} {{
    address = "127.0.0.1:{port}"
    backend = inside
    policy = {name}
    proxy_from = 127.0.0.0/8
    min_spare = 1
    max_spare = 2
    max_workers = 4
}}
policy {name} {{
    on_unsure = {on_unsure}
    recipient {{ relay_domains = "*" }}
    {policy}
}}
"""


class Played:
    """What came of one case in one way: `reply` is the answer to RCPT, or to the message where that was accepted."""

    def __init__(self, case, way):
        self.case, self.way = case, way
        self.name = f"{case.name}-{way.name}"
        self.recipient = case.recipient or f"{self.name}@example.org"
        self.port = net.free_port()
        self.gate = self.reply = self.fault = None
        self.seconds = 0

    def block(self):
        return ONE.format(name=self.name, port=self.port, on_unsure=self.way.on_unsure,
                          policy=self.case.policy.replace("MODE", self.way.mode))

    def play(self):
        began = time.monotonic()
        try:
            self._converse()
        except Exception as fault:  # told by the test of this case, with its story
            self.fault = fault
        self.seconds = time.monotonic() - began

    def _converse(self):
        with Client(("127.0.0.1", self.port), timeout=TIMEOUT_S) as client:
            family = "TCP6" if ":" in self.case.client else "TCP4"
            local = "::1" if ":" in self.case.client else "127.0.0.1"
            client.send(f"PROXY {family} {self.case.client} {local} 40000 25\r\n".encode())
            client.hello(self.case.helo)
            client.ask(f"MAIL FROM:<{self.case.sender}>", 250)
            self.reply = client.command(f"RCPT TO:<{self.recipient}>")
            if self.reply.is_positive:
                client.ask("DATA", 354)
                client.send(CONTENT + b".\r\n")
                self.reply = client.reply()
            client.quit()

    def lines(self):
        """What the log says of this session, once it is over."""
        session = self.gate.wait_log(rf"event=session session=(\S+) listener={self.name} ").group(1)
        return [line for line in self.gate.log().splitlines() if f"session={session}" in line]

    def story(self):
        return f"{self.name}: {self.reply!r} {self.fault!r} after {self.seconds:.1f} s\n" + "\n".join(self.lines())


class Rig:
    """All of it, played at once; stop() ends what it started."""

    def __init__(self, postfix, cases):
        self.postfix = postfix
        self.dir = tempfile.mkdtemp(prefix="policy-")
        self.servers, self.gates = [], []
        self.played = {(case.name, way.name): Played(case, way) for case in cases for way in WAYS
                       if way not in DEAD or case.needs_dns}
        try:
            self._start(cases)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(Played.play, self.played.values()))
            postfix.settle()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        faults = []
        for one in self.gates:
            try:
                one.stop()
                one.check_log()
            except AssertionError as fault:
                faults.append(str(fault))
        for one in self.servers:
            one.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not faults, "\n".join(faults)

    def _start(self, cases):
        zones = {}
        for case in cases:
            for name, records in case.zones.items():
                known = zones.setdefault(name, records)
                assert known == records, f"{case.name} says something else of {name}"
        nsd = self._server(name_servers.NameServer, zones)
        unbound = self._server(name_servers.CachingResolver, nsd)
        silent = self._server(hostile_dns.HostileDns, {}, usual=hostile_dns.silent())
        ports = {"nsd": nsd.address[1], "unbound": unbound.address[1], "silent": silent.address[1],
                 "dead": name_servers.free_dns_port()}
        for resolver, port in ports.items():
            self._start_gate(resolver, port)

    def _server(self, make, *arguments, **kwargs):
        self.servers.insert(0, make(*arguments, **kwargs))
        return self.servers[0]

    def _start_gate(self, resolver, port):
        own = [played for played in self.played.values() if played.way.resolver == resolver]
        path = f"{self.dir}/{resolver}.conf"
        with open(path, "w") as f:
            f.write(TOP.format(resolver=port, deadline=DEADLINE_S, inside=self.postfix.ports["xclient"]))
            f.writelines(played.block() for played in own)
        gate = postern_program.PosternFrom(("127.0.0.1", own[0].port), "-f", "-c", path)
        self.gates.append(gate)
        gate.wait_ready()
        gate.wait_log("event=ready ")
        for played in own:
            played.gate = gate


def reply_of(played):
    """As one line."""
    assert played.fault is None, played.story()
    return re.sub(r"\s+", " ", repr(played.reply))
