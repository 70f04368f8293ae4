"""torch.nn.functional, torch.special, torch.linalg and other functions of PyTorch."""

import torch
from torch.nn import functional as F

from benchmarks.checkers.real import POSITIVE, REAL, SIGNED_UNIT, UNIT, Case, Domain, Judged
from benchmarks.checkers.real import torch as row

NEAR = Domain(-20.0, 20.0)
NEAR_POSITIVE = Domain(0.0, 20.0)
SMALL = Domain(-3.0, 3.0)
ABOVE_ONE = Domain(1.0)
LABELS = torch.tensor([0, 2, 1, 2])
SIGNS = torch.tensor([1.0, -1, 1, -1])
BITS = torch.tensor([1.0, 0, 1, 0])
WEIGHTS = torch.tensor([0.5, 2, 1])
IMAGE = REAL[1, 2, 4, 5]
sp, linalg, fft = torch.special, torch.linalg, torch.fft

ACTIVATIONS = [
    row(f"torch.nn.functional.{name}", f, REAL, order=2)
    for name, f in [
        ("celu", lambda x: F.celu(x, 0.7)),
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
        ("softmax", lambda x: F.softmax(x, 0)),
        ("softmin", lambda x: F.softmin(x, 0)),
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
        ("binary_cross_entropy, weight", lambda x, w: F.binary_cross_entropy(x, BITS.to(x), w), UNIT, POSITIVE),
        ("binary_cross_entropy, sum", lambda x: F.binary_cross_entropy(x, BITS.to(x), reduction="sum"), UNIT),
        ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, REAL, UNIT),
        (
            "binary_cross_entropy_with_logits, weights",
            lambda x, w, p: F.binary_cross_entropy_with_logits(x, BITS.to(x), w, pos_weight=p, reduction="none"),
            REAL,
            POSITIVE,
            POSITIVE,
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
            REAL[1, 1, 3, 4, 3],
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
        ("fold", lambda x: F.fold(x, (3, 4), 2, 1, 1, 2), REAL[1, 4, 12]),
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
            lambda x, m, v, w, b: F.batch_norm(x, m.detach(), v.detach(), w, b),
            SMALL[4, 2],
            REAL[2],
            POSITIVE[2],
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

CASES: list[Case] = [
    *ACTIVATIONS,
    *SPECIAL,
    *LOSSES,
    *POOLING,
    *CONVOLUTIONS,
    *NORMALIZATION,
    *DISTANCES,
]
JUDGED: dict[str, Judged] = {}
