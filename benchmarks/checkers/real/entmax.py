"""The sparse activations and losses of entmax."""

import entmax
import torch as th

from benchmarks.checkers.real.case import REAL, Case, Domain, Judged, torch

LABELS = th.tensor([0, 2])
X = REAL[2, 3]
ALPHA = Domain(1.0, 2.0, (2, 1), special=(1.25, 1.5))
ACTIVATIONS = [
    ("sparsemax", entmax.sparsemax),
    ("entmax15", entmax.entmax15),
    ("sparsemax_bisect", entmax.sparsemax_bisect),
    ("entmax_bisect", entmax.entmax_bisect),
    ("entmax_bisect, alpha=1.2", lambda x: entmax.entmax_bisect(x, alpha=1.2)),
    ("entmax_bisect, alpha=2.5", lambda x: entmax.entmax_bisect(x, alpha=2.5)),
    ("entmax_bisect, not ensure_sum_one", lambda x: entmax.entmax_bisect(x, ensure_sum_one=False)),
    ("normmax_bisect", entmax.normmax_bisect),
    ("normmax_bisect, alpha=1.5", lambda x: entmax.normmax_bisect(x, alpha=1.5)),
    ("normmax_bisect, alpha=3", lambda x: entmax.normmax_bisect(x, alpha=3)),
    ("budget_bisect", entmax.budget_bisect),
    ("budget_bisect, budget=1.5", lambda x: entmax.budget_bisect(x, budget=1.5)),
]
LOSSES = [
    ("SparsemaxLoss", lambda x: entmax.SparsemaxLoss()(x, LABELS)),
    ("SparsemaxBisectLoss", lambda x: entmax.SparsemaxBisectLoss()(x, LABELS)),
    ("Entmax15Loss", lambda x: entmax.Entmax15Loss()(x, LABELS)),
    ("EntmaxBisectLoss", lambda x: entmax.EntmaxBisectLoss()(x, LABELS)),
    ("NormmaxBisectLoss", lambda x: entmax.NormmaxBisectLoss()(x, LABELS)),
]

CASES: list[Case] = [
    *[torch(f"entmax.{name}", f, X) for name, f in ACTIVATIONS + LOSSES],
    *[torch(f"entmax.{name}, order 2", f, X, order=2) for name, f in ACTIVATIONS + LOSSES],
    torch("entmax.sparsemax, k", lambda x: entmax.sparsemax(x, k=2), REAL[2, 4]),
    torch("entmax.sparsemax, axis 0", lambda x: entmax.sparsemax(x, dim=0, k=2), REAL[4, 2]),
    torch("entmax.sparsemax, axis -2", lambda x: entmax.sparsemax(x, dim=-2, k=2), REAL[4, 2]),
    torch("entmax.entmax15, k", lambda x: entmax.entmax15(x, k=2), REAL[2, 4]),
    torch("entmax.entmax15, axis 1", lambda x: entmax.entmax15(x, dim=1, k=2), REAL[2, 4, 2]),
    torch("entmax.entmax_bisect, axis 1", lambda x: entmax.entmax_bisect(x, dim=1), REAL[2, 3, 2]),
    torch("entmax.entmax_bisect, alpha", entmax.entmax_bisect, X, ALPHA),
    torch("entmax.entmax_bisect, alpha, order 2", entmax.entmax_bisect, X, ALPHA, order=2),
    torch("entmax.entmax_bisect, one alpha", entmax.entmax_bisect, X, ALPHA[()]),
    torch("entmax.budget_bisect, axis 1", lambda x: entmax.budget_bisect(x, dim=1), REAL[2, 4, 1]),
    torch("entmax.sparsemax_loss", lambda x: entmax.sparsemax_loss(x, LABELS, k=2), X),
    torch("entmax.entmax15_loss", lambda x: entmax.entmax15_loss(x, LABELS, k=2), X),
    torch("entmax.entmax_bisect_loss", lambda x: entmax.entmax_bisect_loss(x, LABELS, alpha=1.3), X),
    torch("entmax.entmax_bisect_loss, alpha", lambda x, a: entmax.entmax_bisect_loss(x, LABELS, a), X, ALPHA[()]),
    torch(
        "entmax.entmax_bisect_loss, alphas",
        lambda x: entmax.entmax_bisect_loss(x, LABELS, th.tensor([[1.3], [1.6]])),
        X,
    ),
    torch("entmax.normmax_bisect_loss", lambda x: entmax.normmax_bisect_loss(x, LABELS, alpha=3), X),
    torch("entmax.Entmax15Loss, ignore_index", lambda x: entmax.Entmax15Loss(ignore_index=0)(x, LABELS), X),
]
NAN = Judged("finding", "the second derivative is nan where a result is zero.")
JUDGED = {
    **{
        f"entmax.{name}, order 2": NAN
        for name, _ in ACTIVATIONS
        if name.startswith(("entmax15", "entmax_bisect", "normmax_bisect"))
    },
    **{f"entmax.{name}, order 2": Judged("finding", "the Hessian is silently zero.") for name, _ in LOSSES},
    "entmax.budget_bisect, order 2": Judged("finding", "nan if all results are 0 or 1."),
    "entmax.budget_bisect, budget=1.5, order 2": Judged("finding", "nan if all results are 0 or 1."),
    "entmax.sparsemax, axis -2": Judged("finding", "a negative axis with k fails."),
    "entmax.entmax_bisect, alpha, order 2": Judged("finding", "nan, and second derivatives by alpha are wrong."),
    "entmax.budget_bisect, axis 1": Judged("finding", "wrong if the axis after dim has one element."),
    "entmax.entmax_bisect_loss, alpha": Judged("finding", "alpha has no gradient."),
    "entmax.entmax_bisect_loss, alphas": Judged("finding", "an alpha for each row fails."),
    "entmax.budget_bisect, special": Judged("convention", "the gradient of one side of a kink, where all are active."),
}
