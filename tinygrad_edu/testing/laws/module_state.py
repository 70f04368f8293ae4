"""Law of the state dict: it has all that a training call changes in a module and that later results depend on."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.module import duplicate
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.laws.module_call import ModuleCall
from tinygrad_edu.testing.laws.module_replay import changed_paths, same_randomness, snapshot
from tinygrad_edu.testing.laws.sample_independence import count_samples
from tinygrad_edu.testing.numeric.finite_differences import largest
from tinygrad_edu.testing.verdict import NotApplicable


def copy_of(module: Any) -> Any:
    """Return a deep copy of a module, or the exception that prevents it."""
    try:
        return duplicate(module) if isinstance(module, Module) else copy.deepcopy(module)
    except Exception as error:
        return error


def require_restored(call: ModuleCall) -> None:
    """Require that a saved state does not change with the module, and that loading it restores the results."""
    module = call.module
    module.eval()
    before, saved = call.results(), module.state_dict()
    kept = {name: np.array(values) for name, values in saved.items()}
    for _, p in module.named_parameters():
        p.assign(p.data + 1)
    for name, values in saved.items():
        if not np.array_equal(values, kept[name]):
            raise LawBroken(f"{call.title}: the saved value of {name} changes with the module. Save a copy.")
    module.load_state_dict(saved)
    if not _equal(before, call.results()):
        raise LawBroken(
            f"{call.title}: load_state_dict does not restore the state that state_dict saved. Save and load all "
            f"parameters and buffers."
        )


def require_saved(call: ModuleCall, untrained: Any) -> None:
    """Require that a copy from before the training calls has the results of the module after it loads its state.

    Another copy, which loads nothing, must keep its results. `untrained` is a copy, or the exception that prevents it.
    """
    if isinstance(untrained, Exception):
        raise NotApplicable(f"the module cannot be copied: {untrained!r}")
    if isinstance(untrained, Module):
        untrained.astype(np.float64)  # a buffer that a call replaces becomes float64
    restored = replace(call, module=untrained)
    trained, other = (replace(call, module=copy_of(untrained)) for _ in range(2))
    other.module.eval()
    before = other.results()
    listed = ", ".join(_train(trained))
    if not _equal(before, other.results()):
        raise LawBroken(
            f"{call.title}: calls in training mode change the results of a copy of the module. Keep state in buffers, "
            f"and not in a class attribute, a global variable or a closure."
        )
    _load(restored, trained.module.state_dict())
    for mode in ("eval", "train"):
        for each in (trained, restored):
            getattr(each.module, mode)()
        if not _equal(trained.results(), restored.results()):
            raise LawBroken(
                f"{call.title} ({mode}): after calls in training mode, a copy that loads the state dict has other "
                f"results. The state dict lacks a value that a call changes{listed and ': '}{listed}. Make it a "
                f"buffer with register_buffer, and change it with assign."
            )


def _train(call: ModuleCall) -> list[str]:
    """Call a module in training mode. Return the attributes that it changes, without those in its state dict."""
    module = call.module
    module.train()
    before = snapshot(module) if isinstance(module, Module) else {}
    with same_randomness(module):
        for each in (_with_other_samples(call), call) * 2:
            each()
    after = snapshot(module) if isinstance(module, Module) else {}
    saved = [f"{name}." for name in module.state_dict()]
    return [path for path in changed_paths(before, after) if not any(name.startswith(f"{path}.") for name in saved)]


def _with_other_samples(call: ModuleCall) -> ModuleCall:
    """Return the call with the first sample twice and without the last one, if the inputs have samples."""
    count = count_samples(call.arrays)
    rows = np.maximum(np.arange(count) - 1, 0)
    return call.with_arrays([x[rows] for x in call.arrays]) if count else call


def _load(call: ModuleCall, state: Any) -> None:
    """Load a state into a module. If that fails, call the module first, which may create its parameters."""
    try:
        call.module.load_state_dict(state)
    except Exception:
        call.module.train()
        call()
        call.module.load_state_dict(state)


def _equal(results: dict[str, Array], others: dict[str, Array]) -> bool:
    """Whether results are equal, up to the rounding that depends on the position in memory."""
    return results.keys() == others.keys() and all(_close(x, others[path]) for path, x in results.items())


def _close(x: Array, y: Array) -> bool:
    if x.shape != y.shape or x.dtype.kind != "f":
        return np.array_equal(x, y)
    return np.allclose(x, y, rtol=0, atol=16 * float(np.finfo(x.dtype).eps) * largest(x), equal_nan=True)
