"""Catalog of the pictures: how each is drawn, and from which numbers."""

from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import ingredients, ratios
from benchmarks.picture import FRONT
from benchmarks.picture import draw as draw_ratios
from benchmarks.scaling.measuring import read as read_scaling
from benchmarks.scaling.picture import draw as draw_scaling
from benchmarks.scaling.report import Report
from models import char_gpt, char_lstm, diffusion, mnist_vae, pinn, siamese, spirals, vit
from models.shared import classifier, report, spread, writing
from tinygrad_edu import data
from tinygrad_edu.training import predict as predicted
from tools.pictures import applications, computed, lessons, predict, tape, tree
from tools.pictures.numbers import FOLDER, ROOT, read_history
from tools.pictures.tables import sweep_rows

PIXELS = 0.1  # default tolerance: it covers other versions of Matplotlib, and rounding in a short training
EXACT = 0.02  # for pictures without text
SCREENSHOT = 0.3  # for pages with the fonts of the system
CONTENT = 1.0  # for layouts that depend on the fonts of the system: only contents are compared


@dataclass(frozen=True)
class Picture:
    """A picture, a PNG or a GIF.

    Attributes
    ----------
    draw : callable
        Writes the picture to a path, and returns the text on it, unless Matplotlib draws all of it.
    numbers : tuple of str
        Files in docs/numbers/ that it is drawn from. Without any, everything is computed each time.
    browser : bool
        Whether it is a screenshot.
    tolerance : float
        Largest difference between the mean brightness of tiles, as in `differences`; 1 compares contents only.
    """

    draw: Callable[[Path], str | None]
    numbers: tuple[str, ...] = ()
    browser: bool = False
    tolerance: float = PIXELS


def place(name: str) -> Path:
    """Return the path of a picture; `name` is its file name. A picture of a lesson has the name of its lesson."""
    stem = Path(name).stem
    folder = ROOT / "tinygrad_edu" / "lessons" / stem if stem.startswith("lesson") else ROOT / "docs" / "images"
    return folder / name


def _arrays(name: str) -> Any:
    return np.load(FOLDER / name)


def _in_folder(draw: Callable[[Path], None], name: str) -> Callable[[Path], None]:
    """Adapt a function that draws a file of a fixed name into a folder."""

    def to(path: Path) -> None:
        with TemporaryDirectory() as folder:
            draw(Path(folder))
            path.write_bytes(Path(folder, name).read_bytes())

    return to


def _curves(name: str) -> Picture:
    """Return the curves of a classifier, with its calibration."""
    numbers = (f"{name}.csv", f"{name}_calibration.csv")

    def draw(folder: Path) -> None:
        calibration = np.loadtxt(FOLDER / numbers[1], delimiter=",", skiprows=1)
        report.draw_curves(folder, read_history(numbers[0]), calibration)

    return Picture(_in_folder(draw, "curves.png"), numbers)


def _bits(name: str) -> Callable[[Path], None]:
    return lambda path: writing.draw_curve(
        path, read_history(f"{name}.csv"), float(_arrays(f"{name}.npz")["three_gram_bits"])
    )


def _samples(folder: Path) -> None:
    digits = data.load_embedded().take(24)
    report.draw_samples(folder, classifier.augment(digits.x_train, np.random.default_rng(0)), digits.y_train)


def _mistakes(folder: Path) -> None:
    digits, model = data.load_embedded(), predict.lenet(FOLDER / "mnist_lenet.safetensors")
    report.draw_mistakes(folder, digits.x_test, digits.y_test, predicted(model, data.to_float(digits.x_test)))


def _vae(path: Path) -> None:
    found = _arrays("mnist_vae.npz")
    points = found["points"].astype(np.float32)
    mnist_vae.draw_plane(path, points, data.load_embedded().y_test, found["picture"] / 255)


def _siamese(path: Path) -> None:
    digits = data.load_embedded()
    siamese.draw_plane(path, _arrays("siamese.npz")["points"].astype(np.float32), digits.x_test, digits.y_test)


def _solution(path: Path) -> None:
    found = _arrays("pinn.npz")
    pinn.draw_solution(path, found["t"], found["u"], read_history("pinn.csv"))


def _attention(path: Path) -> None:
    found = _arrays("char_gpt.npz")
    char_gpt.draw_attention(path, str(found["passage"]), found["maps"].astype(np.float32))


def _cell(path: Path) -> None:
    found = _arrays("char_lstm.npz")
    char_lstm.draw_cell(
        path, str(found["passage"]), found["values"], int(found["cell"]), float(found["correlation"])
    )  # fmt: skip


def _diffusion(name: str) -> Callable[[Path], None]:
    def draw(folder: Path) -> None:
        found = _arrays("diffusion.npz")
        diffusion.draw_pictures(folder, found["digits"], found["ways"])

    return _in_folder(draw, name)


def _patches(path: Path) -> None:
    found = _arrays("vit.npz")
    vit.draw_attention(path, found["images"], found["maps"].astype(np.float32))


def _spirals(path: Path) -> None:
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        spirals.main(["--quiet", "--output", folder])
        path.write_bytes(Path(folder, "boundary.gif").read_bytes())


PICTURES = {
    "augmented_digits.png": Picture(computed.draw_augmented_digits),
    "benchmarks.png": Picture(
        lambda path: draw_ratios(ratios.read(FOLDER / "benchmarks.csv"), path, FRONT), ("benchmarks.csv",)
    ),
    "char_gpt_attention.png": Picture(_attention, ("char_gpt.npz",)),
    "char_gpt_curve.png": Picture(_bits("char_gpt"), ("char_gpt.csv", "char_gpt.npz")),
    "char_lstm_cell.png": Picture(_cell, ("char_lstm.npz",)),
    "char_lstm_curve.png": Picture(_bits("char_lstm"), ("char_lstm.csv", "char_lstm.npz")),
    "curves.png": _curves("mnist_conv"),
    "diffusion.gif": Picture(_diffusion("becoming.gif"), ("diffusion.npz",), tolerance=EXACT),
    "diffusion.png": Picture(_diffusion("digits.png"), ("diffusion.npz",), tolerance=EXACT),
    "diffusion_becoming.png": Picture(_diffusion("becoming.png"), ("diffusion.npz",), tolerance=EXACT),
    "ensemble.png": Picture(applications.draw_ensemble),
    "forward_against_reverse.png": Picture(
        lambda path: computed.draw_forward_against_reverse(path, FOLDER / "forward_against_reverse.csv"),
        ("forward_against_reverse.csv",),
    ),
    "graph.png": Picture(tape.draw_graph, tolerance=CONTENT),
    "implicit_layer.png": Picture(applications.draw_implicit_layer),
    "influence.png": Picture(applications.draw_influence),
    "ingredients.png": Picture(
        lambda path: ingredients.draw(path, ingredients.read(FOLDER / "from_87_to_98.csv")), ("from_87_to_98.csv",)
    ),
    "lenet_curves.png": _curves("mnist_lenet"),
    "lenet_mistakes.png": Picture(_in_folder(_mistakes, "mistakes.png"), ("mnist_lenet.safetensors",)),
    "lenet_samples.png": Picture(_in_folder(_samples, "samples.png")),
    "lesson01_differences.png": Picture(lessons.draw_differences),
    "lesson03_order.png": Picture(lessons.draw_order),
    "lesson05_arrays.png": Picture(lessons.draw_broadcasting),
    "lesson11_convolution.png": Picture(lessons.draw_convolution),
    "maml.png": Picture(applications.draw_maml),
    "odeint.png": Picture(applications.draw_odeint),
    "pinn.png": Picture(_solution, ("pinn.csv", "pinn.npz")),
    "predict.png": Picture(
        lambda path: predict.draw_readings(path, FOLDER / "mnist_lenet.safetensors"), ("mnist_lenet.safetensors",)
    ),
    "predict_web.png": Picture(
        lambda path: predict.draw_page(path, FOLDER / "mnist_lenet.safetensors"),
        ("mnist_lenet.safetensors",),
        browser=True,
        tolerance=SCREENSHOT,
    ),
    "private_training.png": Picture(applications.draw_private_training),
    "resnet_curves.png": _curves("resnet_digits"),
    "scaling.png": Picture(
        lambda path: draw_scaling(Report(read_scaling(FOLDER / "scaling.csv")), path), ("scaling.csv",)
    ),
    "siamese.png": Picture(_siamese, ("siamese.npz",)),
    "spirals.gif": Picture(_spirals),
    "steps.png": Picture(computed.draw_steps),
    "sweeps.png": Picture(lambda path: spread.draw(path, sweep_rows(), ["learning_rate"]), ("sweeps.csv",)),
    "tape.png": Picture(lambda path: tape.draw_tape(path, "light"), browser=True, tolerance=SCREENSHOT),
    "tape_dark.png": Picture(lambda path: tape.draw_tape(path, "dark"), browser=True, tolerance=SCREENSHOT),
    "tree.png": Picture(tree.draw_tree),
    "vae.png": Picture(_vae, ("mnist_vae.npz",)),
    "vae_curves.png": Picture(
        _in_folder(
            lambda folder: report.draw_losses(folder, read_history("mnist_vae.csv"), "test_nats", "nats an image"),
            "curves.png",
        ),
        ("mnist_vae.csv",),
    ),
    "vit_attention.png": Picture(_patches, ("vit.npz",)),
}
