"""The drawing page: the server's answers, its access rules, and a digit drawn in a real browser."""

import http.client
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import mnist_conv
from models.shared import drawing_board
from tinygrad_edu.data import load_embedded

PROJECT = Path(__file__).parents[2]
DIGITS = load_embedded()
# Corner points of the strokes, as fractions of the board.
THREE = np.array([[30, 25], [42, 15], [60, 18], [65, 32], [48, 46], [65, 58], [66, 74], [50, 85], [30, 77]]) / 100
ONE = np.array([[52, 15], [50, 85]]) / 100


def start(run: Path, port: int = 0) -> subprocess.Popen[str]:
    """Start the program as a separate process in which Ctrl-C acts as in a terminal."""
    command = [sys.executable, "-m", "models.predict", str(run), "--web", "--port", str(port)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=PROJECT, text=True, **pipes)
    signal.signal(signal.SIGINT, before)
    return process


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    test = {"x_test": DIGITS.x_test[-50:], "y_test": DIGITS.y_test[-50:]}
    np.savez(folder / "mnist.npz", x_train=DIGITS.x_train, y_train=DIGITS.y_train, **test)
    options = ["--epochs", "3", "--data", str(folder / "mnist.npz"), "--quiet", "--output", str(folder)]
    assert mnist_conv.main(options) == 0
    return folder


@pytest.fixture(scope="module")
def port(run) -> Iterator[int]:
    with start(run) as process:
        line = process.stdout.readline()
        found = re.fullmatch(r"draw at http://127\.0\.0\.1:(\d+)/ \(Ctrl-C stops the server\)\n", line)
        assert found, line + process.stderr.read()
        yield int(found[1])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (130, "", "stopped\n")


def ask(port, method, path, body=None, headers=()):
    """Send a request, and return the status and body of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path, skip_host="Host" in dict(headers))
    for name, value in dict(headers).items():
        connection.putheader(name, value)
    if body is not None and "Content-Length" not in dict(headers):
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def png(image):
    Image.fromarray(image).save(content := BytesIO(), format="PNG")
    return content.getvalue()


@pytest.mark.thorough
def test_the_page_brings_all_that_it_needs(port):
    answer, content = ask(port, "GET", "/")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert content == (PROJECT / "models/shared/drawing_board.html").read_bytes()
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert b"http" not in content


@pytest.mark.thorough
def test_several_drawings_at_once_are_each_read(port):
    def read(number):
        return json.loads(ask(port, "POST", "/read", png(255 - DIGITS.x_test[number]))[1])

    with ThreadPoolExecutor(8) as threads:
        readings = list(threads.map(read, range(40)))
    assert np.mean([found["digit"] == DIGITS.y_test[k] for k, found in enumerate(readings)]) >= 0.8
    for found in readings:
        assert np.argmax(found["probabilities"]) == found["digit"]
        assert np.shape(found["gradient"]) == np.shape(found["pixels"]) == (28, 28)
    assert readings[:8] == [read(number) for number in range(8)]


@pytest.mark.thorough
def test_what_shows_no_digit_is_no_error(port):
    answer, content = ask(port, "POST", "/read", png(np.zeros((50, 50), np.uint8)))
    assert answer.status == 200
    assert json.loads(content) == {"digit": None, "reason": "no digit found in the picture."}


DRAWING = png(DIGITS.x_test[0])


def header(width, height):
    """Return a PNG file whose header has this size and whose pixels are of a far smaller image."""
    content = bytearray(png(np.zeros((8, 8), np.uint8)))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


@pytest.mark.parametrize(
    ("status", "method", "path", "body", "headers"),
    [
        (404, "GET", "/other", None, {}),
        (404, "GET", "/../pyproject.toml", None, {}),
        (404, "POST", "/read?x=1", DRAWING, {}),
        (405, "POST", "/", DRAWING, {}),
        (405, "GET", "/read", None, {}),
        (403, "GET", "/", None, {"Host": "example.org"}),
        (403, "GET", "/", None, {"Host": "127.0.0.1"}),
        (403, "POST", "/read", DRAWING, {"Origin": "http://example.org"}),
        (411, "POST", "/read", None, {"Content-Length": "-1"}),
        (411, "POST", "/read", None, {"Transfer-Encoding": "chunked"}),
        (411, "POST", "/read", None, {"Content-Length": "1" + "0" * 60_000 + "x"}),
        (413, "POST", "/read", bytes(5_000_000), {}),
        (413, "POST", "/read", None, {"Content-Length": "9" * 60_000}),
        (403, "POST", "/read", None, {"Content-Length": "9" * 60_000, "Origin": "null"}),
        (413, "POST", "/read", header(2049, 2048), {}),
        (400, "POST", "/read", header(2048, 2048), {}),
        (413, "POST", "/read", header(60_000, 60_000), {}),
        (400, "POST", "/read", b"", {}),
        (400, "POST", "/read", b"no image", {}),
        (400, "POST", "/read", DRAWING[:100], {}),
    ],
)
def test_a_request_that_is_wrong_is_told_so(port, status, method, path, body, headers):
    answer, content = ask(port, method, path, body, headers)
    assert answer.status == status
    assert json.loads(content)["error"]


def test_leading_zeros_of_a_length_count_for_nothing(port):
    length = "0" * 5000 + str(len(DRAWING))
    assert ask(port, "POST", "/read", DRAWING, {"Content-Length": length})[0].status == 200


def test_one_drawing_is_read_at_a_time_on_one_thread(monkeypatch):
    inside, seen = [], []

    def answer(model, drawing):
        inside.append(1)
        seen.append((len(inside), threading.get_ident()))
        time.sleep(0.01)
        inside.pop()
        return {"digit": None}

    monkeypatch.setattr(drawing_board, "answer", answer)
    server = drawing_board.Server(("127.0.0.1", 0), partial(drawing_board.Handler, None, b""))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with server, ThreadPoolExecutor(8) as threads:
        for found, _ in threads.map(lambda _: ask(server.server_port, "POST", "/read", DRAWING), range(24)):
            assert found.status == 200
        server.shutdown()
    server.reader.shutdown()
    assert {count for count, _ in seen} == {1}
    assert len({thread for _, thread in seen}) == 1


TWO_LENGTHS = b"POST /read HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"


@pytest.mark.parametrize(
    "line", [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 70_000, TWO_LENGTHS]
)
def test_what_is_no_request_is_answered_all_the_same(port, line):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(line)
        status = b"411" if line is TWO_LENGTHS else rb"4\d\d"
        assert re.match(rb"HTTP/1.0 " + status, client.recv(100))


@pytest.mark.thorough
def test_who_hangs_up_or_says_nothing_disturbs_nobody(port):
    idle = socket.create_connection(("127.0.0.1", port))
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /read HTTP/1.0\r\nContent-Length: 1000\r\n\r\nbegun")
    assert ask(port, "GET", "/")[0].status == 200
    idle.close()


@pytest.mark.thorough
def test_a_port_that_is_taken_is_one_line(run, port):
    with start(run, port) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"models.predict: port {port}: ")
    assert err.endswith("; choose another with --port, or 0 for any free one.\n")


def draw(page, turns):
    """Draw with the mouse."""
    frame = page.locator("#board").bounding_box()
    points = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in turns]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def expect_digit(page, digit):
    from playwright.sync_api import expect

    expect(page.locator("#digit")).to_have_text(digit, timeout=20_000)


def expect_last_digit(page, digit):
    """Wait for the answer to the whole stroke: the page may show answers to its earlier points before."""
    page.wait_for_selector("#prediction[aria-busy=false]", timeout=20_000)
    expect_digit(page, digit)


def expect_nothing(page):
    from playwright.sync_api import expect

    expect(page.locator("#sure")).to_have_text("nothing drawn yet", timeout=20_000)


def picture(page, name):
    return page.evaluate("name => document.getElementById(name).toDataURL()", name)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1000])
def test_a_digit_that_is_drawn_is_read_and_explained(page, port, width, scheme):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"http://127.0.0.1:{port}/")
    empty = picture(page, "gradient")
    draw(page, THREE)
    expect_last_digit(page, "3")
    three = picture(page, "gradient")
    bars = [float(text.removesuffix(" %")) for text in page.locator("#bars small").all_text_contents()]
    assert bars[3] == max(bars)
    assert sum(bars) == pytest.approx(100, abs=1)
    page.keyboard.press("Escape")
    expect_nothing(page)
    assert picture(page, "gradient") == empty
    draw(page, ONE)
    expect_last_digit(page, "1")
    assert len({empty, three, picture(page, "gradient")}) == 3
    page.get_by_role("button", name="Clear").click()
    expect_nothing(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.browser
def test_it_is_read_while_it_is_drawn(page, port):
    page.goto(f"http://127.0.0.1:{port}/")
    draw(page, ONE)
    expect_digit(page, "1")
    frame = page.locator("#board").bounding_box()
    page.mouse.move(frame["x"] + 0.5 * frame["width"], frame["y"] + 0.15 * frame["height"])
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.2 * frame["width"], frame["y"] + 0.17 * frame["height"], steps=5)
    expect_digit(page, "7")  # the pen is still down
    page.mouse.up()


@pytest.mark.browser
def test_a_finger_and_the_keyboard_draw_too(browser, page, port):
    page.goto(f"http://127.0.0.1:{port}/")
    page.locator("#board").focus()
    page.keyboard.press("Space")
    for _ in range(18):
        page.keyboard.press("ArrowDown")
    expect_digit(page, "1")
    context = browser.new_context(has_touch=True, viewport={"width": 375, "height": 800})
    phone = context.new_page()
    phone.goto(f"http://127.0.0.1:{port}/")
    session, frame = context.new_cdp_session(phone), phone.locator("#board").bounding_box()
    for kind, turns in (("Start", THREE[:1]), ("Move", THREE[1:])):
        for x, y in turns:
            point = {"x": frame["x"] + x * frame["width"], "y": frame["y"] + y * frame["height"]}
            session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect_digit(phone, "3")
    context.close()


@pytest.mark.browser
def test_what_is_on_the_page_has_a_name(page, port):
    page.goto(f"http://127.0.0.1:{port}/")
    for role, name in (("application", "Board to draw"), ("button", "Clear"), ("img", "Input of the model"),
                       ("img", "Gradient"), ("list", "Probability of"), ("heading", "Draw a digit")):  # fmt: skip
        assert page.get_by_role(role, name=name).count() == 1
