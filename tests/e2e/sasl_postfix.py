# SPDX-License-Identifier: ISC
"""A private Postfix for submission, as INSTALL tells to set it up, with a private Cyrus SASL: users in a sasldb of its
own, nothing in /etc read or written. It relays to everywhere, which is: mail is logged as sent, and thrown away."""
import os
import pwd
import re
import subprocess

import net
import postern as postern_program
import postfix_rig

REALM = "example.org"
# In config/sasl, where Debian's Postfix looks whatever cyrus_sasl_config_path says. All that Cyrus has, so that it is
# Postern that leaves some out.
SMTPD_CONF = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {dir}/config/sasl/sasldb2
mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 NTLM SCRAM-SHA-1 SCRAM-SHA-256 EXTERNAL ANONYMOUS
"""
MAIN = ("smtpd_sasl_type = cyrus", "smtpd_sasl_path = smtpd", "cyrus_sasl_config_path = {dir}/config/sasl",
        "smtpd_sasl_local_domain =", "smtpd_sasl_exceptions_networks =", "default_transport = discard:relayed",
        "relay_transport = discard:relayed")
EXAMPLE = postern_program.ROOT + "/conf/examples/postfix-submission.cf"


def documented_service(port):
    """conf/examples/postfix-submission.cf, on another port, and not in a chroot, where this host's Cyrus is not."""
    with open(EXAMPLE) as f:
        lines = [line for line in f.read().splitlines() if not line.startswith("#")]
    service, count = re.subn(r"^127\.0\.0\.1:10587( +inet +n +- +)y", rf"127.0.0.1:{port}\1n", "\n".join(lines))
    assert count == 1
    return service


class SaslPostfix(postfix_rig.Postfix):
    """`service` is the documented one; `careless` offers ANONYMOUS, too."""

    def __init__(self, directory, users):
        self.submission, self.careless = net.free_port(), net.free_port()
        careless = documented_service(self.careless).replace("=noanonymous", "=")
        super().__init__(directory, main=[line.format(dir=directory) for line in MAIN],
                         services=[documented_service(self.submission), careless])
        self.users = users

    def address(self, service="submission"):
        if service in ("submission", "careless"):
            return "127.0.0.1", getattr(self, service)
        return super().address(service)

    def _write_files(self):
        super()._write_files()
        self.ports.update(submission=self.submission, careless=self.careless)
        user = pwd.getpwnam("postfix")
        os.makedirs(self.dir + "/config/sasl", exist_ok=True)
        with open(self.dir + "/config/sasl/smtpd.conf", "w") as f:
            f.write(SMTPD_CONF.format(dir=self.dir))
        for name, password in self.users.items():
            subprocess.run(["/usr/sbin/saslpasswd2", "-p", "-c", "-f", self.dir + "/config/sasl/sasldb2", "-u", REALM,
                            name], input=password, check=True, capture_output=True, timeout=30)
        os.chown(self.dir + "/config/sasl/sasldb2", user.pw_uid, user.pw_gid)
