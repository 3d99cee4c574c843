"""The offline tools, on the spool of a daemon that is stopped; and the reader that shares no code with them."""

import json
import os
import pathlib
import subprocess
import sys

from . import relais

PROGRAM = os.environ.get("RELAISCTL") or str(pathlib.Path(relais.PROGRAM).with_name("relaisctl"))
SUPPORT = pathlib.Path(__file__).parents[2] / "support"
READER = SUPPORT / "read_spool.py"


class Outcome:
    def __init__(self, done):
        self.code, self.octets = done.returncode, done.stdout
        self.text = done.stdout.decode("utf-8", "backslashreplace")
        self.errors = done.stderr.decode("utf-8", "backslashreplace")

    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"<exit {self.code}\n{self.text[:2000]}\n{self.errors[:2000]}>"


def run(*arguments, **options):
    return Outcome(subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, timeout=60, **options))


def queue(spool):
    """What `queue list --json` says, which must succeed."""
    listed = run("--spool", spool, "--json", "queue", "list")
    if listed.code != 0:
        raise AssertionError(f"queue list: {listed}")
    return listed.json()


def read_independently(spool, *options):
    """The output of tests/support/read_spool.py."""
    return Outcome(subprocess.run([sys.executable, "-B", READER, *options, spool], capture_output=True, timeout=120))


def user(verb, file, *arguments, password=None):
    """`relaisctl user ...` on a users file; passwords go in on standard input, one a line."""
    return run("user", "--file", file, verb, *arguments,
               input=(password + "\n").encode() if password is not None else None)


def add_user(file, name, password, *options):
    added = user("add", file, *options, name, password=password)
    if added.code != 0:
        raise AssertionError(f"relaisctl user add {name}: {added}")
