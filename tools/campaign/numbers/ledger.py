"""The ledger: where we differ from NumPy or PyTorch on purpose, why, and the test that holds it.

`python -m tools.differences_page` prints it as a page of the documentation, and the campaign admits what it says.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tools.campaign.numbers.closeness import largest
from tools.campaign.numbers.judges import Finding
from tools.campaign.numbers.program import Program

CONVENTIONS = "tests/ops/test_conventions.py::"
LOSSES = "tests/nn/test_losses.py::"
DIFFERENCES = "tests/ops/test_differences.py::"


class Entry(NamedTuple):
    """One agreed difference: of which functions ("" for all), when, what each side gives, the reason, and the test.

    `applies` says whether a finding about a program is this difference.
    """

    functions: tuple[str, ...]
    when: str
    ours: str
    theirs: str
    reason: str
    test: str
    applies: Callable[[Program, Finding], bool]
    composed: bool = False  # whether it may show in a composition alone

    @property
    def title(self) -> str:
        """The first function and when, for the figures."""
        return f"{self.functions[0] if self.functions else 'any'}, {self.when}"

    def admits(self, program: Program, finding: Finding) -> bool:
        """Return whether a difference is this one."""
        return (not self.functions or bool(program.functions & set(self.functions))) and self.applies(program, finding)


def admitted(program: Program, finding: Finding, composed: bool = False) -> Entry | None:
    """Return the entry that admits a difference, or None.

    With `composed`, no call differs alone: only those entries count that are about any function, or about compositions.
    """
    entries = [entry for entry in LEDGER if not composed or entry.composed or not entry.functions]
    return next((entry for entry in entries if entry.admits(program, finding)), None)


# --- Predicates ---


def _refused(*parts: str) -> Callable[[Program, Finding], bool]:
    """Return whether we raise, with one of these parts in the message."""
    return lambda program, finding: isinstance(finding.ours, Exception) and any(p in str(finding.ours) for p in parts)


def _refused_by(judge: str, *parts: str) -> Callable[[Program, Finding], bool]:
    """Return whether they raise, with one of these parts in the message."""

    def applies(program: Program, finding: Finding) -> bool:
        return finding.judge.startswith(judge) and any(part in str(finding.theirs) for part in parts)

    return applies


def _gradients(program: Program, finding: Finding) -> bool:
    return finding.judge == "PyTorch" and finding.stage in ("first", "second")


def _second(program: Program, finding: Finding) -> bool:
    return finding.judge == "PyTorch" and finding.stage == "second"


def _values(program: Program, finding: Finding) -> bool:
    return finding.stage == "values"


def _ties(program: Program, finding: Finding) -> bool:
    """Gradients differ, and an input has equal elements."""
    return _gradients(program, finding) and _has_ties(program)


def _ties_or_nan(program: Program, finding: Finding) -> bool:
    """Gradients differ, and an input has equal elements or NaN."""
    return _gradients(program, finding) and (_has_ties(program) or _has_nan(program))


def _positions_of_ties(program: Program, finding: Finding) -> bool:
    chosen = _has_ties(program) or _has_nan(program)
    return finding.stage == "values" and chosen and _whole(finding.ours) and _whole(finding.theirs)


def _has_ties(program: Program) -> bool:
    return any(len(np.unique(x, equal_nan=True)) < x.size for x in program.inputs.values() if x.dtype.kind == "f")


def _whole(x: Any) -> bool:
    return isinstance(x, np.ndarray) and bool((np.isfinite(x) & (x == np.round(x))).all())


def _apart(finding: Finding) -> Any:
    """Return the elements of both where they differ."""
    if not (isinstance(finding.ours, np.ndarray) and isinstance(finding.theirs, np.ndarray)):
        return None
    if finding.ours.shape != finding.theirs.shape or finding.ours.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        same = np.abs(finding.ours - finding.theirs) <= 1e-8 * np.abs(finding.theirs) + 1e-12 * largest(finding.theirs)
    same |= (finding.ours == finding.theirs) | (np.isnan(finding.ours) & np.isnan(finding.theirs))
    return finding.ours[~same], finding.theirs[~same]


def _their_nan(program: Program, finding: Finding) -> bool:
    """PyTorch gives NaN as a gradient wherever we differ."""
    apart = _apart(finding)
    return _gradients(program, finding) and apart is not None and bool(np.isnan(apart[1]).all())


def _our_nan(program: Program, finding: Finding) -> bool:
    """We give NaN as a gradient wherever we differ."""
    apart = _apart(finding)
    return _gradients(program, finding) and apart is not None and bool(np.isnan(apart[0]).all())


def _finite(program: Program) -> bool:
    return all(np.isfinite(x).all() for x in program.inputs.values())


def _has_infinities(program: Program) -> bool:
    return any(np.isinf(x).any() for x in program.inputs.values() if x.dtype.kind == "f")


def _has_nan(program: Program) -> bool:
    return any(np.isnan(x).any() for x in program.inputs.values() if x.dtype.kind == "f")


def _beyond_squares(program: Program, finding: Finding) -> bool:
    """Return whether the square of an input is infinite, or 0."""
    floats = [x for x in program.inputs.values() if x.dtype.kind == "f" and x.size]
    numbers = np.concatenate([np.abs(x[np.isfinite(x) & (x != 0)]) for x in floats] or [np.zeros(0)])
    judged = finding.judge == "PyTorch" or bool(program.functions & set(PRODUCTS))
    return judged and bool(((numbers > 1e100) | (numbers < 1e-100)).any())


def _infinite_products(program: Program, finding: Finding) -> bool:
    """Values or gradients differ where one is not finite, beside an infinity among the inputs."""
    apart = _apart(finding)
    judged = finding.judge == "PyTorch" or bool(program.functions & set(PRODUCTS))
    not_finite = apart is not None and not (np.isfinite(apart[0]) & np.isfinite(apart[1])).any()
    return judged and not_finite and not _finite(program)


def _zero_d(program: Program, finding: Finding) -> bool:
    return finding.stage == "shapes" and any(not x.ndim for x in program.inputs.values())


def _empty(program: Program, finding: Finding) -> bool:
    return any(not x.size for x in program.inputs.values())


def _signs_of_zeros(program: Program, finding: Finding) -> bool:
    x, y = finding.ours, finding.theirs
    if not (
        finding.stage == "values" and isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.dtype.kind == "f"
    ):
        return False
    close = np.isclose(x, y, rtol=16 * float(np.finfo(x.dtype).eps), atol=0, equal_nan=True)
    return finding.judge.startswith("NumPy") and bool(close.all())


def _any(program: Program, finding: Finding) -> bool:
    return True


def _decided_by_a_zero(program: Program, finding: Finding) -> bool:
    telling = {"arctan2", "copysign", "divide", "reciprocal", "rsqrt", "power"}
    zeros = any((x == 0).any() for x in program.inputs.values())
    return len(program.steps) > 1 and bool(program.functions & telling) and zeros


NORMS = ("batch_norm", "instance_norm", "nn.BatchNorm1D", "nn.BatchNorm2D", "nn.InstanceNorm1D", "nn.InstanceNorm2D")
POOLS = (
    "max_pool1d", "max_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "nn.MaxPool1D", "nn.MaxPool2D",
    "nn.AdaptiveMaxPool1D", "nn.AdaptiveMaxPool2D", "nn.LPPool1D", "nn.LPPool2D",
)  # fmt: skip
EXTREMA = ("max", "min", "amax", "amin", "ptp", "maximum", "minimum")
PRODUCTS = (
    "dot", "vdot", "inner", "outer", "matmul", "tensordot", "einsum", "kron", "bmm", "linear", "linalg.multi_dot",
)  # fmt: skip

LEDGER: tuple[Entry, ...] = (
    # --- Values, shapes and dtypes of functions ---
    Entry(
        ("sum", "mean", "max", "min", "var", "std", "prod", "all", "any", "amax", "amin", "count_nonzero"),
        "`axis` is a list",
        "as a tuple",
        "NumPy: a TypeError",
        "PyTorch takes lists, and programs that come from there have them",
        "tests/ops/test_forward.py::test_axes_may_be_a_list",
        _refused_by("NumPy", "'list' object", "unhashable"),
    ),
    Entry(
        (*PRODUCTS, "clip", "median", "quantile", "percentile"),
        "a result is zero",
        "either sign of zero",
        "NumPy: another sign",
        "a sum does not keep the sign, and the order of its terms depends on the shape",
        f"{DIFFERENCES}test_zeros_are_equal_whatever_their_sign",
        _signs_of_zeros,
    ),
    Entry(
        ("quantile", "percentile"),
        "the fractions are float32 or whole numbers",
        "computes them in float64",
        "NumPy: in float32; a TypeError for an array of whole numbers",
        "float32 cannot hold the places of many elements",
        f"{DIFFERENCES}test_fractions_of_quantiles_are_float64",
        lambda program, finding: (
            finding.judge == "NumPy"
            and (finding.stage != "values, refused" or "Partition index" in str(finding.theirs))
        ),
    ),
    Entry(
        ("max", "min", "amax", "amin"),
        "a boolean result without axes is raised to a power",
        "int8, as of an array",
        "NumPy: int64, as of a scalar",
        "a result without axes is a Tensor, and no scalar",
        f"{DIFFERENCES}test_a_boolean_without_axes_is_an_array",
        lambda program, finding: finding.stage == "dtypes" and not np.ndim(finding.ours),
    ),
    Entry(
        ("pad",),
        "the constant does not fit the dtype",
        "OverflowError",
        "NumPy: the constant modulo 256, say",
        "a wrong number would be silent",
        f"{DIFFERENCES}test_a_padding_that_does_not_fit_its_dtype_is_refused",
        _refused("out of bounds for"),
    ),
    Entry(
        ("linalg.multi_dot",),
        "arrays that are neither matrices nor vectors at the ends",
        "ShapeError",
        "NumPy: their `dot`, if there are two",
        "NumPy's documentation excludes them",
        "tests/ops/test_linalg.py::test_errors",
        _refused("two or more matrices"),
    ),
    Entry(
        ("linalg.pinv", "linalg.cholesky", "linalg.eigh", "linalg.eigvalsh"),
        "matrices that are not square, without elements",
        "LinAlgError",
        "NumPy, PyTorch: an empty result",
        "the shape does not depend on the number of elements",
        "tests/ops/test_linalg.py::test_errors",
        _refused("a stack of square matrices"),
    ),
    Entry(
        ("median", "quantile", "percentile"),
        "an even number of elements, of PyTorch's `median`",
        "the mean of the middle two",
        "PyTorch: the lower one",
        "NumPy's definition",
        "tests/ops/test_questions.py::test_quantiles_of_any_numbers_are_numpys",
        lambda program, finding: finding.judge == "PyTorch" and ".median(" in str([s.theirs for s in program.steps]),
    ),
    Entry(
        ("quantile", "percentile", "median"),
        "an element beside infinities",
        "that element",
        "NumPy, PyTorch: NaN, from 0 times infinity",
        "the fraction is that of the element",
        "tests/ops/test_questions.py::test_a_quantile_that_is_an_element_is_that_element_beside_infinities",
        lambda program, finding: finding.stage in ("values", "first", "second") and _has_infinities(program),
    ),
    Entry(
        ("kthvalue", "topk", "argsort", *POOLS),
        "equal elements",
        "the position of the first",
        "PyTorch: any of them",
        "a stable order repeats",
        "tests/ops/test_questions.py::test_sorting_keeps_the_order_of_equal_elements",
        _positions_of_ties,
    ),
    Entry(
        ("kthvalue", "topk", "sort", "unique", "quantile", "percentile", "median"),
        "equal elements",
        "the gradient of the first",
        "PyTorch: of any of them",
        "a stable order repeats",
        f"{CONVENTIONS}test_one_of_equal_elements_is_chosen",
        _ties,
    ),
    Entry(
        (),
        "an axis of an array without axes",
        "AxisError",
        "PyTorch: as of one element",
        "NumPy's rule",
        f"{DIFFERENCES}test_an_array_without_axes_has_no_axis",
        _refused("out of bounds for array of dimension 0"),
    ),
    Entry(
        ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "sort", "argsort", "topk"),
        "an array without axes",
        "one element along one axis",
        "PyTorch: no axis",
        "NumPy's rule",
        f"{DIFFERENCES}test_a_scan_of_a_number_has_one_axis",
        _zero_d,
    ),
    Entry(
        ("average",),
        "nothing is averaged, or weights of whole numbers add up to 0 in float32",
        "an empty result or NaN; ZeroDivisionError",
        "NumPy: ZeroDivisionError; a number",
        "as `mean`; Tensors of whole numbers become float32",
        f"{DIFFERENCES}test_reductions_that_numpy_refuses",
        lambda program, finding: "division by zero" in str(finding.theirs) or "add up to 0" in str(finding.ours),
    ),
    Entry(
        ("var", "std", "mean", "nanmean", "average", "sort"),
        "the axis 0 or -1 of an array without axes",
        "as of one element",
        "NumPy: AxisError, though `sum` takes that axis",
        "the same rule for every reduction",
        f"{DIFFERENCES}test_reductions_that_numpy_refuses",
        _refused_by("NumPy", "out of bounds for array of dimension 0"),
    ),
    Entry(
        ("std",),
        "gradients where all values are equal",
        "0, or what rounding makes of the mean",
        "PyTorch: the same, with another rounding",
        "the derivative does not exist",
        f"{CONVENTIONS}test_a_constant_has_no_deviation_at_any_order",
        _ties,
    ),
    Entry(
        ("var", "std"),
        "float16 and float32 where squares overflow, or are 0",
        "the rounded result of float64",
        "NumPy: infinity, 0 or a number with few digits",
        "a deviation at the ends of the range is not lost",
        f"{CONVENTIONS}test_float16_statistics_of_many_numbers",
        lambda program, finding: finding.judge.startswith("NumPy") and finding.stage == "values",
    ),
    Entry(
        ("linalg.norm", "linalg.vector_norm", "linalg.matrix_norm"),
        "sums of powers overflow, or are 0, in the dtype",
        "the norm",
        "NumPy: infinity, or 0",
        "the norm itself does not overflow",
        "tests/ops/test_linalg.py::test_a_norm_overflows_only_where_it_is_too_large",
        lambda program, finding: finding.judge.startswith("NumPy") and finding.stage == "values",
    ),
    Entry(
        ("interpolate", "nn.Upsample"),
        "gradients of `bicubic` with a factor that leaves the size as it is",
        "of what is computed",
        "PyTorch: as if the image were copied",
        "the values are not copied",
        f"{DIFFERENCES}test_the_gradient_of_bicubic_where_the_size_stays",
        lambda program, finding: _gradients(program, finding) and "bicubic" in str(program.steps),
    ),
    Entry(
        ("power",),
        "float16, the exponent 0.5, and -inf or -0.0",
        "NaN and -0.0, as of `sqrt`",
        "NumPy: infinity and 0.0, but in float32 and float64 as here",
        "one rule for all dtypes",
        f"{DIFFERENCES}test_the_power_of_one_half_is_a_square_root",
        lambda program, finding: any(x.dtype == np.float16 for x in program.inputs.values()),
    ),
    Entry(
        (
            "nn.Transformer",
            "nn.TransformerDecoder",
            "nn.TransformerDecoderLayer",
            "nn.TransformerEncoder",
            "nn.TransformerEncoderLayer",
            "nn.MultiheadAttention",
        ),
        "a mask of another shape, with `is_causal`",
        "ShapeError",
        "PyTorch: does not read the mask",
        "a wrong mask is not hidden",
        "tests/nn/test_attention.py::test_what_does_not_fit_is_refused",
        _refused("attn_mask has the shape"),
    ),
    Entry(
        ("diff",),
        "`n=0`, and an array without axes, or an axis that is none of its",
        "an error, as for other n",
        "NumPy: the array",
        "the shape that is needed does not depend on n",
        "tests/ops/test_questions.py::test_what_is_no_call_says_so",
        _refused("a number has no neighbors", "out of bounds for array"),
    ),
    Entry(
        ("take", "take_along_axis"),
        "positions in an axis of length 0",
        "IndexError",
        "NumPy: an empty result, if the array has no elements",
        "the position does not exist",
        f"{DIFFERENCES}test_nothing_can_be_taken_from_an_axis_of_length_0",
        _refused("out of bounds for axis"),
    ),
    Entry(
        (),
        "the sign of a zero decides a later call: `arctan2`, `copysign`, a division",
        "either sign",
        "PyTorch: another sign",
        "the signs of zeros are not promised",
        f"{DIFFERENCES}test_zeros_are_equal_whatever_their_sign",
        _decided_by_a_zero,
    ),
    Entry(
        ("sign",),
        "NaN",
        "NaN",
        "PyTorch: 0",
        "NumPy's rule",
        f"{DIFFERENCES}test_the_sign_of_nan_is_nan",
        lambda program, finding: finding.judge == "PyTorch" and _has_nan(program),
    ),
    Entry(
        ("put_along_axis",),
        "more values than positions",
        "ShapeError",
        "PyTorch's `scatter`: the first of them",
        "NumPy's rule",
        f"{DIFFERENCES}test_values_that_do_not_fit_their_positions_are_refused",
        _refused("broadcast_to", "broadcast"),
    ),
    # --- Gradients: ties, bends, singular matrices ---
    Entry(
        (*POOLS, *EXTREMA),
        "equal greatest elements, or NaN",
        "the gradient is shared evenly",
        "PyTorch: pooling gives all to one",
        "the rule does not depend on the order of the elements",
        f"{CONVENTIONS}test_ties_in_a_pooling_window_share_evenly",
        _ties_or_nan,
    ),
    Entry(
        ("nn.MaxUnpool1D", "nn.MaxUnpool2D"),
        "two elements go to one place",
        "the gradient of the one that stays",
        "PyTorch: both have it",
        "the derivative of the result",
        f"{DIFFERENCES}test_unpooling_gives_the_gradient_to_the_element_that_stays",
        lambda program, finding: _gradients(program, finding) or _has_ties(program),
    ),
    Entry(
        (
            "nn.smooth_l1_loss",
            "nn.SmoothL1Loss",
            "nn.huber_loss",
            "nn.HuberLoss",
            "nn.PReLU",
            "prelu",
            "softplus",
            "nn.Softplus",
            "leaky_relu",
            "nn.LeakyReLU",
            "elu",
            "celu",
            "selu",
            "hardswish",
            "nn.Hardswish",
        ),
        "second derivatives where the function bends",
        "the derivative of one side",
        "PyTorch: of the other side, or 0",
        "the derivative does not exist",
        f"{DIFFERENCES}test_second_derivatives_at_bends_are_those_of_one_side",
        _second,
    ),
    Entry(
        ("hardshrink", "softshrink", "relu6", "hardtanh", "nn.Hardshrink", "nn.Softshrink", "nn.ReLU6", "nn.Hardtanh"),
        "NaN",
        "passes the gradient",
        "PyTorch: passes it or not, by the number of elements",
        "a NaN is not hidden",
        f"{CONVENTIONS}test_bends_ends_and_nan_of_the_elementwise_functions",
        lambda program, finding: _gradients(program, finding) and _has_nan(program),
    ),
    Entry(
        ("cosine_similarity", "nn.cosine_embedding_loss", "nn.CosineEmbeddingLoss"),
        "a vector that is shorter than `eps`",
        "the derivative of the result",
        "PyTorch: as if it were longer",
        "the result does not depend on its length there",
        f"{DIFFERENCES}test_a_vector_shorter_than_eps",
        _gradients,
    ),
    Entry(
        (
            "normalize",
            "pairwise_distance",
            "linalg.norm",
            "linalg.vector_norm",
            "linalg.matrix_norm",
            "nn.LPPool1D",
            "nn.LPPool2D",
        ),
        "second derivatives beside zeros",
        "NaN or 0",
        "PyTorch: NaN at the zeros alone, or a number",
        "the derivative does not exist",
        f"{CONVENTIONS}test_norms_and_values_where_they_have_no_derivative",
        _second,
    ),
    Entry(
        (
            "linalg.qr",
            "linalg.svd",
            "linalg.svdvals",
            "linalg.eigh",
            "linalg.eigvalsh",
            "linalg.slogdet",
            "linalg.pinv",
            "linalg.cond",
        ),
        "gradients of singular matrices, or with equal values",
        "numbers of rounding errors, or a LinAlgError",
        "PyTorch: numbers of other rounding errors",
        "the derivative does not exist",
        f"{DIFFERENCES}test_the_gradient_of_the_logarithm_of_0_is_refused",
        lambda program, finding: finding.judge == "PyTorch" and finding.stage.startswith(("first", "second")),
        composed=True,
    ),
    Entry(
        ("gelu", "nn.GELU"),
        "far below 0",
        "the small number that it is",
        "PyTorch: 0, or what rounding leaves",
        "1 + tanh(x) loses its digits there",
        f"{DIFFERENCES}test_gelu_far_below_0",
        lambda program, finding: any((x < -3).any() for x in program.inputs.values()),
    ),
    Entry(
        ("copysign",),
        "second derivatives near 0",
        "the derivative",
        "PyTorch: few digits, or 0",
        "PyTorch divides by the number",
        f"{DIFFERENCES}test_the_second_derivative_through_copysign",
        _second,
    ),
    Entry(
        ("linalg.solve",),
        "b has one axis less than a, and more than one",
        "a stack of matrices",
        "PyTorch: a stack of vectors, if the lengths fit",
        "NumPy's rule",
        f"{DIFFERENCES}test_what_is_no_vector_is_a_stack_of_matrices",
        lambda program, finding: finding.judge == "PyTorch",
    ),
    Entry(
        ("dot",),
        "a zero without axes, times NaN or infinity",
        "NaN",
        "NumPy: 0",
        "0 times NaN is NaN",
        f"{DIFFERENCES}test_a_zero_does_not_hide_nan",
        lambda program, finding: finding.judge.startswith("NumPy") and not _finite(program),
    ),
    Entry(
        ("clip",),
        "gradients of the bounds, where they are equal",
        "to the bound that the number is beyond",
        "PyTorch: to the upper one",
        "the derivative does not exist",
        f"{DIFFERENCES}test_equal_bounds",
        _ties,
    ),
    Entry(
        ("sinc",),
        "derivatives at 0 and near it",
        "the limit: -pi² / 3 for the second",
        "PyTorch: NaN at 0, and few digits near it",
        "the limit exists",
        f"{CONVENTIONS}test_bends_ends_and_nan_of_the_elementwise_functions",
        _gradients,
    ),
    Entry(
        ("power",),
        "second derivatives by base and exponent where the exponent is 0",
        "the derivative",
        "PyTorch: 0",
        "it exists",
        f"{DIFFERENCES}test_the_mixed_derivative_of_a_power_with_the_exponent_0",
        _second,
    ),
    Entry(
        ("nn.Embedding",),
        "second derivatives with `scale_grad_by_freq`",
        "scales both times",
        "PyTorch: scales once",
        "the second gradient is the transpose of the first",
        f"{DIFFERENCES}test_the_second_gradient_of_an_embedding_scaled_by_frequency",
        _second,
        composed=True,
    ),
    Entry(
        ("linalg.svd", "linalg.eigh", "linalg.qr", "linalg.slogdet", "linalg.det"),
        "singular matrices, or equal values",
        "some of the possible vectors and signs",
        "PyTorch, NumPy: others",
        "they are not unique, or rounding decides",
        "tests/ops/test_linalg.py::test_what_numpy_gives",
        _values,
        composed=True,
    ),
    Entry(
        ("scatter_add",),
        "values and positions of other shapes",
        "an error",
        "PyTorch's `index_add`: broadcasts one position",
        "NumPy's rule",
        f"{DIFFERENCES}test_values_that_do_not_fit_their_positions_are_refused",
        _refused("not broadcastable"),
    ),
    # --- Layers and losses ---
    Entry(
        (),
        "a prediction and a target of other shapes",
        "ShapeError",
        "PyTorch: broadcasts them, with a warning",
        "a loss of the wrong pairs is silent",
        f"{LOSSES}test_a_prediction_is_never_broadcast_against_its_target",
        _refused("They are compared element by element", "do not fit losses"),
    ),
    Entry(
        (
            "nn.binary_cross_entropy",
            "nn.BCELoss",
            "nn.binary_cross_entropy_with_logits",
            "nn.BCEWithLogitsLoss",
            "nn.multilabel_soft_margin_loss",
            "nn.MultiLabelSoftMarginLoss",
            "cross_entropy",
            "nn.CrossEntropyLoss",
            "nn.hinge_embedding_loss",
            "nn.HingeEmbeddingLoss",
            "nn.soft_margin_loss",
            "nn.SoftMarginLoss",
            "nn.kl_div",
            "nn.KLDivLoss",
            "nn.cross_entropy",
            "nn.poisson_nll_loss",
            "nn.PoissonNLLLoss",
        ),
        "targets that are no probabilities or labels",
        "ValueError",
        "PyTorch: a number",
        "the loss means nothing",
        f"{LOSSES}test_what_does_not_fit_is_explained",
        _refused("targets are", "not all from 0 to 1", "are 1 and -1"),
    ),
    Entry(
        (*NORMS, "nn.GroupNorm"),
        "a number of channels that the layer was not made for",
        "ShapeError",
        "PyTorch: computes, where the layer has no parameters",
        "the layer says for how many it is",
        "tests/nn/test_normalization.py::test_what_does_not_fit_is_refused",
        _refused("channels along axis", "running_mean of shape", "running_var of shape", "weight of shape"),
    ),
    Entry(
        (),
        "another number of axes than a layer is for",
        "ShapeError",
        "PyTorch: computes along those that there are",
        "the meaning of the axes is part of the call",
        "tests/nn/test_images.py::test_what_does_not_fit_is_explained",
        _refused(
            "axes, or",
            "has the axes",
            "have the axes",
            "needs the axes",
            "have a shape",
            "images have the shape",
            "output_size is from",
        ),
    ),
    Entry(
        (
            "nn.CircularPad1D",
            "nn.CircularPad2D",
            "nn.ConstantPad1D",
            "nn.ConstantPad2D",
            "nn.ZeroPad1D",
            "nn.ZeroPad2D",
            "nn.ReplicationPad1D",
            "nn.ReplicationPad2D",
            "nn.ReflectionPad1D",
            "nn.ReflectionPad2D",
            "interpolate",
            "nn.Upsample",
        ),
        "a size or a border leaves nothing, or less than is continued",
        "ShapeError",
        "PyTorch: an empty result, or zeros",
        "nothing can be continued",
        "tests/nn/test_images.py::test_what_does_not_fit_is_explained",
        _refused("leaves nothing of an axis", "wide at most", "there must be a pixel in each"),
    ),
    Entry(
        (),
        "an input without elements",
        "the shape that the formula gives, or a ShapeError",
        "PyTorch: returns early, with another shape, or without reading the settings",
        "the shape does not depend on the number of elements",
        f"{DIFFERENCES}test_nothing_has_the_shape_of_the_formula",
        lambda program, finding: finding.judge == "PyTorch" and _empty(program, finding) and finding.stage != "second",
    ),
    Entry(
        ("nn.MultiMarginLoss", "nn.multi_margin_loss", "nn.MultiLabelMarginLoss", "nn.multilabel_margin_loss"),
        "a mean of no samples",
        "NaN",
        "PyTorch: a number from unset memory",
        "as the mean of nothing",
        f"{LOSSES}test_the_mean_of_no_losses_is_nan_and_their_sum_0",
        lambda program, finding: _empty(program, finding),
    ),
    Entry(
        ("nn.poisson_nll_loss", "nn.PoissonNLLLoss"),
        "`full=True` and the gradient of a target up to 0",
        "that of the terms that count",
        "PyTorch: NaN",
        "Stirling's term counts above 1 alone",
        f"{DIFFERENCES}test_stirlings_term_of_a_small_target_has_no_gradient",
        _gradients,
    ),
    Entry(
        (
            "nn.binary_cross_entropy_with_logits",
            "nn.BCEWithLogitsLoss",
            "nn.multilabel_soft_margin_loss",
            "nn.MultiLabelSoftMarginLoss",
            "logsigmoid",
            "nn.LogSigmoid",
            "softplus",
        ),
        "an infinite logit",
        "the limit",
        "PyTorch: NaN, from infinity minus infinity",
        "the limit exists",
        f"{CONVENTIONS}test_binary_cross_entropy_at_its_ends",
        lambda program, finding: _has_infinities(program),
    ),
    Entry(
        ("nn.RReLU",),
        "NaN",
        "the slope of the negative side, as of `leaky_relu`",
        "PyTorch: 1 in training",
        "NaN is not above 0",
        f"{DIFFERENCES}test_rrelu_treats_nan_as_leaky_relu_does",
        lambda program, finding: _has_nan(program),
    ),
    Entry(
        ("nn.MultiMarginLoss", "nn.multi_margin_loss", "nn.MultiLabelMarginLoss", "nn.multilabel_margin_loss"),
        "NaN among the scores",
        "NaN",
        "PyTorch: leaves it out",
        "a NaN is not hidden",
        f"{DIFFERENCES}test_a_nan_among_the_scores_reaches_the_loss",
        lambda program, finding: finding.judge == "PyTorch" and not finding.stage.endswith("refused"),
    ),
    Entry(
        ("nn.CrossEntropyLoss", "cross_entropy", "nn.cross_entropy"),
        "one sample of no classes",
        "0",
        "PyTorch: NaN",
        "the sum over no classes",
        f"{DIFFERENCES}test_a_sample_of_no_classes_has_no_loss",
        _empty,
    ),
    Entry(
        ("interpolate", "nn.Upsample", "nn.UpsamplingBilinear2D"),
        "an infinity or NaN in the image",
        "it does not count where its weight is 0",
        "PyTorch: NaN where its weight is 0",
        "a pixel of weight 0 does not count",
        f"{CONVENTIONS}test_where_functions_of_networks_have_their_ends",
        lambda program, finding: not _finite(program),
    ),
    Entry(
        ("interpolate", "nn.Upsample", "nn.UpsamplingNearest2D"),
        "the nearest of thousands of pixels, in float64",
        "positions computed in float32, as PyTorch's of float32",
        "PyTorch: positions computed in float64",
        "one image has one result in both dtypes",
        f"{DIFFERENCES}test_nearest_pixels_do_not_depend_on_the_dtype",
        lambda program, finding: any(n > 1000 for x in program.inputs.values() for n in x.shape),
    ),
    # --- NaN, infinities and the ends of the range, of any function ---
    Entry(
        ("logcumsumexp",),
        "as long as there was -inf alone",
        "a gradient of 0",
        "PyTorch: NaN",
        "the sum has no such term",
        f"{CONVENTIONS}test_logcumsumexp_at_its_ends",
        _their_nan,
    ),
    Entry(
        ("arccosh",),
        "outside of the domain",
        "a gradient of NaN",
        "PyTorch: that of the formula",
        "the result is NaN",
        f"{DIFFERENCES}test_outside_of_its_domain_arccosh_has_a_gradient_of_nan",
        _our_nan,
    ),
    Entry(
        (),
        "gradients where a result is infinite or NaN",
        "the limit, or NaN",
        "PyTorch: NaN, or the limit",
        "0 times infinity; a NaN is never hidden",
        f"{CONVENTIONS}test_bends_ends_and_nan_of_the_elementwise_functions",
        lambda program, finding: (
            (len(program.steps) > 1 or not (finding.finite and _finite(program)))
            and (_their_nan(program, finding) or _our_nan(program, finding))
        ),
    ),
    Entry(
        (),
        "sums of products with an infinity or NaN",
        "infinity or NaN, also beside it",
        "NumPy, PyTorch: NaN or infinity, in fewer or more places",
        "0 times infinity, where zeros fill the matrices that are multiplied",
        f"{DIFFERENCES}test_an_infinity_makes_no_number_of_what_it_meets",
        _infinite_products,
    ),
    Entry(
        (),
        "numbers whose squares are infinite, or 0",
        "an overflow, or none",
        "NumPy, PyTorch: none, or an overflow",
        "the order of operations is not promised",
        "tests/ops/test_linalg.py::test_a_norm_overflows_only_where_it_is_too_large",
        _beyond_squares,
    ),
)
