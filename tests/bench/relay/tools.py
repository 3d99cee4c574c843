"""The project's own tools of the relay benchmark (relay_bench, sessions_bench), started and asked."""

import json
import pathlib
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOOLS = ROOT / "build/release/tests/bench"

# Every process has an address of its own, so that nothing meets what else runs on this machine.
MTA, SECOND_MTA = ("127.0.86.1", 2525), ("127.0.86.9", 2525)
SINK, TLS_SINK, WIRE, NAMES = ("127.0.86.2", 2626), ("127.0.86.2", 2627), ("127.0.86.3", 2626), ("127.0.86.4", 5353)


def text(place):
    return f"{place[0]}:{place[1]}"


class Server:
    """A subcommand of relay_bench that answers questions on its standard input until that ends."""

    def __init__(self, *words):
        self._process = subprocess.Popen([TOOLS / "relay_bench", *map(str, words)], text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not self._process.stdout.readline():
            raise SystemExit(f"could not start: relay_bench {' '.join(map(str, words))}")

    def _ask(self, word):
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def report(self):
        return self._ask("report")

    def reset(self):
        self._ask("reset")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(timeout=30)


def sink(place=SINK, chunking=False, certificate=None):
    words = ["sink", text(place)]
    if chunking:
        words.append("--chunking")
    if certificate:
        words += ["--certificate", certificate[0], "--key", certificate[1]]
    return Server(*words)


def wire(target=SINK, delay_ms=25):
    return Server("proxy", text(WIRE), text(target), "--delay-ms", delay_ms)


def names(live, first_dead, silent_port=0):
    return Server("names", text(NAMES), f"{live}:0", f"{first_dead}:0", "--silent-port", silent_port)


class Load:
    """Clients at work; `options` are those of relay_bench load, with _ for -."""

    def __init__(self, place=MTA, **options):
        words = [TOOLS / "relay_bench", "load", text(place)]
        for key, value in options.items():
            if value is True:
                words.append("--" + key.replace("_", "-"))
            elif value not in (False, None):
                words += ["--" + key.replace("_", "-"), str(value)]
        self._process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE)

    def is_over(self):
        return self._process.poll() is not None

    def figures(self):
        """Waits for the end."""
        answer = self._process.communicate()[0]
        if self._process.returncode != 0:
            raise RuntimeError("the load generator failed")
        return json.loads(answer)

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(timeout=30)


class IdleSessions:
    """So many connections that have said EHLO and stay."""

    def __init__(self, place, how, count):
        self._process = subprocess.Popen([TOOLS / "sessions_bench", "idle", text(place), how, str(count)], text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        answer = json.loads(self._process.stdout.readline() or '{"open": 0}')
        self.open = answer["open"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(timeout=120)


def await_greeting(place, group, seconds=60):
    """Until an SMTP server answers there. Returns when that was (time.monotonic())."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with socket.create_connection(place, timeout=2) as connection:
                connection.settimeout(10)
                if connection.recv(512).startswith(b"220"):
                    answered = time.monotonic()
                    connection.sendall(b"QUIT\r\n")
                    connection.recv(512)
                    return answered
        except OSError:
            pass
        if group.process.poll() is not None:
            raise RuntimeError(f"it ended with {group.process.returncode} before it answered")
        time.sleep(0.002)
    raise RuntimeError(f"nothing answers on {text(place)}")


def drain(the_sink, deliveries, stall=20, total=240, meanwhile=lambda: None):
    """Waits until so many have arrived, or nothing has for `stall` seconds. Returns the last report."""
    start = progress = time.monotonic()
    seen = -1
    while True:
        report = the_sink.report()
        now = time.monotonic()
        if report["deliveries"] != seen:
            seen, progress = report["deliveries"], now
        if seen >= deliveries or now - progress > stall or now - start > total:
            return report
        meanwhile()
        time.sleep(0.05)
