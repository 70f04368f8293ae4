"""check_module: check the gradients of a module with respect to its parameters and inputs, and other properties.

A module must have the methods ``named_parameters``, ``state_dict``, ``load_state_dict``, ``train`` and ``eval``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Storage, Tensor, from_numpy, leaf, no_grad, values_of
from tinygrad_edu.errors import DataError, DTypeError, StateDictError
from tinygrad_edu.ops import concatenate, reshape
from tinygrad_edu.pytree import tree_leaves
from tinygrad_edu.testing.claim import Claim
from tinygrad_edu.testing.decision import Pullback, compare
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.laws.module_replay import run
from tinygrad_edu.testing.laws.sample_independence import require_sample_independence
from tinygrad_edu.testing.numeric.low_precision import Cotangents, compare_in_low_precision
from tinygrad_edu.testing.numeric.sampling import draw_signed, seeded
from tinygrad_edu.testing.op_call import argument_names
from tinygrad_edu.testing.purity import copies, require_deterministic, require_unwritten
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report, Verdict


@reproducible
def check_module(module: Any, *inputs: Any, rng: np.random.Generator | None = None) -> Report:
    """Check the gradients of a module with respect to its parameters and inputs, in training and evaluation mode.

    The check also requires that float32 inputs give float32 results and correct float32 gradients, that the module does
    not write into its inputs, that `load_state_dict` restores the state that `state_dict` saved, and that samples are
    independent if the module declares ``couples_samples = False``. Every call starts with the same states of the
    Generators in the module, so dropout uses the same masks. Frozen parameters are constant. Afterwards the module is
    unchanged.

    Parameters
    ----------
    module : Module
    *inputs : array_like
        A batch. Integer inputs such as labels are constant. Alternatively, one Hypothesis strategy that draws a batch
        or a tuple of inputs; the Hypothesis profile sets the number of examples.
    rng : numpy.random.Generator, optional
        Draws the cotangent and the directions. Default: a generator with a fixed seed.

    Raises
    ------
    GradientMismatch, NotDifferentiableHere
        As in `check_gradient`; the message names the parameter.
    LawBroken
        Another property does not hold.
    DataError
        A strategy is passed inside a Hypothesis test.
    DTypeError
        The module is PyTorch's or Keras's: use `check_torch` or `check_keras`.

    Notes
    -----
    The floating-point arrays of a nested result are checked together, as one vector.

    A module that declares ``couples_samples = False`` is called with parts of the batch, and with a batch in which some
    samples are replaced. The results and gradients of the other samples must not change, the first axis of every array
    in the result must be the samples, and no attribute, buffer, list, dict or array of the module may change. A call
    that draws random numbers is not compared with parts of the batch, because parts would draw other numbers.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_module(tg.nn.Linear(3, 2), np.ones((4, 3)))
    <Report: right>

    >>> class Centered(tg.nn.Module):
    ...     couples_samples = False
    ...
    ...     def forward(self, x):
    ...         return x - x.mean(axis=0)
    >>> try:
    ...     check_module(Centered(), np.array([[1.0, 2.0], [3.0, 5.0]]))
    ... except LawBroken as error:
    ...     print(str(error).partition(", but ")[2].partition(".")[0])
    the result of a sample changes when other samples are replaced
    """
    if len(inputs) == 1 and hasattr(inputs[0], "example"):
        return _for_all(module, inputs[0], rng)
    for framework in {cls.__module__.partition(".")[0] for cls in type(module).__mro__} & {"torch", "keras"}:
        raise DTypeError(
            f"check_module: expected a tinygrad_edu module, got one of {framework}; use check_{framework}."
        )
    arrays = [np.asarray(values_of(x)) for x in inputs]
    training, report = getattr(module, "training", True), Report(_title(module))
    try:
        _run_laws(report, module, arrays, seeded(rng))
    finally:
        module.train() if training else module.eval()
    return report.conclude()


def _run_laws(report: Report, module: Any, arrays: Sequence[Array], rng: np.random.Generator) -> None:
    """Run the laws in both modes, until one of them is broken."""
    wide = _astype(arrays, np.float64)
    for mode in ("train", "eval"):
        getattr(module, mode)()
        with _in_float64(module):
            if not report.run(f"sample independence ({mode})", require_sample_independence, module, wide, mode, rng):
                return
            if not report.run(f"slope ({mode})", _gradients_are_right, module, arrays, mode, rng):
                return
        if not report.run(f"float32 ({mode})", _gradients_are_float32, module, arrays, rng):
            return
    with _in_float64(module):
        report.run("state", _state_is_restored, module, arrays)


def _for_all(module: Any, strategy: Any, rng: np.random.Generator | None) -> Report:
    """Check a module at inputs from a strategy, with the same random numbers for each example."""
    from hypothesis import currently_in_test_context, given, settings

    if currently_in_test_context():
        raise DataError(
            "check_module: a strategy is not supported inside a Hypothesis test; draw the inputs with @given, and pass "
            "the drawn inputs."
        )
    report = Report(_title(module))
    seed, deadline = seeded(rng).integers(2**63), settings().deadline
    if deadline == settings.get_profile("default").deadline:
        deadline = None  # Hypothesis's default of 200 ms is too short for a module

    @settings(deadline=deadline)
    @given(strategy)
    def check_example(inputs: Any) -> None:
        drawn = inputs if isinstance(inputs, tuple) else (inputs,)
        nonlocal report
        report = check_module(module, *drawn, rng=np.random.default_rng(seed))

    check_example()
    return report


def _title(module: Any) -> str:
    return f"module {type(module).__name__}"


def _require(holds: bool, module: Any, law: str) -> None:
    if not holds:
        raise LawBroken(f"{_title(module)}: {law}.")


# --- Running a module many times ---


@contextmanager
def _with_parameters(module: Any, values: Sequence[Array], dtype: Any) -> Iterator[None]:
    """Replace the parameters with arrays of any dtype during the context.

    Frozen parameters keep their values, in the given dtype if it is wider.
    """
    trained = _parameters(module)
    parameters = [*trained, *(p for _, p in module.named_parameters() if p.frozen)]
    originals = [(p._data, p._node, p._storage) for p in parameters]
    state = module.state_dict()

    try:
        for p, x in zip(trained, values, strict=True):
            p._data, p._node, p._storage = x, leaf(x), Storage.new()
        for p in parameters[len(trained) :]:
            p._data, p._storage = p._data.astype(np.promote_types(p.dtype, dtype)), Storage.new()
        yield
    finally:
        for p, (data, node, storage) in zip(parameters, originals, strict=True):
            p._data, p._node, p._storage = data, node, storage
        with suppress(StateDictError):  # the module may have gained a tensor
            module.load_state_dict(state)


def _in_float64(module: Any) -> AbstractContextManager[None]:
    return _with_parameters(module, [p._data.astype(np.float64) for p in _parameters(module)], np.float64)


def _run(module: Any, inputs: Sequence[Any]) -> Any:
    """Return the result of a call; if it is nested, its floating-point arrays as one array."""
    out = run(module, inputs)
    leaves = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor | np.ndarray)]
    if out is not leaves[0]:
        out = concatenate([reshape(leaf, -1) for leaf in leaves if leaf.dtype.kind == "f"])
    return out if isinstance(out, Tensor) else from_numpy(out)


def _evaluate(module: Any, arrays: Sequence[Array]) -> Array:
    with no_grad():
        values: Array = _run(module, list(map(from_numpy, copies(arrays)))).numpy()
    return values


def _recorded(module: Any, arrays: Sequence[Array]) -> tuple[Array, Pullback]:
    """Return the result and its pullback, to the gradients of the floating-point inputs and of the parameters."""
    leaves = [from_numpy(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    out = _run(module, leaves)
    targets = [*(t for t in leaves if t.requires_grad), *_parameters(module)]

    def pullback(g: Array) -> tuple[Array, ...]:
        for t in targets:
            t.grad = None
        if out.requires_grad:
            out.backward(g, retain_graph=True)
        return tuple(np.zeros(t.shape, t.dtype) if t.grad is None else t.grad for t in targets)

    return out.numpy(), pullback


def _parameters(module: Any) -> list[Any]:
    """Return the parameters that are not frozen."""
    return [p for _, p in module.named_parameters() if p.requires_grad]


def _floating(arrays: Sequence[Array]) -> list[Array]:
    return [x for x in arrays if x.dtype.kind == "f"]


def _replaced(arrays: Sequence[Array], floating: Sequence[Array]) -> list[Array]:
    """Return `arrays` with `floating` in place of the floating-point ones."""
    remaining = iter(floating)
    return [next(remaining) if x.dtype.kind == "f" else x for x in arrays]


def _astype(arrays: Sequence[Array], dtype: Any) -> list[Array]:
    return _replaced(arrays, [x.astype(dtype) for x in _floating(arrays)])


def _labels(module: Any, arrays: Sequence[Array]) -> tuple[str, ...]:
    """Return the names of the floating-point inputs and of the parameters."""
    inputs = zip(argument_names(module, len(arrays)), arrays, strict=True)
    floating = [name for name, x in inputs if x.dtype.kind == "f"]
    return (*floating, *(name for name, p in module.named_parameters() if p.requires_grad))


# --- The laws ---


def _gradients_are_right(
    module: Any, arrays: Sequence[Array], mode: str, rng: np.random.Generator
) -> Iterator[Verdict]:
    """Compare the gradient of each input and parameter with finite differences."""
    float64_arrays, parameters = _astype(arrays, np.float64), _parameters(module)
    inputs = _floating(float64_arrays)
    points = (*inputs, *(p._data.copy() for p in parameters))

    def value(*points: Array) -> Array:
        for p, x in zip(parameters, points[len(inputs) :], strict=True):
            p._data[...] = x
        return _evaluate(module, _replaced(float64_arrays, points))

    title = f"{_title(module)} ({mode})"
    at_point = require_deterministic(title, value, points)
    inputs_passed = copies(float64_arrays)
    out, pullback = _recorded(module, inputs_passed)
    cotangent = draw_signed(rng, out.shape)
    gradients = pullback(cotangent)
    require_unwritten(title, argument_names(module, len(arrays)), inputs_passed, float64_arrays)
    claim = Claim(title, value, points, _labels(module, arrays), at_point, cotangent, gradients)
    yield from compare(claim, rng, pullback, f"slope ({mode})")
    value(*points)


def _gradients_are_float32(module: Any, arrays: Sequence[Array], rng: np.random.Generator) -> None:
    """Check that float32 inputs and parameters give float32 results, and the float64 gradients up to rounding."""
    parameters = [p._data.copy() for p in _parameters(module)]
    if any(p.dtype != np.float32 for p in parameters):
        return
    narrow, labels = _astype(arrays, np.float32), _labels(module, arrays)
    inputs = _floating(narrow)

    def pull(points: Sequence[Array], cotangents: Cotangents) -> tuple[Array, Sequence[Array]]:
        with _with_parameters(module, points[len(inputs) :], points[0].dtype if points else np.float32):
            out, pullback = _recorded(module, _replaced(narrow, points))
            return out, pullback(cotangents[0][0])

    with _with_parameters(module, parameters, np.float32):
        out = _evaluate(module, narrow)
    _require(out.dtype == np.float32, module, f"float32 inputs and parameters give a result of {out.dtype}")
    g = draw_signed(rng, out.shape).astype(np.float32)
    mismatch, _ = compare_in_low_precision(pull, (*inputs, *parameters), [[g]], rng)
    if mismatch:
        k, description = mismatch
        raise LawBroken(
            f"{_title(module)}: the gradient of {labels[k]} is wrong in float32: {description}.\n{module!r}"
        )


def _state_is_restored(module: Any, arrays: Sequence[Array]) -> None:
    """Check that a saved state does not change with the module, and that loading it restores the results."""
    before, saved = _evaluate(module, arrays), module.state_dict()
    kept = {name: np.array(values) for name, values in saved.items()}
    for _, p in module.named_parameters():
        p.assign(p.data + 1)
    for name, values in saved.items():
        _require(np.array_equal(values, kept[name]), module, f"the saved value of {name} changes with the module")
    module.load_state_dict(saved)
    restored = np.array_equal(before, _evaluate(module, arrays), equal_nan=True)
    _require(restored, module, "load_state_dict does not restore the state that state_dict saved")
