"""The project's declarations: its version, and the content and the addresses of pyproject.toml."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@cache
def pyproject() -> dict[str, Any]:
    """Return the content of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def repository() -> str:
    """Return the address of the repository, or "" before it is public."""
    return str(pyproject()["project"]["urls"].get("Repository", ""))


def site() -> str:
    """Return the address of the site on GitHub Pages, which ends with a slash, or "" before it is public."""
    _, _, path = repository().partition("github.com/")
    owner, _, name = path.partition("/")
    return f"https://{owner}.github.io/{name}/" if path else ""


def version() -> str:
    """Return the version that `tinygrad_edu/__init__.py` declares, without an import, which needs NumPy."""
    source = (ROOT / "tinygrad_edu" / "__init__.py").read_text(encoding="utf-8")
    return str(re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE)[0])
