"""Mutation score of the project: the fraction of mutants of all ops' vjps that the public checks kill.

``python -m tools.mutants [regex] [--sample N]`` prints both scores of `check_vjp` and `check_op`, without and with the
mutants whose condition no example met, the number of further mutants that only a convention kills, and the survivors
except those in `EQUIVALENT`.
"""

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.engine import Op, Tensor
from tinygrad_edu.shared.display.command_line import Parser
from tinygrad_edu.testing.mutate.faults import NOT_MET
from tinygrad_edu.testing.mutate.ops import Mutant, fate_of, mutants
from tinygrad_edu.testing.mutate.score import Score


def every_mutant() -> Iterator[Mutant]:
    """Yield every mutant of every vjp of every op."""
    for op in ops.registry.values():
        yield from mutants(op)


# --- Conventions, for mutants that differ from the vjp only at ties, zeros and other special values ---

CONVENTIONS: dict[str, list[tuple[list[Any], dict[str, Any], list[Any]]]] = {
    "maximum": [([[4.0, 2.0, 5.0], [4.0, 5.0, 2.0]], {}, [[0.5, 0, 1], [0.5, 1, 0]])],
    "minimum": [([[4.0, 2.0, 5.0], [4.0, 5.0, 2.0]], {}, [[0.5, 1, 0], [0.5, 0, 1]])],
    **{
        name: [
            ([[[2.0, 2.0, 2.0], [other, 5.0, 5.0]]], {"axis": 1}, [[1 / 3] * 3, [0, 0.5, 0.5]]),
            ([[[np.nan, 1.0], [2.0, 2.0]]], {"axis": 1}, [[np.nan, np.nan], [0.5, 0.5]]),
        ]
        for name, other in (("max", 0.0), ("min", 9.0))
    },
    **{
        name: [([[2.0, 3.0]], {"dtype": np.float32}, [gradient])]
        for name, gradient in (("sum", [1, 1]), ("cumsum", [2, 1]), ("prod", [3, 2]), ("cumprod", [4, 2]))
    },
    "logcumsumexp": [([[-np.inf, -np.inf, 0.0]], {}, [[0, 0, 1]]), ([[0.0, np.inf, 1.0]], {}, [[1, np.nan, 0]])],
    "softmax_cross_entropy": [([[[0.0, -680.0]], [[1.0, 0.0]]], {}, [[[0, 0]], [[0, 680.0]]])],
    "clamped_cross_entropy": [([[0.0, 1.0], [1.0, 0.0]], {}, [[-1e12, 1e12], [np.inf, -np.inf]])],
    "abs": [([[0.0, -1.0]], {}, [[0, -1]])],
    "p_norm": [
        ([[[0.0, 0.0], [0.0, -4.0]]], {"p": p, "axis": (1,), "keepdims": True}, [[[0, 0], [0, slope]]])
        for p, slope in ((2.0, -1), (1.0, -1), (0.5, -1), (1.5, -1), (3.0, -1), (-1.0, 0), (0.0, 0))
    ] + [
        ([[-end, -end]], {"p": p, "axis": (0,), "keepdims": True}, [[-(2 ** (1 / p - 1))] * 2])
        for end in (5e-324, 1.7e308) for p in (2.0, 3.0)
    ],
    "std": [
        ([[[3.0, 3.0], [1.0, 2.0]]], {"axis": 1}, [[[0, 0], [-0.5, 0.5]]]),
        *[([[end, -end]], {}, [[0.5, -0.5]]) for end in (1e-200, 1e200)],
    ],
    "gelu_tanh": [([[1e200, -1e200]], {}, [[1, 0]])],
    "relu": [([[0.0, -1.0, 2.0]], {}, [[0, 0, 1]])],
    "xlogy": [([[0.0, 0.0, 0.0, 2.0, 2.0], [-1.0, 4.0, 0.5, 4.0, -1.0]], {},
               [[0, np.log(4), np.log(0.5), np.log(4), np.nan], [0, 0, 0, 0.5, -2]])],
    "xlog1py": [([[0.0, 0.0, 0.0, 0.0, 2.0, 2.0], [-2.0, -1.0, 3.0, -0.5, 3.0, -2.0]], {},
                 [[0, 0, np.log(4), np.log(0.5), np.log(4), np.nan], [0, np.nan, 0, 0, 0.5, -2]])],
    "logit": [([[1.5, -0.5, 0.5]], {}, [[np.nan, np.nan, 4]])],
    "erfinv": [([[0.998]], {}, [[105.00265288464207]])], "ndtri": [([[0.01]], {}, [[37.52043615729513]])],
    "nan_to_num": [([[np.nan, 1.0, np.inf, -np.inf]], {}, [[0, 1, 0, 0]]), ([[1.0] * 4], {}, [[1] * 4])],
    "copysign": [([[0.0, 2.0, -2.0], [1.0, -1.0, -1.0]], {}, [[0, -1, 1], [0, 0, 0]])],
    "leaky": [([[0.0, -1.0, 1.0], [0.5, 0.5, 0.5]], {}, [[0.5, 0.5, 1], [0, -1, 0]])],
    "hardtanh": [([[-1.0, 1.0, 0.0, np.nan]], {}, [[0, 0, 1, 1]])],
    "hardsigmoid": [([[-3.0, 3.0, 0.0]], {}, [[0, 0, 1 / 6]])],
    "hardswish": [([[-3.0, 3.0, 4.0, -4.0, np.nan]], {}, [[0, 1, 1, 0, 1]])],
    "threshold": [([[1.0, 2.0, 0.0, np.nan]], {"threshold": 1.0, "value": 5.0}, [[0, 1, 0, 1]])],
    "exponential_unit": [([[0.0, 1.0, -1.0, np.nan, 1e4]], {"alpha": 2.0}, [[2, 1, 2 / np.e, 1, 1]])],
    "softplus": [([[1.0, 1.5]], {"threshold": 1.0}, [[1 / (1 + np.exp(-1)), 1]])],
    "clip_by_scalars": [([[-1.0, 1.0, 2.0]], {"min": -1.0, "max": 1.0}, [[1, 1, 0]])],
    "power": [
        ([[0.0, 0.0, 0.0, 2.0, 3.0], [0.0, 1.0, 2.0, 0.0, 1.0]], {},
         [[0, 1, 0, 0, 1], [0, 0, 0, np.log(2), 3 * np.log(3)]]),
        ([[0.0], [0.0]], {}, [[0], [0]]),
        ([[0.0, 0.0], [-1.0, 0.5]], {}, [[-np.inf, np.inf], [-np.inf, 0]]),
    ],
}  # fmt: skip


def breaks_a_convention(wrong: Op) -> bool:
    try:
        with np.errstate(all="ignore"):
            _check_conventions(wrong)
    except Exception:
        return True
    return False


def _check_conventions(wrong: Op) -> None:
    for inputs, given_settings, expected in CONVENTIONS.get(wrong.name, []):
        leaves = [Tensor(np.array(x), requires_grad=True) for x in inputs]
        out = wrong(*leaves, **given_settings)
        out.backward(np.full(out.shape, 3.0))
        for x, gradient in zip(leaves, expected, strict=True):
            assert x.grad is not None
            np.testing.assert_allclose(x.grad, 3 * np.array(gradient))


# --- Equivalent mutants: they return the same gradients as the vjp, so no check can detect them ---

# Ops, or inputs of ops, whose derivative is 0, so that factors change nothing.
ZERO = {
    "floor_divide", "sign", "sign_of_det", "undifferentiable", "floor", "ceil", "trunc", "round", "copysign.y",
}  # fmt: skip
EQUIVALENT = {
    r"(softmax|row_norm|center|channel_norm_without_affine)\.x: wrong for a constant g": "it is 0 up to rounding",
    r"lerp\.\w+: source: (x|y|weight|out) for g": "only its dtype is used there",
    r"hardswish\.x: source: out for x": "at the surviving position, out < 3 if and only if x < 3",
    r"(xlogy|xlog1py)\.x: source: out for x": "out is 0 where x is 0",
    r"logit\.x: source: 1.5 for 0.5": "where() does not select this value",
    r"nan_to_num\.x: source: x for values_of\(x\)": "NumPy accepts a Tensor there, too",
    r"fmod\.y: source: \(x - out\) / y for .*": "the quotient is an integer up to rounding",
    r"copysign\.y: (?!constant added|dtype)": "the derivative is 0, so factors change nothing",
    r"copysign\.x: saved values as constants": "only the signs are used",
    r"fmod\..: saved values as constants": "the rounded quotient has the derivative 0",
    r"(take_flat|scatter_add_flat|drop)\.x: saved values as constants": "they are indices and random bits",
    r"(leaky|hardtanh|hardsigmoid|threshold|nan_to_num)\.x: saved values as constants": "they are only compared",
    r"(add\..|subtract\.x|remainder\.x|fmod\.x|positive\.x|identity\.x): a view of g": "the derivative is 1",
    r"relu\.x: source: x for out": "x > 0 if and only if max(x, 0) > 0",
    r"relu\.x: source: g for out": "only its dtype is used there",
    r"relu\.x: source: out for g": "at the surviving position, their classes are equal",
    r"(max|min)\.x: source: (g|out) for x": "only its dtype is used there",
    r"(var|std)\.x: source: ((g|out) for x|g for _in_float64\(g\))": "only the dtype is used at the surviving "
    "positions, and the product is always float64",
    r"std\.x: source: (x for out|x\.dtype\.itemsize <= 8 for .*|\w+ for values_of\(\w+\))": "an unnecessary "
    "scale changes nothing; NumPy compares the values of a Tensor",
    r"std\.x: source: (2 for 1|share for drop\(share, constant\))": "the deviations are 0 there; only the second "
    "derivative needs the mask",
    r"(prod|cumprod)\.x: source: (x|out) for g": "only the dtype is used at the surviving position, and a wider "
    "dtype is narrowed at the end",
    r"prod\.x: source: (x|g) for out": "only the type is used at the surviving position",
    r"cumprod\.x: source: g for out": "only the shape is used at the surviving position",
    r"(cumprod\.x|recurrence\.b): source: 1 for 0": "no position follows the one with this factor",
    r"logcumsumexp\.x: source: (g|out) for x|logcumsumexp\.x: source: g for out": "only the shape is used at the "
    "surviving positions, or a scalar takes a slower path",
    r"logcumsumexp\.x: source: out for values_of\(out\)": "it is only compared",
    r"logcumsumexp\.x: source: 1(\.0)? for 0(\.0)?": "any finite number works at the surviving positions",
    r"(max|min)\.x: source: (g|x) for out": "only its size is used there, or a slower path gives the same result",
    r"power\.x: source: (g|out) for y": "it only disables the shortcut for a scalar at the surviving positions",
    r"power\.x: source: (2 for 1|1\.0 for 0\.0)": "2 / x is finite where 1 / x is; all powers of a base of 1 are 1",
    r"hardtanh\.x: source: out for x|exponential_unit\.x: source: out for x": "both are on the same side of the bounds",
    r"exponential_unit\.x: source: (x for keep.*|1 for 0)": "where() does not select the value; overflow only warns",
    r"power\.x: source: (x|y|out) for g|power\.y: source: (x|y|out) for g": "only the dtype is used at the "
    "surviving position",
    r"power\.x: source: x for y": "in the cases where the surviving position matters, some x is 0",
    r"(where|keep|abs|relu|maximum|minimum|max|min|window_max|clip_by_\w+|remainder)\..*: saved values as "
    "constants": "they are only compared",
    r"power\.x: source: x for values_of\(x\)": "isfinite(Tensor) returns the same plain array",
    r"power\.x: source: 2.0 for 1.0": "the power of 0 is multiplied by the exponent 0",
    r"expm\.x: source: (g|out) for x": "only the shape and the dtype are used at the surviving positions",
    r"expm\.x: source: 2 for 1": "a square matrix has axes of equal length",
    r"matmul\.y: source: 1 for -1": "for a vector, it is the same axis at the surviving position",
    r"matmul\.y: source: y for x": "it only disables the shortcut for a stack at the surviving position",
    r"matmul\.x: source: matmul\(expand_dims.* for squeeze.*": "the engine sums over the axis of length 1",
    r"matmul\.y: source: (y_shape for len\(y_shape\)|3 for 2|x\.ndim < 2 for .*)": "without the shortcut for a stack, "
    "the engine sums over the stack",
    r"matmul\.y: source: (g|out) for x|matmul\.y: source: (x|y|out) for g": "only lengths of the stack are "
    "used at the surviving positions",
    r"diagonal\.x: source: out for g": "only the lengths are used at the surviving positions",
    r"(where\.[xy]|keep\.x): saved value mutated": "a boolean condition is not changed",
    r"(cholesky_factor|eigenvalues|eigenpairs)\.x: transposed": "the gradient is symmetric",
    r"(cholesky_factor|eigenpairs)\.x: source: ([xg] for out|(out|x) for g)|cofactors_jvp\.x: source: "
    "(g|direction|out) for x": "only the shape or the dtype is used at the surviving positions",
    r"(cholesky_factor|cofactors_jvp)\.x: source: 2 for 1": "a square matrix has axes of equal length",
    r"eigenpairs\.x: source: differences - same for .*": "the diagonal is excluded",
    r"singular_triplets\.x: source: (g|x) for out|orthogonal_triangular\.x: source: (out|x) for g": "only its shape "
    "or its dtype is used",
    r"singular_triplets\.x: source: .* - same for .* \+ same": "only zeros, on the diagonal, are divided by it",
    r"p_norm\.x: source: ((x|out) for g|x for out)": "only its shape is used; where the norm is 0, x is 0",
    r"p_norm\.x: source: (2 for 1|share for keep\(share, counts\))": "where x is 0, the other factors are 0; "
    "only the second derivative needs the mask",
    r"p_norm\.x: source: (x|out) for values_of\((x|out)\)": "NumPy accepts a Tensor there, too",
    r"channel_norm\.(x|weight|bias): source: (g|x|weight|bias|out) for (g|x|weight)": "only the dtype, or the type "
    "Tensor, is used at the surviving positions",
    r"(recurrent|attention_in_blocks)\.row: transposed": "the gradient has one axis",
    r"recurrent\.row: source: (g|out) for row": "at the surviving position, it is a Tensor if and only if row is one",
    r"(maximum|minimum)\.[xy]: source: out for [xy]": "out > y where x > y, and out == y elsewhere",
}


def is_equivalent(mutant: Mutant) -> bool:
    if mutant.op.__name__ in ZERO or f"{mutant.op.__name__}.{mutant.argument}" in ZERO:
        return mutant.kind not in ("constant added", "dtype widened", "dtype narrowed")
    return any(re.fullmatch(pattern, str(mutant)) for pattern in EQUIVALENT)


def judge(mutant: Mutant) -> str:
    """Return the name of the error that kills a mutant, "a convention", "equivalent", "survived" or `NOT_MET`."""
    if error := fate_of(mutant).error:
        return error
    if breaks_a_convention(mutant.wrong()):
        return "a convention"
    return "equivalent" if is_equivalent(mutant) else "survived"


def main() -> None:
    parser = Parser("python -m tools.mutants", description=__doc__)
    parser.add_argument("regex", nargs="?", default="", help="only mutants whose line matches")
    parser.add_argument("--sample", type=int, metavar="N", help="only a sample of N mutants, the same in every run")
    given, start = parser.parse_args(), time.perf_counter()
    chosen = [mutant for mutant in every_mutant() if re.search(given.regex, str(mutant))]
    if given.sample is not None and given.sample < len(chosen):
        sample = np.random.default_rng(0).choice(len(chosen), given.sample, replace=False)
        chosen = [chosen[n] for n in sorted(sample)]
    verdicts = Counter[str]()
    for mutant in chosen:
        verdict = judge(mutant)
        verdicts[verdict] += 1
        if verdict == "survived":
            print("SURVIVED", mutant, flush=True)
    for verdict, count in verdicts.most_common():
        print(f"{count:5} {verdict}")
    alive = Counter({status: verdicts[status] for status in (NOT_MET, "a convention", "survived")})
    score = Score(alive + Counter(killed=len(chosen) - verdicts["equivalent"] - alive.total()))
    print(f"{score}, conventions kill {verdicts['a convention']} more, in {time.perf_counter() - start:.0f} s")
    sys.exit(bool(verdicts["survived"]))


if __name__ == "__main__":
    main()
