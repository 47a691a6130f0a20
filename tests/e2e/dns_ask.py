# SPDX-License-Identifier: ISC
"""Postern's own side of DNS by itself: dns-ask (tests/ask/ask.c), which asks by workers/lookups and workers/dns."""
import re
import subprocess

import postern as postern_program

PROGRAM = postern_program.BUILD + "/dns-ask"
AT_ONCE, IN_TURN, LOOP = 0, 1, 2
SECONDS = 60


class Answer:
    def __init__(self, kind, name, status, cut, late, ms):
        self.kind, self.name, self.status = kind, name, status
        self.cut, self.late, self.ms = cut == "1", late == "1", int(ms)
        self.records = []

    def __repr__(self):
        return f"{self.kind} {self.name}: {self.status} {self.records} cut={self.cut} late={self.late} {self.ms} ms"


class Asked:
    """`questions` are (type, name); the answers are in .of[name]."""

    def __init__(self, servers, questions, way=AT_ONCE, try_ms=2000, deadline=10000, rounds=1):
        servers = [servers] if isinstance(servers, tuple) else servers
        command = [PROGRAM, f"way={way}", f"try={try_ms}", f"deadline={deadline}", f"rounds={rounds}",
                   *(f"server={host}:{port}" for host, port in servers), *("/".join(one) for one in questions)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
        self.said = done.stdout
        assert done.returncode == 0 and not done.stderr, f"{command}: {done.returncode}\n{done.stderr}\n{done.stdout}"
        assert "twice " not in done.stdout, done.stdout
        self.of = {}
        for line in done.stdout.splitlines():
            self._take(line)

    def _take(self, line):
        answer = re.fullmatch(r"answer (\w+) (.*) status=(.*) count=\d+ cut=(.) late=(.) ms=(\d+)", line)
        record = re.fullmatch(r"record \w+ (\S+) (.*)", line)
        if answer:
            kind, name, *rest = answer.groups()
            self.of[name] = Answer(kind, name, *rest)
        elif record:
            self.of[record.group(1)].records.append(record.group(2))
        else:
            totals = dict(re.findall(r"(\w+)=(\d+)", line))
            self.ms, self.waited = int(totals["ms"]), int(totals["waited"])
            self.descriptors = tuple(int(totals[word]) for word in ("before", "during", "after"))

    def statuses(self):
        return {answer.status for answer in self.of.values()}
