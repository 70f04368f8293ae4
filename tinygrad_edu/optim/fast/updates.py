"""Fast forms of the built-in updates: in place, each chunk with two scratch arrays, a and b."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.optim.fast.step import UpdateChunk, in_chunks
from tinygrad_edu.optim.state import count_step

State = dict[str, ndarray]
Group = Mapping[str, Any]


@in_chunks
def sgd(param: ndarray, state: State, group: Group) -> UpdateChunk:
    """Prepare SGD: a new momentum buffer is 0 before its first gradient, which dampening does not apply to."""
    lr, momentum, share = group["lr"], group["momentum"], 1 - group["dampening"]
    if momentum and "momentum_buffer" not in state:
        state["momentum_buffer"], share = np.zeros(param.shape, param.dtype), 1

    def update(w: ndarray, g: ndarray, a: ndarray, b: ndarray, *buffer: ndarray) -> None:
        g = _with_weight_decay(w, g, group, a)
        if not buffer:
            _descend(w, g, lr, b)
            return
        (v,) = buffer
        v *= momentum
        v += g if share == 1 else np.multiply(g, share, out=b)
        if group["nesterov"]:
            _descend(w, g, lr, b)
        _descend(w, v, lr * momentum if group["nesterov"] else lr, b)

    return update


@in_chunks
def adam(param: ndarray, state: State, group: Group) -> UpdateChunk:
    """Prepare Adam: both bias corrections go into two numbers, which saves a pass over the arrays."""
    t, (beta1, beta2) = count_step(state), group["betas"]
    root = math.sqrt(1 - beta2**t)
    rate, eps = group["lr"] * root / (1 - beta1**t), group["eps"] * root

    def update(w: ndarray, g: ndarray, a: ndarray, b: ndarray, m: ndarray, v: ndarray, *v_max: ndarray) -> None:
        g = _with_weight_decay(w, g, group, a)
        _average(m, g, beta1, b)
        _average_squares(v, g, beta2, b)
        for most in v_max:
            v = np.maximum(most, v, out=most)
        np.sqrt(v, out=b)
        b += eps
        np.divide(m, b, out=b)
        _descend(w, b, rate, b)

    return update


@in_chunks
def nadam(param: ndarray, state: State, group: Group) -> UpdateChunk:
    """Prepare NAdam, with the bias corrections in three numbers."""
    t, (beta1, beta2) = count_step(state), group["betas"]
    mu, mu_next = (beta1 * (1 - 0.96 ** (k * group["momentum_decay"]) / 2) for k in (t, t + 1))
    state["mu_product"] *= mu
    product, root = float(state["mu_product"]), math.sqrt(1 - beta2**t)
    rate, eps = group["lr"] * root * (1 - mu) / (1 - product), group["eps"] * root
    ahead = mu_next / (1 - product * mu_next) * (1 - product) / (1 - mu)

    def update(w: ndarray, g: ndarray, a: ndarray, b: ndarray, m: ndarray, v: ndarray) -> None:
        g = _with_weight_decay(w, g, group, a)
        _average(m, g, beta1, b)
        _average_squares(v, g, beta2, b)
        np.multiply(m, ahead, out=b)
        np.add(g, b, out=a)
        np.sqrt(v, out=b)
        b += eps
        a /= b
        _descend(w, a, rate, a)

    return update


@in_chunks
def rmsprop(param: ndarray, state: State, group: Group) -> UpdateChunk:
    """Prepare RMSprop."""
    count_step(state)
    lr, alpha, momentum, eps = group["lr"], group["alpha"], group["momentum"], group["eps"]

    def update(w: ndarray, g: ndarray, a: ndarray, b: ndarray, v: ndarray, *more: ndarray) -> None:
        g = _with_weight_decay(w, g, group, a)
        _average_squares(v, g, alpha, b)
        if group["centered"]:
            mean = more[-1]
            _average(mean, g, alpha, b)
            np.multiply(mean, mean, out=b)
            v = np.subtract(v, b, out=b)
            np.maximum(v, 0, out=v)  # rounding can make it negative
        np.sqrt(v, out=b)
        b += eps
        direction = np.divide(g, b, out=b)
        if momentum:
            buffer = more[0]
            buffer *= momentum
            buffer += direction
            direction = buffer
        _descend(w, direction, lr, b)

    return update


@in_chunks
def adagrad(param: ndarray, state: State, group: Group) -> UpdateChunk:
    """Prepare Adagrad."""
    rate = group["lr"] / (1 + (count_step(state) - 1) * group["lr_decay"])

    def update(w: ndarray, g: ndarray, a: ndarray, b: ndarray, total: ndarray) -> None:
        g = _with_weight_decay(w, g, group, a)
        np.multiply(g, g, out=b)
        total += b
        np.sqrt(total, out=b)
        b += group["eps"]
        np.divide(g, b, out=b)
        _descend(w, b, rate, b)

    return update


@in_chunks
def lion(param: ndarray, state: State, group: Group) -> UpdateChunk:
    """Prepare Lion: the sign is c / abs(c), since np.sign takes five times as long. 0 stays 0, and NaN stays NaN."""
    (beta1, beta2), kept = group["betas"], 1 - group["lr"] * group["weight_decay"]
    tiny = np.finfo(param.dtype).tiny

    def update(w: ndarray, g: ndarray, a: ndarray, b: ndarray, m: ndarray) -> None:
        if kept != 1:
            w *= kept
        np.multiply(m, beta1, out=a)
        np.multiply(g, 1 - beta1, out=b)
        a += b
        np.abs(a, out=b)
        np.maximum(b, tiny, out=b)
        a /= b
        _descend(w, a, group["lr"], a)
        _average(m, g, beta2, b)

    return update


def muon(optimizer: Any, p: Tensor, group: Group) -> None:
    """Update a matrix by Muon, in scratch memory that is at most as tall as wide."""
    m, momentum, w = optimizer._state_of(p, group)["momentum_buffer"], group["momentum"], p._data
    wide = (min(p.shape), max(p.shape))
    x, y, gram, polynomial = optimizer._scratch.arrays(p.dtype, wide, wide, wide[:1] * 2, wide[:1] * 2)
    is_tall = p.shape != wide
    direction, spare = (x.T, y.T) if is_tall else (x, y)
    np.multiply(p.grad, 1 - momentum, out=direction)  # type: ignore[arg-type]
    m *= momentum
    m += direction
    if group["nesterov"]:
        np.multiply(m, momentum, out=spare)
        direction += spare
    else:
        np.copyto(direction, m)
    x /= max(np.linalg.norm(x), group["eps"])
    for _ in range(group["ns_steps"]):
        _newton_schulz(x, y, gram, polynomial, group["ns_coefficients"])
        x, y = y, x
    w *= 1 - group["lr"] * group["weight_decay"]
    rate = optimizer._adjusted_lr(p.shape, group)
    _descend(w, x.T if is_tall else x, rate, y.T if is_tall else y)


def _newton_schulz(x: ndarray, out: ndarray, gram: ndarray, polynomial: ndarray, coefficients: Sequence[float]) -> None:
    """Set out = a * x + b * (x x^T) x + c * (x x^T)^2 x, and overwrite x."""
    a, b, c = coefficients
    np.matmul(x, x.T, out=gram)
    np.matmul(gram, gram.T, out=polynomial)  # a matrix times its transpose costs half as much
    polynomial *= c
    gram *= b
    polynomial += gram
    np.matmul(polynomial, x, out=out)
    x *= a
    out += x


def _with_weight_decay(w: ndarray, g: ndarray, group: Group, out: ndarray) -> ndarray:
    """Return what `weight_decay.with_weight_decay` returns: in `out`, or `g` itself if it is unchanged."""
    decay = group["weight_decay"]
    if decay and group.get("decoupled_weight_decay"):
        w *= 1 - group["lr"] * decay
    elif decay:
        np.multiply(w, decay, out=out)
        return (np.subtract if group["maximize"] else np.add)(out, g, out=out)  # type: ignore[no-any-return]
    return np.negative(g, out=out) if group["maximize"] else g


def _average(mean: ndarray, g: ndarray, keep: float, scratch: ndarray) -> None:
    """Set mean = keep * mean + (1 - keep) * g."""
    np.multiply(g, 1 - keep, out=scratch)
    mean *= keep
    mean += scratch


def _average_squares(mean: ndarray, g: ndarray, keep: float, scratch: ndarray) -> None:
    """Set mean = keep * mean + (1 - keep) * g**2."""
    np.multiply(g, g, out=scratch)
    scratch *= 1 - keep
    mean *= keep
    mean += scratch


def _descend(w: ndarray, direction: ndarray, rate: float, scratch: ndarray) -> None:
    """Set w = w - rate * direction."""
    np.multiply(direction, rate, out=scratch)
    np.subtract(w, scratch, out=w)
