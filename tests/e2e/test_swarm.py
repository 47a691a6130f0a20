# SPDX-License-Identifier: ISC
"""What `make bench-swarm` measures with: bots and senders do what they say, and inside counts the same as they do."""
import contextlib
import json
import re
import socket
import subprocess
import sys

import pytest

import net
import postern as postern_program

sys.path.insert(0, postern_program.ROOT + "/tests/bench")

import swarm_table  # noqa: E402

BUILD = postern_program.BUILD
SECONDS = 60
SEED_WITHOUT_TRICKLE = 5  # among the first dozen of bots


def numbers(text):
    return {name: float(number) for name, number in re.findall(r"(\w+)=([\d.]+)", text)}


class Sink:
    def __init__(self, *options):
        self.address = "127.0.0.1", net.free_port()
        self.process = subprocess.Popen([BUILD + "/sink", "--count", "--nobody", "--mark", "bot", "--mark", "legit",
                                         "--processes", "2", *options, "%s:%d" % self.address],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        net.wait_until(lambda: net.is_listening(self.address), SECONDS, "the sink does not listen")

    def stop(self):
        """(what it counted, all that it said)"""
        self.process.terminate()
        said, _ = self.process.communicate(timeout=SECONDS)
        return numbers(said.splitlines()[-1]) if said else {}, said


@pytest.fixture
def sink():
    started = []

    def start(*options):
        started.append(Sink(*options))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()


def swarm(address, *options):
    done = subprocess.run([BUILD + "/bench-swarm", *options, "%s:%d" % address], capture_output=True, text=True,
                          timeout=SECONDS + 10)
    assert done.returncode == 0, done.stderr
    return numbers(done.stdout)


def test_inside_counts_what_bots_and_senders_do(sink):
    """Of a dozen that do not trickle, so that it ends when all is said."""
    server = sink()
    found = swarm(server.address, "--seconds", str(SECONDS), "--senders", "10", "--messages", "2", "--pause", "50",
                  "--rate", "100", "--bots", "12", "--seed", str(SEED_WITHOUT_TRICKLE))
    took, _ = server.stop()
    assert found["trickle"] == 0 and all(found[kind] > 0 for kind in ("plain", "early", "dictionary"))
    assert (found["delivered"], found["refused"], found["dropped"], found["never"]) == (20, 0, 0, 0)
    assert (took["legit"], took["bot"], took["messages"]) == (20, found["bots_inside"], 20 + found["bots_inside"])
    assert found["bots"] == 12 == found["bots_inside"] + found["bots_gave_up"]
    assert took["connections"] == 32 and took["refused"] >= 49 * found["dictionary_inside"] > 0
    for name in ("banner", "delivery"):
        assert 0 < found[f"{name}_p50_ms"] <= found[f"{name}_p99_ms"]


def test_bots_that_trickle_stay_and_bring_nothing(sink):
    server = sink()
    found = swarm(server.address, "--seconds", "2", "--senders", "0", "--rate", "200", "--bots", "200")
    took, _ = server.stop()
    assert found["bots"] == sum(found[kind] for kind in ("plain", "early", "dictionary", "trickle")) <= 200
    assert found["bots"] == sum(found["bots_" + how] for how in ("inside", "refused", "dropped", "gave_up", "talking"))
    assert found["trickle_inside"] == 0 < found["trickle"]
    assert took["peak"] >= found["bots_talking"] > 0 and took["bot"] >= found["bots_inside"] > 0


def test_everybody_has_an_address_of_its_own():
    """A sender keeps it; bots' are drawn from as many as there should be, nearly all in networks of their own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1000)
        swarm(listener.getsockname(), "--seconds", "1", "--senders", "3", "--pause", "10000", "--rate", "1000",
              "--bots", "300", "--addresses", "50")
        listener.settimeout(0)
        came = []
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, (address, _) = listener.accept()
                connection.close()
                came.append(address)
    senders = [address for address in came if int(address.split(".")[1]) >= 128]
    bots = {address for address in came if 64 <= int(address.split(".")[1]) < 128}
    assert senders and len(set(senders)) == len(senders) <= 3
    assert set(came) == bots | set(senders) and 20 < len(bots) <= 50
    assert len({address.rsplit(".", 1)[0] for address in bots}) == len(bots)


def test_whoever_is_refused_is_counted_and_senders_come_again(inside):
    server = inside({"RCPT": b"451 4.7.1 later\r\n"})
    found = swarm(server.address, "--seconds", "20", "--senders", "3", "--messages", "2", "--pause", "50",
                  "--rate", "100", "--bots", "8", "--seed", "3")
    assert (found["delivered"], found["refused"], found["never"]) == (0, 6, 3)
    assert found["bots_inside"] == 0 and found["bots_refused"] + found["bots_gave_up"] == 8


def test_silent_ones_are_replaced_when_they_are_thrown_out(inside):
    server = inside({"EHLO": b"421 4.3.2 no\r\n"})
    found = swarm(server.address, "--seconds", "1", "--senders", "0", "--rate", "50", "--hold", "10")
    assert found["bots"] == found["silent"] > 20 and found["bots_refused"] + found["bots_dropped"] >= 20
    assert found["held"] <= 10


def test_silent_ones_stay(sink):
    server = sink()
    found = swarm(server.address, "--seconds", "1", "--senders", "1", "--rate", "200", "--hold", "30")
    took, _ = server.stop()
    assert (found["bots"], found["held"], found["bots_talking"]) == (30, 30, 30)
    assert took["bot"] == 0 and took["peak"] in (30, 31) and found["delivered"] > 0


def test_a_cell_of_the_table(tmp_path):
    """What a sanitized build would measure means nothing: there it is the help that has to work."""
    program = postern_program.ROOT + "/tests/bench/swarm"
    if postern_program.SANITIZED:
        assert subprocess.run([program, "--help"], capture_output=True, timeout=SECONDS).returncode == 0
        return
    values = tmp_path / "swarm.json"
    done = subprocess.run([program, "--short", "--fronts", "postern", "--scenarios", "S1", "--senders", "known",
                           "--option", "policy.pregreet.wait=1s", "--json", str(values)],
                          capture_output=True, text=True, timeout=2 * SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    cell, = json.loads(values.read_text())["cells"]
    found, = cell["found"]
    assert (cell["scenario"], cell["senders"], cell["front"]) == ("S1", "known", "postern")
    assert found["delivered"] > 0 and found["bots"] > 100 and found["processes"] > 10
    assert found["delivered"] <= found["legit_inside"] <= found["delivered"] + found["unfinished"]
    assert re.search(r"^S1: inside's peak +<= 100 ", done.stdout, re.M)


def test_figures_say_what_holds():
    values = swarm_table.Values()
    cell = {"delivered": 95, "refused": 0, "dropped": 0, "impatient": 0, "unfinished": 0, "rate": 38.0, "never": 0,
            "rate_from_second": 20.0, "delivery_p99_ms": 250.0, "delivery_max_ms": 61000.0, "bots": 100, "bots_in": 4,
            "peak_inside": 101, "kib_each": 150.0, "processes": 503}
    values.add("S0", "known", "postern", {**cell, "rate": 40.0, "rate_from_second": 40.0})
    values.add("S1", "known", "postern", cell)
    values.add("S1", "new", "postern", {**cell, "refused": 2, "bots_in": 6})
    said = swarm_table.verdicts(values, "postern", {"postern": 500}, 100)
    for what in (r"S1 known: rate, by the calm one +>= 0.95 +0.950 +holds", r"S1 known: p99 .* falls short by 50.000",
                 r"S1 new: attempts refused .* falls short by 2.000", r"S1 new: the longest delivery .* short by 1.000",
                 r"S1 new: rate from the second on .* 0.500 +falls short",
                 r"S1: bots' messages inside .* 6.000 %  .*short", r"S1: inside's peak .* 101.000 .* short",
                 r"max_workers 500: memory .* 150.000 KiB +holds",
                 r"max_workers 500: processes .* short by 1.000"):
        assert re.search("^" + what, said, re.M), (what, said)
