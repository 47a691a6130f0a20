# SPDX-License-Identifier: ISC
"""The cells of the machine's faults, and who runs them: side by side, each thread with a posternd of its own.

    threads = machine.start(machine.cells(), "build/plain", results)

A Result is as in cases.py, and may say why its cell was skipped: a facility that this machine lacks.
"""
import os
import queue
import threading
import time

import machine_calls as calls
import machine_hostile as hostile
import machine_kills as kills
import machine_limits as limits
import machine_log as log
import machine_master as master
import machine_rig as rig
import machine_signals as signals
import machine_tls as tls
import machine_upgrades as upgrades

WIDTH = 6


class Cell:
    """play(house), or play() where it has a house of its own. `plain`: not with sanitizers, which end a process that
    gets no memory, and handle SEGV themselves."""

    def __init__(self, name, play, own=False, plain=False):
        self.name, self.play, self.own, self.plain = name, play, own, plain

    @property
    def group(self):
        return self.name.split(":")[0]


class Result:
    events, began = (), 0  # the violation's words tell the story

    def __init__(self, cell, violations, seconds, skipped=None):
        self.cell, self.violations, self.seconds, self.skipped = cell, violations, seconds, skipped


def _bind(function, *arguments):
    return lambda *house: function(*house, *arguments)


def _fresh(function, *arguments, options=()):
    """In a house of its own, which takes longer to recover than the next cell should have to wait."""
    def play():
        with rig.House(*options) as house:
            function(house, *arguments)
    return play


# -- the cells

def _call_cells(rows, how, words, *more):
    return [Cell(f"calls: {call} fails with {error}, {words}", _bind(how, call, error, *more))
            for call, errors in rows.items() for error in errors]


def _master_cells(rows):
    return [Cell(f"master: {call.split(',')[0].lstrip('?')} fails with {error} in a reload, each in turn",
                 _bind(master.reload, call, error))
            for call, errors in rows.items() for error in errors]


def _birth_cells(rows):
    return [Cell(f"births: {call.split(',')[0].lstrip('?')} fails with {error} in a worker that is made, each in turn",
                 _fresh(master.birth, call, error, options=master.BIRTH_OPTIONS), own=True, plain=True)
            for call, errors in rows.items() for error in errors]


def _tls_cells(rows, words, *more):
    return [*(Cell(f"TLS: {call} fails with {error}, {words}", _bind(tls.fails, call, error, *more), own=True)
              for call, errors in rows.items() for error in errors),
            Cell("TLS: no random numbers", tls.no_random, own=True)]


def _fork_cells(errors):
    return [*(Cell(f"master: no fork, {e}", _bind(master.no_forks, e)) for e in errors),
            Cell("master: wait fails", _bind(master.no_burial, "EINTR"))]


def _limit_cells():
    rows = [("workers' descriptors", limits.worker_descriptors, limits.EXTRAS, False),
            ("the master's descriptors", limits.master_descriptors, limits.EXTRAS, False),
            ("workers' memory", limits.worker_memory, limits.MEMORY_EXTRAS, True)]
    return [*(Cell(f"limits: {what}, {extra} left", _bind(function, extra), plain=plain)
              for what, function, extras, plain in rows for extra in extras),
            *(Cell(f"limits: the master's memory, {extra} left", _fresh(limits.master_memory, extra), own=True,
                   plain=True) for extra in limits.MEMORY_EXTRAS),
            Cell("limits: one worker's descriptors", limits.one_worker_without),
            Cell("limits: processes", limits.no_more_processes),
            Cell("limits: one is killed for memory", _fresh(limits.out_of_memory), own=True),
            Cell("limits: disk full", limits.disk_full, own=True),
            Cell("limits: disk full at the start", limits.disk_full_at_start, own=True)]


def _log_cells(names):
    return [Cell(f"syslog: {name}", _bind(log.syslog, name), own=True) for name in names]


def _signal_cells(steps, fatal):
    def cells(who, function, name, some, fresh=False):
        make = _fresh if fresh else _bind
        return [Cell(f"signals: {name} for {who}, {step}", make(function, step, name), own=fresh,
                     plain=name == "SEGV") for step in some]

    return [*(cell for name in fatal for cell in cells("the worker", signals.worker_dies, name, steps)),
            *cells("a worker", signals.worker_stops, "STOP", steps),
            *(cell for name in fatal for cell in cells("the housekeeper", signals.housekeeper_dies, name, steps, True)),
            *cells("the housekeeper", signals.housekeeper_stops, "STOP", steps),
            *cells("the master", signals.master_stops, "STOP", steps),
            *(cell for name in fatal for cell in cells("the master", signals.master_dies, name, steps, True))]


def _hostile_cells(rounds):
    return [Cell(f"hostile: workers scribble over all that they can write, {rounds} rounds",
                 _bind(hostile.scribblers, rounds), own=True),
            Cell("hostile: workers try what the sandbox refuses", _bind(hostile.refused), own=True, plain=True),
            *(Cell(f"hostile: each worker dies as soon as it is made, {ending}", _bind(hostile.dies_young, ending),
                   own=True) for ending in hostile.YOUNG)]


def _kill_cells(seconds):
    return [Cell(f"kills: workers killed at random under load, {seconds} s", _bind(kills.under_load, seconds), own=True)]


def _upgrade_cells(seconds):
    return [Cell(f"upgrades: upgrades and reloads without a pause under load, {seconds} s",
                 _bind(upgrades.under_load, seconds), own=True)]


def cells():
    return [*_call_cells(calls.CALLS, calls.each_once, "each in turn"),
            *_call_cells(calls.LASTING, calls.from_then_on, "from one on"),
            *_tls_cells(tls.CALLS, "each in turn"), *_master_cells(master.RELOAD), *_birth_cells(master.BIRTH),
            *_fork_cells(("EAGAIN", "ENOMEM")), *_limit_cells(), *_log_cells(log.FAULTS),
            *_signal_cells(signals.STEPS, signals.FATAL), *_hostile_cells(100000),
            *_kill_cells(60), *_upgrade_cells(60)]


SHORT_CALLS = {"accept4": ("EMFILE", "ECONNABORTED"), "connect": ("EADDRNOTAVAIL",), "poll": ("EINTR", "ENOMEM"),
               "recvfrom": ("EINTR",), "sendto": ("EINTR",), "socket": ("EMFILE",), calls.LOG: ("ENOSPC",)}
SHORT_TLS = {"recvfrom": ("EINTR",)}
SHORT_RELOAD = {"pipe2": ("EMFILE",), master.FORK: ("EAGAIN",)}
SHORT_STEPS = ("connected", "half", "EHLO 2", "dot", signals.AFTER)


def short_cells():
    """What waits for no time-out."""
    return [*_call_cells(SHORT_CALLS, calls.each_once, "one in four", 4), *_master_cells(SHORT_RELOAD),
            *_tls_cells(SHORT_TLS, "one in four", 4), *_fork_cells(("EAGAIN",)),
            *(cell for cell in _limit_cells() if "workers' descriptors, 0" not in cell.name),
            *_log_cells(("stopped", "away")), *_signal_cells(SHORT_STEPS, ("KILL",)), *_hostile_cells(5000), *_kill_cells(6),
            *_upgrade_cells(5)]


# -- running them

def start(some, build, results):
    """Threads that append to `results`; join them."""
    if some and os.geteuid() != 0:
        why = f"{len(some)} cells: only root sees what a process does that cannot be dumped"
        results.append(Result(Cell("machine: all of its faults", None), [], 0, why))
        return []
    rig.use_build(build)
    if rig.postern.SANITIZED:
        left_out = sum(cell.plain for cell in some)
        some = [cell for cell in some if not cell.plain]
        print(f"left out: {left_out} cells of the machine's faults, which are for the build without sanitizers")
    waiting, lock = queue.SimpleQueue(), threading.Lock()
    for cell in sorted(some, key=lambda cell: cell.own):
        waiting.put(cell)

    def add(result):
        with lock:
            results.append(result)

    threads = [threading.Thread(target=_work, args=(waiting, add), daemon=True) for _ in range(min(WIDTH, len(some)))]
    for thread in threads:
        thread.start()
    return threads


def _work(waiting, add):
    """Cells until there are none, in a house that is built anew after a violation; how it ends is a cell, too."""
    house = None
    while True:
        try:
            cell = waiting.get_nowait()
        except queue.Empty:
            break
        began = time.monotonic()
        try:
            if not cell.own and house is None:
                house = rig.House()
            cell.play(*([] if cell.own else [house]))
            add(Result(cell, [], time.monotonic() - began))
        except rig.Skip as why:
            add(Result(cell, [], time.monotonic() - began, str(why)))
        except Exception as fault:  # of the tester's as well: never taken for a pass
            add(Result(cell, [f"{type(fault).__name__}: {fault}"], time.monotonic() - began))
            house = _leave(house) if not cell.own else house
    if house:
        began = time.monotonic()
        fault = _close(house)
        add(Result(Cell("machine: a gate ends in order", None), [fault] if fault else [], time.monotonic() - began))


def _leave(house):
    """After a violation nothing is expected of it."""
    if house:
        _close(house)


def _close(house):
    try:
        house.close()
    except Exception as fault:
        return f"{type(fault).__name__}: {fault}"
    return None

