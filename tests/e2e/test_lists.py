# SPDX-License-Identifier: ISC
"""DNS lists: who is listed is refused in the list's name, lists are asked at once, those that are broken refuse nobody;
and what posternctl lists and the metrics say of them."""
import re
import time

import pytest

import net
from list_server import TXT, ListServer
from smtp_client import Client
from test_metrics import metrics, value
from test_posternctl import CONTENT, gates, place, server  # noqa: F401, pylint: disable=unused-import

CLIENT, REVERSED = "192.0.2.7", "7.2.0.192"
COUNTS = ("asked", "hits", "errors", "failures")
SLOW = 20  # lists
STAGE_SECONDS = 0.19  # what the slowest of them takes


@pytest.fixture
def lists():
    one = ListServer()
    yield one
    one.close()


def well(lists, *zones):
    for zone in zones:
        lists.add(f"2.0.0.127.{zone}", "127.0.0.2")


def more_of(lists, interval="30m"):
    return (f'resolver = "127.0.0.1:{lists.address[1]}"\nresolver_timeout = 500ms\n'
            f"dnsbl_test_interval = {interval}")


def start(gates, lists, policy, interval="30m"):
    gate = gates(more_of(lists, interval), policy=policy)
    text = gate.path.read_text().replace("    backend = inside\n", "    backend = inside\n    proxy_from = 127.0.0.0/8\n")
    gate.write(text)
    gate.ask("reload")
    return gate


def from_client(gate, address=CLIENT):
    """A connection of his, as a load balancer passes it on."""
    client = Client(gate.address)
    client.send(b"PROXY TCP4 %s 192.0.2.25 4321 25\r\n" % address.encode())
    return client


def mail_from(gate, address=CLIENT, sender="sender@example.com"):
    """The answer to the recipient, or to the message where there is one."""
    with from_client(gate, address) as client:
        client.hello()
        client.ask(f"MAIL FROM:<{sender}>", 250)
        reply = client.command("RCPT TO:<user@example.org>")
        if reply.is_positive:
            client.ask("DATA", 354)
            client.send(CONTENT + b".\r\n")
            reply = client.reply()
        client.quit()
    return reply


def record_of(gate, name):
    return next(r for r in gate.records("list", "lists") if r["name"] == name)


def wait_state(gate, name, state, seconds=30):
    net.wait_until(lambda: record_of(gate, name)["state"] == state, seconds, f"{name} is not {state}", gate.story)


def test_who_is_listed_is_refused_and_counted(gates, lists):
    well(lists, "zen.test", "dbl.test")
    lists.add("test.dbl.test", "127.0.1.2")
    lists.add(f"{REVERSED}.zen.test", "127.0.0.4")
    lists.add(f"{REVERSED}.zen.test", "https://zen.test/192.0.2.7", kind=TXT)
    lists.add("spam.example.dbl.test", "127.0.1.2")
    gate = start(gates, lists, """dnsbl {
        list zen { zone = zen.test  replies = 127.0.0.[2..11]  action = reject  text = yes }
        list dbl.test { of = helo+sender  action = defer } }""")
    refused = mail_from(gate)
    assert refused.code == 554 and b"192.0.2.7 is listed by zen: https://zen.test/192.0.2.7" in refused.text
    deferred = mail_from(gate, "192.0.2.8", "a@spam.example")
    assert deferred.code == 451 and b"spam.example is listed by dbl.test" in deferred.text
    assert mail_from(gate, "192.0.2.8").code == 250
    wait_state(gate, "zen", "good")
    zen, dbl = record_of(gate, "zen"), record_of(gate, "dbl.test")
    assert (zen["zone"], zen["of"], dbl["of"]) == ("zen.test", "client", "helo+sender")
    assert [zen[k] for k in COUNTS] == [3, 1, 0, 0] and zen["average_ms"] <= zen["most_ms"]
    assert dbl["hits"] == 1 and dbl["errors"] == dbl["failures"] == 0
    families = metrics(gate)
    assert value(families, "dnsbl_up", list="zen") == 1
    assert value(families, "dnsbl_asked_total", list="zen") == 3 and value(families, "dnsbl_hits_total", list="zen") == 1
    assert re.match(r"LIST +ZONE +OF +STATE +FOR +TESTED +ASKED +HITS +ERRORS +FAILURES +AVERAGE +MOST\n"
                    r"zen +zen\.test +client +good ", gate.ctl("lists").stdout)


def test_all_lists_are_asked_at_once(gates, lists):
    names = [f"l{i}.test" for i in range(SLOW)]
    well(lists, *names)
    lists.late = {f"{REVERSED}.l{i}.test": i / (SLOW - 1) * STAGE_SECONDS for i in range(SLOW)}
    for name in names:
        lists.add(f"{REVERSED}.{name}", "127.0.0.2")
    gate = start(gates, lists, "dnsbl { %s }" % " ".join(f"list {name} {{ score = 1 }}" for name in names))
    began = time.monotonic()
    with from_client(gate) as client:
        client.expect(220)
        took = time.monotonic() - began
        client.command("QUIT")
    gate.wait_log(r"event=session .* score=20 ")
    sum_seconds = sum(lists.late.values())
    assert STAGE_SECONDS * 0.9 < took < sum_seconds / 2, (took, sum_seconds)


def test_a_list_that_answers_errors_is_not_asked_any_more(gates, lists):
    well(lists, "blocked.test")
    gate = start(gates, lists, "dnsbl { list blocked.test { action = reject } }", interval="2s")
    wait_state(gate, "blocked.test", "good")
    for name in ("2.0.0.127", "1.0.0.127", REVERSED):
        lists.add(f"{name}.blocked.test", "127.255.255.254")
    wait_state(gate, "blocked.test", "broken")
    gate.wait_log(r'event=dnsbl-list list=blocked.test state=broken why="answers 127.255.255.254"')
    assert record_of(gate, "blocked.test")["trouble"] == "answers 127.255.255.254"
    assert value(metrics(gate), "dnsbl_up", list="blocked.test") == 0
    before = lists.count(f"{REVERSED}.blocked.test")
    assert mail_from(gate).code == 250
    assert lists.count(f"{REVERSED}.blocked.test") == before
    gate.wait_log(r'dnsbl="blocked.test: skipped, its self-test failed: answers 127.255.255.254"')
    gate.ask("reload")  # which it survives
    assert record_of(gate, "blocked.test")["state"] == "broken"
    lists.clear()
    well(lists, "blocked.test")
    lists.add(f"{REVERSED}.blocked.test", "127.0.0.2")
    wait_state(gate, "blocked.test", "good")
    assert mail_from(gate).code == 554
    assert gate.log().count("state=broken") == 1 and gate.log().count("list=blocked.test state=good") == 1


def test_an_error_between_tests_is_no_hit(gates, lists):
    well(lists, "odd.test")
    gate = start(gates, lists, "dnsbl { list odd.test { action = reject } }")
    wait_state(gate, "odd.test", "good")
    lists.add(f"{REVERSED}.odd.test", "203.0.113.5")
    assert [mail_from(gate).code for _ in range(3)] == [250] * 3
    assert gate.log().count("event=dnsbl-error list=odd.test answer=203.0.113.5") == 1
    assert record_of(gate, "odd.test")["errors"] == 3


@pytest.mark.parametrize("unsure, code", [("pass", 250), ("defer", 451)])
def test_dead_dns(gates, lists, unsure, code):
    """Silent to everybody: mail waits once, then as on_unsure says; the lists are not broken for it."""
    lists.silent = {"test"}
    gate = start(gates, lists, f"on_unsure = {unsure} dnsbl {{ wait = 1s list zen.test {{ action = reject }} }}")
    began = time.monotonic()
    assert mail_from(gate).code == code
    assert 0.9 < time.monotonic() - began < 8
    zen = record_of(gate, "zen.test")
    assert zen["failures"] == zen["asked"] == 1 and zen["state"] == "unknown" and "average_ms" not in zen


def test_without_lists_there_are_none(gates, lists):
    gate = start(gates, lists, "")
    assert gate.ctl("lists").stdout == "no policy has DNS lists\n"
    assert gate.ask("lists")["records"] == []
    assert "postern_dnsbl_up" not in metrics(gate)


def test_what_workers_write_is_only_shown(gates, lists):
    """A compromised worker writes over all that it may: posternctl goes on, and no list is broken for it."""
    well(lists, "zen.test")
    gate = start(gates, lists, "dnsbl { list zen.test { score = 1 } }")
    wait_state(gate, "zen.test", "good")
    path = net.region_of(gate.master, "list-counts")
    with open(path, "r+b", buffering=0) as region:
        size = region.seek(0, 2)
        region.seek(0)
        region.write(b"\xff" * size)
    assert record_of(gate, "zen.test")["state"] == "good"
    assert mail_from(gate).code == 250
    assert value(metrics(gate), "dnsbl_up", list="zen.test") == 1


def test_name_servers_that_do_not_answer_are_told_of_once(gates, lists):
    """To all workers together, and again when they do: silent ones, and a port where nobody listens."""
    well(lists, "zen.test")
    gate = start(gates, lists, "dnsbl { wait = 100ms list zen.test { score = 1 } }")
    assert mail_from(gate).code == 250
    assert value(metrics(gate), "resolver_up") == 1
    lists.silent = {"test"}
    for _ in range(7):
        assert mail_from(gate).code == 250
    gate.wait_log(rf'event=resolver answers=no servers=127.0.0.1:{lists.address[1]} sessions=5')
    assert value(metrics(gate), "resolver_up") == 0
    lists.silent = set()
    for _ in range(2):
        assert mail_from(gate).code == 250
    gate.wait_log("event=resolver answers=yes")
    assert value(metrics(gate), "resolver_up") == 1
    assert gate.log().count("event=resolver answers=no") == gate.log().count("event=resolver answers=yes") == 1


def test_a_port_where_no_name_server_listens_is_told_of(gates, lists):
    gate = start(gates, lists, "rdns { mode = watch }")
    port = net.free_port()
    gate.write(gate.path.read_text().replace(f"127.0.0.1:{lists.address[1]}", f"127.0.0.1:{port}"))
    gate.ask("reload")
    for _ in range(7):
        assert mail_from(gate).code == 250
    gate.wait_log(rf"event=resolver answers=no servers=127.0.0.1:{port} ")
    assert gate.log().count("event=resolver") == 1


def test_who_only_asks_what_would_be_is_not_counted(gates, lists):
    """posternctl explain: its process may not even write where lists are counted."""
    well(lists, "zen.test", "odd.test")
    lists.add(f"{REVERSED}.zen.test", "127.0.0.4")
    lists.add(f"{REVERSED}.odd.test", "203.0.113.5")
    gate = start(gates, lists, "dnsbl { list zen.test { action = reject } list odd.test { score = 1 } }")
    wait_state(gate, "odd.test", "good")
    outcome = gate.ask("explain", CLIENT, "helo=a.test", "from=a@b.test", "to=user@example.org")["records"][-1]
    assert (outcome["result"], outcome["reply"][:3]) == ("refused", "554")
    assert [record_of(gate, name)[k] for name in ("zen.test", "odd.test") for k in COUNTS] == [0] * 8
    assert "event=dnsbl-error" not in gate.log()
