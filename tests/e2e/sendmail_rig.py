# SPDX-License-Identifier: ISC
"""A private Sendmail, its .cf made by the packages' own m4 files.

One service, `plain`: the one of conf/examples/sendmail.mc; it offers STARTTLS. To Sendmail each client is 127.0.0.1.
All mail for example.org but nobody's is delivered into one Maildir by a mailer of the rig's own, which does with a
message as little as Sendmail can be told to; who it was for stands in Delivered-To.
"""
import os
import shutil
import socket
import subprocess
import threading

from private_server import PATH, SIZE_LIMIT, PrivateServer

CF = "/usr/share/sendmail/cf"

# Mailer flags: 8 nothing is made 7-bit; n no line "From "; u no lower case. Nothing asks for lines of
# RFC 822 that are missing, or for many recipients at once. L=0: lines of any length.
MC = """divert(0)dnl
VERSIONID(`postern')dnl
OSTYPE(`debian')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`no_default_msa')dnl
RELAY_DOMAIN(`example.org')dnl
define(`confDOMAIN_NAME', `inside.test')dnl
define(`confMAX_MESSAGE_SIZE', `{size_limit}')dnl
define(`confMAX_HEADERS_LENGTH', `1000000')dnl
define(`confCACERT_PATH', `/etc')dnl
define(`confCACERT', `/etc/certificate.pem')dnl
define(`confSERVER_CERT', `/etc/certificate.pem')dnl
define(`confSERVER_KEY', `/etc/key.pem')dnl
define(`confTLS_SRV_OPTIONS', `V')dnl
define(`confREFUSE_LA', `0')dnl
define(`confQUEUE_LA', `0')dnl
define(`confDELAY_LA', `0')dnl
{example}
MAILER(`local')dnl
MAILER(`smtp')dnl
MAILER_DEFINITIONS
Mkeep, P=/usr/bin/keep, F=8nu, S=EnvFromSMTP, E=\\n, L=0, T=DNS/RFC822/X-Unix, A=keep $f $u
LOCAL_RULE_0
Rnobody$* < @ example.org . > $*	$#error $@ 5.1.1 $: "550 There is no such user here"
R$* < @ example.org . > $*	$#keep $@ example.org $: $1 < @ example.org . >
"""

KEEP = """#!/bin/sh
{ printf 'Return-Path: <%s>\\nDelivered-To: %s\\n' "$1" "$2"; cat; } >"/mail/tmp/$$.$2"
mv "/mail/tmp/$$.$2" /mail/new
"""


class Sendmail(PrivateServer):
    NAME = "sendmail"
    PROGRAMS = ("/usr/libexec/sendmail/sendmail", "/bin/sh", "/bin/cat", "/bin/mv", "/usr/bin/m4")
    ARGUMENTS = ("-bD", "-q1h")
    USERS = (("smmta", 621), ("smmsp", 622))
    QUEUE_ID = rb"by inside\.test \(\S+\) with \S+ id (\S+?);?\s"
    PASSES = {"none": "plain"}
    CHANGES = {
        "empty": "an empty line ends each header",
        "header-only": "an empty line ends each header",
        "text-without-header": "an empty line goes above text that is no header",
        "blank-first-line": "an empty line goes above text that is no header",
        "header-line-5000": "a line of a header is cut at 2,304 octets (MAXLINE + 256, built in)",
    }
    SMTPUTF8 = False  # Debian's is built without USE_EAI

    def __init__(self, directory, certificate):
        super().__init__(directory, certificate)
        self._syslog = None
        self._lines = []

    def start(self):
        self._open_log()
        super().start()

    def stop(self):
        super().stop()
        if self._syslog is not None:
            self._syslog.shutdown(socket.SHUT_RDWR)

    def write_files(self):
        for path in ("/var/spool/mqueue", "/var/lib/sendmail/host_status", "/run/sendmail/mta", "/etc/mail"):
            self.directory(path, mode=0o755)
        self.write("/usr/bin/keep", KEEP, 0o755)
        self.write("/etc/mail/local-host-names", "")
        self.write("/etc/mail/service.switch", "hosts files\naliases files\n")
        example = self.example("sendmail.mc", "plain", r"Addr=10\.255\.255\.25, Port=10025")
        self.write("/etc/mail/sendmail.mc", MC.format(example=example, size_limit=SIZE_LIMIT))
        self._make_cf()

    def spelled(self, service):
        return f"Addr=127.0.0.1, Port={self.ports[service]}"

    def log(self):
        return "\n".join(self._lines) + "\n" + super().log()

    def queued(self):
        return self.files_below("/var/spool/mqueue")

    def _make_cf(self):
        """As /etc/mail/Makefile does, with m4 in the root, because Debian's files name each other by their paths."""
        shutil.copytree(self.unpacked + CF, self.dir + CF)
        done = subprocess.run(["chroot", self.dir, "/usr/bin/m4", f"-D_CF_DIR_={CF}/", f"{CF}/m4/cf.m4",
                               "/etc/mail/sendmail.mc"], capture_output=True, text=True, timeout=60, env={"PATH": PATH})
        assert done.returncode == 0, done.stderr
        self.write("/etc/mail/sendmail.cf", done.stdout)

    def _open_log(self):
        """It knows no log but syslog's. Somebody has to read all the time: syslog(3) waits where nobody does."""
        self._syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        os.makedirs(self.dir + "/dev", exist_ok=True)
        directory = os.open(self.dir + "/dev", os.O_RDONLY)
        self._syslog.bind(f"/proc/self/fd/{directory}/log")
        os.close(directory)
        os.chmod(self.dir + "/dev/log", 0o666)
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        while octets := self._syslog.recv(65536):
            self._lines.append(octets.decode(errors="replace"))
