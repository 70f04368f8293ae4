"""Sources of the numbers in docs/numbers/: the command that measures each file, and the function that writes it."""

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import ratios
from models import char_gpt, char_lstm, diffusion, mnist_vae, pinn, siamese, vit
from models.shared import results
from models.shared.text import load
from models.shared.training import HISTORY
from tinygrad_edu import Tensor, data
from tinygrad_edu.nn import Module
from tinygrad_edu.training import evaluating
from tools.pictures.numbers import FOLDER, ROOT, commit, record


@dataclass(frozen=True)
class Source:
    """Origin of a file of numbers.

    Attributes
    ----------
    command : str
        Module and arguments, after ``python -m``.
    collect : callable
        Called with the path of the file and the standard output of the command; writes the file.
    """

    command: str
    collect: Callable[[Path, str], None]


def measure(names: Iterable[str]) -> None:
    """Run the commands of files of numbers, each once, and write the files and their records."""
    names = list(names)
    for command in dict.fromkeys(SOURCES[name].command for name in names):
        print(f"python -m {command}", flush=True)
        at = commit()  # before the command, which may take an hour
        arguments = [sys.executable, "-m", *shlex.split(command)]
        printed = subprocess.run(arguments, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
        for name in names:
            if SOURCES[name].command == command:
                SOURCES[name].collect(FOLDER / name, printed)
                record(name, command, at)


def _copied(source: str) -> Callable[[Path, str], None]:
    def collect(path: Path, printed: str) -> None:
        shutil.copyfile(ROOT / "runs" / source, path)

    return collect


def _calibration(name: str) -> Callable[[Path, str], None]:
    """Return a function that writes the calibration curve of a run."""

    def collect(path: Path, printed: str) -> None:
        curve = np.array(results.read_summary(ROOT / "runs" / name)["test_calibration"], float)
        _write(path, [["confidence", "accuracy", "images"], *curve.tolist()])

    return collect


def _printed(path: Path, printed: str) -> None:
    path.write_text(printed, encoding="utf-8")


def _printed_table(path: Path, printed: str) -> None:
    """Write the Markdown table that a command printed as CSV."""
    lines = [line for line in printed.splitlines() if line.startswith("|") and not line.startswith("|---")]
    _write(path, [[cell.strip() for cell in line.strip("|").split("|")] for line in lines])


def _reading(path: Path, printed: str) -> None:
    """Write the times and the increases of memory in shuffled order, with the file in the cache and on the disk."""
    rows = [["megabytes", "method", "milliseconds", "increase", "cold_milliseconds", "cold_increase"]]
    for line in printed.splitlines()[1:]:
        found = re.findall(r"([\d.]+) ms +([+-]\d+) MB", line)
        cells = [value for case in found[:3:2] for value in case] + [""] * (2 * (len(found) < 3))
        rows.append([line[:5].strip(), line[7:25].strip(), *cells])
    _write(path, rows)


def _write(path: Path, rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _load(model: Module, run: str) -> None:
    """Give a model the weights of a run."""
    model.load_state_dict(results.read_weights(ROOT / "runs" / run))


def _vae(path: Path, printed: str) -> None:
    images = data.load_embedded()
    model = mnist_vae.Autoencoder(np.random.default_rng(0))
    _load(model, "mnist_vae")
    picture = np.rint(255 * mnist_vae.generated(model)).astype(np.uint8)
    np.savez_compressed(path, points=mnist_vae.means(model, images).astype(np.float16), picture=picture)


def _siamese(path: Path, printed: str) -> None:
    model = siamese.Embedding(np.random.default_rng(0))
    _load(model, "siamese")
    x = siamese.as_floats(data.load_embedded().x_test)
    with evaluating(model):
        points = np.concatenate([model(Tensor(part)).numpy() for part in np.split(x, 100)])
    np.savez_compressed(path, points=points.astype(np.float16))


def _pinn(path: Path, printed: str) -> None:
    model, t = pinn.Oscillation(np.random.default_rng(0)), np.linspace(0, pinn.END, 1001, dtype=np.float32)
    _load(model, "pinn")
    with evaluating(model):
        np.savez_compressed(path, t=t, u=model(Tensor(t[:, None])).numpy()[:, 0])


def _char_gpt(path: Path, printed: str) -> None:
    text = load()
    model = char_gpt.CharGPT(len(text.alphabet), np.random.default_rng(0))
    _load(model, "char_gpt")
    with evaluating(model):
        passage, maps = char_gpt.attention_of_passage(model, text)
    bits = results.read_summary(ROOT / "runs" / "char_gpt")["three_gram_bits"]
    np.savez_compressed(path, passage=passage, maps=maps.astype(np.float16), three_gram_bits=bits)


def _char_lstm(path: Path, printed: str) -> None:
    text = load()
    model = char_lstm.CharLSTM(len(text.alphabet), np.random.default_rng(0))
    _load(model, "char_lstm")
    with evaluating(model):
        passage, values, cell, correlation = char_lstm.cell_of_passage(model, text)
    bits = results.read_summary(ROOT / "runs" / "char_lstm")["three_gram_bits"]
    np.savez_compressed(
        path, passage=passage, values=values, cell=cell, correlation=correlation, three_gram_bits=bits
    )  # fmt: skip


def _diffusion(path: Path, printed: str) -> None:
    model = diffusion.Velocity(np.random.default_rng(0))
    _load(model, "diffusion")
    labels = np.repeat(np.arange(10), 10)
    ways = diffusion.draw_digits(model, labels, diffusion.GUIDANCE, np.random.default_rng(0))
    ways = ways.reshape(-1, 10, 10, 28, 28)
    np.savez_compressed(path, digits=ways[-1], ways=ways[:, :, :2])


def _vit(path: Path, printed: str) -> None:
    model = vit.VisionTransformer(np.random.default_rng(0))
    _load(model, VIT)
    images, maps = vit.attention_of_digits(model)
    np.savez_compressed(path, images=images, maps=maps.astype(np.float16))


def _benchmarks(path: Path, printed: str) -> None:
    ratios.write(path, ratios.of(json.loads((ROOT / "runs" / "benchmarks.json").read_text(encoding="utf-8"))))


_SPEED = (
    "benchmarks --only 1,2,3,4,4s,4p,4d,4t,5,6,6s,9,10,11,12,13,14,15 --cores both --rounds 5 --budget 3 "
    "--peers 'PyTorch,JAX,autograd,NumPy by hand' --json runs/benchmarks.json"
)
_SWEEP = "models.sweep spirals --seeds 10 --grid learning_rate=0.01,0.03,0.1,0.3"
_VIT = "models.sweep vit --seeds 3 --jobs 1 --data mnist.npz --train-size 60000 --epochs 3"
VIT = "sweep/vit/trials/program=vit,data=mnist.npz,epochs=3,train_size=60000,seed=0"  # in runs/

SOURCES = {
    **{f"{name}.csv": Source(f"models.{name}", _copied(f"{name}/{HISTORY}"))
       for name in ("mnist_conv", "mnist_lenet", "resnet_digits", "mnist_vae", "pinn", "char_gpt", "char_lstm")},
    **{f"{name}_calibration.csv": Source(f"models.{name}", _calibration(name))
       for name in ("mnist_conv", "mnist_lenet", "resnet_digits")},
    "mnist_lenet.safetensors": Source("models.mnist_lenet", _copied(f"mnist_lenet/{results.WEIGHTS}")),
    "mnist_vae.npz": Source("models.mnist_vae", _vae),
    "siamese.npz": Source("models.siamese", _siamese),
    "pinn.npz": Source("models.pinn", _pinn),
    "char_gpt.npz": Source("models.char_gpt", _char_gpt),
    "char_lstm.npz": Source("models.char_lstm", _char_lstm),
    "diffusion.npz": Source("models.diffusion", _diffusion),
    "forward_against_reverse.csv": Source("tools.pictures.computed", _printed),
    "seven_findings.csv": Source("models.seven_findings", _printed),
    "sweeps.csv": Source(_SWEEP, _copied("sweep/spirals/trials.csv")),
    **{f"{name}_seeds.csv": Source(f"models.sweep {name} --seeds {seeds}", _copied(f"sweep/{name}/trials.csv"))
       for name, seeds in (("mnist_lenet", 5), ("resnet_digits", 3))},
    "vit.npz": Source(_VIT, _vit),
    "vit_seeds.csv": Source(_VIT, _copied("sweep/vit/trials.csv")),
    "mnist_conv_recipes.csv": Source(
        "models.sweep mnist_conv --seeds 5 --grid recipe=augmented,tuned,original",
        _copied("sweep/mnist_conv/trials.csv"),
    ),
    "checkers.csv": Source("benchmarks.checkers rules", _printed_table),
    "checker_costs.csv": Source("benchmarks.checkers cost", _printed_table),
    "reading.csv": Source("benchmarks.reading --megabytes 200 4000", _reading),
    "scaling.csv": Source("benchmarks.scaling --csv runs/scaling.csv", _copied("scaling.csv")),
    "from_87_to_98.csv": Source("benchmarks.ingredients --seeds 5", _copied("ingredients/ingredients.csv")),
    "benchmarks.csv": Source(_SPEED, _benchmarks),
}  # fmt: skip
