# SPDX-License-Identifier: ISC
"""From events to meaning: views() of the connections of both sides, read_log() of Postern's lines. Pure; shares nothing
with Postern."""
import re
from typing import NamedTuple

from reading_inside import inside_of
from reading_outside import outside_of
from witness import INSIDE, OUTSIDE, POSTERN

FIELD = re.compile(r'([a-z_0-9]+)=("(?:\\.|[^"\\])*"|[^ ]*)')


class LogLine(NamedTuple):
    at: float
    event: str
    session: str
    fields: dict
    text: str


def read_log(events):
    found = []
    for event in events:
        if event.side != POSTERN or event.kind != "log":
            continue
        text = event.octets.decode("utf-8", "replace")
        fields = {name: _plain(value) for name, value in FIELD.findall(text)}
        found.append(LogLine(event.at, fields.get("event", ""), fields.get("session", ""), fields, text))
    return found


def _plain(value):
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def views(events, limits):
    """(outside views, inside views), each in the order in which the connections began."""
    def split(side):
        names = list(dict.fromkeys(e.connection for e in events if e.side == side))
        return [(name, [e for e in events if e.side == side and e.connection == name]) for name in names]

    return ([outside_of(name, its) for name, its in split(OUTSIDE)],
            [inside_of(name, its, limits) for name, its in split(INSIDE)])
