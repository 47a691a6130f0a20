# SPDX-License-Identifier: ISC
"""The memory on disk, and what may befall it. Whatever it is: mail flows, the log says what is wrong or was lost, and
it works again afterwards; nothing else suffers. What is remembered shows in what the greylist says: who is known
passes, who is not is sent away, and where nobody can say he passes, too."""
import itertools
import os
import re
import signal
import socket
import threading
import time

import pytest

import net
import postern as postern_program
import store_socket
from smtp_client import Closed
from store_rig import USER, Gate, Listener, end_well
from wall_clock import WallClock

NEXT = postern_program.BUILD + "/next/posternd"  # tests/upgrade/next.c
DAY = 86400
LATER = 301
GREYLIST = "greylist { mode = enforce  key = recipient  delay = 5m  window = 1d  lifetime = 36d  allow_after = 0 }"
KNOWN, KNOWN_TOO = {"sender": "known@sender.test"}, {"sender": "known-too@sender.test"}
KEY = "g 192.0.2.0/24 {sender} user@example.org"


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
        assert count > 256  # more than it reads before it looks whether it is to leave
        gate.terminate()
        net.wait_until(lambda: not lifeline & pipes(gate.master), 10, "it is not told to leave", gate.story)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert gate.wait() == 0
    gate.start()
    gate.wait_state("working")
    assert len(gate.remembered("g")) == count


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
