# SPDX-License-Identifier: ISC
"""The wall clock of one posternd, which a test sets (wall_clock.c)."""
import mmap
import os
import struct
import time

import postern as postern_program

LIBRARY = postern_program.BUILD + "/wall_clock.so"


class WallClock:
    """Of the posternd that is started with it: so many seconds ahead of ours."""

    def __init__(self, directory):
        assert os.path.exists(LIBRARY), f"{LIBRARY} is missing: build it first (make tests)"
        self.path = str(directory / "ahead")
        with open(self.path, "wb") as f:
            f.write(bytes(mmap.PAGESIZE))
        os.chmod(self.path, 0o644)
        with open(self.path, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), mmap.PAGESIZE)
        self.ahead = 0

    def environment(self):
        """What a program has to be started with, beside its own."""
        return {"LD_PRELOAD": os.path.abspath(LIBRARY), "WALL_CLOCK": self.path,
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def now(self):
        return time.time() + self.ahead

    def go_on(self, seconds):
        self.ahead += seconds
        struct.pack_into("<q", self._map, 0, self.ahead)
