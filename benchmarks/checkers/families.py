"""Difficult functions with correct gradients: formulas with offsets, cancellation, oscillation, poles, saturation."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

import tinygrad_edu as tg

Draw = Callable[[np.random.Generator], Any]


class Family(NamedTuple):
    """A function with a correct gradient, and a distribution of its inputs."""

    f: Callable[..., Any]
    draw: Draw
    gradient: Callable[..., Any] | None = None  # of a function of NumPy arrays; default: f is one of Tensors
    slope: Literal["exists", "zero", "none"] = "exists"  # "zero": smaller than its rounding error; "none": a kink


FAMILIES: dict[str, Family] = {}


def normal(*shape: int, scale: float = 1.0, offset: float = 0.0) -> Draw:
    return lambda rng: (offset + scale * rng.standard_normal(shape),)


def uniform(low: float, high: float, *shape: int) -> Draw:
    return lambda rng: (rng.uniform(low, high, shape),)


def powers_of_ten(low: float, high: float, *shape: int, signed: bool = False) -> Draw:
    return lambda rng: (10 ** rng.uniform(low, high, shape) * (rng.choice([-1, 1], shape) if signed else 1),)


def add(name: str, *family: Any, **settings: Any) -> None:
    assert name not in FAMILIES, name
    FAMILIES[name] = Family(*family, **settings)


def both(*draws: Draw) -> Draw:
    return lambda rng: tuple(x for draw in draws for x in draw(rng))


def in_float32(f: Callable[..., Any], dtype: Any = np.float32) -> Callable[..., Any]:
    return lambda *xs: tg.astype(f(*(tg.astype(x, dtype) for x in xs)), np.float64)


def iterated(f: Callable[[Any], Any], x: Any, times: int) -> Any:
    for _ in range(times):
        x = f(x)
    return x


# --- A small change of a large value ---

for exponent in (3, 6, 9, 11, 13, 15):
    slope = "zero" if exponent == 15 else "exists"
    add(f"1e{exponent} + sum of sines", lambda x, c=10.0**exponent: tg.sum(tg.sin(x)) + c, normal(5), slope=slope)
for exponent in (4, 8, 12):
    add(f"squares of 1e{exponent} + x", lambda x, c=10.0**exponent: (x + c) ** 2, normal(4))
    add(f"variance at an offset of 1e{exponent}", lambda x, c=10.0**exponent: tg.var(x + c), normal(6))
    add(f"sines, 1e{exponent} * exp", lambda x, c=10.0**exponent: tg.concatenate([tg.sin(x), tg.exp(x) * c]), normal(4))
add("differences of large numbers", lambda x: (x + 1e8) - 1e8, normal(4))
add("sum of 10,000", lambda x: tg.sum(x * x), normal(10_000))
add("mean of 10,000 sines", lambda x: tg.mean(tg.sin(x)), normal(10_000))

# --- Cancellation ---

for exponent in (-2, -4, -6):
    add(f"1 - cos at 1e{exponent}", lambda x: 1 - tg.cos(x), normal(4, scale=10.0**exponent))
    add(f"exp(x) - 1 at 1e{exponent}", lambda x: tg.exp(x) - 1, normal(4, scale=10.0**exponent))
    add(f"x - sin(x) at 1e{exponent}", lambda x: x - tg.sin(x), normal(4, scale=10.0**exponent))
    add(f"sqrt(1 + x) - 1 at 1e{exponent}", lambda x: tg.sqrt(1 + x) - 1, normal(4, scale=10.0**exponent))
    add(f"log(1 + x) at 1e{exponent}", lambda x: tg.log(1 + x), uniform(-(10.0**exponent), 10.0**exponent, 4))
add("(1 - cos) / x ** 2 at 1e-2", lambda x: (1 - tg.cos(x)) / (x * x), uniform(1e-2, 2e-2, 3))
add("tanh(x) - x", lambda x: tg.tanh(x) - x, normal(4, scale=1e-3))
add("cosine similarity near 1", lambda x: tg.cosine_similarity(x, x * 1.0 + 1e-4, axis=0), normal(5))
add("mean of x - mean", lambda x: tg.mean(x - tg.mean(x)), normal(5), slope="zero")
add("sum of a softmax", lambda x: tg.sum(tg.softmax(x)), normal(5), slope="zero")
add("sum of a layer norm", lambda x: tg.sum(tg.layer_norm(x, (5,))), normal(2, 5), slope="zero")
add("constant", lambda x: x * 0 + 3, normal(4), slope="zero")
add("polynomial near a triple root", lambda x: x**3 - 3 * x**2 + 3 * x - 1, normal(4, scale=1e-3, offset=1.0))

# --- Fast oscillation, steep and sharp functions ---

for frequency, at in ((10, 80), (100, 1), (1000, 1), (10, 1e3), (1, 1e5)):
    add(f"sin({frequency} x) at {at:g}", lambda x, k=frequency: tg.sin(k * x), normal(4, offset=at))
add("cos(x ** 2) at 30", lambda x: tg.cos(x * x), normal(4, offset=30))
add("sin(1 / x) at 0.01", lambda x: tg.sin(1 / x), uniform(0.008, 0.02, 4))
add("exp(50 x)", lambda x: tg.exp(50 * x), normal(4))
add("narrow Gaussian", lambda x: tg.exp(-((x / 1e-3) ** 2)), normal(4, scale=1e-3))
add("narrow Gaussian, far away", lambda x: tg.exp(-((x - 1) ** 2) * 1e6), normal(4, scale=1e-3, offset=1.0))
add("sharp pole", lambda x: 1 / (x * x + 1e-6), normal(4, scale=1e-3))
for steepness in (50, 1e3, 1e5):
    add(f"sigmoid({steepness:g} x)", lambda x, k=steepness: tg.sigmoid(k * x), normal(4, scale=3 / steepness))
    add(
        f"tanh({steepness:g} (x - 1))",
        lambda x, k=steepness: tg.tanh(k * (x - 1)),
        normal(4, scale=1 / steepness, offset=1.0),
    )
add("steep sigmoid, any argument", lambda x: tg.sigmoid(1e3 * x), normal(6), slope="zero")
add("logistic map, 8 times", lambda x: iterated(lambda x: 3.9 * x * (1 - x), x, 8), uniform(0.1, 0.9, 3))
add("logistic map, 16 times", lambda x: iterated(lambda x: 3.9 * x * (1 - x), x, 16), uniform(0.1, 0.9, 3))


# --- Scales ---

for name, f in {
    "log": tg.log,
    "reciprocal": lambda x: 1 / x,
    "square root": tg.sqrt,
    "cube": lambda x: x**3,
    "x log x": lambda x: x * tg.log(x),
    "x ** 0.1": lambda x: x**0.1,
}.items():
    add(f"{name} of mixed scales", f, powers_of_ten(-6, 2, 5))
    add(f"sum of {name} of mixed scales", lambda x, f=f: tg.sum(f(x)), powers_of_ten(-6, 2, 5))
    add(f"{name} at 1e-8", f, uniform(1e-8, 3e-8, 4))
    add(f"{name} at 1e8", f, uniform(1e8, 3e8, 4))
add("log of 1 and 1e-6", lambda x: tg.log(x), lambda rng: (np.array([1.0, 1e-6]) * rng.uniform(0.5, 2, 2),))
add("exp at 300", tg.exp, normal(4, offset=300))
add("exp at -300", tg.exp, normal(4, offset=-300))
add("1e-200 x", lambda x: 1e-200 * x * x, normal(4))
add("1e200 x", lambda x: 1e200 * x * x, normal(4))
add("x of 1e-100", lambda x: tg.sin(x), normal(4, scale=1e-100))
add("x of 1e100", lambda x: 3 * x, normal(4, scale=1e100))
add("eighth power of 1e6", lambda x: x**8, normal(4, scale=1e6))
add("results of 1e10 and 1e-10", lambda x: tg.concatenate([tg.sin(x) * 1e10, tg.cos(x) * 1e-10]), normal(4))
add("inputs of 1e8 and 1", lambda x, y: tg.sin(x * 1e-8) + tg.cos(y), both(normal(3, scale=1e8), normal(3)))
add("products of 1e5 and 1e-5", lambda x, y: x * y, both(normal(3, scale=1e5), normal(3, scale=1e-5)))
add("hypot of mixed scales", tg.hypot, both(powers_of_ten(-3, 3, 5), powers_of_ten(-3, 3, 5)))
add("power of mixed scales", tg.power, both(powers_of_ten(-3, 3, 5), uniform(-3, 3, 5)))
add("division by small", lambda x, y: x / y, both(normal(4), powers_of_ten(-6, -2, 4, signed=True)))

# --- Saturation ---

for at in (6, 12, 18, 25, 40):
    add(f"tanh at {at}", tg.tanh, normal(4, offset=at), slope="zero" if at > 12 else "exists")
    add(f"sigmoid at {at}", tg.sigmoid, normal(4, offset=at), slope="zero" if at > 25 else "exists")
    add(f"sigmoid at -{at}", tg.sigmoid, normal(4, offset=-at))
    add(f"softplus at -{at}", tg.softplus, normal(4, offset=-at))
for margin in (5, 15, 25, 40, 100):
    add(
        f"cross entropy at a margin of {margin}",
        lambda x, m=margin: tg.cross_entropy(x + m * np.eye(4), np.arange(4)),
        normal(4, 4),
        slope="zero" if margin > 25 else "exists",
    )
    add(
        f"cross entropy, wrong by {margin}",
        lambda x, m=margin: tg.cross_entropy(x + m * np.eye(4), np.array([1, 2, 3, 0])),
        normal(4, 4),
    )
    add(
        f"softmax at a margin of {margin}",
        lambda x, m=margin: tg.softmax(x + m * np.eye(4), axis=1),
        normal(4, 4),
        slope="zero" if margin > 25 else "exists",
    )
    add(f"logsumexp at a margin of {margin}", lambda x, m=margin: tg.logsumexp(x + m * np.eye(4), axis=1), normal(4, 4))
add("Gaussian at 6", lambda x: tg.exp(-x * x), normal(4, offset=6))
add("silu at -30", tg.silu, normal(4, offset=-30))
add("gelu at -6", lambda x: tg.gelu(x, "tanh"), normal(4, offset=-6))
add("arctan at 1e6", tg.arctan, normal(4, scale=1e6))
add(
    "binary cross entropy at 20", lambda x: tg.nn.binary_cross_entropy_with_logits(x, np.zeros(4)), normal(4, offset=20)
)

# --- Ends of domains ---

add("arccos near 1", tg.arccos, lambda rng: (1 - 10 ** rng.uniform(-8, -3, 4),))
add("arctanh near 1", tg.arctanh, lambda rng: (1 - 10 ** rng.uniform(-8, -3, 4),))
add("logit near 0", tg.logit, powers_of_ten(-10, -2, 4))
add("tan near pi / 2", tg.tan, lambda rng: (np.pi / 2 - 10 ** rng.uniform(-4, -1, 4),))
add("arccosh near 1", tg.arccosh, lambda rng: (1 + 10 ** rng.uniform(-6, -1, 4),))
add("x ** 1.5 near 0", lambda x: x**1.5, powers_of_ten(-8, -2, 4))
add("norm near 0", lambda x: tg.sqrt(tg.sum(x * x)), normal(4, scale=1e-6))
add("arctan2 near 0", tg.arctan2, both(normal(4, scale=1e-5), normal(4, scale=1e-5)))
