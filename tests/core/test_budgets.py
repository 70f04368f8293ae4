"""The core is small, is read in one order, and does not know the library."""

import ast
import io
import re
import sys
import tokenize
from itertools import chain

import pytest

from tinygrad_edu import core
from tinygrad_edu.core_copy import CORE, reading_order

SOURCES = {file.stem: file.read_text(encoding="utf-8") for file in sorted(CORE.glob("*.py"))}
TREES = {name: ast.parse(text) for name, text in SOURCES.items()}
ORDER = [file.stem for file in reading_order()]
NODES = {name: list(ast.walk(tree)) for name, tree in TREES.items()}
DEFINITIONS = ast.FunctionDef | ast.ClassDef
# Additions of the library, as whole words of the core's text. Each is made from outside.
ADDED = (
    "hook", "anomaly", "observer", "tape", "vmap", "batching", "onnx", "dlpack", "html", "pickle", "hint", "shard",
    "state_dict", "thread", "fast", "faster_than", "retain_grad", "hessian", "checkpoint", "library",
)  # fmt: skip


def lines_of_code(text):
    """Return the lines that have code: no comments, no docstrings."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    docstrings = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, DEFINITIONS | ast.Module) and ast.get_docstring(node)
        for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    code = chain.from_iterable(range(t.start[0], t.end[0] + 1) for t in tokens if t.type not in skipped)
    return {*code} - docstrings


def test_the_folder_is_small():
    assert len(SOURCES) <= 14
    assert sum(text.count("\n") for text in SOURCES.values()) <= 1400
    assert sum(len(lines_of_code(text)) for text in SOURCES.values()) <= 800


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_is_small(name):
    assert SOURCES[name].count("\n") <= 160
    for node in NODES[name]:
        if isinstance(node, DEFINITIONS):
            assert (ast.get_docstring(node) or "").count("\n") < 4, node.name
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 15, node.name


@pytest.mark.parametrize("name", ORDER)
def test_the_text_does_not_mention_the_additions_of_the_library(name):
    assert re.findall(rf"(?i)\b(?:{'|'.join(ADDED)})s?\b", SOURCES[name]) == []


def imports(name):
    """Yield each import of a file: the module, and the imported names."""
    for node in NODES[name]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module, [alias.name for alias in node.names]


def test_it_imports_numpy_the_errors_and_itself_only():
    for name in ORDER:
        for module, _ in imports(name):
            root = module.split(".")[0]
            assert root in {*sys.stdlib_module_names, "numpy"} or re.match(r"tinygrad_edu(\.core|\.errors|$)", module)
    assert [module for module, _ in imports("__main__")] == ["tinygrad_edu.core_copy"]


def files_needed(name):
    """Return the files of the core that a file imports."""
    found = (module for module, _ in imports(name) if module.startswith("tinygrad_edu.core"))
    both = {f"{module}.{each}" for module, names in imports(name) if module == "tinygrad_edu.core" for each in names}
    return {module.rpartition(".")[2] for module in (*found, *both)} & {*SOURCES}


def test_each_file_needs_earlier_ones_only():
    read = {"checks"}  # may be skipped
    for name in ORDER[1:]:
        assert files_needed(name) <= read, name
        read.add(name)


def test_only_the_operators_refer_forward():
    assert [name for name in ORDER if ("tinygrad_edu", ["core"]) in imports(name)] == ["operators"]


def test_all_names_are_offered():
    layers = {"Module", "Conv2D", "Linear", "Tanh", "Dropout", "Softmax", "Flatten", "Sequential"}
    assert {"Tensor", "op", "no_grad", "cross_entropy", "SGD", "check_gradient", *layers} <= {*core.__all__}
    assert all(hasattr(core, name) for name in core.__all__)
