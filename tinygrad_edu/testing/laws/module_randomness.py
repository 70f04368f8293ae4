"""Law of random submodules: with ``unbiased = True``, the mean over the random numbers is the result in evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array, no_grad, values_of
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.randomness import random_stream
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.laws.module_call import ModuleCall, leaves_of
from tinygrad_edu.testing.laws.module_replay import observing, same_randomness
from tinygrad_edu.testing.laws.sample_independence import INDEPENDENT, count_samples
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed
from tinygrad_edu.testing.verdict import NotApplicable, Verdict

_DRAWS, _MORE_DRAWS = 128, 512  # with copies of the batch, and without
_ELEMENTS = 512  # of a result that are compared, or that copies of a small batch have together
_MOST_COPIES = 64
_ERRORS = 10.0  # a mean is wrong if it is off by more standard errors; a false alarm has a probability below 1e-9
_LEAST_EVENTS = 30  # the mean of fewer random events has no normal distribution


def require_unbiased(call: ModuleCall, samples: str | None, rng: Rng) -> Iterator[Verdict]:
    """Compare the mean result of each submodule that declares `unbiased` with its evaluation, at its inputs in a call.

    A submodule that multiplies elements by 0 or a constant must do so with the probability `p`, and only once. If the
    samples are independent, copies of the batch replace some of the calls.
    """
    parts = call.module.named_modules() if isinstance(call.module, Module) else ()
    paths = {id(part): path for path, part in parts if part.unbiased}
    if not paths:
        raise NotApplicable("no submodule declares unbiased = True")
    calls, drops = _calls_of(call, paths), dict[int, float]()
    for observed in calls:
        part = observed.call.module
        if id(part) not in drops:
            sample = _draw(observed.call, samples, rng)
            rates = sample.drop_rates()
            drops[id(part)] = float(rates.mean()) if rates.size else 0.0
            fault = _wrong_mean(sample, rng) or _wrong_rate(rates, getattr(part, "p", None))
            title = f"{call.title} (train): {_place(paths, part)} declares unbiased = True, but"
            yield Verdict("unbiased", paths[id(part)], LawBroken(f"{title} {fault}") if fault else None)
    for first, second in _chains(calls):
        a, b = first.call.module, second.call.module
        if drops[id(a)] and drops[id(b)]:
            yield Verdict("unbiased", paths[id(b)], LawBroken(
                f"{call.title} (train): {_place(paths, b)} gets the result of {_place(paths, a)}, so an element is "
                f"dropped with probability {1 - (1 - drops[id(a)]) * (1 - drops[id(b)]):.3g}. Apply dropout once."
            ))  # fmt: skip


class _Observed(NamedTuple):
    """A call of a submodule, with the objects that were its inputs and its result."""

    call: ModuleCall
    inputs: Sequence[Any]
    result: Any


def _calls_of(call: ModuleCall, paths: dict[int, str]) -> list[_Observed]:
    """Return the calls of the modules whose ids are in `paths`, in training mode."""
    calls = list[_Observed]()

    def done(part: Module, inputs: tuple[Any, ...], settings: dict[str, Any], result: Any) -> None:
        if id(part) in paths:
            calls.append(_Observed(ModuleCall.of(part, inputs, settings), inputs, result))

    call.module.train()
    with observing(call.module, done), same_randomness(call.module), no_grad():
        call()
    return calls


def _chains(calls: Sequence[_Observed]) -> list[tuple[_Observed, _Observed]]:
    """Return the pairs of calls in which the second call gets the result of the first."""
    return [(a, b) for a in calls for b in calls if a is not b and any(x is a.result for x in b.inputs)]


def _place(paths: dict[int, str], part: Module) -> str:
    return f"its submodule {paths[id(part)]!r} ({type(part).__name__})" if paths[id(part)] else "it"


class _Sample(NamedTuple):
    """Results with other random numbers, and two results in evaluation, as vectors."""

    values: Array  # (draws, copies of the batch, elements)
    evaluated: Array  # (elements,)
    evaluated_again: Array
    is_random: bool

    @np.errstate(all="ignore")  # a result may be infinite
    def drop_rates(self) -> Array:
        """Return the fraction of dropped elements, (draws, elements); no elements unless this is dropout.

        Dropout multiplies elements by 0 or by a constant.
        """
        moving = self.evaluated != 0
        factors = self.values[..., moving] / self.evaluated[moving]
        rates: Array = np.mean(factors == 0, axis=1)
        largest = np.max(factors, initial=0)
        is_dropout = 0 < np.sum(rates) < rates.size and np.all((factors == 0) | (factors >= largest * (1 - 1e-6)))
        return rates if is_dropout else rates[:, :0]


@np.errstate(all="ignore")
def _draw(call: ModuleCall, samples: str | None, rng: Rng) -> _Sample:
    """Call a module with other random numbers each time."""
    module, is_random, copies, draws = call.module, call.is_random(), 1, _MORE_DRAWS
    if samples == INDEPENDENT and count_samples(call.arrays):
        draws, copies = _DRAWS, min(_MOST_COPIES, max(1, _ELEMENTS // max(1, *(x.size for x in call.arrays))))
    repeated = call.with_arrays([np.concatenate([x] * copies) for x in call.arrays]) if copies > 1 else call
    inputs, repeated_inputs = call.tensors(), repeated.tensors()
    with no_grad(), same_randomness(module), random_stream(np.random.default_rng(rng.integers(2**63))):
        module.eval()
        evaluated, again = _vectors(call(inputs))[0], _vectors(call(inputs))[0]
        module.train()
        shown = np.sort(rng.permutation(evaluated.size)[:_ELEMENTS])
        values = np.stack([_vectors(repeated(repeated_inputs), copies)[:, shown] for _ in range(draws)])
    return _Sample(values, evaluated[shown], again[shown], is_random)


def _vectors(result: Any, copies: int = 1) -> Array:
    """Return the floating-point arrays of a result as one vector for each copy of the batch."""
    arrays = [np.asarray(values_of(x)) for _, x in leaves_of(result)]
    return np.concatenate([x.reshape(copies, -1) for x in arrays if x.dtype.kind == "f"], axis=1, dtype=np.float64)


@np.errstate(all="ignore")
def _wrong_mean(sample: _Sample, rng: Rng) -> str:
    """Describe how the mean of a sample is wrong; return an empty string if it is not."""
    evaluated = sample.evaluated
    if not np.array_equal(evaluated, sample.evaluated_again, equal_nan=True):
        return "it draws random numbers in evaluation. Return the mean of the training result there."
    sizes, offsets = np.abs(evaluated), sample.values.mean(axis=1) - evaluated
    weights = np.stack([evaluated, np.ones_like(evaluated), draw_signed(rng, evaluated.shape)], axis=1)
    sizes = np.concatenate([np.full(sizes.shape, np.max(sizes, initial=0)), np.abs(weights).T @ sizes])
    means = np.concatenate([offsets, offsets @ weights], axis=1)
    if _is_off(means, sizes, sample.is_random):
        mean = evaluated + offsets.mean(axis=0)
        k = int(np.argmax(np.abs(mean - evaluated)))
        return (
            f"the mean of {len(offsets)} draws is not its result in evaluation: {mean[k]:.3g} instead of "
            f"{evaluated[k]:.3g}, a ratio of {mean @ evaluated / (evaluated @ evaluated or np.nan):.3g} over all "
            f"elements. Dropout multiplies the kept elements by 1 / (1 - p)."
        )
    return ""


def _wrong_rate(rates: Array, p: Any) -> str:
    """Describe how drop rates differ from the probability p; return an empty string if they do not."""
    if rates.size and isinstance(p, float) and 0 < p < 1:
        means = np.concatenate([rates, rates.mean(axis=1, keepdims=True)], axis=1) - p
        if _is_off(means, np.ones(means.shape[1]), True):
            return f"it drops an element with probability {rates.mean():.3g}, and its p is {p:g}. Draw one mask."
    return ""


@np.errstate(all="ignore")
def _is_off(offsets: Array, sizes: Array, is_random: bool) -> bool:
    """Whether the mean of some column differs from 0 by more than chance allows. Few events give no decision."""
    mean = offsets.mean(axis=0)
    squares = np.square(offsets - mean)
    spread = np.sqrt(squares.sum(axis=0) / len(offsets))
    events = squares.sum(axis=0) ** 2 / np.square(squares).sum(axis=0)
    varies = spread > 1e-12 * sizes
    is_decided = np.where(varies, events >= _LEAST_EVENTS, not is_random)
    return bool(np.any(is_decided & (np.abs(mean) > _ERRORS * spread / np.sqrt(len(offsets)) + 1e-9 * sizes)))
