# SPDX-License-Identifier: ISC
"""Tables from samples. A ratio is made within one repetition; the median of these is shown, not the ratio of medians.

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
    """In a column: a value that there is none of takes as much room."""
    return format(value, form) if value is not None else " " * (int(form.split(".")[0]) - 1) + "-"


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
    return " ".join(cells) + resumed(mine)


def resumed(samples):
    shares = [sample["resumed"] / sample["messages"] for sample in samples if sample and sample.get("resumed")]
    return f"  {100 * statistics.median(shares):.0f}% resumed" if shares else ""


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


TIMES_HEAD = (f"{'front':10} {'sessions':>8} {'banner 50%':>11} {'99%':>8} {'message 50%':>12} {'99%':>8} "
              f"{'session 50%':>12} {'99%':>8} {'to direct':>10} {'to haproxy':>11} {'foreign':>9}")


def flat(samples, key="session_us", part="p50"):
    """The same samples with one of their times as a value of its own."""
    return [{key: sample[key][part]} if sample else None for sample in samples]


def times_row(samples, name):
    mine = samples[name]
    cells = [f"{name:10}", number(median(column(mine, "messages")), "8.0f")]
    for key, width in (("banner_us", 11), ("message_us", 12), ("session_us", 12)):
        for part in ("p50", "p99"):
            value = median(column(flat(mine, key, part), key))
            cells.append(number(value, f"{width if part == 'p50' else 8}.0f"))
    for other, width in (("direct", 10), ("haproxy", 11)):
        against = ratios(flat(mine), flat(samples.get(other, [])), "session_us")
        cells.append(number(median(against), f"{width}.2f"))
    cells.append(number(100 * (median(column(mine, "foreign")) or 0), "8.0f") + "%")
    return " ".join(cells)


def times(load, samples, failures):
    lines = [f"{load.NAME}: {load.TITLE}; microseconds from connect() to the 220, to the message's 250, to the 221",
             TIMES_HEAD]
    for name in samples:
        if any(samples[name]):
            lines.append(times_row(samples, name))
        if name in failures:
            lines.append(f"{name:10} FAILED: {failures[name]}")
    return "\n".join(lines) + "\n"


BODY = {"text": "lines of 70 octets", "base64": "base64 in lines of 76", "long": "one long line",
        "dots": "lines of 70 octets, each begins with a dot", "short": "lines of 10 octets"}


def body(rates):
    lines = ["body: the scanner of message bodies alone, on one processor; GB/s"]
    lines += [f"{BODY[name]:45} {rate:8.2f}" for name, rate in rates.items()]
    return "\n".join(lines) + "\n"


NOISE = 0.1


def noise(every):
    """Of all samples: could anything be measured?"""
    shares = [sample["foreign"] for load in every.values() for samples in load.values() for sample in samples if sample]
    loud = sum(share > NOISE for share in shares)
    if not loud:
        return f"foreign share at most {100 * max(shares, default=0):.0f}% in each of {len(shares)} runs"
    return (f"NOISE: others used more than {100 * NOISE:.0f}% of the machine in {loud} of {len(shares)} runs: do not "
            "trust rates and times")
