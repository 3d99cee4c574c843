"""One run of one scenario with one MTA: what is started, and the figures that come of it."""

import contextlib
import os
import time

from . import machine, peers, tools

# options of `relay_bench load`
SHAPES = {
    "A": dict(sessions=50, size=4096),
    "B": dict(sessions=50, size=4096, one_per_connection=True),
    "C": dict(sessions=50, size=51200),
    "D": dict(sessions=50, size=4096, recipients=50),
    "E": dict(sessions=500, size=4096),
    "T": dict(sessions=50, size=4096, starttls=True),
}
TITLES = {
    "A": "4 KiB, 1 recipient, 50 sessions, reused",
    "B": "4 KiB, 1 recipient, 50 sessions, one message per connection",
    "C": "50 KiB, 1 recipient, 50 sessions, reused",
    "D": "4 KiB, 50 recipients of one domain, 50 sessions, reused",
    "E": "4 KiB, 1 recipient, 500 sessions, reused",
    "F": "idle connections, clear, after EHLO",
    "L": "a next hop 50 ms away, one connection to it",
    "I": "one message at a time: how long it takes to the next hop",
    "S": "start with an empty queue, to the first greeting",
    "T": "A with TLS on both sides (STARTTLS, TLS 1.3)",
    "W": "A with one worker and with two",
    "Q": "a full queue: messages for destinations that refuse connections, and live mail",
    "X": "the same with destinations that never answer",
}


class Run:
    """One MTA with a sink, from its start to the clean-up."""

    def __init__(self, mta, folder, wish, **sink_options):
        self.mta, self.folder, self.wish = mta, folder / mta.name, wish
        self._sink_options = sink_options

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.sink = stack.enter_context(tools.sink(**self._sink_options))
            self.group = self.mta.start(self.folder, self.wish)
            stack.callback(machine.empty_folder, self.folder)
            stack.callback(self.group.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def warm_up(self, shape):
        """Enough that every process it needs has been started."""
        count = max(200, 2 * shape["sessions"]) if shape.get("recipients", 1) == 1 else 20
        done = tools.Load(self.wish.listen, messages=count, **shape).figures()
        tools.drain(self.sink, done["accepted"] * shape.get("recipients", 1), stall=15, total=60)
        time.sleep(0.5)
        self.sink.reset()


def throughput(mta, scenario, folder, options, workers=1):
    """A to E, T: all that clients can send for some seconds, until the last of it is at the next hop."""
    shape = SHAPES[scenario]
    certificate = options.certificate if scenario == "T" else None
    wish = peers.Wish(certificate=certificate, workers=workers, idle_connections=shape["sessions"],
                      next_hop=tools.TLS_SINK if certificate else tools.SINK)
    sync = machine.sync_us(folder)
    with Run(mta, folder, wish, place=wish.next_hop, chunking=options.chunking, certificate=certificate) as run:
        run.warm_up(shape)
        peak = machine.PeakMemory(run.group)
        cpu, busy, sink_cpu = run.group.cpu_seconds(), machine.busy_seconds(), run.sink.report()["cpu_seconds"]
        begun = time.monotonic()
        load = tools.Load(wish.listen, seconds=options.seconds, **shape)
        while not load.is_over():
            peak.sample()
            time.sleep(0.02)
        sent = load.figures()
        expected = sent["accepted"] * shape.get("recipients", 1)
        at_last_acceptance = run.sink.report()["deliveries"] // shape.get("recipients", 1)
        tools.drain(run.sink, expected, meanwhile=peak.sample)
        wall, busy = time.monotonic() - begun, machine.busy_seconds() - busy
        time.sleep(1)  # for a duplicate, and for the removal of the last files
        arrived, cpu = run.sink.report(), run.group.cpu_seconds() - cpu
    return _figures(sent, arrived, shape.get("recipients", 1)) | {
        "cpu_ms": cpu / max(sent["accepted"], 1) * 1e3,
        "delivered_at_last_acceptance": at_last_acceptance,
        "peak_pss_mib": peak.kib["Pss"] / 1024, "peak_rss_mib": peak.kib["Rss"] / 1024,
        "processes": peak.kib["processes"], "sync_us": sync,
        "tools_cpu_ms": (sent["cpu_seconds"] + arrived["cpu_seconds"] - sink_cpu) / max(sent["accepted"], 1) * 1e3,
        "other_cores": max(0.0, busy - cpu - sent["cpu_seconds"] - arrived["cpu_seconds"] + sink_cpu) / wall,
    }


def _figures(sent, arrived, recipients):
    took = (arrived["last_ns"] - sent["begin_ns"]) / 1e9
    return {
        "messages": sent["accepted"], "refused": sent["refused"], "failures": sent["failures"],
        "sample": sent["sample"],
        "accepted_per_s": sent["accepted"] / max(sent["seconds"], 1e-9),
        "delivered_per_s": arrived["deliveries"] / recipients / max(took, 1e-9),
        "wait_p50_ms": sent["wait_ms"]["p50"], "wait_p99_ms": sent["wait_ms"]["p99"],
        "transit_p50_ms": arrived["transit_ms"]["p50"], "transit_p99_ms": arrived["transit_ms"]["p99"],
        "lost": sent["accepted"] * recipients - arrived["deliveries"], "duplicates": arrived["duplicates"],
        "connections_out": arrived["connections"], "most_connections_out": arrived["most_open"],
        "resumed_in": sent["resumed"], "resumed_out": arrived["resumed"],
    }


def two_workers(mta, folder, options):
    """W: the same load with one worker and with two."""
    one = throughput(mta, "A", folder, options, workers=1)
    two = throughput(mta, "A", folder, options, workers=2)
    return {
        "one_per_s": one["delivered_per_s"], "two_per_s": two["delivered_per_s"],
        "one_cpu_ms": one["cpu_ms"], "two_cpu_ms": two["cpu_ms"],
        "speed_up": two["delivered_per_s"] / max(one["delivered_per_s"], 1e-9),
        "by_cpu": 2 * one["cpu_ms"] / max(two["cpu_ms"], 1e-9),
        "lost": one["lost"] + two["lost"], "duplicates": one["duplicates"] + two["duplicates"],
        "other_cores": max(one["other_cores"], two["other_cores"]), "cores": os.cpu_count(),
    }


def idle(mta, folder, options):
    """F: memory and processor time of a connection that does nothing."""
    count = options.idle_connections if isinstance(mta, peers.Relais) else min(1000, options.idle_connections)
    wish = peers.Wish(idle_connections=count)
    with Run(mta, folder, wish) as run:
        run.warm_up(dict(sessions=5, size=4096))
        time.sleep(1)
        memory, cpu = run.group.memory_kib(), run.group.cpu_seconds()
        with tools.IdleSessions(wish.listen, "clear", count) as sessions:
            time.sleep(0.5)
            used = run.group.cpu_seconds() - cpu
            after, opened = run.group.memory_kib(), max(sessions.open, 1)
    return {
        "connections": sessions.open, "asked": count,
        "pss_kib": (after["Pss"] - memory["Pss"]) / opened, "rss_kib": (after["Rss"] - memory["Rss"]) / opened,
        "cpu_ms": used / opened * 1e3, "processes": after["processes"],
    }


def long_wire(mta, folder, options):
    """L: messages per second over one connection on which a round trip takes 50 ms."""
    wish = peers.Wish(next_hop=tools.WIRE, connections=1)
    shape = dict(sessions=10, size=4096)
    with Run(mta, folder, wish, chunking=options.chunking) as run, tools.wire():
        sent = tools.Load(wish.listen, messages=options.wire_messages, **shape).figures()
        arrived = tools.drain(run.sink, sent["accepted"], stall=15, total=60)
    took = (arrived["last_ns"] - arrived["first_ns"]) / 1e9
    return {
        "per_s": (arrived["deliveries"] - 1) / max(took, 1e-9), "messages": arrived["deliveries"],
        "connections_out": arrived["connections"], "most_connections_out": arrived["most_open"],
        "duplicates": arrived["duplicates"],
    }


def one_at_a_time(mta, folder, options):
    """I: how long a message is on its way when nothing else is."""
    shape = dict(sessions=1, size=4096, pause=0.05)
    with Run(mta, folder, peers.Wish(), chunking=options.chunking) as run:
        run.warm_up(dict(sessions=1, size=4096))
        sent = tools.Load(run.wish.listen, messages=options.single_messages, **shape).figures()
        arrived = tools.drain(run.sink, sent["accepted"], stall=15, total=60)
    return _figures(sent, arrived, 1)


def start_up(mta, folder, options):
    """S: from the start of the program to its first greeting, nothing in the queue."""
    begun = time.monotonic()
    path = folder / mta.name
    machine.empty_folder(path)
    argv, environment = mta.prepare(path, peers.Wish())
    if mta.needs_root:
        argv = mta._without_dns(path, argv)
    with open(path / "output", "w") as log:
        begun = time.monotonic()
        group = machine.Group(mta.name, argv, {**os.environ, **environment}, log)
    try:
        answered = tools.await_greeting(tools.MTA, group)
    finally:
        group.stop()
    machine.empty_folder(path)
    return {"seconds": answered - begun, "binary_mib": mta.program.stat().st_size / 2**20}


def run(mta, scenario, folder, options):
    one = {"F": idle, "L": long_wire, "I": one_at_a_time, "S": start_up, "W": two_workers}
    if scenario in one:
        return one[scenario](mta, folder, options)
    return throughput(mta, scenario, folder, options)


def suits(mta, scenario):
    """Workers are ours to compare, and TLS is configured for those that know it here."""
    if scenario in "WQX":
        return isinstance(mta, peers.Relais)
    return scenario != "T" or mta.knows_tls
