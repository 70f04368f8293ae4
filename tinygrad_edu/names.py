"""When the name is another: what PyTorch, NumPy and Keras call something, and what it is here. The table is `NAMES`.

A name that is missing answers with it, and so does a keyword. ``docs/from_pytorch.md`` is this table as a page.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from inspect import Parameter, signature
from types import FunctionType
from typing import Any, NoReturn

_CPU = "leave it out: there is one device, the CPU"
_IN_PLACE = "`t.assign(values)` under `tg.no_grad()`, or `t += other`"
_ARITHMETIC = {
    "sub": "subtract", "mul": "multiply", "div": "divide", "true_divide": "divide", "pow": "power", "neg": "negative",
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "atan2": "arctan2", "mm": "matmul", "mv": "matmul", "absolute": "abs",
}  # fmt: skip
_OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "true_divide": "/", "floor_divide": "//", "remainder": "%",
    "pow": "**", "mm": "@", "mv": "@", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip
_DTYPES = {
    "half": "float16", "float": "float32", "double": "float64", "byte": "uint8", "short": "int16", "int": "int32",
    "long": "int64", "bool": "bool_",
}  # fmt: skip

# By place, what is written there and what to write instead: code, or a sentence.
NAMES: dict[str, dict[str, str]] = {
    "Tensor": {
        # shapes
        "view": "`t.reshape(2, 3)`",
        "view_as": "`t.reshape(other.shape)`",
        "reshape_as": "`t.reshape(other.shape)`",
        "permute": "`t.transpose(2, 0, 1)`",
        "t": "`t.T`",
        "movedim": "`tg.moveaxis(t, source, destination)`",
        "swapdims": "`t.swapaxes(0, 1)`",
        "unsqueeze": "`t.expand_dims(axis)`",
        "expand": "`tg.broadcast_to(t, shape)`",
        "expand_as": "`tg.broadcast_to(t, other.shape)`",
        "contiguous": "leave it out: ops take every layout",
        "is_contiguous": "leave it out: ops take every layout",
        "dim": "`t.ndim`",
        "numel": "`t.size`",
        "nelement": "`t.size`",
        "element_size": "`t.itemsize`",
        "stride": "`t.strides`, in bytes",
        # parts
        "chunk": "`tg.array_split(t, pieces)`",
        "narrow": "`t[start : start + length]`",
        "select": "`t[index]`, or `t[:, index]` along the second axis",
        "index_select": "`tg.take(t, index, axis)`",
        "masked_select": "`t[mask]`",
        "compress": "`t[mask]`",
        "gather": "`tg.take_along_axis(t, index, axis)`",
        "scatter": "`tg.put_along_axis(t, index, values, axis)`, which returns a new tensor",
        "scatter_": "`tg.put_along_axis(t, index, values, axis)`, which returns a new tensor",
        "scatter_add": "`t + tg.scatter_add(values, index, t.shape)`",
        "scatter_add_": "`t + tg.scatter_add(values, index, t.shape)`",
        "index_add": "`t + tg.scatter_add(values, index, t.shape)`",
        "index_add_": "`t + tg.scatter_add(values, index, t.shape)`",
        "at": "`tg.where(mask, values, t)`, or assign to elements under `tg.no_grad()`",
        "flat": "`t.reshape(-1)`",
        "values": "`t.max(axis)` and its like return the values alone",
        "indices": "`t.argmax(axis)`: `t.max(axis)` and its like return the values alone",
        # numbers
        "clamp": "`t.clip(low, high)`",
        "clamp_min": "`tg.maximum(t, low)`",
        "clamp_max": "`tg.minimum(t, high)`",
        "neg": "`-t`",
        "negative": "`-t`",
        **{name: f"`t {sign} other`" for name, sign in _OPERATORS.items()},
        **{name: f"`tg.{_ARITHMETIC[name]}(t)`" for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh")},
        "atan2": "`tg.arctan2(t, other)`",
        # dtypes and devices
        **{name: f"`t.astype(np.{dtype})`" for name, dtype in _DTYPES.items()},
        "to": f"`t.astype(dtype)` for another dtype; for a device, {_CPU}",
        "type": "`t.astype(dtype)`",
        "type_as": "`t.astype(other.dtype)`",
        "bfloat16": "`t.astype(np.float16)`: NumPy has no bfloat16",
        "cpu": _CPU,
        "cuda": _CPU,
        "device": _CPU,
        "is_cuda": _CPU,
        "new_zeros": "`tg.zeros(shape, t.dtype)`",
        "new_ones": "`tg.ones(shape, t.dtype)`",
        "new_empty": "`tg.empty(shape, t.dtype)`",
        "new_full": "`tg.full(shape, value, t.dtype)`",
        "new_tensor": "`tg.Tensor(values, dtype=t.dtype)`",
        "tobytes": "`t.numpy().tobytes()`",
        # gradients and memory
        "clone": "`t.copy()`",
        "detach_": "`t.detach()`",
        "requires_grad_": "`t.requires_grad = True`",
        "retain_grad": "`tg.grad` or `tg.vjp`: backward() leaves gradients on leaves alone",
        "register_hook": "`tg.grad` or `tg.vjp`: there are no hooks",
        "grad_fn": "`print(t)` shows the op that made it",
        "fill": "`t.assign(np.full(t.shape, value))`",
        "fill_": "`t.assign(np.full(t.shape, value))`",
        "zero_": "`t.assign(np.zeros(t.shape))`",
        "copy_": "`t.assign(values)`",
        **dict.fromkeys(("add_", "sub_", "mul_", "div_", "clamp_", "normal_", "uniform_"), _IN_PLACE),
    },
    "tg": {
        # making
        "tensor": "`tg.Tensor(values)`",
        "array": "`tg.Tensor(values)`",
        "as_tensor": "`tg.Tensor(values)`, which copies, or `tg.from_numpy(array)`, which borrows",
        "asarray": "`tg.Tensor(values)`, which copies, or `tg.from_numpy(array)`, which borrows",
        "Variable": "`tg.Tensor(values, requires_grad=True)`",
        "identity": "`tg.eye(n)`",
        "rand": "`tg.uniform(size=shape, rng=rng)`",
        "rand_like": "`tg.uniform(size=t.shape, rng=rng)`",
        "randn": "`tg.normal(size=shape, rng=rng)`",
        "randn_like": "`tg.normal(size=t.shape, rng=rng)`",
        "randint": "`tg.integers(low, high, shape, rng=rng)`",
        "randperm": "`tg.permutation(n, rng=rng)`",
        "shuffle": "`tg.permutation(t, rng=rng)`",
        "bernoulli": "`tg.uniform(size=shape, rng=rng) < p`",
        "manual_seed": "`rng = np.random.default_rng(seed)`, once, and `rng=rng` wherever something is drawn",
        "random": "`rng = np.random.default_rng(seed)`, and `tg.normal`, `tg.uniform` or `tg.integers` with `rng=rng`",
        # functions
        "cat": "`tg.concatenate(tensors, axis)`",
        "concat": "`tg.concatenate(tensors, axis)`",
        "row_stack": "`tg.vstack(tensors)`",
        "chunk": "`tg.array_split(t, pieces)`",
        "permute": "`tg.transpose(t, axes)`",
        "movedim": "`tg.moveaxis(t, source, destination)`",
        "swapdims": "`tg.swapaxes(t, 0, 1)`",
        "unsqueeze": "`tg.expand_dims(t, axis)`",
        "gather": "`tg.take_along_axis(t, index, axis)`",
        "index_select": "`tg.take(t, index, axis)`",
        "masked_select": "`t[mask]`",
        "scatter": "`tg.put_along_axis(t, index, values, axis)`, which returns a new tensor",
        "clamp": "`tg.clip(t, low, high)`",
        "addmm": "`bias + x @ y`",
        **{name: f"`tg.{here}`" for name, here in _ARITHMETIC.items()},
        **{name: f"`x {_OPERATORS[name]} y`" for name in ("eq", "ne", "lt", "le", "gt", "ge")},
        "equal": "`np.array_equal(x, y)`",
        "allclose": "`np.allclose(x, y)`",
        "array_equal": "`np.array_equal(x, y)`",
        "numel": "`t.size`",
        "is_tensor": "`isinstance(x, tg.Tensor)`",
        "functional": "`tg.relu`, `tg.softmax` and so on; the losses are in `tg.nn`",
        # gradients and programs
        "autograd": "`t.backward()`, or `tg.grad`, `tg.vjp`, `tg.jvp`, `tg.jacobian` and `tg.hessian`",
        "func": "`tg.grad`, `tg.vjp`, `tg.jvp`, `tg.jacobian` and `tg.hessian`",
        "jacrev": "`tg.jacobian(f)`",
        "jacfwd": "`tg.jacobian(f)`",
        "inference_mode": "`tg.no_grad()`",
        "set_grad_enabled": "`tg.no_grad()` or `tg.enable_grad()`",
        "save": "`model.save(path)`, or `np.savez(path, **model.state_dict())`",
        "load": "`model.load(path)`, or `model.load_state_dict(np.load(path))`",
        "device": _CPU,
        "cuda": _CPU,
        "Size": "`t.shape` is a tuple",
        "utils": "`tg.data.batches(x, y, size)` gives batches",
        **{name: f"`np.{name}`" for name in ("float16", "float32", "float64", "uint8", "int32", "int64", "newaxis")},
        "set_default_dtype": "`dtype=` where a tensor is made",
        **{name: f"`import tinygrad_edu.{name}` first" for name in ("parallel", "testing", "training")},
    },
    "tg.nn": {
        "Conv2d": "`nn.Conv2D`",
        "MaxPool2d": "`nn.MaxPool2D`",
        "AvgPool2d": "`nn.AvgPool2D`",
        "MaxPooling2D": "`nn.MaxPool2D`",
        "AveragePooling2D": "`nn.AvgPool2D`",
        "Dense": "`nn.Linear`",
        "Parameter": "`tg.Tensor(values, requires_grad=True)`, in an attribute",
        "ParameterList": "a list, in an attribute",
        "functional": "`tg.relu`, `tg.softmax` and so on; the losses are in `tg.nn`: `nn.cross_entropy`",
        "DataParallel": "`tinygrad_edu.parallel`, which shares a batch among cores",
    },
    "tg.nn.init": {
        "kaiming_uniform_": "`layer.weight = nn.init.kaiming_uniform(shape, rng)`",
        "kaiming_normal_": "`layer.weight = nn.init.kaiming_normal(shape, rng)`",
        "xavier_uniform_": "`layer.weight = nn.init.xavier_uniform(shape, rng)`",
        "uniform_": "`layer.weight = nn.init.uniform(shape, bound, rng)`",
        "normal_": "`layer.weight = tg.normal(0.0, 0.01, shape, rng=rng, requires_grad=True)`",
        "zeros_": "`layer.bias.assign(np.zeros(shape))`",
        "ones_": "`layer.weight.assign(np.ones(shape))`",
        "constant_": "`layer.bias.assign(np.full(shape, value))`",
    },
    "tg.optim": {
        "lr_scheduler": "`optim.schedules`: functions of the number of the step, `optimizer.lr = schedule(step)`",
    },
}

# What a keyword of PyTorch's is here, for what has the second.
KEYWORDS = {
    "dim": "axis", "dims": "axis", "keepdim": "keepdims", "dim1": "axis1", "dim2": "axis2", "start_dim": "start_axis",
    "end_dim": "end_axis", "unbiased": "ddof", "correction": "ddof", "repeats": "reps", "indexes": "indices",
    "index": "indices", "size": "shape", "unflattened_size": "sizes", "generator": "rng",
}  # fmt: skip

# The keywords of PyTorch's in whose place there is nothing, and why.
LEFT_OUT = {
    "device": _CPU,
    "inplace": "leave it out: every result is a new tensor",
    **dict.fromkeys(("size_average", "reduce"), '`reduction="mean"`, `"sum"` or `"none"`'),
    **dict.fromkeys(("foreach", "fused", "capturable", "differentiable"), "leave it out: a step is always in place"),
    **dict.fromkeys(("num_workers", "pin_memory", "persistent_workers"), "leave it out: the arrays are in memory"),
}


def missing_name(place: str, name: str, known: Iterable[str] = ()) -> AttributeError:
    """Return the error for a name that a place does not have: with what to write instead, or the nearest name."""
    here = NAMES.get(place, {}).get(name)
    if here is not None:
        return AttributeError(f"{place} has no {name!r}: {_sentence(here)}.", name=name)
    close = [] if name.startswith("_") else difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return AttributeError(f"{place} has no {name!r}{hint}", name=name)


def missing_from(place: str, known: Sequence[str]) -> Callable[[str], NoReturn]:
    """Return the ``__getattr__`` of a module: what is asked for a name that the module does not have."""

    def answer(name: str) -> NoReturn:
        raise missing_name(place, name, known)

    return answer


def refuse_keywords(function: str, given: Iterable[str], known: Iterable[str]) -> NoReturn:
    """Raise for a keyword that a function does not have: with the one that is meant, or those that it has."""
    name, known = next(iter(given)), tuple(known)
    here = KEYWORDS.get(name)
    hint = f"{name} of PyTorch is {here} here" if here in known else f"it takes {', '.join(known) or 'none'}"
    if name in LEFT_OUT:
        hint = _sentence(LEFT_OUT[name])
    raise TypeError(f"{function}() got an unexpected keyword argument {name!r}: {hint}.")


def with_our_keywords(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of which a keyword of PyTorch's says what it is here; itself, if there is none to say."""
    known = tuple(signature(function).parameters)
    wrapped = hasattr(function, "__wrapped__")  # by what does this itself
    if wrapped or not isinstance(function, FunctionType) or not set(KEYWORDS.values()) & set(known):
        return function

    @wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        for name in settings:
            if name in KEYWORDS and name not in known:
                refuse_keywords(function.__name__, [name], known[1:])
        return function(*args, **settings)

    return call


class OurKeywords:
    """What modules and optimizers inherit, so that making one with PyTorch's arguments says what to write here."""

    __slots__ = ()

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        init = vars(cls).get("__init__")
        if isinstance(init, FunctionType):
            type.__setattr__(cls, "__init__", _answering(init))


def _answering(init: Callable[..., None]) -> Callable[..., None]:
    """Return an ``__init__`` that says what is wrong with arguments that it does not take."""
    parameters = list(signature(init).parameters.values())[1:]
    known = [each.name for each in parameters]
    places = [each.name for each in parameters if each.kind is Parameter.POSITIONAL_OR_KEYWORD]
    if {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD} & {each.kind for each in parameters}:
        return init  # which hands them on, to one that answers

    @wraps(init)
    def call(self: Any, *args: Any, **settings: Any) -> None:
        for name in settings:
            if name not in known:
                refuse_keywords(type(self).__name__, [name], known)
        if len(args) > len(places):
            _refuse_values(type(self).__name__, args, places, [name for name in known if name not in places])
        init(self, *args, **settings)

    return call


def _refuse_values(kind: str, args: Sequence[Any], places: Sequence[str], keywords: Sequence[str]) -> NoReturn:
    """Raise for more values than a class takes: PyTorch's inplace comes last, and often without its name."""
    takes = f"the values {', '.join(places)}" if places else "no values"
    hint = f"; by keyword also {', '.join(keywords)}" if keywords else ""
    if isinstance(args[-1], bool):
        hint += f"; where {args[-1]} is PyTorch's inplace, {LEFT_OUT['inplace']}"
    raise TypeError(f"{kind}() takes {takes}, and was given {len(args)}{hint}.")


def _sentence(here: str) -> str:
    """Return what to write instead as it stands in an error: there, nothing is marked as code."""
    return ("write " if here.startswith("`") else "") + here.replace("`", "")


class _Foreign:
    """A name on a class that is missing: asking for it raises AttributeError, as for any other that is not there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise missing_name("Tensor", self.name)

    def __set__(self, instance: Any, value: Any) -> NoReturn:
        raise missing_name("Tensor", self.name)


class ForeignNames:
    """What `Tensor` inherits to answer for other libraries' names. A ``__getattr__`` would cost every op a sixth."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not isinstance(vars(ForeignNames).get(name), _Foreign))


for _name in NAMES["Tensor"]:
    setattr(ForeignNames, _name, _Foreign(_name))
