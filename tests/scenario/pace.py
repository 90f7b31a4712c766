"""How late a machine that runs other tests is, measured all the time, so that a test of delays does not
take the machine's delays for the program's.

Every 100 ms a small file is synced, as the journal is, and then an event is sent through Home Assistant
(if one is given), as the program's values are. What both took together is a value's share that the
program did not cause."""
import os
import tempfile
import threading
import time

EVENT = "fleetroute_pace"
INTERVAL = 0.1  # seconds
# A value passes the vehicle, the program's threads, the peer and the test. Each can be as late as a round.
HOPS = 4


class Pace:
    """`home`: a HomeAssistant with its `watch`, a Watch that collects events of the kind EVENT; or None."""

    def __init__(self, home=None, watch=None):
        self.home, self.watch = home, watch
        self.rounds = []  # (begin, number of the event), begin in seconds since 1970
        self.ended = {}  # number: when it had come back
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.measure, daemon=True)

    def __enter__(self):
        self.socket = self.home.open_socket() if self.home else None
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join(10)
        if self.socket:
            self.socket.close()

    def measure(self):
        with tempfile.TemporaryFile() as file:
            while not self.stopped.wait(INTERVAL):
                number = len(self.rounds)
                self.rounds.append((time.time(), number))
                os.pwrite(file.fileno(), bytes(4096), 0)
                os.fdatasync(file.fileno())
                if self.socket:
                    self.socket.command("fire_event", event_type=EVENT, event_data={"number": number})
                else:
                    self.ended[number] = time.time()

    def look(self):
        """Take over the events that the watch has seen."""
        offset = time.time() - time.monotonic()
        for event in list(self.watch.events) if self.watch else ():
            if event["event_type"] == EVENT:
                self.ended.setdefault(event["data"]["number"], event["seen"] + offset)

    def late(self, begin, end):
        """How late, in seconds, the machine may have made what happened between two times: HOPS times the
        longest round that was under way then, if it took longer than a quarter of a second."""
        self.look()
        now = time.time()
        spans = [(at, self.ended.get(number, now)) for at, number in list(self.rounds)]
        longest = max((until - at for at, until in spans if until >= begin and at <= end), default=0)
        return HOPS * longest if longest > 0.25 else 0
