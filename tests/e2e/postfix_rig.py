# SPDX-License-Identifier: ISC
"""A private Postfix: its own configuration, queue, log and mailbox in one directory, its own ports, nothing shared.

The machine's own Postfix, if any, is neither read nor touched. It is left as a careless postmaster would have it
(smtpd_forbid_bare_newline as Debian ships it, so it ends a message at LF.LF and worse): what arrives whole in there
arrived whole by Postern's doing.

Three services listen: `xclient` believes XCLIENT from 127.0.0.1 and ::1, `plain` does not offer it, `xclient6` is
`xclient` on ::1. All mail for example.org is delivered into one Maildir; who it was for stands in Delivered-To.
"""
import os
import pwd
import shutil
import subprocess

from delivered import Maildir, MaildirServer
from net import free_port, listening_ports, wait_until

SBIN = "/usr/sbin"
DAEMONS = "/usr/lib/postfix/sbin"
SIZE_LIMIT = 20_000_000

MAIN_CF = """
compatibility_level = 3.6
config_directory = {dir}/config
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
syslog_name = postfix
myhostname = inside.test
mydestination =
mynetworks = 192.0.2.255/32
inet_interfaces = loopback-only
inet_protocols = {protocols}
alias_maps =
alias_database =
local_recipient_maps =
smtpd_peername_lookup = no
disable_dns_lookups = yes
default_transport = error:nothing leaves this test
relay_transport = error:nothing leaves this test
virtual_transport = virtual
virtual_mailbox_domains = example.org
virtual_mailbox_maps = regexp:{dir}/config/mailboxes
virtual_mailbox_base = {dir}/mail
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
message_size_limit = {size_limit}
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_forbid_bare_newline_exclusions =
smtpd_recipient_restrictions =
smtpd_relay_restrictions = reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
smtpd_recipient_limit = 1000
smtpd_timeout = 60
local_header_rewrite_clients =
in_flow_delay = 0
enable_long_queue_ids = yes
smtputf8_enable = yes
"""

# Users whose name begins with "nobody" do not exist. No $1 in the result: virtual(8) forbids it.
MAILBOXES = """
if !/^nobody/
/@example\\.org$/ all/
endif
"""

MASTER_CF = """
127.0.0.1:{xclient}  inet  n - n - 100 smtpd -o smtpd_authorized_xclient_hosts=127.0.0.1
127.0.0.1:{plain}  inet  n - n - 100 smtpd -o smtpd_authorized_xclient_hosts=
{ipv6}
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 discard
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
"""
IPV6_SERVICE = "[::1]:{xclient6}  inet  n - n - 100 smtpd -o smtpd_authorized_xclient_hosts=127.0.0.1,[::1]"


def _replaced(text, lines):
    """Each name stands once: all of Postfix's programs warn of a second one as they start, and together that is more than
    the log's socket holds before postlogd, which would read it, has come so far: it then waits for itself."""
    names = {line.split("=")[0].strip() for line in lines}
    kept = [line for line in text.splitlines() if line.split("=")[0].strip() not in names]
    return "\n".join([*kept, *lines, ""])


QUEUE_ID = rb"by inside\.test \(Postfix\) with \S+ id (\S+?);?\s"


class Postfix(MaildirServer):
    """`main` are lines of main.cf that take the place of those above with the same name, or are added; `services` lines
    that are added to master.cf."""

    NAME = "postfix"

    def __init__(self, directory, ipv6=False, main=(), services=()):
        self.dir = str(directory)
        self.ipv6 = ipv6
        self.main, self.services = main, services
        self.ports = {}
        self.maildir = Maildir(self.dir + "/mail/all/new", QUEUE_ID)

    def start(self):
        assert os.geteuid() == 0, "these tests start a private Postfix, which needs root: run them as root"
        for program in (SBIN + "/postfix", DAEMONS + "/smtpd"):
            assert os.path.exists(program), f"{program} is missing: install the package postfix"
        self._write_files()
        self._postfix("start")
        wait_until(self._listens, 20, "Postfix does not listen", self.story)

    def stop(self):
        pid = self.master_pid()
        self._postfix("stop", check=False)
        if pid and os.path.exists(f"/proc/{pid}"):
            os.kill(pid, 9)

    def address(self, service="xclient"):
        host = "::1" if service == "xclient6" else "127.0.0.1"
        return host, self.ports[service]

    def master_pid(self):
        try:
            with open(self.dir + "/queue/pid/master.pid") as f:
                return int(f.read())
        except (OSError, ValueError):
            return None

    def log(self):
        try:
            with open(self.dir + "/log", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    # -- below: how

    def _write_files(self):
        user = pwd.getpwnam("postfix")
        for name, owner in (("", 0), ("/config", 0), ("/queue", 0), ("/data", user.pw_uid), ("/mail", user.pw_uid)):
            os.makedirs(self.dir + name, exist_ok=True)
            os.chmod(self.dir + name, 0o755)
            os.chown(self.dir + name, owner, 0 if owner == 0 else user.pw_gid)
        self.ports = {name: free_port() for name in ("xclient", "plain")}
        if self.ipv6:
            self.ports["xclient6"] = free_port("::1")
        service6 = IPV6_SERVICE.format(**self.ports) if self.ipv6 else ""
        main = MAIN_CF.format(dir=self.dir, uid=user.pw_uid, gid=user.pw_gid, size_limit=SIZE_LIMIT,
                              protocols="all" if self.ipv6 else "ipv4")
        self._write("main.cf", _replaced(main, self.main))
        self._write("master.cf", "\n".join([MASTER_CF.format(ipv6=service6, **self.ports), *self.services, ""]))
        self._write("mailboxes", MAILBOXES)

    def _write(self, name, text):
        with open(f"{self.dir}/config/{name}", "w") as f:
            f.write(text)

    def _postfix(self, verb, check=True):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run([SBIN + "/postfix", "-c", self.dir + "/config", verb], env=env, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if check and done.returncode != 0:
            raise AssertionError(f"postfix {verb}: status {done.returncode}\n{done.stdout}\n{self.story()}")

    def _listens(self):
        return set(self.ports.values()) <= listening_ports()

    def queued(self):
        for queue in ("maildrop", "incoming", "active", "deferred"):
            for _, _, files in os.walk(f"{self.dir}/queue/{queue}"):
                if files:
                    return True
        return False


def remove(postfix):
    shutil.rmtree(postfix.dir, ignore_errors=True)
