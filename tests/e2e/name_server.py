# SPDX-License-Identifier: ISC
"""Real name servers of the test's own, unpacked by `make servers`: nsd, which knows what the test says, and unbound, a
caching resolver that asks it. Each in a directory of its own, on one port of loopback, in the foreground.

Zones are data: {"mail.example.test": ["A 192.0.2.1", "MX 10 mx.example.test."]}, names without a dot at the end, values
as in a zone file. nsd has them all in one zone, the root: what is not in there does not exist. Below the names in
`broken` it fails (SERVFAIL).
"""
import glob
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import tempfile

import dns_client
import dns_wire
import net
import postern as postern_program
import stories

SERVERS = postern_program.ROOT + "/build/servers"

NSD = """
server:
    ip-address: 127.0.0.1@{port}
    do-ip6: no
    server-count: 1
    tcp-count: 500
    rrl-ratelimit: 0
    username: ""
    chroot: ""
    zonesdir: "{dir}"
    xfrdir: "{dir}"
    zonelistfile: "{dir}/zone.list"
    xfrdfile: ""
    database: ""
    pidfile: ""
remote-control:
    control-enable: no
zone:
    name: "."
    zonefile: "root.zone"
{broken}
"""
BROKEN = """zone:
    name: "{name}"
    zonefile: "none"
"""
ROOT_ZONE = """$TTL 60
. SOA ns.test. postmaster.test. {serial} 3600 600 86400 60
. NS ns.test.
ns.test. A 127.0.0.1
"""

UNBOUND = """
server:
    interface: 127.0.0.1@{port}
    do-ip6: no
    num-threads: 1
    username: ""
    chroot: ""
    directory: "{dir}"
    pidfile: ""
    use-syslog: no
    do-not-query-localhost: no
    module-config: "iterator"
    access-control: 127.0.0.0/8 allow
    minimal-responses: yes
    so-rcvbuf: 4m
    root-hints: ""
{own_zones}
remote-control:
    control-enable: no
stub-zone:
    name: "."
    stub-addr: 127.0.0.1@{nsd}
    stub-no-cache: no
"""
# Names that unbound would answer by itself.
OWN_ZONES = ["test.", "invalid.", "127.in-addr.arpa.", "10.in-addr.arpa.", "168.192.in-addr.arpa.",
             "2.0.192.in-addr.arpa.", "100.51.198.in-addr.arpa.", "113.0.203.in-addr.arpa.",
             "8.b.d.0.1.0.0.2.ip6.arpa.", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."]


def free_dns_port():
    """Of UDP and TCP."""
    while True:
        port = net.free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Unpacked:
    """One program in the foreground, its output the log."""

    NAME = None

    def __init__(self):
        self.program = f"{SERVERS}/{self.NAME}/usr/sbin/{self.NAME}"
        assert os.path.exists(self.program), f"{self.program} is missing: make servers"
        self.dir = tempfile.mkdtemp(prefix=self.NAME + "-")
        self.address = "127.0.0.1", free_dns_port()
        self.process = None
        stories.add(self)

    def start(self, *arguments):
        with open(self.dir + "/said", "wb") as said:
            self.process = subprocess.Popen([self.program, *arguments], cwd=self.dir, stdin=subprocess.DEVNULL,
                                            stdout=said, stderr=said, start_new_session=True,
                                            env={"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": self._library_path()})
        net.wait_until(lambda: self._answers() or self.process.poll() is not None, 20, f"{self.NAME} does not answer",
                       self.story)
        assert self.process.poll() is None, f"{self.NAME} ended at once\n{self.story()}"

    def stop(self):
        """By itself, so that it waits for its own; what does not end then is in its own group."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def ask(self, name, kind):
        return dns_client.ask(self.address, name, kind)

    def story(self):
        with open(self.dir + "/said", errors="replace") as f:
            return f"--- {self.NAME} in {self.dir}\n" + "\n".join(f.read().splitlines()[-30:])

    def write(self, name, text):
        """At once, or not at all: the server may read it any time."""
        with open(f"{self.dir}/{name}.new", "w") as f:
            f.write(text)
        os.rename(f"{self.dir}/{name}.new", f"{self.dir}/{name}")

    def _library_path(self):
        found = {os.path.dirname(path) for path in glob.glob(f"{SERVERS}/{self.NAME}/usr/lib/*/*.so*")}
        return ":".join(sorted(found))

    def _answers(self):
        raise NotImplementedError


class NameServer(Unpacked):
    """nsd."""

    NAME = "nsd"

    def __init__(self, zones=None, broken=()):
        super().__init__()
        self.serial = 0
        self._write_zones(zones or {})
        self.write("nsd.conf", NSD.format(dir=self.dir, port=self.address[1],
                                          broken="".join(BROKEN.format(name=name) for name in broken)))
        self.start("-d", "-c", self.dir + "/nsd.conf")

    def load(self, zones):
        """These take the place of what was there."""
        self._write_zones(zones)
        os.kill(self.process.pid, signal.SIGHUP)
        # The process that answered so far may do so beside the new one, for a moment.
        net.wait_until(lambda: all(self._answers() for _ in range(5)), 10, "nsd keeps its old zones", self.story)

    def _write_zones(self, zones):
        self.serial += 1
        lines = [f"{name}. {one}" for name, records in zones.items() for one in records]
        self.write("root.zone", ROOT_ZONE.format(serial=self.serial) + "\n".join(lines) + "\n")

    def _answers(self):
        if not net.is_listening(self.address):
            return False
        found = dns_client.ask_udp(self.address, "", "SOA", 0.2)
        return bool(found) and _serial(found[0][1]) == self.serial


class CachingResolver(Unpacked):
    """unbound, which asks this name server."""

    NAME = "unbound"

    def __init__(self, name_server):
        super().__init__()
        own_zones = "".join(f'    local-zone: "{name}" nodefault\n' for name in OWN_ZONES)
        self.write("unbound.conf", UNBOUND.format(dir=self.dir, port=self.address[1], nsd=name_server.address[1],
                                                  own_zones=own_zones))
        self.start("-d", "-p", "-c", self.dir + "/unbound.conf")

    def _answers(self):
        return net.is_listening(self.address) and bool(dns_client.ask_udp(self.address, "", "SOA", 0.2))


def _serial(octets):
    """Of the SOA that is the only answer."""
    message = dns_wire.Message(octets)
    if not message.answers or message.answers[0].kind != "SOA":
        return None
    return int.from_bytes(message.answers[0].data[-20:-16], "big")


def reverse_name(address):
    """"7.2.0.192.in-addr.arpa"."""
    return ipaddress.ip_address(address).reverse_pointer
