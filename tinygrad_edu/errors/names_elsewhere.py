"""Names of other libraries that are missing here. ``python -m tools.names_elsewhere`` writes it."""

# fmt: off
ANSWERS = {
    "Tensor": {
        "H": "`t.T`",
        "abs": "`tg.abs(t)`",
        "abs_": "`t.assign(tg.abs(t))`",
        "addcdiv": "`t + value * x / y`",
        "addcmul": "`t + value * x * y`",
        "addmv": "`t + a @ x`",
        "addr": "`t + tg.outer(x, y)`",
        "adjoint": "`tg.swapaxes(t, -2, -1)`",
        "aminmax": "`tg.min(t)` and `tg.max(t)`",
        "arccos_": "`t.assign(tg.arccos(t))`",
        "arccosh_": "`t.assign(tg.arccosh(t))`",
        "arcsin_": "`t.assign(tg.arcsin(t))`",
        "arcsinh_": "`t.assign(tg.arcsinh(t))`",
        "arctan2_": "`t.assign(tg.arctan2(t, other))`",
        "arctan_": "`t.assign(tg.arctan(t))`",
        "arctanh_": "`t.assign(tg.arctanh(t))`",
        "argwhere": "`np.argwhere(t)`",
        "baddbmm": "`t + x @ y`",
        "bernoulli": "`tg.bernoulli(t, rng=rng)`",
        "bernoulli_": "`t.assign(tg.bernoulli(t, rng=rng))`",
        "bitwise_and": "`np.bitwise_and(x, y)`",
        "bitwise_or": "`np.bitwise_or(x, y)`",
        "bitwise_xor": "`np.bitwise_xor(x, y)`",
        "ceil_": "`t.assign(tg.ceil(t))`",
        "cholesky": "`tg.linalg.cholesky(t)`",
        "cholesky_solve": "`tg.linalg.cholesky_solve(t, other)`",
        "clip_": "`t.assign(tg.clip(t))`",
        "copysign_": "`t.assign(tg.copysign(t, other))`",
        "cos_": "`t.assign(tg.cos(t))`",
        "cosh_": "`t.assign(tg.cosh(t))`",
        "cumprod_": "`t.assign(tg.cumprod(t))`",
        "cumsum_": "`t.assign(tg.cumsum(t))`",
        "deg2rad_": "`t.assign(tg.deg2rad(t))`",
        "digamma_": "`t.assign(tg.digamma(t))`",
        "dist": "`tg.linalg.norm(x - y)`",
        "divide": "`tg.divide(t, other)`",
        "divide_": "`t.assign(tg.divide(t, other))`",
        "erf_": "`t.assign(tg.erf(t))`",
        "erfc_": "`t.assign(tg.erfc(t))`",
        "erfinv_": "`t.assign(tg.erfinv(t))`",
        "exp2_": "`t.assign(tg.exp2(t))`",
        "exp_": "`t.assign(tg.exp(t))`",
        "expm1_": "`t.assign(tg.expm1(t))`",
        "fix": "`tg.trunc(t)`",
        "floor_": "`t.assign(tg.floor(t))`",
        "floor_divide_": "`t.assign(tg.floor_divide(t, other))`",
        "fmod_": "`t.assign(tg.fmod(t, other))`",
        "frac": "`t - tg.trunc(t)`",
        "ger": "`tg.outer(x, y)`",
        "greater": "`x > y`",
        "greater_equal": "`x >= y`",
        "histogram": "`tg.histogram(t)`",
        "hypot_": "`t.assign(tg.hypot(t, other))`",
        "i0": "`tg.i0(t)`",
        "i0_": "`t.assign(tg.i0(t))`",
        "index_fill": "`tg.where(mask, value, t)`",
        "inverse": "`tg.linalg.inv(t)`",
        "is_floating_point": "`t.dtype.kind == 'f'`",
        "lerp_": "`t.assign(tg.lerp(t, other))`",
        "less": "`x < y`",
        "less_equal": "`x <= y`",
        "lgamma_": "`t.assign(tg.lgamma(t))`",
        "log10_": "`t.assign(tg.log10(t))`",
        "log1p_": "`t.assign(tg.log1p(t))`",
        "log2_": "`t.assign(tg.log2(t))`",
        "log_": "`t.assign(tg.log(t))`",
        "logaddexp2": "`tg.logaddexp2(t, other)`",
        "logdet": "`tg.linalg.slogdet(t)[1]`",
        "logical_and_": "`t.assign(tg.logical_and(t, other))`",
        "logical_not_": "`t.assign(tg.logical_not(t))`",
        "logical_or_": "`t.assign(tg.logical_or(t, other))`",
        "logical_xor_": "`t.assign(tg.logical_xor(t, other))`",
        "logit_": "`t.assign(tg.logit(t))`",
        "lstsq": "`tg.linalg.lstsq(t, other)`",
        "lu": "`tg.linalg.lu(t)`",
        "mH": "`tg.swapaxes(t, -2, -1)`",
        "masked_fill_": "`t.assign(tg.masked_fill(t, other))`",
        "masked_scatter": "`tg.where(mask, values, t)`",
        "matmul": "`tg.matmul(t, other)`",
        "matrix_exp": "`tg.linalg.expm(t)`",
        "maximum": "`tg.maximum(t, other)`",
        "minimum": "`tg.minimum(t, other)`",
        "msort": "`tg.sort(t, 0)`",
        "multinomial": "`tg.multinomial(t, n, rng=rng)`",
        "multiply": "`tg.multiply(t, other)`",
        "multiply_": "`t.assign(tg.multiply(t, other))`",
        "nan_to_num_": "`t.assign(tg.nan_to_num(t))`",
        "ndimension": "`t.ndim`",
        "negative_": "`t.assign(tg.negative(t))`",
        "not_equal": "`x != y`",
        "pinverse": "`tg.linalg.pinv(t)`",
        "polygamma": "`tg.polygamma(t, other)`",
        "polygamma_": "`t.assign(tg.polygamma(t, other))`",
        "qr": "`tg.linalg.qr(t)`",
        "rad2deg_": "`t.assign(tg.rad2deg(t))`",
        "reciprocal_": "`t.assign(tg.reciprocal(t))`",
        "relu_": "`t.assign(tg.relu(t))`",
        "remainder_": "`t.assign(tg.remainder(t, other))`",
        "resize": "`t.reshape(shape)`",
        "round_": "`t.assign(tg.round(t))`",
        "rsqrt_": "`t.assign(tg.rsqrt(t))`",
        "sigmoid_": "`t.assign(tg.sigmoid(t))`",
        "sign": "`tg.sign(t)`",
        "sign_": "`t.assign(tg.sign(t))`",
        "sin_": "`t.assign(tg.sin(t))`",
        "sinc_": "`t.assign(tg.sinc(t))`",
        "sinh_": "`t.assign(tg.sinh(t))`",
        "solve": "`tg.linalg.solve(t, other)`",
        "sqrt_": "`t.assign(tg.sqrt(t))`",
        "square_": "`t.assign(tg.square(t))`",
        "squeeze_": "`t.assign(tg.squeeze(t))`",
        "subtract": "`tg.subtract(t, other)`",
        "subtract_": "`t.assign(tg.subtract(t, other))`",
        "svd": "`tg.linalg.svd(t)`",
        "swapaxes_": "`t.assign(tg.swapaxes(t, other))`",
        "take_along_dim": "`tg.take_along_axis(t, index, axis)`",
        "tan_": "`t.assign(tg.tan(t))`",
        "tanh_": "`t.assign(tg.tanh(t))`",
        "tensor_split": "`tg.array_split(t, pieces)`",
        "transpose_": "`t.assign(tg.transpose(t))`",
        "tril_": "`t.assign(tg.tril(t))`",
        "triu_": "`t.assign(tg.triu(t))`",
        "trunc_": "`t.assign(tg.trunc(t))`",
        "unflatten": "`nn.Unflatten(axis, shape)(t)`",
        "unfold": "`nn.Unfold(kernel_size)(t)`, or `tg.im2col`",
        "where": "`tg.where(t, other)`",
        "xlogy_": "`t.assign(tg.xlogy(t, other))`",
    },
    "tg": {
        "ModuleDict": "`nn.ModuleDict`",
        "abs_": "`t.assign(tg.abs(t))`",
        "adaptive_max_pool1d_with_indices": "`tg.adaptive_max_pool1d(x, size, return_indices=True)`",
        "adaptive_max_pool2d_with_indices": "`tg.adaptive_max_pool2d(x, size, return_indices=True)`",
        "adaptive_max_pool3d_with_indices": "`tg.adaptive_max_pool3d(x, size, return_indices=True)`",
        "addcdiv": "`t + value * x / y`",
        "addcmul": "`t + value * x * y`",
        "addmv": "`t + a @ x`",
        "addr": "`t + tg.outer(x, y)`",
        "adjoint": "`tg.swapaxes(t, -2, -1)`",
        "alpha_dropout": "`nn.AlphaDropout(p)(x)`",
        "aminmax": "`tg.min(t)` and `tg.max(t)`",
        "arccos_": "`t.assign(tg.arccos(t))`",
        "arccosh_": "`t.assign(tg.arccosh(t))`",
        "arcsin_": "`t.assign(tg.arcsin(t))`",
        "arcsinh_": "`t.assign(tg.arcsinh(t))`",
        "arctan_": "`t.assign(tg.arctan(t))`",
        "arctanh_": "`t.assign(tg.arctanh(t))`",
        "argpartition": "`tg.argsort(t)`, or `tg.topk`",
        "argwhere": "`np.argwhere(t)`",
        "baddbmm": "`t + x @ y`",
        "binary_cross_entropy": "`nn.binary_cross_entropy(t, other)`",
        "binary_cross_entropy_with_logits": "`nn.binary_cross_entropy_with_logits(t, other)`",
        "bitwise_and": "`np.bitwise_and(x, y)`",
        "bitwise_or": "`np.bitwise_or(x, y)`",
        "bitwise_xor": "`np.bitwise_xor(x, y)`",
        "ceil_": "`t.assign(tg.ceil(t))`",
        "celu_": "`t.assign(tg.celu(t))`",
        "chain_matmul": "`tg.linalg.multi_dot(matrices)`",
        "cholesky": "`tg.linalg.cholesky(t)`",
        "clip_": "`t.assign(tg.clip(t))`",
        "clone": "`t.copy()`",
        "compile": "leave it out: there is no compiler",
        "cond": "`tg.linalg.cond(t)`",
        "conv_tbc": "`tg.conv1d`, with axes (batch, channels, time)",
        "copy": "`t.copy`",
        "cos_": "`t.assign(tg.cos(t))`",
        "cosh_": "`t.assign(tg.cosh(t))`",
        "cosine_embedding_loss": "`nn.cosine_embedding_loss(t, other)`",
        "ctc_loss": "`nn.ctc_loss(t, other)`",
        "deg2rad_": "`t.assign(tg.deg2rad(t))`",
        "degrees": "`tg.rad2deg(t)`",
        "det": "`t.det`",
        "detach": "`t.detach()`",
        "dist": "`tg.linalg.norm(x - y)`",
        "dropout1d": "`nn.Dropout1D(p)(x)`",
        "dropout2d": "`nn.Dropout2D(p)(x)`",
        "dropout3d": "`nn.Dropout3D(p)(x)`",
        "dropout_": "`t.assign(tg.dropout(t, rng=rng))`",
        "dtype": "`t.dtype`",
        "elu_": "`t.assign(tg.elu(t))`",
        "embedding_bag": "`nn.EmbeddingBag`",
        "erf_": "`t.assign(tg.erf(t))`",
        "erfc_": "`t.assign(tg.erfc(t))`",
        "exp2_": "`t.assign(tg.exp2(t))`",
        "exp_": "`t.assign(tg.exp(t))`",
        "expm1_": "`t.assign(tg.expm1(t))`",
        "feature_alpha_dropout": "`nn.FeatureAlphaDropout(p)(x)`",
        "fix": "`tg.trunc(t)`",
        "floor_": "`t.assign(tg.floor(t))`",
        "frac": "`t - tg.trunc(t)`",
        "gaussian_nll_loss": "`nn.gaussian_nll_loss(t, other)`",
        "ger": "`tg.outer(x, y)`",
        "greater": "`x > y`",
        "greater_equal": "`x >= y`",
        "hardtanh_": "`t.assign(tg.hardtanh(t))`",
        "hinge_embedding_loss": "`nn.hinge_embedding_loss(t, other)`",
        "histogram2d": "`np.histogramdd(values)`: counts have no gradient",
        "histogramdd": "`np.histogramdd(values)`: counts have no gradient",
        "huber_loss": "`nn.huber_loss(t, other)`",
        "i0_": "`t.assign(tg.i0(t))`",
        "index_fill": "`tg.where(mask, value, t)`",
        "inverse": "`tg.linalg.inv(t)`",
        "is_floating_point": "`t.dtype.kind == 'f'`",
        "isin": "`np.isin(t, values)`",
        "kl_div": "`nn.kl_div(t, other)`",
        "l1_loss": "`nn.l1_loss(t, other)`",
        "leaky_relu_": "`t.assign(tg.leaky_relu(t))`",
        "less": "`x < y`",
        "less_equal": "`x <= y`",
        "log10_": "`t.assign(tg.log10(t))`",
        "log1p_": "`t.assign(tg.log1p(t))`",
        "log2_": "`t.assign(tg.log2(t))`",
        "log_": "`t.assign(tg.log(t))`",
        "logdet": "`tg.linalg.slogdet(t)[1]`",
        "logit_": "`t.assign(tg.logit(t))`",
        "lp_pool1d": "`nn.LPPool1D(p, kernel_size)(x)`",
        "lp_pool2d": "`nn.LPPool2D(p, kernel_size)(x)`",
        "lp_pool3d": "`nn.LPPool3D(p, kernel_size)(x)`",
        "margin_ranking_loss": "`nn.margin_ranking_loss(t, other)`",
        "masked_scatter": "`tg.where(mask, values, t)`",
        "matrix_power": "`t.matrix_power`",
        "matrix_rank": "`tg.linalg.matrix_rank(t)`",
        "max_pool1d_with_indices": "`tg.max_pool1d(x, size, return_indices=True)`",
        "max_pool2d_with_indices": "`tg.max_pool2d(x, size, return_indices=True)`",
        "max_pool3d_with_indices": "`tg.max_pool3d(x, size, return_indices=True)`",
        "max_unpool1d": "`nn.MaxUnpool1D(kernel_size)(x, indices)`",
        "max_unpool2d": "`nn.MaxUnpool2D(kernel_size)(x, indices)`",
        "max_unpool3d": "`nn.MaxUnpool3D(kernel_size)(x, indices)`",
        "mod": "`x % y`",
        "mse_loss": "`nn.mse_loss(t, other)`",
        "msort": "`tg.sort(t, 0)`",
        "multi_head_attention_forward": "`nn.MultiheadAttention`",
        "multi_margin_loss": "`nn.multi_margin_loss(t, other)`",
        "multilabel_margin_loss": "`nn.multilabel_margin_loss(t, other)`",
        "multilabel_soft_margin_loss": "`nn.multilabel_soft_margin_loss(t, other)`",
        "nan_to_num_": "`t.assign(tg.nan_to_num(t))`",
        "narrow": "`t[start : start + length]`",
        "ndim": "`t.ndim`",
        "negative_": "`t.assign(tg.negative(t))`",
        "nll_loss": "`nn.nll_loss(t, other)`",
        "not_equal": "`x != y`",
        "partition": "`tg.sort(t)`, or `tg.topk`",
        "pinverse": "`tg.linalg.pinv(t)`",
        "poisson_nll_loss": "`nn.poisson_nll_loss(t, other)`",
        "qr": "`tg.linalg.qr(t)`",
        "rad2deg_": "`t.assign(tg.rad2deg(t))`",
        "radians": "`tg.deg2rad(t)`",
        "reciprocal_": "`t.assign(tg.reciprocal(t))`",
        "relu_": "`t.assign(tg.relu(t))`",
        "resize": "`t.reshape(shape)`",
        "result_type": "`np.result_type(x, y)`",
        "rint": "`tg.round(t)`",
        "round_": "`t.assign(tg.round(t))`",
        "rrelu": "`nn.RReLU()(x)`",
        "rsqrt_": "`t.assign(tg.rsqrt(t))`",
        "rsub": "`y - x`",
        "select": "`t[index]`",
        "selu_": "`t.assign(tg.selu(t))`",
        "set_printoptions": "`np.set_printoptions`",
        "shape": "`t.shape`",
        "sigmoid_": "`t.assign(tg.sigmoid(t))`",
        "sin_": "`t.assign(tg.sin(t))`",
        "sinc_": "`t.assign(tg.sinc(t))`",
        "sinh_": "`t.assign(tg.sinh(t))`",
        "size": "`t.size`",
        "slogdet": "`t.slogdet`",
        "smooth_l1_loss": "`nn.smooth_l1_loss(t, other)`",
        "soft_margin_loss": "`nn.soft_margin_loss(t, other)`",
        "solve": "`tg.linalg.solve(t, other)`",
        "sqrt_": "`t.assign(tg.sqrt(t))`",
        "square_": "`t.assign(tg.square(t))`",
        "std_mean": "`tg.std(t)` and `tg.mean(t)`",
        "svd": "`tg.linalg.svd(t)`",
        "t": "`t.T`",
        "take_along_dim": "`tg.take_along_axis(t, index, axis)`",
        "tan_": "`t.assign(tg.tan(t))`",
        "tanh_": "`t.assign(tg.tanh(t))`",
        "tensor_split": "`tg.array_split(t, pieces)`",
        "threshold_": "`t.assign(tg.threshold(t))`",
        "triplet_margin_loss": "`nn.triplet_margin_loss(t, other)`",
        "triplet_margin_with_distance_loss": "`nn.triplet_margin_with_distance_loss(t, other)`",
        "trunc_": "`t.assign(tg.trunc(t))`",
        "unflatten": "`nn.Unflatten(axis, shape)(t)`",
        "upsample": "`tg.interpolate(x, scale_factor=2)`",
        "upsample_bilinear": "`tg.interpolate(x, scale_factor=2, mode='bilinear', align_corners=True)`",
        "upsample_nearest": "`tg.interpolate(x, scale_factor=2)`",
        "var_mean": "`tg.var(t)` and `tg.mean(t)`",
        "xlogy_": "`t.assign(tg.xlogy(t))`",
    },
    "tg.linalg": {
        "cross": "`tg.cross(x, y)`",
        "diagonal": "`tg.diagonal(t)`",
        "matrix_exp": "`tg.linalg.expm(t)`",
        "outer": "`t.outer`",
        "tensordot": "`tg.tensordot(t, other)`",
        "trace": "`t.trace`",
        "vander": "`tg.vander(x)`",
        "vecdot": "`tg.vecdot(x, y)`",
    },
    "tg.nn": {
        "Activation": "`nn.ReLU`, `nn.Tanh` and other layers, or `nn.Lambda(function)`",
        "Add": "`x + y`, or `nn.Residual`",
        "BatchNormalization": "`nn.BatchNorm2D`",
        "Bidirectional": "`nn.LSTM(..., bidirectional=True)`",
        "Concatenate": "`tg.concatenate([x, y], axis)`",
        "DepthwiseConv1D": "`nn.Conv1D(c, c, size, groups=c)`",
        "DepthwiseConv2D": "`nn.Conv2D(c, c, size, groups=c)`",
        "Dot": "`x @ y`",
        "GroupNormalization": "`nn.GroupNorm`",
        "Input": "leave it out",
        "InputLayer": "leave it out",
        "Layer": "`nn.Module`",
        "LayerNormalization": "`nn.LayerNorm`",
        "Maximum": "`tg.maximum(x, y)`",
        "Minimum": "`tg.minimum(x, y)`",
        "MultiHeadAttention": "`nn.MultiheadAttention`",
        "Multiply": "`x * y`",
        "Permute": "`x.transpose(axes)`",
        "RMSNormalization": "`nn.RMSNorm`",
        "Rescaling": "`x * scale + offset`",
        "Reshape": "`nn.Unflatten` or `x.reshape(shape)`",
        "SeparableConv2D": "`nn.Conv2D(c, c, size, groups=c)`, and `nn.Conv2D(c, out, 1)`",
        "SimpleRNN": "`nn.RNN`",
        "SimpleRNNCell": "`nn.RNNCell`",
        "SpatialDropout1D": "`nn.Dropout1D`",
        "SpatialDropout2D": "`nn.Dropout2D`",
        "SpatialDropout3D": "`nn.Dropout3D`",
        "SpectralNormalization": "`nn.parametrize(layer, 'weight', nn.SpectralNorm())`",
        "Subtract": "`x - y`",
        "adaptive_avg_pool1d": "`tg.adaptive_avg_pool1d(t, other)`",
        "adaptive_avg_pool2d": "`tg.adaptive_avg_pool2d(t, other)`",
        "adaptive_avg_pool3d": "`tg.adaptive_avg_pool3d(t, other)`",
        "adaptive_max_pool1d": "`tg.adaptive_max_pool1d(t, other)`",
        "adaptive_max_pool1d_with_indices": "`tg.adaptive_max_pool1d(x, size, return_indices=True)`",
        "adaptive_max_pool2d": "`tg.adaptive_max_pool2d(t, other)`",
        "adaptive_max_pool2d_with_indices": "`tg.adaptive_max_pool2d(x, size, return_indices=True)`",
        "adaptive_max_pool3d": "`tg.adaptive_max_pool3d(t, other)`",
        "adaptive_max_pool3d_with_indices": "`tg.adaptive_max_pool3d(x, size, return_indices=True)`",
        "add": "`tg.add(t, other)`",
        "affine_grid": "`tg.affine_grid(t, other)`",
        "alpha_dropout": "`nn.AlphaDropout(p)(x)`",
        "average": "`tg.average(t)`",
        "avg_pool1d": "`tg.avg_pool1d(t, other)`",
        "avg_pool2d": "`tg.avg_pool2d(t, other)`",
        "avg_pool3d": "`tg.avg_pool3d(t, other)`",
        "batch_norm": "`tg.batch_norm(t, other)`",
        "bilinear": "`tg.bilinear(t, other)`",
        "celu": "`tg.celu(t)`",
        "celu_": "`t.assign(tg.celu(t))`",
        "channel_shuffle": "`tg.channel_shuffle(t, other)`",
        "concatenate": "`tg.concatenate(t)`",
        "conv1d": "`tg.conv1d(t, other)`",
        "conv2d": "`tg.conv2d(t, other)`",
        "conv3d": "`tg.conv3d(t, other)`",
        "conv_tbc": "`tg.conv1d`, with axes (batch, channels, time)",
        "conv_transpose1d": "`tg.conv_transpose1d(t, other)`",
        "conv_transpose2d": "`tg.conv_transpose2d(t, other)`",
        "conv_transpose3d": "`tg.conv_transpose3d(t, other)`",
        "cosine_similarity": "`tg.cosine_similarity(t, other)`",
        "dot": "`tg.dot(t, other)`",
        "dropout1d": "`nn.Dropout1D(p)(x)`",
        "dropout2d": "`nn.Dropout2D(p)(x)`",
        "dropout3d": "`nn.Dropout3D(p)(x)`",
        "elu": "`tg.elu(t)`",
        "elu_": "`t.assign(tg.elu(t))`",
        "embedding_bag": "`nn.EmbeddingBag`",
        "feature_alpha_dropout": "`nn.FeatureAlphaDropout(p)(x)`",
        "gelu": "`tg.gelu(t)`",
        "glu": "`tg.glu(t)`",
        "grid_sample": "`tg.grid_sample(t, other)`",
        "group_norm": "`tg.group_norm(t, other)`",
        "gumbel_softmax": "`tg.gumbel_softmax(t, rng=rng)`",
        "hardshrink": "`tg.hardshrink(t)`",
        "hardsigmoid": "`tg.hardsigmoid(t)`",
        "hardswish": "`tg.hardswish(t)`",
        "hardtanh": "`tg.hardtanh(t)`",
        "hardtanh_": "`t.assign(tg.hardtanh(t))`",
        "instance_norm": "`tg.instance_norm(t)`",
        "interpolate": "`tg.interpolate(t)`",
        "layer_norm": "`tg.layer_norm(t, other)`",
        "leaky_relu": "`tg.leaky_relu(t)`",
        "leaky_relu_": "`t.assign(tg.leaky_relu(t))`",
        "local_response_norm": "`tg.local_response_norm(t, other)`",
        "log_softmax": "`tg.log_softmax(t)`",
        "logsigmoid": "`tg.logsigmoid(t)`",
        "lp_pool1d": "`nn.LPPool1D(p, kernel_size)(x)`",
        "lp_pool2d": "`nn.LPPool2D(p, kernel_size)(x)`",
        "lp_pool3d": "`nn.LPPool3D(p, kernel_size)(x)`",
        "max_pool1d": "`tg.max_pool1d(t, other)`",
        "max_pool1d_with_indices": "`tg.max_pool1d(x, size, return_indices=True)`",
        "max_pool2d": "`tg.max_pool2d(t, other)`",
        "max_pool2d_with_indices": "`tg.max_pool2d(x, size, return_indices=True)`",
        "max_pool3d": "`tg.max_pool3d(t, other)`",
        "max_pool3d_with_indices": "`tg.max_pool3d(x, size, return_indices=True)`",
        "max_unpool1d": "`nn.MaxUnpool1D(kernel_size)(x, indices)`",
        "max_unpool2d": "`nn.MaxUnpool2D(kernel_size)(x, indices)`",
        "max_unpool3d": "`nn.MaxUnpool3D(kernel_size)(x, indices)`",
        "maximum": "`tg.maximum(t, other)`",
        "minimum": "`tg.minimum(t, other)`",
        "mish": "`tg.mish(t)`",
        "multi_head_attention_forward": "`nn.MultiheadAttention`",
        "multiply": "`tg.multiply(t, other)`",
        "normalize": "`tg.normalize(t)`",
        "one_hot": "`tg.one_hot(t)`",
        "pad": "`tg.pad(t, other)`",
        "pairwise_distance": "`tg.pairwise_distance(t, other)`",
        "pdist": "`tg.pdist(t)`",
        "pixel_shuffle": "`tg.pixel_shuffle(t, other)`",
        "pixel_unshuffle": "`tg.pixel_unshuffle(t, other)`",
        "prelu": "`tg.prelu(t, other)`",
        "relu": "`tg.relu(t)`",
        "relu6": "`tg.relu6(t)`",
        "relu_": "`t.assign(tg.relu(t))`",
        "rms_norm": "`tg.rms_norm(t, other)`",
        "rrelu": "`nn.RReLU()(x)`",
        "scaled_dot_product_attention": "`tg.scaled_dot_product_attention(t, other)`",
        "selu": "`tg.selu(t)`",
        "selu_": "`t.assign(tg.selu(t))`",
        "sigmoid": "`tg.sigmoid(t)`",
        "silu": "`tg.silu(t)`",
        "softmax": "`tg.softmax(t)`",
        "softmin": "`tg.softmin(t)`",
        "softplus": "`tg.softplus(t)`",
        "softshrink": "`tg.softshrink(t)`",
        "softsign": "`tg.softsign(t)`",
        "subtract": "`tg.subtract(t, other)`",
        "tanh": "`tg.tanh(t)`",
        "tanhshrink": "`tg.tanhshrink(t)`",
        "threshold": "`tg.threshold(t, other)`",
        "threshold_": "`t.assign(tg.threshold(t, other))`",
        "unfold": "`nn.Unfold(kernel_size)(t)`, or `tg.im2col`",
        "upsample": "`tg.interpolate(x, scale_factor=2)`",
        "upsample_bilinear": "`tg.interpolate(x, scale_factor=2, mode='bilinear', align_corners=True)`",
        "upsample_nearest": "`tg.interpolate(x, scale_factor=2)`",
    },
    "tg.data": {
    },
    "tg.distributions": {
    },
}

NOT_OFFERED = {
    "Tensor": {
        "PyTorch": """
absolute absolute_ acos_ acosh_ addbmm addbmm_ addcdiv_ addcmul_ addmm addmm_ addmv_ addr_ allclose angle apply_
as_strided as_strided_ as_strided_scatter as_subclass asin_ asinh_ atan2_ atan_ atanh_ baddbmm_ bitwise_and_
bitwise_left_shift bitwise_left_shift_ bitwise_not bitwise_not_ bitwise_or_ bitwise_right_shift bitwise_right_shift_
bitwise_xor_ cauchy_ ccol_indices cdouble cfloat chalf char cholesky_inverse clamp_max_ clamp_min_ coalesce col_indices
conj conj_physical conj_physical_ const_data_ptr crow_indices data_ptr dense_dim dequantize diagonal_scatter dim_order
eig eq_ equal exponential_ fill_diagonal_ fix_ float_power float_power_ frac_ frexp gcd gcd_ ge_ geometric_ geqrf
get_device grad_dtype greater_ greater_equal_ gt_ hash_tensor heaviside heaviside_ histc igamma igamma_ igammac igammac_
imag index index_copy index_copy_ index_fill_ index_put index_put_ index_reduce index_reduce_ int_repr ipu is_coalesced
is_complex is_conj is_cpu is_distributed is_inference is_ipu is_maia is_meta is_mkldnn is_mps is_mtia is_neg is_nested
is_nonzero is_pinned is_quantized is_same_size is_set_to is_shared is_signed is_sparse is_sparse_csr is_vulkan is_xla
is_xpu isneginf isposinf isreal istft layout lcm lcm_ ldexp ldexp_ le_ less_ less_equal_ log_normal_ lt_ lu_solve map2_
map_ masked_scatter_ mode module_load mtia mvlgamma mvlgamma_ name narrow_copy ne_ neg_ new new_empty_strided nextafter
nextafter_ nonzero_static not_equal_ orgqr ormqr output_nr pin_memory pow_ put put_ q_per_channel_axis
q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point qscheme random_ real record_stream
register_post_accumulate_grad_hook reinforce renorm renorm_ resize_ resize_as resize_as_ resize_as_sparse_ resolve_conj
resolve_neg row_indices select_scatter set_ sgn sgn_ share_memory_ signbit slice_inverse slice_scatter smm sparse_dim
sparse_mask sparse_resize_ sparse_resize_and_clear_ split_with_sizes sspaddmm stft storage storage_offset storage_type
sum_to_size swapdims_ symeig t_ to_dense to_mkldnn to_padded_tensor to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo
to_sparse_csc to_sparse_csr triangular_solve true_divide_ unique_consecutive unsafe_chunk unsafe_split
unsafe_split_with_sizes unsqueeze_ untyped_storage volatile xpu
""",
    },
    "tg": {
        "NumPy": """
False_ ScalarType True_ array2string asanyarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix base_repr
binary_repr bmat bool_ broadcast busday_count busday_offset busdaycalendar bytes_ c_ cdouble char character clongdouble
common_type complex128 complex256 complex64 complexfloating copyto core csingle ctypeslib datetime64 datetime_as_string
datetime_data dtypes emath errstate euler_gamma exceptions f2py finfo flatiter flexible float128 floating
format_float_positional format_float_scientific fromregex generic genfromtxt get_include getbufsize geterr geterrcall
iinfo index_exp inexact info int16 int8 int_ intc integer intp is_busday isfortran isnat lib little_endian loadtxt
longdouble longlong ma matrix may_share_memory memmap mgrid min_scalar_type mintypecode ndarray ndenumerate ndindex
nditer nested_iters number object_ ogrid poly1d polynomial putmask r_ real_if_close rec recarray record require s_
savetxt savez_compressed sctypeDict setbufsize seterr seterrcall shares_memory show_config show_runtime signedinteger
single str_ strings test timedelta64 typecodes typename typing ubyte ufunc uint uint16 uint32 uint64 uintc uintp ulong
ulonglong unsignedinteger ushort void
""",
        "PyTorch": """
AVG AcceleratorError AggregationType AliasDb AnyType Argument ArgumentSpec AwaitType BFloat16Storage BFloat16Tensor
BenchmarkConfig BenchmarkExecutionStats Block BoolStorage BoolType BufferDict ByteStorage CallStack Capsule CharStorage
CharTensor ClassType Code CompilationUnit CompleteArgumentSpec ComplexDoubleStorage ComplexFloatStorage ComplexType
ConcreteModuleType ConcreteModuleTypeBuilder DeepCopyMemoTable DeserializationStorageContext DeviceObjType DictType
DisableTorchFunction DisableTorchFunctionSubclass DispatchKey DispatchKeySet DoubleStorage EnumType ErrorReport Event
ExcludeDispatchKeyGuard ExecutionPlan FatalError FileCheck FloatStorage FloatType FunctionSchema Future FutureType
GradScaler Gradient Graph GraphExecutorState HalfStorage IODescriptor InferredType IntStorage IntType InterfaceType
JITException ListType LiteScriptModule LockingLogger LoggerBase LongStorage Node NoneType NoopLogger NumberType
OperatorInfo OptionalType OutOfMemoryError PRIVATE_OPS ParameterDict PyObjectType PyTorchFileReader PyTorchFileWriter
QInt32Storage QInt8Storage QUInt2x4Storage QUInt4x2Storage QUInt8Storage RRefType SUM ScriptClass ScriptClassFunction
ScriptDict ScriptDictIterator ScriptDictKeyIterator ScriptFunction ScriptList ScriptListIterator ScriptMethod
ScriptModule ScriptModuleSerializer ScriptObject ScriptObjectProperty SerializationStorageContext ShortStorage
StaticModule Storage StorageBase Stream StreamObjType StringType SymBool SymBoolType SymFloat SymInt SymIntType
TYPE_CHECKING Tag TensorType ThroughputBenchmark TracingState TupleType Type TypedStorage USE_GLOBAL_DEPS
USE_RTLD_GLOBAL_WITH_LIBTORCH UnionType UntypedStorage Use Value accelerator acos_ acosh_ addbmm addmv_
affine_grid_generator alias_copy alpha_dropout_ amp angle ao are_deterministic_algorithms_enabled as_strided as_strided_
as_strided_copy as_strided_scatter asin_ asinh_ assert_int_or_pair atan_ atanh_ autocast autocast_decrement_nesting
autocast_increment_nesting backends bartlett_window batch_norm_backward_elemt batch_norm_backward_reduce
batch_norm_elemt batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_stats batch_norm_update_stats
binomial bit bits16 bits1x8 bits2x4 bits4x2 bits8 bitwise_left_shift bitwise_not bitwise_right_shift blackman_window
boolean_dispatch broadcast_shapes broadcast_tensors can_cast cartesian_prod ccol_indices_copy cdouble cfloat chalf
channels_last channels_last_3d cholesky_inverse choose_qparams_optimized clamp_ clamp_max clamp_max_ clamp_min
clamp_min_ classes classproperty clear_autocast_cache col_indices_copy combinations compiled_with_cxx11_abi compiler
complex complex128 complex32 complex64 conj conj_physical conj_physical_ constant_pad_nd contiguous_format convolution
cpp cpu crow_indices_copy cudnn_affine_grid_generator cudnn_batch_norm cudnn_convolution cudnn_convolution_add_relu
cudnn_convolution_relu cudnn_convolution_transpose cudnn_grid_sampler cudnn_is_acceptable default_generator dequantize
detach_ detach_copy diagonal_copy diagonal_scatter distributed dsmm eig embedding_renorm_ empty_permuted empty_quantized
empty_strided expand_copy export fake_quantize_per_channel_affine fake_quantize_per_tensor_affine
fbgemm_linear_fp16_weight fbgemm_linear_fp16_weight_fp32_activation fbgemm_linear_int8_weight
fbgemm_linear_int8_weight_fp32_activation fbgemm_linear_quantize_weight fbgemm_pack_gemm_matrix_fp16
fbgemm_pack_quantized_matrix feature_alpha_dropout_ feature_dropout feature_dropout_ fill fill_ finfo fix_
float4_e2m1fn_x2 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu float_power fork frac_
fractional_max_pool2d fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices frexp
frobenius_norm from_file frombuffer fused_moving_avg_obs_fake_quant futures fx gcd gcd_ geqrf get_autocast_cpu_dtype
get_autocast_dtype get_autocast_gpu_dtype get_autocast_ipu_dtype get_autocast_xla_dtype get_default_device
get_default_dtype get_deterministic_debug_mode get_device get_device_module get_file_path get_float32_matmul_precision
get_num_interop_threads get_num_threads get_rng_state grid_sampler grid_sampler_2d grid_sampler_3d grouped_mm gru
gru_cell hamming_window handle_torch_function hann_window has_lapack has_mkl has_openmp has_spectral has_torch_function
has_torch_function_unary has_torch_function_variadic hash_tensor heaviside hsmm hspmm hub igamma igammac iinfo imag
import_ir_module import_ir_module_from_buffer index_copy index_put index_put_ index_reduce indices_copy init_num_threads
initial_seed int1 int16 int2 int3 int4 int5 int6 int7 int8 int_repr is_anomaly_check_nan_enabled is_anomaly_enabled
is_autocast_cache_enabled is_autocast_cpu_enabled is_autocast_enabled is_autocast_ipu_enabled is_autocast_xla_enabled
is_complex is_conj is_deterministic_algorithms_warn_only_enabled is_distributed is_inference is_inference_mode_enabled
is_neg is_nonzero is_same_size is_signed is_storage is_vulkan_available is_warn_always_enabled isneginf isposinf isreal
istft jagged jit kaiser_window layout lcm lcm_ ldexp ldexp_ legacy_contiguous_format library linear_cross_entropy lobpcg
lstm lstm_cell lu_solve lu_unpack masked memory_format merge_type_from_type_comment miopen_batch_norm miopen_convolution
miopen_convolution_add_relu miopen_convolution_relu miopen_convolution_transpose miopen_ctc_loss
miopen_depthwise_convolution miopen_rnn mkldnn_adaptive_avg_pool2d mkldnn_convolution mkldnn_linear_backward_weights
mkldnn_max_pool2d mkldnn_max_pool3d mkldnn_rnn_layer mode monitor mps mtia multiprocessing mvlgamma narrow_copy
native_batch_norm native_channel_shuffle native_dropout native_group_norm native_layer_norm native_norm neg_ nested
nextafter nonzero_static norm_except_dim nuclear_norm orgqr ormqr overrides package parse_ir parse_schema
parse_type_comment pca_lowrank per_channel_affine per_channel_affine_float_qparams per_channel_symmetric
per_tensor_affine per_tensor_symmetric permute_copy poisson polar prepare_multiprocessing_environment preserve_format
profiler profiler_allow_cudagraph_cupti_lazy_reinit_cuda12 promote_types put q_per_channel_axis q_per_channel_scales
q_per_channel_zero_points q_scale q_zero_point qint32 qint8 qscheme quantization quantize_per_channel
quantize_per_tensor quantize_per_tensor_dynamic quantized_batch_norm quantized_gru quantized_gru_cell quantized_lstm
quantized_lstm_cell quantized_max_pool1d quantized_max_pool2d quantized_max_pool3d quantized_rnn_relu_cell
quantized_rnn_tanh_cell quasirandom quint2x4 quint4x2 quint8 randint_like range real renorm resize_as_ resize_as_sparse_
resolve_conj resolve_neg return_types rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell row_indices_copy rrelu_ saddmm
scalar_tensor scaled_grouped_mm scaled_mm seed segment_reduce select_copy select_scatter serialization
set_anomaly_enabled set_autocast_cache_enabled set_autocast_cpu_dtype set_autocast_cpu_enabled set_autocast_dtype
set_autocast_enabled set_autocast_gpu_dtype set_autocast_ipu_dtype set_autocast_ipu_enabled set_autocast_xla_dtype
set_autocast_xla_enabled set_default_device set_default_tensor_type set_deterministic_debug_mode
set_float32_matmul_precision set_flush_denormal set_num_interop_threads set_num_threads set_rng_state set_warn_always
sgn signal signbit slice_copy slice_inverse slice_scatter smm sparse sparse_bsc sparse_bsc_tensor sparse_bsr
sparse_bsr_tensor sparse_compressed_tensor sparse_coo sparse_coo_tensor sparse_csc sparse_csc_tensor sparse_csr
sparse_csr_tensor split_copy split_with_sizes split_with_sizes_copy spmm squeeze_copy sspaddmm stft storage strided
svd_lowrank sym_constrain_range sym_constrain_range_for_size sym_float sym_fresh_size sym_int sym_ite sym_max sym_min
sym_not sym_sqrt sym_sum symeig t_copy thread_safe_generator to_dlpack torch torch_version transpose_copy typename types
uint1 uint16 uint2 uint3 uint32 uint4 uint5 uint6 uint64 uint7 unbind_copy unfold_copy unify_type_list
unique_consecutive unravel_index unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze_copy
use_deterministic_algorithms values_copy version view_as_complex view_as_complex_copy view_as_real view_as_real_copy
view_copy wait while_loop windows xpu zero_
""",
        "jax.numpy": """
angle append apply_along_axis apply_over_axes around array_equiv array_repr array_str bartlett bitwise_count
bitwise_invert bitwise_left_shift bitwise_not bitwise_right_shift blackman broadcast_shapes can_cast choose compress
conj conjugate convolve correlate cumulative_prod cumulative_sum delete diag_indices diag_indices_from divmod ediff1d
einsum_path extract fabs fill_diagonal float_power frexp frombuffer fromfile fromfunction fromiter frompyfunc fromstring
gcd get_printoptions hamming hanning heaviside histogram_bin_edges imag indices insert intersect1d invert iscomplex
iscomplexobj isdtype isneginf isposinf isreal isrealobj isscalar issubdtype iterable ix_ kaiser lcm ldexp left_shift
lexsort mask_indices matrix_transpose matvec modf nanargmax nanargmin nancumprod nancumsum nanmax nanmin nanpercentile
nanprod nanstd nanvar nextafter packbits permute_dims piecewise place poly polyadd polyder polydiv polyfit polyint
polymul polysub polyval printoptions promote_types put ravel_multi_index real right_shift rollaxis roots savez setdiff1d
setxor1d signbit sort_complex spacing tril_indices_from trim_zeros triu_indices_from union1d unique_all unique_counts
unique_inverse unique_values unpackbits unravel_index unwrap vecmat vectorize
""",
    },
    "tg.linalg": {
        "PyTorch": """
cholesky_ex eig eigvals householder_product inv_ex ldl_factor ldl_factor_ex ldl_solve lu_factor lu_factor_ex lu_solve
solve_ex
""",
        "jax.numpy": """
eig eigvals matrix_transpose
""",
    },
    "tg.nn": {
        "PyTorch": """
assert_int_or_pair boolean_dispatch fractional_max_pool2d fractional_max_pool2d_with_indices fractional_max_pool3d
fractional_max_pool3d_with_indices grouped_mm handle_torch_function has_torch_function has_torch_function_unary
has_torch_function_variadic linear_cross_entropy native_channel_shuffle rrelu_ scaled_grouped_mm scaled_mm
""",
        "Keras": """
ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
AdaptiveMaxPooling2D AdaptiveMaxPooling3D AdditiveAttention Attention AugMix AutoContrast Average CategoryEncoding
CenterCrop ContrastLimitedAdaptiveHistogramEqualization ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D
Convolution1DTranspose Convolution2D Convolution2DTranspose Convolution3D Convolution3DTranspose CutMix Discretization
EinsumDense Equalization FlaxLayer GaussianDropout GaussianNoise GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D
GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GroupQueryAttention HashedCrossing Hashing InputSpec IntegerLookup
JaxLayer Masking MaxNumBoundingBoxes MelSpectrogram MixUp Normalization Pipeline RandAugment RandomBrightness
RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip
RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom RepeatVector Resizing ReversibleEmbedding
STFTSpectrogram SeparableConv1D SeparableConvolution1D SeparableConvolution2D Solarization StackedRNNCells StringLookup
TFSMLayer TextVectorization TimeDistributed TorchModuleWrapper UnitNormalization Wrapper deserialize serialize
""",
    },
    "tg.data": {
        "PyTorch": """
BatchSampler ChainDataset DFIterDataPipe DataChunk DistributedSampler IterDataPipe MapDataPipe StackDataset _DatasetKind
argument_validation default_convert functional_datapipe get_worker_info guaranteed_datapipes_determinism
non_deterministic runtime_validation runtime_validation_disabled
""",
    },
    "tg.distributions": {
        "PyTorch": """
AbsTransform AffineTransform Beta Binomial CatTransform Cauchy Chi2 ComposeTransform ContinuousBernoulli
CorrCholeskyTransform CumulativeDistributionTransform Dirichlet ExpTransform ExponentialFamily FisherSnedecor Gamma
GeneralizedPareto Geometric Gumbel HalfCauchy HalfNormal Independent IndependentTransform InverseGamma Kumaraswamy
LKJCholesky LogNormal LogisticNormal LowRankMultivariateNormal LowerCholeskyTransform MixtureSameFamily Multinomial
NegativeBinomial OneHotCategorical OneHotCategoricalStraightThrough Pareto Poisson PositiveDefiniteTransform
PowerTransform RelaxedBernoulli RelaxedOneHotCategorical ReshapeTransform SigmoidTransform SoftmaxTransform
SoftplusTransform StackTransform StickBreakingTransform StudentT TanhTransform Transform TransformedDistribution
VonMises Weibull Wishart biject_to identity_transform register_kl transform_to
""",
    },
}
