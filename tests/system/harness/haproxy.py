"""HAProxy in front of the relay: one port that sends PROXY headers of version 1, one of version 2, with health
checks that say LOCAL.
"""

from .mailbox import speaks_smtp
from .process import eventually
from .world import PEERS

PROGRAM = PEERS / "haproxy/usr/sbin/haproxy"
V1, V2 = 2601, 2602


class HaProxy:
    def __init__(self, world, host, backend):
        """`backend`: address:port of the relay's listener."""
        self.address = world.address(host)
        self._world = world
        self._config = world.folder(f"haproxy-{host}") / "haproxy.cfg"
        self._config.write_text(f"""\
global
  maxconn 200
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen version1
  bind {self.address}:{V1}
  server relais {backend} source {self.address} send-proxy check inter 200
listen version2
  bind {self.address}:{V2}
  server relais {backend} source {self.address} send-proxy-v2 check inter 200
""")

    def start(self):
        self._process = self._world.start("haproxy", [PROGRAM, "-db", "-f", self._config])
        for port in (V1, V2):
            eventually(lambda: speaks_smtp(self.address, port), lambda: f"HAProxy passes on\n{self._process.output}")
        return self
