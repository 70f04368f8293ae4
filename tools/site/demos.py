"""Demos in the book of the core, which run in a browser: a call of an op, a backward pass and im2col."""

import json
import re
from io import StringIO
from pathlib import Path

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import core, tape

HERE = Path(__file__).parent
# By the part of the book that it follows: the file of a demo, its title, and its height in pixels.
DEMOS = {
    "op.Call.node": ("call", "What a call saves", 250),
    "engine.BackwardPass.run": ("pass", "A backward pass, step by step", 560),
    "functional.im2col": ("im2col", "A window and its column", 380),
}
OPS = {"x + y": core.add, "x - y": core.subtract, "x * y": core.multiply, "x / y": core.divide, "x ** y": core.power,
       "x @ y": core.matmul, "maximum(x, y)": core.maximum}  # fmt: skip
NEEDED = {"x and y": (True, True), "x": (True, False), "y": (False, True), "neither": (False, False)}


def write(folder: Path) -> None:
    """Write the demos into a new folder."""
    folder.mkdir()
    values = {"STYLE": (HERE / "demo.css").read_text(encoding="utf-8"), "TAPES": json.dumps(_tapes())}
    for name in ("call.html", "im2col.html"):
        text = (HERE / name).read_text(encoding="utf-8")
        text = re.sub("STYLE|TAPES", lambda found: values[found[0]], text)
        (folder / name).write_text(text, encoding="utf-8")
    x = tg.Tensor([[1.0, 2.0]])
    w = tg.Tensor([[0.5, -1.0], [1.0, 2.0]], requires_grad=True)
    tape.page(tg.tanh(x @ w).sum(), folder / "pass.html", names={"w": w}, title="tanh(x @ w).sum()")


def _tapes() -> dict[str, dict[str, str]]:
    """Return the printed tape of each op, by the inputs that need a gradient."""
    return {name: {which: _tape(op, needs) for which, needs in NEEDED.items()} for name, op in OPS.items()}


def _tape(op: core.Op, needs: tuple[bool, bool]) -> str:
    arrays = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])
    x, y = (tg.Tensor(array, requires_grad=need, dtype=np.float32) for array, need in zip(arrays, needs, strict=True))
    result = op(x, y)
    if not result.requires_grad:
        return "No input needs a gradient, so nothing is recorded, and nothing is saved."
    text = StringIO()
    tape.show(result, names={name: t for name, t in {"x": x, "y": y}.items() if t.requires_grad}, file=text)
    return text.getvalue().rstrip()


def frame(part: str) -> str:
    """Return the frame with the demo that follows a part of the book, or an empty string."""
    if part not in DEMOS:
        return ""
    name, title, height = DEMOS[part]
    return f'<iframe src="../demos/{name}.html" title="{title}" height="{height}" loading="lazy"></iframe>\n'
