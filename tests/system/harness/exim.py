"""Exim as a next MTA, from its unpacked package, in a private directory (its own spool and log).

It accepts the domains and users it is told about, refuses other users with 550, and stores what it
accepts as Maildir. It changes no header.
"""

import shutil

from .mailbox import Maildirs, speaks_smtp
from .process import eventually
from .world import PEERS, SMTP_PORT

PROGRAM = PEERS / "exim/usr/sbin/exim4"


class Exim:
    name = "exim"

    def __init__(self, world, host, domains, users, certificate=None, size="50M", per_connection=0, settings=""):
        """`per_connection`: messages; 0 = any number; `settings`: more lines of the main section."""
        self.address = world.address(host)
        self._world = world
        self._folder = world.folder(f"exim-{host}")
        self.mail = Maildirs(self._folder / "mail")
        self._process = None
        for name in ("spool", "log", "mail"):
            (self._folder / name).mkdir(exist_ok=True)
            shutil.chown(self._folder / name, "Debian-exim", "Debian-exim")
        self._config = self._folder / "exim.conf"
        self._config.write_text(self._text(domains, users, certificate, size, per_connection, settings))
        self._config.chmod(0o644)

    def start(self):
        self._process = self._world.start("exim", [PROGRAM, "-C", self._config, "-bdf", "-q5s"])
        eventually(lambda: speaks_smtp(self.address, SMTP_PORT), lambda: f"Exim answers\n{self.log()}")
        return self

    def stop(self):
        self._process.stop()

    def log(self):
        logs = sorted((self._folder / "log").iterdir())
        return "".join(path.read_text(errors="replace") for path in logs) + self._process.output

    def _text(self, domains, users, certificate, size, per_connection, settings):
        tls = "tls_advertise_hosts ="
        if certificate:
            tls = f"tls_advertise_hosts = *\ntls_certificate = {certificate[0]}\ntls_privatekey = {certificate[1]}"
        f = self._folder
        return f"""\
exim_path = {PROGRAM}
primary_hostname = mx.exim.test.example
spool_directory = {f}/spool
log_file_path = {f}/log/%slog
pid_file_path = {f}/exim.pid
keep_environment =
local_interfaces = {self.address}
daemon_smtp_ports = {SMTP_PORT}
{tls}
host_lookup =
helo_allow_chars = _
message_size_limit = {size}
accept_8bitmime = true
acl_smtp_rcpt = check_rcpt
smtp_accept_max = 200
smtp_accept_max_per_connection = {per_connection}
{settings}
smtp_accept_queue_per_connection = 0
rfc1413_query_timeout = 0s
deliver_drop_privilege = true
domainlist served = {' : '.join(domains)}
begin acl
check_rcpt:
  deny !domains = +served
       message = relay not permitted
  deny !verify = recipient
       message = no such user here
  accept
begin routers
mailbox:
  driver = accept
  domains = +served
  local_parts = {' : '.join(users)}
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {f}/mail/$domain_data/$local_part_data
  maildir_format
  create_directory
  return_path_add
  user = Debian-exim
  group = Debian-exim
begin retry
* * F,2h,1m
"""
