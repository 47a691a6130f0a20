# SPDX-License-Identifier: ISC
"""What the faults of the machine happen to: one posternd between the scripted outside and inside, and what must be true
of it once a fault is over."""
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

import net
import postern
from inside import Inside, Script
from judge import Case, Limits, judge
from laws_log import UNHEARD, lines_of
from laws_outside import is_committed
from outside import Outside, is_code, is_yes
from witness import OUTSIDE, POSTERN, Witness

# So short that a wait that ends by time ends soon; no wait of a healthy session is near them.
TIMEOUTS = ("listener.command_timeout=4s", "listener.data_timeout=4s", "listener.message_timeout=8s",
            "backend.connect_timeout=2s", "backend.greeting_timeout=3s", "backend.command_timeout=3s",
            "backend.data_timeout=3s", "backend.block_timeout=3s", "backend.final_timeout=4s")
FEW = ("listener.min_spare=1", "listener.max_spare=2", "listener.max_workers=4")
SETTLE_SECONDS = 10
LONG = (b"x" * 70,) * 2000  # more than any buffer holds
BRISK_SECONDS = 5  # for what waits for nothing; a machine under load may be slow
LIMITS = Limits()
ENDED = ("worker-crashed", "worker-cut")


CONFIGURATION = """
hostname = stand.example.org
probe_interval = 0s
{user}
listener stand {{
    address = "{listen}"
    backend = inside
    policy = permissive
}}
backend inside {{ server one {{ address = "{inside}" }} }}
policy permissive {{ recipient {{ relay_domains = "*" }} }}
"""


class Violation(Exception):
    """A law does not hold."""


class Skip(Exception):
    """This machine lacks what the cell needs."""


def use_build(build):
    """Before the first house. A process that is traced cannot look for leaks."""
    postern.BUILD = os.path.join(postern.ROOT, build)
    postern.POSTERND = postern.BUILD + "/posternd"
    postern.SANITIZED = "sanitize" in build
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"


def demand(truth, complaint):
    if not truth:
        raise Violation(complaint)


class Gate(postern.Postern):
    """At an address that is given, from a file that can be read again."""

    how = "-f"

    def __init__(self, address, inside, *options):
        self.address = address
        self.directory = tempfile.mkdtemp(prefix="postern-fault-")
        os.chmod(self.directory, 0o755)
        self._start(self.command_for(inside, ["backend.pass_client=xclient", *FEW, *TIMEOUTS, *options]))
        self.expects_crashes = True
        try:
            self.wait_ready()
            self.wait_log("event=ready")
        except AssertionError:
            self.process.kill()
            self.process.wait()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def command_for(self, inside, options):
        path = f"{self.directory}/postern.conf"
        user = "user = nobody\ngroup = nogroup" if os.geteuid() == 0 else ""
        with open(path, "w") as f:
            f.write(CONFIGURATION.format(user=user, listen=_spelled(self.address), inside=_spelled(inside)))
        return [postern.POSTERND, self.how, "-c", path, *(word for option in options for word in ("-o", option))]

    def workers(self):
        """Asked often, so of the master's children alone, where the kernel can tell them."""
        try:
            with open(f"/proc/{self.master}/task/{self.master}/children") as f:
                children = [int(pid) for pid in f.read().split()]
        except OSError:
            return super().workers()
        self._seen.update(children)
        return [pid for pid in children if net.command_name(pid) == "posternd" and net.is_alive(pid)]

    def stop(self):
        try:
            super().stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)


class House:
    """One posternd and its two sides. A case begins with play() and ends with settle()."""

    def __init__(self, *options, gate=Gate):
        self.server = Inside()
        self._connections = self._log_read = 0
        try:
            self.gate = gate(("127.0.0.1", net.free_port()), self.server.address, *options)
        except BaseException:
            self.server.stop()
            raise
        self.master = self.gate.master
        try:
            self._begin()
        except BaseException:
            self.__exit__(Violation)
            raise

    def _begin(self):
        for _ in range(4):
            self.pass_clean()
        self.at_rest = {"master": _kinds(self.master),
                        "worker": len(net.descriptors(self.idle_workers()[0]))}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_error):
        """After a violation nothing is expected of it but that it is gone."""
        if kind is None:
            self.close()
            return
        try:
            self.close()
        except Violation:
            pass

    def close(self):
        """posternd has to end well, too."""
        try:
            self.gate.stop()
            self.gate.check_log()
        except AssertionError as fault:
            raise Violation(str(fault)) from None
        finally:
            self.server.stop()

    def play(self, actions=None, always=False):
        self.witness = Witness()
        self.server.play(self.witness, Script(actions, always))

    # -- talking

    def connect(self):
        self._connections += 1
        try:
            return Outside(self.witness, self.gate.address, self._connections)
        except OSError as fault:
            raise Violation(f"nobody can connect: {fault}\n{self.story()}") from None

    def converse(self, long=True):
        """A whole session: one message step by step, a long one pipelined. It goes on after refusals, and ends where
        the connection does. The answers to both dots."""
        outside = self.connect()
        if not self.greet(outside):
            outside.drain()
            outside.close()
            return None, None
        answers = self._message(outside), self._pipelined(outside) if long else None
        outside.quit()
        return answers

    def greet(self, outside):
        return outside.greet()

    def _message(self, outside):
        answer = outside.send(outside.mail())
        if answer is None:
            outside.ask(b"RSET\r\n")
        return answer

    def _pipelined(self, outside):
        mail = outside.mail(recipients=2, lines=LONG)
        outside.say(mail.mail_line + b"".join(mail.rcpt_lines) + b"DATA\r\n")
        replies = [outside.reply() for _ in range(4)]
        if is_code(replies[-1], b"354"):
            return outside.ask(mail.stuffed + b".\r\n")
        outside.ask(b"RSET\r\n")
        return None

    def pass_clean(self):
        """A session in which nothing is seen of what was before it."""
        self.play()
        answer, _ = self.converse(long=False)
        demand(is_yes(answer), f"a clean message does not pass: {answer}\n{self.story()}")
        self.judge()

    def pass_quiet(self):
        """The same where there may be no log."""
        self.play()
        answer, _ = self.converse(long=False)
        demand(is_yes(answer), f"a message does not pass: {answer}\n{self.story()}")

    # -- who is there

    def idle_workers(self):
        """Those there are, when all are at rest."""
        def find():
            workers = self.gate.workers()
            return workers if workers and all(map(net.is_at_rest, workers)) else None
        return net.wait_until(find, SETTLE_SECONDS, "workers do not come to rest", self.gate.story)

    def worker_of(self, outside):
        return net.wait_until(lambda: net.holder_of(self.gate.address[1], outside.port, self.gate.workers()),
                              SETTLE_SECONDS, f"nobody holds the connection of {outside.name}", self.gate.story)

    # -- judging

    def judge(self, lenient=False, must_pass=()):
        """The three witnesses of this case, once its sessions are over. `lenient`: a process ended by force, or lost
        its client's connection or its log; then sessions may end without a word."""
        self._wait_quiet()
        if not lenient:
            self._wait_logged()
        self._take_log()
        self._wait_doubts_said()
        events = self.witness.events()
        faults = [f for f in judge(events, LIMITS, must_pass, lenient) if not _is_doubt_said(f)]
        faults += _unsaid_doubts(events)
        demand(not faults, "\n".join(map(str, faults)) + "\n" + self.story())

    def _wait_quiet(self):
        try:
            net.wait_until(self.server.is_quiet, SETTLE_SECONDS, "connections inside do not end", self.story)
            self.idle_workers()
        except AssertionError as fault:
            raise Violation(str(fault)) from None

    def _wait_logged(self):
        """A datagram takes its time. What never comes the judge will miss."""
        ports = [e.words for e in self.witness.events() if e.side == OUTSIDE and e.kind == "opened"]
        try:
            net.wait_until(lambda: all(f" port={port} " in self.gate.log() for port in ports), 1, "")
        except AssertionError:
            pass

    def _wait_doubts_said(self):
        """Who speaks of a worker that died is the master, once it has heard of it. What it never says is judged."""
        def are_said():
            self._take_log()
            return not any(_unsaid_doubts(self.witness.events()))
        try:
            net.wait_until(are_said, SETTLE_SECONDS, "")
        except AssertionError:
            pass

    def _take_log(self):
        lines = self.gate.log().encode().splitlines()
        for line in lines[self._log_read:]:
            self.witness.add(POSTERN, "", "log", line)
        self._log_read = len(lines)

    def settle(self, clean=2, **how):
        """After a fault: judged, the master is who it was, clean messages pass, nothing is left open."""
        self.judge(**how)
        demand(net.is_alive(self.master) and self.gate.master == self.master, "the master is another, or gone")
        for _ in range(clean):  # as many as there are workers that may have had the fault
            self.pass_clean()
        self._demand_rest()

    def _demand_rest(self):
        try:
            net.wait_until(lambda: _kinds(self.master) == self.at_rest["master"], SETTLE_SECONDS, "more")
        except AssertionError:
            raise Violation("the master holds other descriptors than before\n"
                            f"{self.at_rest['master']}\n{_kinds(self.master)}") from None
        for pid in self.idle_workers():
            try:
                count = len(net.descriptors(pid))
            except OSError:
                continue  # it left meanwhile
            demand(count <= self.at_rest["worker"], f"worker {pid} at rest holds {net.descriptors(pid)}")

    def story(self):
        return "\n".join([self.witness.story(), self.gate.story()])


def _is_doubt_said(fault):
    """What the gate could not hear is "unknown" to it, whatever inside had said: that is the log's way to say so."""
    return fault.law == "I7" and fault.words.startswith("verdict=unknown")


def _unsaid_doubts(events):
    """Messages that inside has and the client does not know of, of which no line of the log speaks."""
    case = Case(events, LIMITS, (), True)
    crashed = any(line.event in ENDED and line.fields.get("phase") == "commit" for line in case.log)
    for view in case.outside:
        for mail in view.transactions:
            has = any(is_committed(m) and m.ended_at for _, m in case.messages_of(mail.mark))
            if has and not (mail.answer and mail.answer.code // 100 == 2) and not crashed:
                if not any(l.fields.get("verdict") == "unknown" or l.fields.get("reason") == UNHEARD
                           for l in lines_of(case, mail)):
                    yield f"I7 message {mail.mark}: inside has it, the client does not know, and no line says so"


def _kinds(pid):
    """What its descriptors point at, whichever pipe or socket that is."""
    return sorted(re.sub(r":\[\d+\]", "", target) for target in net.descriptors(pid))


def _spelled(address):
    return f"{address[0]}:{address[1]}"
