# SPDX-License-Identifier: ISC
"""One cell of the swarm's table: a front, a sink behind it, both fresh, the swarm before them; and what came of it."""
import contextlib
import os
import re
import signal
import subprocess
import threading
import time

import machine
from private import BUILD, SECONDS, Program, own_address, spelled

import net  # private knows where it lies
from control_group import memory_group

SENDERS = 20
KNOWN_BY = 3  # messages of each sender, before the window begins
WARM_SECONDS = 60
PSS_LOOKS = 3
MORE_LEAST = 50  # processes that tell what one of them costs


class Failed(Exception):
    pass


class Scenario:
    def __init__(self, name, title, *options, rate=0):
        self.NAME, self.TITLE, self.rate = name, title, rate  # rate: bots a second, whatever comes
        self.options = (*options, "--rate", str(rate)) if rate else options


SCENARIOS = {scenario.NAME: scenario for scenario in (
    Scenario("S0", "calm: 20 senders"),
    Scenario("S1", "100 bots a second from 2,000 addresses", "--addresses", "2000", rate=100),
    Scenario("S2", "1,000 bots a second from 10,000 addresses", "--addresses", "10000", rate=1000),
    Scenario("S3", "2,000 bots that say EHLO and stay silent; who is thrown out comes again, 1,000 a second at most",
             "--hold", "2000", "--rate", "1000", "--addresses", "2000"),
)}


def numbers(line):
    return {name: float(number) for name, number in re.findall(r"(\w+)=([\d.]+)", line)}


class Sink:
    """The inside: counts messages by who sent them, and its connections; of recipients it knows all but nobody."""

    def __init__(self, directory):
        self.address = own_address()
        self.program = Program(directory, BUILD + "/sink", "--discard", "--count", "--nobody", "--mark", "bot",
                               "--mark", "legit", "--processes", str(os.cpu_count()), spelled(self.address),
                               ready=lambda: net.is_listening(self.address))
        self.root = self.program.process.pid

    def look(self):
        """Its totals; the peak of connections begins anew."""
        said = self._lines()
        self.program.process.send_signal(signal.SIGUSR1)
        return numbers(net.wait_until(lambda: self._lines()[len(said):], SECONDS, "the sink says nothing")[-1])

    def _lines(self):
        return [line for line in self.program.said().splitlines() if line.startswith("connections=")]


class Watch(threading.Thread):
    """How many processes the front has and what they use, the most of it; looked at rarely: a look costs."""

    def __init__(self, root, group, seconds):
        super().__init__(daemon=True)
        self.root, self.group = root, group
        self.every = max(0.5, seconds / 20)
        self.pss_every = seconds / (PSS_LOOKS + 0.5)
        self.processes, self.used_kib, self.pss_kib = 0, None, 0  # used: when they were the most
        self._over = threading.Event()

    def pids(self):
        if not self.root:
            return []
        return self.group.pids() or list(machine.tree(self.root))

    def run(self):
        next_pss = time.monotonic() + self.pss_every
        while not self._over.wait(self.every):
            pids = self.pids()
            if len(pids) > self.processes:
                self.processes, self.used_kib = len(pids), self.group.used_kib()
            if time.monotonic() >= next_pss:
                next_pss += self.pss_every
                self.pss_kib = max(self.pss_kib, pss_of(pids))

    def stop(self):
        self._over.set()
        self.join()


def pss_of(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += net.rollup_kib(pid, "Pss")
    return total


def swarm(address, *options, seconds):
    done = subprocess.run([BUILD + "/bench-swarm", "--seconds", str(seconds), "--senders", str(SENDERS), *options,
                           spelled(address)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds + SECONDS, check=False)
    if done.returncode != 0:
        raise Failed(f"the swarm: {done.stderr.strip()}")
    return numbers(done.stdout)


class Cell:
    def __init__(self, directory, kind):
        os.makedirs(directory + "/front", mode=0o755)
        os.makedirs(directory + "/sink", mode=0o755)
        self.group = memory_group()
        self.sink = Sink(directory + "/sink")
        self.front = kind(directory + "/front", self.sink.address, None)

    def open(self):
        self.front.prepare()
        with self.group.entered():
            self.front.start()

    def close(self):
        try:
            self.front.stop()
        finally:
            self.sink.program.stop()
            self.group.remove()

    def make_known(self):
        """The senders deliver a few messages each while nothing else goes on."""
        found = swarm(self.front.address, "--messages", str(KNOWN_BY), "--pause", "200", seconds=WARM_SECONDS)
        if found["never"]:
            raise Failed(f"{found['never']:.0f} senders could not deliver in calm")

    def measure(self, scenario, seconds, seed):
        watch = Watch(self.front.root, self.group, seconds)
        processes, used_kib = len(watch.pids()), self.group.used_kib()
        self.group.begin_peak()
        before = self.sink.look()
        meter = machine.Meter(self.front.root, self.sink.root, self.front.log_reader)
        watch.start()
        found = swarm(self.front.address, *scenario.options, "--seed", str(seed), seconds=seconds)
        used = meter.stop()
        watch.stop()
        inside = self.sink.look()
        peak_kib = self.group.peak_kib()
        return {**found, "processes": watch.processes, "pss_kib": watch.pss_kib, "group_kib": peak_kib or 0,
                "kib_each": each_kib(used_kib, watch.used_kib, watch.processes - processes),
                "legit_inside": inside["legit"] - before["legit"], "bots_in": inside["bot"] - before["bot"],
                "peak_inside": inside["peak"], "cores": used["front"] / used["time"], "foreign": used["foreign"],
                "load": os.getloadavg()[0]}


def each_kib(before, then, more):
    """What one more process costs; None where there are hardly more, or nobody knows."""
    return (then - before) / more if before is not None and then is not None and more >= MORE_LEAST else None


def run(directory, kind, scenario, known, seconds, seed, said):
    """All that was found, with senders that the front knows or has never seen; said: what the fronts are, by name."""
    cell = Cell(directory, kind)
    try:
        cell.open()
        said.setdefault(kind.NAME, f"{cell.front.version()}: {cell.front.ABOUT}")
        if known:
            cell.make_known()
        return cell.measure(scenario, seconds, seed)
    finally:
        cell.close()
