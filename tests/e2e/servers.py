# SPDX-License-Identifier: ISC
"""The four real inside servers, by name, and by which of their services each hears of the client: PASSES, from a value
of pass_client to a service, and MORE_PASSES, pairs of the two. `plain` is what a test speaks to without Postern."""
import contextlib
import os
import re
import tempfile

import pytest

import exim_rig
import opensmtpd_rig
import postfix_rig
import private_server
import sendmail_rig
from net import free_port

POSTFIX_MAIN = """
message_size_limit = {size_limit}
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
postscreen_access_list = static:permit
postscreen_cache_map =
tlsproxy_tls_security_level = may
"""
POSTFIX_REST = ["tlsmgr unix - - n 1000? 1 tlsmgr", "tlsproxy unix - - n - 0 tlsproxy",
                "dnsblog unix - - n - 0 dnsblog"]


class Postfix(postfix_rig.Postfix):
    """Its services `xclient`, `proxy` and `postscreen` are those of conf/examples. `plain` offers STARTTLS."""

    EXAMPLES = {"xclient": "postfix-master.cf", "proxy": "postfix-proxy.cf", "postscreen": "postfix-postscreen.cf"}
    PASSES = {"none": "plain", "xclient": "xclient", "proxy-v1": "proxy", "proxy-v2": "proxy"}
    MORE_PASSES = (("proxy-v1", "postscreen"), ("proxy-v2", "postscreen"))
    CHANGES = {name: "an empty line goes above text that is no header"
               for name in ("text-without-header", "blank-first-line")}
    ADDS, REFUSES = None, {}
    SMTPUTF8 = TLS = True

    def __init__(self, directory, certificate):
        super().__init__(directory)
        self._own_ports = {name: free_port() for name in self.EXAMPLES}
        self.main = POSTFIX_MAIN.strip().format(size_limit=private_server.SIZE_LIMIT, key=certificate.key,
                                                certificate=certificate.certificate).splitlines()
        self.services = POSTFIX_REST + [self._example(*item) for item in self.EXAMPLES.items()]

    def address(self, service="plain"):
        return "127.0.0.1", {**self.ports, **self._own_ports}[service]

    def _example(self, service, name):
        """The file as it is, but for its port, and without chroot, which the bare queue directory has nothing for."""
        address = f"127.0.0.1:{self._own_ports[service]} "
        with open(f"{private_server.EXAMPLES}/{name}") as f:
            text, count = re.subn(r"^127\.0\.0\.1:10025 ", address, f.read(), flags=re.M)
        assert count == 1, f"{name} has not one service at 127.0.0.1:10025"
        return re.sub(r"^(\S+ +(?:inet|pass) +\S+ +\S+ +)y ", r"\1n ", text, flags=re.M)


SERVERS = {rig.NAME: rig for rig in (Postfix, sendmail_rig.Sendmail, exim_rig.Exim, opensmtpd_rig.OpenSmtpd)}


@contextlib.contextmanager
def started_on_demand(rigs, certificate):
    """A function: the server of a name in `rigs`, started when it is first asked for; all end together. Where it cannot
    be run the test is skipped, and says why."""
    started = {}

    def get(name):
        if name not in started:
            directory = tempfile.mkdtemp(prefix=f"{name}-")
            os.chmod(directory, 0o755)  # its own users have to get in
            server = rigs[name](directory, certificate)
            reason = None if name == "postfix" else private_server.why_impossible(directory)
            if reason:
                private_server.remove(server)
                pytest.skip(f"{name}: {reason}")
            try:
                server.start()
            except BaseException:
                end(server)
                raise
            started[name] = server
        return started[name]

    def end(server):
        server.stop()
        private_server.remove(server)

    try:
        yield get
    finally:
        for server in started.values():
            end(server)
