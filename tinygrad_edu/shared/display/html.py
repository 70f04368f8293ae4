"""HTML for notebooks: arrays as pictures, tables, collapsible sections, and objects that display HTML."""

import struct
import zlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy import ndarray

_MAX_CELLS = 36  # elements; a larger array is a picture
_MAX_PIXELS = 64  # pixels along an axis
_MAX_TILES = 12
_ZERO, _LOW, _HIGH = np.array([246, 243, 236]), np.array([37, 99, 184]), np.array([200, 80, 20])
_NAN, _INFINITE = np.array([181, 23, 158]), np.array([212, 161, 6])


def array_html(array: ndarray) -> str:
    """Return an array as HTML: a small array as coloured numbers, a larger one as a picture with its range.

    Blue is negative, orange positive, purple NaN and yellow infinite.

    Examples
    --------
    >>> array_html(np.zeros((100, 100))).startswith('<div><img alt="float64 (100, 100)" src="data:image/png;base64,')
    True
    """
    if array.dtype.kind not in "fiub" or not array.size:
        return f"<code>{escape(np.array2string(array, threshold=20))}</code>"
    matrix = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    colours = _colours(array)
    if array.size <= _MAX_CELLS and matrix.shape[1] <= 6:
        rows = zip(matrix.tolist(), colours.reshape(*matrix.shape, 3), strict=True)
        lines = (f"<tr>{''.join(map(_cell, *row))}</tr>" for row in rows)
        return f'<table style="border-spacing:2px;border-collapse:separate">{"".join(lines)}</table>'
    tiles = array.reshape(-1, *array.shape[-2:]) if array.ndim > 1 else array.reshape(1, 1, -1)
    shown = colours.reshape(*tiles.shape, 3)[:_MAX_TILES]
    steps = [max(1, -(-n // _MAX_PIXELS)) for n in tiles.shape[1:]]
    pictures = "".join(_img(tile[:: steps[0], :: steps[1]], array) for tile in shown)
    hidden_note = f"; {len(tiles) - _MAX_TILES} more like these" if len(tiles) > _MAX_TILES else ""
    return f"<div>{pictures}</div><small>{_range(array)}{hidden_note}</small>"


def _cell(number: Any, rgb: ndarray) -> str:
    colour = "#16181d" if rgb @ [0.3, 0.59, 0.11] > 140 else "#fff"
    style = f"padding:2px 7px;border-radius:4px;text-align:right;font-family:monospace;color:{colour}"
    text = f"{number:.4g}" if isinstance(number, float) else str(number)
    return f'<td style="{style};background:rgb{tuple(map(int, rgb))}">{text}</td>'


def _colours(array: ndarray) -> ndarray:
    """Return a colour for each element, as red, green and blue."""
    values = array.astype(np.float64)[..., None]
    finite = np.isfinite(values)
    largest = np.abs(values[finite]).max(initial=0.0) or 1.0
    scaled = np.where(finite, values, 0.0) / largest
    colours = _ZERO + np.sqrt(np.abs(scaled)) * (np.where(scaled < 0, _LOW, _HIGH) - _ZERO)
    colours = np.where(finite, colours, np.where(np.isnan(values), _NAN, _INFINITE))
    return colours.round().astype(np.uint8)


def _img(pixels: ndarray, array: ndarray) -> str:
    height, width = pixels.shape[:2]
    scale = max(1, min(14, 160 // max(height, width)))
    description = escape(f"{array.dtype} {array.shape}")
    size = f"width:{width * scale}px;height:{max(height * scale, 14)}px"
    return (
        f'<img alt="{description}" src="data:image/png;base64,{b64encode(_png(pixels)).decode()}" '
        f'style="{size};image-rendering:pixelated;display:inline-block;margin:2px;border-radius:3px">'
    )


def _png(pixels: ndarray) -> bytes:
    """Encode red, green and blue of shape (height, width, 3) as a PNG image with unfiltered lines."""
    height, width = pixels.shape[:2]
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes())),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


def _range(array: ndarray) -> str:
    numbers = array[np.isfinite(array)]
    num_nonfinite = array.size - numbers.size
    finite_range = f"{numbers.min():.4g} to {numbers.max():.4g}" if numbers.size and array.dtype.kind != "b" else ""
    return ", ".join(filter(None, [finite_range, f"{num_nonfinite} x NaN or infinite" if num_nonfinite else ""]))


class Inline:
    """HTML that a notebook displays. Its repr, for a console, is a text that says how to write it to a file."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


def fold_html(head: str, body: str, is_open: bool = False) -> str:
    """Return a collapsible section. The head is text, and the body is HTML."""
    opened = " open" if is_open else ""
    indented = f'<div style="margin-left:1.3em">{body}</div>'
    section = f"<details{opened}><summary>{escape(head)}</summary>{indented}</details>"
    return section if body else f"<div>{escape(head)}</div>"


def table_html(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Return a table of texts. Columns whose head is in `right` are aligned right."""
    sides = [
        f' style="text-align:{"right" if head in right else "left"};padding:2px 9px;white-space:nowrap"'
        for head in heads
    ]
    lines = ["".join(f"<td{side}>{escape(cell)}</td>" for cell, side in zip(row, sides, strict=True)) for row in rows]
    head = "".join(f"<th{side}>{escape(head)}</th>" for head, side in zip(heads, sides, strict=True))
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
