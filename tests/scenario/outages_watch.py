"""The delays of all sinks between two looks, printed."""


def p99(before, after):
    """Of the delays counted in between, from their classes, in ms."""
    classes = [(int(k) if k != "more" else 999999, after[k] - before[k]) for k in after]
    total, seen = sum(n for _, n in classes), 0
    for bound, n in classes:
        seen += n
        if total and seen >= 0.99 * total:
            return bound
    return None


class Watch:
    """Delays of every sink, for the time between two looks."""

    def __init__(self, d):
        self.d, self.last = d, d.status()["sinks"]

    def look(self, what):
        now = self.d.status()["sinks"]
        print(f"{what:14}", {name: p99(self.last[name]["delay_ms"], now[name]["delay_ms"])
                             for name in now}, "ms p99,", self.d.max_kb, "kB")
        self.last = now
