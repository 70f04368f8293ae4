"""Parametrizations: a parameter of a module as a function of other parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.engine import Tensor, no_grad
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.linear_algebra.inverses import solve

__all__ = ["Orthogonal", "SpectralNorm", "WeightNorm", "parametrize", "remove_parametrization"]

M = TypeVar("M", bound=Module)


def parametrize(module: M, name: str, parametrization: Callable[..., Any]) -> M:
    """Replace a parameter of a module by a function of new parameters. Return the module.

    ``module.name`` is then computed by each access. The names in the state dict are those of PyTorch, such as
    ``parametrizations.weight.original``. Create the optimizer afterwards.

    Parameters
    ----------
    module : Module
    name : str
        Attribute with the parameter.
    parametrization : Module or callable
        Maps the new parameter to a value of the old shape. If it has a method ``right_inverse``, this maps the old
        value to the initial value of the new parameter, or to a tuple for several parameters. By default, the old
        parameter becomes the new one.

    Raises
    ------
    ValueError
        The module has no such parameter, or it has a parametrization. Compose two parametrizations in one Module.
    ShapeError
        The computed value has another shape than the parameter.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> layer = parametrize(tg.nn.Linear(2, 2), "weight", lambda original: tg.triu(original, 1))
    >>> bool((layer.weight.numpy() == np.triu(layer.weight.numpy(), 1)).all())
    True
    >>> list(layer.state_dict())
    ['bias', 'parametrizations.weight.original']
    """
    where, before = type(module).__name__, vars(module).get(name)
    if name in _computed_by(module):
        raise ValueError(f"parametrize: {where}.{name} has a parametrization. Compose both in one Module.")
    if not isinstance(before, Tensor) or not (before.requires_grad or before.frozen):
        raise ValueError(f"parametrize: {where} has no parameter {name!r}.")
    computed = Parametrization(parametrization, before)
    if (shape := computed().shape) != before.shape:
        raise ShapeError(f"parametrize: the value for {where}.{name} has shape {shape}, expected {before.shape}.")
    delattr(module, name)
    _set_parametrizations(module, {**_computed_by(module), name: computed})
    return module


def remove_parametrization(module: M, name: str) -> M:
    """Replace the function of a parametrization by a parameter with its current value. Return the module.

    Raises
    ------
    ValueError
        The attribute has no parametrization.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> layer = parametrize(Linear(2, 2), "weight", WeightNorm())
    >>> list(remove_parametrization(layer, "weight").state_dict())
    ['bias', 'weight']
    """
    others = dict(_computed_by(module))
    if name not in others:
        raise ValueError(f"remove_parametrization: {type(module).__name__}.{name} has no parametrization.")
    value = others.pop(name)().detach()
    _set_parametrizations(module, others)
    setattr(module, name, Tensor(value, requires_grad=True))
    return module


class Parametrization(Module):
    """The parameters of a computed attribute, and the function of them."""

    def __init__(self, function: Callable[..., Any], parameter: Tensor) -> None:
        inverse = getattr(function, "right_inverse", None)
        originals = parameter if inverse is None else inverse(parameter.detach())
        if isinstance(originals, tuple):
            self.count = len(originals)
            for k, x in enumerate(originals):
                setattr(self, f"original{k}", Tensor(x, requires_grad=True))
        else:
            self.count = 0
            self.original = parameter if inverse is None else Tensor(originals, requires_grad=True)
        setattr(self, "0", function)  # its name in PyTorch

    def forward(self) -> Any:
        names = [f"original{k}" for k in range(self.count)] or ["original"]
        return getattr(self, "0")(*(getattr(self, name) for name in names))


def _computed_by(module: Module) -> dict[str, Parametrization]:
    found: dict[str, Parametrization] = vars(module).get("parametrizations", {})
    return found


def _set_parametrizations(module: Any, computed: dict[str, Parametrization]) -> None:
    """Store the parametrizations of a module, and give it a class with a property for each computed attribute."""
    if computed:
        module.parametrizations = computed
    else:
        del module.parametrizations
    base = next(cls for cls in type(module).__mro__ if "_computed_names" not in vars(cls))
    module.__class__ = _class_with(base, tuple(computed)) if computed else base


@cache
def _class_with(base: type[Module], names: tuple[str, ...]) -> type[Module]:
    members: dict[str, Any] = {name: _computed(name) for name in names}
    members |= {"_computed_names": names, "__module__": base.__module__, "__reduce_ex__": _reduce}
    return type(f"Parametrized{base.__name__}", (base,), members)


def _computed(name: str) -> property:
    def set_value(self: Module, value: Any) -> None:
        raise DTypeError(
            f"cannot assign to {type(self).__name__}.{name}: it is computed. Write into the parameters of "
            f"parametrizations[{name!r}] with .assign(values), or call nn.remove_parametrization first."
        )

    return property(lambda self: _computed_by(self)[name](), set_value)


def _reduce(module: Module, protocol: Any) -> tuple[Any, ...]:
    return _restored, (type(module).__mro__[1], vars(module))


def _restored(base: type[Module], state: dict[str, Any]) -> Module:
    module = base.__new__(base)
    vars(module).update(state)
    _set_parametrizations(module, _computed_by(module))
    return module


class WeightNorm(Module):
    """Weight normalization: w = g * v / norm(v), for each index of one axis.

    The parameters are the norms g and the directions v. From T. Salimans and D. Kingma, "Weight normalization", NIPS
    2016.

    Parameters
    ----------
    axis : int or None, default 0
        The axis that keeps its norms; -1 is the last one. None means a single norm of all elements, for which PyTorch
        also accepts ``dim=-1``.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> layer = parametrize(Linear(3, 2), "weight", WeightNorm())
    >>> [(name, p.shape) for name, p in layer.named_parameters()]
    [('bias', (2,)), ('parametrizations.weight.original0', (2, 1)), ('parametrizations.weight.original1', (2, 3))]
    """

    _setting_names = ("axis",)

    def __init__(self, axis: int | None = 0) -> None:
        self.axis = axis

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        """Return the weight of the norms g and the directions v."""
        return g * (v / self._norms(v))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the norms and the weight."""
        return self._norms(weight), weight

    def _norms(self, v: Any) -> Any:
        if self.axis is None:
            return ops.sqrt((v * v).sum())
        axis = integer("WeightNorm: axis", self.axis, -v.ndim, v.ndim - 1) % v.ndim
        return ops.sqrt((v * v).sum(tuple(k for k in range(v.ndim) if k != axis), keepdims=True))


class SpectralNorm(Module):
    """Spectral normalization: divide a weight by its largest singular value.

    The weight is a matrix with one axis as rows, and the other axes as columns. A call in training mode improves the
    estimates of the singular vectors by power iteration. The gradient holds them constant, which is exact for singular
    vectors, and approximate for estimates. From T. Miyato and others, "Spectral normalization for
    generative adversarial networks", ICLR 2018.

    Parameters
    ----------
    n_power_iterations : int, default 1
        Number of power iterations in each call.
    eps : float, default 1e-12
        Smallest norm by which vectors are divided.
    axis : int, default 0
        The axis of the rows. Pass 1 for a transposed convolution.
    rng : numpy.random.Generator, optional
        Generator of the initial vectors. The default is a new, unseeded generator.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> rng = np.random.default_rng(0)
    >>> layer = parametrize(Linear(8, 4, rng=rng), "weight", SpectralNorm(rng=rng))
    >>> float(np.linalg.norm(layer.weight.numpy(), 2).round(2))
    1.0
    """

    _setting_names = ("n_power_iterations", "eps", "axis")

    def __init__(
        self, n_power_iterations: int = 1, eps: float = 1e-12, axis: int = 0, rng: np.random.Generator | None = None
    ) -> None:
        self.n_power_iterations = integer("SpectralNorm: n_power_iterations", n_power_iterations, 1)
        self.eps, self.axis = eps, axis
        self.rng = init.generator_or_new(rng)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight, divided by the estimate of its largest singular value."""
        rows = self._rows(weight)
        if self.training:
            with no_grad():
                self._iterate(rows, self.n_power_iterations)
        u, v = self._u.copy(), self._v.copy()  # later calls change them in place
        return weight / (u @ rows @ v)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the weight. Estimate its singular vectors first."""
        if weight.ndim < 2:
            raise ShapeError(f"SpectralNorm: the weight must have at least two axes, got shape {weight.shape}.")
        integer("SpectralNorm: axis", self.axis, -weight.ndim, weight.ndim - 1)
        rows = self._rows(weight)
        self._u, self._v = (Tensor(self._unit(self.rng.standard_normal(n).astype(weight.dtype))) for n in rows.shape)
        self._iterate(rows, 15)
        return weight

    def _rows(self, weight: Any) -> Any:
        moved = ops.moveaxis(weight, self.axis, 0)
        return moved.reshape((moved.shape[0], -1))

    def _iterate(self, rows: Tensor, count: int) -> None:
        matrix = rows.numpy()
        for _ in range(count):
            self._u.assign(self._unit(matrix @ self._v.numpy()))
            self._v.assign(self._unit(matrix.T @ self._u.numpy()))

    def _unit(self, x: Any) -> Any:
        return x / max(float(np.linalg.norm(x)), self.eps)


class Orthogonal(Module):
    """Orthogonal weights: w = base @ (I + A / 2)^-1 (I - A / 2), with A antisymmetric.

    A is the lower triangle of the parameter, minus its transpose (the Cayley transform). The rows of a wide weight are
    orthonormal, and the columns of others. At first the parameter is 0, and w is the nearest orthogonal weight by the
    QR decomposition; this is `base`, a buffer. More than two axes are a batch of matrices. From M. Lezcano-Casado,
    "Trivializations for gradient-based optimization on manifolds", NeurIPS 2019.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> weight = parametrize(Linear(3, 2), "weight", Orthogonal()).weight.numpy()
    >>> (weight @ weight.T).round(4) + 0.0
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    def forward(self, original: Tensor) -> Tensor:
        """Return the orthogonal weight."""
        x = self._tall(original)
        rows, columns = x.shape[-2:]
        lower = ops.pad(ops.tril(x), [(0, 0)] * (x.ndim - 1) + [(0, rows - columns)])
        a = lower - ops.swapaxes(lower, -1, -2)
        identity = np.eye(rows, dtype=x.dtype)
        q = solve(identity - a / 2, identity + a / 2)[..., :columns]
        return self._tall(self.base @ q, original.shape)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return zeros. Store the orthogonal weight nearest to the weight as ``base``."""
        if weight.ndim < 2:
            raise ShapeError(f"Orthogonal: the weight must have at least two axes, got shape {weight.shape}.")
        matrix = self._tall(weight).numpy()
        q, r = np.linalg.qr(matrix, mode="complete")
        signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1, 1).astype(q.dtype)
        q[..., : matrix.shape[-1]] *= signs[..., np.newaxis, :]
        self.base = Tensor(q)
        return Tensor(np.zeros(weight.shape, weight.dtype))

    def _tall(self, x: Any, shape: tuple[int, ...] | None = None) -> Any:
        """Transpose a matrix if it is wide, or if the shape is."""
        rows, columns = (x.shape if shape is None else shape)[-2:]
        return ops.swapaxes(x, -1, -2) if rows < columns else x
