"""Q, X: a queue full of messages for dead destinations, and what that costs: live mail, memory, the restart.

Each destination has an MX record with an address at which connections are refused (Q) or never answered
(X, with a tenth of the messages). All is one relaisd; the
figures with an empty queue are from the same run, before the queue is filled and after.
"""

import math
import os
import pathlib
import statistics
import time

from . import machine, peers, tools

FIRST_DEAD = "127.100.0.0"
LIVE = dict(sessions=50, size=4096, domain="live.example")


class RelaisByDns(peers.Relais):
    """relaisd that finds next hops by their MX records, in the name server of the benchmark."""

    def settings(self, folder, wish):
        rows = [row for row in super().settings(folder, wish).splitlines() if not row.startswith(("smarthost", "delivery"))]
        return "\n".join([
            *rows, f'dns: {{ servers: ["{tools.text(tools.NAMES)}"] }}',
            f"delivery: {{ tls: none, port: {tools.SINK[1]}, allowed_special_networks: [127.0.0.0/8] }}", ""])


def failed_connections():
    """Of this machine so far (TCP attempts that were refused or given up)."""
    heads, values = (row.split()[1:] for row in pathlib.Path("/proc/net/snmp").read_text().splitlines()
                     if row.startswith("Tcp:"))
    return int(values[heads.index("AttemptFails")])


class FullQueue:
    def __init__(self, mta, folder, options, silent):
        self._silent_port = tools.SINK[1] if silent else 0
        self._messages = options.q_messages // 10 if silent else options.q_messages
        self._relais = RelaisByDns(mta.name, mta.program)
        self._folder = folder / "full-queue"
        self._options = options
        self._wish = peers.Wish()
        self.lost = self.duplicates = 0

    def measure(self):
        with tools.names(tools.SINK[0], FIRST_DEAD, self._silent_port), tools.sink(chunking=self._options.chunking) as self._sink:
            try:
                return self._measure()
            finally:
                if self._group:
                    self._group.stop(patience=120)
                machine.empty_folder(self._folder)

    _group = None

    def _measure(self):
        self._group = self._relais.start(self._folder, self._wish)
        empty = self._live_rates()
        row = self._fill()
        row |= self._live_when_full()
        row |= self._restart("")
        row |= self._restart("scan_", self._remove_checkpoints)
        self._group.stop(patience=120)
        self._group = self._relais.start(self._folder, self._wish)  # empties the folder
        empty += self._live_rates()
        row["empty_per_s"] = statistics.median(empty)
        row["ratio"] = row["full_per_s"] / row["empty_per_s"]
        return row | {"lost": self.lost, "duplicates": self.duplicates}

    def _live_rates(self):
        """Messages per second to the live destination, each round."""
        self._sink.reset()
        tools.drain(self._sink, tools.Load(messages=500, **LIVE).figures()["accepted"])
        # The sink counts anew before each round; what is still missing then is lost to this benchmark.
        rates = []
        for _ in range(max(self._options.rounds, 1)):
            time.sleep(0.5)
            self._sink.reset()
            sent = tools.Load(seconds=self._options.seconds, **LIVE).figures()
            arrived = tools.drain(self._sink, sent["accepted"])
            took = (arrived["last_ns"] - sent["begin_ns"]) / 1e9
            rates.append(arrived["deliveries"] / took if arrived["deliveries"] else 0)
            self.lost += sent["accepted"] - arrived["deliveries"]
            self.duplicates += arrived["duplicates"]
        return rates

    def _fill(self):
        count = self._messages
        before = self._group.memory_kib()["Rss"]
        sent = tools.Load(messages=count, sessions=200, size=1024, domain="dead.example", pipelining=True,
                          domains=max(count // 10, 1)).figures()
        self._await_quiet()
        grown = self._group.memory_kib()["Rss"] - before
        return {"queued": sent["accepted"], "refused": sent["refused"], "sample": sent["sample"],
                "fill_per_s": sent["accepted"] / sent["seconds"], "rss_mib": grown / 1024,
                "octets_per_message": grown * 1024 / max(sent["accepted"], 1)}

    def _await_quiet(self):
        """Until the first attempts at the dead destinations are over, or a minute."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            cpu = self._group.cpu_seconds()
            time.sleep(2)
            if self._group.cpu_seconds() - cpu < 0.4:
                return

    def _live_when_full(self):
        failed, cpu, begun = failed_connections(), self._group.cpu_seconds(), time.monotonic()
        time.sleep(5)
        idle_cores = (self._group.cpu_seconds() - cpu) / (time.monotonic() - begun)
        rates = self._live_rates()
        return {"full_per_s": statistics.median(rates), "idle_cores": idle_cores,
                "probes_per_s": (failed_connections() - failed) / (time.monotonic() - begun)}

    def _restart(self, prefix, between=lambda: None):
        """How long it takes to stop, to greet again, and to pass on the first live message."""
        stopped = self._group.stop(patience=300)
        self._group = None
        between()
        self._sink.reset()
        with open(self._folder / "output", "a") as log:
            argv = [self._relais.program, "--config", self._folder / "relais.yaml"]
            begun = time.monotonic()
            self._group = machine.Group(self._relais.name, argv, os.environ, log)
        answered = tools.await_greeting(self._wish.listen, self._group, seconds=300)
        tools.Load(messages=1, **LIVE).figures()
        arrived = tools.drain(self._sink, 1, stall=120)
        self.lost += 1 - arrived["deliveries"]
        self._await_quiet()
        return {prefix + "stop_seconds": stopped, prefix + "listening_seconds": answered - begun,
                prefix + "live_seconds": arrived["last_ns"] / 1e9 - begun if arrived["deliveries"] else math.inf}

    def _remove_checkpoints(self):
        for path in (self._folder / "spool").rglob("*checkpoint*"):
            path.unlink()
