"""The losses and projections of optax."""

import jax.numpy as jnp
import optax
from optax import projections

from benchmarks.checkers.real.case import POSITIVE, REAL, UNIT, Case, Domain, Judged, jax

LABELS = jnp.array([0, 2, 1, 2])
SIGNS = jnp.array([1.0, -1, 1, -1])
BITS = jnp.array([1.0, 0, 1, 0])
ONE_HOT = jnp.eye(3)[LABELS]
LOGITS = Domain(-30.0, 30.0)
PADDING = jnp.zeros((2, 5))

CASES: list[Case] = [
    jax("optax.squared_error", optax.squared_error, REAL, REAL),
    jax("optax.l2_loss", optax.l2_loss, REAL, REAL),
    jax("optax.huber_loss", optax.huber_loss, REAL, REAL),
    jax("optax.log_cosh", optax.log_cosh, REAL, REAL),
    jax("optax.cosine_similarity", optax.cosine_similarity, REAL[2, 3], REAL[2, 3]),
    jax("optax.cosine_distance", lambda a, b: optax.cosine_distance(a, b, epsilon=1e-6), REAL[2, 3], REAL[2, 3]),
    jax("optax.hinge_loss", lambda x: optax.hinge_loss(x, SIGNS), REAL),
    jax("optax.perceptron_loss", lambda x: optax.losses.perceptron_loss(x, SIGNS), REAL),
    jax("optax.sparsemax_loss", lambda x: optax.losses.sparsemax_loss(x, BITS), REAL),
    jax("optax.multiclass_hinge_loss", lambda x: optax.losses.multiclass_hinge_loss(x, LABELS), REAL[4, 3]),
    jax("optax.multiclass_perceptron_loss", lambda x: optax.losses.multiclass_perceptron_loss(x, LABELS), REAL[4, 3]),
    jax("optax.multiclass_sparsemax_loss", lambda x: optax.losses.multiclass_sparsemax_loss(x, LABELS), REAL[4, 3]),
    jax("optax.sigmoid_binary_cross_entropy", lambda x: optax.sigmoid_binary_cross_entropy(x, BITS), REAL),
    jax("optax.sigmoid_focal_loss", lambda x: optax.sigmoid_focal_loss(x, BITS, alpha=0.3), LOGITS),
    jax("optax.sigmoid_focal_loss, gamma=0.5", lambda x: optax.sigmoid_focal_loss(x, BITS, gamma=0.5), LOGITS),
    jax("optax.softmax_cross_entropy", optax.softmax_cross_entropy, REAL[4, 3], UNIT[4, 3]),
    jax("optax.safe_softmax_cross_entropy", lambda x: optax.safe_softmax_cross_entropy(x, ONE_HOT), REAL[4, 3]),
    jax(
        "optax.softmax_cross_entropy_with_integer_labels",
        lambda x: optax.softmax_cross_entropy_with_integer_labels(x, LABELS),
        REAL[4, 3],
        order=2,
    ),
    jax("optax.poly_loss_cross_entropy", lambda x: optax.losses.poly_loss_cross_entropy(x, ONE_HOT), REAL[4, 3]),
    jax("optax.kl_divergence", lambda x, t: optax.kl_divergence(x, t), LOGITS[2, 3], UNIT[2, 3]),
    jax("optax.kl_divergence_with_log_targets", optax.losses.kl_divergence_with_log_targets, REAL[2, 3], LOGITS[2, 3]),
    jax("optax.convex_kl_divergence", optax.losses.convex_kl_divergence, LOGITS[2, 3], UNIT[2, 3]),
    jax("optax.generalized_kl_divergence", optax.losses.generalized_kl_divergence, LOGITS[2, 3], POSITIVE[2, 3]),
    jax(
        "optax.ctc_loss",
        lambda x: optax.ctc_loss(x, PADDING, jnp.array([[1, 2], [2, 2]]), jnp.zeros((2, 2))),
        REAL[2, 5, 3],
    ),
    jax("optax.ntxent", lambda x: optax.losses.ntxent(x, LABELS), REAL[4, 3]),
    jax("optax.triplet_margin_loss", optax.losses.triplet_margin_loss, REAL[2, 3], REAL[2, 3], REAL[2, 3]),
    jax("optax.ranking_softmax_loss", lambda x: optax.losses.ranking_softmax_loss(x, BITS), REAL),
    jax("optax.dice_loss", lambda x: optax.losses.dice_loss(x, ONE_HOT), REAL[4, 3]),
    jax("optax.binary_dice_loss", lambda x: optax.losses.binary_dice_loss(x, BITS), REAL),
    jax(
        "optax.make_fenchel_young_loss", lambda x: optax.losses.make_fenchel_young_loss(jnp.linalg.norm)(x, BITS), REAL
    ),
    jax("optax.smooth_labels", lambda x: optax.smooth_labels(x, 0.1), UNIT[2, 3]),
    jax("optax.global_norm", optax.global_norm, REAL[2, 3]),
    jax("optax.projections.projection_simplex", projections.projection_simplex, REAL),
    jax("optax.projections.projection_l1_ball", lambda x: projections.projection_l1_ball(x, 1.5), REAL),
    jax("optax.projections.projection_l2_ball", lambda x: projections.projection_l2_ball(x, 1.5), REAL),
    jax("optax.projections.projection_l1_sphere", lambda x: projections.projection_l1_sphere(x, 1.5), REAL),
    jax("optax.projections.projection_box", lambda x: projections.projection_box(x, -1.0, 1.0), REAL),
    jax("optax.projections.projection_halfspace", lambda x: projections.projection_halfspace(x, SIGNS, 0.5), REAL),
    jax("optax.projections.projection_vector", lambda x: projections.projection_vector(x, SIGNS), REAL),
]
HALF = Judged("finding", "the gradient of projection_simplex fails in float16 and bfloat16.")
JUDGED = {
    "optax.multiclass_sparsemax_loss": HALF,
    "optax.projections.projection_simplex": HALF,
    "optax.projections.projection_l1_sphere": HALF,
}
