# SPDX-License-Identifier: ISC
"""The greylist: who is sent away at first and let in at the second try, what for, and who never is. One posternd, whose
wall clock the tests set, so that nobody waits; each test has senders and recipients of its own."""
import os
import pathlib
import re
import shutil
import signal
import tempfile

import pytest

import hostile_dns
import inside_server
import net
import postfix_outside_rig
import stories
from smtp_client import Client
from store_rig import CONTENT, GATE_BEFORE, Gate, Listener
from wall_clock import WallClock

MINUTE, HOUR, DAY = 60, 3600, 86400
DELAY, WINDOW, LIFETIME = 5 * MINUTE, DAY, 36 * DAY
COMES_LATER = DELAY + 1
TERMS = "delay = 5m  window = 1d  lifetime = 36d"
GREYLIST = f"greylist {{ mode = enforce  key = recipient  {TERMS}  allow_after = 0 }}"
POLICIES = {
    "grey": "spf { mode = watch } access { allow = 198.51.100.0/28  reject_recipient = never@example.org } " + GREYLIST,
    "watched": GREYLIST.replace("enforce", "watch"),
    "earned": GREYLIST.replace("allow_after = 0", "allow_after = 3"),
    "by_client": GREYLIST.replace("key = recipient", "key = client"),
    "by_sender": GREYLIST.replace("key = recipient", "key = sender"),
    "limited": GREYLIST + " limit few { of = recipients  per = client  rate = 2/1h  burst = 1 }",
    "traps": "mailbox { traps = trap@example.org  trap_memory = 1h  trapped = defer }",
}
POOL = [f"198.18.{number}.7" for number in range(20)]
RECORDS = {
    ("pool.test", "TXT"): hostile_dns.answers("TXT v=spf1 ip4:198.18.0.0/15 ip6:2001:db8::/32 -all"),
    ("elsewhere.test", "TXT"): hostile_dns.answers("TXT v=spf1 ip4:192.0.2.1 -all"),
    ("soft.test", "TXT"): hostile_dns.answers("TXT v=spf1 ip4:192.0.2.1 ~all"),
}
REFUSAL = rb"4\.7\.1 Greylisted, please try again in (\d+) seconds?"


@pytest.fixture(scope="module")
def place():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="greylist-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def clock(place):
    return WallClock(place)


@pytest.fixture(scope="module")
def scripted():
    server = inside_server.Inside()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def running_gate(place, clock, scripted, running_postfix):
    names = hostile_dns.HostileDns(RECORDS)
    listeners = {name: Listener(scripted.address, policy) for name, policy in POLICIES.items()}
    listeners["real"] = Listener(running_postfix.address("xclient"), GREYLIST)
    gate = Gate(place, listeners, f'resolver = "127.0.0.1:{names.address[1]}"', clock)
    yield gate
    try:
        gate.stop()
        gate.check_log()
    finally:
        names.stop()


@pytest.fixture
def gate(running_gate, scripted):
    stories.add(running_gate)
    stories.add(scripted)
    scripted.script.clear()
    return running_gate


def is_greylisted(reply):
    """So many seconds, or 0."""
    found = re.match(REFUSAL, reply.text) if reply.code == 451 else None
    return int(found.group(1)) if found else 0


def assert_greylisted(reply, seconds=DELAY):
    assert 0 < is_greylisted(reply) <= seconds, reply


def assert_passes(reply):
    assert reply.code == 250, reply


# -- what it does


def test_the_first_try_is_deferred_and_a_later_one_passes(gate, clock, scripted):
    before = len(scripted.accepted)
    triplet = {"sender": "a1@sender.test", "recipient": "first@example.org"}
    assert DELAY - 5 <= is_greylisted(gate.attempt("grey", **triplet)) <= DELAY
    clock.go_on(DELAY // 2)
    assert 0 < is_greylisted(gate.attempt("grey", **triplet)) <= DELAY // 2  # its time is not begun anew
    assert len(scripted.accepted) == before
    clock.go_on(DELAY // 2 + 1)
    assert_passes(gate.attempt("grey", **triplet))
    assert_passes(gate.attempt("grey", **triplet))
    assert len(scripted.accepted) == before + 2
    gate.wait_log(r"event=message .*from=<a1@sender.test> .*verdict=deferred .*reason=\S*[Gg]reylist")


def test_who_does_not_come_again_in_the_window_is_new(gate, clock):
    triplet = {"sender": "a2@sender.test"}
    assert_greylisted(gate.attempt("grey", **triplet))
    clock.go_on(WINDOW + MINUTE)
    assert_greylisted(gate.attempt("grey", **triplet))
    clock.go_on(WINDOW - MINUTE)
    assert_passes(gate.attempt("grey", **triplet))


def test_who_is_known_stays_so_for_the_lifetime_after_his_last_mail(gate, clock):
    triplet = {"sender": "a3@sender.test"}
    assert_greylisted(gate.attempt("grey", **triplet))
    clock.go_on(COMES_LATER)
    assert_passes(gate.attempt("grey", **triplet))
    for _ in range(2):
        clock.go_on(LIFETIME - DAY)
        assert_passes(gate.attempt("grey", **triplet))
    clock.go_on(LIFETIME + MINUTE)
    assert_greylisted(gate.attempt("grey", **triplet))


@pytest.mark.parametrize("listener, known, new", [
    ("grey", [("b@sender.test", "r1@example.org")],
     [("b@sender.test", "r2@example.org"), ("c@sender.test", "r1@example.org")]),
    ("by_sender", [("b@sender.test", "r1@example.org"), ("B@Sender.Test", "r2@example.org")],
     [("c@sender.test", "r1@example.org")]),
    ("by_client", [("b@sender.test", "r1@example.org"), ("c@sender.test", "r2@example.org")], []),
])
def test_what_is_remembered_of_a_try(gate, clock, listener, known, new):
    client = "203.0.113.*"
    assert_greylisted(gate.attempt(listener, client, *known[0]))
    clock.go_on(COMES_LATER)
    for pair in known:
        assert_passes(gate.attempt(listener, client, *pair))
    for pair in new:
        assert_greylisted(gate.attempt(listener, client, *pair))
    assert_greylisted(gate.attempt(listener, "192.0.2.*", *known[0]))


def test_a_neighbour_is_the_same_client(gate, clock):
    for first, neighbour, stranger in (("192.0.2.1", "192.0.2.254", "203.0.113.1"),
                                       ("2001:db8:7::1", "2001:db8:7:0:a::2", "2001:db8:7:1::1")):
        triplet = {"sender": "a4@sender.test", "recipient": "neighbour@example.org"}
        assert_greylisted(gate.attempt("grey", first, **triplet))
        clock.go_on(COMES_LATER)
        assert_greylisted(gate.attempt("grey", stranger, **triplet))
        assert_passes(gate.attempt("grey", neighbour, **triplet))


def test_a_pool_whose_domain_says_so_is_one_client(gate, clock):
    """Each of twenty messages is tried by one of the pool, and tried again by another."""
    mail = [{"sender": "news@pool.test", "recipient": f"pool-{number}@example.org"} for number in range(len(POOL))]
    for address, one in zip(POOL, mail):
        assert_greylisted(gate.attempt("grey", address, **one))
    clock.go_on(COMES_LATER)
    for address, one in zip(POOL[7:] + POOL[:7], mail):
        assert_passes(gate.attempt("grey", address, **one))
    assert_passes(gate.attempt("grey", "2001:db8:99::1", **mail[0]))
    assert_greylisted(gate.attempt("grey", "192.0.2.66", **mail[0]))  # who is none of it gains nothing


@pytest.mark.parametrize("domain", ["elsewhere.test", "soft.test", "none.test"])
def test_without_spf_a_pool_is_many_clients(gate, clock, domain):
    mail = {"sender": f"news@{domain}", "recipient": "pool@example.org"}
    for number in range(3):
        assert_greylisted(gate.attempt("grey", f"198.19.{number}.*", **mail))
        clock.go_on(COMES_LATER)
    assert_greylisted(gate.attempt("grey", "198.19.3.*", **mail))
    assert_passes(gate.attempt("grey", "198.19.0.*", **mail))


def test_a_callout_is_answered_and_a_bounce_has_to_come_again(gate, clock):
    with gate.connect("grey", "192.0.2.30") as client:  # as another server looks whether a sender exists
        client.hello()
        client.ask("MAIL FROM:<>", 250)
        client.ask("RCPT TO:<callout@example.org>", 250)
        client.quit()
    bounce = {"client": "192.0.2.*", "sender": "", "recipient": "bounce@example.org"}
    with gate.connect("grey", bounce["client"]) as client:
        client.hello()
        client.ask("MAIL FROM:<>", 250)
        client.ask("RCPT TO:<bounce@example.org>", 250)
        assert_greylisted(client.command("DATA"))
        client.ask("RSET", 250)
        client.quit()
    clock.go_on(COMES_LATER)
    assert_passes(gate.attempt("grey", **bounce))


def test_each_recipient_has_its_own_answer(gate, clock, scripted):
    with gate.connect("grey", "192.0.2.*") as client:
        client.hello()
        client.ask("MAIL FROM:<each@sender.test>", 250)
        assert_greylisted(client.command("RCPT TO:<each-1@example.org>"))
        client.quit()
    clock.go_on(COMES_LATER)
    with gate.connect("grey", "192.0.2.*") as client:
        client.hello()
        client.ask("MAIL FROM:<each@sender.test>", 250)
        assert_greylisted(client.command("RCPT TO:<each-2@example.org>"))
        client.ask("RCPT TO:<each-1@example.org>", 250)
        client.ask("DATA", 354)
        client.send(CONTENT + b".\r\n")
        client.expect(250)
        client.quit()
    heard = b" ".join(scripted.sessions[-1].commands)
    assert b"each-1" in heard and b"each-2" not in heard


# -- whom it spares


def test_friends_and_postmaster_are_spared(gate):
    assert_passes(gate.attempt("grey", "198.51.100.3", "friend@sender.test"))
    assert_passes(gate.attempt("grey", "203.0.113.3", "a5@sender.test", "postmaster@example.org"))
    gate.ask("allow", "203.0.113.77", "for", "1h")
    assert_passes(gate.attempt("grey", "203.0.113.77", "a5@sender.test"))
    gate.ask("forget", "203.0.113.77")


def test_who_has_logged_in_is_spared(gate):
    with Client(("127.0.0.1", gate.listeners["grey"].port), source=GATE_BEFORE) as client:
        client.hello()
        client.ask("XCLIENT ADDR=203.0.113.40 LOGIN=ann", 220)
        client.ask("EHLO client.test", 250)
        assert_passes(client.message("user@example.org", CONTENT, sender="a6@sender.test"))
        client.quit()


def test_who_has_delivered_often_enough_is_spared(gate, clock):
    """Once an hour counts: a burst earns nothing."""
    client, triplet = "192.0.2.*", {"sender": "a7@sender.test", "recipient": "earned@example.org"}
    assert_greylisted(gate.attempt("earned", client, **triplet))
    clock.go_on(COMES_LATER)
    for _ in range(4):
        assert_passes(gate.attempt("earned", client, **triplet))
    assert_greylisted(gate.attempt("earned", client, "other@sender.test"))
    for _ in range(2):
        gate.remembered()  # nobody waits for what is told: it has been read before the clock goes on
        clock.go_on(HOUR + 1)
        assert_passes(gate.attempt("earned", client, **triplet))
    assert_passes(gate.attempt("earned", client, "new@sender.test", "new@example.org"))
    assert_passes(gate.attempt("earned", "192.0.2.*", "newer@sender.test"))
    assert_greylisted(gate.attempt("earned", "203.0.113.*", "newer@sender.test"))
    clock.go_on(LIFETIME + HOUR)
    assert_greylisted(gate.attempt("earned", client, "newest@sender.test"))


def test_watched_it_lets_pass_and_says_so(gate, clock):
    client, triplet = "192.0.2.*", {"sender": "a8@sender.test"}
    assert_passes(gate.attempt("watched", client, **triplet))
    gate.wait_log(r"event=watched .*check=greylist .*would=defer")
    clock.go_on(COMES_LATER)
    assert_passes(gate.attempt("watched", client, **triplet))
    assert len(re.findall(r"event=watched .*check=greylist .*would=defer", gate.log())) == 1, gate.story()


# -- beside other reasons


def test_who_is_refused_anyhow_is_not_remembered(gate):
    assert gate.attempt("grey", "192.0.2.70", "a9@sender.test", "never@example.org").code == 554
    assert not [key for key in gate.remembered("g") if "never@example.org" in key]


def test_what_inside_refuses_is_not_sent_away_again(gate, clock, scripted):
    triplet = {"client": "192.0.2.*", "sender": "a10@sender.test", "recipient": "full@example.org"}
    assert_greylisted(gate.attempt("grey", **triplet))
    clock.go_on(COMES_LATER)
    for step, reply in (("RCPT", b"450 4.2.1 busy\r\n"), ("dot", b"452 4.3.1 full\r\n")):
        scripted.script[step] = reply
        assert gate.attempt("grey", **triplet).lines == [reply.rstrip()]
        del scripted.script[step]
    assert_passes(gate.attempt("grey", **triplet))


def test_limits_do_not_count_who_is_sent_away(gate, clock):
    triplet = {"client": "192.0.2.72", "sender": "a11@sender.test"}
    for _ in range(3):
        assert_greylisted(gate.attempt("limited", **triplet))
    clock.go_on(COMES_LATER)
    assert_passes(gate.attempt("limited", **triplet))
    reply = gate.attempt("limited", **triplet)
    assert reply.code == 451 and not is_greylisted(reply), reply


# -- traps


def test_who_writes_to_a_trap_is_sent_away_until_that_is_forgotten(gate, clock):
    assert_passes(gate.attempt("traps", "192.0.2.80"))
    gate.attempt("traps", "203.0.113.80", "bot@spam.test", "trap@example.org")
    for _ in range(2):
        reply = gate.attempt("traps", "203.0.113.80", "other@spam.test")
        assert 400 <= reply.code < 500, reply
        clock.go_on(HOUR // 3)
    assert_passes(gate.attempt("traps", "192.0.2.80"))
    clock.go_on(HOUR)
    assert_passes(gate.attempt("traps", "203.0.113.80", "other@spam.test"))


# -- posternctl


def test_posternctl_lists_adds_and_deletes(gate, clock):
    triplet = {"client": "192.0.2.90", "sender": "a12@sender.test", "recipient": "listed@example.org"}
    key = ("192.0.2.0/24", triplet["sender"], triplet["recipient"])
    assert gate.ctl("greylist", "add", *key).returncode == 0
    assert_passes(gate.attempt("grey", **triplet))
    assert "a12@sender.test" in gate.ctl("greylist", "list", key[0]).stdout
    assert gate.ctl("greylist", "delete", *key).returncode == 0
    assert_greylisted(gate.attempt("grey", **triplet))


# -- real servers: one outside that tries again, one inside


@pytest.fixture
def outside(gate):
    directory = tempfile.mkdtemp(prefix="outside-")
    os.chmod(directory, 0o755)
    rig = postfix_outside_rig.OutsidePostfix(directory, ("127.0.0.1", gate.listeners["real"].port))
    stories.add(rig)
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()
        shutil.rmtree(directory)


def kill_and_start(gate):
    family = net.descendants(gate.process.pid)
    os.kill(gate.master, signal.SIGKILL)
    gate.process.wait()
    net.wait_until(lambda: not any(map(net.is_alive, family)), 20, "its children stay", gate.story)
    gate.start()


def test_a_real_sender_comes_again_and_is_known_for_good(gate, clock, outside, postfix):
    first = outside.submit("real@example.org", CONTENT)
    found = outside.wait_tries(first, r"status=deferred .* 451 4\.7\.1 Greylisted, please try again in (\d+) s")
    assert int(found.group(1)) <= DELAY
    net.wait_until(lambda: outside.look_again() or len(outside.tries(first)) >= 2, 20, "it does not come again",
                   outside.story)
    assert outside.queued() and postfix.messages("real@example.org") == []
    clock.go_on(COMES_LATER)
    outside.wait_tries(first, "status=sent")
    outside.settle()
    content = CONTENT.rstrip()
    assert content.splitlines()[-1] in postfix.only_message("real@example.org").content
    for count, again in enumerate((lambda: None, gate.stop_and_start, lambda: kill_and_start(gate)), 2):
        clock.go_on(10 * DAY)  # its good name is gone, and would have let it in as well
        again()
        one = outside.submit("real@example.org", CONTENT)
        outside.wait_tries(one, "status=sent")
        assert [status for status, _ in outside.tries(one)] == ["sent"], outside.story()
        postfix.settle()
        assert len(postfix.messages("real@example.org")) == count
    clock.go_on(10 * DAY)
    two = outside.submit("unknown@example.org", CONTENT)
    outside.wait_tries(two, "status=deferred .*Greylisted")
    clock.go_on(COMES_LATER)
    outside.wait_tries(two, "status=sent")
    postfix.only_message("unknown@example.org")
