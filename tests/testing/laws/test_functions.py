"""run_laws on plain NumPy functions: right ones pass, and each planted fault is named."""

import numpy as np
import pytest

from tinygrad_edu.testing import LawBroken, Report
from tinygrad_edu.testing.differentiable import Differentiable
from tinygrad_edu.testing.laws.functions import run_laws

X = np.random.default_rng(0).normal(size=(3, 4))


def sines(gradient, dtypes=(np.float32, np.float16), point=X):
    """Return the sine with a gradient (x, g) of its own."""

    def record(arrays, needs):
        (x,) = arrays
        return [np.sin(x)], lambda cotangents: [gradient(x, cotangents[0])]

    return Differentiable("sine", ("x",), (point,), lambda arrays: [np.sin(arrays[0])], record, [[t] for t in dtypes])


def run(d, skip=()):
    report = Report(d.name, skip)
    run_laws(report, d, np.random.default_rng(0))
    return report.conclude()


def test_numbers_of_few_digits_allow_no_larger_error():
    def off_for_another_layout(x, g):
        return g * np.cos(x) * (1 if g.flags.c_contiguous else 1.01)

    with pytest.raises(LawBroken, match="x differs between"):
        run(sines(off_for_another_layout, point=np.array([[0.5, -0.25, 1.0], [2.0, 0.0, 1.5]])))


def test_laws_that_cannot_be_tested_give_their_reason():
    report = run(sines(lambda x, g: g * np.cos(x), dtypes=()))
    reasons = {verdict.law: verdict.reason for verdict in report.verdicts if verdict.status == "not checked"}
    assert reasons == {
        "unused results": "the function has one result",
        "subsets of inputs": "there is one input",
        "narrow dtypes": "the function is checked in its own dtypes",
        "jvp equals vjp": "there is no forward derivative",
        "batching": "there is no batching",
    }


def test_a_gradient_that_raises_for_a_layout_is_wrong_and_a_function_that_does_is_not_checked():
    def refuses(x):
        if not x.flags.c_contiguous:
            raise ValueError("not contiguous")

    with pytest.raises(LawBroken, match=r"the gradient cannot be computed for .* cotangents: ValueError: not contig"):
        run(sines(lambda x, g: refuses(g) or g * np.cos(x)))
    d = sines(lambda x, g: g * np.cos(x))

    def values(arrays):
        return refuses(arrays[0]) or [np.sin(arrays[0])]

    picky = Differentiable("picky", d.names, d.arrays, values, lambda x, needs: (values(x), d.record(x, needs)[1]))
    skipped = [verdict.subject for verdict in run(picky).verdicts if verdict.law == "layouts" and verdict.reason]
    assert "fortran inputs" in skipped
    assert "fortran cotangents" not in skipped
