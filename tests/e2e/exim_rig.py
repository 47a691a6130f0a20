# SPDX-License-Identifier: ISC
"""A private Exim (exim4-daemon-heavy: the light one knows no PROXY).

Two services: `plain`, and `proxy`, which is the one of conf/examples/exim.conf and wants the header. Both offer
STARTTLS. All mail for example.org but nobody's is delivered into one Maildir; who it was for stands in Envelope-to.
"""
import os

from private_server import SIZE_LIMIT, PrivateServer

CONFIGURATION = """
{example}
primary_hostname = inside.test
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
log_selector = MAIN_LOG_SELECTOR
local_interfaces = <; [127.0.0.1]:{plain} ; [127.0.0.1]:{proxy}
tls_advertise_hosts = *
tls_certificate = /etc/certificate.pem
tls_privatekey = /etc/key.pem
message_size_limit = {size_limit}
rfc1413_query_timeout = 0s
acl_smtp_rcpt = check_recipient

begin acl
check_recipient:
  deny local_parts = ^nobody
       message = there is no user $local_part here
  accept domains = example.org
  deny message = relay not permitted

begin routers
keep:
  driver = accept
  transport = keep

begin transports
keep:
  driver = appendfile
  directory = /mail
  maildir_format
  maildir_tag =
  create_directory = false
  user = mail
  envelope_to_add
  return_path_add
"""


class Exim(PrivateServer):
    NAME = "exim"
    PROGRAMS = ("/usr/sbin/exim4",)
    ARGUMENTS = ("-bdf", "-q1h")
    USERS = (("Debian-exim", 601),)
    SERVICES = ("plain", "proxy")
    PASSES = {"none": "plain", "proxy-v1": "proxy", "proxy-v2": "proxy"}
    CHANGES = {
        "empty": "an empty line ends each header",
        "header-only": "an empty line ends each header",
        "text-without-header": "an empty line goes above text that is no header",
        "blank-first-line": "an empty line goes above text that is no header",
    }
    QUEUE_ID = rb"by inside\.test with [^;]*\tid (\S+)\n"

    def write_files(self):
        for path in ("/var/spool/exim4", "/var/log/exim4"):
            self.directory(path, "Debian-exim")
        os.chown(self.dir + "/etc/key.pem", 601, 601)
        os.chmod(self.dir + self.PROGRAMS[0], 0o4755)  # who delivers is started by Debian-exim, and becomes mail
        example = self.example("exim.conf", "proxy", r"\{10025\}")
        self.write("/etc/exim4/exim4.conf", CONFIGURATION.format(example=example, size_limit=SIZE_LIMIT, **self.ports))

    def spelled(self, service):
        return f"{{{self.ports[service]}}}"

    def log(self):
        return self.text_of("/var/log/exim4/mainlog") + self.text_of("/var/log/exim4/paniclog") + super().log()

    def queued(self):
        return self.files_below("/var/spool/exim4/input")
