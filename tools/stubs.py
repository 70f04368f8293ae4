"""Write the type stubs of the functions of tensors, with overloads: ``python -m tools.stubs``.

A function returns a Tensor if one of its arguments of type `TensorLike` is a Tensor, and an array otherwise. Its
definition has this result as ``Tensor | Array``. The stub has an overload for a Tensor at each of these arguments, and
a last one without Tensors.
"""

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from inspect import Parameter
from pathlib import Path
from types import ModuleType
from typing import Any

from tinygrad_edu import nn, ops
from tinygrad_edu.engine import Op
from tinygrad_edu.ops import linalg

R = "Tensor | Array"
BEGIN = '''"""{doc} Written by ``python -m tools.stubs``."""
# mypy: disable-error-code="overload-overlap"
# A sequence of arrays is also a sequence of Tensors and arrays. The first overload that accepts the arguments applies.

'''
MODULES: dict[str, tuple[ModuleType, str]] = {
    "ops/__init__": (ops, "Types of the functions of `tinygrad_edu.ops`."),
    "ops/linalg": (linalg, "Types of the functions of `tinygrad_edu.ops.linalg`."),
    "nn/losses/__init__": (nn.losses, "Types of the loss functions."),
}
SUBMODULES = ("methods", "on_demand")  # that ops exports

# Types of arguments that select the type of the result, and this type. The first one that fits applies. A result
# "Tensor | Array" becomes Tensor or Array; "Array | Tensor" stays.
Variants = list[tuple[dict[str, str] | str, str]]
_WITH_INDICES: Variants = [
    ({"return_indices": "Literal[False]"}, R),
    ({"return_indices": "Literal[True]"}, f"tuple[{R}, Array]"),
    ({}, f"{R} | tuple[{R}, Array]"),
]
_INDEX: Variants = [({"axis": "None", "keepdims": "Literal[False]"}, "np.intp"), ({}, "Array")]
_TRUTH: Variants = [({"axis": "None", "keepdims": "Literal[False]"}, "np.bool"), ({}, "Array")]
_ONE_OR_MORE: Variants = [("x: TensorLike, /", R), ("*arrays: TensorLike", f"tuple[{R}, ...]")]
_AND_ARRAYS = f"tuple[{R}, *tuple[Array, ...]]"
VARIANTS: dict[str, Variants] = {
    **{f"{kind}max_pool{axes}d": _WITH_INDICES for kind in ("", "adaptive_") for axes in (1, 2, 3)},
    **dict.fromkeys(("argmax", "argmin", "count_nonzero"), _INDEX),
    **dict.fromkeys(("all", "any"), _TRUTH),
    **dict.fromkeys(("atleast_1d", "atleast_2d", "atleast_3d"), _ONE_OR_MORE),
    "average": [
        ({"returned": "Literal[False]"}, R),
        ({"returned": "Literal[True]"}, f"tuple[{R}, Array | Tensor]"),  # a Tensor for weights that are a Tensor
        ({}, f"{R} | tuple[{R}, Array | Tensor]"),
    ],
    "block": [
        ("arrays: Tensor | list[Tensor] | list[list[Tensor]]", "Tensor"),
        ("arrays: Array | list[Array] | list[list[Array]]", "Array"),
        ({}, "Array | Tensor"),
    ],
    "cross_entropy": [
        ({"target": "PlainArrayLike"}, R),
        ({"input": "Tensor", "target": "Tensor", "weight": "Tensor | PlainArrayLike | None"}, "Tensor"),
        # a Tensor for probabilities, an array for labels
        ({"input": "PlainArrayLike", "target": "Tensor", "weight": "Tensor | PlainArrayLike | None"}, "Array | Tensor"),
    ],
    "einsum": [
        ("subscripts: str, /, *operands: TensorLike, optimize: bool | str | list[Any] = True", R),
        ({}, "Array | Tensor"),
    ],
    "qr": [
        ({"mode": "Literal['reduced', 'complete']"}, f"QRResult[{R}]"),
        ({"mode": "Literal['r']"}, R),
        ({"mode": "Literal['raw']"}, "tuple[Array, Array]"),
    ],
    "svd": [
        ({"compute_uv": "Literal[True]"}, f"SVDResult[{R}]"),
        ({"compute_uv": "Literal[False]"}, R),
        ({}, f"SVDResult[{R}] | {R}"),
    ],
    "unique": [
        (dict.fromkeys(("return_index", "return_inverse", "return_counts"), "Literal[False]"), R),
        *(({flag: "Literal[True]"}, _AND_ARRAYS) for flag in ("return_index", "return_inverse", "return_counts")),
        ({}, f"{R} | {_AND_ARRAYS}"),
    ],
}  # fmt: skip


class Text(str):
    """Code that `inspect.Signature` prints without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def code(value: Any) -> Text:
    """Return a default as code; ``...`` for an object."""
    return Text(repr(value) if isinstance(value, int | float | str | tuple | None) and value == value else "...")


def parameters_of(function: Any) -> list[Parameter]:
    """Return the parameters of a function, with annotations as in its source."""
    return [
        p.replace(annotation=Text(p.annotation), default=p.default if p.default is p.empty else code(p.default))
        for p in inspect.signature(function).parameters.values()
    ]


def parse(text: str) -> list[Parameter]:
    """Return the parameters of a text such as ``x: TensorLike, /``."""
    scope: dict[str, Any] = {}
    exec(f"from __future__ import annotations\ndef function({text}): ...", scope)
    return parameters_of(scope["function"])


def variants(name: str, function: Any) -> Iterator[tuple[list[Parameter], str]]:
    """Yield the parameters of a function and its result, for each row of `VARIANTS`."""
    parameters, result = parameters_of(function), inspect.signature(function).return_annotation
    for changes, returns in VARIANTS.get(name, [({}, result)]):
        if isinstance(changes, str):
            yield parse(changes), returns
        else:
            yield [with_type(p, changes[p.name]) if p.name in changes else p for p in parameters], returns


def with_type(p: Parameter, annotation: str) -> Parameter:
    """Return a parameter with another type, and without its default if the type excludes it."""
    is_default = p.default is not p.empty and str(p.default) in annotation
    return p.replace(annotation=Text(annotation), default=p.default if is_default else p.empty)


def by_tensors(parameters: list[Parameter], result: str) -> Iterator[tuple[list[Parameter], str]]:
    """Yield the parameters and the result for a Tensor at each input, and for no Tensor."""
    inputs = [k for k, p in enumerate(parameters) if "TensorLike" in p.annotation]
    plain = [p.replace(annotation=without_tensors(p)) for p in parameters]
    for k in inputs:
        tensor = parameters[k].replace(annotation=tensors_only(parameters[k]), default=Parameter.empty)
        either = [p.replace(annotation=with_tensors(p)) for p in parameters[k + 1 :]]
        yield [*plain[:k], tensor, *either], result.replace(R, "Tensor")
    yield plain, result.replace(R, "Array")
    if inputs and is_many(parameters[inputs[0]]):  # Tensors and arrays
        mixed = [p.replace(annotation=with_tensors(p)) for p in parameters]
        yield mixed, result if result.startswith("tuple") else result.replace(R, "Tensor")


def is_many(p: Parameter) -> bool:
    """Return whether a parameter is a sequence of inputs, or any number of them."""
    return p.kind is p.VAR_POSITIONAL or p.annotation.startswith("Sequence")


def tensors_only(p: Parameter) -> Text:
    """Return the type of an input that is a Tensor or has Tensors only."""
    annotation = p.annotation.removesuffix(" | None").replace("TensorLike", "Tensor")
    return Text(f"Tensor | {annotation}" if annotation.startswith("Sequence") else annotation)


def without_tensors(p: Parameter) -> Text:
    """Return the type of an input without Tensors."""
    if is_many(p) and "TensorLike" in p.annotation:
        plain = p.annotation.replace("TensorLike", "Array | float | Sequence[Any]")
        return Text(f"Array | {plain}" if plain.startswith("Sequence[Array") else plain)
    return Text(p.annotation.replace("TensorLike", "PlainArrayLike"))


def with_tensors(p: Parameter) -> Text:
    """Return the type of an input that may be a Tensor."""
    return Text(p.annotation.replace("TensorLike", "Tensor | PlainArrayLike"))


def legal(parameters: list[Parameter]) -> list[list[Parameter]]:
    """Return lists of parameters in which none without a default follows one with a default.

    If there is one, it is either given by position, after all others, or by its keyword.
    """
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    optional = next((k for k, p in enumerate(positional) if p.default is not p.empty), len(positional))
    required = [k for k, p in enumerate(positional) if k > optional and p.default is p.empty]
    if not required:
        return [parameters]
    by_position = [p.replace(default=p.empty) if k < required[-1] else p for k, p in enumerate(parameters)]
    by_keyword = [p.replace(kind=p.KEYWORD_ONLY) if k >= required[0] else p for k, p in enumerate(parameters)]
    return [by_position, by_keyword]


def signatures(name: str, function: Any) -> list[inspect.Signature]:
    """Return the signatures of all overloads."""
    return [
        inspect.Signature(form, return_annotation=Text(returns))
        for parameters, result in variants(name, function)
        for tensors, returns in by_tensors(parameters, result)
        for form in legal(tensors)
    ]


def declaration(name: str, function: Any) -> str:
    """Return the stub of a function. That of an op has a class of its own, with the attributes of Op."""
    found = signatures(name, function)
    if not isinstance(function, Op):
        mark = "@overload\n" if len(found) > 1 else ""
        return "\n".join(f"{mark}def {name}{signature}: ..." for signature in found)
    own = Parameter("self", min(p.kind for p in found[0].parameters.values()))
    methods = [s.replace(parameters=[own, *s.parameters.values()]) for s in found]
    calls = "\n".join(f"    @overload\n    def __call__{signature}: ..." for signature in methods)
    kind = "_" + name.title().replace("_", "")
    return f"class {kind}(Op):\n{calls}\n\n{name}: {kind}"


@lru_cache
def homes(module: str) -> dict[str, str]:
    """Return the module of each name that a module defines or imports."""
    found: dict[str, str] = {}
    for node in ast.parse(inspect.getsource(sys.modules[module])).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.name: node.module for alias in node.names}
        elif isinstance(node, ast.Assign | ast.ClassDef):
            targets = node.targets if isinstance(node, ast.Assign) else [ast.Name(node.name)]
            found |= {target.id: module for target in targets if isinstance(target, ast.Name)}
    return found


def imports(functions: dict[str, Any], text: str) -> str:
    """Return the imports of the names that the types use."""
    known = {"overload": "typing", "Literal": "typing", "Any": "typing", "Sequence": "collections.abc"}
    for function in functions.values():
        known |= homes(inspect.unwrap(function).__module__)
    known |= dict.fromkeys(("Tensor", "Array", "PlainArrayLike", "Op"), "tinygrad_edu.engine")
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)} - set(functions)
    lines = [f"from {known[name]} import {name}" for name in sorted(used & set(known))]
    return "\n".join([*(["import numpy as np"] if "np" in used else []), *lines])


def exports(module: ModuleType, names: list[str], functions: dict[str, Any]) -> str:
    """Return the imports of the public names that are not functions of this module."""
    lines = [f"from {homes_of(getattr(module, name), name)} import {name} as {name}" for name in names]
    if module is ops:
        lines += [f"from tinygrad_edu.ops import {name} as {name}" for name in SUBMODULES]
    return "\n".join(line for line in lines if line.rpartition(" ")[2] not in functions)


def homes_of(value: Any, name: str) -> str:
    """Return the module to import a public name from: the package that has a stub of it, or its own."""
    return "tinygrad_edu.ops" if name in vars(ops)["__all__"] else str(value.__module__)


def stub(name: str) -> str:
    """Return the text of a stub."""
    module, doc = MODULES[name]
    names: list[str] = vars(module)["__all__"]
    own = [each for each in names if module is ops or each not in vars(ops)["__all__"]]
    functions: dict[str, Callable[..., Any]] = {
        each: getattr(module, each) for each in own if not inspect.isclass(getattr(module, each))
    }
    body = "\n\n".join(declaration(each, function) for each, function in functions.items())
    if module is ops:
        body += "\n\nregistry: dict[str, Op]"
    return formatted(
        "\n".join([BEGIN.format(doc=doc), imports(functions, body), exports(module, names, functions), body])
    )


def formatted(text: str) -> str:
    """Sort the imports and wrap the lines of a stub."""
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--select=I", "--fix", "--quiet"], ["format"]):
        text = subprocess.run(
            [*ruff, *command, "--stdin-filename=stub.pyi", "-"], input=text, capture_output=True, text=True, check=True
        ).stdout
    return text


def path(name: str) -> Path:
    """Return the file of a stub."""
    return Path(ops.__file__).parent.parent / f"{name}.pyi"


if __name__ == "__main__":
    for each in MODULES:
        path(each).write_text(stub(each))
