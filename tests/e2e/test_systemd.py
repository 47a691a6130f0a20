# SPDX-License-Identifier: ISC
"""posternd as installed, under a real systemd: the unit as it is, with all that it forbids."""
import os
import re
import shutil

import pytest

import net
import systemd_rig
from smtp_client import Client

if not os.path.exists(systemd_rig.SYSTEMD):
    pytest.fail("systemd is missing: make deps", pytrace=False)

CONFIGURATION = """\
hostname = mx.example.org
pid_file = /run/postern/pid
drain_timeout = 5s
listener mx {
    address     = { 127.0.0.1:%(port)d, %(more)s }
    backend     = inside
    policy      = inbound
    max_workers = 20
}
backend inside {
    pass_client = xclient
    server one { address = 127.0.0.1:%(inside)d }
}
policy inbound {
}
"""


@pytest.fixture
def service(tmp_path, inside):
    """A function: an installed posternd that is not started yet, and the address of its listener."""
    rigs = []

    def make(units=None, **places):
        if not systemd_rig.is_possible():
            pytest.skip("no systemd of our own: this root may not mount (CAP_SYS_ADMIN)")
        port = net.free_port()
        places = {"port": port, "inside": inside().address[1], "more": "unix:/run/postern/smtp", **places}
        rigs.append(systemd_rig.Systemd(tmp_path, CONFIGURATION % places, units and units(places)))
        rigs[-1].address = ("127.0.0.1", port)
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.stop()


def assert_carries_mail(rig):
    client = Client(rig.address)
    assert client.reply().code == 220
    client.close()


def test_start(service):
    rig = service()
    print(rig.run("systemctl", "start", "postern"))
    print(rig.run("systemctl","status","-n0","postern"), rig.run("sh","-c","/usr/local/sbin/posternd -t; ls -la /run /dev /etc/rig /etc/postern; cat /etc/postern/*"))
    print(rig.story())
    assert rig.show("ActiveState") == "active"
    assert_carries_mail(rig)
    assert 0
