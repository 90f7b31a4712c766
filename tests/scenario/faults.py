"""Inject disk faults and a shifted clock into a daemon with the preloaded libraries of tests/fault_io."""
import os

from fr import BUILD


class Faults:
    """Fault injection for one daemon; create it before the daemon starts. set() makes the given calls fail
    from now on, clear() ends that; clock() sets the daemon's wall clock ahead."""

    def __init__(self, d):
        self.path, self.clock_path = d.path("faults"), d.path("clock")
        libraries = f"{BUILD}/.libs/fault_io.so {BUILD}/.libs/shifted_clock.so"
        d.environment = {**os.environ, "LD_PRELOAD": libraries, "FR_FAULT_IO": self.path,
                         "FR_SHIFTED_CLOCK": self.clock_path}

    @staticmethod
    def replace(path, text):
        with open(path + ".new", "w") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def set(self, *rules):
        self.replace(self.path, "".join(rule + "\n" for rule in rules))

    def clear(self):
        self.set()

    def clock(self, ahead_s):
        self.replace(self.clock_path, f"{ahead_s}\n")
