"""A real broker that forgets nothing, and a subscriber whose session outlives it."""
import getpass
import signal
import socket
import subprocess
import threading

from fr import PATIENCE, free_port, wait_until


class Mosquitto:
    """In `folder`, which exists; what the subscriber gets is in its file `received`. `options` are those of
    mosquitto_sub that choose topics and form."""

    def __init__(self, folder, client, *options):
        self.folder, self.port, self.client, self.options = folder, free_port(), client, options
        self.received = f"{folder}/received"
        self.broker, self.subscriber = None, None
        with open(f"{folder}/conf", "w") as f:
            f.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
                    f"persistence_location {folder}/\nmax_queued_messages 0\n"
                    f"max_inflight_messages 0\nuser {getpass.getuser()}\n")

    def start(self):
        self.broker = subprocess.Popen(["mosquitto", "-c", f"{self.folder}/conf"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("mosquitto listens", self.listens)
        if self.subscriber is None:
            with open(self.received, "wb") as out:
                self.subscriber = subprocess.Popen(
                    ["mosquitto_sub", "-p", str(self.port), "-i", self.client, "-c", "-q", "1", *self.options],
                    stdout=out, stderr=subprocess.DEVNULL)

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.broker.send_signal(signal.SIGTERM)
        self.broker.wait(30 * PATIENCE)


class OldBroker:
    """A proxy of a real mosquitto that closes connections of MQTT version 5, as old brokers do."""

    def __init__(self, port):
        self.port, self.behind, self.refused = free_port(), port, 0
        self.socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            car = self.socket.accept()[0]
            hello = b""
            while len(hello) < 10 and (got := car.recv(4096)):  # it has the version
                hello += got
            if hello[hello.index(b"MQTT") + 4] == 5:
                self.refused += 1
                car.sendall(b"\x20\x02\x00\x01")
                car.close()
                continue
            broker = socket.create_connection(("127.0.0.1", self.behind))
            broker.sendall(hello)
            for a, b in ((car, broker), (broker, car)):
                threading.Thread(target=self.pass_on, args=(a, b), daemon=True).start()

    @staticmethod
    def pass_on(a, b):
        try:
            while got := a.recv(4096):
                b.sendall(got)
        except OSError:
            pass
        b.close()
