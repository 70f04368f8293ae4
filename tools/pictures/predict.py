"""Pictures of predictions by LeNet: two photographed digits, and the drawing page in headless Chromium."""

import tempfile
import threading
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models import mnist_lenet, predict
from models.shared import reading
from models.shared.drawing_board import HOST, PAGE, Handler, Server
from tinygrad_edu import data
from tinygrad_edu.nn import Module
from tools.photographs import KINDS, photograph
from tools.pictures.browser import chromium

# Coordinates in percent of the board's width and height.
FIVE = [[(65, 18), (38, 18), (36, 44), (50, 40), (63, 48), (67, 62), (60, 77), (46, 82), (32, 76)]]


def lenet(weights: Path) -> Module:
    """Return LeNet with weights from a safetensors file, in evaluation mode and frozen."""
    model: Module = mnist_lenet.build(np.random.default_rng(0))
    model.load(weights)
    return model.eval().requires_grad_(False)


def draw_readings(path: Path, weights: Path) -> None:
    """Draw the predictions for two photographed digits."""
    digits, rng, model = data.load_embedded(), np.random.default_rng(7), lenet(weights)
    rows = []
    for number, kind in ((18, "the edge of a shadow"), (11, "a thin pen")):
        picture = photograph(digits.x_test[number], KINDS[kind], rng, (400, 600))
        rows.append(Image.open(BytesIO(predict.drawn(reading.read(model, picture), picture))).convert("RGB"))
    both = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)))
    for number, row in enumerate(rows):
        both.paste(row, (0, number * row.height))
    both.save(path)


def draw_page(path: Path, weights: Path) -> str:
    """Take screenshots of the drawing page in light and dark, and return its text."""
    with Server((HOST, 0), partial(Handler, lenet(weights), PAGE.read_bytes())) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with chromium() as browser, tempfile.TemporaryDirectory() as folder:
            url = f"http://{HOST}:{server.server_port}/"
            texts = [_screenshot(browser, url, scheme, Path(folder, scheme)) for scheme in ("light", "dark")]
            shots = [Image.open(Path(folder, scheme)).convert("RGB") for scheme in ("light", "dark")]
        server.shutdown()
    both = Image.new("RGB", (2 * shots[0].width, shots[0].height))
    for number, shot in enumerate(shots):
        both.paste(shot, (number * shot.width, 0))
    both.save(path)
    return "\n".join(texts)


def _screenshot(browser: Any, url: str, scheme: str, path: Path) -> str:
    """Draw a digit on the board, take a screenshot, and return the text of the page."""
    page = browser.new_page(viewport={"width": 820, "height": 840}, color_scheme=scheme)
    page.goto(url)
    frame = page.locator("#board").bounding_box()
    for stroke in FIVE:
        points = [(frame["x"] + x * frame["width"] / 100, frame["y"] + y * frame["height"] / 100) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=8)
        page.mouse.up()
    page.wait_for_timeout(3000)
    page.screenshot(path=path, type="png")
    return str(page.inner_text("body"))
