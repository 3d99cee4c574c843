"""The figures of a relay benchmark as tables: medians of the rounds, and the targets."""

import statistics

from . import scenarios

# scenario: (heading, key, format)
COLUMNS = {
    "load": [("delivered/s", "delivered_per_s", "{:,.0f}"), ("accepted/s", "accepted_per_s", "{:,.0f}"),
             ("CPU s per 1000", "cpu_ms", "{:.3f}"), ("250 after, p50 ms", "wait_p50_ms", "{:.1f}"),
             ("p99 ms", "wait_p99_ms", "{:.1f}"), ("peak PSS MiB", "peak_pss_mib", "{:,.0f}"),
             ("connections out", "most_connections_out", "{:,.0f}"), ("tools' CPU s per 1000", "tools_cpu_ms", "{:.3f}"),
             ("other cores busy", "other_cores", "{:.2f}")],
    "F": [("connections", "connections", "{:,.0f}"), ("PSS KiB each", "pss_kib", "{:,.1f}"),
          ("RSS KiB each", "rss_kib", "{:,.1f}"), ("CPU ms per connect", "cpu_ms", "{:.3f}"),
          ("processes", "processes", "{:,.0f}")],
    "L": [("messages/s", "per_s", "{:.1f}"), ("messages", "messages", "{:,.0f}"),
          ("connections made", "connections_out", "{:,.0f}"), ("at a time", "most_connections_out", "{:,.0f}")],
    "I": [("to the next hop, p50 ms", "transit_p50_ms", "{:.2f}"), ("p99 ms", "transit_p99_ms", "{:.2f}"),
          ("250 after, p50 ms", "wait_p50_ms", "{:.2f}")],
    "S": [("s to the greeting", "seconds", "{:.3f}"), ("binary MiB", "binary_mib", "{:.1f}")],
    "W": [("one worker/s", "one_per_s", "{:,.0f}"), ("two/s", "two_per_s", "{:,.0f}"), ("speed-up", "speed_up", "{:.2f}"),
          ("CPU s per 1000, one", "one_cpu_ms", "{:.3f}"), ("two", "two_cpu_ms", "{:.3f}"),
          ("speed-up by CPU", "by_cpu", "{:.2f}"), ("other cores busy", "other_cores", "{:.2f}")],
    "Q": [("queued", "queued", "{:,.0f}"), ("live/s, empty", "empty_per_s", "{:,.0f}"),
          ("live/s, full", "full_per_s", "{:,.0f}"), ("ratio", "ratio", "{:.2f}"),
          ("octets per message", "octets_per_message", "{:,.0f}"), ("filled at/s", "fill_per_s", "{:,.0f}"),
          ("stop s", "stop_seconds", "{:.2f}"), ("start to greeting s", "listening_seconds", "{:.2f}"),
          ("to live mail s", "live_seconds", "{:.2f}"), ("without checkpoint: greeting s", "scan_listening_seconds", "{:.2f}"),
          ("live mail s", "scan_live_seconds", "{:.2f}"), ("probes/s", "probes_per_s", "{:,.0f}")],
}
COLUMNS["X"] = COLUMNS["Q"]


class Figures:
    """All runs of one benchmark: {"peer", "scenario", "round", figures ...}."""

    def __init__(self, runs, mtas):
        self.runs = runs
        self.mtas = {mta.name: mta for mta in mtas}

    def of(self, peer, scenario):
        return [r for r in self.runs if r["peer"] == peer and r["scenario"] == scenario and "error" not in r]

    def median(self, peer, scenario, key):
        values = [r[key] for r in self.of(peer, scenario) if r.get(key) is not None]
        return statistics.median(values) if values else None

    def best_syncing(self, scenario):
        """(name, delivered/s) of the best peer whose 250 comes after a sync; None if none was measured."""
        found = [(name, self.median(name, scenario, "delivered_per_s")) for name, mta in self.mtas.items()
                 if mta.syncs and name not in ("relais", "before")]
        return max(((n, v) for n, v in found if v), key=lambda pair: pair[1], default=None)


def table(figures, scenario):
    columns = COLUMNS.get(scenario, COLUMNS["load"])
    is_load = scenario not in COLUMNS
    heads = [head for head, _, _ in columns] + (["lost", "duplicates"] if is_load else [])
    if is_load:
        heads.insert(1, "min-max")
        heads.insert(2, "to the best")
    lines = [f"**{scenario}**: {scenarios.TITLES[scenario]}", "", "| | " + " | ".join(heads) + " |",
             "|---" * (len(heads) + 1) + "|"]
    best = figures.best_syncing(scenario) if is_load else None
    for name, mta in figures.mtas.items():
        runs = figures.of(name, scenario)
        if not runs:
            continue
        cells = []
        for _, key, shape in columns:
            value = figures.median(name, scenario, key)
            cells.append("" if value is None else shape.format(value))
        if is_load:
            rates = [r["delivered_per_s"] for r in runs]
            cells.insert(1, f"{min(rates):,.0f}-{max(rates):,.0f}")
            ratio = figures.median(name, scenario, "delivered_per_s") / best[1] if best else None
            cells.insert(2, f"{ratio:.2f}" if ratio else "")
            cells += [str(sum(r[key] for r in runs)) for key in ("lost", "duplicates")]
        title = mta.title + ("" if mta.syncs else " (does not sync)")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


# (scenario, what, key, target, "<=" or ">=", format); a key of "ratio" is to the best syncing peer
TARGETS = [
    ("A", "delivered/s beside the best peer that syncs", "ratio", 8, ">=", "{:.1f} x"),
    ("A", "CPU s per 1000", "cpu_ms", 0.10, "<=", "{:.3f}"),
    ("B", "delivered/s beside the best", "ratio", 5, ">=", "{:.1f} x"),
    ("B", "CPU s per 1000", "cpu_ms", 0.20, "<=", "{:.3f}"),
    ("C", "delivered/s beside the best", "ratio", 5, ">=", "{:.1f} x"),
    ("C", "CPU s per 1000", "cpu_ms", 0.25, "<=", "{:.3f}"),
    ("D", "delivered/s beside the best", "ratio", 8, ">=", "{:.1f} x"),
    ("D", "CPU s per 1000", "cpu_ms", 0.50, "<=", "{:.3f}"),
    ("E", "delivered/s, share of that of A", "of A", 0.85, ">=", "{:.0%}"),
    ("F", "RSS KiB per idle connection", "rss_kib", 12, "<=", "{:.1f}"),
    ("F", "CPU ms per connect", "cpu_ms", 0.1, "<=", "{:.3f}"),
    ("A", "delivered/s, share of accepted/s", "keeps pace", 0.9, ">=", "{:.0%}"),
    ("L", "messages/s on the connection", "per_s", 18, ">=", "{:.1f}"),
    ("Q", "live throughput, share of that with an empty queue", "ratio", 0.9, ">=", "{:.0%}"),
    ("Q", "octets of memory per queued message", "octets_per_message", 250, "<=", "{:.0f}"),
    ("Q", "s from the start to the greeting", "listening_seconds", 1, "<=", "{:.2f}"),
    ("Q", "s to live mail, with the checkpoint", "live_seconds", 1, "<=", "{:.2f}"),
    ("Q", "s to live mail, by a full scan", "scan_live_seconds", 4, "<=", "{:.2f}"),
    ("X", "live throughput, share of that with an empty queue", "ratio", 0.9, ">=", "{:.0%}"),
    ("T", "CPU, times that of A", "times A", 2, "<=", "{:.2f} x"),
    ("A", "p99 of the last 250, ms", "wait_p99_ms", 20, "<=", "{:.1f}"),
    ("I", "p50 to the next hop, idle, ms", "transit_p50_ms", 10, "<=", "{:.2f}"),
    ("W", "two workers, times one", "two workers", 1.7, ">=", "{:.2f} x"),
    ("S", "MiB of the binary", "binary_mib", 15, "<=", "{:.1f}"),
    ("S", "s from the start to the greeting, empty queue", "seconds", 0.05, "<=", "{:.3f}"),
]


def _judged(figures, scenario, key):
    """The figure that is compared with the target; None: it was not measured."""
    own = lambda s, k: figures.median("relais", s, k)  # noqa: E731
    if key == "ratio" and scenario not in "QX":
        best, rate = figures.best_syncing(scenario), own(scenario, "delivered_per_s")
        return rate / best[1] if best and rate else None
    quotients = {
        "of A": lambda: (own("E", "delivered_per_s"), own("A", "delivered_per_s")),
        "keeps pace": lambda: (own("A", "delivered_per_s"), own("A", "accepted_per_s")),
        "times A": lambda: (own("T", "cpu_ms"), own("A", "cpu_ms")),
    }
    if key in quotients:
        over, under = quotients[key]()
        return over / under if over and under else None
    if key == "two workers":  # the load tools need cores of their own: without, what the CPU time would allow
        return own("W", "speed_up" if (own("W", "cores") or 0) >= 4 else "by_cpu")
    return own(scenario, key)


def targets(figures):
    lines = ["| scenario | target | measured | |", "|---|---|---|---|"]
    for scenario, what, key, limit, comparison, shape in TARGETS:
        value = _judged(figures, scenario, key)
        if value is None:
            continue
        met = value >= limit if comparison == ">=" else value <= limit
        lines.append(f"| {scenario} | {what} {comparison} {shape.format(limit)} | {shape.format(value)} | "
                     f"{'met' if met else 'MISSED'} |")
    return "\n".join(lines)


def text(figures, wanted):
    parts = [table(figures, scenario) for scenario in wanted if any(r["scenario"] == scenario for r in figures.runs)]
    judged = targets(figures)
    if judged.count("\n") > 1:
        parts.append("**Targets**\n\n" + judged)
    errors = [f"{r['peer']} {r['scenario']}: {r['error']}" for r in figures.runs if "error" in r]
    if errors:
        parts.append("Errors:\n\n" + "\n".join(errors))
    return "\n\n".join(parts)
