"""A SUB socket of pyzmq, as consumers of Tesla's server use it."""
import json
import os
import sys
import threading

try:
    import zmq
except ImportError:  # Debian's python3-zmq is for Debian's Python
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    print("skipped: pyzmq is needed: apt install python3-zmq")
    sys.exit(77)


class Subscriber:
    """A SUB socket; receives on a thread, as consumers do."""

    def __init__(self, port, topics=("",), keys=None, read=True):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        self.socket.linger = 0
        if keys:
            self.socket.curve_serverkey, self.socket.curve_publickey, self.socket.curve_secretkey = keys
        for topic in topics:
            self.socket.subscribe(topic)
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        self.messages, self.ended = [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.reads = read
        if read:
            self.thread.start()

    def run(self):
        while not self.ended:
            if self.socket.poll(20):
                self.messages.append(self.socket.recv_multipart())

    def topics(self):
        return [topic.decode() for topic, _ in list(self.messages)]

    def records(self):
        return [json.loads(payload) for _, payload in list(self.messages)]

    def close(self):
        self.ended = True
        if self.reads:
            self.thread.join()
        self.context.destroy(linger=0)
