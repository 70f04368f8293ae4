"""check_module: check the gradients of a module with respect to its parameters and inputs, and other properties.

A module must have the methods ``named_parameters``, ``state_dict``, ``load_state_dict``, ``train`` and ``eval``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import numpy as np

from tinygrad_edu.engine import Array, Storage, leaf
from tinygrad_edu.errors import DataError, DTypeError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.module import library_layer, warn_of_made_results
from tinygrad_edu.testing.decision import compare
from tinygrad_edu.testing.differentiable import require_deterministic, require_unwritten
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.flat_function import Claim
from tinygrad_edu.testing.laws import module_contract
from tinygrad_edu.testing.laws.module_call import ModuleCall, RecordedCall
from tinygrad_edu.testing.laws.module_contract import Contract
from tinygrad_edu.testing.laws.module_randomness import require_unbiased
from tinygrad_edu.testing.laws.module_replay import same_state, state_of
from tinygrad_edu.testing.laws.module_state import copy_of, require_restored, require_saved
from tinygrad_edu.testing.laws.sample_independence import require_batched, require_sample_independence
from tinygrad_edu.testing.numeric.low_precision import Cotangents, compare_in_low_precision
from tinygrad_edu.testing.numeric.sampling import draw_signed, seeded
from tinygrad_edu.testing.op_call import BoundFunction, unbound
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report, Verdict


@reproducible
def check_module(
    module: Any,
    *inputs: Any,
    rng: np.random.Generator | None = None,
    causal: int | None = None,
    reference: Callable[..., Any] | None = None,
    ties: Sequence[Sequence[str]] = (),
    unused: Sequence[str] = (),
    samples: Literal["independent"] | None = None,
    skip: Collection[str] = (),
) -> Report:
    """Check the gradients of a module with respect to its parameters and inputs, in training and evaluation mode.

    The check also requires that

    - float32 inputs give float32 results and correct float32 gradients,
    - the module does not write into its inputs,
    - the state dict has all that training calls change and that later results depend on,
    - each parameter gets a gradient,
    - samples are independent with ``samples="independent"``,
    - each submodule that declares ``unbiased = True`` has the mean of its evaluation.

    Every call starts with the same state of the module, so dropout uses the same masks. Frozen parameters are constant.
    Afterwards the module is unchanged, also if the check fails: its attributes, and the values of the tensors, arrays,
    Generators, lists, dicts and objects in them.

    Parameters
    ----------
    module : Module
    *inputs : array_like, or pytrees of them
        A batch. Integer inputs such as labels are constant. None, booleans, integers and strings are passed as they
        are. Alternatively, one Hypothesis strategy that draws a batch or a tuple of inputs; the Hypothesis profile sets
        the number of examples.
    rng : numpy.random.Generator, optional
        Draws the cotangent and the directions. Default: a generator with a fixed seed.
    causal : int, optional
        The axis of time in the inputs and results. The result at each time must depend on the input at that time, and
        must not depend on later inputs. An array with another length on this axis is not a sequence.
    reference : callable, optional
        Function of the inputs as float64 arrays. The result in evaluation must equal its result, also after a change
        of each parameter that the function reads. It returns the structure of the result, with None for parts that it
        does not compute.
    ties : sequence of sequences of str, default ()
        Groups of names of parameters. The names of a group must be one tensor, also after a call, and in a copy that
        loads the state dict.
    unused : sequence of str, default ()
        Names of the parameters that get no gradient.
    samples : "independent", optional
        The first axis of each input and result is the samples, row i of each result depends only on row i of the
        inputs, and a call changes no attribute. ``fit(..., shard_size=64)`` requires this.
    skip : collection of str, default ()
        Names of laws to leave out, such as "float32 (train)" or "state"; ``report.seconds`` lists them.

    Raises
    ------
    GradientMismatch, NotDifferentiableHere
        As in `check_gradient`; the message names the parameter.
    LawBroken
        Another property does not hold.
    DataError
        A strategy is passed inside a Hypothesis test, `ties` or `unused` has a name that the module lacks, `causal` is
        not an axis of an input and a result, or the inputs have different numbers of samples.
    DTypeError
        The result has no floating-point array, `samples` is not "independent" or None, or the module is PyTorch's or
        Keras's: use `check_torch` or `check_keras`.

    Notes
    -----
    A result may be nested: lists, tuples, dicts, dataclasses. The arrays in it that require a gradient are checked
    together, as one vector. The others are constants; if none requires a gradient, all are checked.

    With ``samples="independent"``, the module is called with parts of the batch, and with a batch in which some samples
    are replaced. The results and gradients of the other samples must not change, and no attribute, buffer, list, dict
    or array of the module may change. A call that draws random numbers is not compared with parts of the batch, because
    parts would draw other numbers.

    A mean over random numbers is wrong if it is off by more than ten standard errors. A submodule with ``unbiased =
    True`` that drops elements must drop them with the probability in its attribute ``p``, if it has one, and must not
    get the result of another such submodule.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_module(tg.nn.Linear(3, 2), np.ones((4, 3)))
    <Report: right>

    >>> class Centered(tg.nn.Module):
    ...     def forward(self, x):
    ...         return x - x.mean(axis=0)
    >>> try:
    ...     check_module(Centered(), np.array([[1.0, 2.0], [3.0, 5.0]]), samples="independent")
    ... except LawBroken as error:
    ...     print(str(error).partition(".")[0])
    module Centered (train): its samples are not independent: the result of a sample changes when others are replaced

    >>> class RunningSum(tg.nn.Module):
    ...     def forward(self, x):
    ...         return tg.cumsum(x, 1)
    >>> check_module(RunningSum(), np.array([[1.0, 2.0, 4.0]]), causal=1, reference=lambda x: np.cumsum(x, 1))
    <Report: right>
    """
    options: dict[str, Any] = {"causal": causal, "reference": reference, "ties": ties, "unused": unused}
    options |= {"samples": samples, "skip": skip}
    settings = module.kwargs if isinstance(module, BoundFunction) else {}
    module = unbound(module)
    if len(inputs) == 1 and hasattr(inputs[0], "example"):
        return _for_all(module, inputs[0], rng, options)
    for framework in {cls.__module__.partition(".")[0] for cls in type(module).__mro__} & {"torch", "keras"}:
        raise DTypeError(
            f"check_module: expected a tinygrad_edu module, got one of {framework}; use check_{framework}."
        )
    library_layer("check_module: module", module)
    contract, call = (
        Contract.of(module, causal, reference, ties, unused, samples),
        ModuleCall.of(module, inputs, settings),
    )
    require_batched(samples, call.arrays)
    if isinstance(module, Module):
        warn_of_made_results("check_module", module)
    report = Report(call.title, skip)
    values = [p._data.copy() for p in call.parameters.values()]
    with same_state(module), _with_parameters(call, values, np.bool_):  # a forward may write to parameters
        _run_laws(report, call, contract, seeded(rng))
    return report.conclude()


def _run_laws(report: Report, call: ModuleCall, contract: Contract, rng: np.random.Generator) -> None:
    """Run the laws until one of them is broken."""
    module, wide = call.module, call.astype(np.float64)

    def run(*law: Any) -> bool:
        with same_state(module):
            return report.run(*law)

    with _in_float64(call):
        untrained = copy_of(module)
    for mode in ("train", "eval"):
        getattr(module, mode)()
        laws: list[Any] = [(f"slope ({mode})", _gradients_are_right, wide, mode, rng)]
        if contract.samples is not None:
            laws.insert(0, (f"sample independence ({mode})", require_sample_independence, wide, mode, rng))
        if contract.ties and mode == "train":
            laws.insert(-1, ("ties", module_contract.require_ties, wide, contract.ties))
        if contract.causal is not None:
            laws.append((f"causal ({mode})", module_contract.require_causal, wide, contract.causal, mode))
        with _in_float64(call):
            if not all(run(*law) for law in laws):
                return
        if not run(f"float32 ({mode})", _gradients_are_float32, call, rng):
            return
    laws = [
        ("parameters", module_contract.require_used, wide, contract.unused),
        ("unbiased", require_unbiased, wide, contract.samples, rng),
    ]
    laws += [("state", require_restored, wide), ("state", require_saved, wide, untrained)]
    if contract.reference is not None:
        laws.insert(0, ("reference", module_contract.require_reference, wide, contract.reference, rng))
    if contract.causal is not None:
        laws.insert(0, ("present", module_contract.require_present, wide, contract.causal, rng))
    with _in_float64(call):
        wide.settle()
        all(run(*law) for law in laws)


def _for_all(module: Any, strategy: Any, rng: np.random.Generator | None, options: dict[str, Any]) -> Report:
    """Check a module at inputs from a strategy, with the same random numbers for each example."""
    from hypothesis import currently_in_test_context, given, settings

    if currently_in_test_context():
        raise DataError(
            "check_module: a strategy is not supported inside a Hypothesis test; draw the inputs with @given, and pass "
            "the drawn inputs."
        )
    report = Report(f"module {type(module).__name__}")
    seed, deadline = seeded(rng).integers(2**63), settings().deadline
    if deadline == settings.get_profile("default").deadline:
        deadline = None  # Hypothesis's default of 200 ms is too short for a module

    @settings(deadline=deadline)
    @given(strategy)
    def check_example(inputs: Any) -> None:
        drawn = inputs if isinstance(inputs, tuple) else (inputs,)
        nonlocal report
        report = check_module(module, *drawn, rng=np.random.default_rng(seed), **options)

    check_example()
    return report


# --- A module with other parameters ---


@contextmanager
def _with_parameters(call: ModuleCall, values: Sequence[Array], dtype: Any) -> Iterator[None]:
    """Replace the parameters with arrays of any dtype during the context.

    Frozen parameters keep their values, in the given dtype if it is wider.
    """
    trained = call.parameters.values()
    parameters = [*trained, *(p for _, p in call.module.named_parameters() if p.frozen)]
    originals = [(p._data, p._node, p._storage) for p in parameters]
    try:
        for p, x in zip(trained, values, strict=True):
            p._data, p._node, p._storage = x, leaf(x), Storage()
        for p in parameters[len(trained) :]:
            p._data, p._storage = p._data.astype(np.promote_types(p.dtype, dtype)), Storage()
        yield
    finally:
        for p, (data, node, storage) in zip(parameters, originals, strict=True):
            p._data, p._node, p._storage = data, node, storage


def _in_float64(call: ModuleCall) -> AbstractContextManager[None]:
    return _with_parameters(call, [p._data.astype(np.float64) for p in call.parameters.values()], np.float64)


# --- The gradients ---


def _gradients_are_right(call: ModuleCall, mode: str, rng: np.random.Generator) -> Iterator[Verdict]:
    """Compare the gradient of each input and parameter with finite differences."""
    law, title = f"slope ({mode})", f"{call.title} ({mode})"
    call.settle()
    parameters, inputs, recording = call.parameters.values(), call.floating, RecordedCall(call)
    points, state = (*inputs, *(p._data for p in parameters)), state_of(call.module)

    def set_parameters(arrays: Sequence[Array]) -> None:
        for p, x in zip(parameters, arrays, strict=True):
            p._data = x  # a write into the array would change the recorded graph

    def value(*arrays: Array) -> Array:
        set_parameters(arrays[len(inputs) :])
        try:
            return recording.of(call.with_floating(arrays[: len(inputs)]).results(state))
        finally:
            set_parameters(points[len(inputs) :])

    at_point = require_deterministic(title, value, points)
    cotangent = draw_signed(rng, at_point.shape)
    gradients = recording.pullback(cotangent)
    require_unwritten(title, [leaf.name for leaf in call.tree.leaves], recording.inputs, call.arrays)
    claim = Claim(title, value, points, call.names, at_point, cotangent, gradients)
    yield from compare(claim, rng, recording.pullback, law)
    for path in recording.constants:
        yield Verdict(law, f"result{path}", reason="the array requires no gradient")


def _gradients_are_float32(call: ModuleCall, rng: np.random.Generator) -> None:
    """Check that float32 inputs and parameters give float32 results, and the float64 gradients up to rounding."""
    narrow, count = call.astype(np.float32), len(call.floating)
    narrow.settle()
    parameters = [p._data.copy() for p in call.parameters.values()]
    if any(p.dtype != np.float32 for p in parameters):
        return

    def pull(points: Sequence[Array], cotangents: Cotangents) -> tuple[Array, Sequence[Array]]:
        with _with_parameters(call, points[count:], points[0].dtype if points else np.float32):
            recording = RecordedCall(call.with_floating(points[:count]))
            return recording.out.numpy(), recording.pullback(cotangents[0][0])

    with _with_parameters(call, parameters, np.float32):
        recording = RecordedCall(narrow)
        out = recording.of(narrow.results())
    if out.dtype != np.float32:
        raise LawBroken(f"{call.title}: float32 inputs and parameters give a result of {out.dtype}. Keep their dtype.")
    g = draw_signed(rng, out.shape).astype(np.float32)
    mismatch, _ = compare_in_low_precision(pull, (*narrow.floating, *parameters), [[g]], rng)
    if mismatch:
        k, description = mismatch
        raise LawBroken(
            f"{call.title}: the gradient of {call.names[k]} is wrong in float32: {description}.\n{call.module!r}"
        )
