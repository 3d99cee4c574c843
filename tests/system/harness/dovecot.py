"""Dovecot's login service from its unpacked package: users of one test behind an auth socket, nothing else of
Dovecot. It runs in a mount namespace of its own where /usr holds its files, because it knows no other place.
"""

from .process import eventually
from .world import PEERS

ROOT = PEERS / "dovecot-core/usr"


class Service:
    """What runs in the namespace; `roots`: unpacked packages, each over those behind it."""

    roots = (ROOT,)

    def start(self):
        lower = ":".join(str(root) for root in self.roots)
        inside = (f"mount -t overlay overlay -o lowerdir={lower}:/usr /usr && "
                  f"exec /usr/sbin/dovecot -F -c {self._folder}/dovecot.conf")
        self._process = self._world.start("dovecot", ["unshare", "--mount", "sh", "-c", inside])
        eventually(lambda: self.socket.exists() or not self._process.is_running(), lambda: self._process.output)
        if not self._process.is_running():
            raise AssertionError(f"Dovecot ended:\n{self._process.output}")
        return self

    def stop(self):
        self._process.stop()

    @property
    def output(self):
        return self._process.output


class Dovecot(Service):
    def __init__(self, world, users):
        """`users`: name -> password."""
        self._world = world
        self._folder = world.folder("dovecot")
        self.socket = self._folder / "auth-client"
        (self._folder / "users").write_text("".join(f"{name}:{{PLAIN}}{password}\n" for name, password in users.items()))
        for name in ("base", "upper", "work"):
            (self._folder / name).mkdir(exist_ok=True)
        (self._folder / "dovecot.conf").write_text(f"""\
base_dir = {self._folder}/base
state_dir = {self._folder}/base
log_path = /dev/stderr
auth_verbose = yes
protocols =
ssl = no
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = username_format=%u {self._folder}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service auth {{
  user = root
  unix_listener {self.socket} {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
""")
