#!/usr/bin/env python3
"""fleetroute doctor without a Tesla account: each link of the chain is broken in turn, and the line of that link
names it."""
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from doctor_world import ADDRESS, ELSEWHERE, FILE, NAME, ROUTING, VIN, World, changed, enter, hosts, levels
from fr import Car, fleetroute, run_parts, vector, wait_until, write_file

enter()

LINKS = ["config", "name", "port", "tls", "chain", "expiry", "ca", "hostname", "proxy", "client_certificate",
         "daemon", "vehicle_records", "journal", "disk", "sinks", "sources"]


def healthy():
    """All links that need no account are ok. --json has the documented members, the text one line for each."""
    with World() as world:
        car = world.car()
        links = world.expect_ok()
        found = levels(links)
        assert [name for name in found if name in LINKS] == LINKS, list(found)
        assert all(found[name] == "ok" for name in LINKS), found
        for line in links:
            assert set(line) == {"level", "id", "title", "subject", "text", "remedy"}, line
        counts = {level: sum(line["level"] == level for line in links) for level in ("ok", "skipped", "warning",
                                                                                     "failure")}
        assert {k: world.report[k] for k in counts} == counts, world.report
        text = fleetroute("doctor", "-c", world.path("fleetroute.yaml"), env=world.environment()).stdout
        assert len(text.splitlines()) == len(links) + 1, text
        assert text.splitlines()[-1].startswith(f"{counts['ok']} ok, "), text
        car.close()


def configuration():
    """A mistake in a file is reported with its position, and the other links are checked nevertheless."""
    with World() as world:
        with changed(world.path("routing.yaml"), ROUTING.replace("Soc", "Sok")):
            links = world.expect("config", "failure", "routing.yaml:3:", "Sok")
            assert levels(links)["daemon"] == levels(links)["chain"] == "ok", links
        with changed(world.path("fleetroute.yaml"), "listen: {port: [}\n"):
            links = world.expect("config", "failure", "fleetroute.yaml:1:")
            assert set(levels(links).values()) == {"failure", "skipped"}, links
            assert all(line["text"] == "needs the link config" for line in links
                       if line["id"] in ("name", "tls", "daemon")), links
        done = fleetroute("doctor", "-c", "/nonexistent.yaml", check=False)
        assert done.returncode == 2 and "/nonexistent.yaml" in done.stdout, done


def names():
    """The name does not resolve, or has an address that is private or of another machine."""
    with World() as world:
        hosts(None)
        links = world.expect("name", "failure", "does not resolve", "DNS")
        assert levels(links)["tls"] == "ok" and levels(links)["port"] == "skipped", links
        hosts("127.0.0.1")
        world.expect("name", "warning", "127.0.0.1", "private address", status=1)
        for address in ("10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "fd00::1", "fe80::1"):
            hosts(address)
            world.expect("name", "warning", address, "private address", status=1)
        for address in ("192.0.2.9", "172.32.0.1", "100.128.0.1", "2001:db8::1"):
            hosts(address)
            world.expect("name", "ok", "not an address of this machine", status=1)


def ports():
    """No server listens, or no packet returns."""
    with World() as world:
        hosts(ELSEWHERE)
        world.daemon.end()
        with changed(world.path("fleetroute.yaml"), world.text("fleetroute.yaml").replace("0.0.0.0", ADDRESS)):
            world.expect("port", "failure", f"{NAME}:443", "Connection refused", "start fleetrouted")
        hosts("192.0.2.9")
        subprocess.run(["ip", "route", "add", "unreachable", "192.0.2.0/24"], check=True)
        links = world.expect("port", "warning", "192.0.2.9", "NAT hairpin", "another network")
        assert levels(links)["tls"] == "skipped", links
        subprocess.run(["ip", "route", "del", "unreachable", "192.0.2.0/24"], check=True)
        world.daemon.start()


def certificates():
    """The chain that is offered: incomplete, private, expired, about to expire, of another name."""
    with World() as world:
        c = world.certificates

        def restart(**more):
            c.server(**more)
            world.daemon.reload()

        restart(chain=())
        world.expect("chain", "failure", "incomplete", "fullchain.pem")
        restart(days=15)
        world.expect("expiry", "warning", "expires on", "certbot renew", status=1)
        restart(names=("other.example.com",))
        with changed(world.path("fleetroute.yaml"), world.text("fleetroute.yaml") + f"tesla: {{domain: {NAME}}}\n"):
            world.expect("hostname", "failure", f"not for the name {NAME}")
        restart()
        world.expect("ca", "failure", "private", SSL_CERT_FILE="/nonexistent")
        world.expect("chain", "failure", "Test Intermediate", "`tesla: ca:`", SSL_CERT_FILE="/nonexistent")
        restart(days=-1)
        world.expect("proxy", "warning", "not valid now", "earlier certificate")
        world.daemon.end()
        world.daemon.start()
        world.expect("expiry", "failure", "has expired", "certbot renew")


def renewal():
    """The file has a new certificate, and the daemon still offers the old one."""
    with World() as world:
        car = world.car()
        world.certificates.server()
        world.expect("proxy", "warning", "earlier certificate", "fleetroute reload", status=1)
        world.daemon.reload()
        car.close()
        world.expect("proxy", "ok")


class Proxy:
    """Terminates TLS at the public name with a certificate of its own, as a reverse proxy does."""

    def __init__(self, world):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(world.path("proxy.pem"), world.path("proxy.key"))
        self.listener = socket.create_server((ELSEWHERE, 443))
        self.context = context
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self.listener.accept()
                with contextlib.suppress(OSError), self.context.wrap_socket(raw, server_side=True) as tls:
                    tls.recv(1000)


def proxies():
    """A proxy in front terminates TLS: with another certificate, without a request for the client's."""
    with World() as world:
        world.daemon.end()
        world.daemon.address = ADDRESS
        world.daemon.start()
        c = world.certificates
        c.make("proxy-leaf", NAME, "server", issuer="middle", names=(NAME,))
        write_file(world.path("proxy.pem"), c.text("proxy-leaf.pem") + c.text("middle.pem"))
        shutil.copy(world.path("proxy-leaf.key"), world.path("proxy.key"))
        hosts(ELSEWHERE)
        with Proxy(world):
            world.expect("proxy", "failure", "a proxy terminates TLS", "ssl_preread")
            world.expect("client_certificate", "failure", "asks for no client certificate")
        # Asks for a client certificate, of other CAs than vehicles have.
        other = subprocess.Popen(["openssl", "s_server", "-accept", f"{ELSEWHERE}:443", "-cert",
                                  world.path("proxy-leaf.pem"), "-cert_chain", world.path("middle.pem"), "-key",
                                  world.path("proxy.key"), "-CAfile", c.root, "-verify", "3", "-quiet"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("openssl listens", lambda: socket.socket().connect_ex((ELSEWHERE, 443)) == 0)
        world.expect("client_certificate", "warning", "but not of", "vehicle-ca.pem")
        other.kill()
        other.wait()
        with socket.create_server((ELSEWHERE, 443)):  # accepts, and never answers
            begun = time.monotonic()
            world.expect("tls", "failure", "no answer in time")
            assert time.monotonic() - begun < 20


def daemon():
    """The daemon does not run, or does not answer; a vehicle is silent; a sink or the journal is down."""
    broken = FILE + "\n  away: {plugin: mqtt, options: {host: 127.0.0.1, port: 1}}"
    with World(sinks=broken, routing=ROUTING.replace("to: archive", "to: [archive, away]")) as world:
        world.expect("vehicle_records", "warning", "no record yet", subject=VIN)
        world.expect("sinks", "failure", "mqtt down", "refused", subject="away")
        world.daemon.process.send_signal(signal.SIGSTOP)
        world.expect("daemon", "failure", "no reply within 5 s")
        world.daemon.process.send_signal(signal.SIGCONT)
        world.daemon.end()
        links = world.expect("daemon", "failure", "does not answer", "systemctl restart")
        assert levels(links)["journal"] == "skipped", links
        world.daemon.start()


def disk():
    """The disk of the journal has too little space, and then none."""
    with World(journal="{path: disk/journal}", start=False) as world:
        os.mkdir(world.path("disk"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "none", world.path("disk")], check=True)
        world.daemon.start()
        world.expect("disk", "warning", "the journal may grow by", "journal: size:")
        with open(world.path("disk/ballast"), "wb") as f:
            f.write(bytes(60 << 20))
        world.expect("disk", "failure", "are free", "free disk space")
        with contextlib.suppress(OSError), open(world.path("disk/ballast"), "ab", buffering=0) as f:
            while True:
                f.write(bytes(4096))
        car = Car(world.daemon)
        sent = 0

        def is_full():
            nonlocal sent
            if world.daemon.count("acknowledged") >= sent:
                for n in range(sent, sent + 300):  # data.mdb was extended by 1 MB before the disk was full
                    car.send(vector("01_v_three_datums").replace(b"-000000001", f"-{n:09d}".encode()))
                sent += 300
            return world.daemon.status()["journal"]["health"] == "down"

        wait_until("the journal is full", is_full)
        world.expect("journal", "failure", "down", "No space left", "free disk space")
        car.close()
        os.remove(world.path("disk/ballast"))
        world.daemon.end()
        subprocess.run(["umount", world.path("disk")], check=True)
        world.daemon.start()


def sources():
    """The broker of a source does not run."""
    with World(extra='sources: {cars: {plugin: kafka, options: {brokers: "127.0.0.1:1", group: home}}}') as world:
        wait_until("the source is down", lambda: world.daemon.status()["sources"]["cars"]["health"] != "up")
        level = "failure" if world.daemon.status()["sources"]["cars"]["health"] == "down" else "warning"
        world.expect("sources", level, "kafka", subject="cars")


class Earlier:
    """A daemon of an earlier version, as far as its control socket answers."""

    def __init__(self, path, drip=False):
        self.drip = drip
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                with peer:
                    peer.recv(1000)
                    while self.drip:
                        peer.sendall(b" ")
                        time.sleep(0.1)
                    peer.sendall(b'{"version":"0.0.1","uptime_ms":1000}\n')


def version():
    """The daemon that runs is older than the program; its answers lack members."""
    with World() as world:
        world.daemon.end()
        with contextlib.suppress(FileNotFoundError):
            os.remove(world.daemon.control)
        earlier = Earlier(world.daemon.control)
        world.expect("daemon", "warning", "fleetrouted 0.0.1 runs", "restart it")
        earlier.drip = True  # a reply without an end
        begun = time.monotonic()
        world.expect("daemon", "failure", "no reply within 5 s")
        assert time.monotonic() - begun < 15
        earlier.listener.shutdown(socket.SHUT_RDWR)
        earlier.listener.close()
        os.remove(world.daemon.control)
        world.daemon.start()


def redaction():
    """No line has the VIN with `log: {redact: true}`."""
    with World(extra="log: {redact: true}") as world:
        world.doctor()
        assert VIN not in json.dumps(world.report)
        assert f"{VIN[:3]}-" in json.dumps(world.report)


def time_limit():
    """All hosts are silent: the command ends within a minute."""
    with World() as world:
        subprocess.run(["ip", "link", "add", "silent", "type", "veth", "peer", "name", "silent2"], check=True)
        for words in (["link", "set", "silent", "up"], ["link", "set", "silent2", "up"],
                      ["route", "add", "192.0.2.0/24", "dev", "silent"],
                      ["neigh", "add", "192.0.2.9", "lladdr", "02:00:00:00:00:01", "dev", "silent"]):
            subprocess.run(["ip", *words], check=True)
        hosts("192.0.2.9")
        begun = time.monotonic()
        world.expect("port", "warning", "timed out", "NAT hairpin")
        assert time.monotonic() - begun < 30
        subprocess.run(["ip", "link", "del", "silent"], check=True)


run_parts(healthy, configuration, names, ports, certificates, renewal, proxies, daemon, disk, sources,
          version, redaction, time_limit)
