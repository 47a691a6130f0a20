# SPDX-License-Identifier: ISC
"""A private OpenSMTPD.

Two services: `plain`, which offers STARTTLS, and `proxy`, which is the one of conf/examples/opensmtpd.conf and wants
PROXY v2. All mail for example.org but nobody's is delivered into one Maildir; who it was for stands in Delivered-To.
"""
from private_server import SIZE_LIMIT, PrivateServer

CONFIGURATION = """
pki inside cert "/etc/certificate.pem"
pki inside key "/etc/key.pem"
smtp max-message-size "{size_limit}"
listen on 127.0.0.1 port {plain} tls pki inside hostname inside.test
{example}
table everybody {{ "@" = "mail" }}
action keep maildir "/mail" virtual <everybody>
match from any for rcpt-to regex "^nobody" reject
match from any for domain "example.org" action keep
match from local for domain "local.example" action keep
"""


class OpenSmtpd(PrivateServer):
    NAME = "opensmtpd"
    PROGRAMS = ("/usr/sbin/smtpd", "/usr/sbin/smtpctl", "/usr/libexec/opensmtpd/mail.maildir", "/bin/sh")
    ARGUMENTS = ("-d",)
    USERS = (("opensmtpd", 611), ("opensmtpq", 612), ("nobody", 65534))
    SERVICES = ("plain", "proxy")
    QUEUE_ID = rb"by inside\.test \(OpenSMTPD\) with \S+ id (\S+)"
    PASSES = {"none": "plain", "proxy-v2": "proxy"}
    # Date and Message-ID, where they are missing.
    ADDS = rb"Date: [^\r]* \(UTC\)\r\n|Message-ID: <[0-9a-f]+@inside\.test>\r\n"
    REFUSES = {
        "lines-70000": (500, "a line holds 65,533 octets at most; it ends the connection"),
        "text-without-header": (550, "the first line must be one of a header"),
        "blank-first-line": (550, "the first line must be one of a header"),
    }
    SMTPUTF8 = False
    TLS = False  # Debian 12's was written for OpenSSL 1.1: with 3 no handshake succeeds (OpenSMTPD's issues 1171, 1239)

    def write_files(self):
        self.directory("/var/lib/opensmtpd/empty")
        self.directory("/var/spool/smtpd", mode=0o711)
        example = self.example("opensmtpd.conf", "proxy", r"127\.0\.0\.1 port 10025")
        self.write("/etc/smtpd.conf", CONFIGURATION.format(example=example, size_limit=SIZE_LIMIT, **self.ports), 0o640)

    def spelled(self, service):
        return f"127.0.0.1 port {self.ports[service]}"

    def queued(self):
        return [name for part in ("queue", "incoming") for name in self.files_below(f"/var/spool/smtpd/{part}")]
