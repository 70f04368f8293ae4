"""Local web page on which you draw a digit and see the model's prediction."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

from models.shared import pictures, reading
from models.shared.console import note, say
from tinygrad_edu.errors import DataError
from tinygrad_edu.nn import Module

PAGE = Path(__file__).with_suffix(".html")
HOST = "127.0.0.1"
METHODS = {"/": "GET", "/read": "POST"}
LARGEST, DROPPED = 1 << 22, 1 << 26  # bytes: the limit of a drawing, and the most that is read of a larger request
PIXELS = 1 << 22  # limit of a drawing; the page sends far fewer
CHUNK = 1 << 16  # bytes
# The page is self-contained; it may only request predictions.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; " \
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"  # fmt: skip


def serve(model: Module, port: int) -> NoReturn:
    """Serve the page until a signal ends the program.

    Raises
    ------
    DataError
        The port is in use or requires privileges.
    """
    try:
        server = Server((HOST, port), partial(Handler, model, PAGE.read_bytes()))
    except OSError as error:
        raise DataError(f"port {port}: {error.strerror}; choose another with --port, or 0 for any free one.") from error
    say(f"draw at http://{HOST}:{server.server_port}/ (Ctrl-C stops the server)")
    while True:
        server.serve_forever()


class Server(ThreadingHTTPServer):
    """HTTP server that uses its port exclusively and ignores closed connections."""

    allow_reuse_address = os.name == "posix"  # elsewhere, two servers could then use the same port
    daemon_threads = True

    def __init__(self, *about: Any) -> None:
        # All drawings are read on one thread, since each thread keeps the memory that it has used.
        self.reader = ThreadPoolExecutor(1)
        super().__init__(*about)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print one line for an error, unless the connection was closed."""
        error = sys.exception()
        if not isinstance(error, OSError):
            note(f"a request failed: {error!r}")


class Handler(BaseHTTPRequestHandler):
    """Answer a request with the page or with the prediction for a drawing."""

    server: Server
    timeout = 10.0  # seconds of silence from a client
    default_request_version = "HTTP/1.0"  # so that malformed requests receive a status

    def __init__(self, model: Module, page: bytes, *about: Any) -> None:
        self.model, self.page = model, page
        super().__init__(*about)

    def parse_request(self) -> bool:
        """Parse a request; answer an invalid one with an error, and return whether it is valid."""
        if not super().parse_request():
            return False
        if wrong := self._fault():
            self._refuse(*wrong)
            # Read the rest of the body: a client that is still sending would miss an answer on a closed connection.
            for rest in range(self._length(), 0, -CHUNK):
                self.rfile.read(min(rest, CHUNK))
            return False
        self.body = self.rfile.read(self._length())
        return True

    def _fault(self) -> tuple[HTTPStatus, str] | None:
        """Return the status and reason for rejecting a request, or None. Requests from other sites are rejected."""
        path = self.path
        names = [f"{name}:{self.connection.getsockname()[1]}" for name in (HOST, "localhost")]
        if "Transfer-Encoding" in self.headers or self._digits() is None:
            return HTTPStatus.LENGTH_REQUIRED, "the request needs one numeric Content-Length"
        if self.headers.get_all("Host", []) not in [[name] for name in names]:
            return HTTPStatus.FORBIDDEN, f"wrong host; this page is {names[0]}"
        if self.headers.get("Origin") not in (None, *(f"http://{name}" for name in names)):
            return HTTPStatus.FORBIDDEN, "requests from other sites are not allowed"
        if path not in METHODS:
            return HTTPStatus.NOT_FOUND, f"not found; the paths are {' and '.join(METHODS)}"
        if self.command != METHODS[path]:
            return HTTPStatus.METHOD_NOT_ALLOWED, f"{path} requires {METHODS[path]}"
        if self._length() > LARGEST:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a drawing may have at most {LARGEST:,} bytes"
        return None

    def _digits(self) -> str | None:
        """Return the Content-Length as text, or None if it is not a single non-negative integer."""
        lengths = self.headers.get_all("Content-Length", ["0"])
        return lengths[0] if len(lengths) == 1 and lengths[0].isascii() and lengths[0].isdecimal() else None

    def _length(self) -> int:
        """Return the length of the body, at most `DROPPED`: Python does not parse integers of very many digits."""
        digits = (self._digits() or "0").lstrip("0") or "0"
        return min(int(digits), DROPPED) if len(digits) <= len(str(DROPPED)) else DROPPED

    def do_GET(self) -> None:
        """Send the page."""
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.page)

    def do_POST(self) -> None:
        """Send the prediction for the image file in the body."""
        try:
            content = self.server.reader.submit(answer, self.model, self.body).result()
        except pictures.TooManyPixelsError as error:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
        except DataError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        else:
            self._send_json(HTTPStatus.OK, content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a malformed request with a client error."""
        self._refuse(HTTPStatus(code if code < 500 else 400), message or "malformed request")

    def log_message(self, format: str, *about: Any) -> None:
        """Do not log requests."""

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
    """Return the prediction for a drawing (an image file) as JSON data, or the reason why there is none.

    Raises
    ------
    DataError
        The drawing cannot be decoded.
    TooManyPixelsError
        The drawing has more than `PIXELS` pixels.
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
