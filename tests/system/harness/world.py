"""One test process's private piece of the machine: a directory and a block of loopback addresses.

All of 127.0.0.0/8 belongs to the loopback interface, so each test process claims a block
127.x.y.0/24 of its own and every neighbour gets an address in it. That allows fixed ports without
collisions between test files, and makes an address nobody listens on reliably dead.
"""

import itertools
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

from .process import Process

SMTP_PORT = 2525  # of relais and of every next MTA: MX records have no port (delivery.port)
DNS_PORT = 5353
PEERS = pathlib.Path(os.environ.get("RELAIS_PEERS", "/opt/relais-peers"))
PASSED_ON = ("RELAISD", "RELAISCTL", "RELAIS_PEERS", "RELAIS_KILL_ROUNDS", "RELAIS_KILL_SEED")
SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt
REPORT = "Sanitizer: "  # of a program under one; no test is good that has one, whatever the exit code


class World:
    def __init__(self):
        self._claim, self._block = _claim_block()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="relais-system-"))
        self.directory.chmod(0o755)  # the MTAs give up root and still have to get in
        self._processes = []
        self._numbers = itertools.count(1)

    def address(self, host):
        """127.x.y.<host>"""
        return f"{self._block}.{host}"

    def folder(self, name):
        path = self.directory / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def new_folder(self, name):
        """One that nobody used before: <name>-1, <name>-2..."""
        return self.folder(f"{name}-{next(self._numbers)}")

    def start(self, name, command, **options):
        process = Process(name, [str(word) for word in command], **options)
        self._processes.append(process)
        return process

    def close(self, keep_files=False):
        for process in reversed(self._processes):
            process.stop()
        self._claim.close()
        if keep_files:
            print(f"files of the failed test are kept in {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
        for process in self._processes:
            output = process.output
            if REPORT in output:
                raise AssertionError(f"{process.name}: {output[output.index(REPORT):][:20000]}")

    def certificate(self, name):
        """A self-signed certificate for a host name: (certificate file, key file), readable by peers."""
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        if not certificate.exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                 "-keyout", str(key), "-out", str(certificate)],
                check=True, capture_output=True)
            key.chmod(0o644)
        return certificate, key


def _claim_block():
    """Claims by binding a socket; the pid only spreads the first guesses."""
    for attempt in range(1000):
        n = (os.getpid() * 7 + attempt) % (250 * 250)
        block = f"127.{n // 250 + 2}.{n % 250 + 2}"
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((f"{block}.254", 1024))
            return claim, block
        except OSError:
            claim.close()
    raise RuntimeError("no free block of loopback addresses")


def require_root_and_peers():
    """Ends the process with SKIPPED and one sentence where the tests cannot run; tries sudo first."""
    if os.geteuid() != 0:
        if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
            kept = [f"{name}={os.environ[name]}" for name in PASSED_ON if name in os.environ]
            os.execvp("sudo", ["sudo", "-n", "env", *kept, sys.executable, *sys.argv])
        _skip("system tests need root (or sudo without a password): Postfix and Exim change users")
    for program in ("swaks", "msmtp", "curl", "openssl", "setpriv"):
        if not shutil.which(program):
            _skip(f"{program} is missing: run tests/system/setup-peers.sh")
    for program in ("postfix/usr/lib/postfix/sbin/master", "exim/usr/sbin/exim4"):
        if not (PEERS / program).exists():
            _skip(f"{PEERS / program} is missing: run tests/system/setup-peers.sh")


def _skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)
