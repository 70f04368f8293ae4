"""Worker process of a peer: read commands from standard input, and print answers, as lines of JSON."""

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
    """Return the pipe to the parent, and redirect the output of libraries to standard error."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return pipe


def _measure(run: Callable[[], Any], seconds: float) -> dict[str, Any]:
    """Run once to warm the caches, then repeat for `seconds`; return the mean and the fastest run."""
    once = _timed(run)
    count = max(1, round(seconds / once[0]))
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    times = [once] if once[0] > seconds else [_timed(run) for _ in range(count)]
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    elapsed, processor = zip(*times, strict=True)
    found = {"seconds": sum(elapsed) / count, "fastest": min(elapsed), "fastest_processor": min(processor)}
    return {**found, "runs": count, "page_faults": faults / count}


def _timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Return the wall-clock time and the processor time of one run."""
    begin, busy = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begin, time.process_time() - busy


def _resident(what: str) -> int:
    """Return the VmRSS (current resident memory) or VmHWM (its peak) of this process in bytes."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def _peak(run: Callable[[], Any]) -> dict[str, Any]:
    """Return the increase of the peak resident memory in one run, and the time of the run."""
    try:
        ctypes.CDLL(None).malloc_trim(0)  # return freed memory to the system, so that its reuse counts
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak
        before, how = _resident("VmRSS"), "VmHWM"
    except (OSError, AttributeError):
        before, how = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "ru_maxrss"
    begin = time.perf_counter()
    run()
    seconds = time.perf_counter() - begin
    after = _resident("VmHWM") if how == "VmHWM" else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"bytes": after - before, "seconds": seconds, "measured_by": how}


class Worker:
    """Commands of a worker: each public method is one."""

    def __init__(self, module: str) -> None:
        self._peer = importlib.import_module(module)
        self._run: Callable[[], Any] = lambda: None

    def threads(self) -> dict[str, Any]:
        """Return the number of cores and the threads in use."""
        return {"cores": len(available()), "threads": self._peer.threads()}

    def prepare(self, function: str, sizes: dict[str, Any], fixed: bool) -> dict[str, Any]:
        """Set up a workload; return whether the peer offers it, and whether its numbers are comparable."""
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
        """Return the losses of several runs, and the other numbers of the last run."""
        found = [tuple(map(float, self._run())) for _ in range(times)]
        return {"values": [*(row[0] for row in found), *found[-1][1:]]}

    def measure(self, seconds: float) -> dict[str, Any]:
        """Return the time of one run."""
        return _measure(self._run, seconds)

    def peak(self) -> dict[str, Any]:
        """Return the memory of one run."""
        return _peak(self._run)


def main() -> None:
    """Execute commands until the input ends."""
    pipe = answers()
    pin(map(int, sys.argv[2:]))
    worker = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            worker = worker or Worker(sys.argv[1])
            answer = getattr(worker, command.pop("command"))(**command)
        except Exception as error:
            text = re.sub("\x1b\\[[0-9;]*m", "", str(error))  # remove color codes
            answer = {"error": f"{type(error).__name__}: {' '.join(text.split())[:200]}"}
        print(json.dumps(answer), file=pipe, flush=True)


if __name__ == "__main__":
    main()
