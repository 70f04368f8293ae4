"""A page on which one draws a digit and sees what a model reads, served to this machine alone."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

from models import pictures, reading
from models.console import note, say
from tinygrad_edu.errors import DataError
from tinygrad_edu.nn import Module

PAGE = Path(__file__).with_suffix(".html")
HOST = "127.0.0.1"
METHODS = {"/": "GET", "/read": "POST"}
LARGEST, DROPPED = 1 << 22, 1 << 26  # bytes of a drawing, and of a larger one that are still taken in
PIXELS = 1 << 22  # of a drawing: the page sends far fewer
CHUNK = 1 << 16  # bytes
# The page brings all that it needs, and may ask for nothing but readings.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; " \
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"  # fmt: skip


def serve(model: Module, port: int) -> NoReturn:
    """Serve the page until a signal ends the program.

    Raises
    ------
    DataError
        The port is taken, or not for everybody.
    """
    try:
        server = Server((HOST, port), partial(Handler, model, PAGE.read_bytes()))
    except OSError as error:
        raise DataError(f"port {port}: {error.strerror}; choose another with --port, or 0 for any free one") from error
    say(f"draw on http://{HOST}:{server.server_port}/ (Ctrl-C ends it)")
    while True:
        server.serve_forever()


class Server(ThreadingHTTPServer):
    """A server that gives its port to nobody else, and does not mind who hangs up."""

    allow_reuse_address = os.name == "posix"  # elsewhere that would let two of them have the same port
    daemon_threads = True

    def __init__(self, *about: Any) -> None:
        # It reads one drawing after the other, always on one thread: each thread keeps the memory that it has used.
        self.reader = ThreadPoolExecutor(1)
        super().__init__(*about)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in a line what went wrong, unless it is that nobody listens any more."""
        error = sys.exception()
        if not isinstance(error, OSError):
            note(f"a request failed: {error!r}")


class Handler(BaseHTTPRequestHandler):
    """Answers one request: with the page, or with what is read in a drawing."""

    server: Server
    timeout = 10.0  # seconds that a client may be silent
    default_request_version = "HTTP/1.0"  # so that what is no request is answered with a status

    def __init__(self, model: Module, page: bytes, *about: Any) -> None:
        self.model, self.page = model, page
        super().__init__(*about)

    def parse_request(self) -> bool:
        """Take in a request, and return whether it is one to answer; what is wrong with others is said."""
        if not super().parse_request():
            return False
        if wrong := self._fault():
            self._refuse(*wrong)
            # A client that is still sending would not hear the answer if the connection were closed now.
            for rest in range(self._length(), 0, -CHUNK):
                self.rfile.read(min(rest, CHUNK))
            return False
        self.body = self.rfile.read(self._length())
        return True

    def _fault(self) -> tuple[HTTPStatus, str] | None:
        """Return what is wrong with a request. Other sites that are open in the same browser may make none."""
        path = self.path
        names = [f"{name}:{self.connection.getsockname()[1]}" for name in (HOST, "localhost")]
        if "Transfer-Encoding" in self.headers or self._digits() is None:
            return HTTPStatus.LENGTH_REQUIRED, "the request does not say in numbers how long it is"
        if self.headers.get_all("Host", []) not in [[name] for name in names]:
            return HTTPStatus.FORBIDDEN, f"this page is {names[0]}, and no other"
        if self.headers.get("Origin") not in (None, *(f"http://{name}" for name in names)):
            return HTTPStatus.FORBIDDEN, "another site may not ask for this"
        if path not in METHODS:
            return HTTPStatus.NOT_FOUND, f"there is {' and '.join(METHODS)}"
        if self.command != METHODS[path]:
            return HTTPStatus.METHOD_NOT_ALLOWED, f"{path} is for {METHODS[path]}"
        if self._length() > LARGEST:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a drawing has up to {LARGEST:,} bytes"
        return None

    def _digits(self) -> str | None:
        """Return how long the body is, as the request says it. None is no whole number, or several."""
        lengths = self.headers.get_all("Content-Length", ["0"])
        return lengths[0] if len(lengths) == 1 and lengths[0].isascii() and lengths[0].isdecimal() else None

    def _length(self) -> int:
        """Return how long the body is, or `DROPPED` if it is longer: Python refuses to read a number of many digits."""
        digits = (self._digits() or "0").lstrip("0") or "0"
        return min(int(digits), DROPPED) if len(digits) <= len(str(DROPPED)) else DROPPED

    def do_GET(self) -> None:
        """Send the page."""
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.page)

    def do_POST(self) -> None:
        """Send what is read in the image file that is the body."""
        try:
            content = self.server.reader.submit(answer, self.model, self.body).result()
        except pictures.TooManyPixelsError as error:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
        except DataError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        else:
            self._send_json(HTTPStatus.OK, content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no proper request: it is the client's fault, and never the server's."""
        self._refuse(HTTPStatus(code if code < 500 else 400), message or "this is no request")

    def log_message(self, format: str, *about: Any) -> None:
        """Say nothing of each request."""

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True
        self._send_json(status, {"error": reason})

    def _send_json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(content).encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind, "Content-Length": str(len(content)), "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
        }  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def answer(model: Module, drawing: bytes) -> dict[str, Any]:
    """Return what the page shows of a drawing, an image file; where there is no digit in it, why not.

    Raises
    ------
    DataError
        It is no image that can be decoded.
    TooManyPixelsError
        It has more than `PIXELS` pixels.
    """
    picture = pictures.decode(drawing, PIXELS)
    try:
        found = reading.read(model, picture)
    except DataError as error:
        return {"digit": None, "reason": str(error)}
    return {
        "digit": found.digit,
        "probabilities": found.probabilities.tolist(),
        "pixels": found.pixels.tolist(),
        "gradient": found.gradient.tolist(),
    }
