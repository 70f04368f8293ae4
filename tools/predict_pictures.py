"""Draw the figures of docs/models/predict.md: ``python -m tools.predict_pictures RUN``. Needs the group `browser`."""

import shutil
import threading
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from models import predict, reading
from models.drawing_board import HOST, PAGE, Handler, Server
from tinygrad_edu import data
from tinygrad_edu.command_line import Parser
from tinygrad_edu.nn import Module
from tools.photographs import KINDS, photograph

IMAGES = Path(__file__).parent.parent / "docs" / "images"
# Coordinates in percent of the board's width and height.
FIVE = [[(65, 18), (38, 18), (36, 44), (50, 40), (63, 48), (67, 62), (60, 77), (46, 82), (32, 76)]]


def readings(model: Module) -> None:
    """Draw the predictions for two photographed digits."""
    digits, rng = data.load_embedded(), np.random.default_rng(7)
    rows = []
    for number, kind in ((18, "the edge of a shadow"), (11, "a thin pen")):
        picture = photograph(digits.x_test[number], KINDS[kind], rng, (400, 600))
        rows.append(Image.open(BytesIO(predict.drawn(reading.read(model, picture), picture))).convert("RGB"))
    both = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)))
    for number, row in enumerate(rows):
        both.paste(row, (0, number * row.height))
    both.quantize(method=Image.Quantize.MAXCOVERAGE).save(IMAGES / "predict.png", optimize=True)  # keeps the red colour


def screenshot(browser: Browser, url: str, scheme: str) -> Image.Image:
    """Return a screenshot of the page with a digit drawn on the board."""
    page = browser.new_page(viewport={"width": 820, "height": 840}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(url)
    frame = page.locator("#board").bounding_box()
    assert frame is not None
    for stroke in FIVE:
        points = [(frame["x"] + x * frame["width"] / 100, frame["y"] + y * frame["height"] / 100) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=8)
        page.mouse.up()
    page.wait_for_timeout(3000)
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def main(arguments: list[str] | None = None) -> None:
    """Draw both figures."""
    parser = Parser("tools.predict_pictures", description=__doc__)
    parser.add_argument("run", type=Path)
    model = reading.load(parser.parse_args(arguments).run)
    readings(model)
    with Server((HOST, 0), partial(Handler, model, PAGE.read_bytes())) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        shots = [screenshot(browser, f"http://{HOST}:{server.server_port}/", scheme) for scheme in ("light", "dark")]
        browser.close()
        server.shutdown()
    both = Image.new("RGB", (2 * shots[0].width, shots[0].height))
    both.paste(shots[0], (0, 0))
    both.paste(shots[1], (shots[0].width, 0))
    both.save(IMAGES / "predict_web.png", optimize=True)


if __name__ == "__main__":
    main()
