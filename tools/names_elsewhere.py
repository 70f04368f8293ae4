"""Write the names of PyTorch, jax.numpy and Keras that are missing here, with answers, for errors.

``python -m tools.names_elsewhere`` writes `tinygrad_edu/errors/names_elsewhere.py`, and the names of a Tensor alone,
which its class needs at import, to `tinygrad_edu/errors/tensor_names.py`. It needs PyTorch, JAX and Keras; ``--check``
compares the files with them. A name gets an answer if this package has it elsewhere, or if `BY_HAND` has one. All
others are not offered, and those of NumPy alone are NumPy's.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from inspect import signature
from pathlib import Path
from textwrap import wrap
from types import ModuleType
from typing import Any

import tinygrad_edu as tg
from tinygrad_edu.errors.name_tables import NAMES

FILE = Path(tg.__file__).parent / "names_elsewhere.py"
TENSOR_FILE = FILE.with_name("tensor_names.py")
PLACES: dict[str, Any] = {
    "Tensor": tg.Tensor, "tg": tg, "tg.linalg": tg.linalg, "tg.nn": tg.nn, "tg.data": tg.data,
    "tg.distributions": tg.distributions,
}  # fmt: skip
_DOCSTRING = '"""Names of {} that are missing here. ``python -m tools.names_elsewhere`` writes it."""\n'
_DROPOUT = {f"dropout{n}d": f"`nn.Dropout{n}D(p)(x)`" for n in (1, 2, 3)}
_POOLS = {f"lp_pool{n}d": f"`nn.LPPool{n}D(p, kernel_size)(x)`" for n in (1, 2, 3)}
_UNPOOLS = {f"max_unpool{n}d": f"`nn.MaxUnpool{n}D(kernel_size)(x, indices)`" for n in (1, 2, 3)}
_INDICES = {
    f"{kind}max_pool{n}d_with_indices": f"`tg.{kind}max_pool{n}d(x, size, return_indices=True)`"
    for n in (1, 2, 3)
    for kind in ("", "adaptive_")
}
_FUNCTIONS = {
    "alpha_dropout": "`nn.AlphaDropout(p)(x)`", "feature_alpha_dropout": "`nn.FeatureAlphaDropout(p)(x)`",
    "rrelu": "`nn.RReLU()(x)`", "multinomial": "`tg.multinomial(t, n, rng=rng)`",
    "dropout_": "`t.assign(tg.dropout(t, rng=rng))`",
    "conv_tbc": "`tg.conv1d`, with axes (batch, channels, time)",
    **dict.fromkeys(("upsample", "upsample_nearest"), "`tg.interpolate(x, scale_factor=2)`"),
    "upsample_bilinear": "`tg.interpolate(x, scale_factor=2, mode='bilinear', align_corners=True)`",
    "multi_head_attention_forward": "`nn.MultiheadAttention`", "embedding_bag": "`nn.EmbeddingBag`",
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
BY_HAND = {**_FUNCTIONS, **_DROPOUT, **_POOLS, **_UNPOOLS, **_INDICES}


def _public(module: Any, functions_only: bool = True) -> list[str]:
    names = getattr(module, "__all__", None) or dir(module)
    return [n for n in names if not n.startswith("_") and (not functions_only or callable(getattr(module, n, None)))]


def missing() -> dict[str, dict[str, list[str]]]:
    """Return the names that each place here lacks, by library."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import jax.numpy as jnp
    import keras
    import numpy as np
    import torch

    torch_names = [n for n in dir(torch) if n[0] != "_" and _is_of("torch", getattr(torch, n))]
    functional = [n for n in dir(torch.nn.functional) if n[0].islower() and callable(getattr(torch.nn.functional, n))]
    jax_functions = [n for n in _public(jnp) if not isinstance(getattr(jnp, n), type | ModuleType)]
    numpy_names = [n for n in dir(np) if n[0] != "_" and n not in jax_functions and _is_of("numpy", getattr(np, n))]
    wanted = {
        "Tensor": {"PyTorch": _public(torch.Tensor, functions_only=False)},
        "tg": {"NumPy": numpy_names, "PyTorch": [*torch_names, *functional], "jax.numpy": jax_functions},
        "tg.linalg": {"PyTorch": _public(torch.linalg), "jax.numpy": _public(jnp.linalg)},
        "tg.nn": {"PyTorch": [*torch.nn.modules.__all__, *functional], "Keras": _public(keras.layers)},
        "tg.data": {"PyTorch": torch.utils.data.__all__},
        "tg.distributions": {"PyTorch": torch.distributions.__all__},
    }
    return {
        place: {library: sorted({n for n in names if _is_missing(place, n)}) for library, names in libraries.items()}
        for place, libraries in wanted.items()
    }


def _is_of(library: str, value: Any) -> bool:
    """Return whether a value belongs to a library, and not to a module of Python that the library imports."""
    return not isinstance(value, ModuleType) or value.__name__.startswith(library)


def _is_missing(place: str, name: str) -> bool:
    return name not in NAMES.get(place, {}) and not hasattr(PLACES[place], name)


def answer(place: str, name: str) -> str | None:
    """Return what to write for a missing name, or None."""
    if name in BY_HAND:
        return BY_HAND[name]
    if place != "Tensor" and name in vars(tg.Tensor) and place != "tg.nn":
        return f"`t.{name}`"
    base = name.removesuffix("_")
    for prefix, other in {"tg": tg, "nn": tg.nn, "tg.linalg": tg.linalg}.items():
        if hasattr(other, base) and other is not PLACES[place] and callable(getattr(other, base)):
            call = f"{prefix}.{base}({_arguments(getattr(other, base))})" if base[0].islower() else f"{prefix}.{base}"
            return f"`t.assign({call})`" if base != name else f"`{call}`"
    return f"`t.assign(tg.{base}(t))`" if base != name and hasattr(tg, base) else None


def _arguments(function: Any) -> str:
    """Return the required arguments of a call: ``t``, ``other`` if the function needs two, and keywords."""
    required = [p for p in signature(function).parameters.values() if p.default is p.empty]
    keywords = [f"{p.name}={p.name}" for p in required if p.kind is p.KEYWORD_ONLY]
    return ", ".join(["t", "other"][: len(required) - len(keywords)] + keywords)


def texts() -> dict[Path, str]:
    """Return the content of each file."""
    answers, others, names = dict[str, dict[str, str]](), dict[str, dict[str, list[str]]](), missing()
    for place, libraries in names.items():
        found = {name: answer(place, name) for names in libraries.values() for name in names}
        answers[place] = {name: text for name, text in sorted(found.items()) if text is not None}
        others[place] = {library: [n for n in names if found[n] is None] for library, names in libraries.items()}
    of_tensors = sorted({name for names in names["Tensor"].values() for name in names})
    return {
        FILE: "\n".join(
            [
                _DOCSTRING.format("other libraries"),
                "# fmt: off",
                *_dicts("ANSWERS", answers),
                "",
                *_lists("NOT_OFFERED", others),
                "",
            ]
        ),
        TENSOR_FILE: "\n".join(
            [
                _DOCSTRING.format("a Tensor of PyTorch"),
                'TENSOR_NAMES = """',
                *wrap(" ".join(of_tensors), 120),
                '"""',
                "",
            ]
        ),
    }


def _dicts(name: str, tables: dict[str, dict[str, str]]) -> Iterator[str]:
    yield f"{name} = {{"
    for place, table in tables.items():
        yield f'    "{place}": {{'
        yield from (f"        {json.dumps(key)}: {json.dumps(value)}," for key, value in table.items())
        yield "    },"
    yield "}"


def _lists(name: str, tables: dict[str, dict[str, list[str]]]) -> Iterator[str]:
    yield f"{name} = {{"
    for place, libraries in tables.items():
        yield f'    "{place}": {{'
        for library, names in libraries.items():
            yield f'        "{library}": """'
            yield from wrap(" ".join(names), 120, break_on_hyphens=False)
            yield '""",'
        yield "    },"
    yield "}"


def main(arguments: Iterable[str]) -> int:
    """Write the file, or compare it with ``--check``."""
    if "--check" in arguments:
        return int(any(path.read_text() != text for path, text in texts().items()))
    for path, text in texts().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
