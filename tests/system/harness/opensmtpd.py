"""OpenSMTPD as a next MTA, from its unpacked package, in mount namespaces of its own: where its queue, its control
socket and its programs are is compiled in.

It takes the users that it is told about at one domain and stores what it accepts as Maildir. It offers
neither PIPELINING nor CHUNKING, and takes a command that comes before it was asked for as none.
"""

import shutil

from .mailbox import Maildirs, speaks_smtp
from .process import eventually
from .world import PEERS, SMTP_PORT

ROOT = PEERS / "opensmtpd/usr"
PROGRAM = ROOT / "sbin/smtpd"


class OpenSmtpd:
    name = "opensmtpd"

    def __init__(self, world, host, domains, users, certificate=None, size=None):
        self.address = world.address(host)
        self._world = world
        self._folder = world.folder(f"opensmtpd-{host}")
        self.mail = Maildirs(self._folder / "mail")
        self._process = None
        spool = self._folder / "spool"
        for name in ("offline", "purge", "temporary", "incoming", "queue", "corrupt"):
            (spool / name).mkdir(parents=True, exist_ok=True)
            shutil.chown(spool / name, "opensmtpq", "root")
            (spool / name).chmod(0o700)
        spool.chmod(0o711)
        shutil.chown(spool / "offline", "root", "opensmtpq")
        (spool / "offline").chmod(0o770)
        self.mail.path.mkdir(exist_ok=True)
        shutil.chown(self.mail.path, "nobody")
        self._config = self._folder / "smtpd.conf"
        self._config.write_text(self._text(domains, users, certificate, size))
        self._config.chmod(0o600)

    def start(self):
        inside = (f"mkdir -p /var/spool/smtpd && mount -t overlay overlay -o lowerdir={ROOT}:/usr /usr && "
                  f"mount --bind {self._folder}/spool /var/spool/smtpd && mount -t tmpfs tmpfs /run && "
                  f"exec /usr/sbin/smtpd -d -f {self._config}")
        self._process = self._world.start("opensmtpd", ["unshare", "--mount", "sh", "-c", inside])
        eventually(lambda: speaks_smtp(self.address, SMTP_PORT), lambda: f"OpenSMTPD answers\n{self.log()}")
        return self

    def stop(self):
        self._process.stop()

    def log(self):
        return self._process.output

    def _text(self, domains, users, certificate, size):
        tls, pki = "", ""
        if certificate:
            for path in certificate:  # it does not take keys that others can read
                private = self._folder / path.name
                shutil.copy(path, private)
                private.chmod(0o600)
            pki = "".join(f'pki peer.example {word} "{self._folder / path.name}"\n'
                          for word, path in zip(("cert", "key"), certificate))
            tls = " tls pki peer.example"
        return f"""\
{pki}{f'smtp max-message-size "{size}"' if size else ''}
table users {{ {', '.join(f'"{user}" = "nobody"' for user in users)} }}
listen on {self.address} port {SMTP_PORT}{tls} hostname mx.opensmtpd.test.example
action "store" maildir "{self.mail.path}/%{{rcpt.domain}}/%{{rcpt.user}}" virtual <users>
""" + "".join(f'match from any for domain "{domain}" action "store"\n' for domain in domains)
