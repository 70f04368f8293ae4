"""The calls that the campaign draws from: the lines of the PyTorch tables and of `settings.txt`.

A line has our expression, PyTorch's, and the kind and shape of each input. A line of `settings.txt` also has options,
such as ``$p: 0; 1; (1, 2)``; one choice is drawn for both sides::

    tg.max_pool2d(x, 2, padding=$p) | F.max_pool2d(x, 2, padding=$p) | x: distinct 2 3 5 5 | $p: 0; 1
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.ops.methods import METHODS
from tools import layer_table, torch_table

SETTINGS = Path(__file__).with_name("settings.txt")
OPERATORS: dict[str, ast.operator] = {
    "add": ast.Add(), "subtract": ast.Sub(), "multiply": ast.Mult(), "divide": ast.Div(), "matmul": ast.MatMult(),
    "floor_divide": ast.FloorDiv(), "remainder": ast.Mod(), "power": ast.Pow(),
}  # fmt: skip
# Full names of the modules in the expressions.
FULL = {"ours": {"nn": "tg.nn"}, "theirs": {"nn": "torch.nn", "F": "torch.nn.functional"}}


# Replacements for calls that PyTorch lacks, valid only for inputs of the declared kind and shape.
NARROW = {
    "x ** (1 / 3)",
    "x.sign() * x.abs() ** (1 / 3)",
    "torch.abs(x) * torch.sign(y)",
    "torch.linalg.solve(a, b[:, None])[..., 0]",
    "x * torch.arange(1, 3, 0.5)",
    "x * torch.eye(3, 4)",
    "F.relu6(x + 3) / 6",
    "F.pad(x * x, (2, 2, 2, 2))",
    'F.pad(x * x, (0, 4, 2, 2), "circular")',
    "torch.tril(x, -1)",
    "((x * w).sum(0, keepdim=True) / w.sum(0, keepdim=True), w.sum(0, keepdim=True))",
    "torch.vstack([torch.hstack([x * x, y]), torch.hstack([y * y, x])])",
}


class Line(NamedTuple):
    """A call: our expression, PyTorch's, the kind and shape of each input, and the choices for each option.

    For a layer, `ours` and `theirs` create the module, and `call` calls it as ``m``. For a function, `call` is empty.
    """

    ours: str
    theirs: str
    inputs: dict[str, tuple[str, tuple[int, ...]]]
    call: str
    settings: dict[str, list[str]]


@cache
def lines() -> tuple[Line, ...]:
    """Return all lines of the tables, functions before layers."""
    functions = [torch_table.FOLDER / f"{name}.txt" for name in torch_table.names()]
    layers = [layer_table.FOLDER / f"{name}.txt" for name in layer_table.names()]
    return (
        *(_function(*row) for path in (SETTINGS, *functions) for row in _rows(path)),
        *(_layer(*row) for path in layers for row in _rows(path)),
    )


def _rows(path: Path) -> Iterator[list[str]]:
    for row in path.read_text().splitlines():
        if row and not row.startswith("#"):
            yield [part.strip() for part in row.split(" | ")]


def _function(ours: str, theirs: str, declared: str, settings: str = "") -> Line:
    choices = dict(setting.strip().split(": ", 1) for setting in settings.split("$") if setting)
    drawn = {name: [choice.strip() for choice in given.strip(" ;").split(";")] for name, given in choices.items()}
    return Line(ours, theirs, torch_table.declarations(declared), "", drawn)


def _layer(ours: str, theirs: str, declared: str, call: str = "") -> Line:
    inputs = torch_table.declarations(declared)
    return Line(ours, theirs, inputs, call or f"m({', '.join(inputs)})", {})


# Matches the public names in an expression: functions, methods of a Tensor, layers and losses.
PUBLIC = re.compile(r"\b(?:tg\.(linalg\.\w+|nn\.\w+|\w+)|(nn\.\w+)|np\.(\w+))\b|(?<=[\w)\]])\.(\w+)")


@cache
def names_in(expression: str) -> frozenset[str]:
    """Return the public functions and layers in an expression, such as ``norm``, ``linalg.norm``, ``nn.Linear``."""
    found = {next(filter(None, match), "") for match in PUBLIC.findall(expression)}
    return frozenset(found & every_name()) or frozenset({"getitem"})


def public_names(line: "Line") -> frozenset[str]:
    """Return the public functions and layers of a line."""
    return names_in(line.ours)


@cache
def every_name() -> frozenset[str]:
    """Return all public names: functions, methods, layers and losses."""
    return _public("") | {f"linalg.{n}" for n in _public("linalg")} | {f"nn.{n}" for n in vars(tg.nn)["__all__"]}


@cache
def _public(file: str) -> frozenset[str]:
    """Return the public functions of a module of `tinygrad_edu.ops`; of all modules if `file` is empty."""
    names: list[str] = vars(import_module(f"tinygrad_edu.ops.{file}".rstrip(".")))["__all__"]
    return frozenset(names)


ELEMENTWISE_FILES = ("arithmetic", "selection", "powers", "sigmoids", "error_function", "trigonometry")
ELEMENTWISE = frozenset(
    name
    for file in (*(f"elementwise.{f}" for f in ELEMENTWISE_FILES), "networks.activations")
    for name in _public(file)
    if name not in ("glu", "logaddexp", "tanhshrink")  # pairs of inputs, or cancellation
) | {"isclose", "isfinite", "isinf", "isnan", "logical_and", "logical_not", "logical_or", "logical_xor"}


class _Numpy:
    """NumPy in place of `tg`: ``tg.linalg.norm`` is ``np.linalg.norm``."""

    linalg = np.linalg

    def __getattr__(self, name: str) -> object:
        return getattr(np, name)


NUMPY = _Numpy()
OTHERWISE = {"put_along_axis"}  # NumPy's function changes its argument in place


# Functions that need much more memory or time than the size of their inputs: their inputs are small.
GROWING = frozenset(
    {
        "diag",
        "diagflat",
        "outer",
        "kron",
        "inner",
        "dot",
        "vdot",
        "tensordot",
        "einsum",
        "bmm",
        "meshgrid",
        "bilinear",
        "prod",
        "cumprod",
        "nn.multilabel_margin_loss",
        "nn.MultiLabelMarginLoss",
        "scaled_dot_product_attention",
        "nn.MultiheadAttention",
        "nn.Transformer",
        "nn.TransformerDecoder",
        "nn.TransformerDecoderLayer",
        "nn.TransformerEncoder",
        "nn.TransformerEncoderLayer",
        "nn.RNN",
        "nn.GRU",
        "nn.LSTM",
    }
)


def grows(line: Line) -> bool:
    """Return whether the inputs of a line must be small."""
    return "linalg" in line.ours or bool(public_names(line) & GROWING)


@cache
def numpy_has(expression: str) -> bool:
    """Return whether NumPy has all functions in an expression."""
    for name in re.findall(r"\btg\.((?:linalg\.|nn\.)?\w+)", expression):
        owner, _, function = name.rpartition(".")
        if name in OTHERWISE or not hasattr({"": np, "linalg": np.linalg}.get(owner), function):
            return False
    return "tg." in expression or "np." in expression


@cache
def variables_in(expression: str) -> frozenset[str]:
    """Return all variable names in an expression: inputs, results and modules."""
    return frozenset(node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name))


@lru_cache(10_000)
def renamed(expression: str, names: tuple[tuple[str, str], ...], side: str) -> str:
    """Return an expression with renamed inputs and full module names."""
    full = {name: ast.parse(text, mode="eval").body for name, text in FULL[side].items()}

    class Renamed(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return ast.Name(given[node.id], node.ctx) if node.id in given else full.get(node.id, node)

    given = dict(names)
    return ast.unparse(Renamed().visit(ast.parse(expression, mode="eval")))


def rename(expression: str, names: Mapping[str, str], side: str) -> str:
    """Call `renamed` with a mapping."""
    return renamed(expression, tuple(names.items()), side)


@cache
def forms(expression: str) -> dict[str, str]:
    """Return other forms of ``tg.add(x, y)``, if they exist: ``x + y``, ``x.add(y)``, ``np.add(x, y)``."""
    call = ast.parse(expression, mode="eval").body
    match call:
        case ast.Call(ast.Attribute(ast.Name("tg"), name), [ast.Name() as first, *others], keywords):
            pass
        case _:
            return {}
    found = {}
    if name in METHODS:
        found["method"] = ast.unparse(ast.Call(ast.Attribute(first, name), others, keywords))
    if name in OPERATORS and len(others) == 1 and not keywords:
        found["operator"] = ast.unparse(ast.BinOp(first, OPERATORS[name], others[0]))
    if hasattr(np, name) and name in _public("") and _numpy_takes(getattr(np, name), [k.arg for k in keywords]):
        found["NumPy"] = ast.unparse(ast.Call(ast.Attribute(ast.Name("np"), name), [first, *others], keywords))
    return found


def _numpy_takes(function: Any, keywords: Sequence[str | None]) -> bool:
    """Return whether NumPy's function accepts these keywords."""
    return not keywords or (not isinstance(function, np.ufunc) and {*keywords} <= {*signature(function).parameters})
