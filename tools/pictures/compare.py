"""Comparison of two pictures: their contents, and the brightness of their tiles."""

from collections.abc import Iterator
from difflib import unified_diff
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image, ImageSequence

from tools.pictures import content
from tools.pictures.content import Content

PLACE = 0.02  # of the width or height of the axes: positions that are closer are equal
SIZE = 0.04  # largest relative difference of widths and heights
SIDE = 24  # tiles per side of a picture


def differences(old: Path, new: Path, tolerance: float) -> Iterator[str]:
    """Yield the differences between two pictures, as lines for a report.

    Parameters
    ----------
    old, new : Path
        PNG or GIF files.
    tolerance : float
        Largest difference between the mean brightness of two tiles, in [0, 1]; 1 compares contents only.
    """
    if not old.exists():
        yield "the picture is missing"
        return
    before, after = content.read(old), content.read(new)
    if before is None and after is not None:
        yield "the picture has no content: it was not drawn by this command"
    elif before is not None and after is not None:
        yield from _in_content(before, after)
    if tolerance < 1:
        yield from _in_pixels(old, new, tolerance)


def _in_pixels(old: Path, new: Path, tolerance: float) -> Iterator[str]:
    frames, others = _frames(old), _frames(new)
    if len(frames) != len(others):
        yield f"{len(frames)} frames, now {len(others)}"
    elif max(abs(a / b - 1) for a, b in zip(frames[0].size, others[0].size, strict=True)) > SIZE:
        yield f"size {frames[0].size}, now {others[0].size}"
    else:
        yield from _in_tiles(np.array([*map(_tiles, frames)]), np.array([*map(_tiles, others)]), tolerance)


def _in_content(before: Content, after: Content) -> Iterator[str]:
    names, others = [name for name, _ in before], [name for name, _ in after]
    if names != others:
        yield from [
            line for line in unified_diff(names, others, lineterm="", n=0) if line[:2] not in ("--", "++", "@@")
        ]
        return
    for (name, numbers), (_, found) in zip(before, after, strict=True):
        if any(a is None or b is None or abs(a - b) > PLACE for a, b in zip_longest(numbers, found)):
            yield f"{name}: {numbers}, now {found}"


def _in_tiles(before: ndarray, after: ndarray, tolerance: float) -> Iterator[str]:
    distance = np.abs(before - after)
    frame, tile = np.unravel_index(distance.argmax(), distance.shape)
    if distance.max() > tolerance:
        row, column = divmod(int(tile), SIDE)
        place = f"tile {row + 1}, {column + 1} of {SIDE} x {SIDE}" + f" in frame {frame + 1}" * (len(before) > 1)
        yield f"the brightness of {place} differs by {distance.max():.3f}, more than {tolerance}"


def _frames(path: Path) -> list[Image.Image]:
    with Image.open(path) as image:
        return [frame.convert("RGBA") for frame in ImageSequence.Iterator(image)]


def _tiles(frame: Image.Image) -> list[float]:
    white = Image.new("RGBA", frame.size, "white")
    flat = Image.alpha_composite(white, frame).convert("RGB")
    return content.tiles(np.asarray(flat) / 255, SIDE)
