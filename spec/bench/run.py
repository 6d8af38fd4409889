"""make bench: moonpost beside its peers, the same workloads in the same run on free loopback ports.

BENCH_SECONDS (3) per workload, BENCH_ROUNDS (1; more: medians), BENCH_SERVERS and BENCH_WORKLOADS
(names, or the begin of names, separated by spaces), BENCH_WORKERS (2) of moonpost.  The server
"machine" is none: its rows say what the disk and OpenSSL allow without one (limits.c).
Results: one JSON line per measurement in build/bench/.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import peers
import peers_pop3
import peers_smtp
import table
from peers import LMTP, MTA, POP3, POP3S

SERVERS = (peers.Moonpost, peers.Sink, *peers_smtp.ALL, *peers_pop3.ALL)

SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "1"))
CHOSEN = os.environ.get("BENCH_SERVERS", "").split()
WORKLOADS = os.environ.get("BENCH_WORKLOADS", "").split()
LOAD = "build/release/load"
BIG = 10000                                 # messages in the large maildrop

SMTP_USERS = ["--user", "u%u@example.test", "--users", "256"]
POP3_USERS = ["--user", "p%u@example.test", "--users", "32", "--keep"]
LARGE_USERS = ["--user", "c%u@example.test", "--users", "4", "--keep"]
BIG_USER = ["--user", "big@example.test", "--users", "1", "--keep"]
FULL, RESUMED = ["--tls", "implicit"], ["--tls", "implicit", "--resume"]


def many(n, *more):
    return ["--sessions", str(n), *more]


# name, service, arguments of the generator
MEASURED = (
    ("smtp-A32", MTA, ["--scenario", "smtp-send", *many(32), *SMTP_USERS]),
    ("smtp-A256", MTA, ["--scenario", "smtp-send", *many(256), *SMTP_USERS]),
    ("smtp-B", MTA, ["--scenario", "smtp-send", *many(32, "--messages", "100"), *SMTP_USERS]),
    ("smtp-C", MTA, ["--scenario", "smtp-send", *many(16, "--messages", "10", "--size", "1048576"), *SMTP_USERS]),
    ("smtp-D", MTA, ["--scenario", "smtp-hello", *many(32)]),
    ("smtp-Dtls", MTA, ["--scenario", "smtp-hello", "--tls", "starttls", *many(32)]),
    ("smtp-Dtls-resumed", MTA, ["--scenario", "smtp-hello", "--tls", "starttls", "--resume", *many(32)]),
    ("pop3-A32", POP3, ["--scenario", "pop3-stat", *many(32), *POP3_USERS]),
    ("pop3-B", POP3, ["--scenario", "pop3-retr", *many(32), *POP3_USERS]),
    ("pop3-C2", POP3, ["--scenario", "pop3-retr", *many(4), *LARGE_USERS]),
    ("pop3-D32", POP3S, ["--scenario", "pop3-stat", *FULL, *many(32), *POP3_USERS]),
    ("pop3-D32-resumed", POP3S, ["--scenario", "pop3-stat", *RESUMED, *many(32), *POP3_USERS]),
    ("pop3-10000-stat", POP3, ["--scenario", "pop3-stat", *many(1), *BIG_USER]),
    ("pop3-10000-uidl", POP3, ["--scenario", "pop3-uidl", *many(1), *BIG_USER]),
)
# name, service, arguments; as many sessions as the server is worth
HELD = (
    ("idle-smtp", MTA, ["--scenario", "smtp-idle"]),
    ("idle-pop3", POP3, ["--scenario", "pop3-idle", "--user", "p%u@example.test", "--users", "10000"]),
    ("idle-pop3s", POP3S, ["--scenario", "pop3-idle", *FULL, "--user", "p%u@example.test", "--users", "10000"]),
)


def wanted(name, choice):
    return not choice or any(name == c or name.startswith(c + "-") or c.endswith("*") and name.startswith(c[:-1])
                             for c in choice)


def load(server, service, args):
    argv = [LOAD, "--host", peers.HOST, "--port", str(server.ports[service]), *args]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=600, check=False)
    return json.loads(done.stdout)


def settle(server):
    """Wait until the server has done what it put off, so that its CPU time is complete."""
    before, until = server.group.cpu(), time.monotonic() + 20
    while time.monotonic() < until:
        time.sleep(0.3)
        now = server.group.cpu()
        if now - before < 0.02:
            break
        before = now


def measure(server, name, service, args):
    args = [*args, "--name", name, "--password", peers.PASSWORD]
    if service == LMTP:
        args.append("--lmtp")
    cpu = server.group.cpu()
    row = load(server, service, [*args, "--seconds", str(SECONDS)])
    settle(server)
    row["cpu_us"] = round((server.group.cpu() - cpu) * 1e6 / max(row["operations"], 1), 2)
    return row


def hold(server, name, service, args):
    """Memory of sessions that say nothing: with them less without them, by their number."""
    settle(server)
    before = server.group.memory()
    row = load(server, service, [*args, "--name", name, "--password", peers.PASSWORD, "--sessions",
                                 str(server.idle), "--hold", "1", "--group", str(server.process.pid)])
    row["session_kib"] = round((row["server_kib"] - before) / server.idle, 2)
    for key in ("per_second", "mb_per_second"):
        row[key] = None
    return row


def fill(server):
    """The maildrops of the POP3 workloads."""
    service = MTA if MTA in server.ports else LMTP
    lmtp = ["--lmtp"] if service == LMTP else []
    for what in (
            [*POP3_USERS, *many(32, "--count", "32", "--messages", "100")],
            [*LARGE_USERS, *many(4, "--count", "4", "--size", str(25 << 20))],
            [*BIG_USER, *many(16, "--count", "100", "--messages", str(BIG // 100), "--size", "512")]):
        row = load(server, service, ["--scenario", "smtp-send", *[w for w in what if w != "--keep"], *lmtp])
        if row["failed"]:
            raise peers.Unable(f"{server.name} does not take mail: {row['error']}")


def serves(server, service, args):
    return service in server.ports and (server.tls or "--tls" not in args)


def limits(base, keep):
    """What the machine allows."""
    os.makedirs(f"{base}/limits")
    done = subprocess.run(["build/release/limits", f"{base}/limits", f"{base}/tls/server.pem",
                           f"{base}/tls/server.key"], stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        if wanted(row["name"], WORKLOADS):
            keep(row["server"], row)
    shutil.rmtree(f"{base}/limits")


def bench(server, write):
    def keep(row):
        write(server.name, row)

    filled = False
    for name, service, args in MEASURED:
        # Dovecot takes mail by LMTP alone.
        if service == MTA and LMTP in server.ports and "smtp-send" in args:
            service = LMTP
        if not wanted(name, WORKLOADS) or not serves(server, service, args):
            continue
        if service in (POP3, POP3S) and not filled and server.name != "sink":
            fill(server)
            settle(server)
            filled = True
        if server.name == "sink" and name.startswith(("pop3-C2", "pop3-10000")):
            continue                        # it has one kind of maildrop: a hundred messages of 4 KiB
        keep(measure(server, name, service, args))
    for name, service, args in HELD:
        if wanted(name, WORKLOADS) and serves(server, service, args):
            server.restart()                # what earlier sessions gave back would be used again
            keep(hold(server, name, service, args))


def about():
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True, check=False)
    return {"commit": commit.stdout.strip() or "?", "when": time.strftime("%Y-%m-%d %H:%M:%S"),
            "kernel": os.uname().release, "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2),
            "seconds": SECONDS, "rounds": ROUNDS}


def main():
    os.makedirs("build/bench", exist_ok=True)
    path = time.strftime("build/bench/%Y%m%d-%H%M%S.jsonl")
    unable = []
    chosen = [kind for kind in SERVERS if wanted(kind.name, CHOSEN)]
    with tempfile.TemporaryDirectory(prefix="moonpost-bench-") as base, open(path, "w", encoding="utf-8") as results:
        os.chmod(base, 0o755)
        results.write(json.dumps(about()) + "\n")
        subprocess.run(["bin/moonpost-demo", "certificate", f"{base}/tls"], check=True)

        def write(server, row):
            row["server"] = server
            results.write(json.dumps(row) + "\n")
            results.flush()
            print(table.line(row["name"], server, row), flush=True)

        print(table.HEAD)
        for turn in range(ROUNDS):
            if wanted("machine", CHOSEN):
                limits(base, write)
            for kind in chosen:
                if not kind.installed():
                    print(f"{kind.name}: not installed, skipped (Debian: {kind.package})")
                    continue
                server = kind(f"{base}/{turn}", f"{base}/tls")
                try:
                    server.start()
                    bench(server, write)
                except peers.Unable as why:
                    print(f"bench: {why}", file=sys.stderr)
                    unable.append(kind.name)
                finally:
                    server.stop()
    print()
    table.show(path)
    print(f"kept in {path}; make bench-compare A=... B=... shows two such files side by side")
    return f"bench: not measured: {', '.join(unable)}" if unable else 0


if __name__ == "__main__":
    sys.exit(main())
