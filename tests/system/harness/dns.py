"""A private authoritative DNS server (knotd, or nsd where that is what the machine has).

It serves the zone that a test hands over, the names of loopback addresses (127.in-addr.arpa), and one zone
without data, for which it answers SERVFAIL.
"""

import os
import random
import shutil
import socket
import struct

from .process import eventually
from .world import DNS_PORT, PEERS

ORIGIN = "test.example"
BROKEN = "broken.example"  # configured but never loaded: every query is a SERVFAIL
REVERSE = "127.in-addr.arpa"
NXDOMAIN, SERVFAIL = 3, 2


def zone_text(records, origin=ORIGIN):
    """`records`: lines of a zone file below the origin, e.g. "exim MX 10 mx.exim"."""
    head = [f"$ORIGIN {origin}.", "$TTL 5",
            "@ IN SOA ns hostmaster 1 3600 600 86400 5", "@ IN NS ns", "ns IN A 127.0.0.1"]
    return "\n".join(head + list(records)) + "\n"


class DnsServer:
    """`names`: of addresses, e.g. {"127.0.0.1": "client.test.example"}."""

    def __init__(self, world, host, records, names=None):
        self.address = world.address(host)
        self.server = f"{self.address}:{DNS_PORT}"
        self._world = world
        self._folder = world.folder(f"dns-{host}")
        (self._folder / f"{ORIGIN}.zone").write_text(zone_text(records))
        pointers = [f"{'.'.join(reversed(address.split('.')[1:]))} PTR {name}." for address, name in (names or {}).items()]
        (self._folder / f"{REVERSE}.zone").write_text(zone_text(pointers, REVERSE))
        self._process = None
        self.start()

    def start(self):
        knotd, library_path = _find("knotd")
        if knotd:
            config, command = self._knot_config(), lambda path: [knotd, "-c", path]
        else:
            nsd, library_path = _find("nsd")
            if not nsd:
                raise AssertionError("neither knotd nor nsd: run tests/system/setup-peers.sh")
            config, command = self._nsd_config(), lambda path: [nsd, "-d", "-c", path]
        path = self._folder / "server.conf"
        path.write_text(config)
        self._process = self._world.start("dns", command(path), env=library_path)
        eventually(lambda: self.rcode(ORIGIN) == 0, lambda: f"the DNS server answers\n{self._process.output}")

    def stop(self):
        self._process.stop()

    def rcode(self, name):
        """The response code to an MX query, or None where nobody answers."""
        number = random.randrange(65536)
        labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split("."))
        query = struct.pack("!6H", number, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 15, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            try:
                s.connect((self.address, DNS_PORT))
                s.send(query)
                answer = s.recv(4096)
            except OSError:
                return None
        return answer[3] & 15 if answer[:2] == query[:2] else None

    def _knot_config(self):
        f = self._folder
        zones = "".join(f"""  - domain: {name}
    storage: "{f}"
    file: "{name}.zone"
    journal-content: none
    zonefile-load: whole
""" for name in (ORIGIN, REVERSE, BROKEN))
        return f"""server:
    rundir: "{f}"
    listen: {self.address}@{DNS_PORT}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{f}"
log:
  - target: stderr
    any: warning
zone:
{zones}"""

    def _nsd_config(self):
        f = self._folder
        zones = "".join(f"""zone:
    name: {name}
    zonefile: "{name}.zone"
""" for name in (ORIGIN, REVERSE, BROKEN))
        return f"""server:
    ip-address: {self.address}@{DNS_PORT}
    server-count: 1
    username: ""
    database: ""
    zonesdir: "{f}"
    pidfile: "{f}/nsd.pid"
    xfrdfile: "{f}/xfrd.state"
    xfrdir: "{f}"
    zonelistfile: "{f}/zone.list"
remote-control:
    control-enable: no
{zones}"""


def _find(program):
    """(path, environment): unpacked below PEERS or installed."""
    unpacked = PEERS / "knot/usr/sbin" / program
    if unpacked.exists():
        return str(unpacked), {}
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"), {}
