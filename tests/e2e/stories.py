# SPDX-License-Identifier: ISC
"""Who took part in the running test. When it fails, conftest.py asks each for its story and prints it."""

_tellers = []
ENDS = 6  # of many tellers the first and the last so many are heard
SHOWN = 160  # octets of one piece of a transcript


def add(teller):
    _tellers.append(teller)


def forget():
    _tellers.clear()


def tell():
    parts = []
    told = _tellers if len(_tellers) <= 2 * ENDS else _tellers[:ENDS] + _tellers[-ENDS:]
    for teller in told:
        try:
            parts.append(teller.story())
        except Exception as error:  # a story that fails must not hide why the test failed
            parts.append(f"--- no story of {teller}: {error!r}")
    return "\n".join(parts)


def shown(octets):
    octets = bytes(octets)
    if len(octets) <= SHOWN:
        return repr(octets)[1:]
    half = SHOWN // 2
    return f"{repr(octets[:half])[1:]} .. {len(octets)} octets .. {repr(octets[-half:])[1:]}"
