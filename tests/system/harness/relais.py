"""The daemon under test: its configuration, its life, its log.

It runs with a short retry schedule, asks the private DNS server, and may connect to loopback MX hosts.
A Relais object keeps its configuration and spool over stop(), kill() and start().
"""

import json
import os
import pathlib
import signal
import smtplib
import subprocess

from .world import DNS_PORT, SMTP_PORT

HOSTNAME = "relay.test.example"
PROGRAM = os.environ.get("RELAISD") or str(pathlib.Path(__file__).parents[3] / "build/dev/daemon/relaisd")


def merged(base, changes):
    """`changes` over `base`, section by section; a change to None removes the key."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result.get(key, {}), value)
        else:
            result[key] = value
    return result


def run(*arguments, **options):
    """A run of the daemon that is expected to end by itself, and soon."""
    try:
        return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=15, **options)
    except subprocess.TimeoutExpired as e:
        raise AssertionError(f"relaisd {' '.join(map(str, arguments))} did not end:\n"
                             f"{(e.stderr or b'').decode(errors='replace')}") from None


class Relais:
    def __init__(self, world, host=1, name_server=53, **changes):
        """`host`: last octet of the listener's address; `name_server`: that of the name server; `changes`: sections
        of the configuration, over what is written here."""
        self.address = world.address(host)
        self.port = SMTP_PORT
        self._world = world
        folder = world.new_folder("relais")
        self.spool = folder / "spool"
        self.spool.mkdir(mode=0o700)
        self.config = folder / "relais.yaml"
        self.control = folder / "control"
        self.settings = merged({
            "hostname": HOSTNAME,
            "listeners": [{"address": f"{self.address}:{self.port}"}],
            "relay": {"trusted_networks": ["127.0.0.0/8"]},
            "spool": {"directory": str(self.spool)},
            "delivery": {"port": SMTP_PORT, "allowed_special_networks": ["127.0.0.0/8"], "ipv6": False},
            "dns": {"servers": [f"{world.address(name_server)}:{DNS_PORT}"], "timeout": "500ms", "attempts": 2},
            "retry": {"intervals": ["1s", "1s", "2s"], "jitter": 0},
            "limits": {"error_delay": "10ms"},
            "http": {"control_socket": str(self.control)},
        }, changes)
        self.process = None
        self.write_config()

    def write_config(self, **changes):
        """JSON is YAML."""
        self.settings = merged(self.settings, changes)
        self.config.write_text(json.dumps(self.settings, indent=1) + "\n")

    def launch(self):
        """Starts without waiting for anything."""
        self.process = self._world.start("relaisd", [PROGRAM, "--config", self.config])
        return self

    def start(self):
        self.launch()
        self.process.wait_for_line(rf"listening on {self.address}:{self.port}\b")
        self.process.wait_for_line(r"\bready\b")
        return self

    def terminate(self, number=signal.SIGTERM):
        """The polite signal; returns the exit code."""
        self.process.signal(number)
        return self.process.wait()

    def kill(self):
        self.process.kill()

    def restart(self):
        code = self.terminate()
        if code != 0:
            raise AssertionError(f"relaisd ended with {code} on SIGTERM:\n{self.log}")
        return self.start()

    @property
    def log(self):
        return self.process.output

    def wait_for_log(self, pattern, count=1, **options):
        return self.process.wait_for_line(pattern, count, **options)

    def client(self):
        return smtplib.SMTP(self.address, self.port, local_hostname="client.test.example", timeout=30)
