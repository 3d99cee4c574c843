"""A certificate authority of one test: host certificates (ECDSA and RSA) and client certificates, made by the
openssl program, and the ssl.SSLContext of a client that trusts it.
"""

import ssl
import subprocess

KEYS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}


def openssl(*words, octets=None):
    done = subprocess.run(["openssl", *map(str, words)], input=octets, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(map(str, words))}:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


class Certificate:
    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    def settings(self):
        """As an entry of tls.certificates."""
        return {"certificate": str(self.certificate), "key": str(self.key)}

    @property
    def fingerprint(self):
        """SHA-256, as openssl writes it: with colons."""
        return openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256").decode().strip().split("=")[1]

    @property
    def der(self):
        return openssl("x509", "-in", self.certificate, "-outform", "DER")

    def copy_to(self, other):
        """Puts these octets in the files of the other, as a renewal does."""
        for mine, theirs in ((self.certificate, other.certificate), (self.key, other.key)):
            draft = theirs.with_suffix(".draft")
            draft.write_bytes(mine.read_bytes())
            draft.rename(theirs)


class Authority:
    def __init__(self, world, name="ca"):
        self._folder = world.folder(f"certificates-{name}")
        self.certificate, self._key = self._folder / "ca.crt", self._folder / "ca.key"
        openssl("req", "-x509", "-newkey", *KEYS["ec"], "-nodes", "-days", "60", "-subj", f"/CN={name} of the tests",
                "-keyout", self._key, "-out", self.certificate)

    def issue(self, name, key="ec", names=(), file=None, days=60):
        """For a host `name` and others ("IP:..." for an address), or for the user of a client."""
        base = self._folder / (file or f"{name}-{key}")
        certificate, private = base.with_name(base.name + ".crt"), base.with_name(base.name + ".key")
        request, extensions = base.with_name(base.name + ".csr"), base.with_name(base.name + ".ext")
        stands_for = ["email:" + name if "@" in name else "DNS:" + name]
        stands_for += [other if other.startswith("IP:") else "DNS:" + other for other in names]
        extensions.write_text(f"subjectAltName={','.join(stands_for)}\n"
                              "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", "-new", "-newkey", *KEYS[key], "-nodes", "-subj", f"/CN={name}", "-keyout", private, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                "-days", days, "-extfile", extensions, "-out", certificate)
        private.chmod(0o644)  # peers that give up root read it, too
        return Certificate(certificate, private)

    def client_context(self, client=None, minimum=None, maximum=None, ciphers=None):
        """A client that believes this authority only; `client`: its own certificate."""
        context = ssl.create_default_context(cafile=self.certificate)
        if client:
            context.load_cert_chain(client.certificate, client.key)
        if ciphers:
            context.set_ciphers(ciphers)
        if minimum:
            context.minimum_version = minimum
        if maximum:
            context.maximum_version = maximum
        return context
