#!/usr/bin/env python3
"""Which client certificates and TLS clients are accepted: each verdict is the one of Tesla's server (Go's
crypto/tls with a required client certificate), or one of the differences in fleetroute-compat(7)."""
import os
import socket
import ssl
import subprocess
import tempfile
import warnings

from fr import PATIENCE, Daemon, run_parts, skip, wait_until
from tls_pki import (BMP, CERT_SIGN, DAY, DIGITAL_SIGNATURE, IA5, KEY_ENCIPHERMENT, PRINTABLE, T61, UNIVERSAL,
                     UTF8, Certificate, Key, basic, bits, der, extended, extension, integer, name, oid, sequence,
                     usage)

if subprocess.run(["openssl", "version"], capture_output=True).returncode != 0:
    skip("openssl(1) is needed")

VIN = "5YJ3E1EA7KF000001"
# Verdicts: the id of a vehicle, whose WebSocket opens; NO_IDENTITY: the handshake succeeds and the upgrade
# gets 403; REFUSED: the handshake fails; WITHHELD: the client cannot sign with its key, so it sends no certificate
# and gets 401.
NO_IDENTITY, REFUSED, WITHHELD = "no identity", "refused", "withheld"
MODERN, OLD = "Tesla Motors Product Issuing CA", "Tesla Issuing CA"


class Cases:
    """Certificates of one run. Each case has its own issuers: their subjects differ in O."""

    def __init__(self, folder):
        self.folder, self.list, self.anchors = folder, [], []
        self.keys = {}
        self.root = self.anchor("root", cn="Test Root")
        self.plain = self.authority("plain")

    def key(self, kind="ec"):
        """A new EC key, or the one key of another kind: RSA keys are slow to make."""
        if kind == "ec":
            return Key(self.folder)
        if kind not in self.keys:
            self.keys[kind] = Key(self.folder, kind)
        return self.keys[kind]

    def authority(self, label, issuer=None, cn=OLD, extensions=None, key=None, **more):
        extensions = [basic(), usage(CERT_SIGN, 2)] if extensions is None else extensions
        return Certificate(name(("O", label), ("CN", cn)), key or self.key(), issuer or self.root, extensions,
                           **more)

    def anchor(self, label, cn=OLD, extensions=None, key=None, issuer=None, **more):
        extensions = [basic(), usage(CERT_SIGN, 2)] if extensions is None else extensions
        made = Certificate(name(("O", label), ("CN", cn)), key or self.key(), issuer, extensions, **more)
        self.anchors.append(made)
        return made

    def leaf(self, issuer, subject=None, extensions=None, key=None, **more):
        extensions = [extended("clientAuth")] if extensions is None else extensions
        return Certificate(subject or name(("CN", VIN)), key or self.key(), issuer, extensions, **more)

    def add(self, label, verdict, *chain):
        """The client sends `chain`."""
        self.list.append((label, verdict, chain))


def extended_usages(c):
    """Nested extended key usages, as in Go: each certificate that has the extension must allow client
    authentication or any usage; also the anchor."""
    for label, usages, ok in (("absent", None, True), ("client", ["clientAuth"], True), ("any", ["any"], True),
                              ("server", ["serverAuth"], False), ("unknown OID", ["vehicle"], False),
                              ("server and any", ["serverAuth", "any"], True),
                              ("server and client", ["serverAuth", "clientAuth"], True),
                              ("code signing", ["codeSigning"], False)):
        for critical in (False, True):
            more = [extended(*usages, critical=critical)] if usages else []
            what = f"{label}{', critical' if critical else ''}"
            inner = c.authority(f"eku intermediate {what}", extensions=[basic(), *more])
            c.add(f"EKU of the intermediate: {what}", VIN if ok else REFUSED, c.leaf(inner), inner)
            outer = c.anchor(f"eku anchor {what}", extensions=[basic(), *more])
            c.add(f"EKU of the anchor: {what}", VIN if ok else REFUSED, c.leaf(outer))
            under = c.authority(f"under eku anchor {what}", outer)
            c.add(f"EKU of the anchor above an intermediate: {what}", VIN if ok else REFUSED, c.leaf(under),
                  under)
            c.add(f"EKU of the leaf: {what}", VIN if ok else REFUSED,
                  c.leaf(c.plain, extensions=more), c.plain)
    top = c.authority("eku top", extensions=[basic(), extended("serverAuth")])
    low = c.authority("eku low", top, extensions=[basic(), extended("clientAuth")])
    c.add("EKU of the upper of two intermediates: server", REFUSED, c.leaf(low), low, top)
    empty = extension("extended_usage", sequence())
    c.add("EKU of the leaf: empty", VIN, c.leaf(c.plain, extensions=[empty]), c.plain)


def names(c):
    for label, subject, verdict in (
            ("two CNs", name(("CN", VIN), ("CN", "5YJ3E1EA7KF000002")), NO_IDENTITY),
            ("two equal CNs", name(("CN", VIN), ("CN", VIN)), NO_IDENTITY),
            ("two CNs in one RDN", sequence(der(0x31, sequence(oid("CN"), der(UTF8, b"A1")), sequence(
                oid("CN"), der(UTF8, b"B1")))), NO_IDENTITY),
            ("no CN", name(("O", "x")), NO_IDENTITY),
            ("empty subject", name(), NO_IDENTITY),
            ("empty CN", name(("CN", "")), NO_IDENTITY),
            ("NUL in CN", name(("CN", VIN + "\0x")), NO_IDENTITY),
            ("space in CN", name(("CN", "5YJ3E1EA7KF 00001")), NO_IDENTITY),
            ("slash in CN", name(("CN", "../../etc")), NO_IDENTITY),
            ("accent in CN", name(("CN", "5YJ3E1EA7KF00000é")), NO_IDENTITY),
            ("long CN", name(("CN", "V" * 200)), NO_IDENTITY),
            ("CN that is no VIN", name(("CN", "test-device")), "test-device"),
            ("dots in CN", name(("CN", "a.b.c")), "a-b-c"),
            ("PrintableString", name(("CN", VIN, PRINTABLE)), VIN),
            ("T61String", name(("CN", VIN, T61)), VIN),
            ("IA5String", name(("CN", VIN, IA5)), VIN),
            ("BMPString", name(("CN", VIN.encode("utf-16-be"), BMP)), VIN),
            ("BMPString of odd length", name(("CN", VIN.encode("utf-16-be") + b"0", BMP)), REFUSED),
            ("UniversalString", name(("CN", VIN.encode("utf-32-be"), UNIVERSAL)), REFUSED),
            ("invalid UTF-8", name(("CN", b"5YJ3E1EA7KF\xff0001")), REFUSED),
            ("PrintableString with @", name(("CN", "5YJ@", PRINTABLE)), REFUSED),
            ("IA5String beyond ASCII", name(("CN", b"5YJ\xe9", IA5)), REFUSED),
            ("OU before CN", name(("OU", "unit"), ("CN", VIN)), VIN)):
        c.add(f"subject: {label}", verdict, c.leaf(c.plain, subject), c.plain)
    modern = c.authority("modern", cn=MODERN)
    for label, usages, verdict in (("vehicle", ["clientAuth", "vehicle"], VIN),
                                   ("none", ["clientAuth"], NO_IDENTITY),
                                   ("any and vehicle", ["any", "vehicle"], VIN),
                                   ("vehicle only", ["vehicle"], REFUSED),
                                   ("Wi-Fi first", ["clientAuth", "wifi", "vehicle"], NO_IDENTITY),
                                   ("vehicle first", ["clientAuth", "vehicle", "wifi"], VIN)):
        c.add(f"usage of Tesla: {label}", verdict, c.leaf(modern, extensions=[extended(*usages)]), modern)
    c.add("usage of Tesla: OU Solar Inverter", VIN, c.leaf(
        modern, name(("OU", "Solar Inverter"), ("CN", VIN)), [extended("clientAuth", "vehicle")]), modern)
    other = c.authority("other", cn="Another CA")
    c.add("issuer: unknown name", NO_IDENTITY, c.leaf(other), other)
    lower = c.authority("lower", cn="tesla issuing ca")
    c.add("issuer: another case", NO_IDENTITY, c.leaf(lower), lower)
    double = Certificate(name(("CN", "Another CA"), ("CN", OLD)), c.key(), c.root, [basic()])
    c.add("issuer: two CNs", NO_IDENTITY, c.leaf(double), double)
    san = extension("alternative_names", sequence(der(0x82, b"car.example")))
    c.add("alternative name beside the CN", VIN, c.leaf(c.plain, extensions=[extended("clientAuth"), san]),
          c.plain)


def times(c):
    for label, begins, ends in (("expired", -9 * DAY, -DAY), ("not yet valid", DAY, 9 * DAY),
                                ("ends before it begins", DAY, -DAY)):
        c.add(f"leaf: {label}", REFUSED, c.leaf(c.plain, begins=begins, ends=ends), c.plain)
        inner = c.authority(f"{label} intermediate", begins=begins, ends=ends)
        c.add(f"intermediate: {label}", REFUSED, c.leaf(inner), inner)
        outer = c.anchor(f"{label} anchor", begins=begins, ends=ends)
        c.add(f"anchor: {label}", REFUSED, c.leaf(outer))
    c.add("leaf: outlives its issuer", VIN, c.leaf(c.plain, ends=3000 * DAY), c.plain)


def constraints(c):
    for label, extensions, ok in (
            ("no basic constraints", [], False), ("not a CA", [basic(False)], False),
            ("basic constraints not critical", [basic(critical=False)], True),
            ("key usage without certificate signing", [basic(), usage(DIGITAL_SIGNATURE, 7)], False),
            ("no key usage", [basic()], True)):
        inner = c.authority(f"bc {label}", extensions=extensions)
        c.add(f"intermediate: {label}", VIN if ok else REFUSED, c.leaf(inner), inner)
        outer = c.anchor(f"bc {label} anchor", extensions=extensions)
        c.add(f"anchor: {label}", VIN if ok else REFUSED, c.leaf(outer))
    first = c.anchor("version 1", extensions=(), version=1)
    c.add("anchor: version 1", VIN, c.leaf(first))
    old = c.authority("version 1 inner", extensions=(), version=1)
    c.add("intermediate: version 1", REFUSED, c.leaf(old), old)
    for length, ok in ((0, False), (1, True), (5, True)):
        limit = c.authority(f"path length {length}", extensions=[basic(length=length)])
        below = c.authority(f"below path length {length}", limit)
        c.add(f"path length {length}: one intermediate below", VIN if ok else REFUSED, c.leaf(below), below,
              limit)
        c.add(f"path length {length}: none below", VIN, c.leaf(limit), limit)
        end = c.anchor(f"path length {length} anchor", extensions=[basic(length=length)])
        under = c.authority(f"below path length {length} anchor", end)
        c.add(f"path length {length} of the anchor: one intermediate below", VIN if ok else REFUSED,
              c.leaf(under), under)
    for label, value, unused, ok in (("digital signature", DIGITAL_SIGNATURE, 7, True),
                                     ("key encipherment only", KEY_ENCIPHERMENT, 5, True),
                                     ("certificate signing only", CERT_SIGN, 2, True)):
        c.add(f"key usage of the leaf: {label}", VIN if ok else REFUSED,
              c.leaf(c.plain, extensions=[extended("clientAuth"), usage(value, unused)]), c.plain)
    c.add("leaf: is a CA", VIN, c.leaf(c.plain, extensions=[basic(), extended("clientAuth")]), c.plain)
    c.add("leaf: issues a leaf", REFUSED, c.leaf(c.leaf(c.plain, name(("CN", OLD)))), c.leaf(
        c.plain, name(("CN", OLD))), c.plain)
    dns = sequence(der(0xa0, sequence(der(0x82, b"example.com"))))
    named = c.authority("name constraints", extensions=[basic(), extension("name_constraints", dns, True)])
    for label, san, ok in (("no alternative name", None, True), ("within", b"car.example.com", True),
                           ("outside", b"car.example.org", False)):
        more = [extension("alternative_names", sequence(der(0x82, san)))] if san else []
        c.add(f"name constraints of DNS: {label}", VIN if ok else REFUSED,
              c.leaf(named, extensions=[extended("clientAuth"), *more]), named)
    tree = sequence(der(0xa0, sequence(der(0xa4, name(("O", "elsewhere"))))))
    inner = c.authority("directory constraint", extensions=[basic(), extension("name_constraints", tree, True)])
    c.add("name constraints of a directory, critical", REFUSED, c.leaf(inner), inner)
    for where in ("leaf", "intermediate", "anchor"):
        for critical in (True, False):
            unknown = [extension("1.3.6.1.4.1.99999.1", der(5), critical)]
            label = f"{where}: unknown extension{', critical' if critical else ''}"
            verdict = REFUSED if critical else VIN
            if where == "leaf":
                c.add(label, verdict, c.leaf(c.plain, extensions=[extended("clientAuth"), *unknown]), c.plain)
            elif where == "intermediate":
                inner = c.authority(label, extensions=[basic(), *unknown])
                c.add(label, verdict, c.leaf(inner), inner)
            else:
                c.add(label, verdict, c.leaf(c.anchor(label, extensions=[basic(), *unknown])))
    c.add("leaf: an extension twice", REFUSED, c.leaf(
        c.plain, extensions=[extended("clientAuth"), extended("clientAuth")]), c.plain)
    c.add("leaf: extension that cannot be read", REFUSED, c.leaf(
        c.plain, extensions=[extension("extended_usage", b"\x30\x03\x06\x01")]), c.plain)
    c.add("leaf: trailing data in an extension", VIN, c.leaf(
        c.plain, extensions=[extension("extended_usage", sequence(oid("clientAuth")) + b"\0\0")]), c.plain)
    c.add("leaf: negative serial number", REFUSED, c.leaf(c.plain, serial=-5), c.plain)


def algorithms(c):
    for kind in ("rsa2048", "rsa4096", "ed25519", "p521", "rsa1024"):
        c.add(f"key of the leaf: {kind}", VIN, c.leaf(c.plain, key=c.key(kind)), c.plain)
        inner = c.authority(f"by {kind}", key=c.key(kind))
        c.add(f"key of the intermediate: {kind}", VIN, c.leaf(inner), inner)
    for kind in ("rsa512", "rsa768"):
        c.add(f"key of the leaf: {kind}", WITHHELD if kind == "rsa512" else REFUSED,
              c.leaf(c.plain, key=c.key(kind)), c.plain)
        inner = c.authority(f"by {kind}", key=c.key(kind))
        c.add(f"key of the intermediate: {kind}", REFUSED, c.leaf(inner), inner)
    strong = c.authority("rsa", key=c.key("rsa2048"))
    anchor = c.anchor("rsa anchor", key=c.key("rsa2048"))
    for signature in ("rsa-sha1", "rsa-md5"):
        c.add(f"signature of the leaf: {signature}", REFUSED, c.leaf(strong, signature=signature), strong)
        inner = c.authority(f"signed {signature}", anchor, signature=signature)
        c.add(f"signature of the intermediate: {signature}", REFUSED, c.leaf(inner), inner)
        outer = c.anchor(f"anchor signed {signature}", key=c.key("rsa4096"), signature=signature)
        c.add(f"signature of the anchor itself: {signature}", VIN, c.leaf(outer))
    c.add("signature of the leaf: ec-sha1", REFUSED, c.leaf(c.plain, signature="ec-sha1"), c.plain)
    broken = c.leaf(c.plain)
    broken.bytes = broken.bytes[:-1] + bytes([broken.bytes[-1] ^ 1])
    c.add("signature of the leaf: wrong", REFUSED, broken, c.plain)


def chains(c):
    outer = c.authority("outer", cn="Outer CA")
    inner = c.authority("inner", outer)
    extra = c.authority("extra", cn="Extra CA")
    leaf = c.leaf(inner)
    c.add("chain: complete", VIN, leaf, inner, outer)
    c.add("chain: with the anchor", VIN, leaf, inner, outer, c.root)
    c.add("chain: in another order", VIN, leaf, outer, inner)
    c.add("chain: with other certificates", VIN, leaf, extra, inner, extra, outer)
    c.add("chain: a certificate twice", VIN, leaf, inner, inner, outer, outer)
    c.add("chain: an intermediate is missing", REFUSED, leaf, inner)
    c.add("chain: only the leaf", REFUSED, leaf)
    c.add("chain: leaf and the anchor", REFUSED, leaf, c.root)
    c.add("chain: another leaf follows", VIN, leaf, c.leaf(inner, name(("CN", "OTHER"))), inner, outer)
    itself = c.leaf(None)
    c.add("leaf: self-signed", REFUSED, itself)
    known = Certificate(name(("CN", OLD)), c.key(), None, [extended("clientAuth")])
    c.anchors.append(known)
    c.add("leaf: is itself an anchor", NO_IDENTITY, known)
    middle = c.anchor("middle anchor", issuer=c.authority("unknown top", Certificate(
        name(("CN", "Unknown")), c.key(), None, [basic()])))
    c.add("anchor: an intermediate without its root", VIN, c.leaf(middle))
    twin_key = c.key()
    bad = c.authority("twin", key=twin_key, extensions=[basic(), extended("serverAuth")])
    good = c.authority("twin", key=twin_key)
    c.add("two certificates of one issuer: the second allows the usage", VIN, c.leaf(good), bad, good)
    late = c.authority("late", key=twin_key, begins=-9 * DAY, ends=-DAY)
    fresh = c.authority("late", key=twin_key)
    c.add("two certificates of one issuer: the first has expired", VIN, c.leaf(fresh), late, fresh)
    keyed = c.authority("keyed", extensions=[basic(), extension("subject_key", der(4, b"\1" * 20))])
    for label, wanted in (("fits", 1), ("differs", 2)):
        c.add(f"authority key identifier: {label}", VIN, c.leaf(keyed, extensions=[
            extended("clientAuth"), extension("authority_key", sequence(der(0x80, bytes([wanted]) * 20)))]), keyed)
    for label, sent in (("anchors", False), ("intermediates", True)):
        kind = c.authority if sent else c.anchor
        for more in ([], [extension("authority_key", sequence(der(0x80, b"\7" * 20)))]):
            pair = [kind(f"of one name {label} {len(more)}") for _ in range(3)]
            for number, signer in enumerate(pair):
                c.add(f"{label} of one name with other keys: {number}, {len(more)}", VIN, c.leaf(
                    signer, extensions=[extended("clientAuth"), *more]), *(pair if sent else []))
    junk = c.leaf(c.plain)
    junk.bytes = b"\x30\x03\x02\x01\x05"
    c.add("chain: a certificate that cannot be read follows", REFUSED, c.leaf(c.plain), c.plain, junk)
    odd = c.leaf(c.plain, name(("CN", b"\xff\xff")))
    c.add("chain: a certificate with an invalid name follows", REFUSED, c.leaf(c.plain), c.plain, odd)


def connect(port, files=None, **settings):
    """A TLS connection without check of the server and with OpenSSL's weakest security level."""
    warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 and 1.1
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    for key, value in settings.items():
        if key != "server_name":
            setattr(context, key, value) if hasattr(context, key) else getattr(context, f"set_{key}")(value)
    if files:
        context.load_cert_chain(*files)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=15 * PATIENCE),
                               server_hostname=settings.get("server_name", "localhost"))


def exchange(tls):
    """Send an upgrade; returns the whole response, or its head if a WebSocket opens."""
    tls.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    response = b""
    while got := tls.recv(4096):
        response += got
        if response.startswith(b"HTTP/1.1 101") and b"\r\n\r\n" in response:
            break
    return response.decode(errors="replace")


def attempt(port, files, **settings):
    """The response, or REFUSED."""
    try:
        with connect(port, files, **settings) as tls:
            return exchange(tls) or REFUSED
    except (ssl.SSLError, ConnectionError):
        return REFUSED


def write_chain(folder, chain):
    path = os.path.join(folder, f"chain-{len(os.listdir(folder))}.pem")
    with open(path, "w") as f:
        f.write("".join(certificate.pem() for certificate in chain))
    return path, chain[0].key.path


def verdict_of(d, files):
    """Each connection is recorded with two lines; all earlier ones are complete."""
    before = len(d.lines("connectivity.jsonl"))
    response = attempt(d.port, files)
    if response.startswith("HTTP/1.1 101 "):
        wait_until("the connection is recorded", lambda: len(d.lines("connectivity.jsonl")) == before + 2)
        return d.records("connectivity.jsonl")[-1]["vin"]
    return {"HTTP/1.1 403": NO_IDENTITY, "HTTP/1.1 401": WITHHELD}.get(response[:12], response)


def check(group):
    """A daemon that trusts the anchors of a group of cases gives the verdict of each case."""
    with tempfile.TemporaryDirectory() as folder:
        c = Cases(folder)
        group(c)
        d = Daemon('records: [{type: "*", to: archive, ack: archive}]',
                   '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}')
        with open(d.path("vehicle-ca.pem"), "a") as bundle:
            bundle.write("".join(anchor.pem() for anchor in c.anchors))
        wrong = []
        with d:
            for label, verdict, chain in c.list:
                found = verdict_of(d, write_chain(folder, chain))
                if found != verdict:
                    wrong.append(f"{label}: {found}, not {verdict}")
            assert not wrong, "\n".join(wrong)
            print(f"{len(c.list)} chains", end=", ")


def group_extended_usages():
    check(extended_usages)


def group_names():
    check(names)


def group_times():
    check(times)


def group_constraints():
    check(constraints)


def group_algorithms():
    check(algorithms)


def group_chains():
    check(chains)


# ---- handshakes ----

V = ssl.TLSVersion
ROUTING = 'records: [{type: "*", to: archive, ack: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'


def handshakes():
    """Versions of TLS, and what a client may offer."""
    with Daemon(ROUTING, SINKS) as d:
        files = d.certificate()
        for low, high, opens in ((V.TLSv1, V.TLSv1, False), (V.TLSv1_1, V.TLSv1_1, False),
                                 (V.TLSv1, V.TLSv1_1, False), (V.TLSv1_2, V.TLSv1_2, True),
                                 (V.TLSv1_3, V.TLSv1_3, True), (V.TLSv1, V.TLSv1_3, True)):
            response = attempt(d.port, files, minimum_version=low, maximum_version=high)
            assert response.startswith("HTTP/1.1 101 ") == opens, (low, high, response)
        for version in (V.TLSv1_2, V.TLSv1_3):
            assert attempt(d.port, None, maximum_version=version).startswith("HTTP/1.1 401 ")
            # Of the protocols that a client offers, only http/1.1 is selected: WebSockets need it.
            for offered, selected in ((["h2"], None), (["h2", "http/1.1"], "http/1.1"),
                                      (["http/1.1"], "http/1.1")):
                with connect(d.port, files, maximum_version=version, alpn_protocols=offered) as tls:
                    assert exchange(tls).startswith("HTTP/1.1 101 "), offered
                    assert tls.selected_alpn_protocol() == selected
            assert attempt(d.port, files, maximum_version=version, alpn_protocols=["another"]) == REFUSED
            for server_name in ("unknown.example", "127.0.0.1", None):
                response = attempt(d.port, files, maximum_version=version, server_name=server_name)
                assert response.startswith("HTTP/1.1 101 "), server_name


def s_client(d, *arguments, commands=""):
    certificate, key = d.certificate()
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{d.port}", "-cert", certificate,
                           "-key", key, "-cipher", "ALL:@SECLEVEL=0", *arguments], input=commands,
                          text=True, capture_output=True, timeout=30 * PATIENCE)


def renegotiation():
    """A client cannot change its certificate on an open connection, nor sign with SHA-1."""
    with Daemon(ROUTING, SINKS) as d:
        out = s_client(d, "-tls1_2", commands="R\n")
        assert "RENEGOTIATING" in out.stdout + out.stderr and "no renegotiation" in out.stderr, out
        assert "Cipher is (NONE)" not in s_client(d, "-tls1_2", "-sigalgs", "ECDSA+SHA256").stdout
        assert "Cipher is (NONE)" in s_client(d, "-tls1_2", "-sigalgs", "ECDSA+SHA1").stdout
        assert attempt(d.port, d.certificate()).startswith("HTTP/1.1 101 ")


def resumption():
    """Each handshake verifies the certificate: no session is resumed, so a vehicle whose CA was removed from
    the bundle is refused at its next connection."""
    with Daemon(ROUTING, SINKS) as d:
        files = d.certificate()
        for version in (V.TLSv1_2, V.TLSv1_3):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.maximum_version = version
            context.load_cert_chain(*files)

            def again(session):
                raw = socket.create_connection(("127.0.0.1", d.port), timeout=15 * PATIENCE)
                return context.wrap_socket(raw, server_hostname="localhost", session=session)

            with again(None) as tls:
                assert exchange(tls).startswith("HTTP/1.1 101 ")
                session = tls.session
            assert session is None or not session.has_ticket
            with again(session) as tls:
                assert exchange(tls).startswith("HTTP/1.1 101 ") and not tls.session_reused
        with tempfile.TemporaryDirectory() as folder:
            bundle = open(d.path("vehicle-ca.pem")).read()
            with open(d.path("vehicle-ca.pem"), "w") as f:
                f.write(Cases(folder).root.pem())
            d.reload()
            try:
                with again(session) as tls:
                    assert not exchange(tls)
            except (ssl.SSLError, ConnectionError):
                pass
            with open(d.path("vehicle-ca.pem"), "w") as f:
                f.write(bundle)
            d.reload()
            assert attempt(d.port, files).startswith("HTTP/1.1 101 ")


if __name__ == "__main__":
    run_parts(group_extended_usages, group_names, group_times, group_constraints, group_algorithms, group_chains,
              handshakes, renegotiation, resumption)
