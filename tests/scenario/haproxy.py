"""A real HAProxy, and headers of the PROXY protocol made by hand."""
import ipaddress
import shutil
import signal
import socket
import struct
import subprocess

from fr import PATIENCE, skip, wait_until, write_file

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"


def proxy_header(source, port=50000, tlvs=b"", command=0x21):
    """A header of version 2 with the source address and port."""
    address = ipaddress.ip_address(source)
    to = ipaddress.ip_address("10.0.0.5" if address.version == 4 else "2001:db8::5")
    body = address.packed + to.packed + struct.pack(">HH", port, 443) + tlvs
    family = 0x11 if address.version == 4 else 0x21
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


class HAProxy:
    """Context manager: HAProxy with a configuration, in the folder of a daemon."""

    def __init__(self, daemon, text, name="haproxy"):
        if not shutil.which("haproxy"):
            skip("HAProxy is needed (Debian's package haproxy)")
        self.file, self.log = daemon.path(f"{name}.cfg"), daemon.path(f"{name}.log")
        self.process = None
        write_file(self.file, text)

    def __enter__(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["haproxy", "-db", "-f", self.file], stdout=log, stderr=log)
        return self

    def __exit__(self, kind, value, trace):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if kind:
            print(self.log_text()[-3000:])

    def log_text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def wait_listening(self, port):
        def listens():
            assert self.process.poll() is None, self.log_text()
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_until("HAProxy listens", listens)

    def wait_log(self, part, seconds=20):
        """Wait until the log has the text."""
        def found():
            assert self.process.poll() is None, self.log_text()
            return part in self.log_text()
        wait_until(f"HAProxy logs {part!r}", found, seconds)
