"""Read digits in image files or drawings with a trained model, and show the gradient with respect to each pixel."""

import argparse
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from models.shared import drawing_board, folder_name, not_negative, pictures, program, reading, report, results
from models.shared.console import complain, say
from models.shared.ink import Box
from models.shared.options import Parser
from models.shared.reading import Reading
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.files import reason, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "models.predict"
ROOM = 1 << 20  # bytes that must be free in the output folder


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the paths, with each folder replaced by the images in it, if it has any."""
    for path in paths:
        within = sorted(path.iterdir()) if path.is_dir() else []
        yield from [file for file in within if file.suffix.lower() in pictures.SUFFIXES] or [path]


def read_all(model: Module, paths: Iterable[Path], output: Path) -> int:
    """Read the digits in files, print the predictions and draw the gradients. Return the number of unreadable files."""
    failed = 0
    for number, path in enumerate(paths, 1):
        try:
            picture = pictures.read_file(path)
            found = reading.read(model, picture)
            write_whole(saved := output / f"{number:03}-{path.stem}.png", drawn(found, picture))
        except (TinygradError, OSError) as error:
            complain(NAME, f"{path}: {reason(error)}.")
            failed += 1
        else:
            likely = ", ".join(f"{digit}: {p:.1%}" for digit, p in enumerate(found.probabilities))
            say(f"{path}: {found.digit} ({likely}) -> {saved}")
    return failed


def drawn(found: Reading, picture: ndarray) -> bytes:
    """Return a PNG of the picture with the digit framed, the model's input, the gradient, and the probabilities."""
    figure = report.new_figure(10, 2.9)
    whole, image, gradient, bars = figure.subplots(1, 4, width_ratios=(1.2, 1, 1, 0.9))
    show_framed(whole, picture, found.box)
    image.imshow(found.pixels, cmap="gray_r", vmin=0, vmax=255)
    image.set_title("input of the model", fontsize=10)
    bound = float(np.abs(found.gradient).max()) or 1.0
    gradient.imshow(found.gradient, cmap="RdBu_r", vmin=-bound, vmax=bound)
    gradient.contour(found.pixels, [127.5], colors="black", linewidths=0.8)
    gradient.set_title(f"gradient for {found.digit}: red is positive", fontsize=10)
    for axes in (whole, image, gradient):
        axes.set(xticks=[], yticks=[])
    colours = ["tab:blue" if digit == found.digit else "lightgray" for digit in range(10)]
    bars.barh(range(10), 100 * found.probabilities, color=colours)
    bars.set(yticks=range(10), ylim=(9.6, -0.6), xlim=(0, 100), xticks=[0, 50, 100])
    bars.set_title(f"{found.digit}: {found.probabilities[found.digit]:.1%}", fontsize=10)
    bars.spines[["top", "right"]].set_visible(False)
    figure.savefig(png := BytesIO(), format="png", dpi=110)
    return png.getvalue()


def show_framed(axes: "Axes", picture: ndarray, box: Box) -> None:
    """Show a picture with a frame around a box."""
    from matplotlib.patches import Rectangle

    height, width, _ = picture.shape
    step = -(-max(height, width) // 800)  # limits the number of pixels drawn
    axes.imshow(picture[::step, ::step], extent=(0, width, height, 0))
    rows, columns = box
    corner, sides = (columns.start, rows.start), (columns.stop - columns.start, rows.stop - rows.start)
    axes.add_patch(Rectangle(corner, *sides, fill=False, edgecolor="tab:orange", linewidth=1.5))
    axes.set_title("the picture", fontsize=10)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(NAME, description=__doc__)
    add = parser.add_argument
    add("run", type=folder_name, help="output folder of a program that trains on digits, such as runs/mnist_lenet")
    add("images", type=Path, nargs="*", metavar="image", help="PNG or JPEG of one digit, or a folder of such images")
    add("--output", type=folder_name, default=Path("runs/predict"),
        help="folder for pictures of the predictions and gradients (default: %(default)s)")  # fmt: skip
    add("--web", action="store_true", help="serve a page to draw digits on, for this machine only")
    add("--port", type=not_negative, default=8000, help="port of the page; 0 picks a free one (default: %(default)s)")
    options = parser.parse_intermixed_args(arguments)  # images may follow an option
    if bool(options.images) == options.web:
        parser.error("give images to read, or --web" + " and no images" * options.web)
    if options.port > 65535:
        parser.error(f"argument --port: must be at most 65535, got {options.port}.")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    options = parse(arguments)
    try:
        report.require_group("PIL.Image", "scipy.ndimage")
        model = reading.load(options.run)
        if options.web:
            drawing_board.serve(model, options.port)
        lock = results.prepare(options.output, (), ROOM)
    except (TinygradError, OSError) as error:
        complain(NAME, " ".join(str(error).split()))
        return 2
    with lock:
        return 1 if read_all(model, files(options.images), options.output) else 0


if __name__ == "__main__":
    program(NAME, main)
