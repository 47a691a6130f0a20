# SPDX-License-Identifier: ISC
"""The memory's disk, and what may befall that: full, damaged before or under way, emptied, of another time, without a
directory. As in test_store: mail flows, the log says what is wrong or was lost, and it works again afterwards."""
import os
import re
import signal
import subprocess
import time

import pytest

import net
from store_rig import Gate, USER
from test_store import (  # noqa: F401, pylint: disable=unused-import
    DAY, KEY, KNOWN, KNOWN_TOO, LATER, answers, clock, flood, gate, gates, lost, make_known, metric, passes, stranger,
    wait_answers, wait_gone, wait_written, waiting)

LAYOUT = b"postern store 1"  # what the file says of itself
SMALL_DISK = """
mkdir -p "$1" && mount -t tmpfs -o size=24m,mode=700,uid=%d none "$1" && shift && exec "$@"
""" % USER


def data_file(gate):
    return max((path for path in gate.store.iterdir() if path.is_file()), key=lambda path: path.stat().st_size)


class GateOnASmallDisk(Gate):
    """The directory is a file system of its own, which nobody else sees."""
    DISK = SMALL_DISK

    def _popen(self, command, **options):
        return super()._popen(["unshare", "-m", "sh", "-c", self.DISK, "sh", str(self.store), *command], **options)

    def inner(self, name):
        return f"/proc/{self.master}/root{self.store}/{name}"


class GateOnAFullDisk(GateOnASmallDisk):
    DISK = SMALL_DISK.replace("shift", "{ cat /dev/zero > \"$1/fill\"; shift; }")


def lines_of(count, name="filler"):
    now = int(time.time())
    return "".join(f"g 203.0.113.0/24 {name}-{number}@sender.test user@example.org\t"
                   f"first={now} last={now} expires={now + DAY} count=1 passed=no\n" for number in range(count))


def fill_disk(gate):
    with open(gate.inner("fill"), "wb", buffering=0) as fill, pytest.raises(OSError):
        while True:
            fill.write(bytes(65536))


@pytest.mark.parametrize("count", [3000, 50000])
def test_a_full_disk_costs_memory_and_no_mail(gates, clock, count):
    """A few changes wait for room in memory; of many some are lost, and who cannot be remembered is let in."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace can be had")
    gate = gates(GateOnASmallDisk)
    make_known(gate, clock, KNOWN)
    fill_disk(gate)
    flood(gate, count)
    gate.wait_state("failing")
    is_lost = count > 32768  # common/store.h's place for changes, twice
    assert passes(gate, stranger()) == is_lost
    assert re.search(r"event=store state=failing .*why=.*([Ff]ull|[Nn]o space)", gate.log()), gate.story()
    os.unlink(gate.inner("fill"))
    gate.wait_state("working", 2)
    said = gate.wait_log(r"event=store state=working (?!records).*$").group(0)
    assert ("lost=" in said) == is_lost, said
    assert gate.states() == ["working", "failing", "working"], gate.story()
    net.wait_until(lambda: (lost(gate) > 0) == is_lost, 10, "what was lost is not counted", gate.story)
    net.wait_until(lambda: len(gate.remembered("g")) >= min(count, 16384), 10, "too little is remembered", gate.story)
    make_known(gate, clock, KNOWN_TOO)
    assert passes(gate, KNOWN) and answers(gate)


def test_what_waited_for_the_disk_when_it_was_killed_is_said_to_be_lost(gates):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace can be had")
    gate = gates(GateOnASmallDisk)
    fill_disk(gate)
    flood(gate, 3000)
    net.wait_until(lambda: waiting(gate) >= 2000, 10, "it waits for nothing", gate.story)
    assert metric(gate, "waiting_changes") >= 2000 and lost(gate) == 0
    victim = gate.storekeeper()
    os.kill(victim, signal.SIGKILL)
    wait_gone(victim)
    os.unlink(gate.inner("fill"))
    said = gate.wait_log(r"event=store state=working records=\d+ .*lost=(\d+)")
    assert 2000 <= int(said.group(1)) == lost(gate) == gate.records("memory", "status")[0]["lost"], gate.story()


def test_one_that_begins_on_a_full_disk_says_so_and_begins_when_there_is_room(gates):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace can be had")
    gate = gates(GateOnAFullDisk, ready=False)
    gate.wait_log(r"event=store state=failing .*why=.*[Nn]o space")
    assert passes(gate, stranger())
    os.unlink(gate.inner("fill"))
    wait_answers(gate)
    assert "signal=" not in gate.log(), gate.story()


def evicted(gate):
    return metric(gate, "evicted_total")


def damage(path, kind):
    size = path.stat().st_size
    if kind == "another version's":
        octets = path.read_bytes()
        assert octets.count(LAYOUT) >= 1
        path.write_bytes(octets.replace(LAYOUT, LAYOUT[:-1] + b"0"))
    elif kind == "truncated":
        os.truncate(path, size // 2 // 4096 * 4096 + 100)
    elif kind == "emptied":
        os.truncate(path, 0)
    else:
        begin, end = (0, size) if kind == "zeroes" else (4096 * 2, size)
        with open(path, "r+b") as f:
            f.seek(begin)
            f.write(bytes(end - begin) if kind == "zeroes" else os.urandom(end - begin))


@pytest.mark.parametrize("kind", ["garbage", "truncated", "zeroes", "another version's"])
def test_a_damaged_file_is_set_aside(gates, clock, kind):
    gate = gates()
    assert gate.ctl("store", "import", given=lines_of(2000)).returncode == 0
    make_known(gate, clock, KNOWN)
    gate.stop()
    damage(data_file(gate), kind)
    gate.start()
    wait_answers(gate, "it does not begin anew")
    net.wait_until(lambda: (gate.store / "memory.damaged").exists(), 20, "nothing is set aside", gate.story)
    gate.wait_log(r"event=store state=begun-anew .*kept=memory\.damaged")
    make_known(gate, clock, KNOWN_TOO)
    gate.stop_and_start()
    gate.wait_state("working")
    assert passes(gate, KNOWN_TOO) and answers(gate)


@pytest.mark.parametrize("kind", ["garbage", "emptied", "removed"])
def test_what_is_done_to_the_file_while_it_is_open(gates, clock, kind):
    gate = gates(may_die=True)
    assert gate.ctl("store", "import", given=lines_of(2000)).returncode == 0
    make_known(gate, clock, KNOWN)
    if kind == "removed":
        for path in gate.store.iterdir():
            path.unlink()
    else:
        damage(data_file(gate), kind)
    for _ in range(3):
        passes(gate, stranger())
    gate.ctl("store", "import", given=lines_of(2000, "more"))  # touches many pages
    passes(gate, KNOWN)
    gate.stop_and_start()
    wait_answers(gate)
    make_known(gate, clock, KNOWN_TOO)
    assert passes(gate, KNOWN_TOO) and answers(gate)


def test_a_memory_that_others_emptied_is_said_to_have_been_more(gate, clock):
    make_known(gate, clock, KNOWN)
    net.wait_until(lambda: metric(gate, "records") == len(gate.remembered()) > 0, 10, "its records are not counted",
                   gate.story)
    for path in gate.store.iterdir():
        path.unlink()
    os.kill(gate.storekeeper(), signal.SIGKILL)
    said = gate.wait_log(r"event=store state=working records=0 before=(\d+)")
    assert int(said.group(1)) >= 1


def test_nobody_else_reads_it(gate, clock):
    make_known(gate, clock, KNOWN)
    assert gate.store.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in gate.store.iterdir()} == {0o600}


def test_a_store_from_yesterday_holds_what_is_not_over(gates, clock):
    gate = gates()
    make_known(gate, clock, KNOWN, KNOWN_TOO)
    waits = stranger()
    assert not passes(gate, waits)
    wait_written(gate, waits)
    gate.stop()
    clock.go_on(DAY + 60)  # more than the window
    gate.start()
    gate.wait_state("working")
    assert passes(gate, KNOWN)
    net.wait_until(lambda: KEY.format(**waits) not in gate.remembered("g"), 20, "what is over stays", gate.story)
    net.wait_until(lambda: metric(gate, "purged_total") >= 1, 10, "what was over is not counted", gate.story)
    assert evicted(gate) == 0
    assert not passes(gate, waits)
    gate.stop()
    clock.go_on(35 * DAY + 3600)  # .. and the lifetime, since one of the two came
    gate.start()
    gate.wait_state("working")
    assert passes(gate, KNOWN) and not passes(gate, KNOWN_TOO)


def test_the_clock_was_set_back(gates, clock):
    gate = gates()
    clock.go_on(DAY)
    make_known(gate, clock, KNOWN)
    waits = stranger()
    assert not passes(gate, waits)
    clock.go_on(-DAY)
    assert passes(gate, KNOWN) and answers(gate)
    clock.go_on(LATER)
    passes(gate, waits)
    clock.go_on(LATER)
    assert passes(gate, waits)


def test_export_and_import_make_another_host_know(gates, clock, tmp_path):
    gate = gates()
    make_known(gate, clock, KNOWN)
    told = gate.ctl("store", "export").stdout
    gate.stop()
    for path in gate.store.iterdir():
        path.unlink()
    gate.start()
    gate.wait_state("working")
    assert gate.remembered() == {}
    done = gate.ctl("store", "import", given=told)
    assert done.returncode == 0, done
    assert passes(gate, KNOWN) and answers(gate)
    assert gate.ctl("store", "import", given="nonsense\n").returncode != 0
    assert gate.ctl("store", "check").returncode == 0


@pytest.mark.parametrize("what", ["no parent", "a file", "another's", "read-only"])
def test_a_directory_that_is_none_keeps_no_mail(gates, what):
    def prepare(directory):
        place = directory / "memory"
        if what == "a file":
            place.write_text("")
        elif what != "no parent":
            place.mkdir()
            place.chmod(0o700 if what == "another's" else 0o555)

    class Unlucky(Gate):
        def configure(self, has_store=True):
            if what == "no parent":
                self.store = self.directory / "missing" / "memory"
            prepare(self.directory)
            super().configure(has_store)

    gate = gates(Unlucky, ready=False)
    for _ in range(3):
        assert passes(gate, stranger())
    found = gate.wait_log(r"^.*event=store\S* .*(why|reason)=.*$")
    assert str(gate.store) in found.group(0) or str(gate.store) in gate.log(), gate.story()
    memory, = gate.records("memory", "status")
    assert memory["state"] == "not begun" and "event=store" in memory["see"], memory
    if what == "another's":  # and once it is put right
        os.chown(gate.store, USER, USER)
        wait_answers(gate, "it is not tried again")


def test_a_file_that_has_its_size_forgets_the_oldest_and_none_that_passed(gates, clock):
    gate = gates()
    make_known(gate, clock, KNOWN)
    clock.go_on(3600)
    flood(gate, 120000)
    net.wait_until(lambda: evicted(gate) > 0 and waiting(gate) == 0, 30, "nobody goes", gate.story)
    assert data_file(gate).stat().st_size <= 16 << 20
    assert passes(gate, stranger())  # it would be forgotten before it comes again: nobody is put off for nothing
    assert passes(gate, KNOWN)
    assert gate.ctl("store", "check").returncode == 0
