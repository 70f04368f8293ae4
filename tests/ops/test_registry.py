"""Every op has a strategy and a public name."""

import inspect
from pathlib import Path

import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn, ops
from tinygrad_edu.ops import on_demand, registry
from tinygrad_edu.testing.strategies import NONDIFFERENTIABLE_CALLS, OP_CALLS, calls

# Functions of tg.linalg without a strategy: they return several results, read one triangle, take a list, or have no
# derivative. They are composed of ops, and test_linalg.py tests them.
OTHERS_OF_LINALG = {"LinAlgError", "cholesky", "eigh", "eigvalsh", "matrix_rank", "multi_dot", "qr", "slogdet", "svd"}

# Ops shared by several public functions, and the op of Dropout.
SHARED = {
    "bessel", "cumulative_extremum", "dropout", "max_pool", "normalization", "one_minus_square", "recurrence",
    "recurrent",
}  # fmt: skip


def test_the_name_of_an_op_in_errors_is_public():
    public = {*ops.__all__, *tg.linalg.__all__, *nn.__all__, *vars(tg.Tensor)}
    assert {op.name for op in registry.values()} - public == SHARED


def test_every_op_has_a_strategy():
    assert set(registry) <= set(OP_CALLS)


def test_every_public_function_has_a_strategy():
    assert set(tg.linalg.__all__) - OTHERS_OF_LINALG <= set(OP_CALLS)
    assert set(ops.__all__) <= {*OP_CALLS, *NONDIFFERENTIABLE_CALLS}


def test_every_strategy_is_of_an_op_or_function_that_exists():
    assert set(OP_CALLS) <= set(registry) | set(ops.__all__) | set(tg.linalg.__all__)


@pytest.mark.parametrize("files", [on_demand.OPS_FILES, on_demand.PACKAGE_FILES])
def test_the_table_of_files_lists_what_each_file_exports(files):
    listed = {file: [name for name in files if files[name] == file] for file in files.values()}
    assert listed == {file: list(on_demand.import_function(f"{file}.__all__")) for file in listed}


def test_no_other_file_exports_a_function():
    folder = Path(on_demand.__file__).parent
    exporting = {
        path for path in folder.rglob("*.py") if "\n__all__ = " in path.read_text() and path.stem != "__init__"
    }
    names = {".".join(path.relative_to(folder).with_suffix("").parts) for path in exporting}
    functions = [inspect.unwrap(getattr(tg.linalg, name)) for name in tg.linalg.__all__]
    of_linalg = {function.__module__.removeprefix("tinygrad_edu.ops.") for function in functions}
    assert names - of_linalg - {"linalg"} == {*on_demand.OPS_FILES.values(), *on_demand.PACKAGE_FILES.values()}


def test_an_op_without_a_strategy_is_named():
    with pytest.raises(LookupError, match="op cube has no strategy"):
        calls("cube")
