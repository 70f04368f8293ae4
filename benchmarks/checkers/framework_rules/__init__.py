"""Wrong rules of other frameworks, each with its correct counterpart, as a tester would check them."""

import importlib.util
import os
from importlib import import_module

from benchmarks.checkers.cases import Case

PACKAGES = {"torch": "torch_functions", "jax": "jax_functions", "keras": "keras_layers"}


def installed() -> dict[str, list[Case]]:
    """Return the cases of each framework that is installed, and those that the checker was not adapted to."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    found = {name: file for name, file in PACKAGES.items() if importlib.util.find_spec(name)}
    files = found | {f"{name}, held-out": f"held_out_{name}" for name in found}
    return {name: import_module(f"{__name__}.{file}").CASES for name, file in files.items()}
