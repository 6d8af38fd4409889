"""All processes of a server, what they used and how they end.

A control group (version 2) where one may be made: it forgets nobody.  Else the process group, which
loses who leaves it and the CPU time of those for whom nobody waits (Exim's deliveries, by half).
"""
import os
import signal
import time


def place():
    """A new control group, or None."""
    with open("/proc/self/mounts", encoding="ascii", errors="replace") as f:
        mounts = [line.split() for line in f]
    for mount in mounts:
        if mount[2] == "cgroup2":
            path = f"{mount[1]}/moonpost-bench-{os.getpid()}"
            try:
                os.mkdir(path)
                return path
            except OSError:
                pass
    return None


class Group:
    def __init__(self):
        self.pgid = None
        self.control = place()

    def argv(self, argv):
        """argv of a program that is in the group from its begin on."""
        if not self.control:
            return argv
        return ["sh", "-ec", 'echo $$ >"$0/cgroup.procs"; exec "$@"', self.control, *argv]

    def members(self):
        """Pids, and what /proc/PID/stat says behind the name."""
        inside = None
        if self.control:
            with open(f"{self.control}/cgroup.procs", encoding="ascii") as f:
                inside = f.read().split()
        for name in inside if inside is not None else filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            if inside is not None or int(fields[2]) == self.pgid:
                yield int(name), fields

    def cpu(self):
        """CPU seconds so far, ended processes included."""
        if self.control:
            with open(f"{self.control}/cpu.stat", encoding="ascii") as f:
                return int(dict(line.split() for line in f)["usage_usec"]) / 1e6
        ticks = sum(sum(int(f) for f in fields[11:15]) for _, fields in self.members())
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Proportional memory in KiB."""
        total = 0
        for pid, _ in self.members():
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                    total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            except OSError:
                pass
        return total

    def wait(self, seconds):
        """True when all have ended."""
        until = time.monotonic() + seconds
        while any(True for _ in self.members()):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def end(self):
        """For those who were asked to end already."""
        if not self.wait(5):
            for pid, _ in list(self.members()):
                os.kill(pid, signal.SIGKILL)
            self.wait(5)
        if self.control:
            os.rmdir(self.control)
