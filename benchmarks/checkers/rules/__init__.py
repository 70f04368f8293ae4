"""Wrong vjps, by kind of mistake."""

from benchmarks.checkers.rules import (
    axes,
    conditional,
    indices,
    laws,
    layers,
    linalg,
    reductions,
    reported_branches,
    reported_indices,
    reported_matrices,
    reported_second,
    reported_zeros,
    scales,
    second,
    whole,
)

KINDS = {
    "wrong everywhere": whole.WRONG,
    "axes": axes.WRONG,
    "indices": indices.WRONG,
    "reductions": reductions.WRONG,
    "layers": layers.WRONG,
    "linear algebra": linalg.WRONG,
    "single elements or regions": conditional.WRONG,
    "second derivatives": second.WRONG,
    "laws": laws.WRONG,
    "scales": scales.WRONG,
    "real bugs: zeros and kinks": reported_zeros.WRONG,
    "real bugs: branches and regions": reported_branches.WRONG,
    "real bugs: indices and layouts": reported_indices.WRONG,
    "real bugs: matrices": reported_matrices.WRONG,
    "real bugs: second derivatives": reported_second.WRONG,
}
WRONG = [rule for rules in KINDS.values() for rule in rules]
