"""Wrong vjps, by kind of mistake."""

from benchmarks.checkers.rules import (
    axes,
    conditional,
    indices,
    laws,
    layers,
    linalg,
    reductions,
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
}
WRONG = [rule for rules in KINDS.values() for rule in rules]
