"""The machine under a benchmark: processes in a group of their own, what they use, and what else is busy."""

import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
CGROUPS = [pathlib.Path("/sys/fs/cgroup/unified"), pathlib.Path("/sys/fs/cgroup")]


def busy_seconds():
    """Processor time of the whole machine so far, kernel threads included."""
    fields = [int(n) for n in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle, iowait, steal = fields[3], fields[4], fields[7]
    return (sum(fields) - idle - iowait - steal) / TICKS


def sync_us(folder, count=40):
    """Median of some fdatasync calls behind 4 KiB each: whether the disk is quiet."""
    path, waits = folder / "sync-probe", []
    with open(path, "wb", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            start = time.monotonic()
            os.fdatasync(file.fileno())
            waits.append(time.monotonic() - start)
    path.unlink()
    return statistics.median(waits) * 1e6


class Group:
    """A command, and whatever it starts: a cgroup of version 2, or without one the descendants that live."""

    def __init__(self, name, argv, environment, log):
        self._cgroup = self._make_cgroup(name)
        self.process = subprocess.Popen([str(a) for a in argv], env=environment, stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, start_new_session=True,
                                        preexec_fn=self._enter if self._cgroup else None)

    @staticmethod
    def _make_cgroup(name):
        for root in CGROUPS:
            if (root / "cgroup.controllers").exists():
                folder = root / f"relais-bench-{os.getpid()}-{name}"
                try:
                    folder.mkdir()
                    return folder
                except OSError:
                    return None
        return None

    def _enter(self):
        (self._cgroup / "cgroup.procs").write_text("0")

    def pids(self):
        if self._cgroup:
            return [int(pid) for pid in (self._cgroup / "cgroup.procs").read_text().split()]
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            try:
                children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
            except OSError:
                continue
            found.append(pid)
            todo += map(int, children.split())
        return found

    def cpu_seconds(self):
        """User and system time; with a cgroup also of processes that have ended."""
        if self._cgroup:
            rows = dict(row.split() for row in (self._cgroup / "cpu.stat").read_text().splitlines())
            return (int(rows["user_usec"]) + int(rows["system_usec"])) / 1e6
        total = 0
        for pid in self.pids():
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += sum(int(n) for n in fields[11:15])
            except OSError:
                pass
        return total / TICKS

    def memory_kib(self):
        """{"Pss", "Rss"} of all processes, and how many there are."""
        total = {"Pss": 0, "Rss": 0, "processes": 0}
        for pid in self.pids():
            try:
                rows = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
            except OSError:
                continue
            values = {row.split()[0].rstrip(":"): int(row.split()[1]) for row in rows}
            total["processes"] += 1
            for key in ("Pss", "Rss"):
                total[key] += values.get(key, 0)
        return total

    def stop(self, patience=15):
        """SIGTERM to the command; what is left then of the group gets SIGKILL. Returns the seconds it took."""
        start = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=patience)
            except subprocess.TimeoutExpired:
                pass
        took = time.monotonic() - start
        if self.process.poll() is None or self._cgroup:
            self._wait_until_empty(3)
            for pid in self.pids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait(timeout=20)
        if self._cgroup:
            self._remove_cgroup(10)
        return took

    def _remove_cgroup(self, seconds):
        """Processes leave it a moment after they have ended."""
        end = time.monotonic() + seconds
        while True:
            try:
                return self._cgroup.rmdir()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def _wait_until_empty(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.process.poll()
            if not self.pids():
                return
            time.sleep(0.05)


class PeakMemory:
    """The highest of samples that are so rare that taking them hardly counts."""

    def __init__(self, group):
        self._group, self._next = group, 0
        self.kib = {"Pss": 0, "Rss": 0, "processes": 0}

    def sample(self):
        start = time.monotonic()
        if start < self._next:
            return
        now = self._group.memory_kib()
        self.kib = {key: max(value, now[key]) for key, value in self.kib.items()}
        end = time.monotonic()
        self._next = end + max(1.0, 30 * (end - start))


def empty_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    path.chmod(0o755)
    return path
