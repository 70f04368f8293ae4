"""Time of importing this package, NumPy and other frameworks: ``python -m benchmarks.imports``.

Each import runs in a separate process, and so does an interpreter that imports nothing; they alternate on one core. The
times are medians of the processor time of the whole process. A first, unmeasured round reads from the disk and compiles
bytecode into a temporary directory, as installing a package does. The last column is the time that an import adds to
the bare interpreter, as a multiple of the time that NumPy adds.
"""

import importlib.util
import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from benchmarks.cores import available, pin
from benchmarks.processes import ROOT, environment
from benchmarks.statistics import median
from tinygrad_edu.shared.display.command_line import Parser

NOTHING, NUMPY, OURS = "nothing", "numpy", "tinygrad_edu"
OTHERS = ("autograd", "mygrad", "torch", "jax", "keras", "tinygrad")


def seconds(package: str, bytecode: str) -> float:
    """Return the processor time of a process that imports a package; `bytecode` is the directory of its bytecode."""
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
    """Return the median seconds of each package, after one unmeasured round."""
    found: dict[str, list[float]] = {package: [] for package in packages}
    with TemporaryDirectory() as bytecode:
        for package in packages:
            seconds(package, bytecode)
        for _ in range(rounds):
            for package, times in found.items():
                times.append(seconds(package, bytecode))
    return {package: median(times) for package, times in found.items()}


def main() -> None:
    """Print a line for each installed package."""
    parser = Parser("python -m benchmarks.imports", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="imports of each package (default: %(default)s)")
    rounds = parser.parse_args().rounds
    pin(available()[-1:])
    others = [name for name in OTHERS if importlib.util.find_spec(name) is not None]
    found = measure([NOTHING, NUMPY, OURS, *others], rounds)
    bare, numpy = found[NOTHING], found[NUMPY]
    print(f"{'':<14}{'ms':>8}{'/ NumPy':>9}{'/ NumPy, without the interpreter':>38}")
    for name, time in found.items():
        print(f"{name:<14}{1000 * time:8.1f}{time / numpy:9.2f}{(time - bare) / (numpy - bare):38.2f}")


if __name__ == "__main__":
    main()
