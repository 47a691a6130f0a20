# SPDX-License-Identifier: ISC
"""Workers killed at random, all the while, with clients that send, are limited and are held. Afterwards everything that
is counted is right, nothing is left open or grown, and who heard 250 had his message delivered, once."""
import collections
import os
import random
import re
import select
import signal
import socket
import statistics
import subprocess
import threading
import time

import machine_rig as rig
from machine_rig import SETTLE_SECONDS, demand, net

CONFIGURATION = """
hostname = stand.example.org
probe_interval = 0s
user = nobody
group = nogroup
scoreboard {{ rates = 1024 reputations = 1024 }}
listener stand {{
    address = "{listen}"
    backend = inside
    policy = limited
    min_spare = 4
    max_spare = 8
    max_workers = {workers}
}}
backend inside {{
    pass_client = none
    server one {{ address = "{inside}" }}
}}
policy limited {{
    recipient {{ relay_domains = "*" }}
    limit parallel {{ of = connections per = client concurrent = {parallel} action = defer }}
    limit few {{ of = connections per = client rate = {few}/1h action = defer except = {{ 127.0.1.0/24, 127.0.2.0/24 }} }}
    limit held {{
        of = connections per = listener rate = 1/30d action = delay max_delay = 5m
        except = {{ 127.0.0.0/23, 127.0.3.0/24 }}
    }}
}}
"""
WORKERS, PARALLEL, FEW = 60, 5, 4
SENDERS, ADDRESSES, HELD = 16, 8, 15  # sessions of the load, from so many addresses; those that are held beside them
REPLY_SECONDS = 30
REST_SECONDS = 30
KILL_EVERY_SECONDS = 0.12
MASTER_GROWTH_KIB, WORKER_GROWTH_KIB = 128, 64
# Regions are of fixed size and have memory where they were written: the hits (100 KiB) and both tables (16) fill once.
SHARED_GROWTH_KIB = 160


class Gate(rig.Gate):
    def command_for(self, inside, options):
        command = super().command_for(inside, [])
        with open(f"{self.directory}/postern.conf", "w") as f:
            f.write(CONFIGURATION.format(listen="%s:%d" % self.address, inside="%s:%d" % inside, workers=WORKERS,
                                         parallel=PARALLEL, few=FEW))
        return command


class Sink:
    def __init__(self, directory):
        self.maildir, self.address = directory + "/mail", ("127.0.0.1", net.free_port())
        self._process = subprocess.Popen([rig.postern.BUILD + "/sink", "--maildir", self.maildir, "%s:%d" % self.address],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        net.wait_until(lambda: net.is_listening(self.address), SETTLE_SECONDS, "the sink does not listen")

    def delivered(self):
        """mark -> how often."""
        found = collections.Counter()
        for name in os.listdir(self.maildir + "/new"):
            with open(f"{self.maildir}/new/{name}", "rb") as f:
                found.update(re.findall(rb"^Subject: (mark-\w+-\d+-\d+)\r?$", f.read(), re.M))
        return found

    def stop(self):
        self._process.terminate()
        self._process.wait(SETTLE_SECONDS)


class Client:
    """A connection; every answer may be the end of it."""

    def __init__(self, gate, source):
        self.socket = socket.create_connection(gate.address, REPLY_SECONDS, (source, 0))
        self.file = self.socket.makefile("rb")

    def reply(self):
        """Its code; None: the connection has ended."""
        while True:
            line = self.file.readline()
            if not line.endswith(b"\n"):
                return None
            if line[3:4] != b"-":
                return int(line[:3])

    def ask(self, line):
        self.socket.sendall(line + b"\r\n")
        return self.reply()

    def begin(self):
        """Is it let in? What is limited is refused at the recipient at the latest."""
        return self.reply() == 220 and self.ask(b"EHLO client.test") == 250 and \
            self.ask(b"MAIL FROM:<s@from.test>") == 250 and self.ask(b"RCPT TO:<r@to.test>") == 250

    def send(self, mark):
        return self.ask(b"DATA") == 354 and \
            self.ask(b"Subject: " + mark + b"\r\n\r\n" + b"0123456789\r\n" * 200 + b".") == 250

    def is_open(self):
        """Nobody has ended it."""
        try:
            return not select.select([self.socket], [], [], 0)[0] or self.socket.recv(1, socket.MSG_PEEK) != b""
        except OSError:
            return False

    def close(self):
        self.file.close()
        self.socket.close()


class Load:
    """Senders and those who are held, until it is left."""

    def __init__(self, gate, name):
        self.gate, self.name, self.over = gate, name, threading.Event()
        self.acknowledged, self.lost = [], 0
        self._threads = [threading.Thread(target=work, args=(number,), daemon=True)
                         for work, count in ((self._send, SENDERS), (self._be_held, HELD)) for number in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self.over.set()
        for thread in self._threads:
            thread.join(REPLY_SECONDS)

    def _send(self, sender):
        for number in range(1 << 30):
            if self.over.is_set():
                return
            mark = b"mark-%s-%d-%d" % (self.name, sender, number)
            if self._send_one(f"127.0.1.{1 + sender % ADDRESSES}", mark):
                self.acknowledged.append(mark)
            else:
                self.lost += 1
                time.sleep(0.01)

    def _send_one(self, source, mark):
        try:
            client = Client(self.gate, source)
        except OSError:
            return False
        try:
            answered = client.begin() and client.send(mark)
            client.socket.sendall(b"QUIT\r\n")
            return answered
        except OSError:
            return False
        finally:
            client.close()

    def _be_held(self, number):
        while not self.over.is_set():
            try:
                client = Client(self.gate, f"127.0.2.{1 + number}")
            except OSError:
                time.sleep(0.1)
                continue
            while client.is_open() and not self.over.wait(0.05):
                pass
            client.close()


def kill_some(gate, seconds):
    """How many. Mostly those that are not young: a pool whose workers die young waits, and then nobody is served."""
    kills, seen, end = 0, {}, time.monotonic() + seconds
    while time.monotonic() < end:
        now = time.monotonic()
        seen = {pid: seen.get(pid, now) for pid in gate.workers()}
        older = [pid for pid, since in seen.items() if now - since > 1.2]
        victims = list(seen) if random.random() < 0.1 else older
        if victims:
            try:
                os.kill(random.choice(victims), signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                pass
        time.sleep(KILL_EVERY_SECONDS * random.uniform(0.2, 1.8))
    return kills


# -- what has to be true

def idle_workers(gate):
    def find():
        workers = gate.workers()
        return workers if len(workers) >= 4 and all(map(net.is_at_rest, workers)) else None
    return net.wait_until(find, REST_SECONDS, "workers do not come to rest", gate.story)


def look_at_workers(gate):
    """Memory and descriptors of each. Who is too many may leave meanwhile: then all are looked at anew."""
    def find():
        try:
            return [(net.rollup_kib(pid, "Pss_Anon"), len(net.descriptors(pid))) for pid in idle_workers(gate)]
        except (FileNotFoundError, ProcessLookupError):
            return None
    return net.wait_until(find, REST_SECONDS, "workers come and go", gate.story)


def measure(gate):
    """When everybody is at rest. Shared memory by what the regions have of it."""
    workers = look_at_workers(gate)
    shared = sum(os.stat(f"/proc/{gate.master}/fd/{number}").st_blocks * 512
                 for number, target in net.numbered_descriptors(gate.master).items() if "memfd:postern" in target)
    return {"master": net.rollup_kib(gate.master, "Pss_Anon"), "shared": shared // 1024,
            "worker": statistics.median(memory for memory, _ in workers),
            "kinds": rig._kinds(gate.master), "descriptors": max(count for _, count in workers)}


def demand_no_more(before, after):
    story = f"before {before}\nafter {after}"
    demand(after["kinds"] == before["kinds"], "the master holds other descriptors\n" + story)
    demand(after["descriptors"] <= before["descriptors"], "a worker at rest holds more descriptors\n" + story)
    demand(after["shared"] <= before["shared"] + SHARED_GROWTH_KIB, "shared memory has grown\n" + story)
    if not rig.postern.SANITIZED:  # the sanitizer keeps what was freed
        demand(after["master"] <= before["master"] + MASTER_GROWTH_KIB, "the master has grown\n" + story)
        demand(after["worker"] <= before["worker"] + WORKER_GROWTH_KIB, "workers have grown\n" + story)


def demand_parallel(gate, source, parallel=PARALLEL):
    """Exactly so many at the same time, and as many again once they have gone."""
    for _ in range(2):
        clients = [Client(gate, source) for _ in range(parallel + 3)]
        let_in = sum(client.begin() for client in clients)
        for client in clients:
            client.close()
        idle_workers(gate)
        demand(let_in == parallel, f"{let_in} sessions of {source} are let in at the same time, not {parallel}\n"
                                   + gate.story())


def demand_few(gate, source):
    """A rate that nobody has used so far, in a table that was written to all the while."""
    let_in = 0
    for _ in range(FEW + 3):
        client = Client(gate, source)
        let_in += client.begin()
        client.close()
    demand(let_in == FEW, f"{let_in} sessions of {source} are let in, not {FEW}\n{gate.story()}")


def demand_held(gate, count):
    """So many can be held, none of them is let go, and a hang-up frees each."""
    clients = [Client(gate, f"127.0.2.{1 + n % 200}") for n in range(count)]
    time.sleep(1)
    stay = [client.is_open() for client in clients]
    for client in clients:
        client.close()
    demand(all(stay), f"of {count} that are held {stay.count(False)} were let go\n{gate.story()}")
    idle_workers(gate)


def demand_delivered(sink, acknowledged):
    delivered = sink.delivered()
    missing = [mark for mark in acknowledged if delivered[mark] == 0]
    twice = [mark for mark, times in delivered.items() if times > 1]
    demand(not missing, f"acknowledged, but never delivered: {missing[:5]} of {len(missing)}")
    demand(not twice, f"delivered more than once: {twice[:5]} of {len(twice)}")


def demand_no_complaint(log):
    """Of a sanitizer. The log is long: no regular expression."""
    for complaint in ("AddressSanitizer", "runtime error:", "LeakSanitizer", "event=bug"):
        at = log.find(complaint)
        demand(at < 0, f"the log complains: {log[max(0, at - 200):at + 2000]}")


def under_load(seconds):
    gate = sink = None
    address = ("127.0.0.1", net.free_port())
    with rig.tempfile.TemporaryDirectory(prefix="postern-kills-") as directory:
        try:
            sink = Sink(directory)
            gate = Gate(address, sink.address)
            with Load(gate, b"before") as load:
                time.sleep(1.5)
            before = measure(gate)
            with Load(gate, b"killed") as load:
                kills = kill_some(gate, seconds)
            demand_no_more(before, measure(gate))
            demand_parallel(gate, "127.0.1.1")
            demand_parallel(gate, "127.0.1.77")
            demand_few(gate, "127.0.0.77")
            demand_held(gate, WORKERS // 3)
            print(f"kills: {kills} in {seconds} s; {len(load.acknowledged)} messages acknowledged, {load.lost} were not")
            demand(kills > seconds and len(load.acknowledged) > 10 * seconds, f"too little load\n{gate.story()}")
            demand_delivered(sink, load.acknowledged)
            gate.stop()
            demand_no_complaint(gate.log())
            gate = None
        except AssertionError as fault:
            raise rig.Violation(str(fault)) from None
        finally:
            if gate:
                _give_up(gate)
            if sink:
                sink.stop()


def _give_up(gate):
    """After a violation nothing is expected of it but that it is gone."""
    try:
        gate.stop()
    except AssertionError:
        pass
