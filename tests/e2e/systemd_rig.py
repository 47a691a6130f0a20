# SPDX-License-Identifier: ISC
"""A real systemd, of the test's own: process 1 of its own process namespace, on a copy-on-write view of this machine.

What is installed there comes from `make install`. It reads no unit but those of the rig and the installed ones, has a
/run, a /dev and a cgroup of its own, and sees /sys and /proc/sys read-only. The network is this machine's: addresses of
the loopback are spoken to from outside. Needs root, and the right to mount (CAP_SYS_ADMIN).
"""
import os
import shutil
import signal
import socket
import subprocess

import net
import postern as postern_program
import stories

SYSTEMD = "/lib/systemd/systemd"
UNIT_DIRECTORY = "/usr/local/lib/systemd/system"
ERRORS = "/run/said-by-commands"  # what ExecStartPre and the like say
START_SECONDS = 60
COMMAND_SECONDS = 120

# In a mount namespace of its own. The last process that is left of it removes its cgroup, however systemd ended.
STAGE = r"""
set -eu
here=$1; inner=$2; PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t tmpfs -o mode=755 tmpfs "$here/stage"
mkdir "$here/stage/upper" "$here/stage/work" "$here/stage/root" "$here/stage/cgroup"
cp -a "$here/image/." "$here/stage/upper"
mount -t overlay -o "lowerdir=/,upperdir=$here/stage/upper,workdir=$here/stage/work" overlay "$here/stage/root"
mount -t tmpfs -o mode=755 tmpfs "$here/stage/root/run"
mkdir -p "$here/stage/root/run/systemd/journal"
mount --bind "$here/journal" "$here/stage/root/run/systemd/journal"
mount -t cgroup2 cgroup2 "$here/stage/cgroup"
own=$here/stage/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/postern-test-$$
mkdir -p "$own"
sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' enter "$own" \
    unshare --mount --propagation private --pid --uts --ipc --cgroup --fork --kill-child sh -c "$inner" inner "$here/stage/root" &
trap 'kill -KILL $!' TERM
wait $! || :
for try in 1 2 3 4 5; do
    find "$own" -depth -type d -exec rmdir {} + 2>/dev/null && break
    sleep 0.1
done
"""

INNER = r"""
set -eu
root=$1
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$root/dev"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /run/systemd/journal/dev-log "$root/dev/log"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
cd "$root"
pivot_root . .
umount -l .
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH=/etc/rig:%s \
    SYSTEMD_GENERATOR_PATH=/nonexistent %s --unit=rig.target --log-target=null --log-level=info --show-status=no
""" % (UNIT_DIRECTORY, SYSTEMD)

TARGETS = ("rig", "sysinit", "basic", "sockets", "shutdown", "network-online", "nss-user-lookup", "multi-user")

# No journal is there to hear what commands say. A sanitizer looks for leaks with ptrace, which the unit forbids. To wait
# five seconds for a restart proves nothing.
DROP_IN = f"""\
[Service]
StandardOutput=append:{ERRORS}
StandardError=append:{ERRORS}
Environment=ASAN_OPTIONS=detect_leaks=0
RestartSec=100ms
"""


def is_possible():
    """Where root may not mount, there is no rig: a plain container."""
    return subprocess.run(["unshare", "--mount", "--pid", "--cgroup", "--fork", "sh", "-c",
                           "mount -t tmpfs tmpfs /mnt && mount -t cgroup2 cgroup2 /mnt"], capture_output=True,
                          timeout=30).returncode == 0


class Systemd:
    """`configuration` becomes /etc/postern/postern.conf; `units` {name: text} go over the installed ones."""

    def __init__(self, directory, configuration, units=None):
        self.directory = str(directory)
        self.pid = None
        self._log = None
        self._lines = []
        self.image = self.directory + "/image"
        for part in ("image", "stage", "journal"):
            os.makedirs(f"{self.directory}/{part}")
        os.chmod(self.image, 0o755)
        self._install()
        self._write_units(units or {})
        self.configure(configuration)
        stories.add(self)
        self._open_log()
        self._console = open(self.directory + "/console", "w+b")
        self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", STAGE, "stage",
                                         self.directory, INNER], stdin=subprocess.DEVNULL, stdout=self._console,
                                        stderr=self._console, start_new_session=True)
        try:
            self._wait_started()
        except BaseException:
            self.stop()
            raise

    # -- what is in it

    def _install(self):
        build = os.path.relpath(postern_program.BUILD, postern_program.ROOT)
        done = subprocess.run(["make", "-s", "install", f"DESTDIR={self.image}", "PREFIX=/usr/local",
                               f"SANITIZE={int(build.endswith('sanitize'))}"], cwd=postern_program.ROOT,
                              env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))},
                              capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr

    def _write_units(self, units):
        directory = self.image + "/etc/rig"
        os.makedirs(directory + "/postern.service.d")
        for name in TARGETS:
            with open(f"{directory}/{name}.target", "w") as f:
                f.write("[Unit]\nDefaultDependencies=no\n")
        for name, text in {"postern.service.d/rig.conf": DROP_IN, **units}.items():
            os.makedirs(os.path.dirname(f"{directory}/{name}"), exist_ok=True)
            with open(f"{directory}/{name}", "w") as f:
                f.write(text)

    def _open_log(self):
        """Where /dev/log leads to in there. By way of a descriptor: a socket's path must be short."""
        self._log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        directory = os.open(self.directory + "/journal", os.O_RDONLY)
        self._log.bind(f"/proc/self/fd/{directory}/dev-log")
        os.chmod(f"/proc/self/fd/{directory}/dev-log", 0o666)
        os.close(directory)

    def configure(self, text):
        """/etc/postern/postern.conf, before and after the start."""
        path = (f"/proc/{self.pid}/root" if self.pid else self.image) + "/etc/postern/postern.conf"
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o644)

    # -- its start and its end

    def _find_pid(self):
        """systemd's, as it is seen from here."""
        assert self.process.poll() is None, "the rig did not start\n" + self.story()
        return next((pid for pid in net.descendants(self.process.pid) if net.command_name(pid) == "systemd"), None)

    def _wait_started(self):
        self.pid = net.wait_until(self._find_pid, START_SECONDS, "no systemd", self.story)
        net.wait_until(lambda: self.run("systemctl", "is-active", "rig.target")[1] == "active\n", START_SECONDS,
                       "systemd does not come up", self.story)
        status, said = self.run("systemd-sysusers", "/usr/local/lib/sysusers.d/postern.conf")
        assert status == 0, said

    def stop(self):
        """At once, with all that is in it; its mounts go with its last process."""
        if self.pid is not None and net.is_alive(self.pid):
            os.kill(self.pid, signal.SIGKILL)
        else:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self._log is not None:
            self._log.close()
        shutil.rmtree(self.image, ignore_errors=True)

    # -- asking it

    def run(self, *command, seconds=COMMAND_SECONDS):
        """(status, what it said), of a command within."""
        done = subprocess.run(["nsenter", "--target", str(self.pid), "--mount", "--pid", "--uts", "--ipc", "--cgroup",
                               "--root", "--wd", "env", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", *command],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=seconds)
        return done.returncode, done.stdout

    def systemctl(self, *arguments):
        """It must go well; what it said."""
        status, said = self.run("systemctl", *arguments)
        assert status == 0, f"systemctl {' '.join(arguments)}: {said}\n{self.story()}"
        return said

    def show(self, name, unit="postern.service"):
        return self.systemctl("show", "--value", "-p", name, unit).strip()

    def main_pid(self):
        """Of the service, as it is seen from here."""
        inner = self.show("MainPID")
        for pid in net.descendants(self.pid):
            try:
                if net.status_field(pid, "NSpid").split()[-1] == inner:
                    return pid
            except OSError:
                continue
        raise AssertionError(f"no process {inner}\n{self.story()}")

    def log(self):
        """What posternd said to /dev/log until now."""
        while self._log is not None:
            try:
                self._lines.append(self._log.recv(8192).decode(errors="replace"))
            except BlockingIOError:
                break
        return "\n".join(self._lines)

    def wait_log(self, text):
        return net.wait_until(lambda: text in self.log(), 20, f"posternd did not log {text}", self.story)

    def said(self):
        """What its commands said to stderr."""
        try:
            with open(f"/proc/{self.pid}/root{ERRORS}", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def story(self):
        self._console.flush()
        size = os.fstat(self._console.fileno()).st_size
        console = os.pread(self._console.fileno(), size, 0).decode(errors="replace").splitlines()[-60:]
        return "\n".join(["--- systemd", *console, "--- commands", self.said(), "--- log", self.log()])
