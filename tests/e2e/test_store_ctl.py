# SPDX-License-Identifier: ISC
"""What an administrator does with the memory on disk: posternctl greylist, reputation and store against a running
posternd with its storekeeper. What they answer in all cases is teller_test's business; here is what people see, and
that a change holds for the next client."""
import json
import re
import socket
import subprocess
import time

import pytest

import net
import postern as postern_program
from store_rig import POSTERNCTL, USER, Gate, Listener, end_well

GREYLIST = "greylist { mode = enforce  key = recipient  delay = 1d  window = 2d }"
LINE = "g {client} ann@sender.test user@example.org\tfirst={now} last={now} expires={later} count=1 passed={passed}\n"
DAY = 86400


@pytest.fixture
def gates(tmp_path, inside):
    """A function: gates() starts one whose policy has a greylist; they end well with the test."""
    started = []

    def start(**kwargs):
        for directory in (tmp_path.parent.parent, tmp_path.parent, tmp_path):
            directory.chmod(0o755)
        directory = tmp_path / str(len(started))
        directory.mkdir()
        started.append(Gate(directory, {"mx": Listener(inside().address, GREYLIST)}, **kwargs))
        return started[-1]

    yield start
    end_well(started)


@pytest.fixture
def gate(gates):
    return gates()


def done(gate, *arguments, **kwargs):
    result = gate.ctl(*arguments, **kwargs)
    assert result.returncode == 0 and result.stderr == "", (result, gate.story())
    return result.stdout


def refused(gate, *arguments, **kwargs):
    result = gate.ctl(*arguments, **kwargs)
    assert result.returncode == 1 and "try:" in result.stderr, (result, gate.story())
    return result.stderr


def line(client="192.0.2.0/24", passed="no", **kwargs):
    now = int(time.time())
    return LINE.format(**{"client": client, "now": now - 9, "later": now + DAY, "passed": passed, **kwargs})


# -- the greylist


def test_who_waits_is_listed_and_who_is_allowed_waits_no_more(gate):
    assert gate.attempt("mx", "192.0.2.7").code == 451
    entry, = gate.records("grey", "greylist", "list")
    assert (entry["client"], entry["sender"], entry["recipient"]) == ("192.0.2.0/24", "ann@sender.test",
                                                                      "user@example.org")
    assert entry["state"] == "waiting" and entry["attempts"] == 1 and entry["first"] == entry["last"] < entry["until"]
    text = done(gate, "greylist", "list", "Ann@")
    assert re.search(r"^CLIENT +SENDER +RECIPIENT +STATE +ATTEMPTS +FIRST +LAST +UNTIL\n"
                     r"192\.0\.2\.0/24 +ann@sender\.test +user@example\.org +waiting +1 +2\d{3}-", text), text
    assert done(gate, "greylist", "list", "nobody") == "nothing is remembered that fits\n"
    assert re.search(r"^ALLOWED +BY .*\n192\.0\.2\.0/24 +order ", done(gate, "greylist", "add", "192.0.2.7"))
    assert gate.attempt("mx", "192.0.2.8", sender="new@sender.test").code == 250
    gate.wait_log("event=control verb=greylist argument=\"add 192.0.2.7\"")
    assert "entries deleted     1" in done(gate, "greylist", "delete", "192.0.2.7", "ann@sender.test")
    done(gate, "greylist", "delete", "192.0.2.0/24")
    assert gate.attempt("mx", "192.0.2.9", sender="newer@sender.test").code == 451


def test_as_if_it_had_passed(gate):
    done(gate, "greylist", "add", "192.0.2.0/24", "<ann@sender.test>", "User@Example.org")
    assert gate.attempt("mx", "192.0.2.7").code == 250
    assert gate.attempt("mx", "192.0.2.7", sender="new@sender.test").code == 451
    assert [entry["state"] for entry in gate.records("grey", "greylist", "list", "ann@")] == ["passed"]


def test_clients_are_networks_as_the_policies_have_them(gate):
    assert gate.attempt("mx", "192.0.2.7").code == 451
    assert "of IPv4 are /24\n" in refused(gate, "greylist", "add", "192.0.0.0/16")
    gate.listeners["mx"].policy = GREYLIST.replace("}", "ipv4_prefix = 16 ipv6_prefix = 48 }")
    gate.configure()
    done(gate, "reload")
    assert "of IPv4 are /16\n" in refused(gate, "greylist", "add", "192.0.2.0/24")
    done(gate, "greylist", "add", "192.0.2.7")
    assert {entry["client"] for entry in gate.records("allowance", "greylist", "list", "192.0.77.7")} == {"192.0.0.0/16"}
    assert gate.attempt("mx", "192.0.77.7", sender="new@sender.test").code == 250
    assert re.search(r"^2001:db8:1::/48 +order ", done(gate, "greylist", "add", "2001:db8:1:2::3"), re.M)
    done(gate, "greylist", "delete", "192.0.2.0/24")  # what was remembered before goes by its name


def test_statistics(gate):
    assert gate.attempt("mx", "192.0.2.7").code == 451
    assert gate.attempt("mx", "192.0.2.7").code == 451
    done(gate, "greylist", "add", "192.0.3.0/24")
    stats = {record["kind"]: record for record in gate.ask("greylist", "stats")["records"]}
    assert (stats["greylist"]["entries"], stats["greylist"]["waiting"], stats["greylist"]["passed"]) == (1, 1, 0)
    assert (stats["greylist"]["allowances"], stats["greylist"]["allowances_by_order"]) == (1, 1)
    keeper = stats["storekeeper"]
    assert keeper["state"] == "working" and keeper["first"] == 1 and keeper["early"] == 1 and keeper["lost"] == 0
    assert keeper["commits"] > 0 and stats["store"]["bytes_max"] == 16 << 20
    text = done(gate, "greylist", "stats")
    assert re.search(r"^  waiting +1$", text, re.M) and re.search(r"^  at most +16\.0M$", text, re.M), text
    memory, = gate.records("memory", "status")
    assert memory["state"] == "working" and memory["lost"] == 0 and "see" not in memory
    metrics = done(gate, "metrics")
    assert "\npostern_store_up 1\n" in metrics
    assert '\npostern_store_attempts_total{answer="early"} 1\n' in metrics
    assert re.search(r"^postern_store_longest_commit_seconds \d+\.\d{3}$", metrics, re.M)


def test_what_is_refused(gate):
    for words in (("greylist", "forget"), ("greylist", "stats", "now"), ("greylist", "add", "nobody"),
                  ("greylist", "delete", "192.0.2.0/24"), ("store", "burn"), ("reputation", "nobody"), ("reputation", "192.0.2.7", "now")):
        refused(gate, *words)


def test_an_import_without_anything_to_read_says_so_at_once(gate):
    command = f"exec {POSTERNCTL} -s {gate.run}/control store import <&-"
    said = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30)
    assert (said.returncode, said.stdout) == (2, ""), said
    assert said.stderr == "posternctl: there is nothing to read: standard input is closed\n"


# -- reputation


def test_reputation(gate):
    now = int(time.time())
    done(gate, "store", "import", given=f"n 192.0.2.7\tfirst={now - 9} last={now - 9} expires={now + DAY} count=3 "
                                        "good=0 bad=136\n")
    now_known, = gate.records("reputation", "reputation", "192.0.2.7")
    assert (now_known["of"], now_known["standing"], now_known["bad"]) == ("192.0.2.7", "bad", 8)
    remembered, = gate.records("remembered", "reputation", "192.0.2.7")
    assert (remembered["standing"], remembered["bad"], remembered["sessions"]) == ("bad", 8, 3)
    text = done(gate, "reputation", "192.0.2.0/24")
    assert re.search(r"^ON DISK +STANDING +GOOD +BAD +SESSIONS +FIRST +FADING SINCE", text), text
    assert "reputation of" in done(gate, "reputation", "example.com")
    assert gate.records("reputation", "reputation", "192.0.2.7")[0]["standing"] == "bad"
    assert re.search(r"^networks forgotten +1$", done(gate, "reputation", "forget", "192.0.2.7"), re.M)
    gate.wait_log('event=control verb=reputation argument="forget 192.0.2.7"')
    assert gate.records("reputation", "reputation", "192.0.2.7")[0]["standing"] == "unknown"
    assert gate.records("remembered", "reputation", "192.0.2.7") == []


# -- the store as a whole


def test_two_hosts_fill_each_other(gates):
    one, other = gates(), gates()
    done(one, "store", "import", given=line(passed="yes") + line("example.com"))
    done(other, "store", "import", given=line("example.com", passed="yes"))
    done(one, "greylist", "add", "192.0.4.0/24")
    for to, of in ((one, other), (other, one), (one, other)):
        text = done(to, "store", "import", given=done(of, "store", "export"))
        assert re.search(r"^left out +0$", text, re.M), text
    assert one.remembered() == other.remembered()
    assert len(one.remembered("g")) == 2 and all("passed=yes" in text for text in one.remembered("g").values())
    sound, = other.records("sound", "store", "check")
    assert (sound["sound"], sound["greylist"], sound["allowances"]) == (True, 2, 1)
    assert other.attempt("mx", "192.0.2.7").code == 250
    assert other.attempt("mx", "192.0.4.7", sender="new@sender.test").code == 250


def test_bad_lines_are_named_and_the_others_are_taken(gate):
    said = gate.ctl("store", "import", given="nonsense\n" + line() + "g cut.off")
    assert said.returncode == 1 and "were left out: 2" in said.stderr
    assert re.search(r"^ *1  its key is none", said.stdout, re.M), said.stdout
    assert re.search(r"^ *3  its end is missing", said.stdout, re.M), said.stdout
    assert len(gate.remembered()) == 1


def test_a_long_export_comes_whole_and_is_not_kept(gate):
    count = 5000
    lines = "".join(line(f"10.{i // 250}.{i % 250}.0/24") for i in range(count))
    assert re.search(rf"^taken +{count}$", done(gate, "store", "import", given=lines), re.M)
    assert len(gate.remembered("g")) == count
    records = gate.ask("greylist", "list")["records"]
    assert len(records) == count and len({record["client"] for record in records}) == count
    rows = done(gate, "greylist", "list").splitlines()
    assert len(rows) == count + 1 and rows[0].startswith("CLIENT")


def children_of(gate):
    return [pid for pid in net.children(gate.master) if net.command_name(pid) == "posternd-show"]


def only_child_of(gate):
    """When those that have answered are gone."""
    net.wait_until(lambda: len(children_of(gate)) == 1, 20, "not one child", gate.story)
    return children_of(gate)[0]


def test_who_sends_lines_and_says_no_end_of_them_is_bounded_and_harms_nobody(gate):
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(gate.run / "control"))
        slow.sendall(b"store import\n" + line().encode()[:30])
        assert gate.attempt("mx", "192.0.9.7").code == 451
        assert done(gate, "store", "check")
        child = only_child_of(gate)
        assert net.effective_uid(child) == USER
        net.wait_until(lambda: net.status_field(child, "Seccomp") == ("0" if postern_program.SANITIZED else "2"), 10,
                       "its child is not confined", gate.story)
    net.wait_until(lambda: not children_of(gate), 20, "its child goes on", gate.story)
    assert len(gate.remembered("g")) == 1


def test_without_a_store_the_way_out_is_told(gate):
    gate.listeners["mx"].policy = ""
    gate.configure(has_store=False)
    done(gate, "reload")
    for words in (("greylist", "list"), ("store", "check"), ("store", "import")):
        said = refused(gate, *words)
        assert "no store is configured" in said and "store { directory = /var/lib/postern/memory }" in said
    document = json.loads(gate.ctl("--json", "store", "export").stdout)
    assert (document["ok"], document["records"]) == (False, []) and "no store" in document["error"]["why"]
    assert "reputation of" in done(gate, "reputation", "192.0.2.7")
    assert gate.records("memory", "status") == [] and "postern_store" not in done(gate, "metrics")
