"""Pictures of the page on tapes: a graph by Graphviz, and the player in headless Chromium."""

import re
import tempfile
from pathlib import Path

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import nn, tape
from tools.pictures.browser import chromium

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


def write_page(path: Path) -> int:
    """Write the page of a small network for exclusive or, and return the step to show."""
    rng = np.random.default_rng(5)
    x, wanted = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0], np.float32)
    w, b, v = (tg.normal(size=size, rng=rng, requires_grad=True) for size in ((2, 3), 3, 3))
    with tape.watch() as walks:
        h = tg.tanh(x @ w + b)
        out = (h * v).sum(axis=1)
        loss = ((out - wanted) ** 2).mean()
        loss.backward()
    names = {"w": w, "b": b, "v": v, "h": h, "out": out, "loss": loss}
    tape.page(walks[0], path, names, title="A net of three neurons")
    return next(k for k, call in enumerate(walks[0]) if call.parent is v._node) + 1


def draw_tape(path: Path, scheme: str) -> str:
    """Take a screenshot of the player in a color scheme, "light" or "dark", and return its text without times."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        file = Path(folder, "tape.html")
        step = write_page(file)
        page = browser.new_page(viewport={"width": 1280, "height": 760}, color_scheme=scheme)
        page.goto(file.as_uri())
        for _ in range(step):
            page.keyboard.press("ArrowRight")
        page.screenshot(path=path)
        return TIME.sub("", page.inner_text("body"))
