"""Mutants from source changes: all single changes of a function, as edits of the text of its file.

A change replaces one operator, operand, call, sign, comparison, number or name.
"""

import ast
import copy
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FunctionNode = ast.Lambda | ast.FunctionDef


@dataclass(frozen=True)
class Edit:
    """Replacement text for the bytes from `start` to `end` of a file."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Change:
    """One change of a mutant: a description, and the edits."""

    kind: str
    edits: tuple[Edit, ...]


class Source:
    """A Python file: its text, its syntax tree, and the positions of the nodes."""

    def __init__(self, path: Path) -> None:
        self.path, self.text = path, path.read_text("utf-8")
        self.tree = ast.parse(self.text, str(path))
        self._lines = [0]
        for line in self.text.encode().splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def span(self, node: ast.expr | ast.stmt | ast.arg) -> tuple[int, int]:
        """Return the first byte of a node, and the first byte after it."""
        lines = self._lines[node.lineno - 1], self._lines[(node.end_lineno or node.lineno) - 1]
        return lines[0] + node.col_offset, lines[1] + (node.end_col_offset or 0)

    def edited(self, edits: Sequence[Edit], start: int = 0, end: int | None = None) -> str:
        """Return the text from `start` to `end` after edits."""
        parts, position = [], start
        for edit in sorted(edits, key=lambda edit: edit.start):
            parts += [self.text.encode()[position : edit.start], edit.text.encode()]
            position = edit.end
        return b"".join([*parts, self.text.encode()[position:end]]).decode()

    def diff(self, change: Change) -> str:
        """Return a change as a unified diff."""
        old, new = (text.splitlines(keepends=True) for text in (self.text, self.edited(change.edits)))
        name = str(self.path)
        return "".join(difflib.unified_diff(old, new, name, name, tofiledate=change.kind, n=2))


def changes(source: Source, function: FunctionNode, offered: Sequence[str] = ()) -> Iterator[Change]:
    """Yield every single change of a function in the tree of a source.

    A changed name is replaced with each name in `offered`, by default the function's own names. If the function has no
    parameter of that name, one is added.
    """
    arguments = [a.arg for a in function.args.args]
    body = function.body if isinstance(function.body, list) else [function.body]
    own_names = (name for name in [*arguments, *_assigned(body)] if name not in ("self", "ctx"))
    names = list(dict.fromkeys(offered or own_names))
    for node in (node for statement in body for node in _in_order(statement)):
        for kind, replacement in _replacements(node, names):
            assert isinstance(node, ast.expr)
            edits = [Edit(*source.span(node), _in_brackets(replacement))]
            # The value of a new name must be saved for the backward pass, as a parameter of the vjp.
            if isinstance(replacement, ast.Name) and replacement.id in offered and replacement.id not in arguments:
                _, after_g = source.span(function.args.args[0])
                edits.append(Edit(after_g, after_g, f", {replacement.id}"))
            yield Change(f"source: {kind}", tuple(edits))


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and its descendants in reading order."""
    yield node
    if not isinstance(node, ast.JoinedStr):  # the nodes inside an f-string have no exact positions
        for child in ast.iter_child_nodes(node):
            yield from _in_order(child)


def _assigned(body: Sequence[ast.AST]) -> list[str]:
    """Return the names that a function assigns to."""
    nodes = (node for statement in body for node in _in_order(statement))
    return [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _in_brackets(node: ast.expr) -> str:
    atom = isinstance(node, ast.Name | ast.Constant | ast.Call | ast.Attribute | ast.Subscript)
    return ast.unparse(node) if atom else f"({ast.unparse(node)})"


SWAPS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
FLIPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE, ast.Eq: ast.NotEq,
}  # fmt: skip


def _replacements(node: ast.AST, names: Sequence[str]) -> Iterator[tuple[str, ast.expr]]:
    """Yield (description, replacement) for each way to break this node."""
    if isinstance(node, ast.BinOp):
        yield f"only the left of {ast.unparse(node)}", node.left
        yield f"only the right of {ast.unparse(node)}", node.right
        if type(node.op) in SWAPS:
            swapped = copy.copy(node)
            swapped.op = SWAPS[type(node.op)]()
            yield f"{ast.unparse(swapped)} for {ast.unparse(node)}", swapped
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield f"{ast.unparse(node.operand)} for {ast.unparse(node)}", node.operand
    if isinstance(node, ast.Call) and node.args and not isinstance(node.args[0], ast.Starred):
        yield f"{ast.unparse(node.args[0])} for {ast.unparse(node)}", node.args[0]
    if isinstance(node, ast.Compare) and type(node.ops[0]) in FLIPS:
        flipped = copy.copy(node)
        flipped.ops = [FLIPS[type(node.ops[0])](), *node.ops[1:]]
        yield f"{ast.unparse(flipped)} for {ast.unparse(node)}", flipped
    if isinstance(node, ast.Constant) and (type(node.value) is int or type(node.value) is float):
        yield f"{node.value + 1} for {node.value}", ast.Constant(node.value + 1)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        yield from ((f"{name} for {node.id}", ast.Name(name, ast.Load())) for name in names if name != node.id)


def wrapped(source: Source, function: FunctionNode, kind: str) -> Change:
    """Return the change that wraps a function with `mutant`."""
    start, end = source.span(function)
    if isinstance(function, ast.FunctionDef):
        return Change(kind, (Edit(start, start, f'@mutant("{kind}")\n{" " * function.col_offset}'),))
    return Change(kind, (Edit(start, start, f'mutant("{kind}")('), Edit(end, end, ")")))


# --- The functions of a file that are vjps ---


def vjps_of_ops(source: Source) -> dict[tuple[str, str], FunctionNode | None]:
    """Return the functions in a file's calls of `vjps`, by op and argument; None for functions of other files."""
    defined = {node.name: node for node in source.tree.body if isinstance(node, ast.FunctionDef)}
    vjps: dict[tuple[str, str], FunctionNode | None] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "vjps":
            for keyword in node.keywords:
                value = keyword.value
                function = defined.get(value.id) if isinstance(value, ast.Name) else value
                key = ast.unparse(node.func.value), str(keyword.arg)
                vjps[key] = function if isinstance(function, FunctionNode) else None
    return vjps


_NAMES = ("backward", "vjp", "bwd", "grad", "gradient")
_DEFINING = ("defvjp", "defvjp_argnum", "vjps", "register_autograd", "defvjps")


def vjps_in(source: Source, chosen: Sequence[str] = ()) -> dict[str, FunctionNode]:
    """Return the functions of a file that look like vjps of a framework, by name, or only the chosen ones.

    These are functions with names such as ``backward``, ``softplus_grad``, ``softplus_vjp`` and ``softplus_bwd``, and
    arguments of ``defvjp`` and similar functions.
    """
    functions: dict[str, FunctionNode] = dict(_named_functions(source.tree))
    if chosen:
        return {name: function for name, function in functions.items() if name in chosen}
    vjps = {name: f for name, f in functions.items() if name.rpartition(".")[2].rpartition("_")[2] in _NAMES}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _DEFINING:
            vjps |= dict(_functions_in_call(node, functions))
    return vjps


def _named_functions(node: ast.AST, inside: str = "") -> Iterator[tuple[str, FunctionNode]]:
    """Yield (name, function) for all functions; methods are named ``Class.name``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield inside + child.name, child
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from _named_functions(child, f"{inside}{child.name}.")
        else:
            yield from _named_functions(child, inside)


def _functions_in_call(call: ast.Call, functions: dict[str, FunctionNode]) -> Iterator[tuple[str, FunctionNode]]:
    """Yield the lambdas among the arguments of a call, and the functions named in arguments after the first."""
    owner = ast.unparse(call.func).rpartition(".")[0] or ast.unparse(call.args[0])
    keywords = [(f"{owner}.{keyword.arg}", keyword.value) for keyword in call.keywords]
    for name, value in [*((f"{owner}.{k}", value) for k, value in enumerate(call.args)), *keywords]:
        if isinstance(value, ast.Lambda):
            # autograd's vjps are nested, as in lambda ans, x: lambda g: g / x
            yield name, value.body if isinstance(value.body, ast.Lambda) else value
        elif isinstance(value, ast.Name) and value.id in functions and name != f"{owner}.0":
            yield value.id, functions[value.id]
