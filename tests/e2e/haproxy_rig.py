# SPDX-License-Identifier: ISC
"""A private haproxy in front of posternd: its own configuration, ports and socket in one directory, no service.

It connects from an address of its own, so that the listener can tell it from clients that come directly.
"""
import csv
import io
import os
import shutil
import socket
import subprocess

import net
import stories

HAPROXY = "/usr/sbin/haproxy"
OWN_ADDRESS = "127.0.0.99"

CONFIGURATION = """
global
    maxconn 200
    stats socket {dir}/socket mode 600
defaults
    mode tcp
    timeout connect 10s
    timeout client  10m
    timeout server  10m
    timeout check   10s
frontend smtp
{binds}
    default_backend gate
backend gate
    source {own}
    option smtpchk EHLO check.test
    server one {host}:{port} {options} check inter 200ms
"""


class Haproxy:
    """`options` are those of its server line: send-proxy, check-send-proxy .. `hosts` are addresses to listen at."""

    def __init__(self, directory, gate, options, hosts=("127.0.0.1",)):
        assert os.path.exists(HAPROXY), f"{HAPROXY} is missing: install the package haproxy"
        self.dir = str(directory)
        self.ports = {host: net.free_port(host) for host in hosts}
        binds = "\n".join(f"    bind {'[::1]' if ':' in host else host}:{port}" for host, port in self.ports.items())
        with open(self.dir + "/haproxy.cfg", "w") as f:
            f.write(CONFIGURATION.format(dir=self.dir, binds=binds, own=OWN_ADDRESS, host=gate[0], port=gate[1],
                                         options=options))
        self._log = open(self.dir + "/log", "w+b")
        self.process = subprocess.Popen([HAPROXY, "-db", "-f", self.dir + "/haproxy.cfg"], stdin=subprocess.DEVNULL,
                                        stdout=self._log, stderr=self._log)
        stories.add(self)
        net.wait_until(lambda: set(self.ports.values()) <= net.listening_ports(), 20, "haproxy does not listen",
                       self.story)
        net.wait_until(lambda: os.path.exists(self.dir + "/socket"), 20, "haproxy has no socket", self.story)

    def address(self, host="127.0.0.1"):
        return host, self.ports[host]

    def health(self):
        """(status, check_status) of its server: ("UP", "L7OK")."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.dir + "/socket")
            s.sendall(b"show stat\n")
            text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
        rows = csv.DictReader(io.StringIO(text.lstrip("# ")))
        row = next(row for row in rows if row["svname"] == "one")
        return row["status"], row["check_status"].lstrip("* ")  # while one is under way

    def wait_health(self, *expected):
        net.wait_until(lambda: self.health() == expected, 20, f"its server is not {expected}", self.story)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def story(self):
        with open(self.dir + "/log", errors="replace") as f:
            return f"--- haproxy in {self.dir}: {self.health()}\n{f.read()}"


def remove(haproxy):
    shutil.rmtree(haproxy.dir, ignore_errors=True)
