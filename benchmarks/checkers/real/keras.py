"""The operations, layers and losses of Keras, on JAX."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers, losses, ops

from benchmarks.checkers.real.case import POSITIVE, REAL, SIGNED_UNIT, UNIT, Case, Domain, Judged
from tinygrad_edu.testing import check_jax, check_keras

NEAR = Domain(-30.0, 30.0)
SMALL = Domain(-3.0, 3.0)
ABOVE_ONE = Domain(1.0)
SERIES, IMAGE = SMALL[2, 6, 2], SMALL[1, 4, 4, 2]
SKIP = ("batching",)  # by jax.vmap, which users of Keras do not call


def op(name, f, *domains, order=1):
    """Check an operation in the dtypes of its arguments."""
    return Case(
        f"keras.ops.{name}",
        lambda rng, kind: check_jax(f, *[domain.draw(rng, kind) for domain in domains], order=order, skip=SKIP),
    )


def loss(name, f, y, domain):
    """Check a loss by the predictions."""
    return Case(
        f"keras.losses.{name}", lambda rng, kind: check_jax(lambda p: f(y, p), domain.draw(rng, kind), skip=SKIP)
    )


def layer(name, make, *domains, training=False):
    """Check a new layer by its variables and inputs."""

    def check(rng, kind):
        keras.utils.set_random_seed(0)
        inputs = [domain.draw(rng, kind).astype(np.float32) for domain in domains]
        return check_keras(make(), *inputs, training=training, skip=SKIP)

    return Case(f"keras.layers.{name}", check)


ELEMENTWISE = {
    REAL: "absolute arcsinh arctan cbrt celu cos deg2rad elu erf erfc gelu hard_shrink hard_sigmoid hard_silu "
    "hard_tanh leaky_relu log_sigmoid nan_to_num negative relu relu6 selu sigmoid silu sin sinc soft_shrink softplus "
    "softsign sparse_plus sparse_sigmoid square squareplus tanh tanh_shrink",
    NEAR: "cosh exp exp2 expm1 i0 sinh tan",
    POSITIVE: "log log10 log1p log2 reciprocal rsqrt sqrt",
    SIGNED_UNIT: "arccos arcsin arctanh erfinv",
    ABOVE_ONE: "arccosh",
}
PAIRS = {
    REAL: "add fmax fmin hypot logaddexp logaddexp2 maximum minimum multiply subtract arctan2",
    POSITIVE: "divide divide_no_nan mod fmod true_divide",
}
REDUCTIONS = (
    "amax amin cumprod cumsum logsumexp max mean median min nanmax nanmean nanmedian nanprod nanstd nansum nanvar prod "
    "ptp std sum var sort flip diff log_softmax softmax normalize"
)
STRUCTURE = "ravel transpose diagonal diag diagflat trace tril triu fliplr rot90 corrcoef"
MATRIX = SMALL[3, 3]
LABELS = np.array([0, 2, 1, 2])
BITS = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
ONE_HOT = np.eye(3)[LABELS]


def spd(a):
    """Return a symmetric and positive definite matrix."""
    return a @ a.T + np.eye(3)


def along_rows(f):
    """Return the function along the last axis."""
    return lambda x: f(x, axis=-1)


OPS = [
    *[op(name, getattr(ops, name), domain) for domain, names in ELEMENTWISE.items() for name in names.split()],
    *[op(name, getattr(ops, name), domain, domain) for domain, names in PAIRS.items() for name in names.split()],
    *[op(name, along_rows(getattr(ops, name)), SMALL[2, 3]) for name in REDUCTIONS.split()],
    *[op(name, getattr(ops, name), SMALL[3, 3]) for name in STRUCTURE.split()],
    *[
        op(name, f, *domains)
        for name, f, *domains in [
            ("gelu, exact", lambda x: ops.gelu(x, approximate=False), REAL),
            ("power", ops.power, POSITIVE, SMALL[4]),
            ("glu", ops.glu, REAL),
            ("threshold", lambda x: ops.threshold(x, 0.3, -1.0), REAL),
            ("clip", lambda x: ops.clip(x, -0.7, 0.7), REAL),
            ("average", lambda x, w: ops.average(x, weights=w), SMALL[3], POSITIVE[3]),
            ("norm", ops.norm, REAL),
            ("norm, 1", lambda x: ops.norm(x, ord=1), REAL),
            ("norm, 3", lambda x: ops.norm(x, ord=3), REAL),
            ("norm, nuc", lambda x: ops.norm(x, ord="nuc"), MATRIX),
            ("norm, matrix 2", lambda x: ops.norm(x, ord=2, axis=(0, 1)), MATRIX),
            ("quantile", lambda x: ops.quantile(x, 0.3), REAL),
            ("percentile, midpoint", lambda x: ops.percentile(x, 30, method="midpoint"), REAL),
            ("moments", lambda x: ops.moments(x, axes=0), SMALL[3, 2]),
            ("top_k", lambda x: ops.top_k(x, 2)[0], REAL),
            ("cross", ops.cross, SMALL[2, 3], SMALL[2, 3]),
            ("dot", ops.dot, SMALL[2, 3], SMALL[3]),
            ("vdot", ops.vdot, SMALL[3], SMALL[3]),
            ("inner", ops.inner, SMALL[2, 3], SMALL[2, 3]),
            ("outer", ops.outer, SMALL[2], SMALL[3]),
            ("kron", ops.kron, SMALL[2, 2], SMALL[2]),
            ("matmul", ops.matmul, SMALL[2, 3], SMALL[3, 2]),
            ("tensordot", lambda a, b: ops.tensordot(a, b, axes=1), SMALL[2, 3], SMALL[3, 2]),
            ("einsum", lambda a, b: ops.einsum("ij,kj->ik", a, b), SMALL[2, 3], SMALL[2, 3]),
            ("correlate", ops.correlate, SMALL[5], SMALL[3]),
            ("trapezoid", ops.trapezoid, SMALL[5]),
            ("vander", ops.vander, SMALL[3]),
            ("cdist", ops.cdist, SMALL[2, 3], SMALL[3, 3]),
            ("take", lambda x: ops.take(x, [0, 2, 2]), REAL),
            ("pad, reflect", lambda x: ops.pad(x, [[1, 2]], mode="reflect"), REAL),
            ("repeat", lambda x: ops.repeat(x, 2), REAL),
            ("roll", lambda x: ops.roll(x, 1), REAL),
            ("where", lambda x, y: ops.where(x > y, x, 2 * y), REAL, REAL),
            ("linspace", lambda a, b: ops.linspace(a, b, 4), SMALL[()], SMALL[()]),
            ("logspace", lambda a, b: ops.logspace(a, b, 4), SMALL[()], SMALL[()]),
            ("geomspace", lambda a, b: ops.geomspace(a, b, 4), POSITIVE[()], POSITIVE[()]),
            ("scatter", lambda v: ops.scatter(np.array([[0], [2], [2]]), v, (4,)), REAL[3]),
            ("scatter_update", lambda x, v: ops.scatter_update(x, np.array([[0], [2]]), v), REAL, REAL[2]),
            ("slice_update", lambda x, v: ops.slice_update(x, [1], v), REAL, REAL[2]),
            ("associative_scan", lambda x: ops.associative_scan(lambda a, b: a * b, x), SMALL[4]),
            ("segment_sum", lambda x: ops.segment_sum(x, LABELS, num_segments=3), SMALL[4]),
            ("segment_max", lambda x: ops.segment_max(x, LABELS, num_segments=3), SMALL[4]),
            ("segment_min", lambda x: ops.segment_min(x, LABELS, num_segments=3), SMALL[4]),
            ("cholesky", lambda a: ops.cholesky(spd(a)), MATRIX),
            ("cholesky_inverse", lambda a: ops.cholesky_inverse(ops.cholesky(spd(a))), MATRIX),
            ("det", ops.det, MATRIX),
            ("slogdet", lambda a: ops.slogdet(a)[1], MATRIX),
            ("logdet", lambda a: ops.logdet(spd(a)), MATRIX),
            ("inv", lambda a: ops.inv(spd(a)), MATRIX),
            ("pinv", ops.pinv, SMALL[3, 2]),
            ("solve", ops.solve, MATRIX, SMALL[3, 1]),
            ("solve_triangular", lambda a, b: ops.solve_triangular(spd(a), b, lower=True), MATRIX, SMALL[3, 1]),
            ("lstsq", ops.lstsq, SMALL[3, 2], SMALL[3]),
            ("qr", ops.qr, SMALL[3, 2]),
            ("svd", lambda a: ops.svd(a, compute_uv=False), SMALL[3, 2]),
            ("eigh", lambda a: ops.eigh(spd(a))[0], MATRIX),
            ("fft", lambda x, y: ops.fft((x, y)), SMALL[4], SMALL[4]),
            ("ifft2", lambda x, y: ops.ifft2((x, y)), SMALL[2, 3], SMALL[2, 3]),
            ("rfft", ops.rfft, SMALL[5]),
            ("irfft", lambda x, y: ops.irfft((x, y)), SMALL[4], SMALL[4]),
            ("stft", lambda x: ops.stft(x, 4, 2, 4), SMALL[10]),
            ("istft", lambda x, y: ops.istft((x, y), 4, 2, 4), SMALL[3, 3], SMALL[3, 3]),
            ("extract_sequences", lambda x: ops.extract_sequences(x, 3, 2), SMALL[6]),
            ("conv", lambda x, k: ops.conv(x, k, strides=2, padding="same"), SERIES, SMALL[3, 2, 2]),
            ("conv, dilated", lambda x, k: ops.conv(x, k, dilation_rate=2), IMAGE, SMALL[2, 2, 2, 1]),
            ("conv_transpose", lambda x, k: ops.conv_transpose(x, k, strides=2), SERIES, SMALL[3, 2, 2]),
            ("depthwise_conv", ops.depthwise_conv, IMAGE, SMALL[2, 2, 2, 1]),
            ("separable_conv", ops.separable_conv, IMAGE, SMALL[2, 2, 2, 1], SMALL[1, 1, 2, 2]),
            ("max_pool", lambda x: ops.max_pool(x, 2, strides=2, padding="same"), SERIES),
            ("average_pool", lambda x: ops.average_pool(x, 3, strides=2, padding="same"), SERIES),
            ("adaptive_average_pool", lambda x: ops.adaptive_average_pool(x, 3), IMAGE),
            ("adaptive_max_pool", lambda x: ops.adaptive_max_pool(x, 3), IMAGE),
            ("unfold", lambda x: ops.unfold(x, 2), SMALL[1, 1, 3, 3]),
            ("fold", lambda x: ops.fold(x, (3, 3), 2), SMALL[1, 4, 4]),
            ("depth_to_space", lambda x: ops.depth_to_space(x, 2), SMALL[1, 2, 2, 4]),
            ("space_to_depth", lambda x: ops.space_to_depth(x, 2), IMAGE),
            ("batch_normalization", lambda x, m, v: ops.batch_normalization(x, m, v, 0), REAL[3], REAL[3], POSITIVE[3]),
            ("layer_normalization", lambda x, g: ops.layer_normalization(x, g), SMALL[2, 3], SMALL[3]),
            ("rms_normalization", lambda x, g: ops.rms_normalization(x, g), SMALL[2, 3], SMALL[3]),
            ("binary_crossentropy", lambda p: ops.binary_crossentropy(BITS, p), UNIT[2, 3]),
            ("binary_crossentropy, logits", lambda p: ops.binary_crossentropy(BITS, p, from_logits=True), REAL[2, 3]),
            ("categorical_crossentropy", lambda p: ops.categorical_crossentropy(ONE_HOT, p), UNIT[4, 3]),
            ("sparse_categorical_crossentropy", lambda p: ops.sparse_categorical_crossentropy(LABELS, p), UNIT[4, 3]),
            ("ctc_loss", lambda x: ops.ctc_loss(np.array([[1, 2]]), x, np.array([2]), np.array([5])), SMALL[1, 5, 3]),
            ("dot_product_attention", ops.dot_product_attention, *[SMALL[1, 2, 1, 2]] * 3),
            ("psnr", lambda x, y: ops.psnr(x, y, 1.0), SMALL[4], SMALL[4]),
            ("polar", ops.polar, POSITIVE, SMALL[4]),
            ("image.resize", lambda x: ops.image.resize(x, (3, 5)), IMAGE),
            ("image.resize, bicubic", lambda x: ops.image.resize(x, (6, 5), interpolation="bicubic"), IMAGE),
            ("image.resize, lanczos3", lambda x: ops.image.resize(x, (3, 3), interpolation="lanczos3"), IMAGE),
            ("image.affine_transform", lambda x: ops.image.affine_transform(x, [[1, 0.3, 0.2, 0.1, 1, 0, 0, 0.0]]),
             IMAGE),
            ("image.map_coordinates",
             lambda x, y: ops.image.map_coordinates(x, [y, y / 2], order=1, fill_mode="mirror"),
             SMALL[4, 4], Domain(0.0, 3.0, special=(0.5, 1.5))),
            ("image.gaussian_blur", ops.image.gaussian_blur, IMAGE),
            ("image.perspective_transform", lambda x: ops.image.perspective_transform(
                x, np.array([[[0, 0], [3, 0], [0, 3], [3, 3]]]), np.array([[[0.2, 0], [3, 0.3], [0, 2.7], [3, 3]]])),
             IMAGE),
            ("image.extract_patches", lambda x: ops.image.extract_patches(x, 2), IMAGE),
            ("image.rgb_to_grayscale", ops.image.rgb_to_grayscale, SMALL[1, 2, 2, 3]),
            ("image.rgb_to_hsv", ops.image.rgb_to_hsv, UNIT[1, 2, 2, 3]),
            ("image.hsv_to_rgb", ops.image.hsv_to_rgb, UNIT[1, 2, 2, 3]),
            ("image.scale_and_translate", lambda x, s: ops.image.scale_and_translate(
                x, (1, 4, 4, 2), s, np.array([0.1, 0.2]), (1, 2), "linear"), IMAGE, Domain(0.5, 2.0, (2,))),
        ]
    ],
]  # fmt: skip

RNN = SMALL[1, 3, 2]
CUBE = SMALL[1, 3, 3, 3, 1]
LAYERS = [
    *[
        layer(name, make, *domains)
        for name, make, *domains in [
            ("Dense, tanh", lambda: layers.Dense(2, "tanh"), SMALL[2, 3]),
            ("Dense, gelu", lambda: layers.Dense(2, "gelu"), SMALL[2, 3]),
            ("Dense, softmax", lambda: layers.Dense(2, "softmax"), SMALL[2, 3]),
            ("EinsumDense", lambda: layers.EinsumDense("abc,cd->abd", (3, 2), bias_axes="d"), SMALL[1, 3, 2]),
            ("PReLU", layers.PReLU, SMALL[2, 3]),
            ("ELU", layers.ELU, REAL[2, 3]),
            ("LeakyReLU", layers.LeakyReLU, REAL[2, 3]),
            ("ReLU, max_value", lambda: layers.ReLU(6.0, 0.1, 0.5), REAL[2, 3]),
            ("Softmax", layers.Softmax, SMALL[2, 3]),
            ("LayerNormalization", layers.LayerNormalization, SMALL[2, 3]),
            ("RMSNormalization", layers.RMSNormalization, SMALL[2, 3]),
            ("GroupNormalization", lambda: layers.GroupNormalization(2), SMALL[2, 3, 4]),
            ("UnitNormalization", layers.UnitNormalization, SMALL[2, 3]),
            ("SpectralNormalization", lambda: layers.SpectralNormalization(layers.Dense(2)), SMALL[2, 3]),
            ("BatchNormalization", layers.BatchNormalization, SMALL[3, 2]),
            ("Conv1D", lambda: layers.Conv1D(2, 3, padding="causal"), SERIES),
            ("Conv2D, groups", lambda: layers.Conv2D(2, 2, groups=2), IMAGE),
            ("Conv3D", lambda: layers.Conv3D(1, 2), CUBE),
            ("Conv1DTranspose", lambda: layers.Conv1DTranspose(2, 3, strides=2), SMALL[1, 3, 2]),
            ("Conv2DTranspose", lambda: layers.Conv2DTranspose(1, 2, strides=2, padding="same"), SMALL[1, 2, 2, 2]),
            ("DepthwiseConv1D", lambda: layers.DepthwiseConv1D(2), SERIES),
            ("DepthwiseConv2D", lambda: layers.DepthwiseConv2D(2, depth_multiplier=2), IMAGE),
            ("SeparableConv1D", lambda: layers.SeparableConv1D(2, 2), SERIES),
            ("SeparableConv2D", lambda: layers.SeparableConv2D(1, 2), IMAGE),
            ("SimpleRNN", lambda: layers.SimpleRNN(2), RNN),
            ("LSTM", lambda: layers.LSTM(2, return_sequences=True), RNN),
            ("GRU", lambda: layers.GRU(2), RNN),
            ("TimeDistributed", lambda: layers.TimeDistributed(layers.Dense(2, "tanh")), RNN),
            ("AveragePooling2D", lambda: layers.AveragePooling2D(2, 1, "same"), IMAGE),
            ("MaxPooling1D", lambda: layers.MaxPooling1D(2, 1, "same"), SERIES),
            ("AdaptiveAveragePooling1D", lambda: layers.AdaptiveAveragePooling1D(4), SERIES),
            ("GlobalAveragePooling1D", layers.GlobalAveragePooling1D, SERIES),
            ("GlobalMaxPooling2D", layers.GlobalMaxPooling2D, IMAGE),
            ("UpSampling2D, bilinear", lambda: layers.UpSampling2D(2, interpolation="bilinear"), SMALL[1, 2, 3, 1]),
            ("Resizing", lambda: layers.Resizing(3, 5), IMAGE),
            ("Rescaling", lambda: layers.Rescaling(2.0, 1.0), REAL[2, 3]),
            ("MelSpectrogram", lambda: layers.MelSpectrogram(8, 4, 8, num_mel_bins=2, sampling_rate=100, max_freq=50),
             SMALL[1, 16]),
            ("STFTSpectrogram", lambda: layers.STFTSpectrogram(frame_length=4, frame_step=2, fft_length=4),
             SMALL[1, 8, 1]),
        ]
    ],
    *[layer(name, getattr(layers, name), SMALL[2, 3], training=True) for name in ("BatchNormalization",)],
]  # fmt: skip

LOSSES = [
    *[
        loss(name, getattr(losses, name)(), y, domain)
        for names, y, domain in [
            ("MeanSquaredError MeanAbsoluteError Huber LogCosh Hinge SquaredHinge CosineSimilarity CategoricalHinge "
             "MeanAbsolutePercentageError", BITS + 1, REAL[2, 3]),
            ("BinaryCrossentropy BinaryFocalCrossentropy KLDivergence Dice Tversky Poisson MeanSquaredLogarithmicError",
             BITS, UNIT[2, 3]),
            ("CategoricalCrossentropy CategoricalFocalCrossentropy", ONE_HOT, UNIT[4, 3]),
            ("CategoricalGeneralizedCrossEntropy", LABELS, UNIT[4, 3]),
        ]
        for name in names.split()
    ],
    loss("BinaryFocalCrossentropy, logits", losses.BinaryFocalCrossentropy(True, from_logits=True), BITS, SMALL[2, 3]),
    loss("CategoricalCrossentropy, smoothing", losses.CategoricalCrossentropy(True, 0.1), ONE_HOT, NEAR[4, 3]),
    loss("SparseCategoricalCrossentropy, ignore", losses.SparseCategoricalCrossentropy(True, 2), LABELS, NEAR[4, 3]),
    loss("Circle", losses.Circle(), np.array([0, 2, 0, 2]), SMALL[4, 3]),
    loss("CTC", losses.CTC(), np.array([[1, 2]]), SMALL[1, 5, 3]),
]  # fmt: skip

CASES: list[Case] = [*OPS, *LAYERS, *LOSSES]
JUDGED: dict[str, Judged] = {
    "keras.ops.cbrt, special": Judged("convention", "nan at 0, where the slope is infinite."),
    "keras.ops.arctan2, special": Judged("convention", "nan at the origin, where there is no derivative."),
    "keras.ops.dot_product_attention, edge": Judged("accuracy", "JAX computes the softmax in float32."),
    "keras.layers.MelSpectrogram, special": Judged("finding", "nan where a Fourier coefficient is zero."),
    "keras.ops.layer_normalization, edge": Judged("accuracy", "Keras computes it in float32."),
}
