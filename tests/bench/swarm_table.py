# SPDX-License-Identifier: ISC
"""The swarm's table, and the figures that Postern is to reach beside what was measured.

values[(scenario, senders, front)] is a list of what cells found, one for each repetition, None where one failed;
senders: "known" or "new".
"""
import statistics

import figures

HEAD = (f"{'':3}{'senders':8}{'front':13}{'n':>2} | {'legit/s':>7} {'rel':>5} {'[min-max]':>11} {'refused':>7} "
        f"{'unfin':>5} | {'banner p50/p99':>15} {'delivery p50/p99':>16} {'first':>6} {'2nd on':>6} | {'bots/s':>6} "
        f"{'inside':>6} {'gave up':>7} {'refused':>7} {'held':>5} | {'in.peak':>7} | {'PSS MB':>6} {'cg MB':>6} "
        f"{'each':>5} {'procs':>5} {'CPU':>5} | {'swarm':>5} {'oth':>4} {'load':>5}")
COLUMNS = """\
legit/s: messages delivered a second by 20 senders; rel: by that of the same front when it is calm (S0, known);
refused: their attempts that were refused or dropped, in percent; unfin: attempts that wait at the end; times in ms
from connect() on, those that wait at the end counted with their wait; first: the longest until a sender's first
message was delivered, in seconds; 2nd on: rate from then on, by the calm one; inside: bots' messages that inside took,
gave up: bots whose patience ran out, refused: those refused or dropped, each in percent of all that began; held: bots'
connections, established as they see it, the most at a time; in.peak: connections inside, the most at a time; PSS (3
looks) and control group (cg, with the kernel's memory), the most; each: KiB of the group for one process more; CPU:
cores used by the front, swarm: by the swarm; oth: share of the machine that others used, load: its average."""
PARTS = {"S1": 5.0, "S2": 1.0}  # percent of bots' messages that may come inside
SHARE, P99_MS, FIRST_S, EACH_KIB = 0.95, 200, 60, 160


def median(cells, value):
    found = [value(cell) for cell in cells if cell]
    found = [one for one in found if one is not None]
    return statistics.median(found) if found else None


def by_key(key):
    return lambda cell: cell[key]


def percent(part, whole):
    return lambda cell: 100 * part(cell) / whole(cell) if whole(cell) else 0.0


def failed(cell):
    return cell["refused"] + cell["dropped"] + cell["impatient"]


def attempts(cell):
    return cell["delivered"] + failed(cell) + cell["unfinished"]


def bots_refused(cell):
    return cell["bots_refused"] + cell["bots_dropped"]


REFUSED = percent(failed, attempts)
INSIDE = percent(by_key("bots_in"), by_key("bots"))


class Values:
    def __init__(self):
        self.cells, self.failures = {}, {}

    def add(self, scenario, senders, front, cell):
        self.cells.setdefault((scenario, senders, front), []).append(cell)

    def of(self, scenario, senders, front):
        return self.cells.get((scenario, senders, front), [])

    def calm(self, front, key="rate"):
        return median(self.of("S0", "known", front), by_key(key))

    def relative(self, scenario, senders, front, key="rate"):
        """To the same front when it is calm: of the median, the least, the most."""
        calm = self.calm(front, key) or self.calm(front.split("-")[0], key)
        rates = [cell[key] / calm for cell in self.of(scenario, senders, front) if cell and calm]
        return (statistics.median(rates), min(rates), max(rates)) if rates else (None, None, None)


def number(value, form):
    return format(value, form) if value is not None else "-".rjust(int(form.split(".")[0] or 0))


def pair(cells, name, width):
    p50, p99 = (median(cells, by_key(f"{name}_{part}_ms")) for part in ("p50", "p99"))
    return f"{p50:.1f}/{p99:.0f}".rjust(width)


def row(values, scenario, senders, front):
    cells = [cell for cell in values.of(scenario, senders, front) if cell]
    if not cells:
        return f"{scenario:3}{senders:8}{front:13} FAILED: {values.failures[scenario, senders, front]}"

    def middle(value, form):
        return number(median(cells, value if callable(value) else by_key(value)), form)

    relative, least, most = values.relative(scenario, senders, front)
    spread = f"[{least:.2f}-{most:.2f}]" if relative is not None else ""
    second = values.relative(scenario, senders, front, "rate_from_second")[0]
    return " ".join([
        f"{scenario:3}{senders:8}{front:13}{len(cells):2} |", middle("rate", "7.2f"), number(relative, "5.2f"),
        f"{spread:>11}", middle(REFUSED, "6.0f") + "%", middle("unfinished", "5.0f"), "|", pair(cells, "banner", 15),
        pair(cells, "delivery", 16), middle(lambda cell: cell["first_ms"] / 1000, "6.1f"), number(second, "6.2f"), "|",
        middle(lambda cell: cell["bots"] / cell["seconds"], "6.0f"), middle(INSIDE, "5.1f") + "%",
        middle(percent(by_key("bots_gave_up"), by_key("bots")), "6.0f") + "%",
        middle(percent(bots_refused, by_key("bots")), "6.0f") + "%", middle("held", "5.0f"), "|",
        middle("peak_inside", "7.0f"), "|", middle(lambda cell: cell["pss_kib"] / 1024, "6.0f"),
        middle(lambda cell: cell["group_kib"] / 1024, "6.0f"), middle("kib_each", "5.0f"), middle("processes", "5.0f"),
        middle("cores", "5.2f"), "|", middle(lambda cell: cell["cpu"] / cell["seconds"], "5.2f"),
        middle(lambda cell: 100 * cell["foreign"], "3.0f") + "%", middle("load", "5.1f")])


NOISE, BEHIND = 0.1, 0.98


def noise(values, rates):
    """Could anything be measured? rates: scenario -> bots a second that were asked for."""
    cells = [(scenario, cell) for (scenario, _, _), found in values.cells.items() for cell in found if cell]
    loud = sum(cell["foreign"] > NOISE for _, cell in cells)
    behind = sum(cell["bots"] < BEHIND * rates.get(scenario, 0) * cell["seconds"] for scenario, cell in cells)
    late = max((cell["late_ms"] for _, cell in cells), default=0)
    return (f"others used more than {100 * NOISE:.0f}% of the machine in {loud} of {len(cells)} cells; the swarm fell "
            f"behind its rate in {behind}, and looked away for {late:.0f} ms at most"
            + (": do not trust times" if loud or behind else ""))


# -- the figures to reach

def worst(values, scenario, front, value):
    """Over all cells of a scenario, whoever sends."""
    found = [value(cell) for senders in ("known", "new") for cell in values.of(scenario, senders, front) if cell]
    found = [one for one in found if one is not None]
    return max(found) if found else None


def of_known(values, scenario, front):
    known = values.of(scenario, "known", front)
    yield (f"{scenario} known: rate, by the calm one", figures.at_least(SHARE),
           values.relative(scenario, "known", front)[0], "")
    yield f"{scenario} known: p99 of delivery", figures.at_most(P99_MS), median(known, by_key("delivery_p99_ms")), "ms"


def of_new(values, scenario, front):
    cells = [cell for cell in values.of(scenario, "new", front) if cell]
    if not cells:
        return
    yield f"{scenario} new: attempts refused", figures.at_most(0), max(failed(cell) for cell in cells), ""
    yield f"{scenario} new: senders without a delivery", figures.at_most(0), max(cell["never"] for cell in cells), ""
    yield (f"{scenario} new: the longest delivery", figures.at_most(FIRST_S),
           max(cell["delivery_max_ms"] for cell in cells) / 1000, "s")
    yield (f"{scenario} new: rate from the second on", figures.at_least(SHARE),
           values.relative(scenario, "new", front, "rate_from_second")[0], "")


def of_inside(values, scenario, front, inside_max):
    if scenario in PARTS:
        yield (f"{scenario}: bots' messages inside", figures.at_most(PARTS[scenario]),
               worst(values, scenario, front, INSIDE), "%")
    yield (f"{scenario}: inside's peak", figures.at_most(inside_max),
           worst(values, scenario, front, by_key("peak_inside")), "")


def every(values, main, sizes, inside_max):
    """main: the front's name; sizes: name -> max_workers, for whose memory is looked at."""
    for scenario in ("S1", "S2", "S3"):
        yield from of_known(values, scenario, main)
        yield from of_new(values, scenario, main)
        yield from of_inside(values, scenario, main, inside_max)
    for front, workers in sizes.items():
        each = [worst(values, scenario, front, by_key("kib_each")) for scenario in ("S1", "S2", "S3")]
        most = [worst(values, scenario, front, by_key("processes")) for scenario in ("S1", "S2", "S3")]
        yield (f"max_workers {workers}: memory of each held", figures.at_most(EACH_KIB),
               max((one for one in each if one is not None), default=None), "KiB")
        yield (f"max_workers {workers}: processes", figures.at_most(workers + 2),
               max((one for one in most if one is not None), default=None), "")


def verdicts(*arguments):
    rows = list(every(*arguments))
    lines = [figures.row(*one) for one in rows if one[2] is not None]
    missing = len(rows) - len(lines)
    return "\n".join(["figures to reach", *lines, *([f"not measured: {missing} of {len(rows)}"] if missing else [])])
