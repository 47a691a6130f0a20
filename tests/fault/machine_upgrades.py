# SPDX-License-Identifier: ISC
"""Upgrades and reloads, one after the other and at once, with clients that send all the while: nobody is refused, who
heard 250 had his message delivered, once, and every session and message is counted. Every few steps the new program
cannot take the place, and the one before goes on."""
import itertools
import json
import re
import shutil
import subprocess
import threading
import time

import machine_kills as kills
import machine_rig as rig
from machine_rig import demand, net

SENDERS = 8
PARALLEL = 20  # of a client: a worker that gets no processor for a while after a session still counts
NEXT = "#!/bin/sh\nunset POSTERN_NEXT\nexec {next} \"$@\"\n"  # tests/upgrade/next.c
CRASHES = NEXT.replace("unset POSTERN_NEXT", "export POSTERN_NEXT=crash")
NOT_NOW = "#!/bin/sh\necho not now\nexit 1\n"


class Gate(kills.Gate):
    """Runs a copy of its own, which others can be put in the place of."""

    def command_for(self, inside, options):
        command = super().command_for(inside, options)
        self.program, self.socket = f"{self.directory}/posternd", f"{self.directory}/run/control"
        with open(f"{self.directory}/postern.conf", "r+") as f:
            text = f.read()
            f.seek(0)
            f.write(f"control_socket = {self.socket}\n{text}".replace(f"concurrent = {kills.PARALLEL}",
                                                                      f"concurrent = {PARALLEL}"))
        self.install(rig.postern.POSTERND)
        return [self.program, *command[1:]]

    def install(self, program=None, text=None):
        new = self.program + ".new"
        if text is None:
            shutil.copy(program, new)
        else:
            with open(new, "w") as f:
                f.write(text)
        subprocess.run(["chmod", "755", new], check=True)
        subprocess.run(["mv", new, self.program], check=True)

    def ctl(self, *arguments):
        return subprocess.run([rig.postern.BUILD + "/posternctl", "-s", self.socket, "--json", *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)

    def do(self, verb, why=None):
        """It is good; or refused, for this reason."""
        done = self.ctl(verb)
        document = json.loads(done.stdout)
        demand(done.returncode == (why is not None), f"{verb}: {done}\n{self.story()}")
        demand(why is None or why in document["error"]["why"], f"{verb}: {document}")

    def totals(self):
        return next(r for r in json.loads(self.ctl("stats").stdout)["records"] if r["kind"] == "totals")


class Load(kills.Load):
    """Senders alone: who is held would keep an earlier configuration for as long."""

    def __init__(self, gate, name):
        super().__init__(gate, name)
        self._threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(SENDERS)]


def go_on(gate, seconds):
    """How many steps."""
    present = rig.postern.POSTERND
    new, crashes = (text.format(next=rig.postern.BUILD + "/next/posternd") for text in (NEXT, CRASHES))
    end = time.monotonic() + seconds

    def at_once():
        gate.install(text=new)
        others = [threading.Thread(target=gate.ctl, args=(verb,)) for verb in ("reload", "upgrade", "reload")]
        for other in others:
            other.start()
        gate.do("upgrade")
        for other in others:
            other.join()

    steps = (lambda: (gate.install(text=new), gate.do("upgrade")),
             lambda: gate.do("reload"),
             lambda: (gate.install(text=crashes), gate.do("upgrade", "was ended by signal 11")),
             lambda: (gate.install(present), gate.do("upgrade")),
             at_once,
             lambda: (gate.install(text=NOT_NOW), gate.do("upgrade", "not now")))
    for number, step in enumerate(itertools.cycle(steps)):
        if time.monotonic() > end:
            break
        step()
    gate.install(present)
    gate.do("upgrade")
    return number + 1


def kinds(gate):
    """What its descriptors point at. The program may have lost its name."""
    return sorted(re.sub(r":\[\d+\]|(\.new)? \(deleted\)", "", target) for target in net.descriptors(gate.master))


def wait_alone(gate):
    """No crew is left of the configurations and programs before: the master lets its pipes go with the last of it."""
    def is_alone():
        return not any(r["kind"] == "draining" for r in json.loads(gate.ctl("status").stdout)["records"])
    net.wait_until(is_alone, rig.SETTLE_SECONDS, "a retired crew does not leave", gate.story)


def demand_counted(gate, before, load):
    def counted():
        now = gate.totals()
        return now if now["messages"] - before["messages"] >= len(load.acknowledged) else None
    try:
        now = net.wait_until(counted, rig.SETTLE_SECONDS, "")
    except AssertionError:
        now = gate.totals()
    for what in ("messages", "sessions"):
        demand(now[what] - before[what] == len(load.acknowledged),
               f"{len(load.acknowledged)} {what}, and counted are {now[what] - before[what]}")


def under_load(seconds):
    gate = sink = None
    address = ("127.0.0.1", net.free_port())
    with rig.tempfile.TemporaryDirectory(prefix="postern-upgrades-") as directory:
        try:
            sink = kills.Sink(directory)
            gate = Gate(address, sink.address)
            master = gate.master
            gate.do("upgrade")
            wait_alone(gate)
            kills.idle_workers(gate)
            held, before = kinds(gate), gate.totals()
            with Load(gate, b"upgraded") as load:
                steps = go_on(gate, seconds)
            print(f"upgrades: {steps} steps in {seconds} s; {len(load.acknowledged)} messages acknowledged, "
                  f"{load.lost} were not")
            demand(gate.master == master, "the master is another")
            demand(load.lost == 0, f"{load.lost} sessions were refused, or ended before the message was through\n"
                                   + gate.story())
            demand(len(load.acknowledged) > 10 * seconds, f"too little load\n{gate.story()}")
            kills.idle_workers(gate)
            kills.demand_delivered(sink, load.acknowledged)
            demand_counted(gate, before, load)
            kills.demand_parallel(gate, "127.0.1.1", PARALLEL)
            wait_alone(gate)
            demand(kinds(gate) == held, f"the master holds other descriptors\n{held}\n{kinds(gate)}")
            gate.stop()
            kills.demand_no_complaint(gate.log())
            crashed = re.search(r"^.*event=worker-(crashed|broken|short|deserted).*$", gate.log(), re.M)
            demand(not crashed, f"a worker ended that nobody told to: {crashed and crashed.group(0)}")
            gate = None
        except AssertionError as fault:
            raise rig.Violation(str(fault)) from None
        finally:
            if gate:
                kills._give_up(gate)
            if sink:
                sink.stop()
