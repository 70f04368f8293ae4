"""``python -m benchmarks.imports``: what importing our package takes beside NumPy and other frameworks.

Each import is a process of its own, and so is one that imports nothing; they take turns on one core, round after round.
The times are processor times of the whole process, medians. What the first time takes is not in them: reading from
the disk, and compiling to bytecode, which is kept in a directory of its own, as installing a package does. The last
column is what an import adds to the bare interpreter, as a multiple of what NumPy adds.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from benchmarks.cores import available, pin
from benchmarks.processes import ROOT, environment
from benchmarks.statistics import median

NOTHING, NUMPY, OURS = "nothing", "numpy", "tinygrad_edu"
OTHERS = ("autograd", "mygrad", "torch", "jax", "keras", "tinygrad")


def seconds(package: str, bytecode: str) -> float:
    """Return the processor time of a process that imports a package and ends; `bytecode` is where its bytecode is."""
    program = "pass" if package == NOTHING else f"import {package}"
    own = {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": "", "KERAS_BACKEND": "jax"}
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(1, **own), stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, program)
    return used.ru_utime + used.ru_stime


def measure(packages: list[str], rounds: int) -> dict[str, float]:
    """Return the median seconds of each, after one turn that is not measured."""
    found: dict[str, list[float]] = {package: [] for package in packages}
    with TemporaryDirectory() as bytecode:
        for package in packages:
            seconds(package, bytecode)
        for _ in range(rounds):
            for package, times in found.items():
                times.append(seconds(package, bytecode))
    return {package: median(times) for package, times in found.items()}


def main() -> None:
    """Print a line for each package that is installed."""
    parser = argparse.ArgumentParser("python -m benchmarks.imports", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often each is imported (default: %(default)s)")
    rounds = parser.parse_args().rounds
    pin(available()[-1:])
    others = [name for name in OTHERS if importlib.util.find_spec(name) is not None]
    found = measure([NOTHING, NUMPY, OURS, *others], rounds)
    bare, numpy = found[NOTHING], found[NUMPY]
    print(f"{'':<14}{'ms':>8}{'/ NumPy':>9}{'/ NumPy, beyond the bare interpreter':>38}")
    for name, time in found.items():
        print(f"{name:<14}{1000 * time:8.1f}{time / numpy:9.2f}{(time - bare) / (numpy - bare):38.2f}")


if __name__ == "__main__":
    main()
