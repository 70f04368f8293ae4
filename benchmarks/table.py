"""Report as text: a table for each workload, with a line for each peer."""

from collections.abc import Iterator
from typing import Any

SCALES = {"ms": 1e3, "s": 1.0, "us/op": 1e6}
STEPS = {"batch": "images", "depth": "layers", "length": "tokens", "steps": "steps"}


def duration(seconds: float | None, workload: dict[str, Any]) -> str:
    """Return a time in the unit of a workload."""
    if seconds is None:
        return "-"
    value = seconds / workload["count"] * SCALES[workload["unit"]]
    return f"{value:.{3 if value < 10 else 2 if value < 100 else 1}f}"


def _line(result: dict[str, Any], workload: dict[str, Any]) -> str:
    low, high = result["quartiles"] or (None, None)
    spread = f"{duration(low, workload)} .. {duration(high, workload)}" if low is not None else ""
    ratio = f"{result['ratio']:.2f}" if result["ratio"] else ""
    loss = f"{result['values'][0]:.6g}" if result["values"] else ""
    memory = f"{result['bytes'] / workload['count']:.0f} B/op" if result["bytes"] is not None else ""
    note = "" if result["status"] == "ok" else result["status"].upper() + (f": {result['note']}" * bool(result["note"]))
    columns = f"{result['peer']:<17} {duration(result['median'], workload):>9} {spread:>19} {ratio:>7} {loss:>11}"
    return f"  {columns} {memory} {note}".rstrip()


def fastest_peer(workload: dict[str, Any]) -> dict[str, Any] | None:
    """Return the result of the fastest peer with the same numbers as ours, or None."""
    peers = [r for r in workload["results"] if r["is_peer"] and r["status"] == "ok" and r["median"]]
    return min(peers, key=lambda r: r["median"], default=None)


def _workload(workload: dict[str, Any]) -> Iterator[str]:
    yield f"\n{workload['key']}. {workload['title']}"
    yield f"  {'':<17} {workload['unit']:>9} {'quartiles':>19} {'/ ours':>7} {'loss':>11}"
    for result in workload["results"]:
        if result["status"] != "not offered" or result["note"]:
            yield _line(result, workload)
    silent = [r["peer"] for r in workload["results"] if r["status"] == "not offered" and not r["note"]]
    if silent:
        yield f"  not offered by {', '.join(silent)}"
    best = fastest_peer(workload)
    if best is not None and best["ratio"]:
        yield f"  fastest peer: {best['peer']}, {best['ratio']:.2f} times our time"


def _growth(growth: dict[str, Any]) -> Iterator[str]:
    yield f"\n{growth['key']}. Growth with the {growth['what']}, on {growth['cores']} core(s)"
    unit = STEPS[growth["what"]]
    for name, row in growth["peers"].items():
        if row["note"]:
            yield f"  {name}: {row['note']}"
            continue
        for size, seconds, peak in zip(growth["sizes"], row["seconds"], row["bytes"], strict=True):
            yield f"  {name:<14} {size:>6} {unit} {1e3 * seconds:>10.2f} ms {peak / 2**20:>9.1f} MiB"
        time, memory = (
            f"{row[f'{what}_exponent']:.2f} (last two sizes: {row[f'{what}_last_exponent']:.2f})"
            if row[f"{what}_exponent"] is not None and row[f"{what}_last_exponent"] is not None
            else "unknown"
            for what in ("seconds", "bytes")
        )
        yield f"  {name}: growth exponent of time {time}, of memory {memory}"


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a report."""
    machine = report["machine"]
    yield ", ".join(f"{key} {value}" for key, value in machine.items())
    for run in report["runs"]:
        yield f"\n=== {run['cores']} core{'s' * (run['cores'] > 1)}, {report['rounds']} rounds"
        for name, threads in run["threads"].items():
            yield f"  {name:<17} cores {threads['cores']}, threads: {threads['threads']}"
        for workload in run["workloads"]:
            yield from _workload(workload)
    for growth in report["growth"]:
        yield from _growth(growth)
