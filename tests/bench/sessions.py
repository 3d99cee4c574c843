#!/usr/bin/env python3
"""What a session costs: memory of an idle one, new connections and TLS handshakes per second, beside raw
OpenSSL and, where it is at hand, Postfix. Started by ./dev bench sessions; see docs/benchmarks.md.

Each figure of memory comes from a daemon of its own: what one round has freed would hide what the next takes.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/bench"))
from sessions import postfix_peer  # noqa: E402

BUILD = ROOT / "build/release"
ADDRESS = "127.0.83.1"
PLAIN, IMPLICIT = 2525, 2465
TARGETS = {"clear": 12, "starttls": 48}  # KiB per idle session (issue 4)
TICKS = os.sysconf("SC_CLK_TCK")

CONFIG = """\
hostname: bench.example
workers: {workers}
listeners:
  - {{ address: "{address}:{plain}", tls: may }}
  - {{ address: "{address}:{implicit}", role: submission, tls: implicit, require_auth: no }}
relay: {{ trusted_networks: [127.0.0.0/8] }}
tls: {{ certificates: [{{ certificate: {folder}/cert.pem, key: {folder}/key.pem }}] }}
policy: {{ client_names: false }}
limits: {{ connections: 100000, connections_per_client: 100000 }}
server_timeout: {{ command: 1h }}
smarthost: {{ host: "[127.0.83.9]:9" }}
delivery: {{ tls: none }}
spool: {{ directory: {folder}/spool }}
log: {{ level: warning }}
"""


def wait_for(port, process):
    for _ in range(200):
        try:
            with socket.create_connection((ADDRESS, port), timeout=5) as s:
                if s.recv(4) or port == IMPLICIT:
                    return
        except OSError:
            pass
        if process.poll() is not None:
            raise SystemExit(f"the server ended at once: {process.args}")
        time.sleep(0.05)
    raise SystemExit(f"nothing answers on {ADDRESS}:{port}")


def smaps(pid):
    values = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, kib = line.split()[:2]
        values[name.rstrip(":")] = int(kib)
    return values


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Relay:
    """relaisd with an empty spool, in the folder of the run."""

    name = "relais"

    def __init__(self, folder, workers=1):
        self.folder = folder
        shutil.rmtree(folder / "spool", ignore_errors=True)
        (folder / "spool").mkdir(mode=0o700)
        (folder / "relais.yaml").write_text(CONFIG.format(
            address=ADDRESS, plain=PLAIN, implicit=IMPLICIT, folder=folder, workers=workers))
        self.log = open(folder / "relaisd.log", "w")
        self.process = subprocess.Popen([BUILD / "daemon/relaisd", "--config", folder / "relais.yaml"],
                                        stdout=self.log, stderr=self.log)
        wait_for(PLAIN, self.process)

    def memory(self):
        return smaps(self.process.pid)

    def processor(self):
        return processor_seconds(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def clients(*words):
    return [BUILD / "tests/bench/sessions_bench", *map(str, words)]


def open_idle(how, count, port=PLAIN):
    """The clients' process, with all its sessions open."""
    load = subprocess.Popen(clients("idle", f"{ADDRESS}:{port}", how, count), text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    answer = json.loads(load.stdout.readline() or '{"open": 0, "failed": 0}')
    if answer["open"] != count:
        raise SystemExit(f"only {answer['open']} of {count} sessions ({how}) could be opened")
    return load


def close_idle(load):
    load.stdin.close()
    load.wait(timeout=120)


def idle_memory(folder, how, count):
    with Relay(folder) as relay:
        close_idle(open_idle(how, 20))  # what the first sessions load stays out of the sum
        before = relay.memory()
        load = open_idle(how, count)
        after = relay.memory()
        close_idle(load)
    return {key: (after[key] - before[key]) / count for key in ("Rss", "Pss", "Private_Dirty")}


def rate(server, port, how, resumed, outstanding, seconds):
    before = server.processor()
    run = subprocess.run(clients("rate", f"{ADDRESS}:{port}", how, "resumed" if resumed else "full",
                                 outstanding, seconds), stdout=subprocess.PIPE, text=True, check=True)
    figures = json.loads(run.stdout)
    if resumed and figures["resumed"] < 0.9 * figures["done"]:
        raise SystemExit(f"{server.name}: only {figures['resumed']} of {figures['done']} sessions were resumed")
    time.sleep(0.3)  # Postfix counts the time of a process when it ends
    used = server.processor() - before
    return {"per second": figures["done"] / figures["seconds"],
            "server CPU us": used / figures["done"] * 1e6}


def raw(folder, resumed, seconds):
    run = subprocess.run(clients("raw", folder / "cert.pem", folder / "key.pem", "resumed" if resumed else "full",
                                 seconds), stdout=subprocess.PIPE, text=True, check=True)
    figures = json.loads(run.stdout)
    return {"per second": figures["done"] / figures["both_seconds"],
            "server CPU us": figures["server_seconds"] / figures["done"] * 1e6}


RATES = [("new connections", PLAIN, "clear", False), ("TLS handshakes, full", IMPLICIT, "implicit", False),
         ("TLS handshakes, resumed", IMPLICIT, "implicit", True)]


def measure(folder, options):
    report = {"idle": {}, "rates": {}}
    for how in ("clear", "starttls"):
        report["idle"][how] = idle_memory(folder, how, options.sessions)
        print(f"  idle, {how}: {report['idle'][how]['Rss']:.1f} KiB each", file=sys.stderr)
    for what, port, how, resumed in RATES:
        row = report["rates"][what] = {}
        with Relay(folder) as relay:
            row["relais"] = rate(relay, port, how, resumed, options.outstanding, options.seconds)
        if how == "implicit":
            row["OpenSSL alone"] = raw(folder, resumed, options.seconds)
        if options.postfix and postfix_peer.is_here():
            with postfix_peer.Postfix(folder, ADDRESS, PLAIN, IMPLICIT, wait_for) as postfix:
                rate(postfix, port, how, resumed, options.outstanding, 2)  # its processes are started
                row["Postfix"] = rate(postfix, port, how, resumed, options.outstanding, options.seconds)
        print(f"  {what}: {row}", file=sys.stderr)
    if options.postfix and postfix_peer.is_here():
        report["idle Postfix"] = idle_postfix(folder)
    return report


def idle_postfix(folder):
    """A process for each session: the memory that is not shared, and its share of what is."""
    count = postfix_peer.PROCESSES // 2
    figures = {}
    for how in ("clear", "starttls"):
        with postfix_peer.Postfix(folder, ADDRESS, PLAIN, IMPLICIT, wait_for) as postfix:
            before = postfix.memory()
            load = open_idle(how, count)
            figures[how] = (postfix.memory() - before) / count
            close_idle(load)
    return figures


def tables(report, sessions):
    lines = [f"| idle session, {sessions:,} of them | RSS KiB | PSS KiB | target |", "|---|---|---|---|"]
    for how, name in (("clear", "plain, after EHLO"), ("starttls", "TLS, after STARTTLS and EHLO")):
        row, target = report["idle"][how], TARGETS[how]
        met = "met" if row["Rss"] <= target else "missed"
        lines.append(f"| {name} | {row['Rss']:.1f} | {row['Pss']:.1f} | {target}: {met} |")
    for how, kib in report.get("idle Postfix", {}).items():
        lines.append(f"| Postfix, {how}, a process each | | {kib:,.0f} | |")
    lines += ["", "| | per second | server CPU us each |", "|---|---|---|"]
    for what, row in report["rates"].items():
        for who, figures in row.items():
            lines.append(f"| {what}, {who} | {figures['per second']:,.0f} | {figures['server CPU us']:,.0f} |")
    return "\n".join(lines)


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "30",
                    "-subj", "/CN=bench.example", "-addext", "subjectAltName=DNS:bench.example"],
                   check=True, capture_output=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench sessions", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 sessions and 2 seconds per rate")
    parser.add_argument("--sessions", type=int, default=None, metavar="N", help="idle sessions (10,000)")
    parser.add_argument("--seconds", type=int, default=None, metavar="S", help="per rate (10)")
    parser.add_argument("--outstanding", type=int, default=32, metavar="N", help="clients at a time (32)")
    parser.add_argument("--no-postfix", dest="postfix", action="store_false", help="even if it is here")
    parser.add_argument("--json", metavar="FILE", help="all figures, for a program")
    options = parser.parse_args()
    options.sessions = options.sessions or (1000 if options.quick else 10000)
    options.seconds = options.seconds or (2 if options.quick else 10)
    folder = ROOT / f"build/bench-sessions/run-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        make_certificate(folder)
        report = measure(folder, options)
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
        print(tables(report, options.sessions))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
