"""Damaged archives and files of weights: reading one raises a clear one-line error or returns correct data."""

import hashlib
import json
import struct
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from models.shared import results
from tinygrad_edu import data
from tinygrad_edu.errors import DataError
from tools.campaign import damages

Arrays = Mapping[str, NDArray[Any]]
Outcome = tuple[str, str, str]  # the damage, the outcome of reading the file, and the error

PROJECT = Path(__file__).parents[2]
KEYS = ("x_train", "y_train", "x_test", "y_test")
WEIGHTS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(6, 12, dtype=np.float32)}
DTYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I8": "<i1", "U64": "<u8", "BOOL": "?", "C64": "<c8"}
LONGEST_LINE = 1000
ONE_IN = 1000  # the main job reads the first two files of each such number: one archive of each kind


def campaign(count: int, seed: int, say: Callable[[str], None]) -> Counter[str]:
    """Damage `count` files and read them. Return the counts; report failures."""
    figures = Counter({"wrong data": 0, "obscure errors": 0})
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning would print another line
        for number in range(seed, seed + count):
            kind = KINDS[number % len(KINDS)]
            damage, result, error = kind(Random(number), Path(folder))
            if number % ONE_IN < 2 and result in ("refused", "right data"):
                figures["read by the job"] += 1
                result, error = judge_the_job(Path(folder) / "digits.npz", result)
            figures.update([result, kind.__name__.replace("_", " ")])
            if result in ("wrong data", "obscure errors"):
                say(f"file {number}, {kind.__name__}, {damage}: {result}: {error}")
    return figures


def damaged_archive(random: Random, folder: Path) -> Outcome:
    """Damage an archive by a random accident."""
    content, accident = good_archive(random), random.choice(damages.ACCIDENTS)
    return accident.__name__, *judge(folder, archive=accident(random, content), right=digits)


def crafted_archive(random: Random, folder: Path) -> Outcome:
    """Craft an archive that NumPy did not write. The expected data is the data that NumPy reads from it."""
    members, craft = good_members(), random.choice(damages.MEMBERS)
    content = damages.archive(random, craft(random, members))
    trick = random.choice(damages.ARCHIVES)
    content = trick(random, content)
    return f"{craft.__name__}, {trick.__name__}", *judge(folder, archive=content, right=lambda: read_by_numpy(content))


def damaged_weights(random: Random, folder: Path) -> Outcome:
    """Damage the weights by a random accident."""
    accident = random.choice(damages.ACCIDENTS)
    seal(folder, save(WEIGHTS))
    return accident.__name__, *judge(folder, weights=accident(random, save(WEIGHTS)), right=lambda: WEIGHTS)


def damaged_summary(random: Random, folder: Path) -> Outcome:
    """Damage the summary, which holds the checksum of the weights."""
    accident = random.choice(damages.ACCIDENTS)
    seal(folder, save(WEIGHTS))
    summary = folder / results.SUMMARY
    summary.write_bytes(accident(random, summary.read_bytes()))
    return accident.__name__, *judge(folder, weights=save(WEIGHTS), right=lambda: WEIGHTS)


def crafted_weights(random: Random, folder: Path) -> Outcome:
    """Craft a file of weights, and a summary with its checksum."""
    damage = random.choice((damages.weights_header, *damages.ACCIDENTS))
    content = damage(random, save(WEIGHTS))
    seal(folder, content)
    return damage.__name__, *judge(folder, weights=content, right=lambda: read_by_hand(content))


KINDS = (damaged_archive, crafted_archive, damaged_weights, crafted_weights, damaged_summary)


def judge(
    folder: Path, right: Callable[[], Arrays], archive: bytes | None = None, weights: bytes = b""
) -> tuple[str, str]:
    """Read an archive or weights; return the outcome and the error."""
    try:
        if archive is not None:
            (folder / "digits.npz").write_bytes(archive)
            found = vars(data.load_file(folder / "digits.npz"))
        else:
            (folder / results.WEIGHTS).write_bytes(weights)
            found = results.read_weights(folder)
    except DataError as error:
        return "refused" if is_a_line(str(error)) else "obscure errors", repr(error)
    except Exception as error:
        return "obscure errors", repr(error)
    return "right data" if same(found, right()) else "wrong data", "no error"


def is_a_line(message: str) -> bool:
    """Return whether a message is readable: printable, short, and without an option of NumPy."""
    line = " ".join(message.split())
    return line.isprintable() and len(line) < LONGEST_LINE and "allow_pickle" not in line


def same(found: Arrays, right: Arrays) -> bool:
    """Return whether names, dtypes, shapes and bits of the arrays are equal."""
    return found.keys() == right.keys() and all(
        (a := found[k]).dtype == (b := right[k]).dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for k in found
    )


def judge_the_job(path: Path, expected: str) -> tuple[str, str]:
    """Run the main job on an archive; return `expected` if the job agrees, and its output."""
    command = [sys.executable, "-m", "models.mnist_conv", "--data", str(path), "--train-size", "3", "--batch-size", "3"]
    command += ["--epochs", "1", "--output", str(path.parent / "run"), "--quiet"]
    job = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    refused = job.returncode == 2 and job.stdout == "" and len(job.stderr.splitlines()) == 1
    right = job.returncode == 0 and job.stderr == ""
    return expected if {"refused": refused, "right data": right}[expected] else "obscure errors", str(job)


# --- Good files ---


@cache
def digits() -> Arrays:
    some = data.load_embedded()
    return {key: getattr(some, key)[:3] for key in KEYS}


@cache
def good_members() -> damages.Members:
    """Return the content of each member of an archive of three digits, by name."""
    with ZipFile(BytesIO(good_archive(None))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def good_archive(random: Random | None) -> bytes:
    file, some = BytesIO(), dict[str, Any](digits())
    (random.choice((np.savez, np.savez_compressed)) if random else np.savez)(file, **some)
    return file.getvalue()


def seal(folder: Path, content: bytes) -> None:
    """Write a summary with the size and checksum of the weights."""
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / results.SUMMARY).write_text(json.dumps({"end": "done", "files": {results.WEIGHTS: entry}}))


# --- Expected data of crafted files ---


def read_by_numpy(content: bytes) -> Arrays:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {key: np.load(BytesIO(content))[key] for key in KEYS}


def read_by_hand(content: bytes) -> Arrays:
    """Return the arrays of a file of weights."""
    (length,) = struct.unpack("<Q", content[:8])
    numbers, arrays = content[8 + length :], {}
    for name, entry in json.loads(content[8 : 8 + length]).items():
        if name != "__metadata__":
            start, stop = entry["data_offsets"]
            arrays[name] = np.frombuffer(numbers[start:stop], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays
