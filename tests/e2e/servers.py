# SPDX-License-Identifier: ISC
"""The four real inside servers, each with what a test may ask of all of them, and the ways to tell them of a client."""
import os
import re
import tempfile

import exim_rig
import opensmtpd_rig
import postfix_rig
import private_server
import sendmail_rig
from net import free_port

POSTFIX_MAIN = """
message_size_limit = {size_limit}
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
postscreen_access_list = static:permit
postscreen_cache_map =
"""

POSTFIX_SERVICES = """
{gate}
{haproxy}
tlsmgr    unix  - - n 1000? 1 tlsmgr
"""


class Postfix(postfix_rig.Postfix):
    """With services of conf/examples: `gate` (XCLIENT), `proxy` and `postscreen` (PROXY). `plain` offers STARTTLS."""

    NAME = "postfix"
    CHANGES = {name: "an empty line goes before text that is no header" for name in ("no-header",)}
    REFUSES = {}
    SMTPUTF8 = True
    PASSES = {"none": "plain", "xclient": "gate", "proxy-v1": "proxy", "proxy-v2": "proxy"}

    def __init__(self, directory, certificate):
        super().__init__(directory)
        self.own_ports = {name: free_port() for name in ("gate",)}
        main = POSTFIX_MAIN.format(size_limit=private_server.SIZE_LIMIT, certificate=certificate.certificate,
                                   key=certificate.key)
        self.main = main.strip().splitlines()
        self.services = POSTFIX_SERVICES.format(gate=self._example("postfix-master.cf", "gate"), haproxy="").splitlines()

    def address(self, service="plain"):
        return "127.0.0.1", {**self.ports, **self.own_ports}[service]

    def _example(self, name, *services):
        """A file of conf/examples as it is but for ports, and for chroot: the queue directory is bare."""
        with open(f"{private_server.EXAMPLES}/{name}") as f:
            text = f.read()
        return text


SERVERS = {"postfix": Postfix, "sendmail": sendmail_rig.Sendmail, "exim": exim_rig.Exim,
           "opensmtpd": opensmtpd_rig.OpenSmtpd}
