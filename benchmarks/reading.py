"""``python -m benchmarks.reading``: batches of a set in memory, in a mapped file and through `FileRows`.

Each is read in a process of its own, which says how long a batch took and by how much the peak of its memory rose. A
file is read once it is all in the system's cache, and once none of it is, as of a set that is much larger than memory.
"""

import argparse
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

COLD = 40  # batches at random places: more would bring a mapped file into the cache by the way


class GivenBack:
    """A mapped file whose pages are given back after each batch."""

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
    "mapped, given back": GivenBack,
    "FileRows": FileRows,
}


def make(path: str, megabytes: int, row: int) -> None:
    """Save rows of random bytes."""
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
    """Have the system keep all of a file in its cache, or nothing of it."""
    with open(path, "rb", buffering=0) as file:
        if cold:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while not cold and file.read(1 << 20):
            pass


def peak() -> int:
    """Return the peak of this process's resident memory, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def measure(way: str, path: str, size: int, shuffled: bool, cold: bool) -> tuple[float, float]:
    """Return the milliseconds that a batch took, and the megabytes by which the peak rose."""
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
    parser = argparse.ArgumentParser("python -m benchmarks.reading", description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--megabytes", type=int, nargs="+", default=[200, 1000, 4000], help="of the sets (default: %(default)s)")
    add("--row", type=int, default=12_288, help="bytes of a row (default: %(default)s)")
    add("--batch", type=int, default=128, help="rows of a batch (default: %(default)s)")
    add("--folder", help="where the files are made (default: that of temporary files)")
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
