"""The project's declaration in pyproject.toml: its addresses, extras and dependency groups."""

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
    """Return the address of the repository."""
    return str(pyproject()["project"]["urls"]["Repository"])


def site() -> str:
    """Return the address of the site, which ends with a slash."""
    return str(pyproject()["project"]["urls"]["Documentation"])
