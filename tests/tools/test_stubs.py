"""The stubs are current, and the results for Tensors and for arrays have the declared types."""

import ast
import inspect
import types
import typing
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import share, thorough
from tinygrad_edu import transforms
from tinygrad_edu.engine import Op, Tensor
from tinygrad_edu.ops.linear_algebra import decompositions, determinants
from tinygrad_edu.testing.strategies import OP_CALLS, calls
from tinygrad_edu.testing.strategies.op_calls.several import SEVERAL
from tools import stubs

A = np.array([[2.0, 1.0], [1.0, 3.0]])
LABELS, SIGNS, IMAGES = np.array([0, 1]), np.array([1, -1]), np.ones((1, 1, 4, 4))
SETS = np.array([[0, -1], [1, -1]])
SEQUENCES = ("concatenate", "stack", "hstack", "vstack", "dstack", "column_stack")
# Calls of functions without a strategy, or with several results. Each A in turn, or all, are replaced by a Tensor.
CALLS = {
    **{name: [([A, A],)] for name in SEQUENCES},
    **{name: [(A,), (A, A)] for name in ("atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "meshgrid")},
    **{name: [(A,), (A, 1, True)] for name in ("all", "any", "argmax", "argmin", "count_nonzero")},
    **{name: [(A,)] for name in ("argsort", "flatnonzero", "isfinite", "isinf", "isnan", "logical_not", "nonzero")},
    **{name: [(A, A)] for name in ("isclose", "logical_and", "logical_or", "logical_xor")},
    **{name: [(A,)] for name in ("cholesky", "eigh", "eigvalsh", "slogdet", "matrix_rank")},
    **{name: [(IMAGES, 2), {"x": IMAGES, "kernel_size": 2, "return_indices": True}] for name in ("max_pool2d",)},
    "max_pool1d": [(IMAGES[0], 2), {"x": IMAGES[0], "kernel_size": 2, "return_indices": True}],
    "max_pool3d": [(IMAGES, 1), {"x": IMAGES, "kernel_size": 1, "return_indices": True}],
    "adaptive_max_pool3d": [(IMAGES, 1), (IMAGES, 1, True)],
    "adaptive_max_pool2d": [(IMAGES, 2), (IMAGES, 2, True)],
    "adaptive_max_pool1d": [(IMAGES[0], 2), (IMAGES[0], 2, True)],
    "average": [(A,), {"x": A, "weights": A}, {"x": A, "returned": True}],
    **{name: [(A, 2), (A, [1], 1)] for name in ("split", "array_split")},
    **{name: [(np.ones((2, 2, 2)), 2)] for name in ("hsplit", "vsplit", "dsplit")},
    **{name: [(A,), (A, 1)] for name in ("unbind", "unstack")},
    "block": [([[A, A]],)],
    "einsum": [("ij,jk->ik", A, A), (A, [0, 1], A, [1, 2])],
    "unique": [(A,), {"x": A, "return_counts": True}, (A, True, True, True)],
    "one_hot": [(LABELS,)],
    "searchsorted": [(A[0], A)],
    "digitize": [(A, A[0, ::-1])],
    **{name: [(3,), (3, 1, 2)] for name in ("tril_indices", "triu_indices")},
    "multi_dot": [([A, A, A],)],
    "qr": [(A,), (A, "complete"), (A, "r")],
    "svd": [(A,), {"x": A, "compute_uv": False}, (A, True, False)],
    **{name: [(A, A), (A, A, "sum"), (A, A, "none")] for name in ("mse_loss", "l1_loss", "smooth_l1_loss")},
    "huber_loss": [(A, A), {"input": A, "target": A, "weight": A}],
    "binary_cross_entropy": [(A / 4, A / 4), (A / 4, A / 4, A)],
    "binary_cross_entropy_with_logits": [(A, A / 4), {"input": A, "target": A / 4, "pos_weight": A}],
    "nll_loss": [(A, LABELS), (A, LABELS, A[0])],
    "multilabel_soft_margin_loss": [(A, A / 4), (A, A / 4, A)],
    "gaussian_nll_loss": [(A, A, A)],
    "kl_div": [(A, A)],
    "poisson_nll_loss": [(A, A)],
    "ctc_loss": [(A[:, None], [[1]], [2], [1])],
    "hinge_embedding_loss": [(A, np.ones((2, 2)))],
    "soft_margin_loss": [(A, np.ones((2, 2)))],
    "multi_margin_loss": [(A, LABELS), {"input": A, "target": LABELS, "weight": A[0]}],
    "multilabel_margin_loss": [(A, SETS)],
    "cosine_embedding_loss": [(A, A, SIGNS)],
    "margin_ranking_loss": [(A, A, np.ones((2, 2)))],
    "triplet_margin_loss": [(A, A, A)],
    "triplet_margin_with_distance_loss": [(A, A, A)],
}
FUNCTIONS = {
    name: getattr(module, name)
    for module, _ in stubs.MODULES.values()
    for name in vars(module)["__all__"]
    if not inspect.isclass(getattr(module, name))
}
BY_STRATEGY = [name for name in FUNCTIONS if name in OP_CALLS and name not in {*CALLS, *SEVERAL}]
# An array may be a NumPy scalar, as in NumPy.
NAMES = {"Tensor": Tensor, "Array": np.ndarray | np.generic, "np": np, "Literal": typing.Literal, "Sequence": Sequence}
NAMES |= {"float": float | int, "Any": typing.Any, "PlainArrayLike": np.ndarray | np.generic | float | int | Sequence}
for result in ("EighResult", "QRResult", "SVDResult"):
    NAMES[result] = getattr(decompositions, result)
NAMES["SlogdetResult"] = determinants.SlogdetResult


def has_type(value, hint):
    """Return whether a value has the type of an annotation."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is typing.Any or hint is None:
        return hint is typing.Any or value is None
    if origin is types.UnionType or origin is typing.Union:
        return any(has_type(value, each) for each in inner)
    if origin is typing.Literal:
        return any(value is each for each in inner) or value in [each for each in inner if isinstance(each, str)]
    if origin is None:
        return isinstance(value, hint)
    if not isinstance(value, origin):
        return False
    if origin is not tuple:  # a list, or a named tuple of one type
        return all(has_type(part, inner[0]) for part in value)
    if inner[-1] is Ellipsis:
        inner = (inner[0],) * len(value)
    elif typing.get_origin(inner[-1]) is tuple:  # *tuple[Array, ...]
        inner = (*inner[:-1], *[typing.get_args(inner[-1])[0]] * (len(value) - len(inner) + 1))
    return len(value) == len(inner) and all(map(has_type, value, inner))


def accepts(signature, args, settings):
    """Return whether an overload accepts a call. Only types with Tensors, arrays or literals are checked."""
    try:
        bound = signature.bind(*args, **settings).arguments
    except TypeError:
        return False
    for name, value in bound.items():
        parameter = signature.parameters[name]
        if any(word in parameter.annotation for word in ("Tensor", "Array", "Literal", "None", "str")):
            hint = eval(parameter.annotation, {**NAMES, "DTypeLike": typing.Any, "OutputSize": typing.Any} | ALIASES)
            values = value if parameter.kind is parameter.VAR_POSITIONAL else [value]
            if not all(has_type(each, hint) for each in values):
                return False
    return True


ALIASES = dict.fromkeys(("Pair", "Row", "Triple", "Size", "Axis", "ArrayLike", "Reduction", "Distance"), typing.Any)


def require_declared(name, function, args, settings):
    """Require that the result of a call has the type that the first overload for it declares."""
    found = next(s for s in stubs.signatures(name, function) if accepts(s, args, settings))
    out = function(*args, **settings)
    assert has_type(out, eval(found.return_annotation, NAMES)), f"{name}{found} returned {out!r}"


def with_tensors(values, chosen):
    """Return values with a Tensor in place of each chosen array; `chosen` is True for all, else the number of one."""
    count = 0

    def convert(value):
        nonlocal count
        if isinstance(value, list):
            return [convert(part) for part in value]
        if not isinstance(value, np.ndarray):
            return value
        count += 1
        return Tensor(value) if chosen is True or chosen == count - 1 else value

    return [convert(value) for value in values]


@pytest.mark.parametrize("name", stubs.MODULES)
def test_the_stubs_are_current(name):
    assert stubs.path(name).read_text() == stubs.stub(name)


def test_every_function_is_called():
    assert set(FUNCTIONS) <= {*BY_STRATEGY, *CALLS}


@pytest.mark.parametrize("name", thorough(BY_STRATEGY, quick=BY_STRATEGY[::6]))
def test_results_of_drawn_calls_have_the_declared_types(name):
    @settings(max_examples=share(5), deadline=None)
    @given(calls(name), st.sampled_from([True, None, 0, 1, 2]))
    def check(call, chosen):
        if isinstance(FUNCTIONS[name], Op) or call.function is FUNCTIONS[name]:
            inputs = with_tensors([*call.inputs], chosen)
            require_declared(name, FUNCTIONS[name], inputs, call.settings)

    check()


@pytest.mark.parametrize("name", CALLS)
def test_results_have_the_declared_types(name):
    for call, chosen in product(CALLS[name], [True, None, 0, 1]):
        named = call if isinstance(call, dict) else {}
        values = with_tensors([*named.values()] if named else [*call], chosen)
        args, settings = ([], dict(zip(named, values, strict=True))) if named else (values, {})
        require_declared(name, FUNCTIONS[name], args, settings)


# The stub declares these; it imports the others from typed modules.
OVERLOADED = [name for name in transforms.__all__[1:] if name not in ("checkpoint", "custom_vjp", "vmap")]


@pytest.mark.parametrize("name", OVERLOADED)
def test_the_last_overload_of_a_transform_has_its_parameters(name):
    tree = ast.parse(Path(transforms.__file__).with_suffix(".pyi").read_text())
    last = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name][-1]
    shown = str(inspect.signature(getattr(tg, name))).partition(" -> ")[0].replace("'", "").replace(" = ", "=")
    assert f"({ast.unparse(last.args)})".replace(" = ", "=") == shown
