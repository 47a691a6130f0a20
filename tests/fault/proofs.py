# SPDX-License-Identifier: ISC
"""The proofs: for each flaw of wrong.py, cells of the matrix in which the judge must find the law that it breaks; and
all those cells with the correct proxy, where it must find nothing."""
import itertools

import faults_inside as inside_faults
import faults_outside as outside_faults
from cases import Cell, Lane, Result, limits_of, run_cell
from faults_inside import lockstep
from faults_outside import by_data
from inside import Inside
from judge import Limits, Violation
from wrong import Proxy

SECONDS = 1.5


def inside(fault, step, way=lockstep, kind="mail"):
    return inside_faults.cell(kind, "in step", way, step, fault)


def outside(fault, place):
    return outside_faults.cell("in step", by_data, place, fault)


def hang_up(how="FIN"):
    return outside_faults.leaves_after_dot(how, by_data, None)


def two_servers():
    return Cell("inside, in step: FIN at dot", "two", inside("FIN", "dot").play, {"dot": inside_faults.close})


# flaw: (what it does, laws of which one must be found, cells)
FLAWS = {
    "acknowledges early": ("says 250 before inside answered the dot", {"L1"}, lambda: [inside("451", "dot")]),
    "ends on EOF": ("takes the end of the connection for the end of the message", {"L2"},
                    lambda: [outside("FIN", "body"), outside("FIN", "dot")]),
    "replays": ("sends a message again that inside may have", {"L1"}, lambda: [inside("FIN", "dot")]),
    "next server": ("sends it to the next server instead", {"L1"}, lambda: [two_servers()]),
    "ends on time-out": ("takes a client's silence for the end of its message", {"L2"},
                         lambda: [outside("stall", "dot")]),
    "drops an octet": ("loses an octet of the message", {"L10"}, lambda: [outside("NOOP before", "MAIL")]),
    "late replies": ("keeps a connection whose answer was late, and takes it for the next", {"L1"},
                     lambda: [inside("late", "MAIL"), inside("late", "RCPT 1")]),
    "takes unasked words": ("takes what nobody asked for as an answer", {"L1"},
                            lambda: [inside("babble 550", "MAIL"), inside("twice", "RCPT 1")]),
    "any class": ("takes 354 for a yes to MAIL", {"L1"}, lambda: [inside("lie 354", "MAIL")]),
    "deaf to refusals": ("says the dot though inside spoke before", {"L1"}, lambda: [inside("451", "data")]),
    "another connection": ("goes on with a transaction on a new connection", {"L1"}, lambda: [inside("FIN", "RCPT 2")]),
    "permanent": ("says 5yz for its own trouble", {"L1"}, lambda: [inside("FIN", "MAIL"), inside("RST", "dot")]),
    "passes bare LF": ("lets a bare LF through", {"L3"}, lambda: [outside("bare LF", "body")]),
    "unstuffs": ("takes the dots away and puts none back", {"L3", "L10"}, lambda: [outside("NOOP before", "RCPT 1")]),
    "hears too much": ("goes on with a client that does not wait", {"L6"},
                       lambda: [outside("does not wait", "EHLO"), outside("does not wait", "DATA")]),
    "unparsed": ("passes a command on as it came", {"L4"}, lambda: [outside_faults.sloppy()]),
    "mixes": ("puts octets of one session into the next", {"L8"}, lambda: [outside("NOOP before", "MAIL")]),
    "keeps the worker": ("does not notice a hang-up while inside thinks", {"L9"},
                         lambda: [outside_faults.leaves_while_inside_thinks("FIN", "MAIL")]),
    "mixes replies": ("tells one client what was said to another", {"L8"}, lambda: [outside("NOOP before", "MAIL")]),
    "takes every recipient": ("says yes to a recipient that inside refused", {"L1"}, lambda: [inside("554", "RCPT 2")]),
    "waits for ever": ("has no deadline for inside's answer", {"L9"}, lambda: [inside("stall", "MAIL")]),
    "two replies": ("answers RSET twice", {"L9"}, lambda: [inside("554", "MAIL")]),
    "sulks": ("takes no mail any more after a fault", {"I6"}, lambda: [inside("RST", "MAIL")]),
    "hides the doubt": ("logs a refusal where inside may have the message", {"I7"}, lambda: [inside("FIN", "dot")]),
    "hides the unheard": ("logs nothing of an answer that nobody heard", {"I7"}, lambda: [hang_up(), hang_up("RST")]),
}
LONG_SECONDS, HANG_UP_SECONDS = 6, 3  # of the patient lane: the proxy's patience, and what the judge allows
REPLY_SECONDS = 5  # the outside waits no longer: each answer is due sooner


def lane_of(cell, flaws=()):
    """A proxy and its insides for one cell."""
    insides = [Inside(f"in{'ab'[n]}") for n in range(2 if cell.kind == "two" else 1)]
    is_patient = cell.kind == "patient"
    seconds = LONG_SECONDS if is_patient else SECONDS
    proxy = Proxy([i.address for i in insides], seconds, flaws)
    limits = Limits(hang_up=HANG_UP_SECONDS) if is_patient else limits_of(seconds)
    return proxy, Lane(cell.kind, proxy.address, insides, proxy.lines_of, limits, REPLY_SECONDS)


def run_with(cell, flaws=()):
    proxy, lane = lane_of(cell, flaws)
    try:
        return run_cell(cell, lane)
    finally:
        proxy.stop()
        for server in lane.insides:
            server.stop()


class Proof:
    """`name`, and run() -> Result; for the runner it is as a Cell."""
    group = "proofs"


class FlawProof(Proof):
    def __init__(self, flaw):
        self.flaw, self.name = flaw, f"proofs: {flaw} ({FLAWS[flaw][0]})"

    def run(self):
        _, laws, cells = FLAWS[self.flaw]
        results = [run_with(cell, {self.flaw}) for cell in cells()]
        found = list(itertools.chain(*(r.violations for r in results)))
        missing = [] if any(v.law in laws for v in found) else \
            [Violation("tester", self.name, f"broke {' or '.join(sorted(laws))}, and the judge found "
                                            f"{', '.join(map(str, found)) or 'nothing'}")]
        last = results[-1]
        return Result(self, missing, last.events, last.began, sum(r.seconds for r in results))


class CorrectProof(Proof):
    """Nothing is found where nothing is wrong."""

    def __init__(self, cell, flaw):
        self.cell, self.name = cell, f"proofs: nothing found without \"{flaw}\", {cell.name}"

    def run(self):
        result = run_with(self.cell)
        return Result(self, result.violations, result.events, result.began, result.seconds)


def proofs():
    return [*map(FlawProof, FLAWS), *(CorrectProof(cell, flaw) for flaw, (_, _, cells) in FLAWS.items()
                                      for cell in cells())]
