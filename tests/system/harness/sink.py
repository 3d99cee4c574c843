"""tests/support/sink.py as a next hop: scripted answers, STARTTLS, AUTH, and a record of every message."""

import json
import pathlib
import sys

from .mailbox import StoredMessage
from .process import eventually
from .world import SMTP_PORT

PROGRAM = pathlib.Path(__file__).parents[2] / "support/sink.py"


class Sink:
    def __init__(self, world, host, certificate=None, user=None):
        self.address = world.address(host)
        self._world = world
        self._folder = world.folder(f"sink-{host}")
        self._store = world.folder(f"sink-{host}/store")
        self._replies = self._folder / "replies.json"
        self.script()
        self._command = [sys.executable, PROGRAM, "--listen", f"{self.address}:{SMTP_PORT}",
                         "--store", self._store, "--reply-file", self._replies]
        if certificate:
            self._command += ["--tls-cert", certificate[0], "--tls-key", certificate[1]]
        if user:
            self._command += ["--user", user]
        self._process = None

    def start(self):
        self._process = self._world.start("sink", self._command)
        self._process.wait_for_line("listening on")
        return self

    def stop(self):
        self._process.stop()

    def script(self, **answers):
        """What is answered from now on; see the head of sink.py."""
        draft = self._replies.with_suffix(".draft")
        draft.write_text(json.dumps(answers))
        draft.rename(self._replies)

    def messages(self):
        """(facts, StoredMessage) in order of arrival."""
        found = []
        for facts in sorted(self._store.glob("*.json"), key=lambda p: int(p.stem)):
            content = facts.with_suffix(".eml")
            found.append((json.loads(facts.read_text()), StoredMessage(content.read_bytes(), content)))
        return found

    def wait_for(self, count=1, timeout=30):
        return eventually(lambda: len(self.messages()) >= count and self.messages(),
                          lambda: f"{count} message(s) at the sink, there are {len(self.messages())}\n"
                                  f"{self._process.output}", timeout)
