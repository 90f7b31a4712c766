"""The fake cloud's certificate authority and its server certificate, made by the command `openssl`."""
import os
import subprocess

HOSTS = {
    "auth": ("fleet-auth.prd.vn.cloud.tesla.com", "auth.tesla.com", "auth.tesla.cn"),
    "na": ("fleet-api.prd.na.vn.cloud.tesla.com",),
    "eu": ("fleet-api.prd.eu.vn.cloud.tesla.com",),
    "cn": ("fleet-api.prd.cn.vn.cloud.tesla.cn",),
}

# With all the extensions that a strict verifier expects.
CONFIGURATION = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


def openssl(*arguments, data=None):
    """Run openssl and return its output; ValueError with its message."""
    run = subprocess.run(["openssl", *arguments], input=data, capture_output=True)
    if run.returncode != 0:
        raise ValueError(run.stderr.decode(errors="replace").strip())
    return run.stdout


class Authority:
    """A certificate authority in a folder: NAME.pem and NAME.key. An existing one is used again."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.certificate, self.key = self.path(f"{name}.pem"), self.path(f"{name}.key")
        if not os.path.exists(self.certificate):
            self.make(name, f"fake Tesla {name}", "authority", "3650", ())

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, name, subject, extensions, days, names):
        configuration = self.path(f"{name}.cnf")
        with open(configuration, "w") as file:
            file.write(CONFIGURATION.format(names=",".join(names) or "DNS:unused"))
        key = self.path(f"{name}.key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
        signer = () if extensions == "authority" else ("-CA", self.certificate, "-CAkey", self.key)
        openssl("req", "-x509", "-new", "-key", key, "-subj", f"/CN={subject}", "-days", days, "-config",
                configuration, "-extensions", extensions, *signer, "-out", self.path(f"{name}.pem"))

    def server(self, name, *hosts):
        """(certificate, key) of a server with these names and addresses."""
        names = [("IP:" if host.replace(".", "").isdigit() else "DNS:") + host for host in hosts]
        self.make(name, hosts[0], "server", "800", names)
        return self.path(f"{name}.pem"), self.path(f"{name}.key")


def public_point(pem):
    """The 65 bytes of a P-256 public key in PEM; ValueError if it is none."""
    der = openssl("pkey", "-pubin", "-outform", "DER", data=pem)
    # SubjectPublicKeyInfo of a named curve: 26 bytes of headers, then the point.
    if len(der) != 91 or der[13:23] != bytes.fromhex("06082a8648ce3d030107"):
        raise ValueError("only NIST P-256 keys with a named curve")
    return der[26:]
