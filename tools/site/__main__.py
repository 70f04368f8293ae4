"""Build the site: ``python -m tools.site`` writes it to ``site/``; ``--serve`` also serves it on 127.0.0.1."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.shared.groups import missing_group
from tinygrad_edu.shared.display.command_line import Parser
from tools import notebooks
from tools.site import pages, reference

SITE = reference.ROOT / "site"
ADDRESS = "127.0.0.1"


def build(output: Path) -> None:
    """Build the site into a folder, and replace its contents. A broken link is an error."""
    shutil.rmtree(output, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        pages.gather(here / "docs", notebooks.links)
        notebooks.write(here / "docs" / "notebooks")
        settings = (reference.ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8")
        found = {"ROOT": str(reference.ROOT), "LESSONS": pages.lessons(), "REFERENCE": reference.navigation()}
        for name, value in found.items():
            settings = settings.replace(f'"{name}"', toml(value))
        (here / "zensical.toml").write_text(settings, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(reference.ROOT)}  # to import the griffe extension
        subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=here, env=environment, check=True)
        shutil.move(here / "site", output)


def toml(value: Any) -> str:
    """Return a string, or nested lists and dicts of strings, as TOML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def serve(folder: Path, port: int) -> None:
    """Serve a folder on the loopback address until Ctrl-C."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer((ADDRESS, port), handler) as server:
        print(f"http://{ADDRESS}:{server.server_port}/ serves the site; stop with Ctrl-C", flush=True)
        server.serve_forever()


def main() -> str | None:
    """Run the command. Return an error message, or None."""
    parser = Parser("python -m tools.site", description=__doc__)
    parser.add_argument(
        "--serve", nargs="?", type=int, const=8000, metavar="PORT", help="serve the site; default: port 8000"
    )
    port = parser.parse_args().serve
    if not all(map(find_spec, ("zensical", "mkdocstrings", "nbformat"))):
        return str(missing_group("the site requires zensical, mkdocstrings and nbformat", "docs"))
    try:
        build(SITE)
        if port is not None:
            serve(SITE, port)
    except subprocess.CalledProcessError:
        return "the build of the site failed; see the output above"
    except OSError as error:
        return f"cannot serve the site on {ADDRESS}:{port}: {error.strerror}; choose another port"
    except KeyboardInterrupt:
        return None
    return None


if __name__ == "__main__":
    sys.exit(main())
