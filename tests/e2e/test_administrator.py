# SPDX-License-Identifier: ISC
"""What an administrator orders through posternctl and what he is shown: block, allow, forget, bypass, limits, rates,
clients, stats; against a running posternd, over restarts."""
import os
import re
import struct
import threading
import time

import pytest

import net
import postern as postern_program
from smtp_client import Client
from test_posternctl import Gate, a_message, gates, place, run, server  # noqa: F401, pylint: disable=unused-import

TOTALS = {"sessions", "messages", "refused_messages", "unheard", "bytes_in", "limited", "held_sessions", "held_ms",
          "let_go", "turned_away", "inside_waits", "inside_wait_ms", "evictions", "damaged", "given_up", "forked",
          "crashed"}
REGIONS = {"tags", "slots", "heard", "health", "keys", "orders", "listed", "seats", "rates", "reputations", "hits",
           "totals", "history", "berths", "list-tests", "list-counts", "store"}


@pytest.fixture
def listed(tmp_path):
    """The file of the list; its directory is posternd's to make."""
    return tmp_path / "lib" / "listed"


@pytest.fixture
def gate(gates, listed):  # noqa: F811
    return gates(f"listed_file = {listed}")


def listing(gate, verb="block"):
    return {record["network"]: record for record in gate.records("listed", verb)}


def lines_of(listed):
    return [line for line in listed.read_text().splitlines() if not line.startswith("#")]


def restart(gate):
    """Another posternd with the same configuration in the place of this one."""
    gate.stop()
    gate.check_log()
    again = postern_program.PosternFrom(gate.address, "-f", "-c", str(gate.path))
    net.wait_until(lambda: "event=ready" in again.log(), 30, "posternd is not ready again", again.story)
    for name in ("socket", "path"):
        setattr(again, name, getattr(gate, name))
    again.__class__ = Gate
    return again


@pytest.fixture
def restarted(gate):
    """A function: restarts the gate; the last one ends well with the test."""
    last = []

    def again():
        last.append(restart(last[-1] if last else gate))
        return last[-1]

    yield again
    for one in last[-1:]:
        one.stop()
        one.check_log()


# -- block, allow, forget


def test_a_list_is_kept_over_a_restart(gate, listed, restarted):
    record, = gate.ask("block", "192.0.2.0/24", "for", "2h", "reason", "guesses", "passwords")["records"]
    assert record["kind"] == "listed" and record["as"] == "blocked" and record["reason"] == "guesses passwords"
    assert 7190000 < record["left_ms"] <= 7200000 and abs(record["until"] - time.time() - 7200) < 10
    gate.ask("block", "198.51.100.7")
    gate.ask("allow", "::ffff:203.0.113.5", "reason", "a friend")
    gate.ask("allow", "2001:db8::/32", "until", "2098-12-01T00:00:00Z")
    assert set(listing(gate)) == {"192.0.2.0/24", "198.51.100.7"}
    assert set(listing(gate, "allow")) == {"203.0.113.5", "2001:db8::/32"}
    assert gate.ask("forget", "198.51.100.7")["records"] == []
    assert os.stat(listed).st_mode & 0o7777 == 0o600 and os.stat(listed.parent).st_mode & 0o7777 == 0o711
    assert "allow 2001:db8::/32 until 2098-12-01T00:00:00Z" in lines_of(listed)
    assert re.search(r"event=control verb=block argument=\"192.0.2.0/24 for 2h reason guesses passwords\" uid=0",
                     gate.log()), gate.story()

    again = restarted()
    assert set(listing(again)) == {"192.0.2.0/24"}
    record = listing(again)["192.0.2.0/24"]
    assert 7000000 < record["left_ms"] <= 7200000 and record["reason"] == "guesses passwords"
    assert listing(again, "allow")["203.0.113.5"]["reason"] == "a friend"
    assert "left_ms" not in listing(again, "allow")["203.0.113.5"]
    assert re.search(r"event=listed-file state=read .*entries=3", again.log()), again.story()


def test_people_see_the_list(gate):
    assert gate.ctl("block").stdout == "nobody is blocked\n"
    done = gate.ctl("block", "192.0.2.0/24", "for", "30d", "reason", "an open proxy, since monday")
    assert done.returncode == 0 and re.search(r"^192\.0\.2\.0/24 +blocked +\S+ .*an open proxy, since monday$",
                                              done.stdout, re.M), done
    done = gate.ctl("block")
    assert re.match(r"NETWORK +AS +LEFT +UNTIL +REASON\n", done.stdout) and re.search(r"29d23h|30d00h", done.stdout), done
    assert gate.ctl("allow").stdout == "nobody is allowed\n"
    assert gate.ctl("forget", "192.0.2.0/24").stdout == "forgotten\n"


def test_a_network_has_one_entry(gate, listed):
    gate.ask("block", "192.0.2.7")
    gate.ask("block", "192.0.2.7", "for", "1h")
    gate.ask("allow", "192.0.2.7")
    assert listing(gate) == {} and set(listing(gate, "allow")) == {"192.0.2.7"}
    assert lines_of(listed) == ["allow 192.0.2.7"]


@pytest.mark.parametrize("arguments, why", [
    (("block", "mx.example.org"), "no address"),
    (("block", "192.0.2.1/24"), "no address"),
    (("allow", "192.0.2.1", "2h"), "neither for, until nor reason"),
    (("block", "192.0.2.1", "for", "11y"), "no time"),
    (("block", "192.0.2.1", "for", "9999d"), "no time"),
    (("block", "192.0.2.1", "until", "2001-01-01T00:00:00Z"), "over already"),
    (("block", "192.0.2.1", "reason"), "reason is missing"),
    (("block", "192.0.2.1", "reason", "x" * 96), "longer than 95"),
    (("forget", "192.0.2.1"), "not listed"),
    (("forget", "everybody"), "no address"),
    (("bypass", "maybe"), "neither on nor off"),
    (("rates", "forget"), "which key"),
    (("rates", "forget", "192.0.2.1"), "no such key"),
    (("rates", "drop", "192.0.2.1"), "neither list nor forget"),
    (("rates", "forget", "a", "b"), "no such key"),
    (("clients", "best"), "no such order"),
])
def test_what_is_wrong_is_said(gate, listed, arguments, why):
    done = gate.ctl(*arguments)
    assert done.returncode == 1 and why in done.stderr and done.stdout == "", done
    assert not listed.exists() and listing(gate) == {}


def test_who_forgets_an_address_of_a_network_is_told_so(gate):
    gate.ask("block", "192.0.2.0/24")
    done = gate.ctl("forget", "192.0.2.7")
    assert done.returncode == 1 and "192.0.2.0/24, in which it is, is blocked" in done.stderr, done


def test_what_is_over_vanishes(gate, listed):
    gate.ask("block", "192.0.2.7", "for", "1s")
    gate.ask("block", "192.0.2.8")
    net.wait_until(lambda: set(listing(gate)) == {"192.0.2.8"}, 10, "it is still there", gate.story)
    net.wait_until(lambda: lines_of(listed) == ["block 192.0.2.8"], 10, "it still stands in the file", gate.story)


def test_bad_lines_are_named_and_do_not_stop_the_start(gate, listed, restarted):
    gate.ask("block", "192.0.2.7")
    with open(listed, "a", encoding="ascii") as file:
        file.write("block 192.0.2.300\nallow 192.0.2.9 reason by hand\n")
    again = restarted()
    number = listed.read_text().splitlines().index("block 192.0.2.300") + 1
    again.wait_log(rf"event=listed-file state=bad path={listed} line={number} why=\"that is no address and no network\"")
    assert set(listing(again)) == {"192.0.2.7"} and set(listing(again, "allow")) == {"192.0.2.9"}
    saved, = [r for r in again.ask("block", "192.0.2.10")["records"] if r["kind"] == "file"]
    assert saved["kept"] is True and saved["saved"] == f"{listed}.saved"
    assert "block 192.0.2.300" in (listed.parent / "listed.saved").read_text()
    assert sorted(lines_of(listed)) == ["allow 192.0.2.9 reason by hand", "block 192.0.2.10", "block 192.0.2.7"]


def test_what_cannot_be_kept_holds_and_is_said(gate, listed):
    """A directory in the place where the file is written first: not even root writes there."""
    gate.ask("block", "192.0.2.7")
    (listed.parent / "listed.new").mkdir()
    records = gate.ask("block", "192.0.2.8")["records"]
    assert [r["kind"] for r in records] == ["listed", "file"]
    assert records[1]["kept"] is False and "listed.new" in records[1]["not_kept"]
    assert set(listing(gate)) == {"192.0.2.7", "192.0.2.8"} and lines_of(listed) == ["block 192.0.2.7"]
    gate.wait_log(r"event=listed-file state=not-kept .*why=\"cannot write .*listed.new")
    done = gate.ctl("block", "192.0.2.9")
    assert done.returncode == 0 and re.search(r"^NOT KEPT +cannot write", done.stdout, re.M), done
    (listed.parent / "listed.new").rmdir()
    assert [r["kind"] for r in gate.ask("block", "192.0.2.10")["records"]] == ["listed"]
    assert len(lines_of(listed)) == 4
    gate.wait_log("event=listed-file state=kept")


def test_a_directory_that_cannot_be_made_does_not_stop_the_start(gates, tmp_path):  # noqa: F811
    path = tmp_path / "a" / "b" / "listed"
    gate = gates(f"listed_file = {path}")
    gate.wait_log(rf"event=listed-file state=bad path={path} why=\"cannot make its directory: ")
    records = gate.ask("block", "192.0.2.7")["records"]
    assert records[1]["kept"] is False and set(listing(gate)) == {"192.0.2.7"}


def test_without_a_file_it_is_said_that_nothing_is_kept(gates):  # noqa: F811
    gate = gates()
    records = gate.ask("allow", "192.0.2.7")["records"]
    assert records[1]["kept"] is False and "listed_file is not set" in records[1]["not_kept"]


def test_the_file_is_of_the_whole_process(gate, listed):
    """A reload cannot change it, and keeps the list."""
    gate.ask("block", "192.0.2.7")
    gate.ask("reload")
    assert set(listing(gate)) == {"192.0.2.7"}
    gate.write(gate.path.read_text().replace(str(listed), f"{listed}2"))
    done = gate.ctl("reload")
    assert done.returncode == 1 and "listed_file" in done.stderr and "cannot change while posternd runs" in done.stderr


# -- what it does to clients


def first_words(gate, source):
    with Client(gate.address, source=source) as client:
        return client.reply()


def test_a_blocked_client_is_refused_and_an_allowed_one_is_not(gate, restarted):
    assert first_words(gate, "127.0.0.9").code == 220
    gate.ask("block", "127.0.0.0/28", "for", "1h", "reason", "guesses passwords")
    gate.ask("allow", "127.0.0.10")
    refusal = first_words(gate, "127.0.0.9")
    assert refusal.code == 554 and b"guesses passwords" in refusal.text
    assert first_words(gate, "127.0.0.10").code == 220 and first_words(gate, "127.0.0.16").code == 220
    again = restarted()
    assert first_words(again, "127.0.0.9").code == 554 and first_words(again, "127.0.0.10").code == 220
    again.ask("bypass", "on")
    assert first_words(again, "127.0.0.9").code == 220
    again.ask("bypass", "off")
    assert first_words(again, "127.0.0.9").code == 554
    again.ask("forget", "127.0.0.0/28")
    assert first_words(again, "127.0.0.9").code == 220


def test_a_block_ends_by_itself(gate):
    gate.ask("block", "127.0.0.9", "for", "2s")
    assert first_words(gate, "127.0.0.9").code == 554
    net.wait_until(lambda: first_words(gate, "127.0.0.9").code == 220, 10, "it is still blocked", gate.story)


def test_sessions_under_way_go_on(gate):
    with Client(gate.address) as client:
        client.hello()
        gate.ask("block", "127.0.0.1")
        assert client.message("user@example.org", b"Subject: x\r\n\r\nx\r\n").code == 250
        client.quit()
    assert first_words(gate, "127.0.0.1").code == 554


# -- bypass


def test_a_bypass_is_loud_and_outlives_a_reload(gate, restarted):
    status, = gate.records("posternd", "status")
    assert status["bypass"] is False and gate.records("bypass", "status") == []
    assert gate.ask("bypass")["records"] == [{"kind": "bypass", "on": False}]
    record, = gate.ask("bypass", "on")["records"]
    assert record["on"] is True and record["since_ms"] >= 0
    gate.wait_log("event=bypass state=on")
    gate.wait_log("event=control verb=bypass argument=on")
    assert gate.ctl("status").stdout.startswith("CHECKS BYPASSED  yes\n")
    gate.ask("reload")
    status, = gate.records("posternd", "status")
    assert status["bypass"] is True
    assert gate.records("now", "stats")[0]["bypass"] is True
    assert gate.ask("bypass", "off")["records"] == [{"kind": "bypass", "on": False}]
    gate.wait_log("event=bypass state=off")
    gate.ask("bypass", "off")
    assert gate.log().count("event=bypass") == 2, gate.story()
    gate.ask("bypass", "on")
    again = restarted()
    assert again.ask("bypass")["records"] == [{"kind": "bypass", "on": False}]


# -- limits, rates, clients, stats


def test_clients_by_their_sessions(gate):
    assert gate.ctl("clients").stdout == "no sessions\n"
    with Client(gate.address) as one, Client(gate.address) as two, Client(gate.address, source="127.0.0.9") as three:
        for client in (one, two, three):
            client.hello()
        assert one.message("user@example.org", b"Subject: x\r\n\r\nx\r\n").code == 250
        three.ask("NONSENSE", 500)

        def seen():
            records = gate.records("client", "clients")
            return records if [r["sessions"] for r in records] == [2, 1] and records[0]["messages"] == 1 else None
        first, second = net.wait_until(seen, 10, "other clients", gate.story)
        assert (first["client"], second["client"]) == ("127.0.0.1", "127.0.0.9")
        for record in (first, second):
            assert set(record) == {"kind", "client", "sessions", "held", "score", "errors", "messages", "standing",
                                   "oldest_ms"}
            assert record["standing"] in ("unknown", "good", "bad") and record["held"] == 0
        assert (first["errors"], second["errors"]) == (0, 1)
        done = gate.ctl("clients", "--worst")
        assert done.returncode == 0 and re.match(r"CLIENT +SESSIONS +HELD +SCORE +ERRORS", done.stdout), done
        assert [r["client"] for r in gate.records("client", "clients", "--worst")] == ["127.0.0.9", "127.0.0.1"]
        for client in (one, two, three):
            client.quit()


def test_stats(gate):
    with Client(gate.address) as client:
        client.hello()
        assert client.message("user@example.org", b"Subject: x\r\n\r\nx\r\n").code == 250
        client.quit()
    net.wait_until(lambda: gate.records("totals", "stats")[0]["sessions"] == 1, 10, "no session", gate.story)
    gate.ask("block", "192.0.2.7")
    records = gate.ask("stats")["records"]
    totals, = [r for r in records if r["kind"] == "totals"]
    assert set(totals) == TOTALS | {"kind"} and totals["messages"] == 1 and totals["damaged"] == 0
    now, = [r for r in records if r["kind"] == "now"]
    assert now["workers"] > 0 and now["held"] == 0 and (now["blocked"], now["allowed"]) == (1, 0)
    tables = {r["table"]: r for r in records if r["kind"] == "table"}
    assert set(tables) == {"rates", "reputations"} and tables["rates"]["entries"] == 262144
    assert all(0 <= t["used"] <= t["entries"] for t in tables.values())
    regions = {r["region"]: r for r in records if r["kind"] == "region"}
    assert set(regions) == REGIONS
    assert regions["rates"]["bytes"] == 262144 * 8 and regions["slots"]["page_table_bytes"] > 0
    assert 0 < regions["listed"]["resident_bytes"] <= regions["listed"]["bytes"] + 4096
    assert "resident_bytes" not in regions["keys"]
    done = gate.ctl("stats")
    for title in ("sessions ended", "REGION", "TABLE", "IN MEMORY"):
        assert re.search(rf"^{title}|\b{title}\b", done.stdout, re.M), done.stdout


def test_limits_and_rates_where_there_are_none(gate):
    assert gate.ask("limits")["records"] == [] and gate.ask("rates")["records"] == []
    assert gate.ctl("limits").stdout == "no policy has limits\n"
    for arguments in ((), ("list",), ("192.0.2.7",), ("list", "192.0.2.7")):
        assert gate.ctl("rates", *arguments).stdout == "nobody hit a limit lately\n"


PACE = """policy permissive {
    limit pace { of = bytes  rate = 20K/1s  action = throttle }
"""
PACED_RATE = 20 * 1024
PACED_OCTETS = 80 * 1024


def test_a_pace_is_shared_by_the_sessions_of_a_client(gate):
    """Two connections: together no more than the rate, but for a second's worth at once."""
    gate.write(gate.path.read_text().replace("policy permissive {\n", PACE))
    gate.ask("reload")
    codes = []

    def send():
        with Client(gate.address, timeout=60) as client:
            client.hello()
            codes.append(client.message("user@example.org", b"Subject: x\r\n\r\n" +
                                        (b"x" * 78 + b"\r\n") * (PACED_OCTETS // 80)).code)
            client.quit()
    began = time.monotonic()
    senders = [threading.Thread(target=send) for _ in range(2)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert codes == [250, 250]
    owed = (2 * PACED_OCTETS - PACED_RATE) / PACED_RATE
    assert time.monotonic() - began >= owed - 1, gate.story()
    assert gate.log().count("event=limited limit=permissive.pace key=127.0.0.1 ") == 1
    net.wait_until(lambda: gate.log().count(" throttled_ms=") == 2, 10, "not both of them waited", gate.story)


LIMITS = """policy permissive {
    limit rate { of = messages  per = client  rate = 2/1h  action = defer }
    limit parallel { of = connections  per = network  concurrent = 50  action = drop  mode = watch }
"""


def test_a_limit_that_was_hit_is_seen_and_taken_back(gate):
    gate.write(gate.path.read_text().replace("policy permissive {\n", LIMITS))
    gate.ask("reload")
    assert gate.records("limit", "limits") == [
        {"kind": "limit", "name": "permissive.rate", "of": "messages", "per": "client", "rate": "2/1h",
         "action": "defer", "mode": "enforce", "hits": 0},
        {"kind": "limit", "name": "permissive.parallel", "of": "connections", "per": "network",
         "rate": "50 at once", "action": "drop", "mode": "watch", "hits": 0}]
    for _ in range(2):
        assert a_message(gate).code == 250
    for _ in range(2):
        with Client(gate.address) as client:
            client.hello()
            client.ask("MAIL FROM:<sender@example.com>", 250)  # the refusal waits for the recipient
            client.ask("RCPT TO:<user@example.org>", 451)
            client.quit()
    assert [r["hits"] for r in gate.records("limit", "limits")] == [2, 0]
    rate, = gate.records("rate", "rates", "127.0.0.1")
    assert (rate["limit"], rate["times"]) == ("permissive.rate", 2) and 0 < rate["charged_ms"] <= 3600000
    done = gate.ctl("limits")
    assert re.match(r"LIMIT +OF +PER +RATE +ACTION +MODE +HITS\npermissive\.rate +messages +client +2/1h ", done.stdout)
    net.wait_until(lambda: gate.records("totals", "stats")[0]["limited"] == 2, 10, "none limited", gate.story)
    assert next(r for r in gate.records("table", "stats") if r["table"] == "rates")["used"] == 1
    gate.ask("reload")  # the tables stay
    with Client(gate.address) as client:
        client.hello()
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.ask("RCPT TO:<user@example.org>", 451)
        client.quit()
    assert gate.records("rate", "rates", "127.0.0.1")[0]["times"] == 3
    assert gate.ask("rates", "forget", "127.0.0.1")["records"][0]["charged"] == 1
    assert a_message(gate).code == 250 and gate.records("rate", "rates") == []


ROW = struct.Struct("<I4xQqqQ64s96s")  # common/hits.h
ROWS = 512


class Hits:
    """The region of hits, written as any worker could."""

    def __init__(self, gate):
        self.fd = os.open(net.region_of(gate.master, "hits"), os.O_RDWR)

    def put(self, row, limit, key, first, last, times=1, sequence=2, number=0):
        os.pwrite(self.fd, ROW.pack(sequence, number, first, last, times, limit, key), row * ROW.size)

    def fill(self, octets):
        os.pwrite(self.fd, octets, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)


def test_rates_show_who_hit_a_limit(gate):
    now = int(time.time())
    with Hits(gate) as hits:
        hits.put(3, b"inbound.rate", b"192.0.2.7", now - 600, now - 5, times=17, number=4711)
        hits.put(5, b"inbound.parallel", b"192.0.2.7", now - 60, now)
        hits.put(9, b"inbound.sender", b'"a  User"@Example.org', now - 9, now - 9, number=4712)
        hits.put(10, b"inbound.rate", b"198.51.100.1", now, now, sequence=3)  # its worker died in the middle
    records = gate.records("rate", "rates")
    assert [(r["limit"], r["key"]) for r in records] == [
        ("inbound.parallel", "192.0.2.7"), ("inbound.rate", "192.0.2.7"), ("inbound.sender", '"a  User"@Example.org')]
    assert "charged_ms" not in records[0] and records[1]["charged_ms"] == 0
    assert records[1]["times"] == 17 and 600000 <= records[1]["first_ms"] < 660000 and records[1]["last_ms"] < 60000
    assert [r["limit"] for r in gate.records("rate", "rates", "list", '"a  user"@example.org')] == ["inbound.sender"]
    assert len(gate.records("rate", "rates", "192.0.2.7")) == 2
    assert re.match(r"KEY +LIMIT +TIMES +LAST +FIRST +CHARGED FOR\n192\.0\.2\.7 +inbound\.parallel +1 ",
                    gate.ctl("rates").stdout)
    assert gate.ask("rates", "forget", "192.0.2.7")["records"] == [
        {"kind": "forgotten", "key": "192.0.2.7", "limits": 2, "charged": 0}]
    assert [r["key"] for r in gate.records("rate", "rates")] == ['"a  User"@Example.org']
    gate.wait_log("event=control verb=rates argument=\"forget 192.0.2.7\"")
    assert gate.ctl("rates", "forget", '"a  USER"@example.ORG').returncode == 0


@pytest.mark.parametrize("octets", [b"\xff", b"\x00", b"", b"\x1b[2J"])
def test_whatever_workers_write_there_is_only_shown(gate, octets):
    """Zeros, ones, noise, and a text that clears the screen, of which nothing reaches the terminal as it is."""
    size = ROW.size * ROWS
    with Hits(gate) as hits:
        hits.fill((octets * (size // len(octets)))[:size] if octets else os.urandom(size))
        for row in range(0, ROWS, 2):
            hits.put(row, b"in.\x1b[2J" + octets * 9, b"192.0.2.7" + octets * 9, -1, 2**63 - 1, times=2**64 - 1)
    records = gate.records("rate", "rates")
    assert len(records) >= ROWS // 2
    shown = gate.ctl("rates").stdout
    assert shown.count("\n") == len(records) + 1 and re.fullmatch(r"[ -~\n]*", shown)
    key = gate.records("rate", "rates", "list")[0]["key"]
    if not key.startswith(" ") and not key.endswith(" "):
        assert gate.ctl("rates", "forget", "--", key).returncode == 0
        assert not gate.records("rate", "rates", "list", "--", key)
    assert gate.ask("stats")["ok"] and gate.ask("limits")["ok"]


# -- posternctl itself


@pytest.mark.parametrize("arguments", [("forget",), ("bypass", "on", "off"), ("limits", "x"), ("stats", "x"),
                                       ("status", "--worst"), ("forget", "a b"), ("block", "")])
def test_usage(arguments):
    done = run("-s", "/nonexistent", *arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr != "", done


def test_help_names_every_verb():
    done = run("help")
    for verb in "block allow forget bypass limits rates clients stats".split():
        assert re.search(rf"^  {verb}\b", done.stdout, re.M), verb
