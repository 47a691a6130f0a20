# SPDX-License-Identifier: ISC
"""The memory on disk, and what may befall it. Whatever it is: mail flows, the log says what is wrong or was lost, and
it works again afterwards; nothing else suffers. What is remembered shows in what the greylist says: who is known passes,
who is not is sent away, and where nobody can say he passes, too."""
import itertools
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import net
import postern as postern_program
import store_socket
import stories
from smtp_client import Client, Closed
from store_rig import USER, Gate, Listener, end_well
from wall_clock import WallClock

NEXT = postern_program.BUILD + "/next/posternd"  # tests/upgrade/next.c
DAY = 86400
LATER = 301
GREYLIST = "greylist { mode = enforce  key = recipient  delay = 5m  window = 1d  lifetime = 36d  allow_after = 0 }"
KNOWN, KNOWN_TOO = {"sender": "known@sender.test"}, {"sender": "known-too@sender.test"}
LAYOUT = b"postern store 1"  # what the file says of itself
KEY = "g 192.0.2.0/24 {sender} user@example.org"
SMALL_DISK = """
mkdir -p "$1" && mount -t tmpfs -o size=24m,mode=700,uid=%d none "$1" && shift && exec "$@"
""" % USER


@pytest.fixture
def clock(tmp_path):
    return WallClock(tmp_path)


@pytest.fixture
def gates(tmp_path, inside, clock):
    """A function: gates() starts one, whose policy has a greylist; they end well with the test."""
    started = []

    def start(cls=Gate, policy=GREYLIST, deadline="2s", **kwargs):
        for directory in (tmp_path.parent.parent, tmp_path.parent):
            directory.chmod(0o755)
        gate = cls(tmp_path, {"mx": Listener(inside().address, policy)}, clock=clock, deadline=deadline, **kwargs)
        started.append(gate)
        return gate

    yield start
    end_well(started)


@pytest.fixture
def gate(gates):
    return gates()


_strangers = 0
_numbers = itertools.count()


def stranger():
    """Whom nobody has seen yet."""
    global _strangers
    _strangers += 1
    return {"sender": f"stranger-{_strangers}@sender.test"}


def passes(gate, mail):
    """False: he is sent away. Another answer is none."""
    reply = gate.attempt("mx", **mail)
    assert reply.code == 250 or (reply.code == 451 and b"Greylisted" in reply.text), reply
    return reply.code == 250


def answers(gate):
    """The memory is asked and says something: without one a stranger passes."""
    return not passes(gate, stranger())


def wait_answers(gate, complaint="the memory does not answer"):
    net.wait_until(lambda: answers(gate), 20, complaint, gate.story)


def make_known(gate, clock, *mails):
    """Each came twice, and that is on disk."""
    for mail in mails:
        assert not passes(gate, mail), gate.story()
    clock.go_on(LATER)
    for mail in mails:
        assert passes(gate, mail)
    wait_written(gate, *mails)


def wait_written(gate, *mails):
    for mail in mails:
        net.wait_until(lambda: KEY.format(**mail) in gate.remembered("g"), 10, f"{mail} is not written down",
                       gate.story)


def wait_gone(pid):
    net.wait_until(lambda: not net.is_alive(pid), 10, f"{pid} does not end")


def worker_socket(gate):
    """To the storekeeper, as a worker has it."""
    try:
        one = store_socket.of_worker(gate)
    except store_socket.Impossible as why:
        pytest.skip(f"no descriptor of a worker can be had: {why}")
    one.settimeout(20)
    return one


def waiting(gate):
    return gate.records("memory", "status")[0]["waiting"]


def metric(gate, name):
    found = re.search(rf"^postern_store_{name} (\d+)$", gate.ctl("metrics").stdout, re.M)
    return int(found.group(1))


def evicted(gate):
    return metric(gate, "evicted_total")


def lost(gate):
    return metric(gate, "lost_changes_total")


def question_of_another():
    key = b"g 203.0.113.0/24 flood-%d@sender.test user@example.org" % next(_numbers)
    return store_socket.question(key=key, numbers=(300, DAY, 36 * DAY, 0, 0, 0))


def fill_socket(gate):
    """So many attempts of others, as there is room for."""
    with worker_socket(gate) as one:
        one.setblocking(False)
        for count in itertools.count():
            try:
                one.send(question_of_another())
            except BlockingIOError:
                return count


def flood(gate, count, every=None):
    """So many attempts of others; after some of them `every` is called."""
    with worker_socket(gate) as one:
        for number in range(count):
            one.send(question_of_another())
            if every is not None and number % 8000 == 0:
                every()


def data_file(gate):
    return max((path for path in gate.store.iterdir() if path.is_file()), key=lambda path: path.stat().st_size)


# -- its process


def test_it_is_killed_and_comes_back(gate, clock):
    make_known(gate, clock, KNOWN)
    for count in (2, 3):
        victim = gate.storekeeper()
        os.kill(victim, signal.SIGKILL)
        wait_gone(victim)
        passes(gate, stranger())  # whatever is said: it is said
        assert gate.storekeeper(other_than=victim) != victim
        gate.wait_state("working", count)
        wait_answers(gate)
        assert passes(gate, KNOWN)
    gate.wait_log(r"event=storekeeper-crashed .*signal=KILL")


def test_a_crash_over_a_file_that_is_good_does_not_cost_it(gates, clock):
    gate = gates(may_die=True)
    make_known(gate, clock, KNOWN)
    victim = gate.storekeeper()
    os.kill(victim, signal.SIGSEGV)
    gate.wait_log(r"event=storekeeper-crashed .*signal=SEGV")
    gate.wait_state("working", 2)
    wait_answers(gate)
    assert passes(gate, KNOWN)
    assert "begun-anew" not in gate.log() and not (gate.store / "memory.damaged").exists(), gate.story()


def test_mail_does_not_wait_for_one_that_stands_still(gates, clock):
    gate = gates()
    make_known(gate, clock, KNOWN)
    pid = gate.storekeeper()
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        for _ in range(22):  # the first, and maybe another, wait until the last sign of life is too old
            assert passes(gate, stranger())
        assert time.monotonic() - began < 30, "each of them waits"
        gate.wait_log("event=store state=silent")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_answers(gate)
    assert passes(gate, KNOWN)
    gate.wait_log("event=store state=answers")
    assert gate.storekeeper() == pid and "event=storekeeper-" not in gate.log()


def test_the_housekeeper_is_none_of_its_business(gate, clock):
    make_known(gate, clock, KNOWN)
    keeper, other = gate.storekeeper(), gate.housekeeper()
    os.kill(other, signal.SIGSTOP)
    assert answers(gate) and passes(gate, KNOWN)
    os.kill(other, signal.SIGKILL)
    wait_gone(other)
    assert answers(gate) and passes(gate, KNOWN)
    assert gate.housekeeper() != other and gate.storekeeper() == keeper


def filters_of_threads(pid):
    return [net.status_field(thread, "Seccomp") for thread in os.listdir(f"/proc/{pid}/task")]


def test_it_is_unprivileged_and_leaves_with_the_master(gate):
    pid = gate.storekeeper()
    net.wait_settled([pid])
    assert net.effective_uid(pid) == USER
    assert net.status_field(pid, "CapEff") == "0000000000000000"
    assert net.status_field(pid, "Seccomp") == "2" or postern_program.SANITIZED
    net.wait_until(lambda: set(filters_of_threads(pid)) == {"0" if postern_program.SANITIZED else "2"}, 10,
                   "one of its threads is not confined", gate.story)
    assert len(filters_of_threads(pid)) == 2  # who answers, who writes
    with open(f"/proc/{pid}/limits") as limits:  # no more are made
        assert re.search(r"^Max processes +0 +0 ", limits.read(), re.M) or postern_program.SANITIZED
    gate.stop()
    assert not net.is_alive(pid)


def test_it_ends_with_a_master_that_is_killed_and_loses_nothing_that_was_written(gate, clock):
    make_known(gate, clock, KNOWN)
    family = net.descendants(gate.process.pid)
    os.kill(gate.master, signal.SIGKILL)
    gate.process.wait()
    net.wait_until(lambda: not any(map(net.is_alive, family)), 20, "its children stay", gate.story)
    gate.start()
    gate.wait_state("working")
    assert passes(gate, KNOWN) and answers(gate)


def test_what_was_not_written_yet_is_kept_by_a_stop(gate, clock):
    assert not passes(gate, KNOWN)
    gate.stop_and_start()
    gate.wait_state("working")
    clock.go_on(LATER)
    assert passes(gate, KNOWN) and answers(gate)


def pipes(pid):
    found = net.numbered_descriptors(pid)
    log = {found.get(number) for number in range(3)}
    return {target for target in found.values() if target.startswith("pipe:")} - log


def test_what_it_was_asked_before_a_stop_and_had_not_read_is_kept(gate):
    pid = gate.storekeeper()
    lifeline = pipes(pid) & pipes(gate.master)
    assert lifeline
    os.kill(pid, signal.SIGSTOP)
    try:
        count = fill_socket(gate)
        assert count > 512  # it does not read them all before it looks whether it is to leave
        gate.terminate()
        net.wait_until(lambda: not lifeline & pipes(gate.master), 10, "it is not told to leave", gate.story)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert gate.wait() == 0
    gate.start()
    gate.wait_state("working")
    assert len(gate.remembered("g")) == count


# -- its disk


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


# -- what the administrator does


@pytest.mark.parametrize("verb", ["stop", "reload"])
def test_what_is_ordered_is_done_while_it_stands_still(gates, clock, verb):
    gate = gates(more="drain_timeout = 2s")
    make_known(gate, clock, KNOWN)
    pid = gate.storekeeper()
    os.kill(pid, signal.SIGSTOP)
    try:
        assert gate.ctl(verb).returncode == 0
        if verb == "stop":
            gate.wait(30)
            net.wait_until(lambda: not net.is_alive(pid), 20, "it stays", gate.story)
            gate.start()
        wait_answers(gate)
        assert passes(gate, KNOWN)
    finally:
        if net.is_alive(pid):
            os.kill(pid, signal.SIGCONT)


def test_a_reload_takes_it_away_and_brings_it_back(gates, clock):
    gate = gates()
    make_known(gate, clock, KNOWN)
    pid = gate.storekeeper()
    gate.configure(has_store=False)
    refused = gate.ctl("reload")  # a greylist without a memory is none
    assert refused.returncode != 0 and "store" in refused.stderr, refused
    assert answers(gate) and gate.storekeeper() == pid
    gate.listeners["mx"].policy = ""
    gate.configure(has_store=False)
    assert gate.ctl("reload").returncode == 0
    wait_gone(pid)
    assert passes(gate, stranger())
    gate.listeners["mx"].policy = GREYLIST
    gate.configure()
    assert gate.ctl("reload").returncode == 0
    wait_answers(gate)
    assert passes(gate, KNOWN)


def test_a_reload_keeps_it(gate, clock):
    make_known(gate, clock, KNOWN)
    waits = stranger()
    assert not passes(gate, waits)
    assert gate.ctl("reload").returncode == 0
    clock.go_on(LATER)
    wait_answers(gate)
    assert passes(gate, KNOWN) and passes(gate, waits)


def test_an_upgrade_keeps_it(gate, clock):
    """Whoever comes meanwhile is answered: as it should be, or as if nobody remembered."""
    make_known(gate, clock, KNOWN)
    over, faults, asked = threading.Event(), [], []

    def come():
        while not over.is_set():
            try:
                assert passes(gate, KNOWN), "who is known was sent away"
                asked.append(passes(gate, stranger()))
            except (AssertionError, OSError, Closed) as fault:
                faults.append(fault)
                return

    thread = threading.Thread(target=come)
    thread.start()
    try:
        for program in (NEXT, postern_program.POSTERND):
            gate.install(program)
            done = gate.ctl("upgrade")
            assert done.returncode == 0, (done, gate.story())
            wait_answers(gate)
    finally:
        over.set()
        thread.join(60)
    assert not faults, faults
    assert asked and passes(gate, KNOWN) and answers(gate)
    assert "event=storekeeper-crashed" not in gate.log(), gate.story()


# -- reputations


def points(gate, who):
    """(good, bad) as posternctl says them, or None."""
    records = gate.records("reputation", "reputation", who)
    return (records[0]["good"], records[0]["bad"]) if records and records[0]["good"] else None


def test_a_reputation_outlives_a_restart_and_ages(gates, clock):
    gate = gates(policy="")
    for _ in range(8):
        assert gate.attempt("mx", "192.0.2.7").code == 250
    good, bad = net.wait_until(lambda: points(gate, "192.0.2.7"), 10, "nothing is learnt", gate.story)
    assert good >= 7 and bad == 0
    gate.stop_and_start()
    gate.wait_state("working")
    kept, _ = net.wait_until(lambda: points(gate, "192.0.2.7"), 10, "it is forgotten", gate.story)
    assert good - 1 <= kept <= good
    gate.stop()
    clock.go_on(2 * DAY)  # it halves each day, whether anybody looks or not
    gate.start()
    gate.wait_state("working")
    aged, _ = net.wait_until(lambda: points(gate, "192.0.2.7"), 10, "it is forgotten", gate.story)
    assert good // 4 - 1 <= aged <= good // 4 + 1


def test_networks_and_domains_have_their_names_back_after_a_start(gates):
    gate = gates(policy="")
    now = int(time.time())
    known = "\tfirst={0} last={0} expires={1} count=4 good=64 bad=0\n".format(now, now + DAY)
    assert gate.ctl("store", "import", given="n 192.0.2.7" + known + "d example.com" + known).returncode == 0
    gate.stop_and_start()
    for who in ("192.0.2.7", "example.com"):
        good, bad = net.wait_until(lambda: points(gate, who), 10, f"{who} is forgotten", gate.story)
        assert 3 <= good <= 4 and bad == 0


# -- a worker that is somebody else's


def test_a_socket_that_a_worker_shut_down_is_said(gates, clock):
    """The sandbox would not let it; without one the storekeeper must not spin. Nobody waits for one that has gone."""
    gate = gates(deadline="20s")
    make_known(gate, clock, KNOWN)
    pid = gate.storekeeper()
    with worker_socket(gate) as evil:
        evil.shutdown(socket.SHUT_WR)
    gate.wait_log(r"event=store state=failing why=.*socket.*started again")
    wait_gone(pid)
    net.wait_until(lambda: gate.records("memory", "status")[0]["state"] == "not answering", 10, "it is thought alive",
                   gate.story)
    assert passes(gate, KNOWN) and passes(gate, stranger())
    gate.stop_and_start()
    gate.wait_state("working")
    assert passes(gate, KNOWN) and answers(gate)


def test_a_hostile_worker_spoils_what_it_may_and_no_more(gates, clock):
    gate = gates()
    make_known(gate, clock, KNOWN)
    pid = gate.storekeeper()
    with worker_socket(gate) as evil:
        for octets in store_socket.worst(20000, seed=9):
            evil.send(octets)
        wait_answers(gate)
        before = net.rollup_kib(pid, "Private_Dirty")
    flood(gate, 40000, every=lambda: passes(gate, stranger()))
    wait_answers(gate)
    assert net.rollup_kib(pid, "Private_Dirty") < before + 16 * 1024
    assert gate.storekeeper() == pid and "event=storekeeper-crashed" not in gate.log(), gate.story()
    assert passes(gate, KNOWN)
    gate.stop_and_start()
    gate.wait_state("working")
    assert passes(gate, KNOWN) and answers(gate)
