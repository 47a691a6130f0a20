# SPDX-License-Identifier: ISC
"""The sandbox as an administrator meets it: what is in force is said where he looks, it changes with a reload, and
where a machine or a build has none, that is no secret. What it refuses is tested in tests/unit/sandbox_test.c, and by
the hostile workers of tests/fault."""
import ctypes
import os
import platform
import struct

import pytest

import net
import postern as postern_program
import test_posternctl
from smtp_client import Client

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start posternd as another user")

NUMBERS = {"x86_64": 317, "aarch64": 277}  # of seccomp(2)
LANDLOCK_CREATE = 444  # everywhere
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF
ALLOW, FAIL, ENOSYS = 0x7fff0000, 0x00050000, 38


@pytest.fixture
def gates(tmp_path, inside):
    """Makes gates; they end well with the test."""
    made = []

    def make(more="", kind=test_posternctl.Gate):
        made.append(kind(tmp_path, inside(), more))
        return made[-1]

    yield make
    for gate in made:
        gate.stop()
        gate.check_log()


def without(number):
    """From now on, for this process and all below it, the kernel has not got this call."""
    steps = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, number), (RETURN, 0, 0, FAIL | ENOSYS), (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, argument in ((PR_SET_NO_NEW_PRIVS, 1), (PR_SET_SECCOMP, MODE_FILTER)):
        last = ctypes.byref(program) if option == PR_SET_SECCOMP else 0
        if libc.prctl(option, argument, last, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


class Poor(test_posternctl.Gate):
    """On a kernel that lacks a call."""

    lacks = None

    def _popen(self, command, **options):
        return super()._popen(command, preexec_fn=lambda: without(self.lacks), **options)


class WithoutSeccomp(Poor):
    lacks = NUMBERS.get(platform.machine())


class WithoutLandlock(Poor):
    lacks = LANDLOCK_CREATE


def wait_filters(gate, count):
    """Each worker, and the housekeeper, is under so many."""
    net.wait_until(lambda: "event=housekeeper state=working" in gate.log(), 10, "no housekeeper", gate.story)

    def are_there():
        try:
            return {net.status_field(pid, "Seccomp_filters") for pid in [*gate.settled_workers(), gate.housekeeper()]}
        except FileNotFoundError:  # one of the last generation has just left
            return set()
    net.wait_until(lambda: are_there() == {str(count)}, 10, f"not {count} filters each", gate.story)


def passes_mail(gate):
    client = Client(gate.address)
    client.hello()
    assert client.message("r@example.com", b"Subject: x\r\n\r\nhello\r\n").code == 250
    client.ask("QUIT", 221)
    client.socket.close()


def in_force(gate):
    record, = gate.records("posternd", "status")
    return record["sandbox"], record["landlock"]


def test_what_is_off_is_not_missed(gates):
    gate = gates("sandbox = off")
    gate.wait_log("event=ready listeners=1 sandbox=off landlock=0$")
    assert "event=no-sandbox" not in gate.log()
    passes_mail(gate)


if postern_program.SANITIZED:
    def test_a_build_says_that_it_has_none(gates):
        gate = gates()
        assert 'event=no-sandbox why="sanitizers need more system calls than that"' in gate.log()
        gate.wait_log("event=ready listeners=1 sandbox=off landlock=0$")
        passes_mail(gate)

else:
    def test_it_is_on_and_said(gates):
        gate = gates()
        gate.wait_log(r"event=ready listeners=1 sandbox=on landlock=\d+$")
        assert in_force(gate)[0] == "on"
        wait_filters(gate, 1)
        assert net.status_field(gate.master, "Seccomp") == "0"
        text = gate.ctl("status").stdout
        assert "sandbox" in text and "Landlock" in text
        assert "event=no-sandbox" not in gate.log()

    def test_a_reload_changes_it(gates):
        gate = gates("sandbox = on")
        for mode, filters in (("log", 1), ("off", 0), ("on", 1)):
            text = gate.path.read_text()
            gate.write("".join(f"sandbox = {mode}\n" if line.startswith("sandbox") else line
                               for line in text.splitlines(keepends=True)))
            gate.ask("reload")
            wait_filters(gate, filters)
            state, landlock = in_force(gate)
            assert state == mode and (landlock == 0 or mode == "on")
            passes_mail(gate)

    @pytest.mark.skipif(platform.machine() not in NUMBERS, reason="another machine's numbers")
    def test_a_kernel_without_filters_is_named_and_serves(gates):
        gate = gates(kind=WithoutSeccomp)
        assert gate.log().count('event=no-sandbox why="the kernel has no seccomp filters"') == 1
        gate.wait_log("event=ready listeners=1 sandbox=off landlock=0$")
        assert in_force(gate) == ("off", 0)
        wait_filters(gate, 1)  # the test's own
        passes_mail(gate)

    def test_a_kernel_without_landlock_has_the_rest(gates):
        gate = gates(kind=WithoutLandlock)
        gate.wait_log("event=ready listeners=1 sandbox=on landlock=0$")
        assert in_force(gate) == ("on", 0)
        wait_filters(gate, 2)
        passes_mail(gate)
