"""Certificate authorities and vehicle certificates with faults, created with openssl(1)."""
import os
import subprocess
import time

CONFIG = """
[ca]
default_ca = me
[me]
dir = {folder}
database = $dir/index.txt
new_certs_dir = $dir
serial = $dir/serial
crlnumber = $dir/crlnumber
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
copy_extensions = none
default_days = 300
[any]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
CN = x
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[short]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
[for_servers]
basicConstraints = critical,CA:TRUE
extendedKeyUsage = serverAuth
[no_authority]
basicConstraints = critical,CA:FALSE
[leaf]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = clientAuth
"""


def stamp(seconds_from_now):
    return time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + seconds_from_now))


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, text=True)


class Authority:
    """A CA in the folder `folder`/`label`; self-signed if `issuer` is None. `begins` and `ends` are seconds
    from now."""

    def __init__(self, folder, label, name="Tesla Issuing CA", issuer=None, extensions="authority",
                 begins=-86400, ends=86400 * 300):
        self.name, self.label, self.issuer, self.parent = name, label, issuer, folder
        self.folder = os.path.join(folder, label)
        os.mkdir(self.folder)
        for file, text in (("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "01\n"),
                           ("cnf", CONFIG.format(folder=self.folder))):
            with open(self.path(file), "w") as f:
                f.write(text)
        self.key, self.certificate = self.path("key.pem"), self.path("ca.pem")
        self.request(self.key, self.path("request.pem"), name)
        signer = issuer or self
        signer.sign(self.path("request.pem"), self.certificate, extensions, begins, ends,
                    self_signed=issuer is None)

    def path(self, name):
        return os.path.join(self.folder, name)

    def request(self, key, request, name):
        openssl("req", "-config", self.path("cnf"), "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out",
                request)

    def sign(self, request, certificate, extensions, begins, ends, self_signed=False):
        signer = ["-selfsign"] if self_signed else ["-cert", self.certificate]
        openssl("ca", "-config", self.path("cnf"), "-batch", "-notext", *signer, "-keyfile", self.key,
                "-in", request, "-out", certificate, "-extensions", extensions, "-startdate",
                stamp(begins), "-enddate", stamp(ends))

    def vehicle(self, vin, begins=-86400, ends=86400 * 300, chain=()):
        """Paths of a vehicle certificate, followed by `chain`, and of its key."""
        base = self.path(f"{vin}-{len(os.listdir(self.folder))}")
        self.request(base + ".key", base + ".csr", vin)
        self.sign(base + ".csr", base + ".leaf", "leaf", begins, ends)
        with open(base + ".pem", "w") as out:
            for path in (base + ".leaf", *(a.certificate for a in chain)):
                with open(path) as f:
                    out.write(f.read())
        return base + ".pem", base + ".key"

    def revoke(self, files):
        openssl("ca", "-config", self.path("cnf"), "-batch", "-cert", self.certificate, "-keyfile",
                self.key, "-revoke", files[0].replace(".pem", ".leaf"))

    def crl(self, begins=-3600, ends=86400):
        """The text of a CRL with all revoked certificates."""
        openssl("ca", "-config", self.path("cnf"), "-batch", "-cert", self.certificate, "-keyfile",
                self.key, "-gencrl", "-crl_lastupdate", stamp(begins), "-crl_nextupdate",
                stamp(ends), "-out", self.path("crl.pem"))
        with open(self.path("crl.pem")) as f:
            return f.read()

    def pem(self):
        with open(self.certificate) as f:
            return f.read()
