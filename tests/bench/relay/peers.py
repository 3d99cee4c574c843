"""The MTAs of the relay benchmark: each as a pure relay without DNS, in a private folder, tuned for that.

They come from tests/system/setup-peers.sh. What each setting is for stands beside it; what is not
there has its default, durability among it.
"""

import dataclasses
import grp
import os
import pathlib
import pwd
import shutil
import subprocess

from . import machine, tools

PEERS = pathlib.Path(os.environ.get("RELAIS_PEERS", "/opt/relais-peers"))


@dataclasses.dataclass
class Wish:
    """What an MTA is to do in one run."""

    listen: tuple = tools.MTA
    next_hop: tuple = tools.SINK
    connections: int = 0       # to the next hop; 0: as is best for this MTA
    certificate: tuple = None  # (certificate, key): TLS is offered, and asked of the next hop
    workers: int = 1
    idle_connections: int = 1000


class Mta:
    name, title, syncs, needs_root = "", "", True, True
    program = pathlib.Path()
    knows_tls = False

    def missing(self):
        """Why it cannot be measured here; "" if it can."""
        if not self.program.exists():
            return f"{self.program} is not here"
        if self.needs_root and os.geteuid() != 0:
            return "needs root"
        return ""

    def start(self, folder, wish):
        """In `folder`, which is emptied. Returns its group once it answers."""
        machine.empty_folder(folder)
        argv, environment = self.prepare(folder, wish)
        if self.needs_root:
            argv = self._without_dns(folder, argv)
        with open(folder / "output", "w") as log:
            group = machine.Group(self.name, argv, {**os.environ, **environment}, log)
        try:
            tools.await_greeting(wish.listen, group)
        except RuntimeError as error:
            group.stop()
            tail = (folder / "output").read_text(errors="replace")[-1000:]
            raise RuntimeError(f"{self.title}: {error}\n{tail}") from error
        return group

    def binds(self, folder):
        """(what, over what) is mounted for this MTA alone."""
        # OpenSMTPD's resolver wants to be told that files come first: it asks for the names of addresses.
        (folder / "resolv.conf").write_text("lookup file\nnameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        return [(folder / "resolv.conf", "/etc/resolv.conf")]

    def _without_dns(self, folder, argv):
        mounts = "".join(f"mount --bind '{what}' '{over}' && " for what, over in self.binds(folder))
        return ["unshare", "-m", "sh", "-c", mounts + 'exec "$@"', "sh", *argv]


class Relais(Mta):
    name, title, needs_root, knows_tls = "relais", "relais", False, True
    program = tools.ROOT / "build/release/daemon/relaisd"

    def __init__(self, name="relais", program=None):
        self.name = self.title = name
        self.program = program or self.program

    def prepare(self, folder, wish):
        (folder / "spool").mkdir(mode=0o700)
        self._write(folder, self.settings(folder, wish), f"http: {{ control_socket: {folder}/control }}\n")
        return [self.program, "--config", folder / "relais.yaml"], {}

    def _write(self, folder, settings, newer):
        """`newer`: keys that a relaisd of before, given by --before, may not know."""
        config = folder / "relais.yaml"
        config.write_text(settings + newer)
        check = subprocess.run([self.program, "--check-config", "--config", config], capture_output=True, text=True)
        if check.returncode != 0 and "control_socket" in check.stdout + check.stderr:
            config.write_text(settings)

    def settings(self, folder, wish):
        per_destination = f"concurrency_per_destination: {wish.connections}, " if wish.connections else ""
        tls = ""
        if wish.certificate:
            tls = f"tls: {{ certificates: [{{ certificate: {wish.certificate[0]}, key: {wish.certificate[1]} }}] }}\n"
        return f"""\
hostname: relay.example
workers: {wish.workers}
listeners: ["{tools.text(wish.listen)}"]
relay: {{ trusted_networks: [127.0.0.0/8] }}
{tls}smarthost: {{ host: "[{wish.next_hop[0]}]:{wish.next_hop[1]}" }}
delivery: {{ {per_destination}tls: {"encrypt" if wish.certificate else "none"} }}
policy: {{ client_names: false }}
limits: {{ messages_per_connection: 1000000000, connections: 100000 }}
server_timeout: {{ command: 1h }}
spool: {{ directory: {folder}/spool }}
"""


class Postfix(Mta):
    name, title, knows_tls = "postfix", "Postfix", True
    program = PEERS / "postfix/usr/lib/postfix/sbin/master"

    def prepare(self, folder, wish):
        root = PEERS / "postfix"
        self._make_queue(folder)
        (folder / "etc").mkdir()
        (folder / "etc/main.cf").write_text(self._main(folder, root, wish))
        (folder / "etc/master.cf").write_text(self._master(wish))
        environment = {"LD_LIBRARY_PATH": str(root / "usr/lib/postfix")}
        return [self.program, "-c", folder / "etc", "-d"], environment

    @staticmethod
    def _make_queue(folder):
        owner, drop = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
        own = "active bounce corrupt defer deferred flush hold incoming private saved trace maildrop public".split()
        for name in ["pid", *own]:
            (folder / "queue" / name).mkdir(parents=True)
        (folder / "data").mkdir()
        for path in [folder / "data", *(folder / "queue" / name for name in own)]:
            os.chown(path, owner, drop if path.name in ("maildrop", "public") else -1)

    @staticmethod
    def _main(folder, root, wish):
        # 10 connections are best here: more of them wait for each other on two cores.
        connections = wish.connections or 10
        next_hop = f"[{wish.next_hop[0]}]:{wish.next_hop[1]}"
        return f"""\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {root}/usr/lib/postfix/sbin
command_directory = {root}/usr/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {root}/etc/postfix
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH TZ LANG=C
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
# A relay of everything from here to one next hop, without names; where it listens is in master.cf.
myhostname = relay.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
relayhost = {next_hop}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
message_size_limit = 52428800
# Clients are not slowed down and not counted (anvil is not asked).
in_flow_delay = 0s
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_event_limit_exceptions = 127.0.0.0/8
# Connections to the next hop are kept, for as many messages as there are.
initial_destination_concurrency = {connections}
default_destination_concurrency_limit = {connections}
smtp_connection_cache_destinations = {next_hop}
smtp_connection_reuse_count_limit = 0
smtp_connection_reuse_time_limit = 300s
# The queue manager holds all that a run can pile up; processes outlive the run.
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 500000
default_process_limit = 200
max_use = 100000
max_idle = 300s
smtpd_tls_security_level = {"may" if wish.certificate else "none"}
smtp_tls_security_level = {"encrypt" if wish.certificate else "none"}
""" + (f"""\
smtpd_tls_cert_file = {wish.certificate[0]}
smtpd_tls_key_file = {wish.certificate[1]}
smtp_tls_session_cache_database = btree:{folder}/data/smtp_tls
smtp_tls_connection_reuse = yes
""" if wish.certificate else "")

    @staticmethod
    def _master(wish):
        return f"""\
{tools.text(wish.listen)} inet n - n - {wish.idle_connections + 200} smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"""


class Exim(Mta):
    name, title = "exim", "Exim"
    program = PEERS / "exim/usr/sbin/exim4"

    def prepare(self, folder, wish):
        for name in ("spool", "log"):
            (folder / name).mkdir()
            shutil.chown(folder / name, "Debian-exim", "Debian-exim")
        config = folder / "exim.conf"
        config.write_text(self._text(folder, wish))
        config.chmod(0o644)
        # Queue runners each second, at most five: faster than a delivery begun by each reception.
        return [self.program, "-C", config, "-bdf", "-q1s"], {}

    def _text(self, folder, wish):
        return f"""\
exim_path = {self.program}
primary_hostname = relay.example
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
keep_environment =
local_interfaces = {wish.listen[0]}
daemon_smtp_ports = {wish.listen[1]}
tls_advertise_hosts =
host_lookup =
message_size_limit = 50M
acl_smtp_rcpt = anybody
# Clients are not limited.
smtp_accept_max = {wish.idle_connections + 200}
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
smtp_connect_backlog = 1024
# For gateways: no program is started anew for each delivery.
deliver_drop_privilege = true
split_spool_directory = true
queue_only = true
queue_run_max = {1 if wish.connections == 1 else 5}
remote_max_parallel = {wish.connections or 2}
begin acl
anybody:
  accept hosts = 127.0.0.0/8
begin routers
next_hop:
  driver = manualroute
  transport = out
  route_list = * {wish.next_hop[0]}
  self = send
begin transports
out:
  driver = smtp
  port = {wish.next_hop[1]}
  allow_localhost
  hosts_avoid_tls = *
  multi_domain
  max_rcpt = 1000
  connection_max_messages = 500
begin retry
* * F,2h,1m
"""


class OpenSmtpd(Mta):
    name, title, syncs = "opensmtpd", "OpenSMTPD", False
    program = PEERS / "opensmtpd/usr/sbin/smtpd"
    _spool = "/var/spool/smtpd"  # compiled in

    def prepare(self, folder, wish):
        pathlib.Path(self._spool).mkdir(exist_ok=True)
        empty = pathlib.Path("/var/lib/opensmtpd/empty")  # its compiled-in chroot
        empty.mkdir(parents=True, exist_ok=True)
        spool = folder / "spool"
        spool.mkdir()
        spool.chmod(0o711)
        for name in "purge temporary incoming queue corrupt".split():
            (spool / name).mkdir(mode=0o700)
            shutil.chown(spool / name, "opensmtpq")
        (spool / "offline").mkdir()
        shutil.chown(spool / "offline", "root", "opensmtpq")
        (spool / "offline").chmod(0o770)
        (folder / "smtpd.conf").write_text(self._text(wish))
        return [self.program, "-d", "-f", folder / "smtpd.conf"], {}

    def binds(self, folder):
        return [*super().binds(folder), (folder / "spool", self._spool)]

    @staticmethod
    def _text(wish):
        c = wish.connections or 20
        return f"""\
smtp limit max-mails 100000000
smtp limit max-rcpt 1000
mta limit max-conn-per-host {c} max-conn-per-route {c} max-conn-per-source {c} max-conn-per-connector {c} max-conn-per-relay {c}
# Else a new connection per route only every 5 seconds.
mta limit conn-delay-route 0 conn-delay-relay 0 reconn-delay-route 0
mta limit session-mail-max 100000 task-hiwat 2000 task-lowat 1000 task-release 100
scheduler limit max-inflight 50000 max-schedule 500
listen on {wish.listen[0]} port {wish.listen[1]} hostname relay.example
action "out" relay host "smtp+notls://{tools.text(wish.next_hop)}" helo relay.example
match from any for any action "out"
"""


class Haraka(Mta):
    name, title = "haraka", "Haraka"
    program = PEERS / "haraka/node_modules/Haraka/bin/haraka"

    def missing(self):
        return super().missing() or ("" if shutil.which("node") else "node is not here")

    def prepare(self, folder, wish):
        config = folder / "config"
        shutil.copytree(self.program.parents[1] / "config", config, ignore=lambda _, names: [
            name for name in names if not name.endswith(".ini")])
        (folder / "queue").mkdir()
        (folder / "plugins").mkdir()
        (folder / "package.json").write_text('{"name": "bench", "private": true}\n')
        (folder / "plugins/everything_out.js").write_text(f"""\
exports.register = function () {{
  this.register_hook('connect', 'relay');
  this.register_hook('rcpt', 'take');
  this.register_hook('get_mx', 'next_hop');
}};
exports.relay = (next, connection) => {{ connection.relaying = true; next(); }};
exports.take = (next) => next(OK);
exports.next_hop = (next) => next(OK, {{ priority: 0, exchange: '{wish.next_hop[0]}', port: {wish.next_hop[1]} }});
""")
        for name, text in {
            "plugins": "everything_out\n",
            "me": "relay.example\n",
            "smtp.ini": f"listen={tools.text(wish.listen)}\nnodes={1 if wish.connections == 1 else os.cpu_count()}\n",
            "outbound.ini": f"concurrency_max={wish.connections or 50}\nenable_tls=false\nlocal_mx_ok=true\n",
            "log.ini": "[main]\nlevel=NOTICE\n",
        }.items():
            (config / name).write_text(text)
        return ["node", self.program, "-c", folder], {}


def all_of(before=None, relaisd=None):
    """In the order of the tables."""
    relais = Relais("relais", pathlib.Path(relaisd) if relaisd else None)
    older = [Relais("before", pathlib.Path(before))] if before else []
    return [relais, *older, Postfix(), Exim(), OpenSmtpd(), Haraka()]
