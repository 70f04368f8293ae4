"""Measurement in rounds: each round runs every peer once, so that drift affects all peers equally."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks import statistics
from benchmarks.peers import OURS, Peer
from benchmarks.processes import Process, WorkerError, of_peer
from benchmarks.workloads import GROWTH, Workload

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Parameters of a measurement.

    Attributes
    ----------
    rounds : int
    seconds : float
        Duration of a round; each peer runs at least once.
    budget : float
        Time limit of a peer on a workload in seconds; a slower peer skips the remaining rounds.
    timeout : float
        Seconds to wait for an answer.
    """

    rounds: int = 7
    seconds: float = 0.15
    budget: float = 20.0
    timeout: float = 300.0


@dataclass
class Result:
    """Results of one peer in one workload.

    Attributes
    ----------
    peer : str
    status : str
        "ok", "not installed", "not offered", "differs" (from our numbers), or "error".
    note : str
        Reason of the status.
    values : list of float
        Numbers that are compared: the losses of the first steps, and more for some workloads.
    seconds : list of float
        Seconds of a run in each round; `median`, `quartiles` and `ratio` (to ours) are computed from them.
    bytes : int or None
        Increase of the peak resident memory in one run, if measured.
    page_faults : float or None
        Page faults of one run.
    """

    peer: str
    status: str = "ok"
    note: str = ""
    is_peer: bool = True
    values: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    median: float | None = None
    quartiles: tuple[float, float] | None = None
    ratio: float | None = None
    bytes: int | None = None
    page_faults: float | None = None

    def failed(self, error: Exception) -> None:
        """Record an error."""
        self.status, self.note = "error", str(error)


def _prepare(process: Process, workload: Workload, result: Result, plan: Plan) -> bool:
    """Compute the numbers to compare, then set up the timing; return whether the peer can be timed."""
    given = {"function": workload.function, "sizes": workload.sizes, "timeout": plan.timeout}
    try:
        offer = process.ask("prepare", fixed=True, **given)
        if not offer["offered"]:
            result.status, result.note = "not offered", offer["note"]
            return False
        if offer["comparable"]:
            result.values = process.ask("values", plan.timeout, times=workload.steps)["values"]
        process.ask("prepare", fixed=False, **given)
        process.ask("measure", plan.timeout, seconds=0.0)
    except WorkerError as error:
        result.failed(error)
        return False
    return True


def _compare(results: Sequence[Result], tolerance: float) -> None:
    """Mark the results whose numbers differ from ours."""
    ours = next((r.values for r in results if r.peer == OURS and r.values), None)
    for result in results:
        if ours is None or result.status != "ok" or not result.values:
            continue
        if not np.allclose(result.values, ours, rtol=tolerance, atol=tolerance):
            result.status = "differs"
            result.note = f"computes {_short(result.values)}, ours computes {_short(ours)}"


def _short(values: list[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def _summarize(results: Sequence[Result]) -> None:
    for result in results:
        if result.seconds:
            result.median, result.quartiles = statistics.median(result.seconds), statistics.quartiles(result.seconds)
    ours = next((r.median for r in results if r.peer == OURS), None)
    for result in results:
        if ours and result.median:
            result.ratio = result.median / ours


def _blank(peers: Sequence[Peer]) -> dict[str, Result]:
    results = {peer.name: Result(peer.name, is_peer=peer.is_peer) for peer in peers}
    for peer in peers:
        if peer.missing():
            results[peer.name].status, results[peer.name].note = "not installed", ", ".join(peer.missing())
    return results


def _interleaved(
    workload: Workload, processes: dict[str, Process], peers: Sequence[Peer], plan: Plan, say: Say
) -> list[Result]:
    results = _blank(peers)
    ready = {}
    for name, process in processes.items():
        say(f"  {workload.key}: preparing {name}")
        if _prepare(process, workload, results[name], plan):
            ready[name] = process
    _compare(list(results.values()), workload.tolerance)
    spent = dict.fromkeys(ready, 0.0)
    for number in range(plan.rounds):
        say(f"  {workload.key}: round {number + 1} of {plan.rounds}")
        for name in [name for name in ready if spent[name] < plan.budget]:
            try:
                answer = ready[name].ask("measure", plan.timeout, seconds=plan.seconds)
            except WorkerError as error:
                results[name].failed(error)
                del ready[name]
                continue
            results[name].seconds.append(answer["seconds"])
            results[name].page_faults = answer.get("page_faults")
            spent[name] += answer["seconds"] * (answer["runs"] + 1)
    return list(results.values())


def _fresh(workload: Workload, peers: Sequence[Peer], cores: set[int], plan: Plan, say: Say) -> list[Result]:
    """Measure in new processes, because memory left from other workloads would hide the peak."""
    results = _blank(peers)
    for peer in peers:
        result = results[peer.name]
        if result.status != "ok":
            continue
        say(f"  {workload.key}: {peer.name}, {workload.title}")
        with of_peer(peer, cores) as process:
            _one_fresh(process, workload, result, plan)
    _compare(list(results.values()), workload.tolerance)
    return list(results.values())


def _one_fresh(process: Process, workload: Workload, result: Result, plan: Plan) -> None:
    given = {"function": workload.function, "sizes": workload.sizes, "timeout": plan.timeout}
    try:
        warm = {**workload.sizes, "ops": 100} if "ops" in workload.sizes else workload.sizes
        offer = process.ask("prepare", plan.timeout, function=workload.function, sizes=warm, fixed=False)
        if not offer["offered"]:
            result.status, result.note = "not offered", offer["note"]
            return
        if warm is not workload.sizes:  # exclude the one-time setup of the first ops
            process.ask("values", plan.timeout, times=1)
        process.ask("prepare", fixed=False, **given)
        peak = process.ask("peak", plan.timeout)
        result.bytes, spent = peak["bytes"], peak["seconds"]
        for _ in range(plan.rounds):
            if spent > plan.budget:
                break
            answer = process.ask("measure", plan.timeout, seconds=min(plan.seconds, 0.05))
            result.seconds.append(answer["seconds"])
            spent += answer["seconds"] * (answer["runs"] + 1)
        result.seconds = result.seconds or [peak["seconds"]]
        if workload.function == "chain":
            result.values = process.ask("values", plan.timeout, times=1)["values"]
    except WorkerError as error:
        result.failed(error)


def measure(
    workloads: Sequence[Workload], peers: Sequence[Peer], cores: set[int], plan: Plan, say: Say
) -> dict[str, Any]:
    """Measure workloads on the given cores.

    Returns
    -------
    dict
        ``cores``: their number. ``threads``: the threads in use, by peer. ``workloads``: each with its results.
    """
    processes = {peer.name: of_peer(peer, cores) for peer in peers if not peer.missing()}
    threads, measured = {}, []
    try:
        for name, process in processes.items():
            try:
                threads[name] = process.ask("threads", plan.timeout)
            except WorkerError as error:
                threads[name] = {"cores": len(cores), "threads": f"error: {error}"}
        for workload in workloads:
            if workload.fresh:
                results = _fresh(workload, peers, cores, plan, say)
            else:
                results = _interleaved(workload, processes, peers, plan, say)
            _summarize(results)
            rows = [asdict(result) for result in results]
            measured.append({**asdict(workload), "count": workload.count, "results": rows})
    finally:
        for process in processes.values():
            process.close()
    return {"cores": len(cores), "threads": threads, "workloads": measured}


def growth(key: str, peers: Sequence[Peer], cores: set[int], plan: Plan, say: Say) -> dict[str, Any]:
    """Measure a workload at growing sizes, and fit powers of the size to time and memory.

    Returns
    -------
    dict
        ``key``, ``what``, ``sizes``, and for each peer ``seconds``, ``bytes`` and the exponents of both, over all
        sizes and between the last two.
    """
    what, workloads = GROWTH[key]
    sizes = [_size(workload, what) for workload in workloads]
    found: dict[str, Any] = {peer.name: {"seconds": [], "bytes": [], "note": ""} for peer in peers}
    for workload in workloads:
        for result in _fresh(workload, peers, cores, replace(plan, rounds=min(plan.rounds, 3)), say):
            if result.seconds and result.bytes is not None:
                found[result.peer]["seconds"].append(statistics.median(result.seconds))
                found[result.peer]["bytes"].append(result.bytes)
            else:
                found[result.peer]["note"] = f"{result.status} {result.note}".strip()
    for row in found.values():
        for name in ("seconds", "bytes"):
            row[f"{name}_exponent"] = statistics.exponent(sizes, row[name])
            row[f"{name}_last_exponent"] = statistics.exponent(sizes[-2:], row[name][-2:])
    return {"key": key, "what": what, "cores": len(cores), "sizes": sizes, "peers": found}


def _size(workload: Workload, what: str) -> int:
    return len(workload.sizes["layers"]) - 1 if what == "depth" else int(workload.sizes[what])
