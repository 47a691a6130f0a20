# SPDX-License-Identifier: ISC
"""The tools that `make bench` measures with: they send what they say, count it right, and no time is judged here."""
import json
import os
import re
import subprocess
import sys

import pytest

import net
import postern as postern_program

sys.path.insert(0, postern_program.ROOT + "/tests/bench")

import figures  # noqa: E402
import machine  # noqa: E402
import report  # noqa: E402

BUILD = postern_program.BUILD
SECONDS = 60


class Sink:
    def __init__(self):
        self.address = "127.0.0.1", net.free_port()
        self.process = subprocess.Popen([BUILD + "/sink", "--count", "--processes", "2", "%s:%d" % self.address],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        net.wait_until(lambda: net.is_listening(self.address), SECONDS, "the sink does not listen")

    def stop(self):
        """What it counted; nothing when it was stopped already."""
        self.process.terminate()
        said, _ = self.process.communicate(timeout=SECONDS)
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", said)}


@pytest.fixture
def sink():
    started = Sink()
    yield started
    if started.process.poll() is None:
        started.stop()


@pytest.fixture
def relay(sink):
    address = "127.0.0.1", net.free_port()
    process = subprocess.Popen([BUILD + "/bench-relay", str(address[1]), str(sink.address[1]), "20"])
    net.wait_until(lambda: net.is_listening(address), SECONDS, "the relay does not listen")
    yield address
    process.kill()
    process.wait()


def load(address, *options):
    return subprocess.run([BUILD + "/bench-load", *options, "--limit", str(SECONDS), "%s:%d" % address],
                          capture_output=True, text=True, timeout=SECONDS + 10)


def found_by(address, *options):
    done = load(address, *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("options,messages,sessions", [
    (["--messages", "1"], 1, 1),
    (["--messages", "150", "--sessions", "20"], 150, 150),
    (["--messages", "7", "--sessions", "20"], 7, 7),
    (["--messages", "25", "--per-connection", "10"], 25, 3),
    (["--messages", "3", "--sessions", "2", "--size", "3000000"], 3, 3),
])
def test_all_messages_are_delivered_and_counted(sink, options, messages, sessions):
    found = found_by(sink.address, *options)
    took = sink.stop()
    assert (found["messages"], found["sessions"], found["resumed"]) == (messages, sessions, 0)
    assert (took["messages"], took["connections"], took["violations"]) == (messages, sessions, 0)
    size = int(options[options.index("--size") + 1]) if "--size" in options else 4096
    assert size * messages <= took["octets"] < (size + 100) * messages
    for name in ("banner_us", "message_us", "session_us"):
        assert 0 < found[name]["p50"] <= found[name]["p99"]
    assert found["banner_us"]["p50"] < found["message_us"]["p50"] < found["session_us"]["p50"]


def test_the_relay_loses_nothing(sink, relay):
    assert found_by(relay, "--messages", "25", "--per-connection", "10", "--sessions", "2")["messages"] == 25
    assert found_by(relay, "--messages", "2", "--size", "3000000")["messages"] == 2
    took = sink.stop()
    assert (took["messages"], took["violations"]) == (27, 0)


@pytest.mark.parametrize("how,resumed", [("full", 0), ("resume", 10)])
def test_starttls_is_resumed_when_that_was_asked_for(sink, postern, certificates, how, resumed):
    gate = postern(sink.address, *certificates.outside("require"), "backend.pass_client=none")
    found = found_by(gate.address, "--starttls", how, "--messages", "12", "--sessions", "2")
    assert (found["messages"], found["sessions"], found["resumed"]) == (12, 12, resumed)
    assert sink.stop()["messages"] == 12


def test_a_refusal_is_a_failure(inside):
    server = inside({"RCPT": b"550 5.1.1 not here\r\n"})
    done = load(server.address, "--messages", "3")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("load: RCPT TO:<r@example.com>: 550 5.1.1 not here")


def test_a_server_without_tls_is_a_failure(sink):
    done = load(sink.address, "--starttls", "full")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("load: STARTTLS: 502")


@pytest.mark.parametrize("options", [[], ["--tls"]])
def test_a_crowd_stands_there_until_it_is_sent_away(inside, postern, certificates, options):
    tls = certificates.outside("implicit") if options else ()
    gate = postern(inside().address, *tls, "backend.pass_client=none", "listener.max_workers=40")
    crowd = subprocess.Popen([BUILD + "/bench-crowd", *options, "--sources", "3", "20", "%s:%d" % gate.address],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert crowd.stdout.readline() == "connected 20\n"
    assert crowd.stdout.readline() == "heard 20\n"
    net.wait_until(lambda: len(gate.workers()) >= 20, SECONDS, "too few workers", gate.story)
    said, _ = crowd.communicate(timeout=SECONDS)
    found = json.loads(said)
    assert (found["connected"], found["ended"], crowd.returncode) == (20, 0, 0)
    net.wait_until(lambda: gate.log().count("event=session ") == 20, SECONDS, "sessions do not end", gate.story)


def test_sessions_are_held_and_measured(tmp_path):
    """What a sanitized build would measure means nothing: there it is the help that has to work."""
    if postern_program.SANITIZED:
        assert subprocess.run([postern_program.ROOT + "/tests/bench/hold", "--help"], timeout=SECONDS).returncode == 0
        return
    values = tmp_path / "hold.json"
    done = subprocess.run([postern_program.ROOT + "/tests/bench/hold", "--quick", "--count", "60", "--json", str(values)],
                          capture_output=True, text=True, timeout=2 * SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(values.read_text())
    for kind in ("clear", "TLS"):
        assert 10 < found["memory"][kind][0]["own_kib"] < 2000
    assert found["pairs"][0]["with"]["rate"] > 0 and "figures to reach" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["127.0.0.1"], ["--sessions", "0", "127.0.0.1:25"],
                                       ["--starttls", "maybe", "127.0.0.1:25"]])
def test_usage(arguments):
    assert subprocess.run([BUILD + "/bench-load", *arguments], capture_output=True, timeout=SECONDS).returncode == 2


def test_body_scanner_alone():
    done = subprocess.run([BUILD + "/bench-body", "1"], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    rates = json.loads(done.stdout)
    assert set(rates) == set(report.BODY) and all(rate > 0 for rate in rates.values())


BURN = """
import os, time
def burn(seconds):
    while time.process_time() < seconds: pass
input()
if os.fork() == 0:
    burn(0.2)
    os._exit(0)
os.wait()
burn(0.2)
print("done", flush=True)
input()
"""


def test_cpu_time_of_a_tree_has_those_that_ended():
    process = subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        before = machine.cpu_seconds(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"
        used = machine.cpu_seconds(process.pid) - before
    finally:
        process.communicate("\n", timeout=SECONDS)
    assert 0.35 < used < 0.9


def test_ratios_are_made_within_a_repetition():
    direct = [{"rate": 100}, {"rate": 10}, {"rate": 50}]
    front = [{"rate": 50}, {"rate": 5}, None]
    assert report.ratios(front, direct) == [0.5, 0.5]


def test_figures_say_what_holds_and_what_was_not_measured():
    def sample(rate, milliseconds):
        return {"rate": rate, "front_ms": milliseconds}
    samples = {"w1": {"haproxy": [sample(100, 1)], "postern": [sample(80, 1.4)]}}
    table = figures.table(samples, {"text": 5.0})
    assert re.search(r"^w1: rate, by HAProxy's +>= 0.9 +0.800 +falls short by 0.100$", table, re.M)
    assert re.search(r"^w1: front CPU, by HAProxy's +<= 1.5 +1.400 +holds$", table, re.M)
    assert re.search(r"^body: lines of text +>= 4 +5.000 GB/s +holds$", table, re.M)
    assert "w2: rate" not in table
    assert table.endswith(f"\nnot measured: {len(list(figures.every(figures.Found({}, {})))) - 3} of 23\n")
