"""Pictures of the page on tapes: a graph by Graphviz, and the player in headless Chromium."""

import contextlib
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import nn, tape
from tools.pictures.browser import chromium
from tools.project import ROOT

LABEL = re.compile(r'label=(<.*?>|"[^"]*")\s*[,\]]', re.DOTALL)
TIME = re.compile(r"; [\d.]+ .?s$", re.MULTILINE)  # of a vjp, another one in each run


def draw_graph(path: Path) -> str:
    """Draw the graph of a network of two layers, and return its labels."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(2, 3, rng=rng), nn.Tanh(), nn.Linear(3, 1, rng=rng))
    with tape.watch() as walks:
        loss = (model(np.array([[1.0, 2.0]], np.float32)) ** 2).mean()
        loss.backward()
    tape.draw(walks[0], path, names=model)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "graph.dot")
        tape.draw(walks[0], source, names=model)
        return "\n".join(sorted(LABEL.findall(source.read_text(encoding="utf-8"))))


def write_page(folder: str) -> int:
    """Write the page of the README's small network into a folder, and return the step to show."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (program,) = (block for block in blocks if "tape.page" in block)
    scope: dict[str, Any] = {"np": np, "tg": tg}
    with contextlib.chdir(folder):
        exec(program, scope)
    return next(k for k, call in enumerate(scope["walks"][0]) if call.parent is scope["v"]._node) + 1


def draw_tape(path: Path, scheme: str) -> str:
    """Take a screenshot of the player in a color scheme, "light" or "dark", and return its text without times."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        step = write_page(folder)
        page = browser.new_page(viewport={"width": 1280, "height": 760}, color_scheme=scheme)
        page.goto(Path(folder, "tape.html").as_uri())
        for _ in range(step):
            page.keyboard.press("ArrowRight")
        page.screenshot(path=path)
        return TIME.sub("", page.inner_text("body"))
