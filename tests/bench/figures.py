# SPDX-License-Identifier: ISC
"""The figures that Postern is to reach, each with what was measured in this run, and whether it holds."""
import report

LOADS = ("w1", "w2", "w3", "w4")
TLS_LOADS = ("tls-full", "tls-resume")
PEERS = ("nginx", "postfix")  # those that speak SMTP


class Found:
    """All that was measured; every question gives None where it was not."""

    def __init__(self, samples, body):
        self.samples, self.body = samples, body

    def of(self, load, front):
        return self.samples.get(load, {}).get(front, [])

    def has(self, front):
        return any(front in samples for samples in self.samples.values())

    def against(self, load, front, key="rate"):
        """Postern's by that front's, in the same repetition; the median."""
        return report.median(report.ratios(self.of(load, "postern"), self.of(load, front), key))

    def between(self, load, front, other, key="rate"):
        return report.median(report.ratios(self.of(load, front), self.of(load, other), key))

    def value(self, load, front, key):
        return report.median(report.column(self.of(load, front), key))

    def time_against(self, front):
        mine, others = (report.flat(self.of("times", name)) for name in ("postern", front))
        return report.median(report.ratios(mine, others, "session_us"))


def at_least(bound):
    return f">= {bound:g}", lambda value: value >= bound, lambda value: bound - value


def at_most(bound):
    return f"<= {bound:g}", lambda value: value <= bound, lambda value: value - bound


def above(bound):
    return f"> {bound:g}", lambda value: value > bound, lambda value: bound - value


def every(found):
    """(what, the bound, the value, its unit)"""
    for load in LOADS:
        yield f"{load}: rate, by HAProxy's", at_least(0.9), found.against(load, "haproxy"), ""
    for load in LOADS:
        for peer in PEERS:
            yield f"{load}: rate, by that of {peer}", above(1), found.against(load, peer), ""
    for load in ("w1", "w2"):
        yield (f"{load}: front CPU, by HAProxy's", at_most(1.5), found.against(load, "haproxy", "front_ms"), "")
    yield "w1: front CPU, by that of nginx", at_most(1), found.against("w1", "nginx", "front_ms"), ""
    yield "w3: front CPU of a 10 MiB message", at_most(16), found.value("w3", "postern", "front_ms"), "ms"
    for load in TLS_LOADS:
        yield f"{load}: front CPU, by that of nginx", at_most(1), found.against(load, "nginx", "front_ms"), ""
        yield f"{load}: front CPU of a session", at_most(1.5), found.value(load, "postern", "front_ms"), "ms"
    yield "times: a whole session, by HAProxy's", at_most(1.2), found.time_against("haproxy"), ""
    for load in (*LOADS, *TLS_LOADS) if found.has("unboxed") else ():
        yield f"{load}: rate, by that without sandbox", at_least(0.95), found.against(load, "unboxed"), ""
        yield f"{load}: front CPU, by the same", at_most(1.05), found.against(load, "unboxed", "front_ms"), ""
    for load in (*LOADS, *TLS_LOADS) if found.has("checked") else ():
        yield f"{load}: rate with all checks, by without", at_least(0.6), found.between(load, "checked", "unchecked"), ""
        # The same without what others do to the machine: what all took together, load, sink and resolver with it.
        yield f"{load}: by CPU of all, without by with", at_least(0.6), found.between(load, "unchecked", "checked",
                                                                                      "all_ms"), ""
    for kind in ("text", "base64"):
        yield f"body: lines of {kind}", at_least(4), found.body.get(kind), "GB/s"


def row(what, bound, value, unit):
    wanted, holds, lack = bound
    verdict = "holds" if holds(value) else f"falls short by {lack(value):.3f}"
    return f"{what:40} {wanted:>8} {value:10.3f} {unit:5} {verdict}"


def table(samples, body):
    """Of those that were measured; how many were not is said, too."""
    figures = list(every(Found(samples, body)))
    lines = [row(*figure) for figure in figures if figure[2] is not None]
    if len(lines) < len(figures):
        lines.append(f"not measured: {len(figures) - len(lines)} of {len(figures)}")
    return "\n".join(["figures to reach", f"{'':40} {'wanted':>8} {'measured':>10}", *lines]) + "\n"
