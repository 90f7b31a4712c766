"""What the fake peers have in common: a listener, a thread that accepts, and an end without leftovers."""
import socket
import threading


class FakePeer:
    """Serves one connection at a time, with _one(client, stream) of the subclass, which calls listen() when
    all that _one() needs is there."""

    BUFFER = 1 << 18
    ENDS = (OSError, EOFError, ValueError)  # what may end a connection

    def listen(self):
        self.client, self.stopped = None, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.stopped:
                client.close()
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve_client(client)

    def _serve_client(self, client):
        try:
            self._one(client, client.makefile("rb", buffering=self.BUFFER))
        except self.ENDS:
            pass
        client.close()

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
