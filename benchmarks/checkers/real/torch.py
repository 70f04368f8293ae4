"""torch.nn.functional, torch.special, torch.linalg and other functions of PyTorch."""

import torch

from benchmarks.checkers.real.case import POSITIVE, REAL, SIGNED_UNIT, UNIT, Case, Domain, Judged
from benchmarks.checkers.real.case import torch as row

NEAR = Domain(-20.0, 20.0)
NEAR_POSITIVE = Domain(0.0, 20.0)
SMALL = Domain(-3.0, 3.0)
ABOVE_ONE = Domain(1.0)
LABELS = torch.tensor([0, 2, 1, 2])
SIGNS = torch.tensor([1.0, -1, 1, -1])
BITS = torch.tensor([1.0, 0, 1, 0])
WEIGHTS = torch.tensor([0.5, 2, 1])
IMAGE = REAL[1, 2, 4, 5]
F, sp, linalg, fft = torch.nn.functional, torch.special, torch.linalg, torch.fft


def parts(z):
    return torch.stack([z.real, z.imag])


ACTIVATIONS = [
    row(
        f"torch.nn.functional.{name}", f, *(domains or [REAL]), order=2
    )  # saturated, a softmax only has rounding errors
    for name, f, *domains in [
        ("celu", F.celu),
        ("elu", lambda x: F.elu(x, 0.7)),
        ("gelu", F.gelu),
        ("gelu, tanh", lambda x: F.gelu(x, approximate="tanh")),
        ("glu", F.glu),
        ("hardshrink", F.hardshrink),
        ("hardsigmoid", F.hardsigmoid),
        ("hardswish", F.hardswish),
        ("hardtanh", F.hardtanh),
        ("leaky_relu", F.leaky_relu),
        ("logsigmoid", F.logsigmoid),
        ("log_softmax", lambda x: F.log_softmax(x, 0)),
        ("mish", F.mish),
        ("relu6", F.relu6),
        ("rrelu", F.rrelu),
        ("selu", F.selu),
        ("silu", F.silu),
        ("softmax", lambda x: F.softmax(x, 0), SMALL),
        ("softmin", lambda x: F.softmin(x, 0), SMALL),
        ("softplus", F.softplus),
        ("softplus, beta", lambda x: F.softplus(x, beta=3.0)),
        ("softshrink", lambda x: F.softshrink(x, 0.3)),
        ("softsign", F.softsign),
        ("tanhshrink", F.tanhshrink),
        ("threshold", lambda x: F.threshold(x, 0.1, 0.1)),
    ]
]

SPECIAL = [
    row(f"torch.special.{name}", f, *domains, order=2)
    for name, f, *domains in [
        ("digamma", sp.digamma, POSITIVE),
        ("digamma, negative", sp.digamma, Domain(-5.0, 0.0, special=(-0.5, -1.5))),
        ("entr", sp.entr, POSITIVE),
        ("erf", sp.erf, REAL),
        ("erfc", sp.erfc, REAL),
        ("erfcx", sp.erfcx, Domain(-5.0, 30.0)),
        ("erfinv", sp.erfinv, SIGNED_UNIT),
        ("exp2", sp.exp2, NEAR),
        ("expit", sp.expit, REAL),
        ("expm1", sp.expm1, NEAR),
        ("gammainc", lambda x: sp.gammainc(torch.full_like(x, 2.5), x), POSITIVE),
        ("gammaincc", lambda x: sp.gammaincc(torch.full_like(x, 2.5), x), POSITIVE),
        ("gammaln", sp.gammaln, POSITIVE),
        ("gammaln, negative", sp.gammaln, Domain(-5.0, 0.0, special=(-0.5, -1.5))),
        ("i0", sp.i0, NEAR),
        ("i0e", sp.i0e, REAL),
        ("i1", sp.i1, NEAR),
        ("i1e", sp.i1e, REAL),
        ("log1p", sp.log1p, Domain(-1.0)),
        ("log_ndtr", sp.log_ndtr, REAL),
        ("log_softmax", lambda x: sp.log_softmax(x, -1), REAL[2, 3]),
        ("logit", sp.logit, UNIT),
        ("logit, eps", lambda x: sp.logit(x, eps=0.1), UNIT),
        ("logsumexp", lambda x: sp.logsumexp(x, -1), REAL[2, 3]),
        ("multigammaln", lambda x: sp.multigammaln(x, 3), ABOVE_ONE),
        ("ndtr", sp.ndtr, REAL),
        ("ndtri", sp.ndtri, UNIT),
        ("polygamma, 1", lambda x: sp.polygamma(1, x), POSITIVE),
        ("polygamma, 2", lambda x: sp.polygamma(2, x), POSITIVE),
        ("sinc", sp.sinc, REAL),
        ("xlog1py", sp.xlog1py, REAL, Domain(-1.0)),
        ("xlogy", sp.xlogy, REAL, POSITIVE),
        ("zeta", lambda q: sp.zeta(torch.full_like(q, 2.5), q), POSITIVE),
    ]
]

LOSSES = [
    row(f"torch.nn.functional.{name}", f, *domains)
    for name, f, *domains in [
        ("binary_cross_entropy", F.binary_cross_entropy, UNIT, UNIT),
        ("binary_cross_entropy, near 0", lambda x: F.binary_cross_entropy(x, BITS.to(x)), Domain(0.0, 1e-12)),
        ("binary_cross_entropy, weight", lambda x: F.binary_cross_entropy(x, BITS.to(x), BITS.to(x) + 1), UNIT),
        ("binary_cross_entropy, sum", lambda x: F.binary_cross_entropy(x, BITS.to(x), reduction="sum"), UNIT),
        ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, REAL, UNIT),
        (
            "binary_cross_entropy_with_logits, weights",
            lambda x, t: F.binary_cross_entropy_with_logits(x, t, BITS.to(x) + 1, pos_weight=BITS.to(x) + 3),
            REAL,
            UNIT,
        ),
        ("cosine_embedding_loss", lambda a, b: F.cosine_embedding_loss(a, b, SIGNS, 0.2), SMALL[4, 3], SMALL[4, 3]),
        ("cross_entropy", lambda x: F.cross_entropy(x, LABELS), REAL[4, 3]),
        ("cross_entropy, weight", lambda x: F.cross_entropy(x, LABELS, WEIGHTS.to(x)), REAL[4, 3]),
        ("cross_entropy, ignore_index", lambda x: F.cross_entropy(x, LABELS, ignore_index=2), REAL[4, 3]),
        (
            "cross_entropy, label_smoothing",
            lambda x: F.cross_entropy(x, LABELS, WEIGHTS.to(x), label_smoothing=0.2),
            REAL[4, 3],
        ),
        (
            "cross_entropy, probabilities",
            lambda x, p: F.cross_entropy(x, p, WEIGHTS.to(x), label_smoothing=0.2),
            REAL[4, 3],
            UNIT[4, 3],
        ),
        (
            "cross_entropy, image",
            lambda x: F.cross_entropy(x, LABELS.view(1, 2, 2), WEIGHTS.to(x), reduction="none"),
            REAL[1, 3, 2, 2],
        ),
        (
            "ctc_loss",
            lambda x: F.ctc_loss(x.log_softmax(-1), torch.tensor([[1, 2], [2, 2]]), (5, 4), (2, 2)),
            REAL[5, 2, 3],
        ),
        (
            "ctc_loss, zero_infinity",
            lambda x: F.ctc_loss(
                x.log_softmax(-1), torch.tensor([1, 2, 1, 1, 1]), (4, 3), (2, 3), reduction="sum", zero_infinity=True
            ),
            REAL[4, 2, 3],
        ),
        ("gaussian_nll_loss", F.gaussian_nll_loss, REAL, REAL, POSITIVE),
        ("gaussian_nll_loss, full", lambda x, t, v: F.gaussian_nll_loss(x, t, v, full=True), REAL, REAL, POSITIVE),
        ("hinge_embedding_loss", lambda x: F.hinge_embedding_loss(x, SIGNS), REAL),
        ("huber_loss", lambda x, t: F.huber_loss(x, t, delta=0.7), REAL, REAL),
        ("huber_loss, weight", lambda x, t, w: F.huber_loss(x, t, weight=w), REAL, REAL, POSITIVE),
        ("kl_div", lambda x, t: F.kl_div(x, t, reduction="batchmean"), NEAR[2, 3], UNIT[2, 3]),
        ("kl_div, log_target", lambda x, t: F.kl_div(x, t, log_target=True, reduction="sum"), NEAR[2, 3], NEAR[2, 3]),
        ("l1_loss", F.l1_loss, REAL, REAL),
        ("l1_loss, weight", lambda x, t, w: F.l1_loss(x, t, weight=w), REAL, REAL, POSITIVE),
        ("margin_ranking_loss", lambda a, b: F.margin_ranking_loss(a, b, SIGNS, 0.3), REAL, REAL),
        ("mse_loss", F.mse_loss, REAL, REAL),
        ("mse_loss, weight", lambda x, t, w: F.mse_loss(x, t, weight=w, reduction="sum"), REAL, REAL, POSITIVE),
        ("multi_margin_loss", lambda x: F.multi_margin_loss(x, LABELS), REAL[4, 3]),
        (
            "multi_margin_loss, p=2",
            lambda x: F.multi_margin_loss(x, LABELS, 2, 0.5, WEIGHTS.to(x), reduction="none"),
            REAL[4, 3],
        ),
        ("multilabel_margin_loss", lambda x: F.multilabel_margin_loss(x, torch.tensor([3, 0, -1, 1])), REAL),
        ("multilabel_soft_margin_loss", F.multilabel_soft_margin_loss, REAL[2, 3], UNIT[2, 3]),
        ("nll_loss", lambda x: F.nll_loss(x, LABELS, WEIGHTS.to(x)), REAL[4, 3]),
        ("nll_loss, image", lambda x: F.nll_loss(x, LABELS.view(1, 2, 2), reduction="none"), REAL[1, 3, 2, 2]),
        ("poisson_nll_loss", F.poisson_nll_loss, NEAR, POSITIVE),
        (
            "poisson_nll_loss, full",
            lambda x, t: F.poisson_nll_loss(x, t, log_input=False, full=True),
            POSITIVE,
            Domain(1.1),
        ),
        ("smooth_l1_loss", lambda x, t: F.smooth_l1_loss(x, t, beta=0.5), REAL, REAL),
        ("smooth_l1_loss, beta=0", lambda x, t: F.smooth_l1_loss(x, t, reduction="none", beta=0.0), REAL, REAL),
        ("soft_margin_loss", lambda x: F.soft_margin_loss(x, SIGNS.to(x)), REAL),
        ("triplet_margin_loss", F.triplet_margin_loss, SMALL[4, 3], SMALL[4, 3], SMALL[4, 3]),
        (
            "triplet_margin_loss, swap",
            lambda a, p, n: F.triplet_margin_loss(a, p, n, p=3.0, swap=True, margin=5.0, reduction="none"),
            SMALL[4, 3],
            SMALL[4, 3],
            SMALL[4, 3],
        ),
        (
            "triplet_margin_with_distance_loss",
            lambda a, p, n: F.triplet_margin_with_distance_loss(
                a, p, n, distance_function=lambda x, y: 1 - F.cosine_similarity(x, y), swap=True
            ),
            SMALL[4, 3],
            SMALL[4, 3],
            SMALL[4, 3],
        ),
    ]
]

POOLING = [
    row(f"torch.nn.functional.{name}", f, domain)
    for name, f, domain in [
        ("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x, 3), REAL[2, 1, 5]),
        ("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (3, 2)), IMAGE),
        ("adaptive_avg_pool3d", lambda x: F.adaptive_avg_pool3d(x, 2), REAL[1, 1, 3, 2, 3]),
        ("adaptive_max_pool1d", lambda x: F.adaptive_max_pool1d(x, 3), REAL[2, 1, 5]),
        ("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, (3, 2)), IMAGE),
        ("adaptive_max_pool3d", lambda x: F.adaptive_max_pool3d(x, 2), REAL[1, 1, 3, 2, 3]),
        ("avg_pool1d", lambda x: F.avg_pool1d(x, 3, 2, 1), REAL[2, 1, 6]),
        ("avg_pool1d, ceil_mode", lambda x: F.avg_pool1d(x, 3, 2, 1, True, False), REAL[2, 1, 6]),
        ("avg_pool2d", lambda x: F.avg_pool2d(x, 2), IMAGE),
        ("avg_pool2d, ceil_mode", lambda x: F.avg_pool2d(x, (3, 2), (2, 3), (1, 0), True, False), IMAGE),
        ("avg_pool2d, divisor_override", lambda x: F.avg_pool2d(x, 2, divisor_override=3), IMAGE),
        ("avg_pool3d", lambda x: F.avg_pool3d(x, 2, 1, 1, count_include_pad=False), REAL[1, 1, 3, 2, 3]),
        (
            "fractional_max_pool2d",
            lambda x: F.fractional_max_pool2d(x, 2, output_size=2, _random_samples=torch.full((1, 2, 2), 0.4).to(x)),
            IMAGE,
        ),
        (
            "fractional_max_pool3d",
            lambda x: F.fractional_max_pool3d(x, 2, output_size=2, _random_samples=torch.full((1, 1, 3), 0.4).to(x)),
            REAL[1, 1, 4, 4, 4],
        ),
        ("lp_pool1d", lambda x: F.lp_pool1d(x, 3.0, 2), POSITIVE[2, 1, 6]),
        ("lp_pool2d", lambda x: F.lp_pool2d(x, 2.0, 2, 1), SMALL[1, 2, 3, 4]),
        ("lp_pool2d, p=1", lambda x: F.lp_pool2d(x, 1.0, 2, ceil_mode=True), POSITIVE[1, 2, 3, 4]),
        ("lp_pool3d", lambda x: F.lp_pool3d(x, 2.0, 2), SMALL[1, 1, 2, 3, 4]),
        ("max_pool1d", lambda x: F.max_pool1d(x, 3, 2, 1), REAL[2, 1, 6]),
        ("max_pool1d, dilation", lambda x: F.max_pool1d(x, 2, 1, dilation=2, ceil_mode=True), REAL[2, 1, 6]),
        ("max_pool2d", lambda x: F.max_pool2d(x, 2), IMAGE),
        ("max_pool2d, dilation", lambda x: F.max_pool2d(x, 2, 1, 1, 2, ceil_mode=True), IMAGE),
        ("max_pool3d", lambda x: F.max_pool3d(x, 2, 1, 1), REAL[1, 1, 3, 2, 3]),
        ("max_unpool1d", lambda x: F.max_unpool1d(x, torch.tensor([[[1, 2, 5]]]), 2), REAL[1, 1, 3]),
        ("max_unpool2d", lambda x: F.max_unpool2d(x, torch.tensor([[[[0, 3], [9, 14]]]]), 2), REAL[1, 1, 2, 2]),
        ("max_unpool3d", lambda x: F.max_unpool3d(x, torch.tensor([[[[[3, 6]]]]]), 2), REAL[1, 1, 1, 1, 2]),
    ]
]

CONVOLUTIONS = [
    row(f"torch.nn.functional.{name}", f, *domains)
    for name, f, *domains in [
        ("conv1d", lambda x, w, b: F.conv1d(x, w, b, 2, 1), REAL[2, 2, 5], REAL[3, 2, 2], REAL[3]),
        ("conv1d, same", lambda x, w: F.conv1d(x, w, padding="same", groups=2), REAL[2, 5], REAL[2, 1, 2]),
        ("conv2d", lambda x, w, b: F.conv2d(x, w, b), IMAGE, REAL[3, 2, 2, 2], REAL[3]),
        ("conv2d, dilation", lambda x, w: F.conv2d(x, w, None, 2, (1, 2), 2, groups=2), IMAGE, REAL[2, 1, 2, 2]),
        ("conv3d", lambda x, w: F.conv3d(x, w, padding=1, stride=2), REAL[1, 1, 3, 2, 3], REAL[1, 1, 2, 2, 2]),
        (
            "conv_transpose1d",
            lambda x, w, b: F.conv_transpose1d(x, w, b, 2, 1, 1),
            REAL[2, 2, 3],
            REAL[2, 3, 2],
            REAL[3],
        ),
        (
            "conv_transpose2d",
            lambda x, w: F.conv_transpose2d(x, w, None, 2, 1, 0, 2, (1, 2)),
            REAL[1, 2, 3, 3],
            REAL[2, 1, 2, 2],
        ),
        ("conv_transpose3d", F.conv_transpose3d, REAL[1, 1, 2, 2, 2], REAL[1, 1, 2, 1, 2]),
        ("conv_tbc", lambda x, w, b: F.conv_tbc(x, w, b, 1), REAL[4, 2, 3], REAL[2, 3, 2], REAL[2]),
        ("unfold", lambda x: F.unfold(x, 2, 2, 1, 2), IMAGE),
        ("fold", lambda x: F.fold(x, (3, 4), 2, 1, 1, 2), REAL[1, 4, 6]),
        ("linear", F.linear, REAL[2, 3], REAL[4, 3], REAL[4]),
        ("bilinear", F.bilinear, REAL[2, 3], REAL[2, 2], REAL[4, 3, 2], REAL[4]),
    ]
]

NORMALIZATION = [
    row(f"torch.nn.functional.{name}", f, *domains)
    for name, f, *domains in [
        (
            "batch_norm, training",
            lambda x, w, b: F.batch_norm(x, None, None, w, b, True, 0.1, 0.01),
            SMALL[4, 2],
            REAL[2],
            REAL[2],
        ),
        (
            "batch_norm",
            lambda x, w, b: F.batch_norm(x, torch.full((2,), 0.5).to(x), torch.full((2,), 2.0).to(x), w, b),
            SMALL[4, 2],
            REAL[2],
            REAL[2],
        ),
        (
            "group_norm",
            lambda x, w, b: F.group_norm(x, 2, w, b, 0.01),
            SMALL[1, 4, 3],
            REAL[4],
            REAL[4],
        ),
        ("instance_norm", lambda x, w: F.instance_norm(x, weight=w, eps=0.01), SMALL[2, 2, 4], REAL[2]),
        ("layer_norm", lambda x, w, b: F.layer_norm(x, (3,), w, b, 0.01), SMALL[4, 3], REAL[3], REAL[3]),
        ("local_response_norm", lambda x: F.local_response_norm(x, 3, 0.1, 0.7, 2.0), NEAR[1, 4, 3]),
        ("normalize", F.normalize, SMALL[2, 3]),
        ("normalize, p=3", lambda x: F.normalize(x, 3.0, 0), Domain(-3.0, 3.0, (3, 2), (1.0, -2.0))),
        ("rms_norm", lambda x, w: F.rms_norm(x, (3,), w, 0.01), SMALL[4, 3], REAL[3]),
    ]
]

DISTANCES = [
    *[
        row(f"torch.cdist, p={p}", lambda a, b, p=p: torch.cdist(a, b, p), SMALL[2, 3], SMALL[3, 3])
        for p in (0.5, 1.0, 1.5, 2.0, 3.0, float("inf"))
    ],
    *[
        row(f"torch.nn.functional.pdist, p={p}", lambda a, p=p: F.pdist(a, p), SMALL[4, 3])
        for p in (0.5, 1.0, 1.5, 2.0, 3.0, float("inf"))
    ],
    row(
        "torch.cdist, matrix product",
        lambda a, b: torch.cdist(a, b, compute_mode="use_mm_for_euclid_dist"),
        SMALL[2, 3],
        SMALL[3, 3],
    ),
    row("torch.dist", lambda a, b: torch.dist(a, b, 3), SMALL, SMALL),
    row("torch.nn.functional.pairwise_distance", F.pairwise_distance, SMALL[2, 3], SMALL[2, 3]),
    row(
        "torch.nn.functional.pairwise_distance, p=1",
        lambda a, b: F.pairwise_distance(a, b, 1.0),
        SMALL[2, 3],
        SMALL[2, 3],
    ),
    row("torch.nn.functional.cosine_similarity", F.cosine_similarity, SMALL[2, 3], SMALL[2, 3]),
]

SAMPLING = [
    *[
        row(
            f"torch.nn.functional.grid_sample, {mode}, {padding}, {corners}",
            lambda x, grid, mode=mode, padding=padding, corners=corners: F.grid_sample(x, grid, mode, padding, corners),
            REAL[1, 2, 3, 4],
            Domain(-1.5, 1.5, (1, 2, 2, 2), (0.3, -0.4, 0.77, -1.3)),
            skip=("batching",),
        )
        for mode in ("bilinear", "bicubic", "nearest")
        for padding in ("zeros", "border", "reflection")
        for corners in (True, False)
    ],
    *[
        row(
            f"torch.nn.functional.grid_sample, 3 axes, {padding}",
            lambda x, grid, padding=padding: F.grid_sample(x, grid, "bilinear", padding, False),
            REAL[1, 1, 3, 2, 3],
            Domain(-1.5, 1.5, (1, 1, 2, 2, 3), (0.3, -0.4, 0.77, -1.3)),
            skip=("batching",),
        )
        for padding in ("zeros", "border", "reflection")
    ],
    *[
        row(
            f"torch.nn.functional.interpolate, {mode}, {options}",
            lambda x, mode=mode, options=options: F.interpolate(x, mode=mode, **options),
            REAL[(1, 2, 4, 5, 3)[:axes]],
        )
        for mode, axes, options in [
            ("nearest", 4, {"size": (3, 7)}),
            ("nearest", 5, {"scale_factor": 1.5}),
            ("nearest-exact", 4, {"size": (3, 7)}),
            ("linear", 3, {"size": 7}),
            ("linear", 3, {"size": 3, "align_corners": True}),
            ("bilinear", 4, {"scale_factor": 0.6}),
            ("bilinear", 4, {"scale_factor": 1.7, "recompute_scale_factor": True}),
            ("bilinear", 4, {"size": (2, 7), "align_corners": True}),
            ("bilinear", 4, {"size": (2, 3), "antialias": True}),
            ("bicubic", 4, {"size": (3, 7)}),
            ("bicubic", 4, {"size": (3, 7), "align_corners": True}),
            ("bicubic", 4, {"size": (2, 3), "antialias": True}),
            ("trilinear", 5, {"size": (2, 7, 4)}),
            ("trilinear", 5, {"size": (2, 7, 4), "align_corners": True}),
            ("area", 4, {"size": (3, 2)}),
        ]
    ],
    *[
        row(f"torch.nn.functional.{name}", f, *domains)
        for name, f, *domains in [
            (
                "grid_sample",
                lambda x, grid: F.grid_sample(x, grid, align_corners=False),
                REAL[1, 1, 3, 4],
                SMALL[1, 2, 2, 2],
            ),
            ("affine_grid", lambda t: F.affine_grid(t, [1, 1, 3, 2], True), REAL[1, 2, 3]),
            ("affine_grid, 3 axes", lambda t: F.affine_grid(t, [1, 1, 2, 3, 2], False), REAL[1, 3, 4]),
            ("channel_shuffle", lambda x: F.channel_shuffle(x, 2), REAL[1, 4, 2, 2]),
            ("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), REAL[1, 4, 2, 2]),
            ("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), REAL[1, 1, 4, 2]),
            ("pad, reflect", lambda x: F.pad(x, (2, 1, 1, 2), "reflect"), IMAGE),
            ("pad, replicate", lambda x: F.pad(x, (2, 1, 1, 2), "replicate"), IMAGE),
            ("pad, circular", lambda x: F.pad(x, (2, 1, 1, 2), "circular"), IMAGE),
            ("pad, negative", lambda x: F.pad(x, (-1, 2, 0, -1)), IMAGE),
            ("dropout", lambda x: F.dropout(x, 0.3), REAL[2, 3]),
            ("alpha_dropout", lambda x: F.alpha_dropout(x, 0.3, True), REAL[2, 3]),
            ("feature_alpha_dropout", lambda x: F.feature_alpha_dropout(x, 0.3, True), REAL[2, 3, 2]),
            ("gumbel_softmax", F.gumbel_softmax, SMALL[2, 3]),
        ]
    ],
]

HEADS = SIGNED_UNIT[1, 2, 3, 4]
WORDS = torch.tensor([1, 0, 2, 1, 1])
OFFSETS = torch.tensor([0, 2, 2])
LAYERS = [
    *[
        row(f"torch.nn.functional.{name}", f, *domains)
        for name, f, *domains in [
            ("scaled_dot_product_attention", F.scaled_dot_product_attention, HEADS, HEADS, HEADS),
            (
                "scaled_dot_product_attention, causal",
                lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.7),
                HEADS,
                HEADS,
                HEADS,
            ),
            (
                "scaled_dot_product_attention, mask",
                lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
                HEADS,
                HEADS,
                HEADS,
                SMALL[3, 3],
            ),
            (
                "scaled_dot_product_attention, gqa",
                lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
                HEADS,
                SIGNED_UNIT[1, 1, 2, 4],
                SIGNED_UNIT[1, 1, 2, 4],
            ),
            ("embedding", lambda w: F.embedding(WORDS, w), REAL[3, 2]),
            ("embedding_bag", lambda w: F.embedding_bag(WORDS, w, OFFSETS), REAL[3, 2]),
            ("embedding_bag, sum", lambda w: F.embedding_bag(WORDS, w, OFFSETS, mode="sum", padding_idx=0), REAL[3, 2]),
            ("embedding_bag, max", lambda w: F.embedding_bag(WORDS, w, OFFSETS, mode="max"), REAL[3, 2]),
            (
                "embedding_bag, weights",
                lambda w, p: F.embedding_bag(WORDS, w, OFFSETS, mode="sum", per_sample_weights=p),
                REAL[3, 2],
                REAL[5],
            ),
        ]
    ],
    *[
        row(f"torch.{name}", f, SMALL[2, 3], SMALL[2, 2], REAL[2 * n, 3], REAL[2 * n, 2], REAL[2 * n], REAL[2 * n])
        for name, f, n in [
            ("rnn_tanh_cell", torch.rnn_tanh_cell, 1),
            ("rnn_relu_cell", torch.rnn_relu_cell, 1),
            ("gru_cell", torch.gru_cell, 3),
            ("lstm_cell", lambda x, h, *w: torch.lstm_cell(x, (h, h), *w), 4),
        ]
    ],
    *[
        row(f"torch.nn.{name}", module, *domains)
        for name, module, *domains in [
            ("RNN", torch.nn.RNN(2, 3, 2, "relu"), SMALL[3, 1, 2]),
            ("LSTM", torch.nn.LSTM(2, 3, proj_size=2), SMALL[3, 1, 2]),
            ("GRU", torch.nn.GRU(2, 2, bidirectional=True), SMALL[3, 1, 2]),
            ("MultiheadAttention", torch.nn.MultiheadAttention(4, 2, add_bias_kv=True), *[SMALL[3, 1, 4]] * 3),
            ("TransformerEncoderLayer", torch.nn.TransformerEncoderLayer(4, 2, 3, 0.0), SMALL[3, 1, 4]),
            (
                "AdaptiveLogSoftmaxWithLoss",
                torch.nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2, 4], 2.0).double().log_prob,
                SMALL[2, 4],
            ),
            ("PReLU", torch.nn.PReLU(2), REAL[3, 2]),
        ]
    ],
]

INDEX = torch.tensor([[0, 1, 1], [2, 0, 1]])
REDUCTIONS = [
    *[
        row(
            f"torch.scatter_reduce, {reduce}, {include}",
            lambda x, s, reduce=reduce, include=include: x.scatter_reduce(0, INDEX, s, reduce, include_self=include),
            REAL[3, 3],
            REAL[2, 3],
        )
        for reduce in ("sum", "prod", "mean", "amax", "amin")
        for include in (True, False)
    ],
    *[
        row(
            f"torch.index_reduce, {reduce}",
            lambda x, s, reduce=reduce: x.index_reduce(0, torch.tensor([1, 1]), s, reduce),
            REAL[3, 2],
            REAL[2, 2],
        )
        for reduce in ("prod", "mean", "amax", "amin")
    ],
    *[
        row(
            f"torch.segment_reduce, {reduce}",
            lambda x, reduce=reduce: torch.segment_reduce(x, reduce, lengths=torch.tensor([2, 1, 2])),
            REAL[5, 2],
        )
        for reduce in ("sum", "mean", "max", "min", "prod")
    ],
    *[
        row(f"torch.{name}", f, *domains)
        for name, f, *domains in [
            ("cummax", lambda x: torch.cummax(x, 0)[0], REAL[5]),
            ("cummin", lambda x: torch.cummin(x, 0)[0], REAL[5]),
            ("cumprod", lambda x: x.cumprod(0), REAL[5]),
            ("cumsum", lambda x: x.cumsum(-1), REAL[2, 3]),
            ("logcumsumexp", lambda x: x.logcumsumexp(0), SMALL[5]),
            ("prod", torch.prod, REAL[5]),
            ("prod, axis", lambda x: x.prod(1), REAL[2, 3]),
            ("std", lambda x: x.std(0), Domain(-3.0, 3.0, (3, 2))),
            ("var", lambda x: x.var(1, correction=0), SMALL[2, 3]),
            ("std_mean", torch.std_mean, SMALL[2, 3]),
            ("norm, p=3", lambda x: x.norm(3, 0), SMALL[3, 2]),
            ("norm, p=0.5", lambda x: x.norm(0.5), SMALL[3]),
            ("nanmean", lambda x: torch.nanmean(x, 0), REAL[3, 2]),
            ("nansum", torch.nansum, REAL[3, 2]),
            ("median", torch.median, REAL[5]),
            ("kthvalue", lambda x: x.kthvalue(2, 0)[0], REAL[5]),
            ("mode", lambda x: x.mode(0)[0], REAL[5]),
            ("quantile", lambda x: x.quantile(0.3), REAL[5]),
            ("quantile, midpoint", lambda x: x.quantile(0.3, interpolation="midpoint"), REAL[5]),
            ("quantile, q", lambda x, q: torch.quantile(x, q), REAL[5], UNIT[2]),
            ("nanquantile", lambda x: x.nanquantile(0.6, 0), REAL[5, 2]),
            ("sort", lambda x: x.sort(0)[0], REAL[5]),
            ("topk", lambda x: x.topk(2)[0], REAL[5]),
            ("amax", lambda x: x.amax((0, 1)), REAL[2, 3]),
            ("aminmax", lambda x: torch.aminmax(x, dim=0), REAL[3, 2]),
            ("cov", torch.cov, SMALL[2, 4]),
            ("cov, weights", lambda x, w: torch.cov(x, aweights=w, correction=0), SMALL[2, 4], POSITIVE),
            ("corrcoef", lambda x: torch.corrcoef(x + torch.arange(8.0).view(2, 4) ** 2), SMALL[2, 4]),
            ("trapezoid", torch.trapezoid, REAL[5], REAL[5]),
            ("cumulative_trapezoid", torch.cumulative_trapezoid, REAL[5], REAL[5]),
            ("gradient", lambda x: torch.gradient(x, spacing=0.3), REAL[3, 4]),
            ("gradient, coordinates", lambda x: torch.gradient(x, spacing=(torch.arange(4) ** 2.0,)), REAL[4]),
            ("gradient, edge_order=2", lambda x: torch.gradient(x, edge_order=2), REAL[4, 3]),
            ("diff", lambda x: torch.diff(x, 2), REAL[5]),
            ("renorm", lambda x: x.renorm(2, 0, 1.0), SMALL[2, 3]),
            ("renorm, p=1", lambda x: x.renorm(1, 1, 1.0), SMALL[2, 3]),
            ("scatter_add", lambda x, s: x.scatter_add(0, INDEX, s), REAL[3, 3], REAL[2, 3]),
            ("index_add", lambda x, s: x.index_add(0, torch.tensor([1, 1]), s, alpha=3), REAL[3, 2], REAL[2, 2]),
            ("index_copy", lambda x, s: x.index_copy(0, torch.tensor([2, 0]), s), REAL[3, 2], REAL[2, 2]),
            ("index_fill", lambda x, v: x.index_fill(1, torch.tensor([1]), v), REAL[3, 2], REAL[()]),
            ("index_put", lambda x, s: x.index_put((INDEX[0],), s, True), REAL[3, 2], REAL[3, 2]),
            ("gather", lambda x: x.gather(0, INDEX), REAL[3, 3]),
            ("take", lambda x: x.take(INDEX), REAL[3, 2]),
            ("put", lambda x, s: x.put(INDEX, s, True), REAL[3, 2], REAL[2, 3]),
            ("masked_scatter", lambda x, s: x.masked_scatter(INDEX == 1, s), REAL[2, 3], REAL[2, 3]),
            ("masked_fill", lambda x, v: x.masked_fill(INDEX == 1, v), REAL[2, 3], REAL[()]),
            ("diagonal_scatter", lambda x, s: x.diagonal_scatter(s, 1), REAL[3, 3], REAL[2]),
            ("slice_scatter", lambda x, s: x.slice_scatter(s, 1, 0, 3, 2), REAL[2, 3], REAL[2, 2]),
            ("repeat_interleave", lambda x: x.repeat_interleave(torch.tensor([2, 0, 1]), 0), REAL[3, 2]),
            ("combinations", torch.combinations, REAL),
            ("cartesian_prod", torch.cartesian_prod, REAL[2], REAL[3]),
            ("block_diag", torch.block_diag, REAL[2, 2], REAL[1, 3]),
        ]
    ],
]

ELEMENTWISE = [
    row(f"torch.{name}", f, *domains, order=2)
    for name, f, *domains in [
        ("addcdiv", lambda x, a, b: torch.addcdiv(x, a, b, value=0.5), REAL, REAL, POSITIVE),
        ("atan2", torch.atan2, Domain(-3.0, 3.0, special=(1.0, -2.0)), SMALL),
        ("copysign", torch.copysign, Domain(-3.0, 3.0, special=(1.0, -2.0)), Domain(-3.0, 3.0, special=(1.0, -2.0))),
        ("float_power", torch.float_power, NEAR_POSITIVE, SMALL),
        ("fmax", torch.fmax, REAL, REAL),
        ("fmod", lambda x: torch.fmod(x, 1.7), REAL),
        ("frac", torch.frac, REAL),
        ("hypot", torch.hypot, Domain(-3.0, 3.0, special=(1.0, -2.0)), SMALL),
        ("lerp", torch.lerp, REAL, REAL, REAL),
        ("logaddexp", torch.logaddexp, REAL, REAL),
        ("logaddexp2", torch.logaddexp2, NEAR, NEAR),
        ("maximum", torch.maximum, REAL, REAL),
        ("clamp", torch.clamp, REAL, Domain(-3.0, -0.5), Domain(0.5, 3.0)),
        ("nan_to_num", torch.nan_to_num, REAL),
        ("pow", torch.pow, NEAR_POSITIVE, SMALL),
        ("pow, scalar base", lambda x: torch.pow(2.5, x), SMALL),
        ("pow, exponent 3", lambda x: torch.pow(x, 3), NEAR),
        ("remainder", lambda x: torch.remainder(x, 1.7), REAL),
        ("polar", lambda r, a: parts(torch.polar(r, a)), POSITIVE, SMALL),
        ("view_as_real", lambda r, a: torch.view_as_real(torch.complex(r, a)), REAL, REAL),
        ("abs, complex", lambda x: torch.view_as_complex(x).abs(), Domain(-3.0, 3.0, (3, 2), (1.0, -2.0))),
        ("angle", lambda x: torch.view_as_complex(x).angle(), Domain(-3.0, 3.0, (3, 2), (1.0, -2.0))),
        ("sgn", lambda x: torch.view_as_complex(x).sgn(), Domain(-3.0, 3.0, (3, 2), (1.0, -2.0))),
        ("sqrt, complex", lambda x: torch.view_as_complex(x).sqrt(), Domain(-3.0, 3.0, (3, 2), (1.0, 2.0))),
        ("log, complex", lambda x: torch.view_as_complex(x).log(), Domain(-3.0, 3.0, (3, 2), (1.0, 2.0))),
        ("tan, complex", lambda x: torch.view_as_complex(x).tan(), Domain(-3.0, 3.0, (3, 2), (1.0, 2.0))),
        ("tanh, complex", lambda x: torch.view_as_complex(x).tanh(), Domain(-3.0, 3.0, (3, 2), (1.0, 2.0))),
        ("pow, complex", lambda x: torch.view_as_complex(x) ** 2.5, Domain(-3.0, 3.0, (3, 2), (1.0, 2.0))),
        ("asin, complex", lambda x: torch.view_as_complex(x).asin(), Domain(-3.0, 3.0, (3, 2), (1.0, 2.0))),
        ("acosh, complex", lambda x: torch.view_as_complex(x).acosh(), Domain(-3.0, 3.0, (3, 2), (1.0, 2.0))),
        ("atan, complex", lambda x: torch.view_as_complex(x).atan(), Domain(-3.0, 3.0, (3, 2), (0.5, 2.0))),
    ]
]

MATRIX = Domain(-3.0, 3.0, (3, 3), (0.0, 1.0, 2.0, -1.0, 0.5, 3.0, -2.0))
WIDE, TALL, RIGHT = MATRIX[2, 3], MATRIX[4, 2], MATRIX[3, 2]


def symmetric(a):
    return a + a.mT + torch.diag(torch.arange(3).to(a) * 5)


def regular(a):
    return a + 9 * torch.eye(*a.shape).to(a).flip(0)


def positive(a):
    return a @ a.mT + torch.eye(len(a)).to(a)


LINALG = [
    row(f"torch.{name}", f, *domains)
    for name, f, *domains in [
        ("linalg.cholesky", lambda a: linalg.cholesky(positive(a)), MATRIX),
        ("linalg.cholesky, upper", lambda a: linalg.cholesky(positive(a), upper=True), MATRIX),
        *[
            (f"linalg.cond, {p}", lambda a, p=p: linalg.cond(symmetric(a), p), MATRIX)
            for p in (None, 2, -2, "nuc", 1, "fro")
        ],
        ("linalg.cross", linalg.cross, REAL[2, 3], REAL[2, 3]),
        ("linalg.det", linalg.det, MATRIX),
        ("linalg.eig", lambda a: linalg.eig(symmetric(a) / 10 + a.tril())[0], MATRIX),
        ("linalg.eigvals", lambda a: linalg.eigvals(a), MATRIX),
        ("linalg.eigh, values", lambda a: linalg.eigh(symmetric(a))[0], MATRIX),
        ("linalg.eigh, vectors", lambda a: linalg.eigh(symmetric(a))[1].abs(), MATRIX),
        ("linalg.eigvalsh", lambda a: linalg.eigvalsh(symmetric(a), UPLO="U"), MATRIX),
        ("linalg.householder_product", lambda a, t: linalg.householder_product(a.tril(), t), MATRIX, REAL[3]),
        ("linalg.inv", lambda a: linalg.inv(positive(a)), MATRIX),
        ("linalg.lstsq", lambda a, b: linalg.lstsq(a, b).solution, TALL, MATRIX[4, 1]),
        ("linalg.lstsq, wide", lambda a, b: linalg.lstsq(a, b).solution, WIDE, MATRIX[2, 1]),
        ("linalg.lu", lambda a: linalg.lu(regular(a))[1:], MATRIX),
        ("linalg.lu, wide", lambda a: linalg.lu(regular(a))[1:], WIDE),
        ("linalg.lu, tall", lambda a: linalg.lu(regular(a))[1:], TALL),
        ("linalg.lu_factor", lambda a: linalg.lu_factor(a)[0], MATRIX),
        ("linalg.lu_solve", lambda a, b: linalg.lu_solve(*linalg.lu_factor(positive(a)), b), MATRIX, RIGHT),
        (
            "linalg.lu_solve, adjoint",
            lambda a, b: linalg.lu_solve(*linalg.lu_factor(positive(a)), b, left=False, adjoint=True),
            MATRIX,
            WIDE,
        ),
        ("linalg.matrix_exp", linalg.matrix_exp, MATRIX),
        *[
            (f"linalg.matrix_norm, {p}", lambda a, p=p: linalg.matrix_norm(a, p), WIDE)
            for p in ("fro", "nuc", float("inf"), 1, 2, -2)
        ],
        ("linalg.matrix_power", lambda a: linalg.matrix_power(a, 3), MATRIX),
        ("linalg.matrix_power, -2", lambda a: linalg.matrix_power(positive(a), -2), MATRIX),
        ("linalg.multi_dot", lambda a, b, c: linalg.multi_dot([a, b, c]), WIDE, MATRIX, RIGHT),
        ("linalg.pinv", linalg.pinv, WIDE),
        ("linalg.pinv, hermitian", lambda a: linalg.pinv(symmetric(a), hermitian=True), MATRIX),
        ("linalg.qr", lambda a: linalg.qr(regular(a)), MATRIX),
        ("linalg.qr, wide", lambda a: linalg.qr(regular(a)), WIDE),
        ("linalg.qr, tall", lambda a: linalg.qr(regular(a)), TALL),
        ("linalg.slogdet", lambda a: linalg.slogdet(regular(a))[1], MATRIX),
        ("linalg.solve", lambda a, b: linalg.solve(positive(a), b), MATRIX, RIGHT),
        ("linalg.solve, right", lambda a, b: linalg.solve(positive(a), b, left=False), MATRIX, WIDE),
        (
            "linalg.solve_triangular",
            lambda a, b: linalg.solve_triangular(positive(a), b, upper=True, unitriangular=True),
            MATRIX,
            RIGHT,
        ),
        (
            "linalg.solve_triangular, right",
            lambda a, b: linalg.solve_triangular(positive(a), b, upper=False, left=False),
            MATRIX,
            WIDE,
        ),
        ("linalg.svd", lambda a: linalg.svd(a, full_matrices=False)[1], WIDE),
        ("linalg.svd, vectors", lambda a: linalg.svd(a, full_matrices=False)[0].abs(), WIDE),
        ("linalg.svdvals", linalg.svdvals, TALL),
        ("linalg.tensorinv", lambda a: linalg.tensorinv(positive(a).view(2, 2, 4), 2), MATRIX[4, 4]),
        ("linalg.tensorsolve", lambda a, b: linalg.tensorsolve(positive(a).view(2, 2, 4), b), MATRIX[4, 4], REAL[2, 2]),
        ("linalg.vander", linalg.vander, SMALL),
        ("linalg.vecdot", linalg.vecdot, REAL[2, 3], REAL[2, 3]),
        *[
            (f"linalg.vector_norm, {p}", lambda a, p=p: linalg.vector_norm(a, p), REAL[3])
            for p in (0.5, 1, 2, 3.5, float("inf"), -float("inf"), -1)
        ],
        ("linalg.vector_norm, axes", lambda a: linalg.vector_norm(a, 3, (0, 1), keepdim=True), REAL[2, 3]),
        ("cholesky_inverse", lambda a: torch.cholesky_inverse(linalg.cholesky(positive(a))), MATRIX),
        ("cholesky_solve", lambda b, a: torch.cholesky_solve(b, linalg.cholesky(positive(a))), RIGHT, MATRIX),
        ("logdet", lambda a: torch.logdet(positive(a)), MATRIX),
        ("lu_unpack", lambda a: torch.lu_unpack(*linalg.lu_factor(a))[1:], MATRIX),
        ("triangular_solve", lambda b, a: torch.triangular_solve(b, positive(a))[0], RIGHT, MATRIX),
        ("ormqr", lambda a, t, b: torch.ormqr(a.tril(), t, b), MATRIX, REAL[3], RIGHT),
        ("lobpcg", lambda a: torch.lobpcg(positive(a), 1)[0], Domain(-1.0, 1.0, (4, 4), (0.1, 0.4, -0.7))),
        ("addbmm", torch.addbmm, REAL[2, 2], REAL[2, 2, 3], REAL[2, 3, 2]),
        ("addmm", lambda x, a, b: torch.addmm(x, a, b, beta=0.5, alpha=2), REAL[2], REAL[2, 3], REAL[3, 2]),
        ("addmv", torch.addmv, REAL[2], REAL[2, 3], REAL[3]),
        ("addr", torch.addr, REAL[2, 3], REAL[2], REAL[3]),
        ("baddbmm", lambda x, a, b: torch.baddbmm(x, a, b, beta=2), REAL[2, 2, 2], REAL[2, 2, 3], REAL[2, 3, 2]),
        ("einsum", lambda a, b: torch.einsum("iij,jk->ik", a, b), REAL[2, 2, 3], REAL[3, 2]),
        ("kron", torch.kron, REAL[2, 2], REAL[3, 1]),
        ("tensordot", lambda a, b: torch.tensordot(a, b, ([1, 0], [0, 1])), REAL[2, 3], REAL[3, 2]),
    ]
]


TRANSFORMS = [
    row(f"torch.{name}", f, *domains)
    for name, f, *domains in [
        ("fft.fft", lambda x: parts(fft.fft(x, 5, norm="ortho")), REAL),
        ("fft.fft2", lambda x: parts(fft.fft2(x)), REAL[2, 3]),
        ("fft.rfft", lambda x: parts(fft.rfft(x)), REAL[5]),
        ("fft.rfft2", lambda x: parts(fft.rfft2(x, norm="forward")), REAL[3, 4]),
        ("fft.irfft", lambda x: fft.irfft(torch.view_as_complex(x)), REAL[4, 2]),
        ("fft.irfft, n", lambda x: fft.irfft(torch.view_as_complex(x), 5), REAL[4, 2]),
        ("fft.irfft2", lambda x: fft.irfft2(torch.view_as_complex(x), (3, 3)), REAL[3, 3, 2]),
        ("fft.hfft", lambda x: fft.hfft(torch.view_as_complex(x), 6), REAL[4, 2]),
        ("fft.ihfft", lambda x: parts(fft.ihfft(x)), REAL[5]),
        ("fft.hfft2", lambda x: fft.hfft2(torch.view_as_complex(x)), REAL[2, 3, 2]),
        ("fft.ihfftn", lambda x: parts(fft.ihfftn(x)), REAL[3, 4]),
        ("fft.fftshift", fft.fftshift, REAL[5]),
        ("stft", lambda x: parts(torch.stft(x, 4, 2, window=torch.hann_window(4).to(x), return_complex=True)), REAL[8]),
        (
            "istft",
            lambda x: torch.istft(torch.view_as_complex(x), 4, 1, window=torch.hann_window(4).to(x)),
            REAL[3, 5, 2],
        ),
    ]
]

CASES: list[Case] = [
    *ACTIVATIONS,
    *SPECIAL,
    *LOSSES,
    *POOLING,
    *CONVOLUTIONS,
    *NORMALIZATION,
    *DISTANCES,
    *SAMPLING,
    *LAYERS,
    *REDUCTIONS,
    *ELEMENTWISE,
    *LINALG,
    *TRANSFORMS,
]
POLYGAMMA = Judged("finding", "polygamma(1, x), the gradient of digamma, has nine digits.")
GRID_SAMPLE = Judged("finding", "vmap mixes the samples if the inputs have their batches along other axes.")
TIES = Judged("finding", "the gradient counts each of several tied maxima fully.")
SCATTER_PROD = Judged("finding", "the forward derivative is zero.")
TIED = Judged("fault", "at a tie of three, a limit of gradients can be outside the one-sided slopes along an axis.")
SIDES = Judged("convention", "at a tie, the forward and the reverse derivative are of two sides of the kink.")
EXCLUDED = Judged("finding", "an excluded equal element takes half of the gradient.")
SEGMENT = Judged("finding", "a negative cotangent is not divided among ties.")
JUDGED = {
    "torch.nn.functional.hardsigmoid": Judged("finding", "its gradient has the accuracy of float32."),
    "torch.special.digamma": POLYGAMMA,
    "torch.special.digamma, negative": POLYGAMMA,
    "torch.special.gammaln": POLYGAMMA,
    "torch.special.gammaln, negative": POLYGAMMA,
    "torch.special.multigammaln": POLYGAMMA,
    "torch.special.polygamma, 1": POLYGAMMA,
    "torch.special.sinc, edge": Judged("finding", "the gradient is wrong near zero."),
    "torch.special.sinc, special": Judged("finding", "the second derivative at zero is nan."),
    "torch.nn.functional.binary_cross_entropy, near 0": Judged(
        "convention", "backward clamps x (1 - x) at 1e-12, so that it is bounded."
    ),
    "torch.nn.functional.nll_loss, image": Judged("finding", "backward fails for a permuted image."),
    "torch.nn.functional.conv_tbc": Judged("finding", "backward fails for a transposed cotangent."),
    "torch.cdist, p=inf, special": TIES,
    "torch.nn.functional.pdist, p=inf, special": TIES,
    "torch.nn.functional.grid_sample": GRID_SAMPLE,
    "torch.nn.PReLU, special": Judged(
        "convention", "at 0, forward and reverse derivative are of two sides of the kink."
    ),
    "torch.scatter_reduce, prod, True": SCATTER_PROD,
    "torch.scatter_reduce, prod, False": SCATTER_PROD,
    "torch.scatter_reduce, amin, False, special": EXCLUDED,
    "torch.scatter_reduce, amax, False, special": EXCLUDED,
    "torch.segment_reduce, max, special": SEGMENT,
    "torch.segment_reduce, min, special": SEGMENT,
    "torch.quantile, q, special": Judged("finding", "the gradient by q is zero where the quantile is an element."),
    "torch.median, special": TIED,
    "torch.quantile, special": TIED,
    "torch.nanquantile, special": TIED,
    "torch.sort, special": TIED,
    "torch.topk, special": TIED,
    "torch.kthvalue, special": TIED,
    "torch.fmax, special": SIDES,
    "torch.index_fill": Judged("finding", "vmap over the value only fills with the last value."),
    "torch.float_power, special": Judged("finding", "the mixed second derivative is zero at exponent 0."),
    "torch.pow, special": Judged("finding", "the mixed second derivative is zero at exponent 0."),
    "torch.view_as_real": Judged("finding", "backward fails for a cotangent with an odd offset."),
    "torch.linalg.cond, 1": Judged("finding", "backward fails."),
    "torch.linalg.cond, fro": Judged("finding", "backward fails."),
    "torch.linalg.det, special": Judged("finding", "the gradient at a singular matrix is zero."),
    "torch.cholesky_inverse": Judged("finding", "wrong forward derivative."),
    "torch.triangular_solve": Judged("finding", "wrong forward derivative."),
    "torch.lobpcg": Judged("accuracy", "the iteration stops at its tolerance."),
}
