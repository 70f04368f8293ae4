"""Draw the pictures of the page on tapes: ``python docs/tape_picture.py``, with the group browser."""

import shutil
import tempfile
from pathlib import Path

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import nn, tape

IMAGES = Path(__file__).parent / "images"


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


def draw_graph() -> None:
    """Draw the graph of a network of two layers."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(2, 3, rng=rng), nn.Tanh(), nn.Linear(3, 1, rng=rng))
    with tape.watch() as walks:
        loss = (model(np.array([[1.0, 2.0]], np.float32)) ** 2).mean()
        loss.backward()
    tape.draw(walks[0], IMAGES / "graph.png", names=model)


def main() -> None:
    """Write graph.png, and tape.png and tape_dark.png, screenshots of the page in headless Chromium."""
    from playwright.sync_api import sync_playwright

    draw_graph()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder, "tape.html")
        step = write_page(path)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme, name in (("light", "tape.png"), ("dark", "tape_dark.png")):
            page = browser.new_page(viewport={"width": 1280, "height": 760}, color_scheme=scheme)
            page.goto(path.as_uri())
            for _ in range(step):
                page.keyboard.press("ArrowRight")
            page.screenshot(path=IMAGES / name)
        browser.close()


if __name__ == "__main__":
    main()
