"""Postfix as the server of the benchmark: only what answers SMTP, in the folder of the run. From the
package that tests/system/setup-peers.sh unpacks, or an installed one; needs root, as Postfix does."""

import grp
import os
import pathlib
import pwd
import shutil
import signal
import subprocess

PEER = pathlib.Path(os.environ.get("RELAIS_PEERS", "/opt/relais-peers")) / "postfix"
PROCESSES = 200

MAIN = """\
compatibility_level = 3.6
queue_directory = {f}/queue
data_directory = {f}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {root}/etc/postfix
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH LANG=C
mail_owner = postfix
setgid_group = postdrop
maillog_file = {f}/maillog
maillog_file_prefixes = {f}
myhostname = bench.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_timeout = 3600s
smtpd_tls_security_level = may
smtpd_tls_cert_file = {f}/../cert.pem
smtpd_tls_key_file = {f}/../key.pem
smtpd_tls_session_cache_database =
smtpd_tls_loglevel = 0
"""

MASTER = """\
{address}:{plain} inet n - n - {processes} smtpd
{address}:{implicit} inet n - n - {processes} smtpd
  -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


def is_here():
    return os.geteuid() == 0 and (PEER / "usr/lib/postfix/sbin/master").exists()


class Postfix:
    name = "Postfix"

    def __init__(self, folder, address, plain, implicit, wait_for):
        self._folder = folder / "postfix"
        self._prepare(address, plain, implicit)
        environment = dict(os.environ, LD_LIBRARY_PATH=str(PEER / "usr/lib/postfix"))
        self._log = open(self._folder / "master.log", "w")
        self._process = subprocess.Popen(
            [PEER / "usr/lib/postfix/sbin/master", "-c", self._folder / "etc", "-d"],
            env=environment, stdout=self._log, stderr=self._log, start_new_session=True)
        wait_for(plain, self._process)

    def _prepare(self, address, plain, implicit):
        f = self._folder
        shutil.rmtree(f, ignore_errors=True)
        for name in ("etc", "data", "queue", "queue/pid"):
            (f / name).mkdir(parents=True)
        owner, drop = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
        os.chown(f / "data", owner, -1)
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                     "saved", "trace", "maildrop", "public"):
            (f / "queue" / name).mkdir()
            os.chown(f / "queue" / name, owner, drop if name in ("maildrop", "public") else -1)
        (f / "etc/main.cf").write_text(MAIN.format(f=f, root=PEER))
        (f / "etc/master.cf").write_text(MASTER.format(address=address, plain=plain, implicit=implicit,
                                                       processes=PROCESSES))

    def _children(self):
        pid = self._process.pid
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def processor(self):
        """Of the master, its children, and those that have ended."""
        ticks = os.sysconf("SC_CLK_TCK")
        used = 0
        for pid in [self._process.pid, *self._children()]:
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            last = 15 if pid == self._process.pid else 13
            used += sum(int(n) for n in fields[11:last])
        return used / ticks

    def memory(self):
        """KiB of all processes, what they share counted once."""
        sum_of = 0
        for pid in self._children():
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            sum_of += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        return sum_of

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()
