# SPDX-License-Identifier: ISC
"""Workers that run an attacker's code (hostile.c): they scribble over all that they can write, fill pipes, take
listeners down and die as they like. The master goes on, signals nobody but its own, forks no more than it may; and once
they are gone, mail passes. In the sandbox they can do next to nothing, and the log names what they tried."""
import json
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import children
import machine_rig as rig
from machine_kills import Client
from machine_rig import SETTLE_SECONDS, Violation, demand, net

MAX_WORKERS = 6
OPTIONS = (f"listener.max_workers={MAX_WORKERS}", f"listener.max_spare={MAX_WORKERS}", "listener.min_spare=4",
           "scoreboard.rates=1024", "scoreboard.reputations=1024")
LIFE_MS = 1200  # who dies before a second is over died young, and the next one has to wait
ROUNDS_SECONDS = 900
QUESTIONS = (("status",), ("sessions",), ("workers",), ("servers",), ("check",), ("limits",), ("rates",), ("clients",),
             ("clients", "--worst"), ("stats",), ("history", "1440"), ("metrics",), ("block",), ("allow",), ("bypass",))
RELOAD_EVERY = 6  # of the askings
# A child of the master that answers posternctl, one that tries a configuration, and the housekeeper.
OTHERS = 3
WORDS = ("wanted", "done", "births", "life_ms", "ending", "octets", "piped", "accepted", "shut", "breaches",
         "deed", "deeds")
FEW = 4
LIMIT = f"limit few {{ of = connections per = client rate = {FEW}/1h action = defer except = 127.0.0.0/24 }}"
ENDINGS = {"any": 0, "status": 1, "signal": 2, "retired": 3}

# Stands beside the master in its session and process group, with every signal blocked: what was sent stays pending.
CANARY = """
import os, signal, subprocess, sys
everything = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
before = signal.pthread_sigmask(signal.SIG_BLOCK, everything)
master = subprocess.Popen(sys.argv[1:], preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before))
sys.exit(abs(master.wait()))
"""


class Tally:
    """The words of struct tally in hostile.h."""

    def __init__(self, directory):
        self.path = directory + "/tally"
        with open(self.path, "wb") as f:
            f.write(bytes(mmap.PAGESIZE))
        os.chmod(self.path, 0o666)
        with open(self.path, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), mmap.PAGESIZE)

    def __getitem__(self, word):
        return struct.unpack_from("<Q", self._map, 8 * WORDS.index(word))[0]

    def __setitem__(self, word, value):
        struct.pack_into("<Q", self._map, 8 * WORDS.index(word), value)

    def __str__(self):
        return ", ".join(f"{word} {self[word]}" for word in WORDS)


class Gate(rig.Gate):
    """posternd with workers that can turn hostile, a control socket and a canary."""

    def _start(self, command, user=None):
        self.tally = Tally(self.directory)
        self.control = self.directory + "/run/control"
        super()._start([sys.executable, "-c", CANARY, f"{rig.postern.BUILD}/hostile/posternd", *command[1:],
                        "-o", f"control_socket={self.control}"], user)

    def command_for(self, inside, options):
        command = super().command_for(inside, options)
        with open(f"{self.directory}/postern.conf", "r+") as f:
            text = f.read().replace("policy permissive {", "policy permissive { " + LIMIT)
            f.seek(0)
            f.write(text)
        return command

    def _popen(self, command, **options):
        options["env"]["HOSTILE_TALLY"] = self.tally.path
        return super()._popen(command, **options)

    def terminate(self):
        os.kill(self.master, signal.SIGTERM)

    def ask(self, *words):
        """(status, records) of posternctl."""
        done = subprocess.run([rig.postern.BUILD + "/posternctl", "-s", self.control, "--json", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        try:
            return done.returncode, json.loads(done.stdout)["records"]
        except (ValueError, KeyError):
            return done.returncode, [done.stdout + done.stderr]

    def demand_answers(self):
        for question in QUESTIONS:
            status, records = self.ask(*question)
            demand(status == 0, f"posternctl {' '.join(question)}: status {status}: {records}\n{self.story()}")

    def demand_reload(self):
        status, records = self.ask("reload")
        demand(status == 0, f"posternctl reload: status {status}: {records}\n{self.story()}")


def demand_canary(gate):
    demand(net.is_alive(gate.process.pid), "somebody ended the canary")
    for mask in ("SigPnd", "ShdPnd"):
        pending = net.status_field(gate.process.pid, mask)
        demand(int(pending, 16) == 0, f"somebody signalled the canary: {mask} {pending}")


def knock(address):
    """A client comes and goes, whoever takes the connection: one of them may have shut the listener for a moment."""
    try:
        with socket.create_connection(address, 1):
            pass
    except OSError:
        pass


class Knockers:
    """Clients that come and go all the while."""

    def __init__(self, address):
        self.address, self._over = address, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_error):
        self._over.set()
        self._thread.join()

    def _run(self):
        while not self._over.wait(0.005):
            knock(self.address)


def kill_somebody(gate):
    """As an administrator would who believes what he is shown: rumour, but the signal is the master's; so are the
    entries that are forgotten."""
    _, records = gate.ask("sessions")
    for record in records[:3]:
        if isinstance(record, dict) and record.get("id"):
            gate.ask("kill", record["id"])
    _, records = gate.ask("rates")
    for record in records[:3]:
        if isinstance(record, dict) and record.get("key"):
            gate.ask("rates", "forget", record["key"])
    gate.ask("rates", "forget", "127.0.0.1")


def begin(house, rounds, life_ms=LIFE_MS, ending="any"):
    """From the next generation on all workers are hostile."""
    tally = house.gate.tally
    tally["done"], tally["life_ms"], tally["ending"] = 0, life_ms, ENDINGS[ending]
    tally["wanted"] = rounds
    house.gate.demand_reload()
    net.wait_until(lambda: tally["births"], SETTLE_SECONDS, "no hostile worker", house.gate.story)


def attack(house, rounds):
    gate, tally = house.gate, house.gate.tally
    end, askings = time.monotonic() + ROUNDS_SECONDS, 0
    begin(house, rounds)
    deeds = ("octets", "piped", "accepted", "shut")
    while tally["done"] < rounds or not all(tally[word] > 0 for word in deeds):
        gate.demand_answers()
        kill_somebody(gate)
        demand_canary(gate)
        askings += 1
        if tally["done"] >= tally["wanted"]:  # chance has left one kind of deed out: more of them
            tally["wanted"] += max(rounds // 4, 1)
        if askings % RELOAD_EVERY == 0:
            gate.demand_reload()
        demand(time.monotonic() < end, f"not all in time: {tally}\n{gate.story()}")
        time.sleep(0.1)
    tally["wanted"] = rounds
    demand(tally["breaches"] == 0, f"hostile workers did what they cannot: {tally}")


def _doing(pids):
    """In which system call each of them is."""
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/syscall") as f:
                found.append(f"{pid}: {f.read().strip()}, {net.descriptors(pid)}")
        except OSError:
            pass
    return "\n".join(found)


def demand_few(house):
    """A limit is right in a table in which each entry was scribbled over; what cannot be true is taken for none."""
    for source in ("127.0.9.1", "127.0.9.2"):
        let_in = 0
        for _ in range(FEW + 2):
            client = Client(house.gate, source)
            let_in += client.begin()
            client.close()
        demand(let_in == FEW, f"{let_in} sessions of {source} are let in, not {FEW}\n{house.gate.story()}")
        house.idle_workers()


def after(house):
    """They are gone; nothing of what they did is left but numbers that nobody should believe."""
    try:
        net.wait_until(lambda: net.is_listening(house.gate.address), SETTLE_SECONDS, "the listener stays closed",
                       house.gate.story)
        # Who came to accept while the listener was made to block waits there: for a client, or for his watchdog.
        net.wait_until(lambda: knock(house.gate.address) or all(map(net.is_at_rest, house.gate.workers())),
                       SETTLE_SECONDS, "workers do not come to rest", house.gate.story)
    except AssertionError as fault:
        raise Violation(f"{_doing(house.gate.workers())}\n{fault}") from None
    house.gate.demand_answers()
    house.gate.demand_reload()
    house.settle(clean=2 * MAX_WORKERS)
    demand_few(house)
    demand_canary(house.gate)


def scribblers(rounds):
    with rig.House(*OPTIONS, gate=Gate) as house:
        began = time.monotonic()
        with children.Watch(house.master) as watch, Knockers(house.gate.address):
            attack(house, rounds)
        seconds = time.monotonic() - began
        watch.demand_own_signals()
        # Those of the generation before live as long as they like, but no longer than two lives.
        watch.demand_at_most(3 * MAX_WORKERS + OTHERS)
        print(f"hostile workers: {house.gate.tally}; {seconds:.0f} s, {len(watch.births)} forks of the master, "
              f"{watch.most} children at once, {watch.signals} signals")
        after(house)


# -- the sandbox

CLEAN_EVERY = 12  # deeds


def try_deed(house, deed):
    """A session that is not one: its worker is ended and named, or goes on as if nothing had been asked."""
    gate = house.gate
    gate.tally["deed"] = deed
    with socket.create_connection(gate.address, SETTLE_SECONDS) as client, client.makefile("rb") as file:
        heard = file.readline()
    mark = f" event=hostile deed={deed} "
    net.wait_until(lambda: mark in gate.log(), SETTLE_SECONDS, f"nobody tries deed {deed}", gate.story)
    line = next(line for line in gate.log().splitlines() if mark in line)
    pid, call = re.search(r"\[(\d+)\]", line).group(1), re.search(r" call=(\S+)", line).group(1)
    if " fails=0 " in line:
        demand(heard == b"", f"the session goes on with {heard}: {line}")
        gate.wait_log(rf"\[{pid}\]: event=sandbox call={call} ")
        net.wait_until(lambda: re.search(rf"event=worker-crashed .*pid={pid} .*signal=SYS", gate.log()),
                       SETTLE_SECONDS, f"no end of {line}", gate.story)
    else:
        demand(heard.startswith(b"220 "), f"the session does not go on: {heard!r}: {line}")
        demand(f"[{pid}]: event=sandbox " not in gate.log(), f"it is refused: {line}")
    demand(gate.tally["breaches"] == 0, f"it was done: {line}")


def refused():
    """In the sandbox none of them can be done; the gate stays open, and the log says what was tried."""
    with rig.House(*OPTIONS, gate=Gate) as house:
        demand(" sandbox=on " in house.gate.log(), "there is no sandbox")
        deeds = house.gate.tally["deeds"]
        demand(deeds > FEW, "no deeds")
        for deed in range(1, deeds + 1):
            try_deed(house, deed)
            if deed % CLEAN_EVERY == 0:
                house.idle_workers()
                house.pass_clean()
        demand("event=listener-closed" not in house.gate.log(), f"the gate was shut\n{house.gate.story()}")
        house.idle_workers()
        house.pass_clean()
        demand_canary(house.gate)
        print(f"hostile workers in the sandbox: {deeds} deeds refused")


# Forks a second that pool.h allows, when each worker dies as soon as it is made. After an honest death the pool backs
# off; who lies that he had served buys one in POOL_PAUSE_MS; who lies that he had served his share one in POOL_STEP_MS,
# as a listener with sessions_per_worker = 1 has.
YOUNG_SECONDS = 3
YOUNG = {"status": 10, "signal": 10, "retired": 500}


def dies_young(ending):
    """Whatever they say of themselves."""
    with rig.House(*OPTIONS, gate=Gate) as house:
        begin(house, 1 << 40, 0, ending)
        with children.Watch(house.master) as watch:
            time.sleep(YOUNG_SECONDS)
            house.gate.demand_answers()
        forks = len(watch.births)
        watch.demand_own_signals()
        print(f"hostile workers that die at once by {ending}: {forks} forks in {YOUNG_SECONDS} s")
        demand(forks <= YOUNG[ending] * YOUNG_SECONDS + MAX_WORKERS + len(QUESTIONS) + OTHERS,
               f"{forks} forks in {YOUNG_SECONDS} s\n{house.gate.story()}")
        house.gate.tally["wanted"] = 0
        after(house)
