# SPDX-License-Identifier: ISC
"""What tests/bench/hold measures with: a posternd that holds, the crowd that it holds, and the senders beside them."""
import json
import os
import resource
import select
import statistics
import subprocess
import time

import machine
from private import BUILD, SECONDS, Program, Sink, make_certificate, own_address, spelled

import net  # private knows where it lies
from control_group import memory_group

HELD_SECONDS = 180  # until all are held
DESCRIPTORS_BESIDE = 200
PROCESSES_BESIDE = 2000
SENDERS = 20
SLICES = 7
SPARE_MAX = 50
KERNEL = ("Slab", "KernelStack", "PageTables")
CONFIGURATION = """
hostname = hold.example.org
log = stderr
probe_interval = 0s
user = nobody
group = nogroup
control_socket = {directory}/run/control
{more}
listener mx {{
    address = "{address}"
    backend = inside
    policy = held
    min_spare = {spare}
    max_spare = {max_spare}
    max_workers = {workers}
    command_timeout = 1h
{listener}
}}
backend inside {{
    pass_client = none
    server one {{ address = "{inside}" }}
}}
policy held {{
    recipient {{ relay_domains = "*" }}
{policy}
}}
"""
TLS = '    tls {{ mode = implicit certificate = "{0}" }}'
# All but the first are held before the banner; the senders come from an address that is excepted.
HOLDS = """    limit held {
        of = connections per = listener rate = 1/30d action = delay max_delay = 5m except = 127.0.0.1
    }
"""


class Failed(Exception):
    pass


def kernel_kib():
    """Of the whole machine."""
    with open("/proc/meminfo") as f:
        facts = dict(line.split(":") for line in f)
    return sum(int(facts[name].split()[0]) for name in KERNEL)


def number(path):
    text = machine.read(path).split()[0]
    return int(text) if text.isdigit() else None


def make_room(count):
    """Limits of the machine, as they are after what could be changed here; a line for each."""
    descriptors = count + DESCRIPTORS_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, max(hard, descriptors)))
    processes = count + PROCESSES_BESIDE
    facts = {"open files": (resource.getrlimit(resource.RLIMIT_NOFILE)[0], descriptors),
             "processes (nproc)": (resource.getrlimit(resource.RLIMIT_NPROC)[0], processes),
             "kernel.pid_max": (number("/proc/sys/kernel/pid_max"), processes),
             "kernel.threads-max": (number("/proc/sys/kernel/threads-max"), processes)}
    for name, (allows, needed) in facts.items():
        short = allows not in (None, resource.RLIM_INFINITY) and allows < needed
        yield f"{name}: {allows}, needed {needed}" + (": TOO LOW" if short else "")


class Gate:
    """posternd with one listener, where whoever is not one of the senders is held; or, with a policy, who is by that."""

    def __init__(self, directory, count, inside, certificate=None, silent=False, spare=None, more="", policy=None,
                 address=None):
        self.address, self.control = address or own_address(), directory + "/run/control"
        self.spare = spare or min(SPARE_MAX, count // 6)  # with the senders they are to leave room
        path = directory + "/postern.conf"
        with open(path, "w") as f:
            f.write(CONFIGURATION.format(
                directory=directory, address=spelled(self.address), inside=spelled(inside), spare=self.spare,
                max_spare=2 * self.spare, workers=2 * count,
                listener=TLS.format(certificate) if certificate else "", more=more,
                policy=policy if policy is not None else "" if silent else HOLDS))
        self.group = memory_group()
        with self.group.entered():
            self.program = Program(directory, BUILD + "/posternd", "-f", "-c", path,
                                   ready=lambda: net.is_listening(self.address) and os.path.exists(self.control))
        self.pid = self.program.process.pid
        net.wait_until(lambda: len(self.children()) > self.spare, SECONDS, "no spares", self.program.said)

    def children(self):
        """Asked of the master alone: a look at /proc/PID of a worker makes the kernel keep inodes for it."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as f:
            return [int(word) for word in f.read().split()]

    def ask(self, *words):
        done = subprocess.run([BUILD + "/posternctl", "-s", self.control, "--json", *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            raise Failed(f"posternctl {' '.join(words)}: {done.stdout}{done.stderr}\n{self.program.said()[-2000:]}")
        return json.loads(done.stdout)["records"]

    def busy(self):
        return sum(record["busy"] for record in self.ask("status") if record["kind"] == "listener")

    def serving(self):
        """Pids of those that have a session."""
        return [record["pid"] for record in self.ask("workers") if record["kind"] == "worker" and record.get("session")]

    def stop(self):
        self.program.stop()
        self.group.remove()


class Crowd:
    """Those who are held, once it is there."""

    def __init__(self, gate, count, tls):
        began = time.monotonic()
        self.count = count
        self.process = subprocess.Popen([BUILD + "/bench-crowd", *(["--tls"] if tls else []), str(count),
                                         spelled(gate.address)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            ready, _, _ = select.select([self.process.stdout], [], [], HELD_SECONDS)
            if not ready or self.process.stdout.readline() != f"connected {count}\n":
                raise Failed(f"the crowd did not come: {gate.program.said()[-2000:]}")
            net.wait_until(lambda: gate.busy() >= count, HELD_SECONDS, "not all of them are held",
                           lambda: gate.program.said()[-2000:])
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.seconds = time.monotonic() - began

    def leave(self):
        """They were held all the while."""
        self.process.stdin.close()
        said = json.loads(self.process.stdout.read().splitlines()[-1])
        self.process.wait()
        if said["ended"]:
            raise Failed(f"of {self.count} that should be held {said['ended']} were let go")
        return said


class Bench:
    def __init__(self, directory, count, silent):
        self.directory, self.count, self.silent = directory, count, silent
        self.certificate = make_certificate(directory + "/gate.pem")
        self.sink = Sink(self._place("sink"))
        self._gates = 0

    def _place(self, name):
        path = f"{self.directory}/{name}"
        os.mkdir(path, 0o755)
        return path

    def make_gate(self, **how):
        self._gates += 1
        return Gate(self._place(f"gate{self._gates}"), self.count, self.sink.address, silent=self.silent, **how)

    def _gate(self, tls=False):
        return self.make_gate(certificate=self.certificate if tls else None)

    def hold_once(self, tls, seconds):
        """What one of those costs that are held, in a posternd of their own."""
        return self.measure(lambda: self._gate(tls), lambda gate: Crowd(gate, self.count, tls), seconds)

    def measure(self, make_gate, make_crowd, seconds):
        before_kib = kernel_kib()
        gate = make_gate()
        try:
            own_before = gate.group.kernel_kib()
            crowd = make_crowd(gate)
            time.sleep(2)
            kernel = (kernel_kib() - before_kib) / crowd.count
            counted = gate.group.kernel_kib()
            counted = (counted - own_before) / crowd.count if counted else None
            idle = self._idle_percent(gate, seconds)
            own = [net.rollup_kib(pid, "Pss") for pid in gate.serving()]
            crowd.leave()
        finally:
            gate.stop()
        return {"own_kib": sum(own) / len(own), "kernel_kib": kernel, "counted_kib": counted,
                "idle_percent": idle, "seconds": crowd.seconds}

    @staticmethod
    def _idle_percent(gate, seconds):
        """Of one processor, for posternd with all its workers."""
        began, used = time.monotonic(), machine.cpu_seconds(gate.pid)
        time.sleep(seconds)
        used = machine.cpu_seconds(gate.pid) - used
        return 100 * used / (time.monotonic() - began)

    def pairs(self, count, seconds):
        """Rates of the senders, each time without the held ones and then with them."""
        gate = self._gate()
        try:
            messages = self._messages_for(gate, seconds / SLICES)
            for _ in range(count):
                pair = {"without": self._slices(gate, messages)}
                crowd = Crowd(gate, self.count, False)
                pair["with"] = self._slices(gate, messages)
                crowd.leave()
                net.wait_until(lambda: len(gate.children()) <= 3 * gate.spare + 2, HELD_SECONDS, "workers do not leave")
                yield pair
        finally:
            gate.stop()

    def _messages_for(self, gate, seconds):
        self._rate(gate, 200)
        return max(10 * SENDERS, round(self._rate(gate, 400)["rate"] * seconds))

    def _slices(self, gate, messages):
        """The median of several short runs: what else the machine does comes and goes. CPU over all of them."""
        meter = machine.Meter(gate.pid, self.sink.root)
        runs = [self._rate(gate, messages) for _ in range(SLICES)]
        used = meter.stop()
        found = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        return {**found, "gate_ms": 1000 * used["front"] / (SLICES * messages), "foreign": used["foreign"]}

    @staticmethod
    def _rate(gate, messages):
        done = subprocess.run([BUILD + "/bench-load", "--sessions", str(SENDERS), "--messages", str(messages),
                               spelled(gate.address)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=HELD_SECONDS, check=False)
        if done.returncode != 0:
            raise Failed(f"the senders: {done.stderr}")
        found = json.loads(done.stdout)
        return {"rate": found["messages"] / found["seconds"], "p99_ms": found["banner_us"]["p99"] / 1000}

    def close(self):
        self.sink.stop()
