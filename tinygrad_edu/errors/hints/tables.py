"""Names of PyTorch, NumPy and Keras with their replacements here: tables for error messages and the docs.

``python -m tools.names_page`` writes them to ``docs/from_pytorch.md``.
"""

_GENERATE = "`tg.training.generate`, a function of the model and token ids"
_CPU = "leave it out: there is one device, the CPU"
_THREADS = "leave it out: workers are threads, which share the memory of the program"
_IN_PLACE = "`t.assign(values)` under `tg.no_grad()`, or `t += other`"
_SCATTER = "`tg.put_along_axis(t, index, values, axis)`, which returns a new tensor"
_SCATTER_ADD = "`t + tg.scatter_add(values, index, t.shape)`"
_REPEAT = "`tg.repeat(t, counts, axis)`"
_ARITHMETIC = {
    "sub": "subtract", "mul": "multiply", "div": "divide", "true_divide": "divide", "pow": "power", "neg": "negative",
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "atan2": "arctan2", "mm": "matmul", "mv": "matmul", "absolute": "abs",
}  # fmt: skip
_LINALG = {
    "matrix_exp": "expm", "cholesky_solve": "cholesky_solve", "triangular_solve": "solve_triangular", "lu": "lu",
    "lstsq": "lstsq",
}  # fmt: skip
_OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "true_divide": "/", "floor_divide": "//", "remainder": "%",
    "pow": "**", "mm": "@", "mv": "@", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip
_DTYPES = {
    "half": "float16", "float": "float32", "double": "float64", "byte": "uint8", "short": "int16", "int": "int32",
    "long": "int64", "bool": "bool_",
}  # fmt: skip

# Layers whose names end in the number of spatial axes.
_IN_SPACE = [
    *(f"{name}{n}" for n in (1, 2, 3) for name in (
        "Conv", "ConvTranspose", "MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool", "LPPool", "MaxUnpool",
        "ReflectionPad", "ReplicationPad", "ConstantPad", "CircularPad", "ZeroPad", "BatchNorm", "InstanceNorm",
        "Dropout",
    )),
    "UpsamplingBilinear2", "UpsamplingNearest2", "Softmax2",
]  # fmt: skip
# Layers of Keras, and the layer here; # is the number of axes.
_KERAS_IN_SPACE = {
    "MaxPooling#D": "`nn.MaxPool#D`", "AveragePooling#D": "`nn.AvgPool#D`",
    "GlobalMaxPooling#D": "`nn.AdaptiveMaxPool#D(1)`, and `nn.Flatten()`",
    "GlobalAveragePooling#D": "`nn.AdaptiveAvgPool#D(1)`, and `nn.Flatten()`",
    "Conv#DTranspose": "`nn.ConvTranspose#D`", "UpSampling#D": "`nn.Upsample(scale_factor=2)`",
    "ZeroPadding#D": "`nn.ZeroPad#D`", "Cropping#D": "`nn.ZeroPad#D` with negative numbers",
}  # fmt: skip
_LAZY = ["LazyLinear", *(
    f"Lazy{name}{n}d" for name in ("Conv", "ConvTranspose", "BatchNorm", "InstanceNorm") for n in (1, 2, 3)
)]  # fmt: skip
_OTHER_OPTIMIZERS = ("Adadelta", "Adafactor", "ASGD", "Rprop", "SparseAdam")

# Names of other libraries, for each object, with the replacement here: code or a sentence.
NAMES: dict[str, dict[str, str]] = {
    "Tensor": {
        # shapes
        "view": "`t.reshape(2, 3)`", **dict.fromkeys(("view_as", "reshape_as"), "`t.reshape(other.shape)`"),
        "permute": "`t.transpose(2, 0, 1)`", "t": "`t.T`", "movedim": "`tg.moveaxis(t, source, destination)`",
        "swapdims": "`t.swapaxes(0, 1)`", "unsqueeze": "`t.expand_dims(axis)`", "expand": "`tg.broadcast_to(t, shape)`",
        "expand_as": "`tg.broadcast_to(t, other.shape)`",
        **dict.fromkeys(("contiguous", "is_contiguous"), "leave it out: ops accept every layout"), "dim": "`t.ndim`",
        "numel": "`t.size`", "nelement": "`t.size`", "element_size": "`t.itemsize`", "stride": "`t.strides`, in bytes",
        # indexing
        "chunk": "`tg.array_split(t, pieces)`, whose lengths differ by at most 1",
        "narrow": "`t[start : start + length]`",
        "select": "`t[index]`, or `t[:, index]` along the second axis", "index_select": "`tg.take(t, index, axis)`",
        "masked_select": "`t[mask]`", "compress": "`t[mask]`", "gather": "`tg.take_along_axis(t, index, axis)`",
        **dict.fromkeys(("scatter", "scatter_"), _SCATTER),
        **dict.fromkeys(("scatter_add", "scatter_add_"), _SCATTER_ADD), "repeat_interleave": _REPEAT,
        **{name: f"`tg.{name.rstrip('_')}`" for name in (
            "index_add", "index_add_", "scatter_reduce", "scatter_reduce_", "diag_embed", "bincount", "cov", "corrcoef",
            "fmax", "fmin", "cross", "lgamma", "digamma", "erfc", "erfinv", "nanmedian", "nanquantile",
        )},
        "at": "`tg.where(mask, values, t)`, or assign to elements under `tg.no_grad()`", "flat": "`t.reshape(-1)`",
        "values": "`t.max(axis=axis)` and similar methods return the values only",
        "indices": "`t.argmax(axis)`; `t.max(axis=axis)` and similar methods return the values only",
        # arithmetic
        "clamp": "`t.clip(low, high)`", "clamp_min": "`tg.maximum(t, low)`", "clamp_max": "`tg.minimum(t, high)`",
        "neg": "`-t`", "negative": "`-t`",
        **{name: f"`t {sign} other`" for name, sign in _OPERATORS.items()},
        **{name: f"`tg.{_ARITHMETIC[name]}(t)`" for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh")},
        "atan2": "`tg.arctan2(t, other)`",
        # dtypes and devices
        **{name: f"`t.astype(np.{dtype})`" for name, dtype in _DTYPES.items()},
        "to": f"`t.astype(dtype)` for another dtype; for a device, {_CPU}", "type": "`t.astype(dtype)`",
        "type_as": "`t.astype(other.dtype)`", "bfloat16": "`t.astype(np.float16)`: NumPy has no bfloat16", "cpu": _CPU,
        "cuda": _CPU, "device": _CPU, "is_cuda": _CPU, "new_zeros": "`tg.zeros(shape, t.dtype)`",
        "new_ones": "`tg.ones(shape, t.dtype)`", "new_empty": "`tg.empty(shape, t.dtype)`",
        "new_full": "`tg.full(shape, value, t.dtype)`", "new_tensor": "`tg.Tensor(values, dtype=t.dtype)`",
        "tobytes": "`t.numpy().tobytes()`",
        # gradients and memory
        "clone": "`t.copy()`", "detach_": "`t.detach()`", "requires_grad_": "`t.requires_grad = True`",
        "grad_fn": "`print(t)` shows the op that made it",
        **dict.fromkeys(("fill", "fill_"), "`t.assign(np.full(t.shape, value))`"),
        "zero_": "`t.assign(np.zeros(t.shape))`", "copy_": "`t.assign(values)`",
        **dict.fromkeys(("add_", "sub_", "mul_", "div_", "clamp_", "normal_", "uniform_"), _IN_PLACE),
    },
    "tg": {
        "rearrange": "`from tinygrad_edu.interop.einops import rearrange`",
        # creation
        **dict.fromkeys(("tensor", "array"), "`tg.Tensor(values)`"),
        "as_tensor": "`tg.Tensor(values)`, which copies, or `tg.from_numpy(array)`, which borrows",
        "asarray": "`tg.Tensor(values)`, which copies, or `tg.from_numpy(array)`, which borrows",
        "Variable": "`tg.Tensor(values, requires_grad=True)`", "identity": "`tg.eye(n)`",
        "rand": "`tg.uniform(size=shape, rng=rng)`", "rand_like": "`tg.uniform(size=t.shape, rng=rng)`",
        "randn": "`tg.normal(size=shape, rng=rng)`", "randn_like": "`tg.normal(size=t.shape, rng=rng)`",
        "randint": "`tg.integers(low, high, shape, rng=rng)`", "randperm": "`tg.permutation(n, rng=rng)`",
        "shuffle": "`tg.permutation(t, rng=rng)`",
        "manual_seed": "`rng = np.random.default_rng(seed)`, once, and `rng=rng` in each random function",
        "random": "`rng = np.random.default_rng(seed)`, and `tg.normal`, `tg.uniform` or `tg.integers` with `rng=rng`",
        # functions
        **dict.fromkeys(("cat", "concat"), "`tg.concatenate(tensors, axis)`"), "row_stack": "`tg.vstack(tensors)`",
        "chunk": "`tg.array_split(t, pieces)`, whose lengths differ by at most 1", "permute": "`tg.transpose(t, axes)`",
        "movedim": "`tg.moveaxis(t, source, destination)`", "swapdims": "`tg.swapaxes(t, 0, 1)`",
        "unsqueeze": "`tg.expand_dims(t, axis)`", "gather": "`tg.take_along_axis(t, index, axis)`",
        "index_select": "`tg.take(t, index, axis)`", "masked_select": "`t[mask]`",
        "scatter": _SCATTER, "repeat_interleave": _REPEAT,
        "gammaln": "`tg.lgamma`", "psi": "`tg.digamma`", "special": "`tg.erf`, `tg.lgamma`, `tg.ndtr` and so on",
        "fft": "`np.fft.rfft(t.numpy())`; for a gradient, two real ops, as in docs/engine.md: Tensors are real",
        "trapz": "`tg.trapezoid(y, x)`", "histc": "`tg.histogram(t, 10, (low, high))[0]`",
        "bucketize": "`tg.searchsorted` with the boundaries first",
        **{name: f"`tg.linalg.{here}`" for name, here in _LINALG.items()},
        "clamp": "`tg.clip(t, low, high)`", "addmm": "`bias + x @ y`",
        **{name: f"`tg.{alias}`" for name, alias in _ARITHMETIC.items()},
        **{name: f"`x {_OPERATORS[name]} y`" for name in ("eq", "ne", "lt", "le", "gt", "ge")},
        "equal": "`np.array_equal(x, y)`", "allclose": "`np.allclose(x, y)`", "array_equal": "`np.array_equal(x, y)`",
        "numel": "`t.size`", "is_tensor": "`isinstance(x, tg.Tensor)`",
        "functional": "`tg.relu`, `tg.softmax` and so on; the losses are in `tg.nn`",
        # gradients, saving and devices
        "autograd": "`t.backward()`, `tg.grad`, `tg.vjp`, `tg.jvp`, `tg.jacobian`, `tg.hessian`; `tg.custom_vjp`",
        "func": "`tg.grad`, `tg.vjp`, `tg.jvp`, `tg.jacobian`, `tg.hessian` and `tg.vmap`",
        **dict.fromkeys(("jacrev", "jacfwd"), "`tg.jacobian(f)`"), "inference_mode": "`tg.no_grad()`",
        "set_grad_enabled": "`tg.no_grad()` or `tg.enable_grad()`",
        "save": "`model.save(path)`, or `np.savez(path, **model.state_dict())`",
        "load": "`model.load(path)`, `tg.nn.load_weights(path)`, or `model.load_state_dict(np.load(path))`",
        "device": _CPU, "cuda": _CPU,
        "Size": "`t.shape` is a tuple",
        "utils": "`tg.data.DataLoader(x, y, batch_size=size, rng=rng)` gives batches; `tg.checkpoint`",
        **{name: f"`np.{name}`" for name in ("float16", "float32", "float64", "uint8", "int32", "int64", "newaxis")},
        **{name: f"`np.{name}`" for name in ("pi", "e", "nan")}, "inf": "`np.inf` or `float('inf')`",
        **{name: f"`np.{dtype}`" for name, dtype in _DTYPES.items()},
        **{f"{name.capitalize()}Tensor": f"`tg.Tensor(values, dtype=np.{dtype})`" for name, dtype in _DTYPES.items()},
        "bfloat16": "`np.float16`: NumPy has no bfloat16", "Generator": "`np.random.default_rng(seed)`",
        "set_default_dtype": "`dtype=` where a tensor is made",
        **{name: f"`import tinygrad_edu.{name}` first" for name in ("parallel", "tape")},
        **{name: f"`import tinygrad_edu.interop.{name}` first" for name in ("onnx", "sklearn")},
        **{name: f"`import tinygrad_edu.{name}` first" for name in ("testing", "training")},
    },
    "Module": {
        "to": f"`model.astype(dtype)` for another dtype; for a device, {_CPU}", "type": "`model.astype(dtype)`",
        **{name: f"`model.astype(np.{dtype})`" for name, dtype in _DTYPES.items() if "float" in dtype},
        "bfloat16": "`model.astype(np.float16)`: NumPy has no bfloat16", "cpu": _CPU, "cuda": _CPU, "device": _CPU,
        "compile": "leave it out: there is no compiler", "generate": _GENERATE,
        "share_memory": "leave it out: threads share memory, see `tinygrad_edu.parallel`",
        **dict.fromkeys(("add_module", "register_module"), "`setattr(model, name, module)`"),
        "register_parameter": "`model.name = tg.Tensor(values, requires_grad=True)`",
        "get_parameter": "`dict(model.named_parameters())[name]`", "get_buffer": "`dict(model.named_buffers())[name]`",
        "get_submodule": "`dict(model.named_modules())[name]`",
        "register_backward_hook": "`model.register_full_backward_hook(hook)`",
    },
    "tg.nn": {
        **{f"{name}d": f"`nn.{name}D`" for name in _IN_SPACE},
        **{name.replace("#", n): hint.replace("#", n) for n in "123" for name, hint in _KERAS_IN_SPACE.items()},
        "Dense": "`nn.Linear`", "generate": _GENERATE,
        # parameters and containers
        "Parameter": "`tg.Tensor(values, requires_grad=True)`, in an attribute",
        "Buffer": "`tg.Tensor(values)`, in an attribute", "ParameterList": "a list, in an attribute",
        "ParameterDict": "a dict, in an attribute", "Container": "`nn.Module`",
        **dict.fromkeys(_LAZY, "pass the number of inputs; `nn.summary` of the previous layers shows it"),
        # layers and losses
        "CosineSimilarity": "`tg.cosine_similarity(x, y, axis)`", "PairwiseDistance": "`tg.pairwise_distance(x, y)`",
        **dict.fromkeys(
            ("LinearCrossEntropyLoss", "LinearCrossEntropyOptions", "AdaptiveLogSoftmaxWithLoss"),
            "`nn.Linear`, and `nn.CrossEntropyLoss` of its output",
        ),
        "CrossMapLRN2d": "`nn.LocalResponseNorm`", "SyncBatchNorm": "`nn.BatchNorm2D`: it always sees the whole batch",
        "RNNBase": "`nn.RNN`, `nn.LSTM` or `nn.GRU`", "RNNCellBase": "`nn.RNNCell`, `nn.LSTMCell` or `nn.GRUCell`",
        "NLLLoss2d": "`nn.NLLLoss`",
        **{f"FractionalMaxPool{n}d": f"`nn.AdaptiveMaxPool{n}D(output_size)`, whose windows are not random"
           for n in (2, 3)},
        # torch.nn.utils and other modules of torch.nn
        "functional": "`tg.relu`, `tg.softmax` and so on; the losses are in `tg.nn`: `nn.cross_entropy`",
        "utils": "`optim.clip_grad_norm(parameters, max_norm)`, `optim.clip_grad_value` and `nn.pack_padded_sequence`",
        "clip_grad_norm_": "`optim.clip_grad_norm(parameters, max_norm)`",
        "clip_grad_value_": "`optim.clip_grad_value(parameters, clip_value)`",
        "parameters_to_vector": "`tg.concatenate([p.reshape(-1) for p in model.parameters()])`",
        "vector_to_parameters": "`p.assign(part)` for each of `tg.split(vector, places)`",
        "weight_norm": "`nn.parametrize(layer, 'weight', nn.WeightNorm())`",
        "spectral_norm": "`nn.parametrize(layer, 'weight', nn.SpectralNorm())`",
        "register_parametrization": "`nn.parametrize(layer, 'weight', parametrization)`",
        **dict.fromkeys(
            ("remove_parametrizations", "remove_weight_norm", "remove_spectral_norm"),
            "`nn.remove_parametrization`, with the layer and the name",
        ),
        "stateless": "`nn.functional_call(model, dict(model.named_parameters()), *inputs)`",
        **dict.fromkeys(("DataParallel", "parallel"), "`tinygrad_edu.parallel`, which splits a batch across cores"),
    },
    "tg.nn.init": {
        **{
            f"{name}_": f"`layer.weight = nn.init.{name}(shape, rng)`"
            for name in ("kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal", "orthogonal")
        },
        "uniform_": "`layer.weight = nn.init.uniform(shape, bound, rng)`",
        "normal_": "`layer.weight = nn.init.gaussian(shape, std, rng)`",
        "normal": "`nn.init.gaussian(shape, std, rng)`",
        "trunc_normal_": "`layer.weight = nn.init.truncated_normal(shape, std, rng)`",
        "trunc_normal": "`nn.init.truncated_normal(shape, std, rng)`",
        "zeros_": "`layer.bias = nn.init.all_zeros(shape)`", "ones_": "`layer.weight = nn.init.all_ones(shape)`",
        "constant_": "`layer.bias = nn.init.filled(shape, value)`", "zeros": "`nn.init.all_zeros(shape)`",
        "ones": "`nn.init.all_ones(shape)`", "constant": "`nn.init.filled(shape, value)`",
        "eye_": "`layer.weight.assign(np.eye(n, m))`",
        "dirac_": "`layer.weight.assign(values)`, with values 1 in the middle of kernels [k, k], 0 elsewhere",
        "sparse_": "`layer.weight.assign(values)`, with values `nn.init.gaussian(shape, std, rng)` times a mask",
    },
    "tg.optim": {
        "lr_scheduler": "`optim.schedules`: functions of the step, for `optimizer.apply_schedule(schedule, step)`",
        "clip_grad_norm_": "`optim.clip_grad_norm(parameters, max_norm)`",
        "clip_grad_value_": "`optim.clip_grad_value(parameters, clip_value)`",
        **dict.fromkeys(("swa_utils", "AveragedModel"), "`optim.MovingAverage(parameters)`"),
        **dict.fromkeys(_OTHER_OPTIMIZERS, "`optim.Adam`, or a subclass of `optim.Optimizer`"),
    },
    "tg.optim.schedules": {
        "LambdaLR": "the function itself: `optimizer.lr = lr * function(step)`",
        "MultiplicativeLR": "`optimizer.lr *= factor`", "StepLR": "`schedules.step(lr, step_size, gamma)`",
        "MultiStepLR": "`schedules.multi_step(lr, milestones, gamma)`",
        "ExponentialLR": "`schedules.exponential(lr, gamma)`",
        "CosineAnnealingLR": "`schedules.cosine(lr, steps, eta_min)`, which stays at its final value",
        "CosineAnnealingWarmRestarts": "`lambda step: schedule(step % period)`, with `schedules.cosine(lr, period)`",
        "CyclicLR": "`lambda step: schedule(step % period)`, with a schedule that rises and falls",
        "OneCycleLR": "`schedules.one_cycle(max_lr, total_steps)`",
        "ReduceLROnPlateau": "`schedules.Plateau(lr)`, a function of the metric",
        "LinearLR": "`schedules.warm_up(schedule, steps, start_factor)`",
        "ConstantLR": "`lambda step: lr * (factor if step < total_iters else 1)`",
        "PolynomialLR": "`lambda step: lr * max(0, 1 - step / total_iters) ** power`",
        "SequentialLR": "`lambda step: first(step) if step < milestone else second(step - milestone)`",
        "ChainedScheduler": "`lambda step: first(step) * second(step) / lr`",
        "LRScheduler": "any function of the step number",
    },
    "tg.data": {
        "Dataset": "leave it out: a dataset is any object with a length and samples as items",
        "TensorDataset": "arrays: a dataset is `x, y`, and a sample is `x[k], y[k]`",
        "ConcatDataset": "`np.concatenate([x, more])`, or `data.FileRows(paths)` for files",
        "IterableDataset": "leave it out: a stream is any iterable without a length",
        "RandomSampler": "`data.DataLoader(x, y, batch_size=size, rng=rng)`, with a Generator",
        "SequentialSampler": "`data.DataLoader(x, y, batch_size=size)`, without a Generator",
        "SubsetRandomSampler": "leave it out: a `data.DataLoader` with an rng shuffles a `data.Subset`",
        "Sampler": "leave it out: a sampler is any object with a length that yields indices",
        "batches": "`data.DataLoader(x, y, batch_size=size, rng=rng)`", "one_hot": "`tg.one_hot(index, n)`",
    },
    "tg.distributions": {
        "Independent": "`dist.log_prob(x).sum(-1)`",
        "LogNormal": "`tg.exp(dist.rsample(rng=rng))` of a Normal, and log_prob `dist.log_prob(tg.log(x)) - tg.log(x)`",
        "TransformedDistribution": "a function of `dist.rsample(rng=rng)`, such as `tg.exp`",
        "HalfNormal": "`abs(Normal(loc, scale).rsample(rng=rng))`",
        "OneHotCategorical": "`tg.one_hot(Categorical(logits=logits).sample(rng=rng), n)`",
        "RelaxedOneHotCategorical": "`tg.gumbel_softmax(logits, rng=rng)`",
        "MixtureSameFamily": "`tg.logsumexp(log_weights + dist.log_prob(x[..., None]), axis=-1)`",
    },
    "Distribution": {
        "cdf": "`tg.ndtr((x - loc) / scale)`, for Normal", "icdf": "`loc + scale * tg.ndtri(q)`, for Normal",
        "perplexity": "`tg.exp(dist.entropy())`",
        "sample_n": "`dist.sample(n, rng=rng)`",
    },
}  # fmt: skip

# Keywords of PyTorch, with the keyword used here, or several, each in other functions.
KEYWORDS = {
    "dim": "axis", "dims": "axis axes", "keepdim": "keepdims", "dim1": "axis1", "dim2": "axis2", "axis0": "axis1",
    "start_dim": "start_axis", "end_dim": "end_axis", "in_dims": "in_axes", "out_dims": "out_axes",
    "unbiased": "ddof", "correction": "ddof", "repeats": "reps", "indexes": "indices", "index": "indices",
    "size": "shape", "steps": "num", "generator": "rng", "collate_fn": "collate", "num_workers": "workers",
    "min_value": "min_val", "max_value": "max_val", "interpolation": "method", "unit_diagonal": "unitriangular",
    "dynamic_axes": "batch_axes", "dynamic_shapes": "batch_axes",
}  # fmt: skip

# Keywords of PyTorch without a counterpart, with the reason or the replacement.
UNSUPPORTED = {
    "device": _CPU,
    "inplace": "leave it out: no layer writes into its input",
    "sparse": "leave it out: gradients are dense",
    **dict.fromkeys(("size_average", "reduce"), '`reduction="mean"`, `"sum"` or `"none"`'),
    **dict.fromkeys(("foreach", "fused", "capturable", "differentiable"), "leave it out: a step always runs in place"),
    **dict.fromkeys(("pin_memory", "persistent_workers", "prefetch_factor", "worker_init_fn"), _THREADS),
    "validate_args": "leave it out: parameters are always checked",
    "batch_sampler": "`sampler=` and `batch_size=`",
    "input_names": "leave it out: the inputs have the names of the parameters of `forward`",
    "output_names": "leave it out: the output is `output`, and of several each has its path",
    "opset_version": "leave it out: a file has opset 20",
    **dict.fromkeys(("export_params", "keep_initializers_as_inputs"), "leave it out: parameters are initializers"),
    **dict.fromkeys(("do_constant_folding", "operator_export_type", "dynamo"), "leave it out: there is one exporter"),
    **dict.fromkeys(
        ("split_size", "split_size_or_sections"),
        "`indices_or_sections=`, with the number of parts or with positions; PyTorch has lengths",
    ),
    "dim0": "`tg.swapaxes(t, axis1, axis2)`",
    "chunk_size": "leave it out: one call computes all samples",
    **dict.fromkeys(
        ("use_reentrant", "preserve_rng_state", "determinism_check", "context_fn", "early_stop"),
        "leave it out: `tg.checkpoint(f)(x)` calls f again in the backward pass, with the same random numbers",
    ),
}

# Keywords that one function has in other libraries, with the replacement.
KEYWORDS_OF = {
    ("solve_triangular", "lower"): "`upper=False` for a lower triangle, `upper=True` for an upper one",
    ("norm", "ord"): "`p=`, or `tg.linalg.norm(x, ord)`, the norm of NumPy",
}

# Functions that PyTorch calls with a second input, and what to write.
SECOND_INPUTS = {
    "checkpoint": "the function is the only argument; write `tg.checkpoint(f)(x)`",
    **{name: f"the second argument is an axis; write `tg.{name}imum(x, y)`" for name in ("max", "min")},
}

# Functions that return values alone, where PyTorch's return a pair with indices; and these indices.
VALUES_ALONE = {
    "max": "`tg.argmax(x, axis=axis)`", "min": "`tg.argmin(x, axis=axis)`", "sort": "`tg.argsort(x, axis=axis)`",
    **dict.fromkeys(("median", "nanmedian"), "in `tg.kthvalue(x, (n + 1) // 2, axis=axis)`, for n elements"),
    **dict.fromkeys(("cummax", "cummin"), "not offered"),
}  # fmt: skip

_DROPOUTS = {f"dropout{n}d": f"`nn.Dropout{n}D(p)(x)`" for n in (1, 2, 3)}
_POOLS = {f"lp_pool{n}d": f"`nn.LPPool{n}D(p, kernel_size)(x)`" for n in (1, 2, 3)}
_UNPOOLS = {f"max_unpool{n}d": f"`nn.MaxUnpool{n}D(kernel_size)(x, indices)`" for n in (1, 2, 3)}
_INDICES = {
    f"{kind}max_pool{n}d_with_indices": f"`tg.{kind}max_pool{n}d(x, size, return_indices=True)`"
    for n in (1, 2, 3)
    for kind in ("", "adaptive_")
}
_OTHERS = {
    "alpha_dropout": "`nn.AlphaDropout(p)(x)`", "feature_alpha_dropout": "`nn.FeatureAlphaDropout(p)(x)`",
    "rrelu": "`nn.RReLU()(x)`", "multinomial": "`tg.multinomial(t, n, rng=rng)`",
    "dropout_": "`t.assign(tg.dropout(t, rng=rng))`",
    "conv_tbc": "`tg.conv1d`, with axes (batch, channels, time)",
    **dict.fromkeys(("upsample", "upsample_nearest"), "`tg.interpolate(x, scale_factor=2)`"),
    "upsample_bilinear": "`tg.interpolate(x, scale_factor=2, mode='bilinear', align_corners=True)`",
    "multi_head_attention_forward": "`nn.MultiheadAttention`",
    "take_along_dim": "`tg.take_along_axis(t, index, axis)`", "inverse": "`tg.linalg.inv(t)`",
    "pinverse": "`tg.linalg.pinv(t)`", "ger": "`tg.outer(x, y)`",
    "chain_matmul": "`tg.linalg.multi_dot(matrices)`",
    "aminmax": "`tg.min(t)` and `tg.max(t)`", "fix": "`tg.trunc(t)`", "frac": "`t - tg.trunc(t)`", "rsub": "`y - x`",
    "addcmul": "`t + value * x * y`", "addcdiv": "`t + value * x / y`", "addmv": "`t + a @ x`",
    "baddbmm": "`t + x @ y`",
    "addr": "`t + tg.outer(x, y)`", "dist": "`tg.linalg.norm(x - y)`", "msort": "`tg.sort(t, 0)`",
    "logdet": "`tg.linalg.slogdet(t)[1]`", "std_mean": "`tg.std(t)` and `tg.mean(t)`",
    "var_mean": "`tg.var(t)` and `tg.mean(t)`", "tensor_split": "`tg.array_split(t, pieces)`",
    "select": "`t[index]`", "narrow": "`t[start : start + length]`", "clone": "`t.copy()`", "detach": "`t.detach()`",
    "t": "`t.T`", "adjoint": "`tg.swapaxes(t, -2, -1)`", "H": "`t.T`", "mH": "`tg.swapaxes(t, -2, -1)`",
    "unflatten": "`nn.Unflatten(axis, shape)(t)`", "argwhere": "`np.argwhere(t)`", "isin": "`np.isin(t, values)`",
    "is_floating_point": "`t.dtype.kind == 'f'`", "result_type": "`np.result_type(x, y)`",
    "matrix_exp": "`tg.linalg.expm(t)`",
    "resize": "`t.reshape(shape)`", "ndimension": "`t.ndim`",
    "unfold": "`nn.Unfold(kernel_size)(t)`, or `tg.im2col`",
    "index_fill": "`tg.where(mask, value, t)`", "masked_scatter": "`tg.where(mask, values, t)`",
    "vander": "`tg.vander(x)`", "cross": "`tg.cross(x, y)`", "diagonal": "`tg.diagonal(t)`",
    "vecdot": "`tg.vecdot(x, y)`",
    "greater": "`x > y`", "greater_equal": "`x >= y`", "less": "`x < y`", "less_equal": "`x <= y`",
    "not_equal": "`x != y`",
    **{name: f"`np.{name}(x, y)`" for name in ("bitwise_and", "bitwise_or", "bitwise_xor")},
    "degrees": "`tg.rad2deg(t)`", "radians": "`tg.deg2rad(t)`", "mod": "`x % y`", "rint": "`tg.round(t)`",
    "argpartition": "`tg.argsort(t)`, or `tg.topk`", "partition": "`tg.sort(t)`, or `tg.topk`",
    **dict.fromkeys(("histogramdd", "histogram2d"), "`np.histogramdd(values)`: counts have no gradient"),
    "compile": "leave it out: there is no compiler", "set_printoptions": "`np.set_printoptions`",
    "Activation": "`nn.ReLU`, `nn.Tanh` and other layers, or `nn.Lambda(function)`", "Add": "`x + y`, or `nn.Residual`",
    "Subtract": "`x - y`", "Multiply": "`x * y`", "Maximum": "`tg.maximum(x, y)`", "Minimum": "`tg.minimum(x, y)`",
    "Concatenate": "`tg.concatenate([x, y], axis)`", "Reshape": "`nn.Unflatten` or `x.reshape(shape)`",
    "Permute": "`x.transpose(axes)`", "BatchNormalization": "`nn.BatchNorm2D`", "LayerNormalization": "`nn.LayerNorm`",
    "GroupNormalization": "`nn.GroupNorm`", "RMSNormalization": "`nn.RMSNorm`", "Layer": "`nn.Module`",
    "Input": "leave it out",
    "InputLayer": "leave it out", "MultiHeadAttention": "`nn.MultiheadAttention`", "SimpleRNN": "`nn.RNN`",
    "SimpleRNNCell": "`nn.RNNCell`", "Bidirectional": "`nn.LSTM(..., bidirectional=True)`", "Dot": "`x @ y`",
    **{f"SpatialDropout{n}D": f"`nn.Dropout{n}D`" for n in (1, 2, 3)},
    "DepthwiseConv1D": "`nn.Conv1D(c, c, size, groups=c)`", "DepthwiseConv2D": "`nn.Conv2D(c, c, size, groups=c)`",
    "SeparableConv2D": "`nn.Conv2D(c, c, size, groups=c)`, and `nn.Conv2D(c, out, 1)`",
    "SpectralNormalization": "`nn.parametrize(layer, 'weight', nn.SpectralNorm())`",
    "AveragePooling1D": "`nn.AvgPool1D`", "AveragePooling3D": "`nn.AvgPool3D`", "MaxPooling1D": "`nn.MaxPool1D`",
    "MaxPooling3D": "`nn.MaxPool3D`", "UpSampling1D": "`nn.Upsample(scale_factor=2)`",
    "UpSampling3D": "`nn.Upsample(scale_factor=2)`", "ZeroPadding1D": "`nn.ZeroPad1D`",
    "ZeroPadding3D": "`nn.ZeroPad3D`",
    "Conv3DTranspose": "`nn.ConvTranspose3D`", "Rescaling": "`x * scale + offset`",
}  # fmt: skip
# What to write for names that are here elsewhere; `names` finds those that have the same name in another place.
ELSEWHERE = {**_OTHERS, **_DROPOUTS, **_POOLS, **_UNPOOLS, **_INDICES}
