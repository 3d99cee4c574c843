#!/usr/bin/env python3
"""relais as a relay, beside other MTAs: clients of ours -> MTA -> next hop of ours, all on 127.0.0.0/8.

Started by ./dev bench relay; docs/benchmarks.md says what the scenarios and the columns are. The rounds are
interleaved: each goes once through all scenarios and MTAs. Compare only figures of one run.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/bench"))
from relay import full_queue, peers, profile, report, scenarios  # noqa: E402

ORDER = "ABCDETFLISWQX"


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench relay", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="scenarios:\n" + "\n".join(
                                         f"  {s}  {scenarios.TITLES[s]}" for s in ORDER))
    parser.add_argument("--quick", action="store_true",
                        help="a first impression: one round of 2 seconds, 1,000 connections, 20,000 messages in Q")
    parser.add_argument("--scenarios", default=ORDER, metavar="A,B", help=f"only these of {ORDER}")
    parser.add_argument("--peers", default=None, metavar="NAMES",
                        help="only these of relais,postfix,exim,opensmtpd,haraka")
    parser.add_argument("--rounds", type=int, default=None, metavar="N", help="(3)")
    parser.add_argument("--seconds", type=float, default=None, metavar="S", help="for which clients send (8)")
    parser.add_argument("--q-messages", type=int, default=None, metavar="N",
                        help="messages in the queue in Q, ten for each dead destination (1,000,000); a tenth in X")
    parser.add_argument("--idle-connections", type=int, default=None, metavar="N",
                        help="of relais in F (10,000); the others get 1,000 at most")
    parser.add_argument("--chunking", action="store_true", help="the next hop offers CHUNKING")
    parser.add_argument("--relaisd", metavar="FILE", help="this program instead of the one just built")
    parser.add_argument("--before", metavar="FILE", help="an older relaisd, measured as a peer named before")
    parser.add_argument("--profile", action="store_true",
                        help="instead: where relais spends its time in each of the scenarios A to E, T (needs perf)")
    parser.add_argument("--dir", default=None, metavar="DIR", help="where the queues are (build/bench-relay)")
    parser.add_argument("--json", metavar="FILE", help="all runs, for a program")
    parser.add_argument("--markdown", metavar="FILE", help="the tables into a file, too")
    options = parser.parse_args()
    quick = options.quick
    for name, full, short in (("rounds", 3, 1), ("seconds", 8, 2), ("q_messages", 1_000_000, 20_000),
                              ("idle_connections", 10_000, 1000)):
        if getattr(options, name) is None:
            setattr(options, name, short if quick else full)
    options.wire_messages, options.single_messages = (60, 30) if quick else (200, 200)
    options.scenarios = options.scenarios.replace(",", "").upper()
    if unknown := set(options.scenarios) - set(ORDER):
        parser.error(f"no scenario {' '.join(sorted(unknown))}; there are {' '.join(ORDER)}")
    return parser, options


def chosen(parser, options):
    """The MTAs that are wanted and here; says which are not."""
    mtas = peers.all_of(options.before, options.relaisd)
    if options.peers:
        names = options.peers.split(",")
        if unknown := set(names) - {mta.name for mta in mtas}:
            parser.error(f"no peer {' '.join(sorted(unknown))}")
        mtas = [mta for mta in mtas if mta.name in names]
    here = []
    for mta in mtas:
        if why := mta.missing():
            print(f"without {mta.title}: {why} (tests/system/setup-peers.sh)", file=sys.stderr)
        else:
            here.append(mta)
    return here


def one(mta, scenario, folder, options):
    if scenario in "QX":
        return full_queue.FullQueue(mta, folder, options, silent=scenario == "X").measure()
    return scenarios.run(mta, scenario, folder, options)


def measure(mtas, folder, options):
    runs = []
    for number in range(options.rounds):
        # Another MTA begins each round, so that none has always the same neighbour.
        order = mtas[number % len(mtas):] + mtas[:number % len(mtas)]
        for scenario in (s for s in ORDER if s in options.scenarios):
            if scenario in "QX" and number > 0:
                continue  # has rounds of its own
            for mta in order:
                if not scenarios.suits(mta, scenario):
                    continue
                row = {"peer": mta.name, "scenario": scenario, "round": number + 1}
                try:
                    row |= one(mta, scenario, folder, options)
                except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
                    row["error"] = str(error)
                runs.append(row)
                figures = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
                print(json.dumps(figures), file=sys.stderr)
    return runs


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "30",
                    "-subj", "/CN=relay.example"], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of all the clean-up
    parser, options = parse()
    mtas = chosen(parser, options)
    folder = pathlib.Path(options.dir or ROOT / "build/bench-relay").resolve() / f"run-{os.getpid()}"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    try:
        options.certificate = make_certificate(folder)
        if options.profile:
            for scenario in (s for s in ORDER if s in options.scenarios and s in scenarios.SHAPES):
                print(profile.profile(folder, options, scenario) + "\n")
            return 0
        runs = measure(mtas, folder, options)
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(runs, indent=1) + "\n")
        tables = report.text(report.Figures(runs, mtas), [s for s in ORDER if s in options.scenarios])
        if options.markdown:
            pathlib.Path(options.markdown).write_text(tables + "\n")
        print(tables)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if any("error" in row or row.get("lost") or row.get("duplicates") for row in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
