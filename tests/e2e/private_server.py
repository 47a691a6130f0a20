# SPDX-License-Identifier: ISC
"""A mail server of the test's own, unpacked by `make servers` (tests/unpack), in a private root that it is chrooted to:
what exim_rig, opensmtpd_rig and sendmail_rig share.

The root is a fresh directory that holds the programs, the libraries that they need, users and devices. So the paths
that are built into a server may be what they are, nothing of the machine is read or touched, and no mount is needed: a
plain container will do. Whoever is chrooted in there is the server's: nobody of it outlives stop().
"""
import glob
import os
import re
import shutil
import signal
import stat
import subprocess

import net
import postern as postern_program
from delivered import Maildir, MaildirServer

SERVERS = postern_program.ROOT + "/build/servers"
EXAMPLES = postern_program.ROOT + "/conf/examples"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}
SIZE_LIMIT = 40_000_000
MAIL = ("mail", 8)  # who owns what was delivered

ETC = {
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\n",
    "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    "services": "smtp 25/tcp mail\n",
    "protocols": "tcp 6 TCP\nudp 17 UDP\n",
    "shells": "/bin/sh\n",
    "mailname": "inside.test\n",
    "aliases": "",
}


def why_impossible(directory):
    """In words, or None: devices must be made and work there (CAP_MKNOD), chroot must be allowed (CAP_SYS_CHROOT), and
    a program's setuid bit must count."""
    if shutil.which("apt-get") is None:
        return "this is not Debian, whose packages tests/unpack unpacks"
    if os.statvfs(directory).f_flag & os.ST_NOSUID:
        return f"{directory} is mounted nosuid"
    try:
        os.mknod(f"{directory}/try", stat.S_IFCHR | 0o666, os.makedev(*DEVICES["null"]))
        with open(f"{directory}/try", "w") as device:
            device.write("x")
        os.unlink(f"{directory}/try")
    except OSError as error:
        return f"no devices can be made in {directory}: {error}"
    if subprocess.run(["chroot", "/", "true"], capture_output=True).returncode != 0:
        return "chroot is not allowed"
    return None


class PrivateServer(MaildirServer):
    """One of them says what it is by these, and by write_files(), queued() and, where stderr is not its log, log()."""

    NAME = None  # of what is unpacked
    PROGRAMS = ()  # that the root must have; the first is the server
    ARGUMENTS = ()  # so that it stays in the foreground
    USERS = ()  # (name, number) beside root and mail
    SERVICES = ("plain",)
    QUEUE_ID = None
    PASSES, MORE_PASSES = {}, ()  # servers.py says what they are
    # What a server makes of messages by itself, whoever sends them: own header lines, as a regular expression; other
    # changes, as {name of a message in test_servers_real: why}; and what it refuses: {name: (code, why)}.
    ADDS = None
    CHANGES = {}
    REFUSES = {}
    SMTPUTF8 = True
    TLS = True

    def __init__(self, directory, certificate):
        self.dir = str(directory)
        self.certificate = certificate
        self.unpacked = f"{SERVERS}/{self.NAME}"
        self.ports = {}
        self.process = None
        self.maildir = Maildir(self.dir + "/mail/new", self.QUEUE_ID)

    def start(self):
        assert os.path.isdir(self.unpacked), f"{self.unpacked} is missing: make servers"
        self.ports = {service: net.free_port() for service in self.SERVICES}
        umask = os.umask(0o022)  # root's is stricter on many a machine, and the server's users have to get in
        try:
            self._furnish()
            self.write_files()
        finally:
            os.umask(umask)
        with open(self.dir + "/said", "wb") as said:
            self.process = subprocess.Popen(["chroot", self.dir, self.PROGRAMS[0], *self.ARGUMENTS], cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                            env={"PATH": PATH}, umask=0o022, start_new_session=True)
        net.wait_until(lambda: self._listens() or self.process.poll() is not None, 20,
                       f"{self.NAME} does not listen", self.story)
        assert self.process.poll() is None, f"{self.NAME} ended at once\n{self.story()}"

    def stop(self):
        """Its main process first, so that it starts nobody meanwhile."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself
        net.wait_until(lambda: not self.processes(), 10, f"{self.NAME} does not end", self.story)

    def processes(self):
        """All that are chrooted to this root, or to a directory in it."""
        found = []
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            try:
                root = os.readlink(f"/proc/{pid}/root")
            except OSError:
                continue
            if (root + "/").startswith(self.dir + "/") and net.is_alive(pid):
                found.append(pid)
        return found

    def address(self, service="plain"):
        return "127.0.0.1", self.ports[service]

    def log(self):
        return self.text_of("/said")

    def run(self, *command, given=""):
        """What a command in the root said to stdout, which went well."""
        done = subprocess.run(["chroot", self.dir, *command], input=given, capture_output=True, text=True, cwd="/",
                              timeout=60, env={"PATH": PATH})
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    # -- for what a server has to say

    def text_of(self, path):
        """What is in a file now; a file that is not there yet holds nothing."""
        try:
            with open(self.dir + path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def write(self, path, text, mode=0o644):
        path = self.dir + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def directory(self, path, user="root", mode=0o755):
        """One that this user owns."""
        number = {"root": 0, **dict([MAIL, *self.USERS])}[user]
        os.makedirs(self.dir + path, exist_ok=True)
        os.chmod(self.dir + path, mode)
        os.chown(self.dir + path, number, number)

    def files_below(self, path):
        return [name for _, _, files in os.walk(self.dir + path) for name in files]

    def example(self, name, service, pattern):
        """A file of conf/examples as it is but for the address: what `pattern` finds in it, once, becomes this
        service's."""
        with open(f"{EXAMPLES}/{name}") as f:
            text, count = re.subn(pattern, lambda _: self.spelled(service), f.read())
        assert count == 1, f"{count} times {pattern} in {name}"
        return text

    def spelled(self, service):
        """An address, as the server's configuration has it."""
        raise NotImplementedError

    # -- below: the root

    def _furnish(self):
        for path in ("/etc", "/dev", "/run", "/tmp", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/var"):
            self.directory(path)
        os.chmod(self.dir + "/tmp", 0o1777)
        for name in ("bin", "sbin", "lib", "lib64"):
            os.symlink(f"usr/{name}", f"{self.dir}/{name}")
        os.symlink("../run", f"{self.dir}/var/run")
        for name, numbers in DEVICES.items():
            os.mknod(f"{self.dir}/dev/{name}", stat.S_IFCHR | 0o666, os.makedev(*numbers))
            os.chmod(f"{self.dir}/dev/{name}", 0o666)
        for name, text in ETC.items():
            self.write(f"/etc/{name}", text)
        self._make_users()
        for path in ("", "/tmp", "/new", "/cur"):
            self.directory("/mail" + path, "mail")
        for program in self.PROGRAMS:
            self._take(program)
        for ending, mode in (("certificate", 0o644), ("key", 0o600)):
            with open(getattr(self.certificate, ending)) as f:
                self.write(f"/etc/{ending}.pem", f.read(), mode)

    def _make_users(self):
        users = [("root", 0), MAIL, *self.USERS]
        self.write("/etc/passwd", "".join(f"{name}:x:{number}:{number}::/:/bin/sh\n" for name, number in users))
        self.write("/etc/group", "".join(f"{name}:x:{number}:\n" for name, number in users))
        self.write("/etc/shadow", "".join(f"{name}:*:::::::\n" for name, _ in users), 0o600)

    def _take(self, program):
        source = self.unpacked + program if os.path.exists(self.unpacked + program) else os.path.realpath(program)
        self._copy(source, program)
        for library in self.libraries(source):
            self._copy(library, library.removeprefix(self.unpacked))

    def _copy(self, source, path):
        if not os.path.exists(self.dir + path):
            os.makedirs(os.path.dirname(self.dir + path), exist_ok=True)
            shutil.copy(source, self.dir + path)

    def library_path(self):
        """Where the unpacked libraries lie."""
        found = {os.path.dirname(path) for part in ("lib", "usr/lib") for deep in ("", "*-linux-gnu/")
                 for path in glob.glob(f"{self.unpacked}/{part}/{deep}*.so*")}
        return ":".join(sorted(found))

    def libraries(self, program):
        done = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=30,
                              env={"PATH": PATH, "LD_LIBRARY_PATH": self.library_path()})
        assert done.returncode == 0 and "not found" not in done.stdout, f"ldd {program}: {done.stdout}{done.stderr}"
        return re.findall(r"(?:=> |^\s+)(/\S+)", done.stdout, re.M)

    def _listens(self):
        return set(self.ports.values()) <= net.listening_ports()


def remove(server):
    shutil.rmtree(server.dir, ignore_errors=True)
