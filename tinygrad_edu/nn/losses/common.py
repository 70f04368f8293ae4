"""Shared code of the losses: base class of loss modules, and checks of arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from tinygrad_edu.engine import Array, Tensor, TensorLike
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops import multiply
from tinygrad_edu.ops.elementwise.arithmetic import as_floating
from tinygrad_edu.ops.networks.cross_entropies import as_weight, convert_like, refuse_word, require_reduction

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import LossOfTarget

Reduction = Literal["mean", "sum", "none"]


class LossModule(Module):
    """Base class of loss modules: stores the keyword arguments of a loss function in attributes.

    A weight is a buffer, which the state dict includes, as in PyTorch.

    Attributes
    ----------
    function : callable
        Loss function of the inputs and the keyword arguments.
    extra_reductions : tuple of str
        Reductions in addition to "mean", "sum" and "none".
    """

    __call__: LossOfTarget
    function: Callable[..., Any]
    extra_reductions: tuple[str, ...] = ()

    def __init__(self, reduction: Reduction = "mean") -> None:
        self._store_settings(reduction=reduction)

    def _store_settings(self, **settings: Any) -> None:
        require_reduction(type(self).__name__, settings["reduction"], *self.extra_reductions)
        self._setting_names = tuple(settings)
        for name, value in settings.items():
            if name in ("weight", "pos_weight"):
                refuse_word(type(self).__name__, value)
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor | Array:
        """Apply the loss function."""
        return self._loss(input, target)

    def _loss(self, *inputs: Any) -> Any:
        return type(self).function(*inputs, **self._settings())

    def denominator(self, target: Any) -> float | None:
        """Return the denominator of the loss function with the stored arguments; see `additive`."""
        declared: Any = getattr(type(self).function, "denominator", None)
        return None if declared is None else declared(target, **self._settings())

    def extra_repr(self) -> str:
        """Return the arguments except functions and modules, with the shapes of weights."""
        values = self._settings()
        shown = {name: f"Tensor{x.shape}" if isinstance(x, Tensor) else repr(x) for name, x in values.items()}
        return ", ".join(f"{name}={shown[name]}" for name, x in values.items() if x is not None and not callable(x))

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._setting_names}


def compared(name: str, input: Any, target: Any, reduction: str, *reductions: str) -> tuple[Any, Any]:
    """Return a floating-point prediction, and its target in the same dtype. Raise ShapeError for different shapes.

    Broadcasting (N, 1) against (N,) would compare each element with all others.
    """
    require_reduction(name, reduction, *reductions)
    x = as_floating(input)
    t = convert_like(x, target)
    if x.shape != t.shape:
        raise ShapeError(
            f"{name}: shape mismatch: prediction {x.shape} and target {t.shape}. The shapes must be equal; use "
            f"reshape, for example."
        )
    return x, t


def times_weight(name: str, losses: Any, weight: Any, same_shape: bool = False) -> Any:
    """Multiply losses by optional weights, which broadcast to the losses, or with `same_shape` have their shape."""
    if weight is None:
        return losses
    weight = as_weight(name, weight, losses)
    if weight.shape != losses.shape and (same_shape or not _broadcasts_to(weight.shape, losses.shape)):
        raise ShapeError(f"{name}: shape mismatch: weights {weight.shape} and losses {losses.shape}.")
    return multiply(losses, weight)


def _broadcasts_to(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Return whether an array of a shape broadcasts to the shape `target`."""
    return len(shape) <= len(target) and all(n in (1, m) for n, m in zip(shape[::-1], target[::-1], strict=False))
