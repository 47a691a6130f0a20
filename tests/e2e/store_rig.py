# SPDX-License-Identifier: ISC
"""A posternd with a memory on disk: listeners that each have a policy and an inside server of their own, a clock that
the test sets, and the storekeeper, who is found by name.

Who connects from 127.0.0.9 says by PROXY who the client is, so that may be any; who connects from 127.0.0.8 says it by
XCLIENT; who connects from elsewhere is himself.
"""
import dataclasses
import json
import os
import re
import shutil
import subprocess

import net
import postern as postern_program
from smtp_client import Client

POSTERNCTL = postern_program.BUILD + "/posternctl"
STOREKEEPER = "posternd-store"  # its name in /proc
BALANCER = "127.0.0.9"
GATE_BEFORE = "127.0.0.8"
CONTENT = b"Subject: memory\r\n\r\nhello\r\n"
WAIT_S = 15  # for what happens soon
USER = 65534  # nobody

TOP = """
hostname = gate.example.org
log = stderr
user = nobody
group = nogroup
probe_interval = 0s
pid_file = {run}/pid
control_socket = {run}/control
listed_file = {run}/listed/list
{store}
{more}
"""
STORE = "store {{ directory = {directory}  size = {size}  deadline = {deadline} }}"
ONE = """
backend {name} {{ pass_client = xclient  server one {{ address = "127.0.0.1:{inside}" }} }}
listener {name} {{
    address = "127.0.0.1:{port}"
    backend = {name}
    policy = {name}
    proxy_from = """ + BALANCER + """
    xclient_from = """ + GATE_BEFORE + """
    min_spare = 1
    max_spare = 4
    max_workers = 16
}}
policy {name} {{
    recipient {{ relay_domains = "*" }}
    {policy}
}}
"""


@dataclasses.dataclass
class Listener:
    inside: tuple  # an address
    policy: str = ""
    port: int = 0


class Gate(postern_program.PosternFrom):
    """`listeners`: {name: Listener}. `clock`: a WallClock, or None. `may_die`: the storekeeper, by a signal.
    `deadline`: of a storekeeper that only has no processor for a while nothing is to be thought."""

    def __init__(self, directory, listeners, more="", clock=None, size="16M", deadline="5s", ready=True,
                 may_die=False):
        os.chmod(directory, 0o755)
        self.directory, self.listeners, self.more, self.clock = directory, listeners, more, clock
        self.run, self.store, self.path = directory / "run", directory / "memory", directory / "postern.conf"
        self.size, self.deadline, self.neighbours, self.may_die = size, deadline, 0, may_die
        for one in listeners.values():
            one.port = one.port or net.free_port()
        self.configure()
        self.install(postern_program.POSTERND)
        self.start()
        if ready:
            self.wait_state("working")

    def start(self):
        """Again, too: after it has ended, in the same place."""
        first = next(iter(self.listeners.values()))
        super().__init__(("127.0.0.1", first.port), "-f", "-c", str(self.path),
                         program=str(self.directory / "posternd"))
        self.wait_ready()
        self.wait_log("event=ready")

    def stop_and_start(self):
        self.stop()
        self.check_log()
        self.start()

    def configure(self, has_store=True):
        store = STORE.format(directory=self.store, size=self.size, deadline=self.deadline) if has_store else ""
        text = TOP.format(run=self.run, store=store, more=self.more)
        for name, one in self.listeners.items():
            text += ONE.format(name=name, port=one.port, inside=one.inside[1], policy=one.policy)
        self.path.write_text(text)
        self.path.chmod(0o644)

    def install(self, program):
        new = self.directory / "posternd.new"
        shutil.copy(program, new)
        new.chmod(0o755)
        new.rename(self.directory / "posternd")

    def _popen(self, command, **options):
        if self.clock is not None:
            options["env"].update(self.clock.environment())
        if self.may_die:  # of what LMDB makes of a file that is gone or garbage below it; ours is watched as ever
            lets_pass = self.directory / "sanitizers-let-pass"
            lets_pass.write_text("interceptor_via_lib:liblmdb\n")
            options["env"]["ASAN_OPTIONS"] = ":".join([options["env"].get("ASAN_OPTIONS", ""), "handle_segv=0",
                                                       "handle_sigbus=0", f"suppressions={lets_pass}"])
        return super()._popen(command, **options)

    # -- the storekeeper

    def storekeeper(self, other_than=None):
        """Its pid, as soon as there is one."""
        def find():
            found = [pid for pid in net.children(self.master)
                     if net.command_name(pid) == STOREKEEPER and net.is_alive(pid) and pid != other_than]
            self._seen.update(found)
            return found
        return net.wait_until(find, WAIT_S, "no storekeeper", self.story)[0]

    def states(self):
        """What it said of itself, in order."""
        return re.findall(r"event=store state=(\w+)", self.log())

    def wait_state(self, state, count=1):
        """It has said so for the `count`th time."""
        net.wait_until(lambda: self.states().count(state) >= count, WAIT_S, f"the store is not {state}", self.story)

    def remembered(self, kind=None):
        """Lines of its export: {key: line}."""
        done = self.ctl("store", "export")
        assert done.returncode == 0, (done, self.story())
        lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
        return {line.split("\t")[0]: line for line in lines if kind in (None, line[0])}

    # -- posternctl

    def ctl(self, *arguments, given=None):
        how = {"input": given} if given is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run([POSTERNCTL, "-s", str(self.run / "control"), *arguments], capture_output=True, text=True,
                              timeout=60, **how)

    def ask(self, *arguments):
        done = self.ctl("--json", *arguments)
        assert done.returncode == 0, (done, self.story())
        return json.loads(done.stdout)

    def records(self, kind, *arguments):
        return [record for record in self.ask(*arguments)["records"] if record["kind"] == kind]

    # -- clients

    def connect(self, listener, client=None):
        """A client that comes from there, * being another number each time, since who has delivered twice has a good
        name; None: from 127.0.0.1, without PROXY."""
        address = ("127.0.0.1", self.listeners[listener].port)
        if client is None:
            return Client(address)
        self.neighbours = self.neighbours % 250 + 1
        client = client.replace("*", str(self.neighbours))
        one = Client(address, source=BALANCER)
        family, local = ("TCP6", "::1") if ":" in client else ("TCP4", "127.0.0.1")
        one.send(f"PROXY {family} {client} {local} 40000 25\r\n".encode())
        return one

    def attempt(self, listener, client="192.0.2.*", sender="ann@sender.test", recipient="user@example.org"):
        """The answer to RCPT, or to DATA, or to the message where those were accepted."""
        with self.connect(listener, client) as one:
            one.hello()
            one.ask(f"MAIL FROM:<{sender}>", 250)
            reply = one.command(f"RCPT TO:<{recipient}>")
            if reply.is_positive:
                reply = one.command("DATA")
            if reply.code == 354:
                one.send(CONTENT + b".\r\n")
                reply = one.reply()
            one.quit()
        return reply


def end_well(gates):
    """All of them, also when one does not."""
    faults = []
    for gate in gates:
        try:
            gate.stop()
            gate.check_log()
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)
