# SPDX-License-Identifier: ISC
"""posternd as installed, under a real systemd: the unit as it is, with all that it forbids.

Where root may not mount, as in a plain container, these are skipped, and say so; test_service.py holds everywhere.
"""
import os
import re
import socket
import threading
import time

import pytest

import net
import systemd_rig
from postern import SANITIZED
from smtp_client import Client
from test_tls_postfix import Pair, TlsClient

pytestmark = pytest.mark.skipif(not systemd_rig.is_possible(),
                                reason="no systemd of our own here: mounting needs CAP_SYS_ADMIN and cgroup2")

CONTENT = b"Subject: systemd\r\n\r\ntext\r\n"
CONFIGURATION = """\
hostname = %(hostname)s
pid_file = /run/postern/pid
control_socket = /run/postern/control
control_group = mail
listed_file = /var/lib/postern/listed
store { directory = /var/lib/postern/memory }
drain_timeout = 30s
listener mx {
    address     = { 127.0.0.1:%(port)d, unix:/run/postern/smtp }
    backend     = inside
    policy      = inbound
    max_workers = 20
    max_spare   = 4
    min_spare   = 2
    tls { mode = may  certificate = /etc/postern/mx.pem  key = /etc/postern/mx.key }
}
backend inside {
    pass_client = xclient
    server one { address = 127.0.0.1:%(inside)d }
}
policy inbound {
}
"""

NONSENSE = "nonsense = yes\n"
LINE_OF_NONSENSE = 'postern.conf:%d: "nonsense"' % (CONFIGURATION.count("\n") + 1)


class Service(systemd_rig.Systemd):
    """An installed posternd that is not started yet."""

    def __init__(self, directory, inside, units=None):
        self.address = ("127.0.0.1", net.free_port())
        self.inside = inside
        super().__init__(directory, self.spelled(), units(self.address) if units else None)

    def _install(self):
        """With a key that is another user's, as a certificate's robot leaves it."""
        super()._install()
        pair = Pair(self.image + "/etc/postern", "mx")
        os.chown(pair.key, 65534, 65534)
        os.chmod(pair.key, 0o600)

    def spelled(self, hostname="mx.example.org"):
        return CONFIGURATION % {"hostname": hostname, "port": self.address[1], "inside": self.inside.address[1]}

    def greeting(self):
        with Client(self.address) as client:
            return client.reply().lines[0].decode()

    def state(self):
        return self.show("ActiveState")


@pytest.fixture
def service(tmp_path, inside):
    """A function: the rig, with a scripted server inside; units(address) may give it more."""
    rigs = []

    def make(units=None):
        rigs.append(Service(tmp_path, inside(), units))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.stop()


def test_carries_mail_with_all_that_its_unit_forbids(service):
    """The hardened unit as installed is one that a message gets through: users, sandbox, /dev/log, host's addresses."""
    rig = service()
    rig.systemctl("start", "postern")
    assert rig.state() == "active"
    with TlsClient(rig.address) as client:
        client.starttls()
        client.message(["bob@example.org"], CONTENT)
        client.quit()
    rig.wait_log("verdict=delivered")
    rig.wait_log("watching=yes")
    assert len(rig.inside.messages) == 1
    assert "event=bug" not in rig.log() and "event=worker-" not in rig.log()
    assert f" sandbox={'off' if SANITIZED else 'on'} " in rig.log()
    status, said = rig.run("posternctl", "status")
    assert status == 0, said


def test_has_exactly_what_the_unit_gives(service):
    rig = service()
    rig.systemctl("start", "postern")
    master = rig.main_pid()
    five = 1 << 2 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10  # DAC_READ_SEARCH KILL SETGID SETUID NET_BIND_SERVICE
    assert int(net.status_field(master, "CapEff"), 16) == five
    assert int(net.status_field(master, "CapBnd"), 16) == five | 1 << 0  # CHOWN: without SETPCAP it cannot be dropped
    assert (net.status_field(master, "Seccomp"), net.status_field(master, "NoNewPrivs")) == ("2", "1")
    workers = net.wait_settled(net.wait_until(lambda: net.children(master), 20, "it has no children"))
    assert workers and all(int(net.status_field(pid, "CapPrm"), 16) == 0 for pid in workers)
    status, listing = rig.run("stat", "-c", "%a %U %G %n", "/run/postern", "/run/postern/control")
    assert (status, listing) == (0, "755 root root /run/postern\n660 root mail /run/postern/control\n")


def test_what_is_blocked_and_remembered_is_kept_over_a_restart(service):
    """In the one directory that the unit lets it write beside /run/postern, by a master without the right to override
    whose files are whose, and by the workers' user, in a directory below."""
    rig = service()
    rig.systemctl("start", "postern")
    status, said = rig.run("posternctl", "block", "192.0.2.0/24", "reason", "guesses")
    assert status == 0 and "NOT KEPT" not in said, said
    names = ("", "/listed", "/memory")
    status, listing = rig.run("stat", "-c", "%a %U %G", *[f"/var/lib/postern{name}" for name in names])
    assert (status, listing) == (0, "711 root root\n600 root root\n700 postern postern\n")
    status, said = rig.run("posternctl", "greylist", "add", "192.0.2.0/24", "ann@sender.test", "bob@example.org")
    assert status == 0, said
    rig.systemctl("restart", "postern")
    assert "ann@sender.test" in rig.run("posternctl", "greylist", "list")[1]
    assert re.search(r"^192\.0\.2\.0/24 .*guesses$", rig.run("posternctl", "block")[1], re.M)


def test_reload_is_over_when_the_command_comes_back(service):
    rig = service()
    rig.systemctl("start", "postern")
    master = rig.main_pid()
    rig.configure(rig.spelled(hostname="changed.example.org"))
    rig.systemctl("reload", "postern")
    assert "changed.example.org" in rig.greeting()
    assert (rig.state(), rig.main_pid()) == ("active", master)


def test_reload_of_a_bad_configuration_fails_and_says_why(service):
    rig = service()
    rig.systemctl("start", "postern")
    rig.configure(rig.spelled() + NONSENSE)
    status, said = rig.run("systemctl", "reload", "postern")
    assert status != 0, said
    assert LINE_OF_NONSENSE in rig.said()
    assert rig.state() == "active"
    assert "mx.example.org" in rig.greeting()
    rig.configure(rig.spelled())
    rig.systemctl("reload", "postern")


def test_hup_is_a_reload_to_systemd_as_well(service):
    rig = service()
    rig.systemctl("start", "postern")
    rig.configure(rig.spelled(hostname="changed.example.org"))
    rig.systemctl("kill", "--kill-who=main", "--signal=HUP", "postern")
    net.wait_until(lambda: "changed.example.org" in rig.greeting(), 20, "HUP changed nothing", rig.story)
    net.wait_until(lambda: rig.state() == "active", 20, "systemd was not told that the reload is over", rig.story)


def test_an_upgrade_with_all_that_the_unit_forbids(service):
    """systemd sees the same process, and nothing that ended; it has what the unit gives, and no more."""
    rig = service()
    rig.systemctl("start", "postern")
    master, capabilities = rig.main_pid(), net.status_field(rig.main_pid(), "CapEff")
    with Client(rig.address) as client:
        client.hello()
        for _ in range(2):
            status, said = rig.run("posternctl", "upgrade")
            assert status == 0, said + rig.log()
        assert (rig.state(), rig.main_pid(), rig.show("NRestarts")) == ("active", master, "0")
        assert net.status_field(master, "CapEff") == capabilities
        client.message(["bob@example.org"], CONTENT)
        client.quit()
    rig.systemctl("reload", "postern")
    rig.systemctl("stop", "postern")
    assert rig.show("Result") == "success"


def test_stop_lets_sessions_end(service):
    rig = service()
    rig.systemctl("start", "postern")
    with Client(rig.address) as client:
        client.hello()
        rig.systemctl("stop", "--no-block", "postern")
        net.wait_until(lambda: not net.is_listening(rig.address), 20, "it goes on to listen", rig.story)
        assert rig.state() == "deactivating"
        client.message(["bob@example.org"], CONTENT)
        client.quit()
    net.wait_until(lambda: rig.state() == "inactive", 20, "it does not end", rig.story)
    assert rig.show("Result") == "success"
    assert rig.run("ls", "/run/postern")[0] != 0, "its directory is left"


def test_a_bad_configuration_fails_the_start_and_a_good_one_mends_it(service):
    rig = service()
    rig.configure(rig.spelled() + NONSENSE)
    status, said = rig.run("systemctl", "start", "postern")
    assert status != 0, said
    assert LINE_OF_NONSENSE in rig.said()
    rig.configure(rig.spelled())
    net.wait_until(lambda: rig.state() == "active", 20, "it is not tried again", rig.story)
    assert "mx.example.org" in rig.greeting()


def test_a_master_that_is_killed_comes_back(service):
    rig = service()
    rig.systemctl("start", "postern")
    first = rig.main_pid()
    rig.systemctl("kill", "--kill-who=main", "--signal=KILL", "postern")
    net.wait_until(lambda: rig.show("NRestarts") == "1" and rig.state() == "active", 20, "it does not come back",
                   rig.story)
    assert rig.main_pid() != first
    assert "mx.example.org" in rig.greeting()


# -- socket activation


def sockets(address):
    """postern.socket as installed, at another address."""
    return {"postern.socket.d/rig.conf": f"[Socket]\nListenStream=\nListenStream={address[0]}:{address[1]}\n"
                                         "ListenStream=/run/postern/smtp\n"}


def test_started_by_the_first_who_connects(service):
    rig = service(sockets)
    rig.systemctl("start", "postern.socket")
    assert rig.state() == "inactive"
    assert "mx.example.org" in rig.greeting()
    assert rig.state() == "active"
    assert "event=inherited-unused" not in rig.log()


def test_nobody_is_refused_during_a_restart(service):
    rig = service(sockets)
    rig.systemctl("start", "postern.socket", "postern.service")
    refused, greeted, over = [], [], threading.Event()

    def connect_again_and_again():
        while not over.is_set():
            try:
                greeted.append(rig.greeting())
            except OSError as error:
                refused.append(error)
            time.sleep(0.005)

    crowd = threading.Thread(target=connect_again_and_again)
    crowd.start()
    try:
        rig.systemctl("restart", "postern")
    finally:
        over.set()
        crowd.join(60)
    assert refused == []
    assert greeted


def test_sockets_and_service_stop_together(service):
    rig = service(sockets)
    rig.systemctl("start", "postern.socket", "postern.service")
    rig.systemctl("stop", "postern.socket", "postern.service")
    assert not net.is_listening(rig.address)
    assert (rig.state(), rig.show("ActiveState", "postern.socket")) == ("inactive", "inactive")


def test_a_socket_that_takes_both_is_refused(service):
    def both(address):
        return {"postern.socket.d/rig.conf": f"[Socket]\nListenStream=\nListenStream=[::]:{address[1]}\nBindIPv6Only=both\n"}

    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    rig = service(both)
    rig.systemctl("start", "postern.socket")
    status, said = rig.run("systemctl", "start", "postern")
    assert status != 0, said
    rig.wait_log("takes IPv4, too: BindIPv6Only=ipv6-only")
