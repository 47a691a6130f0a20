# SPDX-License-Identifier: ISC
"""Tables from samples. A ratio is made within one repetition, and the median of these is shown, not the ratio of medians.

samples[load][front] is a list, one for each repetition: a sample, or None where the front failed.
"""
import statistics


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def column(samples, key):
    return [sample[key] if sample else None for sample in samples]


def ratios(samples, others, key="rate"):
    """Against another front in the same repetition."""
    return [a[key] / b[key] for a, b in zip(samples, others) if a and b and b[key]]


def number(value, form):
    return "-" if value is None else format(value, form)


def row_of(samples, fronts, name):
    mine = samples[name]
    to_direct = ratios(mine, samples.get("direct", []))
    to_haproxy = ratios(mine, samples.get("haproxy", []))
    spread = f"[{min(to_direct):.3f}..{max(to_direct):.3f}]" if to_direct else ""
    cells = [f"{name:10}", number(median(column(mine, "messages")), "8.0f"),
             number(median(column(mine, "rate")), "10.1f"), number(median(to_direct), "8.3f"), f"{spread:>16}",
             number(median(to_haproxy), "10.3f"), number(median(column(mine, "front_ms")), "10.3f"),
             number(median(column(mine, "sink_ms")), "9.3f"), number(median(column(mine, "load_ms")), "9.3f"),
             number(100 * (median(column(mine, "foreign")) or 0), "8.0f") + "%"]
    return " ".join(cells)


HEAD = (f"{'front':10} {'messages':>8} {'rate':>10} {'ratio':>8} {'[min..max]':>16} {'to haproxy':>10} "
        f"{'front CPU':>10} {'sink CPU':>9} {'load CPU':>9} {'foreign':>9}")


def rates(load, samples, failures):
    """The table of one load: rate in the load's unit, ratios to direct and to HAProxy, CPU in seconds for 1,000."""
    lines = [f"{load.NAME}: {load.TITLE}; rate in {load.UNIT}, CPU in seconds for 1,000 messages", HEAD]
    for name in samples:
        if any(samples[name]):
            lines.append(row_of(samples, samples, name))
        if name in failures:
            lines.append(f"{name:10} FAILED: {failures[name]}")
    return "\n".join(lines) + "\n"
