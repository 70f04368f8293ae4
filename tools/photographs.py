"""Measure the accuracy of a run on simulated photographs of test digits: ``python -m tools.photographs RUN``."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image, ImageDraw
from scipy import ndimage

from models.shared import handwriting, reading
from tinygrad_edu import data
from tinygrad_edu.errors import DataError
from tinygrad_edu.shared.display.command_line import Parser
from tinygrad_edu.training import predict

KINDS: dict[str, tuple[str, ...]] = {
    "on paper": (),
    "light on dark": ("negative",),
    "uneven light": ("light",),
    "the edge of a shadow": ("light", "shadow"),
    "paper on a table": ("light", "table"),
    "noise": ("noise",),
    "small in a large picture": ("small",),
    "a thin pen": ("thin", "light"),
    "out of focus": ("blur",),
    "two colours": ("colours",),
    "shadow, table and noise": ("light", "shadow", "table", "noise"),
}


def photograph(digit: ndarray, effects: Collection[str], rng: np.random.Generator, sides: tuple[int, int]) -> ndarray:
    """Return a simulated photograph (H, W, 3) of a digit (28, 28) at a random position on paper, as uint8.

    Parameters
    ----------
    digit : ndarray of uint8
    effects : collection of str
        The names of effects, as in `KINDS`.
    rng : numpy.random.Generator
    sides : (int, int)
        The lower bound (inclusive) and the upper bound (exclusive) of the height and width.
    """
    height, width = shape = rng.integers(*sides, 2)
    share = rng.uniform(0.08, 0.15) if "small" in effects else rng.uniform(0.4, 0.9)
    size = max(34, int(share * min(shape)))
    top, left = rng.integers(0, shape - size + 1)
    ink = np.zeros(shape)
    ink[top : top + size, left : left + size] = thinned(glyph(digit, size)) if "thin" in effects else glyph(digit, size)
    paper, pen = np.full(3, rng.uniform(0.75, 0.98)), np.full(3, rng.uniform(0.05, 0.4))
    if "colours" in effects:
        paper, pen = rng.uniform(0.6, 1, 3), rng.uniform(0, 0.9, 3)
        pen[rng.integers(3)] = 0.1  # one channel differs by at least 0.5
    picture = paper + ink[..., None] * (pen - paper)
    if "table" in effects:
        on_paper = sheet(shape, (top, left), size, rng)[..., None]
        picture = on_paper * picture + (1 - on_paper) * rng.uniform(0.15, 0.5)
    picture *= lighting(shape, effects, rng)[..., None]
    if "blur" in effects:
        picture = ndimage.gaussian_filter(picture, (size / 60, size / 60, 0))
    picture += rng.normal(0, 0.08 if "noise" in effects else 0.01, (height, width, 1))
    shown = np.clip(1 - picture if "negative" in effects else picture, 0, 1)
    pixels: ndarray = np.rint(255 * shown).astype(np.uint8)
    return pixels


def glyph(digit: ndarray, size: int) -> ndarray:
    """Return an enlarged digit as the amount of ink in each pixel, from 0 to 1."""
    return np.asarray(Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)) / 255.0


def thinned(ink: ndarray) -> ndarray:
    """Return the centre lines of the strokes."""
    inside = ink > 0.5
    depth = ndimage.distance_transform_edt(inside)
    middle = inside & (depth >= 0.5 * ndimage.maximum_filter(depth, 2 * int(depth.max()) + 1))
    soft: ndarray = ndimage.gaussian_filter(middle.astype(float), 0.7)
    return np.clip(1.5 * soft, 0, 1)


def sheet(shape: ndarray, corner: tuple[int, int], size: int, rng: np.random.Generator) -> ndarray:
    """Return the mask of a slightly rotated sheet of paper around a square: 1 on the paper, and 0 on the table."""
    above, before, below, behind = rng.integers(size // 6, size // 2, 4)
    top, left = corner[0] - above, corner[1] - before
    bottom, right = corner[0] + size + below, corner[1] + size + behind
    turn = rng.uniform(-0.06, 0.06) * size
    corners = [(left + turn, top), (right, top + turn), (right - turn, bottom), (left, bottom - turn)]
    image = Image.new("L", (int(shape[1]), int(shape[0])))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    return np.asarray(image) / 255.0


def lighting(shape: ndarray, effects: Collection[str], rng: np.random.Generator) -> ndarray:
    """Return the brightness of the light at each pixel."""
    y, x = np.meshgrid(*(np.linspace(-0.5, 0.5, side) for side in shape), indexing="ij")
    light = np.ones(shape)
    if "light" in effects:
        down, right = rng.uniform(-0.35, 0.35, 2)
        light = 0.7 + down * y + right * x
    if "shadow" in effects:
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(-0.2, 0.2)
        light[np.cos(angle) * x + np.sin(angle) * y < distance] *= rng.uniform(0.45, 0.75)
    return light


def laid_out(picture: ndarray) -> ndarray:
    """Return the digit in a picture in the format of MNIST, or zeros if none is found."""
    try:
        return handwriting.as_mnist(picture)[0]
    except DataError:
        return np.zeros((handwriting.SIDE, handwriting.SIDE), np.uint8)


def main(arguments: list[str] | None = None) -> None:
    """Print the accuracy on the first test digits, unchanged and with each kind of effects."""
    parser = Parser("tools.photographs", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=200, help="number of digits of each kind (default: %(default)s)")
    options = parser.parse_args(arguments)
    model, digits = reading.load(options.run), data.load_embedded()
    images, labels = digits.x_test[: options.count], digits.y_test[: options.count]
    print(f"{'the images of MNIST':27}", f"{np.mean(predict(model, data.to_float(images)) == labels):.1%}")
    for kind, effects in KINDS.items():
        rng = np.random.default_rng(0)
        found = [laid_out(photograph(image, effects, rng, (300, 900))) for image in images]
        print(f"{kind:27}", f"{np.mean(predict(model, data.to_float(np.stack(found))) == labels):.1%}", flush=True)


if __name__ == "__main__":
    main()
