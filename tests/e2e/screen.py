# SPDX-License-Identifier: ISC
"""A terminal for programs that draw on it: a pty, and what a VT100 shows of what they write. Whatever is no VT100's is
a fault of the program: Screen.feed() raises Strange."""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

SEQUENCE = re.compile(r"\x1b(?:\[([?]?)([\d;]*)([A-Za-z])|[()]([AB012])|([78=>MDEcH]))")
WAIT_SECONDS = 20


class Strange(Exception):
    pass


class Screen:
    """The grid of characters; attributes are taken and forgotten."""

    def __init__(self, lines, columns):
        self.row = self.column = 0
        self.saved = (0, 0)
        self.top, self.bottom = 0, lines - 1
        self.pending = ""
        self.resize(lines, columns)

    def resize(self, lines, columns):
        old = getattr(self, "cells", [])
        self.lines, self.columns = lines, columns
        self.cells = [[old[y][x] if y < len(old) and x < len(old[y]) else " " for x in range(columns)]
                      for y in range(lines)]
        self.top, self.bottom = 0, lines - 1
        self.row, self.column = min(self.row, lines - 1), min(self.column, columns - 1)

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.cells)

    def feed(self, text):
        text, self.pending = self.pending + text, ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
                continue
            found = SEQUENCE.match(text, at)
            if not found and len(text) - at < 16:
                self.pending = text[at:]
                return
            if not found:
                raise Strange(repr(text[at:at + 40]))
            self._sequence(*found.groups())
            at = found.end()

    def _put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        elif character == "\b":
            self.column = max(min(self.column, self.columns - 1) - 1, 0)
        elif character == "\t":
            self.column = min(self.column // 8 * 8 + 8, self.columns - 1)
        elif character in "\x0e\x0f\x07":
            pass
        elif not character.isprintable():
            raise Strange(repr(character))
        else:
            if self.column >= self.columns:  # it wraps when the next one comes, not before
                self.column = 0
                self._down()
            self.cells[self.row][self.column] = character
            self.column += 1

    def _down(self):
        if self.row == self.bottom:
            self._scroll(1)
        else:
            self.row = min(self.row + 1, self.lines - 1)

    def _scroll(self, by):
        blank = [" "] * self.columns
        if by > 0:
            del self.cells[self.top]
            self.cells.insert(self.bottom, blank)
        else:
            del self.cells[self.bottom]
            self.cells.insert(self.top, blank)

    def _sequence(self, private, numbers, letter, _charset, single):
        if single == "7":
            self.saved = (self.row, self.column)
        elif single == "8":
            self.row, self.column = self.saved
        elif single == "M" and self.row == self.top:
            self._scroll(-1)
        elif single == "M":
            self.row -= 1
        elif single in ("D", "E"):
            self._down()
        if letter and not private:
            self._control(letter, [int(n or 0) for n in numbers.split(";")])

    def _control(self, letter, n):
        one = n[0] or 1
        if letter == "H":
            self.row = min(one, self.lines) - 1
            self.column = min((n[1] if len(n) > 1 else 1) or 1, self.columns) - 1
        elif letter in "AB":
            self.row = min(max(self.row + (one if letter == "B" else -one), 0), self.lines - 1)
        elif letter in "CD":
            self.column = min(max(self.column + (one if letter == "C" else -one), 0), self.columns - 1)
        elif letter == "J":
            self._erase(n[0])
        elif letter == "K":
            self._erase_line(n[0])
        elif letter == "r":
            self.top, self.bottom = one - 1, (n[1] if len(n) > 1 and n[1] else self.lines) - 1
            self.row = self.column = 0
        elif letter not in "mhl":
            raise Strange(f"CSI {n} {letter}")

    def _erase_line(self, how):
        line = self.cells[self.row]
        begin, end = {0: (self.column, self.columns), 1: (0, self.column + 1), 2: (0, self.columns)}[how]
        line[begin:end] = [" "] * (min(end, self.columns) - begin)

    def _erase(self, how):
        for y in range(self.lines):
            if how == 2 or (how == 0 and y > self.row) or (how == 1 and y < self.row):
                self.cells[y] = [" "] * self.columns
        self._erase_line(how)


class Terminal:
    """A program at its terminal. `raw` is every octet that it wrote."""

    def __init__(self, arguments, lines=24, columns=80, kind="vt100", **environment):
        self.screen = Screen(lines, columns)
        self.raw = b""
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.near, self.far = pty.openpty()
        self._set_size(lines, columns)
        self.settings = termios.tcgetattr(self.far)
        clean = {k: v for k, v in os.environ.items() if k not in ("LINES", "COLUMNS", "LC_ALL", "LANG", "LC_CTYPE")}
        self.process = subprocess.Popen(arguments, stdin=self.far, stdout=self.far, stderr=self.far,
                                        start_new_session=True, preexec_fn=self._take,
                                        env={**clean, "TERM": kind, **environment})

    def _take(self):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def _set_size(self, lines, columns):
        fcntl.ioctl(self.far, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, lines, columns):
        self.screen.resize(lines, columns)
        self._set_size(lines, columns)

    def read(self, seconds=0.05):
        """What comes in this time. False: nothing did."""
        poll = select.poll()
        poll.register(self.near, select.POLLIN)
        if not poll.poll(1000 * seconds):
            return False
        octets = os.read(self.near, 65536)
        self.raw += octets
        self.screen.feed(self.decoder.decode(octets))
        return True

    def type(self, keys):
        os.write(self.near, keys.encode())

    def shows(self, pattern, seconds=WAIT_SECONDS):
        """Waits until it stands on the screen, and returns the match."""
        until = time.monotonic() + seconds
        while not (found := re.search(pattern, self.screen.text(), re.M)):
            assert time.monotonic() < until, f"{pattern!r} is not shown:\n{self.screen.text()}\n{self.raw[-300:]}"
            assert self.read() or self.process.poll() is None, f"it has ended:\n{self.screen.text()}"
        return found

    def shows_no(self, pattern, seconds=WAIT_SECONDS):
        until = time.monotonic() + seconds
        while re.search(pattern, self.screen.text(), re.M):
            assert time.monotonic() < until, f"{pattern!r} is still shown:\n{self.screen.text()}"
            self.read()

    def watch(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.read()

    def ends(self, seconds=WAIT_SECONDS):
        """Its status, when it has ended and all was read."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it does not end:\n{self.screen.text()}"
            self.read()
        while self.read(0):
            pass
        return self.process.returncode

    def is_restored(self):
        return termios.tcgetattr(self.far) == self.settings

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.near)
        os.close(self.far)
