"""Batches of a data set in memory, in a mapped file and through `FileRows`: ``python -m benchmarks.reading``.

Each measurement runs in a new process, and returns the time of a batch and the increase of the peak memory. Files are
read with all of their pages in the system's cache, and "cold", with none, as for a data set much larger than memory.
"""

import mmap
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tinygrad_edu.data import FileRows
from tinygrad_edu.shared.display.command_line import Parser

COLD = 40  # batches; more random reads would load the mapped file into the cache


class GivenBack:
    """A mapped file whose pages are released after each batch."""

    def __init__(self, path: str) -> None:
        self.array = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: Any) -> Any:
        found = np.array(self.array[rows])
        self.array._mmap.madvise(mmap.MADV_DONTNEED)
        return found


WAYS: dict[str, Callable[[str], Any]] = {
    "in memory": np.load,
    "mapped": lambda path: np.load(path, mmap_mode="r"),
    "mapped, released": GivenBack,
    "FileRows": FileRows,
}


def make(path: str, megabytes: int, row: int) -> None:
    """Save a file of random rows."""
    block = np.random.default_rng(0).integers(0, 256, (1024, row), np.uint8)
    count = -(-megabytes * (1 << 20) // row)
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (count, row))
    for k in range(0, count, len(block)):
        array[k : k + len(block)] = block[: count - k]


def batches(count: int, size: int, shuffled: bool) -> Iterator[Any]:
    """Yield the indices of the batches of an epoch."""
    order = np.random.default_rng(0).permutation(count) if shuffled else None
    for k in range(0, count - size + 1, size):
        yield slice(k, k + size) if order is None else order[k : k + size]


def remember(path: str, cold: bool) -> None:
    """Load a file into the system's cache, or, if `cold`, remove it from the cache."""
    with open(path, "rb", buffering=0) as file:
        if cold:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while not cold and file.read(1 << 20):
            pass


def peak() -> int:
    """Return the peak resident memory of this process in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def measure(way: str, path: str, size: int, shuffled: bool, cold: bool) -> tuple[float, float]:
    """Return the milliseconds of a batch, and the increase of the peak memory in megabytes."""
    remember(path, cold)
    before = peak()
    rows = WAYS[way](path)
    chosen = list(batches(len(rows), size, shuffled))[: COLD if cold else None]
    begin = time.perf_counter()
    for index in chosen:
        np.array(rows[np.sort(index)] if shuffled else rows[index])
    return 1e3 * (time.perf_counter() - begin) / len(chosen), (peak() - before) / 1e6


def main() -> None:
    """Print the table."""
    parser = Parser("python -m benchmarks.reading", description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--megabytes", type=int, nargs="+", default=[200, 1000, 4000], help="data set sizes (default: %(default)s)")
    add("--row", type=int, default=12_288, help="bytes per row (default: %(default)s)")
    add("--batch", type=int, default=128, help="rows per batch (default: %(default)s)")
    add("--folder", help="folder of the files (default: the temporary folder)")
    options = parser.parse_args()
    print(f"{'MB':>5}  {'':18}  {'shuffled':>18}  {'in order':>18}  {'shuffled, cold':>18}  {'in order, cold':>18}")
    for megabytes in options.megabytes:
        with TemporaryDirectory(dir=options.folder) as folder:
            path = f"{folder}/x.npy"
            make(path, megabytes, options.row)
            for way in WAYS:
                cases = [(True, False), (False, False), (True, True), (False, True)][
                    : 2 if way == "in memory" else None
                ]
                with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as own:
                    found = [own.submit(measure, way, path, options.batch, *case).result() for case in cases]
                cells = (f"{milliseconds:8.2f} ms {rise:+5.0f} MB" for milliseconds, rise in found)
                print(f"{megabytes:5}  {way:18}  {'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
