# SPDX-License-Identifier: ISC
"""What a service manager and posternd owe each other, with the test as the manager: messages to $NOTIFY_SOCKET, sockets
from descriptor 3 on, the capabilities of the unit. test_systemd.py does the same with systemd itself."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import pytest

import net
import postern as postern_program
from postern import PosternFrom
from smtp_client import Client

UNIT = postern_program.ROOT + "/conf/postern.service"
EXPOSURE_MAX = 3.0  # of systemd-analyze security: "OK" begins at 4.9
CONTENT = b"Subject: service\r\n\r\ntext\r\n"
CONFIGURATION = """\
hostname = mx.example.org
user = nobody
log = stderr
drain_timeout = 30s
%(more)s
listener mx {
    address     = { %(addresses)s }
    backend     = inside
    policy      = inbound
    max_workers = 4
    min_spare   = 1
    max_spare   = 2
}
backend inside {
    pass_client = xclient
    server one { address = 127.0.0.1:%(inside)d }
}
policy inbound {
}
"""

# Becomes a program that was handed sockets: their numbers here, then the command.
HAND_OVER = """\
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",") if fd]
high = [os.dup2(fd, 100 + i, inheritable=True) for i, fd in enumerate(fds)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
    os.close(fd)
if fds:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES="smtp")
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Managed(PosternFrom):
    """posternd -n with what a manager gives it."""

    def __init__(self, address, *arguments, sockets=(), notify=None, before=()):
        self.sockets, self.notify = sockets, notify
        numbers = ",".join(str(s.fileno()) for s in sockets)
        self.address = address
        self._start([sys.executable, "-c", HAND_OVER, numbers, *before, postern_program.POSTERND, "-n", *arguments])

    def wait_ready(self):
        """Not when somebody listens: that may be the manager."""
        self.wait_log("event=ready")

    def _popen(self, command, **options):
        environment = dict(options.pop("env"))
        if self.notify is not None:
            environment["NOTIFY_SOCKET"] = self.notify
        return subprocess.Popen(command, env=environment, pass_fds=[s.fileno() for s in self.sockets], **options)


class Manager:
    """The end that hears."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(20)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)

    def hear(self):
        """The next message, as a dictionary."""
        try:
            text = self.socket.recv(4096).decode()
        except socket.timeout:
            raise AssertionError("the manager heard nothing") from None
        return dict(line.split("=", 1) for line in text.splitlines())

    def close(self):
        self.socket.close()


@pytest.fixture
def managed(tmp_path, inside):
    """A function: writes a configuration for these addresses and starts posternd as a manager does."""
    programs = []
    server = inside()

    def start(*addresses, ready=True, more="", **given):
        path = tmp_path / "postern.conf"
        path.write_text(CONFIGURATION % {"addresses": ", ".join(f'"{a}"' for a in addresses), "more": more,
                                         "inside": server.address[1]})
        path.chmod(0o644)
        host, port = re.fullmatch(r"\[?(.*?)\]?:(\d+)", addresses[0]).groups()
        programs.append(Managed((host, int(port)), "-c", str(path), **given))
        if ready:
            programs[-1].wait_ready()
        programs[-1].file, programs[-1].inside = path, server
        return programs[-1]

    yield start
    for program in programs:
        program.stop() if program.process.returncode is None else program._kill_left([])
        program.check_log()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    manager = Manager(str(tmp_path / "notify") if request.param == "path" else f"@postern-test-{os.getpid()}")
    yield manager
    manager.close()


@pytest.fixture
def listening():
    """A function: a socket as a manager binds it."""
    opened = []

    def listen(address=None):
        if address is None:
            address = ("127.0.0.1", net.free_port())
        made = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # or TIME_WAIT would be in the way
        made.bind(address)
        made.listen(16)
        opened.append(made)
        return made

    yield listen
    for made in opened:
        made.close()


def spelled(made):
    return "%s:%d" % made.getsockname()


def greeting(address):
    with Client(address) as client:
        return client.reply().code


# -- what it says


def test_tells_each_state(managed, manager):
    program = managed("127.0.0.1:%d" % net.free_port(), ready=False, notify=manager.name)
    ready = manager.hear()
    assert net.is_listening(program.address), "ready before it listens"
    assert ready == {"READY": "1", "MAINPID": str(program.process.pid)}
    for text in (program.file.read_text(), program.file.read_text() + "nonsense = yes\n"):
        program.file.write_text(text)
        os.kill(program.process.pid, signal.SIGHUP)
        assert manager.hear().keys() == {"RELOADING", "MONOTONIC_USEC"}
        assert manager.hear() == ready
    program.wait_log("event=reload state=refused")
    program.terminate()
    assert manager.hear() == {"STOPPING": "1"}
    assert program.wait() == 0


def test_a_start_that_fails_is_never_ready(managed, manager, listening):
    taken = listening()
    program = managed(spelled(taken), ready=False, notify=manager.name)
    assert program.wait() == 1
    manager.socket.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.socket.recv(1)


def test_workers_do_not_know_where_the_manager_listens(managed, manager):
    program = managed("127.0.0.1:%d" % net.free_port(), notify=manager.name)
    assert all("notify" not in fd for pid in program.settled_workers() for fd in net.descriptors(pid))
    manager.hear()


# -- what it is handed


def test_sockets_outlive_a_master_and_serve_the_next(managed, listening):
    """Who connects between the two is served by the second."""
    made = listening()
    first = managed(spelled(made), sockets=[made])
    assert greeting(first.address) == 220
    first.stop()
    assert net.is_listening(first.address), "the manager's socket was shut down"
    with Client(first.address) as waiting:
        second = managed(spelled(made), sockets=[made])
        assert waiting.reply().code == 220
    assert greeting(second.address) == 220


def test_what_is_not_handed_over_is_bound(managed, listening, tmp_path):
    """IPv4 and a path from the manager, one more address by itself."""
    path = str(tmp_path / "smtp")
    made, other = listening(), net.free_port()
    program = managed("127.0.0.1:%d" % other, spelled(made), "unix:" + path, sockets=[made, listening(path)])
    assert greeting(program.address) == greeting(made.getsockname()) == 220
    with socket.socket(socket.AF_UNIX) as local:
        local.settimeout(20)
        local.connect(path)
        assert local.recv(3) == b"220"


def test_a_socket_that_nobody_asked_for_is_a_warning(managed, listening):
    made, spare = listening(), listening()
    program = managed(spelled(made), sockets=[made, spare])
    program.wait_log("event=inherited-unused sockets=1")
    assert greeting(program.address) == 220


def test_a_socket_that_does_not_listen_fails_the_start(managed):
    with socket.socket(socket.AF_INET) as idle:
        program = managed("127.0.0.1:%d" % net.free_port(), sockets=[idle], ready=False)
        assert program.wait() == 1
        program.wait_log("event=start-failed .*descriptor 3, handed over by LISTEN_FDS")


def test_a_reload_keeps_the_sockets(managed, listening):
    made = listening()
    program = managed(spelled(made), sockets=[made])
    os.kill(program.process.pid, signal.SIGHUP)
    program.wait_log("event=reload state=(done|over|good)")
    assert greeting(program.address) == 220
    program.stop()
    assert net.is_listening(program.address)


def test_an_upgrade_is_a_reload_to_the_manager(managed, manager, listening, tmp_path):
    """The same process is ready again, as often as it likes; where the manager listens, and its sockets, go along."""
    made = listening()
    program = managed(spelled(made), sockets=[made], ready=False, notify=manager.name,
                      more=f"control_socket = {tmp_path}/run/control")
    ready = manager.hear()
    for _ in range(3):
        done = subprocess.run([postern_program.BUILD + "/posternctl", "-s", f"{tmp_path}/run/control", "upgrade"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (done, program.story())
        assert manager.hear().keys() == {"RELOADING", "MONOTONIC_USEC"}
        assert manager.hear() == ready
        assert greeting(program.address) == 220
    assert all("notify" not in fd for pid in program.settled_workers() for fd in net.descriptors(pid))
    program.stop()
    assert manager.hear() == {"STOPPING": "1"}
    assert net.is_listening(program.address), "the manager's socket was shut down"


# -- the unit


def unit_words(name):
    """All values of a setting of the unit, in order."""
    with open(UNIT) as f:
        return [word for line in f if line.startswith(name + "=") for word in line.split("=", 1)[1].split()]


def test_starts_with_exactly_the_capabilities_of_the_unit(managed, tmp_path):
    """And without any way to more. With a control_group: that is what CHOWN is for."""
    capabilities = [word.removeprefix("CAP_").lower() for word in unit_words("CapabilityBoundingSet")]
    assert len(capabilities) == 6
    bounded = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=" + ",".join(["-all"] + [
        "+" + name for name in capabilities])]
    control = tmp_path / "control"
    program = managed("127.0.0.1:%d" % net.free_port(), before=bounded,
                      more=f"control_socket = {control}\ncontrol_group = mail\npid_file = {tmp_path}/run/pid\n")
    with Client(program.address) as client:
        client.hello()
        client.message(["bob@example.org"], CONTENT)
    assert len(program.inside.messages) == 1
    assert (tmp_path / "run/pid").read_text() == f"{program.process.pid}\n"
    assert control.group() == "mail"


@pytest.fixture
def installed_unit(tmp_path):
    """The units with programs where they say that they are."""
    for name in ("posternd", "posternctl"):
        os.makedirs(tmp_path / "sbin", exist_ok=True)
        shutil.copy("/bin/true", tmp_path / "sbin" / name)
    for name in ("postern.service", "postern.socket"):
        with open(f"{postern_program.ROOT}/conf/{name}") as f:
            (tmp_path / name).write_text(f.read().replace("@PREFIX@", str(tmp_path)))
    return tmp_path


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, env=dict(os.environ, SYSTEMD_PAGER="", SYSTEMD_COLORS="0"))
    return done.returncode, done.stdout


def test_systemd_finds_no_fault_with_the_units(installed_unit):
    """Neither an unknown setting nor a program that is missing."""
    units = [str(installed_unit / name) for name in ("postern.service", "postern.socket")]
    assert analyze("verify", "--man=no", *units) == (0, "")


def test_the_unit_leaves_little_open(installed_unit):
    status, said = analyze("security", "--offline=yes", "--no-pager", f"--threshold={EXPOSURE_MAX * 10:.0f}",
                           str(installed_unit / "postern.service"))
    assert status == 0, said


def test_the_unit_waits_longer_than_posternd(managed):
    """TimeoutStopSec above the default of drain_timeout and what comes behind it."""
    status, reference, _ = postern_program.run("-d")
    drain = re.search(r"^    drain_timeout +.*\n +default: (\d+)s", reference, re.M).group(1)
    assert int(unit_words("TimeoutStopSec")[0].removesuffix("s")) >= int(drain) + 10
