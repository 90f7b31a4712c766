"""What the fake peers have in common: a listener, a thread that accepts, and an end without leftovers."""
import socket
import threading


class FakePeer:
    """Serves one connection at a time. A subclass has _accept(), which ends when `stopped` is set after
    an accept(); it calls listen() when all that _accept() needs is there."""

    def listen(self):
        self.client, self.stopped = None, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The thread ends before the descriptor is closed: else it could accept from the next listener.
        self.stopped = True
        self.hang_up()
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            pass
        self.thread.join()
        self.listener.close()

    def hang_up(self):
        client = self.client
        if client:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
