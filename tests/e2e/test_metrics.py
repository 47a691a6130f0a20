# SPDX-License-Identifier: ISC
"""posternctl metrics: held against a strict reader of Prometheus' text exposition format (version 0.0.4), and against
what was done. The reader refuses what others forgive."""
import os
import re
import signal
import struct
import subprocess
import threading
import time

import pytest

import net
from postern import ROOT
from smtp_client import Client
from test_posternctl import (POSTERNCTL, a_message, gates, place, run,  # noqa: F401, pylint: disable=unused-import
                             server)

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf'({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?\d+(?:\.\d+)?)')
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\\n]|\\[\\n])+)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge)")
SERVICE = "postern"
LISTENER = 'a"b\\c'  # as it may be called in postern.conf


class Family:
    def __init__(self, kind):
        self.kind, self.samples = kind, {}

    def only(self):
        (labels, value), = self.samples.items()
        assert labels == (), labels
        return value


def unescaped(text):
    return re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), text)


def parse(text):
    """{name: Family}. Each family once and as a whole: HELP, TYPE, its samples; no sample twice; counters, and they
    alone, end in _total and are not negative."""
    families, awaits_type, family = {}, None, None
    assert text.endswith("\n") and text.isascii()
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP"):
            found = HELP.fullmatch(line)
            assert found and awaits_type is None, line
            awaits_type, family = found.group(1), None
            assert awaits_type not in families, f"{awaits_type} is given twice"
        elif line.startswith("# TYPE"):
            found = TYPE.fullmatch(line)
            assert found and found.group(1) == awaits_type, line
            assert (found.group(2) == "counter") == awaits_type.endswith("_total"), line
            family = families[awaits_type] = Family(found.group(2))
            current, awaits_type = awaits_type, None
        else:
            found = SAMPLE.fullmatch(line)
            assert found and family is not None and found.group(1) == current, line
            labels = re.findall(LABEL, found.group(2) or "")
            assert len({label for label, _ in labels}) == len(labels), f"a label is given twice: {line}"
            key = tuple(sorted((label, unescaped(value)) for label, value in labels))
            assert key not in family.samples, f"a sample is given twice: {line}"
            family.samples[key] = float(found.group(found.lastindex))
            assert family.kind != "counter" or family.samples[key] >= 0, line
    assert awaits_type is None
    return families


@pytest.mark.parametrize("wrong", [
    "a 1",
    "# TYPE a gauge\na 1\n",
    "# HELP a x\na 1\n",
    "# HELP a x\n# TYPE a gauge\nb 1\n",
    "# HELP a x\n# TYPE b gauge\nb 1\n",
    "# HELP a x\n# TYPE a gauge\na 1\na 1\n",
    '# HELP a x\n# TYPE a gauge\na{b="1",c="2"} 1\na{c="2",b="1"} 1\n',
    '# HELP a x\n# TYPE a gauge\na{b="1",b="2"} 1\n',
    '# HELP a x\n# TYPE a gauge\na{b="\\"} 1\n',
    '# HELP a x\n# TYPE a gauge\na{b="\\x"} 1\n',
    '# HELP a x\n# TYPE a gauge\na{b="1" } 1\n',
    '# HELP a x\n# TYPE a gauge\na{1b="1"} 1\n',
    "# HELP a x\n# TYPE a gauge\na x\n",
    "# HELP a x\n# TYPE a gauge\na  1\n",
    "# HELP a x\n# TYPE a gauge\na 1\n\n",
    "# HELP a x\n# TYPE a counter\na 1\n",
    "# HELP a_total x\n# TYPE a_total gauge\na_total 1\n",
    "# HELP a_total x\n# TYPE a_total counter\na_total -1\n",
    "# HELP a x\\y\n# TYPE a gauge\na 1\n",
    "# HELP a x\n# TYPE a gauge\na 1\n# HELP b x\n# TYPE b gauge\nb 1\n# HELP a x\n# TYPE a gauge\na{c=\"\"} 1\n",
    "# HELP a x\n",
])
def test_the_reader_is_strict(wrong):
    with pytest.raises(AssertionError):
        parse(wrong)


def test_the_reader_reads():
    families = parse('# HELP a x "y" \\\\\n# TYPE a gauge\na{b="1\\"\\\\\\n",c=""} -1.5\na{b="2"} 3\n')
    assert families["a"].samples == {(("b", '1"\\\n'), ("c", "")): -1.5, (("b", "2"),): 3}


def metrics(gate):
    done = gate.ctl("metrics")
    assert done.returncode == 0 and done.stderr == "", (done, gate.story())
    return parse(done.stdout)


def value(families, name, **labels):
    return families["postern_" + name].samples[tuple(sorted(labels.items()))]


def wait_sessions(gate, count):
    net.wait_until(lambda: value(metrics(gate), "sessions_total") == count, 10, "sessions are not counted", gate.story)


@pytest.fixture
def gate(gates):  # noqa: F811
    """One name is as bad as postern.conf allows; there is little room."""
    gate = gates()
    text = gate.path.read_text()
    gate.write(text.replace("listener stand {",
                            f"listener '{LISTENER}' {{\n    max_workers = 3\n    min_spare = 1\n    max_spare = 2"))
    assert gate.ctl("reload").returncode == 0, gate.story()
    return gate


def test_what_there_is_at_first(gate):
    families = metrics(gate)
    assert all(name.startswith("postern_") for name in families)
    version = run("-V").stdout.split()[1]
    assert value(families, "build_info", version=version) == 1
    assert abs(value(families, "start_time_seconds") - time.time()) < 600
    assert value(families, "start_time_seconds") == value(metrics(gate), "start_time_seconds")
    assert value(families, "generation") == 2 and value(families, "reloads_total") == 1
    assert value(families, "reload_refused") == value(families, "stopping") == value(families, "bypass") == 0
    assert value(families, "housekeeper_up") in (0, 1) and value(families, "housekeeper_restarts_total") == 0
    assert value(families, "workers_max", listener=LISTENER) == 3
    states = families["postern_workers"].samples
    assert {dict(labels)["state"] for labels in states} == {"idle", "busy", "starting"}
    assert sum(states.values()) >= 1 and value(families, "workers_forked_total") >= sum(states.values())
    assert value(families, "table_entries", table="rates") == 262144
    assert 0 <= value(families, "table_used_entries", table="rates") <= 262144
    assert value(families, "table_bytes", table="reputations") > 0
    for name in ("sessions", "messages_delivered", "messages_refused", "received_bytes", "held_seconds", "turned_away",
                 "sessions_let_go", "limited", "log_dropped_lines", "workers_crashed"):
        assert value(families, f"{name}_total") == 0, name


def test_what_was_done_is_counted(gate):
    assert a_message(gate).code == 250
    wait_sessions(gate, 1)
    with Client(gate.address) as first, Client(gate.address) as second:
        first.hello()
        second.hello()
        for _ in range(2):
            with Client(gate.address) as third:
                third.expect(421)
        families = metrics(gate)
        assert value(families, "workers", listener=LISTENER, state="busy") >= 2
        first.quit()
        second.quit()
    wait_sessions(gate, 3)
    gate.ask("block", "192.0.2.7")
    gate.ask("bypass", "on")
    net.wait_until(lambda: "postern_server_up" in metrics(gate) and metrics(gate)["postern_server_up"].samples, 20,
                   "the inside server was not asked", gate.story)
    families = metrics(gate)
    assert value(families, "turned_away_total") == gate.records("totals", "stats")[0]["turned_away"] == 2
    assert value(families, "messages_delivered_total") == 1 and value(families, "received_bytes_total") > 0
    assert value(families, "bypass") == 1
    assert value(families, "listed_networks", **{"as": "blocked"}) == 1
    (labels, up), = families["postern_server_up"].samples.items()
    assert up == 1 and dict(labels)["backend"] == "inside" and dict(labels)["server"] == "one"
    assert families["postern_server_probe_seconds"].samples[labels] >= 0


def test_counters_never_shrink(gate):
    """Over workers that end, and a reload that is refused."""
    last = {}
    for number in range(4):
        assert a_message(gate).code == 250
        gate.ctl("reload")
        if number == 2:
            good = gate.path.read_text()
            gate.write(good + "nonsense = 1\n")
            assert gate.ctl("reload").returncode == 1
            assert value(metrics(gate), "reload_refused") == 1
            gate.write(good)
        for name, family in metrics(gate).items():
            for labels, now in family.samples.items():
                if family.kind == "counter":
                    assert now >= last.get((name, labels), 0), (name, labels, gate.story())
                    last[name, labels] = now
    wait_sessions(gate, 4)


LIMITS = """policy permissive {
    limit few { of = messages  per = client  rate = 2/1h  action = defer }
    limit parallel { of = connections  per = network  concurrent = 50  action = drop  mode = watch }
"""


def test_limits(gate):
    gate.write(gate.path.read_text().replace("policy permissive {\n", LIMITS))
    assert gate.ctl("reload").returncode == 0, gate.story()
    assert a_message(gate).code == a_message(gate).code == 250
    with Client(gate.address) as client:
        client.hello()
        for _ in range(2):
            client.ask("MAIL FROM:<sender@example.com>", 250)
            client.ask("RCPT TO:<user@example.org>", 451)
            client.ask("RSET", 250)
        client.quit()
    wait_sessions(gate, 3)
    families = metrics(gate)
    assert value(families, "limit_hits_total", limit="permissive.few", mode="enforce") == 2
    assert value(families, "limit_hits_total", limit="permissive.parallel", mode="watch") == 0
    assert value(families, "limited_total") == 2 == value(families, "messages_delivered_total")


def test_names_that_differ_in_what_is_not_ascii(gate):
    line = "    limit '%s' { of = messages  per = client  rate = 2/1h }\n"
    gate.write(gate.path.read_text().replace("policy permissive {\n", "policy permissive {\n" + line % "gro\u00df"
                                             + line % "gro\u00fc" + line % "gro\\\\xC3"))
    assert gate.ctl("reload").returncode == 0, gate.story()
    names = {dict(labels)["limit"] for labels in metrics(gate)["postern_limit_hits_total"].samples}
    assert {r"permissive.gro\xC3\x9F", r"permissive.gro\xC3\xBC"} <= names and len(names) == 3


def test_crashes_are_counted(gate):
    gate.expects_crashes = True
    with Client(gate.address) as client:
        client.hello()
        os.kill(gate.worker_of(client), signal.SIGABRT)
        client.is_closed()
    net.wait_until(lambda: value(metrics(gate), "workers_crashed_total") == 1, 10, "no crash is counted", gate.story)
    os.kill(gate.housekeeper(), signal.SIGKILL)
    net.wait_until(lambda: value(metrics(gate), "housekeeper_restarts_total") == 1, 10, "no restart is counted",
                   gate.story)


def the_worker(gate):
    worker, = [w for w in gate.records("worker", "workers") if w["sessions"] > 0]
    return worker


def test_a_lie_stops_no_counter(gate):
    """What a worker said that has ended is in the sum for ever: it goes on from there."""
    assert a_message(gate).code == 250
    wait_sessions(gate, 1)
    worker = the_worker(gate)
    with open(net.region_of(gate.master, "slots"), "r+b", buffering=0) as region:
        page = os.pread(region.fileno(), 4096, worker["slot"] * 4096)
        at = page.index(struct.pack("<Q", worker["bytes_in"]))
        os.pwrite(region.fileno(), struct.pack("<Q", 2 ** 60 + 7), worker["slot"] * 4096 + at)
    assert value(metrics(gate), "received_bytes_total") == gate.records("totals", "status")[0]["bytes_in"] == 7
    gate.ctl("reload")
    net.wait_until(lambda: worker["pid"] not in [w["pid"] for w in gate.records("worker", "workers")], 20,
                   "it does not end", gate.story)
    assert value(metrics(gate), "received_bytes_total") == 7
    assert a_message(gate).code == 250
    wait_sessions(gate, 2)
    assert value(metrics(gate), "received_bytes_total") == 7 + the_worker(gate)["bytes_in"] > 7


def test_who_writes_is_waited_for(gate):
    """A worker that had to wait for the processor while it wrote: no counter shrinks meanwhile, or Prometheus takes all
    of it for what was done since. One that never stops does not stop the answer."""
    assert a_message(gate).code == 250
    wait_sessions(gate, 1)
    with open(net.region_of(gate.master, "slots"), "r+b", buffering=0) as region:
        at = the_worker(gate)["slot"] * 4096
        sequence, = struct.unpack("<I", os.pread(region.fileno(), 4, at))
        os.pwrite(region.fileno(), struct.pack("<I", sequence + 1), at)
        back = threading.Timer(0.05, lambda: os.pwrite(region.fileno(), struct.pack("<I", sequence), at))
        back.start()
        shown = value(metrics(gate), "sessions_total")
        back.join()
        assert shown == 1
        os.pwrite(region.fileno(), struct.pack("<I", sequence + 1), at)
        assert value(metrics(gate), "sessions_total") == 0
        os.pwrite(region.fileno(), struct.pack("<I", sequence), at)


def test_the_line_for_cron(gate, tmp_path):
    """As INSTALL has it, but for the places."""
    with open(ROOT + "/INSTALL", encoding="utf-8") as install:
        found = re.search(r"\n    (PATH=\S+)\n    D=/\S+\n    (?:\* ){5}root (cd .*posternctl metrics .*)\n",
                          install.read())
    directory = tmp_path / "collector"
    directory.mkdir()
    assert "%" not in found.group(2)
    command = found.group(2).replace("posternctl", f"{os.path.abspath(POSTERNCTL)} -s {gate.socket}")

    def cron():
        subprocess.run(["/bin/sh", "-c", command], check=True, timeout=60, stderr=subprocess.DEVNULL,
                       env={"PATH": found.group(1)[len("PATH="):], "D": str(directory)})
    cron()
    assert os.listdir(directory) == ["postern.prom"]
    assert value(parse((directory / "postern.prom").read_text()), "stopping") == 0
    gate.stop()
    cron()
    assert os.listdir(directory) == []


def test_as_json(gate):
    records = gate.ask("metrics")["records"]
    assert {r["kind"] for r in records} == {"family", "sample"}
    names = [r["name"] for r in records if r["kind"] == "family"]
    assert len(names) == len(set(names)) and {r["name"] for r in records if r["kind"] == "sample"} <= set(names)
    assert LISTENER in {r.get("listener") for r in records}


def test_nobody_there_is_no_answer(tmp_path):
    done = run("-s", str(tmp_path / "none"), "metrics")
    assert done.returncode == 3 and done.stdout == ""
    assert os.path.exists(POSTERNCTL)
