"""Check the derivatives of ops, models and any other function against finite differences.

`check` takes a function, layer, module or op of any framework, and is the only check that most users need. The other
checks have options for special cases. The Hypothesis strategies are in ``tinygrad_edu.testing.strategies`` and need the
extra ``testing``.

The imports below are in reading order: `numeric` estimates derivatives, `decision` compares a claimed gradient with an
estimate, and `report` describes a failure. `laws` contains the checks that need no numeric derivative, `interop` the
checks for other frameworks, and `mutate` breaks vjps to measure how many faults a test suite detects.
"""

# ruff: noqa: I001 - in reading order
import sys as _sys
import typing as _typing
from importlib import import_module as _import_module

from tinygrad_edu.testing.failures import CheckFailed, GradientMismatch, Inconclusive, LawBroken
from tinygrad_edu.testing.failures import NotDeterministic, NotDifferentiableHere
from tinygrad_edu.testing.verdict import Report, Verdict, run_check
from tinygrad_edu.testing.numeric.extrapolation import Estimate
from tinygrad_edu.testing.numeric.finite_differences import directional_derivative
from tinygrad_edu.testing.gradient_check import check_gradient
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.check import check

if _typing.TYPE_CHECKING:
    from tinygrad_edu.testing.tensor_checks import check_jvp, check_linear, check_vjp
    from tinygrad_edu.testing.vmap_check import check_vmap
    from tinygrad_edu.testing.op_check import check_op
    from tinygrad_edu.testing.interop import check_jax, check_keras, check_torch
    from tinygrad_edu.testing.module_check import check_module
    from tinygrad_edu.testing.additive_check import check_additive

__all__ = [
    "Call", "CheckFailed", "Estimate", "GradientMismatch", "Inconclusive", "LawBroken", "NotDeterministic",
    "NotDifferentiableHere", "Report", "Verdict", "check", "check_additive", "check_gradient", "check_jax", "check_jvp",
    "check_keras", "check_linear", "check_module", "check_op", "check_torch", "check_vjp", "check_vmap",
    "directional_derivative", "run_check",
]  # fmt: skip


def _hide_in_tracebacks() -> None:
    """Let pytest end tracebacks at the line of the test; its option --full-trace shows these modules."""
    for name in [name for name in _sys.modules if name.startswith(f"{__name__}.")]:
        vars(_sys.modules[name])["__tracebackhide__"] = True


_FILES = {
    "check_additive": "additive_check", "check_jax": "interop", "check_jvp": "tensor_checks", "check_keras": "interop",
    "check_linear": "tensor_checks", "check_module": "module_check", "check_op": "op_check", "check_torch": "interop",
    "check_vjp": "tensor_checks", "check_vmap": "vmap_check",
}  # fmt: skip

if not _typing.TYPE_CHECKING:  # a visible __getattr__ would make every name valid

    def __getattr__(name):
        """Import a check at its first use: that of a NumPy function needs neither transforms nor modules."""
        if name not in _FILES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}.", name=name)
        globals()[name] = found = getattr(_import_module(f"{__name__}.{_FILES[name]}"), name)
        _hide_in_tracebacks()
        return found


_hide_in_tracebacks()
