# SPDX-License-Identifier: ISC
"""Another configuration while mail comes in: nobody is refused, nothing is lost, and what is wrong changes nothing."""
import ctypes
import itertools
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import net
import postern as postern_program
from smtp_client import Client

CONTENT = b"Subject: reload\r\n\r\ntext\r\n"
MESSAGES, AT_A_TIME, HUPS_A_SECOND, RELOADS = 400, 20, 5, 5

CONF = """\
hostname = %(hostname)s
user     = nobody
log      = stderr
log_level = %(log_level)s
listener mx {
    address     = %(addresses)s
    backend     = inside
    policy      = inbound
    max_workers = %(max_workers)d
    min_spare   = 2
    max_spare   = 5  %(tls)s
}
backend inside {
    pass_client = xclient
    server one { address = 127.0.0.1:%(inside)d }
}
policy inbound {
    mode = enforce
}
"""


class Gate(postern_program.PosternFrom):
    """posternd whose file a test changes."""

    def __init__(self, directory, inside, flags=("-f",), arguments=(), **places):
        self.path = str(directory / "postern.conf")
        port = net.free_port()
        self.places = {"hostname": "mx.example.org", "addresses": f"127.0.0.1:{port}", "max_workers": 50,
                       "log_level": "info", "inside": inside[1], "tls": "", **places}
        self.write()
        super().__init__(("127.0.0.1", port), *flags, "-c", self.path, *arguments)

    def write(self, **places):
        self.places.update(places)
        with open(self.path, "w") as f:
            f.write(CONF % self.places)
        os.chmod(self.path, 0o644)

    def workers_at_rest(self):
        """Once no more are made: the same for a while."""
        def find():
            found = set(self.workers())
            time.sleep(0.5)
            return found if found and found == set(self.workers()) else None
        return net.wait_until(find, 20, "workers come and go", self.story)

    def count(self, text):
        return self.log().count(text)

    def reload(self, ends="done", **places):
        """The file with these places, HUP, and the end of it."""
        self.write(**places)
        before = self.count(f"event=reload state={ends}")
        os.kill(self.process.pid, signal.SIGHUP)
        net.wait_until(lambda: self.count(f"event=reload state={ends}") > before, 30, f"reload is not {ends}", self.story)


@pytest.fixture
def gate(tmp_path):
    started = []

    def start(inside, **options):
        started.append(Gate(tmp_path, inside, **options))
        started[-1].wait_ready()
        return started[-1]

    yield start
    for program in started:
        program.stop()
        program.check_log()


def banner(address):
    with Client(address) as client:
        return client.expect(220).text


def make_certificate(directory):
    """Its file, with the key in it."""
    path = str(directory / "mx.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=mx.example.org", "-keyout", path, "-out", path + ".leaf"], check=True,
                   capture_output=True)
    with open(path, "a") as whole, open(path + ".leaf") as leaf:
        whole.write(leaf.read())
    return path


def begin_tls(client):
    client.ask("STARTTLS", 220)
    client.socket = ssl._create_unverified_context().wrap_socket(client.socket)
    client.ask("EHLO client.test", 250)


def test_nothing_is_lost_while_it_is_reloaded_all_the_time(inside, gate, tmp_path):
    """At least so many messages, and until some reloads are over; every other one goes in TLS."""
    server = inside()
    daemon = gate(server.address, tls=f"tls {{ mode = may certificate = {make_certificate(tmp_path)} }}")
    faults, sent, stop = [], [], threading.Event()

    def numbers(first):
        end = time.monotonic() + 60
        for number in itertools.count(first, AT_A_TIME):
            if number >= MESSAGES and (daemon.count("event=reload state=done") >= RELOADS or time.monotonic() > end):
                return
            yield number

    def send(first):
        try:
            for number in numbers(first):
                with Client(daemon.address) as client:
                    client.hello()
                    if number % 2:
                        begin_tls(client)
                    assert client.message("user@example.org", b"Subject: %d\r\n\r\ntext\r\n" % number).code == 250
                    client.quit()
                sent.append(number)
        except Exception as fault:  # told below, by the test's own thread
            faults.append(f"{first}: {fault!r}")

    def disturb():
        while not stop.wait(1 / HUPS_A_SECOND):
            os.kill(daemon.process.pid, signal.SIGHUP)

    threads = [threading.Thread(target=send, args=(i,)) for i in range(AT_A_TIME)]
    disturber = threading.Thread(target=disturb)
    disturber.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    disturber.join()
    assert not faults
    assert daemon.count("event=reload state=done") >= RELOADS and not daemon.count("event=reload state=refused")
    subjects = sorted(int(re.search(rb"^Subject: (\d+)", m.content, re.M).group(1)) for m in server.accepted)
    assert subjects == sorted(sent) and set(range(MESSAGES)) <= set(sent)
    assert not daemon.count("event=worker-cut") and not daemon.count("event=accept-failed")
    assert len(re.findall(r"event=message .*verdict=delivered tls=TLSv1\.3 ", daemon.log())) == sum(n % 2 for n in sent)


def test_sessions_go_on_as_they_began(inside, gate):
    server = inside()
    daemon = gate(server.address)
    with Client(daemon.address) as held:
        assert b"mx.example.org" in held.hello().text
        worker = daemon.worker_of(held)
        held.begin("user@example.org")
        daemon.reload(hostname="mx2.example.org")
        net.wait_until(lambda: banner(daemon.address).startswith(b"mx2.example.org"), 10, "the old name", daemon.story)
        held.send(CONTENT + b".\r\n")
        held.expect(250)
        assert held.message("user@example.org", CONTENT).code == 250
        held.quit()
    net.wait_until(lambda: not net.is_alive(worker), 10, "the worker of an earlier configuration stays", daemon.story)
    assert len(server.accepted) == 2


@pytest.mark.parametrize("places, words", [
    ({"max_workers": 1}, ":9: listener mx: max_workers"),
    ({"hostname": "not_a_name!"}, ":1: hostname"),
    ({"inside": 99999}, ":15: backend inside: server one: address"),
])
def test_a_bad_file_changes_nothing(inside, gate, places, words):
    daemon = gate(inside().address)
    workers = daemon.workers_at_rest()
    daemon.reload("refused", **places)
    assert daemon.path + words in daemon.log()
    assert set(daemon.workers()) == workers
    assert banner(daemon.address).startswith(b"mx.example.org")


def test_what_cannot_change_is_named(inside, gate):
    daemon = gate(inside().address)
    with open(daemon.path) as f:
        text = f.read()
    for old, new, line in (("= nobody", "= daemon", 2), ("= stderr\n", "= stderr\npid_file = /tmp/never\n", 4)):
        changed = text.replace(old, new)
        with open(daemon.path, "w") as f:
            f.write(changed)
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.wait_log(rf"refused.*{re.escape(daemon.path)}:{line}: \w+: cannot change .*restart posternd")
    daemon.reload()


def test_addresses_come_and_go(inside, gate):
    daemon = gate(inside().address)
    first, second = f"127.0.0.1:{daemon.address[1]}", ("127.0.0.1", net.free_port())
    daemon.reload(addresses="{ %s, 127.0.0.1:%d }" % (first, second[1]))
    assert banner(daemon.address) and banner(second)
    daemon.reload(addresses="127.0.0.1:%d" % second[1])
    assert not net.is_listening(daemon.address)
    assert banner(second)
    daemon.reload(addresses=first)
    assert not net.is_listening(second) and banner(daemon.address)


def test_a_socket_that_is_a_path(inside, gate, tmp_path):
    daemon = gate(inside().address)
    os.chmod(tmp_path, 0o755)
    first, path = f"127.0.0.1:{daemon.address[1]}", str(tmp_path / "smtp")
    for _ in range(2):
        daemon.reload(addresses="{ %s, unix:%s }" % (first, path))
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(path)
            assert client.recv(100).startswith(b"220 ")
    daemon.reload(addresses=first)
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(path)


def stolen(pid, number):
    """A copy of a descriptor of another process, as whoever runs in a worker has one: pidfd_getfd(2)."""
    handle = os.pidfd_open(pid)
    fd = ctypes.CDLL(None, use_errno=True).syscall(438, handle, number, 0)
    os.close(handle)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return socket.socket(fileno=fd)


def test_a_path_that_a_worker_shuts_down_is_bound_anew(inside, gate, tmp_path):
    """Linux lets it never listen again, and whoever waits at it is woken without end."""
    path = str(tmp_path / "smtp")
    os.chmod(tmp_path, 0o755)
    daemon = gate(inside().address)
    daemon.reload(addresses="{ 127.0.0.1:%d, unix:%s }" % (daemon.address[1], path))
    for number, target in net.numbered_descriptors(daemon.master).items():
        if target.startswith("socket:"):
            with stolen(daemon.master, number) as s:
                if s.family == socket.AF_UNIX and s.getsockname() == path:
                    s.shutdown(socket.SHUT_RDWR)
    daemon.wait_log("event=listener-closed listener=mx addresses=1")
    net.wait_until(lambda: daemon.count("event=reload state=done by=listener"), 20, "not bound anew", daemon.story)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        assert client.recv(100).startswith(b"220 ")
    assert banner(daemon.address)
    time.sleep(1.5)  # another look
    assert daemon.count("event=listener-closed") == 1 and daemon.count("by=listener") == 2


def test_options_of_the_command_line_hold(inside, gate):
    daemon = gate(inside().address, arguments=("-o", "hostname=over.example.org"))
    daemon.reload(hostname="mx3.example.org", max_workers=60)
    assert banner(daemon.address).startswith(b"over.example.org")


def test_the_log_level_follows(inside, gate):
    daemon = gate(inside().address, log_level="warning")
    banner(daemon.address)
    assert "event=session" not in daemon.log()
    daemon.write(log_level="debug")
    os.kill(daemon.process.pid, signal.SIGHUP)
    daemon.wait_log("event=worker-left")
    net.wait_until(lambda: banner(daemon.address) and "event=session" in daemon.log(), 20,
                   "no session is logged, not even those of the new generation", daemon.story)


def test_a_relative_path_from_the_background(inside, tmp_path):
    """The daemon has left the directory where it was started."""
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(str(tmp_path / "log"))
    log.settimeout(20)
    os.chmod(tmp_path / "log", 0o666)
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        os.chmod(place, 0o755)
    port, pid_file = net.free_port(), tmp_path / "pid"
    places = {"hostname": "mx.example.org", "addresses": f"127.0.0.1:{port}", "max_workers": 50, "log_level": "info",
              "inside": inside().address[1], "tls": ""}
    text = (CONF % places).replace("= stderr", f"= syslog\nlog_socket = {tmp_path}/log\npid_file = {pid_file}")
    (tmp_path / "postern.conf").write_text(text)
    done = postern_program.subprocess.run([postern_program.POSTERND, "-c", "postern.conf"], cwd=tmp_path, timeout=30,
                                          capture_output=True, text=True)
    assert done.returncode == 0, done
    pid = int(pid_file.read_text())
    family = [pid] + net.children(pid)
    try:
        (tmp_path / "postern.conf").write_text(text.replace("mx.example.org", "mx9.example.org"))
        os.kill(pid, signal.SIGHUP)
        while b"state=done" not in (line := log.recv(65536)):
            assert b"state=refused" not in line, line
        family += net.children(pid)
        net.wait_until(lambda: banner(("127.0.0.1", port)).startswith(b"mx9"), 10, "not the new configuration")
    finally:
        os.kill(pid, signal.SIGTERM)
        net.wait_until(lambda: not any(map(net.is_alive, family)), 30, "does not end")


def test_in_the_foreground_with_its_own_log(inside, tmp_path):
    """-n, for service managers: it stays, and the log goes where the file says."""
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(str(tmp_path / "log"))
    log.settimeout(20)
    os.chmod(tmp_path / "log", 0o666)
    daemon = Gate(tmp_path, inside().address, flags=("-n",),
                  arguments=("-o", "log=syslog", "-o", f"log_socket={tmp_path}/log"))
    try:
        daemon.wait_ready()
        while b"event=ready" not in log.recv(65536):
            pass
        assert daemon.process.poll() is None and "event=" not in daemon.log()
    finally:
        daemon.stop()


def test_nothing_grows(inside, gate):
    daemon = gate(inside().address)

    def settled():
        """The least of a second: what an earlier generation still holds for a moment only adds to it. But the present
        one has its housekeeper: while the one before leaves the master holds nothing of him."""
        generation = re.findall(r"event=reload state=done .*generation=(\d+)", daemon.log())[-1]
        daemon.wait_log(rf"event=housekeeper state=working .*generation={generation}\b")
        net.wait_until(lambda: 2 <= len(daemon.workers()) <= 5, 20, "workers are left", daemon.story)
        seen = []
        for _ in range(20):
            seen.append((len(net.descriptors(daemon.process.pid)), net.rollup_kib(daemon.process.pid, "Anonymous")))
            time.sleep(0.05)
        return min(seen)

    for _ in range(20):
        daemon.reload()
    descriptors, kib = settled()
    for _ in range(60):
        daemon.reload()
        daemon.reload("refused", max_workers=1)
        daemon.write(max_workers=50)
    net.wait_until(lambda: settled()[0] <= descriptors, 20, f"more than {descriptors} descriptors", daemon.story)
    after = settled()
    assert postern_program.SANITIZED or after[1] <= kib + 64, (kib, after[1])
    assert not [pid for pid in net.children(daemon.process.pid) if not net.is_alive(pid)], "zombies"


def test_the_stop_comes_first(inside, gate):
    """HUP and TERM together, and HUP while it drains."""
    daemon = gate(inside().address)
    with Client(daemon.address) as client:
        client.hello()
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.terminate()
        net.wait_until(lambda: not net.is_listening(daemon.address), 10, "still listens", daemon.story)
        os.kill(daemon.process.pid, signal.SIGHUP)
        time.sleep(0.1)
        assert client.message("user@example.org", CONTENT).code == 250
        client.quit()
    assert daemon.wait() == 0
