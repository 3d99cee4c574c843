"""Postfix as a next MTA, from its unpacked package, in a private directory (its own queue and log).

It accepts the domains and users it is told about, answers 550 5.1.1 for other users, and stores what
it accepts as Maildir. It changes no header.
"""

import os
import pwd
import grp
import shutil

from .mailbox import Maildirs, speaks_smtp
from .process import eventually
from .world import PEERS, SMTP_PORT

ROOT = PEERS / "postfix"
SERVICES = """\
{address}:{port} inet n - n - 100 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
smtp unix - - n - - smtp
relay unix - - n - - smtp
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    name = "postfix"

    def __init__(self, world, host, domains, users, certificate=None, relayhost=None, settings=""):
        """`relayhost`: "[address]:port" that takes everything else from clients of this machine; `settings`: more
        lines of main.cf."""
        self.address = world.address(host)
        self._world = world
        self._folder = world.folder(f"postfix-{host}")
        self.mail = Maildirs(self._folder / "mail")
        self._process = None
        self._prepare(domains, users, certificate, relayhost, settings)

    def start(self):
        self._process = self._world.start(
            "postfix", [ROOT / "usr/lib/postfix/sbin/master", "-c", self._folder / "etc", "-d"],
            env={"LD_LIBRARY_PATH": str(ROOT / "usr/lib/postfix")})
        eventually(lambda: speaks_smtp(self.address, SMTP_PORT), lambda: f"Postfix answers\n{self.log()}")
        return self

    def stop(self):
        self._process.stop()

    def log(self):
        path = self._folder / "maillog"
        return (path.read_text(errors="replace") if path.exists() else "") + self._process.output

    def _prepare(self, domains, users, certificate, relayhost, settings):
        f = self._folder
        for name in ("etc", "data", "queue"):
            (f / name).mkdir(exist_ok=True)
        shutil.chown(f / "data", "postfix")
        self._make_queue()
        nobody = pwd.getpwnam("nobody")
        self.mail.path.mkdir(exist_ok=True)
        os.chown(self.mail.path, nobody.pw_uid, nobody.pw_gid)
        (f / "etc/users").write_text("".join(
            f"{user}@{domain} {domain}/{user}/\n" for domain in domains for user in users))
        tls = "smtpd_tls_security_level = none\n"
        if certificate:
            tls = (f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {certificate[0]}\n"
                   f"smtpd_tls_key_file = {certificate[1]}\nsmtpd_tls_received_header = yes\n"
                   "smtpd_tls_session_cache_database =\n")
        # inet_interfaces has to name an address that an interface really has; where Postfix listens is
        # said in master.cf.
        (f / "etc/main.cf").write_text(f"""\
compatibility_level = 3.6
queue_directory = {f}/queue
data_directory = {f}/data
command_directory = {ROOT}/usr/sbin
daemon_directory = {ROOT}/usr/lib/postfix/sbin
shlib_directory = {ROOT}/usr/lib/postfix
meta_directory = {ROOT}/etc/postfix
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH LANG=C
mail_owner = postfix
setgid_group = postdrop
maillog_file = {f}/maillog
maillog_file_prefixes = {f}
myhostname = mx.postfix.test.example
mydestination =
mynetworks ={' 127.0.0.0/8' if relayhost else ''}
relayhost ={' ' + relayhost if relayhost else ''}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
local_header_rewrite_clients =
virtual_mailbox_domains = {', '.join(domains)}
virtual_mailbox_maps = texthash:{f}/etc/users
virtual_mailbox_base = {self.mail.path}
virtual_uid_maps = static:{nobody.pw_uid}
virtual_gid_maps = static:{nobody.pw_gid}
virtual_mailbox_limit = 0
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
message_size_limit = 52428800
smtp_dns_support_level = disabled
in_flow_delay = 0s
{tls}{settings}""")
        (f / "etc/master.cf").write_text(SERVICES.format(address=self.address, port=SMTP_PORT))

    def _make_queue(self):
        queue = self._folder / "queue"
        owner, drop = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
        (queue / "pid").mkdir(exist_ok=True)
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
                     "private", "saved", "trace"):
            (queue / name).mkdir(exist_ok=True)
            os.chown(queue / name, owner, -1)
            (queue / name).chmod(0o700)
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            (queue / name).mkdir(exist_ok=True)
            os.chown(queue / name, owner, drop)
            (queue / name).chmod(mode)
