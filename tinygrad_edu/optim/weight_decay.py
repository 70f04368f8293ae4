"""Weight decay and maximization, which most optimizers share."""

from collections.abc import Mapping
from typing import Any

from numpy import ndarray


def with_weight_decay(param: ndarray, grad: ndarray, group: Mapping[str, Any]) -> ndarray:
    """Return the gradient to descend along: negated to maximize, plus weight_decay * param.

    A decoupled weight decay instead shrinks the parameter in place, to (1 - lr * weight_decay) * param.
    """
    decay = group["weight_decay"]
    if group["maximize"]:
        grad = -grad
    if decay and group.get("decoupled_weight_decay"):
        param *= 1 - group["lr"] * decay
    elif decay:
        grad = grad + decay * param
    return grad
