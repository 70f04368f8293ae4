"""The losses of optax."""

import optax

from benchmarks.checkers.real import REAL, Case, Judged, jax

CASES: list[Case] = [
    jax("optax.squared_error", optax.squared_error, REAL, REAL),
    jax("optax.huber_loss", optax.huber_loss, REAL, REAL),
    jax("optax.log_cosh", optax.log_cosh, REAL, REAL),
    jax("optax.cosine_similarity", optax.cosine_similarity, REAL[2, 3], REAL[2, 3]),
]
JUDGED: dict[str, Judged] = {}
