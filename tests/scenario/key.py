#!/usr/bin/env python3
"""fleetroute key: the public half is the one that openssl finds, an existing key is never replaced, the TLS key
is refused, the private key is never printed, and the QR code is read as the pairing link."""
import contextlib
import hashlib
import os
import pty
import shutil
import stat
import subprocess
import tempfile

from fr import BUILD, fleetroute, run_parts, write_file

WELL_KNOWN = ".well-known/appspecific/com.tesla.3p.public-key.pem"
VIN = "5YJ3E1EA7KF000001"


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


def folder_with_tls(extra=""):
    """A folder with a configuration whose TLS files exist."""
    folder = tempfile.mkdtemp(prefix="fr-scenario.")
    fleetroute("simulate", "--pki", f"{folder}/tls", "--pki-only")
    write_file(f"{folder}/fleetroute.yaml", "tls: {certificate: tls/server.pem, key: tls/server.key, "
               f"vehicle_ca: tls/vehicle-ca.pem}}\n{extra}")
    return folder


def key(folder, *arguments, **more):
    return fleetroute("key", "-c", f"{folder}/fleetroute.yaml", *arguments, **more)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def secrets(path):
    """The first line of base64 of a private key: the last ones can be the public half."""
    with open(path) as f:
        return [line.strip() for line in f if "-----" not in line][:1]


def made_once():
    """The first run makes the key, later runs print the same public half, which openssl confirms."""
    folder = folder_with_tls()
    path = f"{folder}/keys/command-key.pem"
    first, second = key(folder), key(folder)
    assert "made the command key" in first.stderr and "made" not in second.stderr, (first, second)
    assert first.stdout == second.stdout == openssl("ec", "-in", path, "-pubout").decode(), first
    digest = hashlib.sha256(openssl("ec", "-in", path, "-pubout", "-outform", "DER")).hexdigest()
    assert digest in first.stderr and digest in second.stderr, (digest, first)
    public = f"{folder}/keys/command-key.pub.pem"
    assert mode(path) == 0o600 and mode(public) == 0o644
    assert sorted(os.listdir(f"{folder}/keys")) == ["command-key.pem", "command-key.pub.pem"]
    with open(public) as f:
        assert f.read() == first.stdout
    for run in (first, second):
        assert not any(s in run.stdout + run.stderr for s in secrets(path))
    # Keys of other tools, in both encodings.
    pkcs8 = f"{folder}/pkcs8.pem"
    with open(os.open(pkcs8, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
        f.write(openssl("pkcs8", "-topk8", "-nocrypt", "-in", path))
    assert key(folder, "--key", pkcs8).stdout == first.stdout
    with open("/dev/full", "w") as full:
        run = subprocess.run([f"{BUILD}/fleetroute", "key", "-c", f"{folder}/fleetroute.yaml"], stdout=full,
                             stderr=subprocess.PIPE, text=True)
    assert run.returncode == 1 and "No space left on device" in run.stderr, run


def before_the_certificates():
    """The key can be made before the TLS files and the configuration are complete; a configuration that is
    no YAML is an error."""
    folder = tempfile.mkdtemp(prefix="fr-scenario.")
    for text in ("tls: {certificate: absent.pem, key: absent.key, vehicle_ca: absent.pem}\n", "listen: {port: 443}\n"):
        write_file(f"{folder}/fleetroute.yaml", text)
        assert key(folder).stdout.startswith("-----BEGIN PUBLIC KEY-----\n")
    for text in ("tls: [\n", None):
        if text is None:
            os.unlink(f"{folder}/fleetroute.yaml")
        else:
            write_file(f"{folder}/fleetroute.yaml", text)
        run = key(folder, check=False)
        assert run.returncode == 1 and run.stdout == "" and "fleetroute.yaml" in run.stderr, run


def service_user():
    """Run by root, the key belongs to root: the daemon cannot read it. A key of the service user is read too."""
    if os.geteuid() != 0:
        return
    folder = folder_with_tls("user: daemon\n")
    key(folder)
    file, parent = os.stat(f"{folder}/keys/command-key.pem"), os.stat(f"{folder}/keys")
    daemon = int(subprocess.check_output(["id", "-u", "daemon"]))
    assert file.st_uid == 0 and stat.S_IMODE(file.st_mode) == 0o600, file
    assert parent.st_uid == 0 and stat.S_IMODE(parent.st_mode) == 0o750, parent
    key(folder)
    os.chown(f"{folder}/keys/command-key.pem", daemon, -1)
    key(folder)
    os.chown(f"{folder}/keys/command-key.pem", daemon + 1, -1)
    run = key(folder, check=False)
    assert run.returncode == 1 and f"`chown {daemon} {folder}/keys/command-key.pem`" in run.stderr, run
    write_file(f"{folder}/fleetroute.yaml", "user: no-such-user\n")
    run = key(folder, check=False)
    assert run.returncode == 1 and 'there is no user "no-such-user"' in run.stderr, run


def refused():
    """Keys that cannot be used, and the TLS key by any path, with a remedy and without the private key."""
    folder = folder_with_tls()
    tls, other = f"{folder}/tls/server.key", f"{folder}/other.pem"
    with open(tls) as f:
        before = f.read()
    os.chmod(tls, 0o600)
    os.symlink(tls, f"{folder}/link.pem")
    shutil.copy(tls, f"{folder}/copy.pem")
    with open(os.open(other, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
        f.write(openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout"))
    for name, message in (("tls/server.key", "is the TLS key"), ("tls/../link.pem", "is the TLS key"),
                          ("copy.pem", "has the same key as"), ("other.pem", "vehicles accept only P-256")):
        run = key(folder, "--key", f"{folder}/{name}", check=False)
        assert run.returncode == 1 and run.stdout == "" and message in run.stderr, (name, run)
        assert not any(s in run.stderr for s in secrets(tls) + secrets(other)), run
    with open(tls) as f:
        assert f.read() == before
    os.unlink(f"{folder}/link.pem")
    os.unlink(tls)  # the configured path is refused before there is a file
    run = key(folder, "--key", tls, check=False)
    assert run.returncode == 1 and "is the TLS key" in run.stderr and not os.path.exists(tls), run
    key(folder)
    os.chmod(f"{folder}/keys/command-key.pem", 0o640)
    run = key(folder, check=False)
    assert run.returncode == 1 and f"`chmod 600 {folder}/keys/command-key.pem`" in run.stderr, run


def web_server():
    """--write puts the public half where a web server finds it, readable by all, and replaces an older one."""
    folder = folder_with_tls()
    web = f"{folder}/web"
    run = key(folder, "--write", web, check=False)
    assert run.returncode == 1 and "create the folder of the web server first" in run.stderr, run
    os.mkdir(web)
    for number in range(2):
        shutil.rmtree(f"{folder}/keys")
        run = key(folder, "--write", web, umask=0o077)
        with open(f"{web}/{WELL_KNOWN}") as f:
            assert f.read() == run.stdout, number
    assert mode(f"{web}/{WELL_KNOWN}") == 0o644
    assert mode(f"{web}/.well-known") == mode(f"{web}/.well-known/appspecific") == 0o755
    assert len(os.listdir(f"{web}/.well-known/appspecific")) == 1


def image(rows):
    """A PBM image of rows of cells of half blocks, in which the blocks are light; 8 pixels a module."""
    lines = []
    for row in rows:
        lines.append([c not in "█▀" for c in row])
        lines.append([c not in "█▄" for c in row])
    pixels = "\n".join(" ".join(str(int(dark)) for dark in line for _ in range(8)) for line in lines for _ in range(8))
    return f"P1\n{8 * len(rows[0])} {16 * len(rows)}\n{pixels}\n"


def pairing_link():
    """The link and its QR code, which a decoder of another author reads."""
    for arguments, link in (((), "https://tesla.com/_ak/telemetry.example.com"),
                            (("--vin", VIN), f"https://tesla.com/_ak/telemetry.example.com?vin={VIN}")):
        run = fleetroute("key", "--pairing-link", "--domain", "Telemetry.example.COM", *arguments)
        first, *rows = run.stdout.splitlines()
        assert first == link and len({len(row) for row in rows}) == 1, run.stdout
        if shutil.which("qrencode"):
            code = subprocess.run(["qrencode", "-t", "UTF8", "-l", "M", "-m", "4", link], check=True, text=True,
                                  capture_output=True).stdout
            assert code.splitlines() == rows, code
        if shutil.which("zbarimg"):
            with tempfile.NamedTemporaryFile("w", suffix=".pbm") as f:
                f.write(image(rows))
                f.flush()
                read = subprocess.run(["zbarimg", "-q", "--raw", f.name], text=True, capture_output=True)
            assert read.stdout.strip() == link, read
    main, terminal = pty.openpty()
    command = [f"{BUILD}/fleetroute", "key", "--pairing-link", "--domain", "a.example"]
    subprocess.run(command, stdout=terminal, stderr=subprocess.DEVNULL, check=True)
    os.close(terminal)
    written = b""
    with contextlib.suppress(OSError):  # EIO: all of it was read
        while piece := os.read(main, 65536):
            written += piece
    assert b"\033[40;97m" in written, written  # black on white, whatever the colours of the terminal
    for wrong in (["--domain", "https://a.example/"], ["--domain", "localhost"], ["--domain", "192.0.2.1"], [],
                  ["--domain", "a.example", "--vin", "X"], ["--domain", "a.example", "--key", "k.pem"]):
        run = fleetroute("key", "--pairing-link", *wrong, check=False)
        assert run.returncode == 1 and run.stdout == "" and "fleetroute key: " in run.stderr, (wrong, run)
    assert fleetroute("key", "--domain", "a.example", check=False).returncode == 1


run_parts(made_once, before_the_certificates, service_user, refused, web_server, pairing_link)
