"""Child processes that are watched line by line, and the one place where tests wait.

A child runs in a session of its own and dies with the test (pdeathsig); it is stopped by its process
group and never by name. Waiting is bounded: for lines by a condition variable, for everything else by
`eventually`. No test sleeps for a fixed time.
"""

import os
import re
import signal
import subprocess
import threading
import time

PATIENCE = 30.0  # seconds after which something that should happen has not happened


def eventually(condition, what, timeout=PATIENCE):
    """Returns the first true result of condition(); fails with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.01
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


class Process:
    """A child whose output (stdout and stderr together) is kept as lines."""

    def __init__(self, name, command, env=None, user=None, cwd=None):
        self.name = name
        self._arrived = threading.Condition()
        self._lines = []
        self._ended = False
        self._child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **(env or {})}, user=user, cwd=cwd)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self._child.stdout:
            with self._arrived:
                self._lines.append(raw.decode("utf-8", "backslashreplace").rstrip("\r\n"))
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    @property
    def pid(self):
        return self._child.pid

    @property
    def lines(self):
        with self._arrived:
            return list(self._lines)

    @property
    def output(self):
        return "\n".join(self.lines)

    def is_running(self):
        return self._child.poll() is None

    def matches(self, pattern):
        """All matches so far, one per line at most."""
        return [m for m in (re.search(pattern, line) for line in self.lines) if m]

    def wait_for_line(self, pattern, count=1, timeout=PATIENCE):
        """Waits until `count` lines match, returns the last match."""
        deadline = time.monotonic() + timeout
        expression = re.compile(pattern)
        found, seen = [], 0
        with self._arrived:
            while True:
                for line in self._lines[seen:]:
                    match = expression.search(line)
                    if match:
                        found.append(match)
                seen = len(self._lines)
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"was silent for {timeout:.0f} s"
                    raise AssertionError(
                        f"{self.name} {why}; {len(found)} of {count} lines match {pattern!r} in:\n"
                        + "\n".join(self._lines))
                self._arrived.wait(left)

    def signal(self, number):
        self._child.send_signal(number)

    def wait(self, timeout=PATIENCE):
        """The exit code; negative for a signal, as subprocess has it."""
        try:
            code = self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout:.0f} s:\n{self.output}") from None
        self._reader.join(PATIENCE)
        return code

    def kill(self):
        """kill -9 of the whole process group."""
        self._to_group(signal.SIGKILL)
        self.wait()

    def stop(self):
        if self.is_running():
            self._to_group(signal.SIGTERM)
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                pass
        # Children of a master may outlive it: the group ends as a whole.
        self._to_group(signal.SIGKILL)
        self._child.wait()
        self._reader.join(PATIENCE)

    def _to_group(self, number):
        try:
            os.killpg(self._child.pid, number)
        except ProcessLookupError:
            pass
