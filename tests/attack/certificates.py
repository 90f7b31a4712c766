#!/usr/bin/env python3
"""Certificates that are expired, revoked, of a broken chain or of an unknown CA are refused, and the log
names the certificate, the fault and the remedy. Changed revocation lists apply without a restart."""
import os
import re
import shutil
import ssl

from hostile import Daemon, Hostile, fleetroute, run_parts, wait_until
from pki import Authority, openssl

if not shutil.which("openssl"):
    from hostile import skip
    skip("openssl(1) is needed")
ROUTING = 'records: [{type: "*", to: archive, ack: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
DAY = 86400


def connect_accepted(d, files):
    """Connect a vehicle that must be accepted; send one message."""
    car = Hostile(d, files=files)
    car.message()
    assert car.receive_reply()[0] == "ack"
    return car


def connect_refused(d, files, pattern):
    """Connect a vehicle that must be refused; the last log line about a handshake matches `pattern`. The
    log is limited to one such line a minute, so this function restarts the daemon."""
    try:
        Hostile(d, files=files)
    except (ssl.SSLError, ConnectionError):
        pass
    else:
        raise AssertionError(f"accepted, not refused with: {pattern}")
    wait_until("the log has the reason", lambda: "TLS handshake failed" in d.log_text())
    line = [line for line in d.lines("log") if "TLS handshake failed" in line][-1]
    assert re.search(pattern, line) and "(ok)" not in line, line
    d.end()
    os.unlink(d.path("log"))
    d.start()


def broken_chains():
    d = Daemon(ROUTING, SINKS)
    root = Authority(d.folder, "root", "fr root")
    good = Authority(d.folder, "good", issuer=root)
    old = Authority(d.folder, "old", issuer=root, begins=-9 * DAY, ends=-DAY)
    future = Authority(d.folder, "future", issuer=root, begins=DAY)
    no_authority = Authority(d.folder, "no_authority", issuer=root, extensions="no_authority")
    servers = Authority(d.folder, "servers", issuer=root, extensions="for_servers")
    anchor = Authority(d.folder, "anchor", "server root", extensions="for_servers")
    short = Authority(d.folder, "short", "short", issuer=root, extensions="short")
    below = Authority(d.folder, "below", issuer=short)
    old_root = Authority(d.folder, "old_root", "old root", begins=-9 * DAY, ends=-DAY)
    under = Authority(d.folder, "under", issuer=old_root)
    foreign = Authority(d.folder, "foreign", issuer=Authority(d.folder, "other", "fr root"))
    with open(d.path("vehicle-ca.pem"), "a") as bundle:
        bundle.write(root.pem() + old_root.pem() + anchor.pem())
    with d:
        assert re.search("/CN=server root does not allow client authentication; vehicles that depend on it",
                         d.log_text())
        connect_accepted(d, good.vehicle("GOOD", chain=[good])).close()
        for files, pattern in (
                (good.vehicle("V", begins=-9 * DAY, ends=-DAY, chain=[good]),
                 r"has expired: renew it, or correct this machine's clock \(/CN=V\)"),
                (good.vehicle("V", begins=DAY, chain=[good]), r"not yet valid: .*clock.*\(/CN=V\)"),
                (old.vehicle("V", chain=[old]),
                 r"has expired: renew it.*\(an issuer: /CN=Tesla Issuing CA\)"),
                (future.vehicle("V", chain=[future]), r"not yet valid: .*an issuer: /CN=Tesla Iss"),
                (no_authority.vehicle("V", chain=[no_authority]),
                 r"invalid CA certificate: .*an issuer: /CN=Tesla Issuing CA"),
                (below.vehicle("V", chain=[below, short]), r"path length constraint exceeded: "),
                (under.vehicle("V", chain=[under]), r"has expired: .*an issuer: /CN=old root"),
                (servers.vehicle("V", chain=[servers]),
                 r"purpose: its extended key usage does not allow client authentication "
                 r"\(an issuer: /CN=Tesla Issuing CA\)"),
                (anchor.vehicle("V"), r"unable to get .*tls.vehicle_ca lacks its CA"),
                (good.vehicle("V"),
                 r"unable to get .*: the peer is not a vehicle, or tls.vehicle_ca lacks its CA"),
                (foreign.vehicle("V", chain=[foreign]), r"not trusted: certificate signature failure"
                                                        r"|unable to get"),
                (good.vehicle("V", chain=[good] * 150), r"too long \(maximum for certificates: 32768 bytes")):
            connect_refused(d, files, pattern)
        connect_accepted(d, good.vehicle("GOOD2", chain=[good])).close()


def revoked():
    d = Daemon(ROUTING, SINKS)
    root = Authority(d.folder, "root", "fr root")
    first = Authority(d.folder, "first", issuer=root)
    second = Authority(d.folder, "second", "Tesla Motors Products CA", issuer=root)
    with open(d.path("vehicle-ca.pem"), "a") as bundle:
        bundle.write(root.pem() + second.pem())  # the second CA is a trust anchor too
    stays, goes = (first.vehicle(vin, chain=[first]) for vin in ("STAYS", "GOES"))
    other, other_goes = (second.vehicle(vin) for vin in ("OTHER", "OTHERGOES"))

    def write(*texts):
        with open(d.path("new.crl"), "w") as f:
            f.write("".join(texts))
        os.rename(d.path("new.crl"), d.path("list.crl"))

    def configure_crl():
        original = d.write

        def write_with_crl():
            original()
            with open(d.path("fleetroute.yaml")) as f:
                text = f.read()
            with open(d.path("fleetroute.yaml"), "w") as f:
                f.write(text.replace("vehicle-ca.pem}", "vehicle-ca.pem, crl: list.crl}"))
        d.write = write_with_crl

    configure_crl()
    write(first.crl())
    with d:
        cars = [connect_accepted(d, files) for files in (stays, goes, other, other_goes)]
        # A connected vehicle is disconnected when the changed list contains it, without a reload.
        first.revoke(goes)
        write(first.crl())
        assert cars[1].receive_close() == 1008
        assert d.count("connections_closed_as_revoked") == 1
        connect_refused(d, goes, r"certificate revoked: tls.crl lists it \(/CN=GOES\)")
        for files in (stays, other, other_goes):
            connect_accepted(d, files).close()
        # One file with the lists of two issuers and of the root; the second issuer is a trust anchor.
        second.revoke(other_goes)
        write(first.crl(), root.crl(), second.crl())
        d.reload()
        connect_refused(d, other_goes, r"certificate revoked: tls.crl lists it \(/CN=OTHERGOES\)")
        connect_accepted(d, other).close()
        connect_accepted(d, stays).close()
        # An outdated list still applies, other vehicles are still accepted, and the log has a warning.
        write(first.crl(begins=-9 * DAY, ends=-DAY))
        d.reload()
        assert "outdated: it still applies" in d.log_text()
        connect_accepted(d, stays).close()
        connect_refused(d, goes, r"certificate revoked")
        # The root revokes the certificate of an issuer.
        shutil.copy(first.certificate, root.path("first.leaf"))
        root.revoke((root.path("first.pem"),))
        write(root.crl())
        d.reload()
        connect_refused(d, stays,
                        r"certificate revoked: tls.crl lists it \(an issuer: /CN=Tesla Issuing CA\)")
        # A broken or forged list is refused; the one in force still applies.
        forged = Authority(d.folder, "forged", "fr root").crl()
        for text, pattern in ((forged, "not signed by the certificate of that name"),
                              ("", "contains no PEM revocation list"),
                              (root.crl()[:200] + "\n-----END X509 CRL-----\n", "cannot be read|no PEM")):
            write(text)
            out = d.reload(check=False)
            assert out.returncode == 1 and re.search(pattern, out.stdout + out.stderr), out
        try:
            connect_accepted(d, stays)
            raise AssertionError("a revoked vehicle is accepted")
        except (ssl.SSLError, ConnectionError):
            pass
        out = fleetroute("check", "-c", d.path("fleetroute.yaml"), check=False)
        assert out.returncode == 1 and "tls.crl" in out.stdout + out.stderr, out


def expired_certificate_is_not_loaded():
    """A reload refuses a server certificate that is expired or not valid yet, and loads a valid one."""
    with Daemon(ROUTING, SINKS) as d:
        authority = Authority(d.folder, "servers", "Server CA", extensions="authority")
        openssl("req", "-new", "-key", d.path("server.key"), "-subj", "/CN=localhost", "-out",
                d.path("server.csr"))
        good = d.path("good.pem")
        shutil.copy(d.path("server.pem"), good)
        for begins, ends in ((-2 * DAY, -DAY), (DAY, 2 * DAY)):
            authority.sign(d.path("server.csr"), d.path("bad.pem"), "leaf", begins, ends)
            os.replace(d.path("bad.pem"), d.path("server.pem"))
            out = d.reload()
            assert "has expired or is not valid yet" in out.stdout, out
            Hostile(d).close()
            open(authority.path("index.txt"), "w").close()  # let the CA sign the same name again
        shutil.copy(good, d.path("server.pem"))
        out = d.reload()
        assert "has expired" not in out.stdout, out
        Hostile(d).close()


if __name__ == "__main__":
    run_parts(broken_chains, revoked, expired_certificate_is_not_loaded)
