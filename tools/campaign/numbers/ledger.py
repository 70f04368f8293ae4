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

    def admits(self, program: Program, finding: Finding) -> bool:
        """Return whether a difference is this one."""
        return (not self.functions or bool(program.functions & set(self.functions))) and self.applies(program, finding)


def admitted(program: Program, finding: Finding) -> Entry | None:
    """Return the entry that admits a difference, or None."""
    return next((entry for entry in LEDGER if entry.admits(program, finding)), None)


# --- Predicates ---


def _refused(*parts: str) -> Callable[[Program, Finding], bool]:
    """We raise, with one of these parts in the message."""
    return lambda program, finding: isinstance(finding.ours, Exception) and any(p in str(finding.ours) for p in parts)


def _refused_by(judge: str, *parts: str) -> Callable[[Program, Finding], bool]:
    """They raise, with one of these parts in the message."""

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


def _positions_of_ties(program: Program, finding: Finding) -> bool:
    return finding.stage == "values" and _has_ties(program) and _whole(finding.ours) and _whole(finding.theirs)


def _has_ties(program: Program) -> bool:
    return any(len(np.unique(x)) < x.size for x in program.inputs.values() if x.dtype.kind == "f")


def _whole(x: Any) -> bool:
    return isinstance(x, np.ndarray) and bool((np.isfinite(x) & (x == np.round(x))).all())


def _apart(finding: Finding) -> Any:
    """Return the elements of both where they differ."""
    if not (isinstance(finding.ours, np.ndarray) and isinstance(finding.theirs, np.ndarray)):
        return None
    if finding.ours.shape != finding.theirs.shape or finding.ours.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        same = np.abs(finding.ours - finding.theirs) <= 1e-8 * np.abs(finding.theirs)
    same |= (finding.ours == finding.theirs) | (np.isnan(finding.ours) & np.isnan(finding.theirs))
    return finding.ours[~same], finding.theirs[~same]


def _their_nan(program: Program, finding: Finding) -> bool:
    """PyTorch gives NaN as a gradient wherever we differ, at an infinity among the inputs."""
    apart = _apart(finding)
    return _gradients(program, finding) and apart is not None and np.isnan(apart[1]).all() and _has_infinities(program)


def _our_nan(program: Program, finding: Finding) -> bool:
    """We give NaN as a gradient wherever we differ, and an input or a result is not finite."""
    apart = _apart(finding)
    return _gradients(program, finding) and apart is not None and bool(np.isnan(apart[0]).all())


def _has_infinities(program: Program) -> bool:
    return any(np.isinf(x).any() for x in program.inputs.values() if x.dtype.kind == "f")


def _has_nan(program: Program) -> bool:
    return any(np.isnan(x).any() for x in program.inputs.values() if x.dtype.kind == "f")


def _overflows(program: Program, finding: Finding) -> bool:
    """An input is so large that its square, or a sum, overflows."""
    return finding.judge == "PyTorch" and max(map(largest, program.inputs.values()), default=0.0) > 1e100


def _infinite_products(program: Program, finding: Finding) -> bool:
    """Values or gradients differ where one is not finite, beside an infinity among the inputs."""
    apart = _apart(finding)
    not_finite = apart is not None and not (np.isfinite(apart[0]) & np.isfinite(apart[1])).any()
    return finding.judge == "PyTorch" and not_finite and _has_infinities(program)


def _zero_d(program: Program, finding: Finding) -> bool:
    return finding.stage == "shapes" and any(not x.ndim for x in program.inputs.values())


def _empty(program: Program, finding: Finding) -> bool:
    return any(not x.size for x in program.inputs.values())


def _signs_of_zeros(program: Program, finding: Finding) -> bool:
    same = finding.stage == "values" and isinstance(finding.ours, np.ndarray) and isinstance(finding.theirs, np.ndarray)
    return same and finding.judge.startswith("NumPy") and bool((finding.ours == finding.theirs).all())


def _any(program: Program, finding: Finding) -> bool:
    return True


NORMS = ("batch_norm", "instance_norm", "nn.BatchNorm1D", "nn.BatchNorm2D", "nn.InstanceNorm1D", "nn.InstanceNorm2D")
POOLS = (
    "max_pool1d", "max_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "nn.MaxPool1D", "nn.MaxPool2D",
    "nn.AdaptiveMaxPool1D", "nn.AdaptiveMaxPool2D",
)  # fmt: skip
EXTREMA = ("max", "min", "amax", "amin", "ptp", "maximum", "minimum")
PRODUCTS = (
    "dot", "vdot", "inner", "outer", "matmul", "tensordot", "einsum", "kron", "bmm", "linear", "linalg.multi_dot",
)  # fmt: skip

LEDGER: tuple[Entry, ...] = (
    Entry(
        POOLS, "equal greatest elements in a window", "the gradient is shared evenly", "PyTorch: all to the first",
        "the rule does not depend on the order of the elements", f"{CONVENTIONS}test_ties_in_a_pooling_window_share_evenly",
        _ties,
    ),
    Entry(
        ("median", "nn.median"), "an even number of elements", "the mean of the middle two", "PyTorch: the lower one",
        "NumPy's definition", "tests/ops/test_questions.py::test_quantiles_of_any_numbers_are_numpys",
        lambda program, finding: finding.judge == "PyTorch" and finding.stage in ("values", "first"),
    ),
    Entry(
        ("kthvalue", "topk", "argsort", "nn.MaxPool1D", "nn.MaxPool2D"), "equal elements",
        "the positions of the first of them", "PyTorch: any of them",
        "a stable order, which repeats", "tests/ops/test_questions.py::test_sorting_keeps_the_order_of_equal_elements",
        _positions_of_ties,
    ),
    Entry(
        ("kthvalue", "topk", "sort", "unique", "quantile", "percentile", "median"), "equal elements",
        "the gradient goes to the first of them", "PyTorch: to any of them", "a stable order, which repeats",
        f"{CONVENTIONS}test_one_of_equal_elements_is_chosen", _ties,
    ),
    Entry(
        ("nn.MaxUnpool1D", "nn.MaxUnpool2D"), "two elements go to one place", "the gradient goes to the one that stays",
        "PyTorch: to both", "the derivative of what is computed", f"{DIFFERENCES}test_unpooling_two_elements_into_one_place",
        _gradients,
    ),
    Entry(
        ("",), "", "", "", "", "", lambda program, finding: False,
    ),
)
