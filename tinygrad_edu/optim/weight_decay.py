"""Weight decay and maximization, which most optimizers share."""

from collections.abc import Mapping
from typing import Any

from numpy import ndarray


def with_weight_decay(param: ndarray, grad: ndarray, group: Mapping[str, Any]) -> ndarray:
    """Return the gradient to descend along: negated to maximize, plus weight_decay * param.

    A decoupled weight decay instead shrinks the parameter in place, to (1 - lr * weight_decay) * param.
    """
    grad = -grad if group["maximize"] else grad
    if not group["weight_decay"]:
        return grad
    if not group.get("decoupled_weight_decay"):
        return grad + float(group["weight_decay"]) * param
    param *= 1 - group["lr"] * group["weight_decay"]
    return grad
