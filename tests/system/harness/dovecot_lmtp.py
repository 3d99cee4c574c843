"""Dovecot's LMTP service (RFC 2033) from its unpacked packages, on a UNIX socket and on TCP, with Maildirs. It runs
in a mount namespace of its own where /usr holds its files, because it knows no other place.

A user named `broken` has a Maildir that cannot be written: its deliveries fail for now, after the content.
"""

import shutil

from .dovecot import ROOT, Service
from .mailbox import Maildirs
from .world import PEERS

PORT = 2424


class DovecotLmtp(Service):
    roots = (PEERS / "dovecot-lmtpd/usr", ROOT)

    def __init__(self, world, host, domain, users):
        self.address, self.port = world.address(host), PORT
        self._world = world
        self._folder = f = world.folder(f"dovecot-lmtp-{host}")
        self.socket = f / "lmtp"
        self.mail = Maildirs(f / "mail")
        home = f / "mail" / domain
        home.mkdir(parents=True)
        shutil.chown(home, "nobody", "nogroup")
        (home / "broken").mkdir(mode=0o500)
        (f / "users").write_text("".join(f"{user}@{domain}:{{PLAIN}}x::::::\n" for user in (*users, "broken")))
        for name in ("base", "state"):
            (f / name).mkdir()
        (f / "dovecot.conf").write_text(f"""\
base_dir = {f}/base
state_dir = {f}/state
log_path = /dev/stderr
protocols = lmtp
ssl = no
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
first_valid_uid = 1
mail_location = maildir:{f}/mail/%d/%n
hostname = mx.{domain}
postmaster_address = postmaster@{domain}
lmtp_rcpt_check_quota = no
quota_full_tempfail = no
passdb {{
  driver = passwd-file
  args = username_format=%u {f}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {f}/users
  default_fields = uid=nobody gid=nogroup home={f}/mail/%d/%n
}}
service lmtp {{
  user = root
  unix_listener {self.socket} {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = {self.address}
    port = {PORT}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
""")
