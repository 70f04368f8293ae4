"""Content of a picture: its texts, and its lines, bars, dots and images as numbers between 0 and 1.

A PNG carries its content as a text chunk. Contents can be compared more strictly than pixels, which depend on the
versions of Matplotlib and of its fonts.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from numpy import ndarray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

Content = list[tuple[str, list[float]]]  # an element, and its positions and sizes as fractions of the axes
KEY = "Content"
CHUNKS = 8  # a curve is represented by the means of this many parts
TILES = 6  # an image is represented by the means of this many rows and columns of tiles


def content_of(figure: Figure) -> Content:
    """Return the content of a figure that has been saved."""
    found: Content = [(f"text {text.get_text()!r}", []) for text in figure.texts if text.get_visible()]
    for legend in figure.legends:
        found += _legend(legend)
    for axes in figure.axes:
        found += _axes(axes)
    return found


def _axes(axes: Any) -> Iterator[tuple[str, list[float]]]:
    titles = [axes.get_title(where) for where in ("left", "center", "right")]
    labels = [axes.get_xlabel(), axes.get_ylabel()] if axes.axison else []
    yield f"axes {[text for text in (*titles, *labels) if text]}", []
    for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
        yield f"ticks {_ticks(axis)}", []
    for text in axes.texts:
        look = f"{to_hex(text.get_color())} {text.get_fontsize():g}"
        yield f"text {text.get_text()!r} {look}", _means(axes, _anchor(axes, text))
    for line in axes.lines:
        look = f"{to_hex(line.get_color())} {line.get_linestyle()} {line.get_linewidth():g} {line.get_marker()}"
        points = line.get_transform().transform(line.get_xydata())
        yield f"line {look} of {len(points)} points", _means(axes, points)
    for patch in axes.patches:
        look = f"{to_hex(patch.get_facecolor())} {to_hex(patch.get_edgecolor())}"
        points = patch.get_transform().transform(patch.get_path().vertices)
        yield f"{type(patch).__name__} {look}", _box(axes, points)
    for collection in axes.collections:
        yield _collection(axes, collection)
    for image in axes.images:
        yield f"image {np.shape(image.get_array())[:2]}", _tiles(image)
    if axes.get_legend():
        yield from _legend(axes.get_legend())


def _anchor(axes: Any, text: Any) -> ndarray:
    """Return the position (1, 2) of a text in pixels; of an annotation, the point that it annotates."""
    if isinstance(text, Annotation):
        place: ndarray = axes.transData.transform([text.xy])
    else:
        place = text.get_transform().transform([text.get_position()])
    return place


def _legend(legend: Any) -> Content:
    return [(f"legend {[text.get_text() for text in (legend.get_title(), *legend.get_texts())]}", [])]


def _ticks(axis: Any) -> list[str]:
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * (high - low)
    return [
        tick.label1.get_text() or tick.label2.get_text()
        for tick in axis.get_major_ticks()
        if low - slack <= tick.get_loc() <= high + slack and (tick.label1.get_visible() or tick.label2.get_visible())
    ]


def _collection(axes: Any, collection: Any) -> tuple[str, list[float]]:
    offsets = collection.get_offset_transform().transform(np.ma.filled(collection.get_offsets(), np.nan))
    paths = [path.vertices for path in collection.get_paths()]
    lines = len(offsets) < 2 and len(paths) > 0  # lines or areas, not markers at many places
    points = collection.get_transform().transform(np.concatenate(paths)) if lines else offsets
    colors = collection.get_facecolor() if len(collection.get_facecolor()) else collection.get_edgecolor()
    shade = to_hex(np.mean(colors, axis=0)) if len(colors) else ""
    return f"{type(collection).__name__} {shade} of {len(points)} points", _means(axes, points)


def _fractions(axes: Any, points: ndarray) -> ndarray:
    """Return positions in pixels as fractions of the axes, with bounds for those far away and those undefined."""
    fractions = axes.transAxes.inverted().transform(np.asarray(points, float))
    bounded: ndarray = np.clip(np.nan_to_num(fractions, nan=-1.0, posinf=2.0, neginf=-1.0), -1.0, 2.0)
    return bounded


def _means(axes: Any, points: ndarray) -> list[float]:
    parts = np.array_split(_fractions(axes, points), min(CHUNKS, max(1, len(points))))
    return [round(float(mean), 3) for part in parts if len(part) for mean in part.mean(axis=0)]


def _box(axes: Any, points: ndarray) -> list[float]:
    fractions = _fractions(axes, points)
    return [round(float(x), 3) for x in (*fractions.min(axis=0), *fractions.max(axis=0))]


def _tiles(image: Any) -> list[float]:
    colors = image.to_rgba(image.get_array())[..., :3]
    return tiles(colors if colors.dtype.kind == "f" else colors / 255, TILES)


def tiles(colors: ndarray, count: int) -> list[float]:
    """Return the mean brightness of each of `count` x `count` tiles of an image (H, W, 3) in [0, 1]."""
    grey = colors.mean(axis=-1)
    parts = [np.array_split(rows, count, axis=1) for rows in np.array_split(grey, count)]
    return [round(float(part.mean()), 3) for row in parts for part in row if part.size]


@contextmanager
def recording() -> Iterator[Content]:
    """Yield a list that receives the content of every figure saved inside of the block."""
    found: Content = []
    save = Figure.savefig

    def saved(figure: Figure, *about: Any, **how: Any) -> None:
        save(figure, *about, **how)
        found.extend(content_of(figure))

    with mock.patch.object(Figure, "savefig", saved):
        yield found


def of_text(text: str) -> Content:
    """Return the content of a picture that shows lines of text."""
    return [(f"text {line.strip()!r}", []) for line in text.splitlines() if line.strip()]


def attach(path: Path, content: Content) -> None:
    """Store the content in a PNG, and reduce the PNG to a palette."""
    info = PngInfo()
    info.add_text(KEY, json.dumps(content), zip=True)
    with Image.open(path) as image:
        white = Image.new("RGBA", image.size, "white")
        flat = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    # MAXCOVERAGE keeps rare colours; dithering would make the file larger.
    small = flat.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(path, pnginfo=info, optimize=True)


def read(path: Path) -> Content | None:
    """Return the content that a PNG carries, or None."""
    with Image.open(path) as image:
        image.load()
        text = getattr(image, "text", {}).get(KEY)
    return None if text is None else [(name, numbers) for name, numbers in json.loads(text)]
