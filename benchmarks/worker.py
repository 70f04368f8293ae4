"""One peer in a process of its own: reads commands from standard input, a JSON line each, and answers with one."""

import ctypes
import importlib
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from benchmarks.cores import available, pin


def answers() -> IO[str]:
    """Keep the pipe to the parent for answers: whatever a library prints goes to standard error."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return pipe


def _measure(run: Callable[[], Any], seconds: float) -> dict[str, Any]:
    """Run once unmeasured, so that the caches are warm, then as often as fits; return the mean, and the fastest."""
    once = _timed(run)
    count = max(1, round(seconds / once[0]))
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    times = [once] if once[0] > seconds else [_timed(run) for _ in range(count)]
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    elapsed, processor = zip(*times, strict=True)
    found = {"seconds": sum(elapsed) / count, "fastest": min(elapsed), "fastest_processor": min(processor)}
    return {**found, "runs": count, "page_faults": faults / count}


def _timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Return what one run takes by the clock, and of the processor."""
    begin, busy = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begin, time.process_time() - busy


def _resident(what: str) -> int:
    """Return this process's VmRSS (resident now) or VmHWM (its peak) in bytes."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def _peak(run: Callable[[], Any]) -> dict[str, Any]:
    """Return by how much one run raised the peak of the resident memory, and its time."""
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before goes back to the system, and counts when taken again
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, how = _resident("VmRSS"), "VmHWM"
    except (OSError, AttributeError):
        before, how = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "ru_maxrss"
    begin = time.perf_counter()
    run()
    seconds = time.perf_counter() - begin
    after = _resident("VmHWM") if how == "VmHWM" else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"bytes": after - before, "seconds": seconds, "measured_by": how}


class Worker:
    """What the parent can ask for: each public method is a command."""

    def __init__(self, module: str) -> None:
        self._peer = importlib.import_module(module)
        self._run: Callable[[], Any] = lambda: None

    def threads(self) -> dict[str, Any]:
        """Say what may compute at the same time."""
        return {"cores": len(available()), "threads": self._peer.threads()}

    def prepare(self, function: str, sizes: dict[str, Any], fixed: bool) -> dict[str, Any]:
        """Set up a workload."""
        self._run = lambda: None
        factory = getattr(self._peer, function, None)
        if factory is None:
            return {"offered": False, "note": ""}
        try:
            run = factory(sizes, fixed)
        except NotImplementedError as error:
            return {"offered": False, "note": str(error)}
        if run is None:
            return {"offered": True, "comparable": False}
        self._run = run
        return {"offered": True, "comparable": True}

    def values(self, times: int) -> dict[str, Any]:
        """Return the numbers of the last of several runs, and the loss of each."""
        found = [tuple(map(float, self._run())) for _ in range(times)]
        return {"values": [*(row[0] for row in found), *found[-1][1:]]}

    def measure(self, seconds: float) -> dict[str, Any]:
        """Return the time of one run."""
        return _measure(self._run, seconds)

    def peak(self) -> dict[str, Any]:
        """Return the memory that one run takes."""
        return _peak(self._run)


def main() -> None:
    """Answer until the input ends."""
    pipe = answers()
    pin(map(int, sys.argv[2:]))
    worker = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            worker = worker or Worker(sys.argv[1])
            answer = getattr(worker, command.pop("command"))(**command)
        except Exception as error:
            text = re.sub("\x1b\\[[0-9;]*m", "", str(error))  # without colours
            answer = {"error": f"{type(error).__name__}: {' '.join(text.split())[:200]}"}
        print(json.dumps(answer), file=pipe, flush=True)


if __name__ == "__main__":
    main()
