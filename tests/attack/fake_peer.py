"""Base class of the fake peers: a listener and a thread that accepts and serves connections."""
import socket
import threading


class FakePeer:
    """Serves one connection at a time with _one(client, stream) of the subclass. The subclass calls listen()
    after it has set every attribute that _one() uses."""

    BUFFER = 1 << 18
    ENDS = (OSError, EOFError, ValueError)  # exceptions that end a connection without an error

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
        # Join the thread before the descriptor is closed: it could accept on a later listener that reuses it.
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
