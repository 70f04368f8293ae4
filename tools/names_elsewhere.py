"""Write the names of PyTorch, jax.numpy and Keras that are missing here, for errors.

``python -m tools.names_elsewhere`` writes `tinygrad_edu/errors/hints/elsewhere.py`, and the names of a Tensor alone,
which its class needs at import, to `tinygrad_edu/errors/hints/tensor_names.py`. It needs PyTorch, JAX and Keras;
``--check`` compares the files with them. `tinygrad_edu.errors.hints` finds the answers.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from types import ModuleType
from typing import Any

import tinygrad_edu as tg
from tinygrad_edu.errors.hints.tables import NAMES

FILE = Path(tg.__file__).parent / "errors/hints/elsewhere.py"
TENSOR_FILE = FILE.with_name("tensor_names.py")
PLACES: dict[str, Any] = {
    "Tensor": tg.Tensor, "tg": tg, "tg.linalg": tg.linalg, "tg.nn": tg.nn, "tg.data": tg.data,
    "tg.distributions": tg.distributions,
}  # fmt: skip
_DOCSTRING = '"""Names of {} that are missing here. ``python -m tools.names_elsewhere`` writes it."""\n'


def _public(module: Any, functions_only: bool = True) -> list[str]:
    names = getattr(module, "__all__", None) or dir(module)
    return [n for n in names if not n.startswith("_") and (not functions_only or callable(getattr(module, n, None)))]


def missing() -> dict[str, dict[str, list[str]]]:
    """Return the names that each place here lacks, by library."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import jax.numpy as jnp
    import keras
    import numpy as np
    import torch

    torch_names = [n for n in dir(torch) if n[0] != "_" and _is_of("torch", getattr(torch, n))]
    functional = [n for n in dir(torch.nn.functional) if n[0].islower() and callable(getattr(torch.nn.functional, n))]
    jax_functions = [n for n in _public(jnp) if not isinstance(getattr(jnp, n), type | ModuleType)]
    numpy_names = [n for n in dir(np) if n[0] != "_" and n not in jax_functions and _is_of("numpy", getattr(np, n))]
    wanted = {
        "Tensor": {"PyTorch": _public(torch.Tensor, functions_only=False)},
        "tg": {"NumPy": numpy_names, "PyTorch": [*torch_names, *functional], "jax.numpy": jax_functions},
        "tg.linalg": {"PyTorch": _public(torch.linalg), "jax.numpy": _public(jnp.linalg)},
        "tg.nn": {"PyTorch": [*torch.nn.modules.__all__, *functional], "Keras": _public(keras.layers)},
        "tg.data": {"PyTorch": torch.utils.data.__all__},
        "tg.distributions": {"PyTorch": torch.distributions.__all__},
    }
    return {
        place: {library: sorted({n for n in names if _is_missing(place, n)}) for library, names in libraries.items()}
        for place, libraries in wanted.items()
    }


def _is_of(library: str, value: Any) -> bool:
    """Return whether a value belongs to a library, and not to a module of Python that the library imports."""
    return not isinstance(value, ModuleType) or value.__name__.startswith(library)


def _is_missing(place: str, name: str) -> bool:
    return name not in NAMES.get(place, {}) and not hasattr(PLACES[place], name)


def texts() -> dict[Path, str]:
    """Return the content of each file."""
    names = missing()
    of_tensors = names["Tensor"]["PyTorch"]
    head = "from tinygrad_edu.errors.hints.tensor_names import TENSOR_NAMES\n"
    lines = [_DOCSTRING.format("other libraries"), head, "# fmt: off"]
    tensor_lines = [_DOCSTRING.format("a Tensor of PyTorch"), 'TENSOR_NAMES = """', *_wrapped(of_tensors), '"""', ""]
    return {FILE: "\n".join([*lines, *_lists(names), ""]), TENSOR_FILE: "\n".join(tensor_lines)}


def _lists(tables: dict[str, dict[str, list[str]]]) -> Iterator[str]:
    yield "NAMES_BY_LIBRARY = {"
    yield '    "Tensor": {"PyTorch": TENSOR_NAMES},'
    for place in list(tables)[1:]:
        yield f'    "{place}": {{'
        for library, names in tables[place].items():
            yield from (f'        "{library}": """', *_wrapped(names), '""",')
        yield "    },"
    yield "}"


def _wrapped(names: list[str]) -> list[str]:
    return wrap(" ".join(names), 120, break_on_hyphens=False)


def main(arguments: Iterable[str]) -> int:
    """Write the file, or compare it with ``--check``."""
    if "--check" in arguments:
        return int(any(path.read_text() != text for path, text in texts().items()))
    for path, text in texts().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
