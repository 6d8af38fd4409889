"""Result files and what is printed of them.

    python3 spec/bench/table.py FILE             the table of one run
    python3 spec/bench/table.py BEFORE AFTER     moonpost in two runs, side by side
"""
import json
import statistics
import sys

# workload: (unit, what is compared first, goal of rate, goal of CPU in us, goal of p50 in ms, of KiB)
GOALS = {
    "smtp-A32": (9000, None, None, None),
    "smtp-B": (20000, 60, None, None),
    "smtp-C": (763, None, None, None),          # 800 MB/s in messages of 1 MiB
    "smtp-Dtls": (None, 500, None, None),
    "smtp-Dtls-resumed": (None, 167, None, None),
    "pop3-A32": (15000, 50, None, None),
    "pop3-B": (50000, 8, None, None),
    "pop3-C2": (57, 10000, None, None),         # 1,500 MB/s in messages of 25 MiB
    "pop3-D32": (None, 500, None, None),
    "pop3-D32-resumed": (None, 167, None, None),
    "pop3-10000-stat": (None, None, 1, None),
    "pop3-10000-uidl": (None, None, 3, None),
    "idle-smtp": (None, None, None, 2),
    "idle-pop3": (None, None, None, 2),
    "idle-pop3s": (None, None, None, 12),
}


def read(path):
    with open(path, encoding="utf-8") as f:
        lines = [json.loads(line) for line in f if line.strip()]
    return lines[0], lines[1:]


def medians(rows):
    """{workload: {server: row}} with the median of each number over the rounds."""
    groups = {}
    for row in rows:
        groups.setdefault(row["name"], {}).setdefault(row["server"], []).append(row)
    out = {}
    for name, servers in groups.items():
        for server, same in servers.items():
            row = dict(same[0])
            for key, value in row.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    row[key] = statistics.median(r[key] for r in same)
            row["failed"] = max(r["failed"] for r in same)
            out.setdefault(name, {})[server] = row
    return out


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:.2f}"


def ratio(a, b):
    return f"{a / b:.2f}x" if a and b else "-"


HEAD = f"{'workload':20} {'server':11} {'rate /s':>9} {'MB/s':>7} {'CPU us/op':>10} {'p50 ms':>8} " \
       f"{'p99 ms':>8} {'KiB/sess':>8}  against the best peer and the goal"


def remark(name, row, peers, machine):
    """Ratios of moonpost to the best peer, to what the machine allows, and to the goals."""
    words = []
    rated = [p for p in peers if p.get("per_second")]
    if row.get("per_second") and rated:
        words.append("rate " + ratio(row["per_second"], max(p["per_second"] for p in rated)))
    cpu = [p["cpu_us"] for p in peers if p.get("cpu_us")]
    if row.get("cpu_us") and cpu:
        words.append("CPU " + ratio(row["cpu_us"], min(cpu)))
    memory = [p["session_kib"] for p in peers if p.get("session_kib")]
    if row.get("session_kib") and memory:
        words.append("memory " + ratio(row["session_kib"], min(memory)))
    for key, what in (("per_second", "rate"), ("cpu_us", "CPU"), ("session_kib", "memory")):
        # A handshake in memory has a rate, too, but it waits for nobody.
        if machine.get(key) and row.get(key) and not (key == "per_second" and not machine["mb_per_second"]):
            words.append(f"machine's {what} {ratio(row[key], machine[key])}")
    for goal, key, scale, better in zip(GOALS.get(name, ()), ("per_second", "cpu_us", "p50_us", "session_kib"),
                                        (1, 1, 1000, 1), (1, -1, -1, -1)):
        if goal and row.get(key):
            met = (row[key] - goal * scale) * better >= 0
            words.append(f"goal {'>=' if better > 0 else '<='} {goal:,}{' ms' if scale > 1 else ''}"
                         f" {'met' if met else 'MISSED ' + ratio(row[key], goal * scale)}")
    return ", ".join(words)


def line(name, server, row, words=""):
    ms = [row[k] / 1000 if row.get("operations") else None for k in ("p50_us", "p99_us")]
    text = f"{name:20} {server:11} {number(row.get('per_second')):>9} {number(row.get('mb_per_second')):>7} " \
           f"{number(row.get('cpu_us')):>10} {number(ms[0]):>8} {number(ms[1]):>8} {number(row.get('session_kib')):>8}"
    if row["failed"]:
        words = f"{row['failed']:.0f} FAILED: {row.get('error', '')}"
    return f"{text}  {words}".rstrip()


def show(path):
    meta, rows = read(path)
    print("; ".join(f"{key} {value}" for key, value in meta.items()))
    print(HEAD)
    for name, servers in medians(rows).items():
        peers = [row for server, row in servers.items()
                 if server not in ("moonpost", "sink", "machine") and not row["failed"]]
        for i, (server, row) in enumerate(servers.items()):
            words = remark(name, row, peers, servers.get("machine", {})) if server == "moonpost" else ""
            print(line("" if i else name, server, row, words))


def compare(before, after):
    (meta_a, a), (meta_b, b) = read(before), read(after)
    print(f"before: {meta_a['commit']} {meta_a['when']}\nafter:  {meta_b['commit']} {meta_b['when']}")
    print("Rates move with the machine: the sink's ratio says how much.  CPU per operation moves less.")
    print(f"{'workload':20} {'rate /s':>20} {'ratio':>7} {'sink':>7} {'CPU us/op':>20} {'ratio':>7} "
          f"{'p99 ms':>18} {'ratio':>7}")
    a, b = medians(a), medians(b)
    for name in a:
        x, y = a[name].get("moonpost"), b.get(name, {}).get("moonpost")
        if not x or not y:
            continue
        if "session_kib" in x:
            print(f"{name:20} {number(x['session_kib']) + ' KiB':>9} {number(y['session_kib']) + ' KiB':>10} "
                  f"{ratio(y['session_kib'], x['session_kib']):>7}")
            continue
        sink = [m[name].get("sink", {}).get("per_second") for m in (a, b)]
        print(f"{name:20} {number(x['per_second']):>9} {number(y['per_second']):>10} "
              f"{ratio(y['per_second'], x['per_second']):>7} {ratio(sink[1], sink[0]):>7} "
              f"{number(x['cpu_us']):>9} {number(y['cpu_us']):>10} {ratio(y['cpu_us'], x['cpu_us']):>7} "
              f"{number(x['p99_us'] / 1000):>8} {number(y['p99_us'] / 1000):>9} {ratio(y['p99_us'], x['p99_us']):>7}")


def main():
    if len(sys.argv) == 2:
        show(sys.argv[1])
    elif len(sys.argv) == 3:
        compare(sys.argv[1], sys.argv[2])
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
