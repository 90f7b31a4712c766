#!/usr/bin/env python3
"""The daemon drops root, capabilities, system calls and access to the file system. It still reloads a
renewed certificate whose key only root can read."""
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess

from fr import BUILD, VIN, Daemon, fleetroute, lock_port, skip, vector, wait_until

if os.geteuid() != 0:
    skip("the test needs root, which the daemon drops")
NOBODY = pwd.getpwnam("nobody")
READ_ALL = 1 << 2  # CAP_DAC_READ_SEARCH


def low_port():
    for port in range(1023, 600, -1):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if lock_port(port):
            return port
    return skip("no port below 1024 is free")


def facts(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def key_reader_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        children = f.read().split()
    assert len(children) == 1, children
    return int(children[0])


def sanitized():
    with open(f"{BUILD}/fleetrouted", "rb") as f:
        return b"__asan_init" in f.read()


def check_unprivileged(pid, capabilities):
    status = facts(pid)
    assert set(status["Uid"].split()) == {str(NOBODY.pw_uid)}, status
    assert set(status["Gid"].split()) == {str(NOBODY.pw_gid)}, status
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(status[name], 16) == (capabilities if name in ("CapEff", "CapPrm") else 0), status
    assert int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1", status
    assert status["Seccomp"] == "2" or unfiltered, status


def certificate():
    context = ssl.create_default_context(cafile=d.path("server-ca.pem"))
    context.check_hostname = False
    context.load_cert_chain(d.path(f"{VIN}.pem"), d.path(f"{VIN}.key"))
    with socket.create_connection(("127.0.0.1", d.port)) as raw:
        with context.wrap_socket(raw) as s:
            return s.getpeercert(binary_form=True)


def renew():
    """Install a new certificate and a new key that only root can read, as certbot does."""
    new = d.path("renewed")
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-keyout",
                    new + ".key", "-out", new + ".csr"], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", new + ".csr", "-CA", d.path("server-ca.pem"),
                    "-CAkey", d.path("server-ca.key"), "-days", "9", "-out", new + ".pem"],
                   check=True, capture_output=True)
    os.chmod(new + ".key", 0o600)
    os.rename(new + ".key", d.path("server.key"))
    os.rename(new + ".pem", d.path("server.pem"))


SINKS = """  archive: {plugin: file, options: {path: "@/out/V.jsonl"}}
  odd: {plugin: fault, options: {path: "@/out/odd", write_outside: "@/elsewhere/x"}}"""
d = Daemon("records: [{type: V, to: archive}]", SINKS, "user: nobody", journal="{}")
d.port = low_port()
d.control = d.path("run/c.sock")
for name in ("out", "run", "state", "elsewhere"):
    os.mkdir(d.path(name))
    os.chown(d.path(name), NOBODY.pw_uid, NOBODY.pw_gid)
os.chmod(d.folder, 0o755)
for name in ("server.key", "vehicle-ca.key"):
    os.chmod(d.path(name), 0o600)
write = d.write


def write_with_run_folder():
    write()
    with open(d.path("fleetroute.yaml")) as f:
        text = f.read().replace("control: c.sock", "control: run/c.sock")
    with open(d.path("fleetroute.yaml"), "w") as f:
        f.write(text)


d.write = write_with_run_folder
with d:
    pid, key_reader = d.process.pid, key_reader_of(d.process.pid)
    unfiltered = sanitized()  # LeakSanitizer needs ptrace(2)
    check_unprivileged(pid, 0)
    check_unprivileged(key_reader, READ_ALL)
    car = d.car()
    car.send(vector("01_v_three_datums"))
    assert car.receive_reply()[0] == "ack"
    wait_until("the record is written", lambda: d.lines("out/V.jsonl"))
    assert os.stat(d.path("out/V.jsonl")).st_uid == NOBODY.pw_uid
    # What a compromised plugin would try. The daemon's user owns the folder.
    tried = next(line for line in d.lines("log") if "forbidden actions:" in line)
    landlocked = "this kernel has no Landlock" not in d.log_text()
    if landlocked:
        assert "write EACCES" in tried, tried
        assert os.listdir(d.path("elsewhere")) == []
    if not unfiltered:
        assert "start a program EACCES" in tried or "start a program EPERM" in tried, tried
        assert "personality EPERM" in tried and "namespace EPERM" in tried, tried
    before = certificate()
    renew()
    wait_until("the renewed certificate is served", lambda: certificate() != before)
    car.send(vector("01_v_three_datums"))  # the connection is still open
    assert car.receive_reply()[0] == "ack"
    # The public key is served as soon as it is made, although only root may open its folder.
    fleetroute("key", "-c", d.path("fleetroute.yaml"))
    assert os.stat(d.path("keys")).st_mode & 0o7777 == 0o750 and os.stat(d.path("keys")).st_uid == 0
    wait_until("the public key is served", lambda: d.status()["public_key_sha256"])
    # A sink outside of the sandbox is reported and cannot write there; the other sinks continue.
    d.sinks = d.sinks.replace("@/out/V.jsonl", "@/elsewhere/V.jsonl")
    said = d.reload().stdout
    assert not landlocked or "elsewhere/V.jsonl is outside the folders that the sandbox" in said, said
    car.close()
wait_until("the key reader ends with the daemon", lambda: not os.path.exists(f"/proc/{key_reader}"))

# The key reader also ends when the daemon is killed. `sandbox: false` disables the confinement.
d = Daemon("records: []", '  archive: {plugin: file, options: {path: "@/V.jsonl"}}',
           "sandbox: false\nuser: nobody")
os.chmod(d.folder, 0o777)
d.start()
key_reader = key_reader_of(d.process.pid)
assert facts(d.process.pid)["Seccomp"] == "0"
d.process.send_signal(signal.SIGKILL)
d.process.wait()
wait_until("the key reader ends with the daemon", lambda: not os.path.exists(f"/proc/{key_reader}"))
shutil.rmtree(d.folder)
d = Daemon("records: []", '  archive: {plugin: file, options: {path: "@/V.jsonl"}}',
           "user: nobody-of-that-name")
d.write()
answer = subprocess.run([f"{BUILD}/fleetrouted", "-c", d.path("fleetroute.yaml")],
                        capture_output=True, text=True)
assert answer.returncode == 1 and "there is no user" in answer.stderr, answer
shutil.rmtree(d.folder)
