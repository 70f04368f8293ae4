"""Functions compute the same in ONNX Runtime, or are refused by name: every line of the tables of PyTorch."""

import re

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.interop.onnx.runtime import assert_exported
from tinygrad_edu import nn
from tinygrad_edu.errors import ExportError
from tools.torch_table import cases, names, parts

TABLE = {case.line: case for name in names() for case in cases(name)}

# Functions without a counterpart in ONNX, at least for some arguments, by the name in our part of a line.
REFUSED = {
    "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "bincount", "cholesky", "cholesky_solve", "cond",
    "cross_entropy", "cummax", "cummin", "cumprod", "digamma", "eigh", "eigvalsh", "embedding_bag",
    "erfcx", "erfinv", "expm", "flatnonzero",
    "i0", "i0e", "i1", "i1e", "index_add", "inv", "lgamma", "log_ndtr", "logcumsumexp", "lstsq", "lu", "matrix_norm",
    "matrix_power", "modified_bessel_k0", "modified_bessel_k1", "MultivariateNormal", "nanmedian", "nanquantile",
    "ndtri", "nonzero", "norm", "pinv", "polygamma", "qr", "scatter_reduce", "searchsorted", "segment_max",
    "segment_min", "segment_prod", "segment_sum", "slogdet", "solve", "solve_triangular", "svd", "svdvals",
    "tensorinv", "tensorsolve", "unique", "xlog1py",
}  # fmt: skip
# Lines whose arguments alone have none: fractions and counts that are inputs, and statistics of the batch.
REFUSED_CALLS = ("tg.quantile(x * x, q * q, 0)", "tg.repeat(x * x, r", "tg.batch_norm(", "tg.cross_entropy(x, labels)")


class Line(nn.Module):
    """The expression of a line."""

    def __init__(self, case):
        self.case = case

    def forward(self, *inputs):
        named = dict(zip(self.case.inputs, inputs, strict=True))
        return tuple(parts(eval(self.case.ours, {"tg": tg, "np": np, **named})))


def may_be_refused(ours):
    called = set(re.findall(r"\b(\w+)\(", ours))
    return bool(called & REFUSED) or ours.startswith(REFUSED_CALLS)


@pytest.mark.thorough
@pytest.mark.parametrize("name", names())
def test_functions_compute_the_same_in_onnx_runtime(name, tmp_path):
    for case in cases(name):
        inputs = tuple(tg.Tensor(x.astype(np.float32) if x.dtype.kind == "f" else x) for x in case.inputs.values())
        try:
            assert_exported(Line(case), inputs, tmp_path / "model.onnx", tolerance=2e-5, batch_axes=None)
        except ExportError:
            assert may_be_refused(case.ours), case.line
        except AssertionError as error:
            raise AssertionError(case.line) from error
