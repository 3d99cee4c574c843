"""Haraka as a next MTA (npm; see setup-peers.sh), in a private directory. It takes everything for its domains and
stores each message, as its data stream gives it out, in a file of its own.
"""

import json
import shutil

from .mailbox import StoredMessage, speaks_smtp
from .process import eventually
from .world import PEERS, SMTP_PORT

ROOT = PEERS / "haraka/node_modules/Haraka"

KEEP = """\
'use strict';
const fs = require('node:fs');
let count = 0;
exports.hook_rcpt = function (next, connection, [rcpt]) {
  next(rcpt.host === '%(domain)s' && %(users)s.includes(rcpt.user) ? OK : DENY);
};
exports.hook_queue = function (next, connection) {
  const rcpts = connection.transaction.rcpt_to.map((rcpt) => `${rcpt.user}@${rcpt.host}`).join(',');
  const draft = `%(folder)s/${++count} ${rcpts}.draft`;
  const to = fs.createWriteStream(draft);
  to.on('close', () => { fs.renameSync(draft, draft.replace('.draft', '.eml')); next(OK); });
  connection.transaction.message_stream.pipe(to, { line_endings: '\\r\\n' });
};
"""


class HarakaMail:
    """As mailbox.Maildirs, for one box."""

    def __init__(self, path):
        self.path = path

    def wait_for(self, recipient, count=1, matching=lambda octets: True):
        def found():
            stored = [StoredMessage(p.read_bytes(), p) for p in sorted(self.path.glob("*.eml")) if recipient in p.name]
            return [m for m in stored if matching(m.octets)]
        return eventually(lambda: len(found()) >= count and found(), lambda: f"{count} message(s) in {self.path}")


class Haraka:
    name = "haraka"

    def __init__(self, world, host, domain, users, certificate=None, size=None):
        self.address = world.address(host)
        self._world = world
        self._folder = f = world.folder(f"haraka-{host}")
        for name in ("config", "plugins", "queue", "mail"):
            (f / name).mkdir()
        for ini in (ROOT / "config").glob("*.ini"):
            shutil.copy(ini, f / "config")
        limits = f / "config/connection.ini"  # without this it folds lines beyond 992
        limits.write_text(limits.read_text().replace("data_line_length=992", "data_line_length=2000"))
        self.mail = HarakaMail(f / "mail")
        plugins = ["keep"]
        if certificate:
            plugins.insert(0, "tls")
            shutil.copy(certificate[0], f / "config/tls_cert.pem")
            shutil.copy(certificate[1], f / "config/tls_key.pem")
        if size:
            (f / "config/databytes").write_text(f"{size}\n")
        (f / "config/plugins").write_text("\n".join(plugins) + "\n")
        (f / "plugins/keep.js").write_text(KEEP % {"domain": domain, "folder": f / "mail",
                                                         "users": json.dumps(list(users))})
        (f / "config/smtp.ini").write_text(f"listen={self.address}:{SMTP_PORT}\nnodes=0\n")
        (f / "config/log.ini").write_text("[main]\nlevel=NOTICE\n")
        (f / "config/me").write_text("mx.haraka.test.example\n")
        (f / "package.json").write_text(json.dumps({"name": "peer", "private": True}))
        self._process = None

    @staticmethod
    def is_there():
        return shutil.which("node") and (ROOT / "bin/haraka").exists()

    def start(self):
        self._process = self._world.start("haraka", ["node", ROOT / "bin/haraka", "-c", self._folder])
        eventually(lambda: speaks_smtp(self.address, SMTP_PORT), lambda: f"Haraka answers\n{self.log()}")
        return self

    def stop(self):
        self._process.stop()

    def log(self):
        return self._process.output
