"""check_torch: check PyTorch's gradients of a function or Module."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import sys
import traceback
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.arrays.dtypes import as_numbers, as_real, is_complex, is_floating
from tinygrad_edu.testing.arrays.layouts import LAYOUTS, copy_with_layout_of
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.interop.foreign_function import (
    ArrayFunction,
    ForeignFunction,
    ForeignPullback,
    agree_roughly,
    batch_axes,
    check_foreign,
    required,
)
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.op_call import argument_names, title_of, unbound
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import NotApplicable, Report


@reproducible
def check_torch(
    function: Any,
    *inputs: Any,
    order: int = 1,
    accuracy: float = 0.0,
    skip: Collection[str] = (),
    rng: Rng | None = None,
) -> Report:
    """Check PyTorch's gradients of a function or Module, including any autograd Functions in it.

    Use it instead of `check` for higher orders, an accuracy, or laws to skip.

    The inputs are the parameters of a Module that require a gradient, and the floating-point and complex tensors and
    arrays among the arguments. Everything else is constant. Parameters, buffers and inputs are float64 for finite
    differences, or keep their dtypes if the function rejects float64. The Module is checked in its current mode, and
    unchanged afterwards. PyTorch's random seed is the same in each call, so dropout can be checked.

    The laws, by name:

    - "slope": the gradients agree with finite differences; "slope, derivative 2": so do their gradients.
    - "no writes": neither forward nor backward changes inputs, cotangents, results or saved values in place.
    - "linearity": the gradients are linear in the cotangent.
    - "unused results": a result that is not used has no cotangent, so backward may receive None.
    - "layouts": transposed, strided and expanded inputs and cotangents give the same gradients as contiguous ones.
    - "subsets of inputs": a gradient does not depend on which other inputs require one.
    - "later calls": a later call changes no earlier graph or gradient.
    - "narrow dtypes": float32, float16 and bfloat16 give the float64 gradients up to rounding.
    - "jvp equals vjp": the forward derivative is the transpose of the gradient.
    - "batching": ``torch.func.vmap`` gives the results and gradients of each sample, with batches along any axis.

    A law that the function rejects or PyTorch cannot test, such as batching without a vmap rule, is "not checked" in
    the report, with the reason.

    Parameters
    ----------
    function : callable or torch.nn.Module
        Returns a tensor, or a pytree of tensors and dataclasses. To check parameters, pass the Module itself instead of
        a function that calls it.
    *inputs
        Pytrees of tensors, arrays and constants.
    order : int, default 1
        The highest order of derivatives. With 2, the backward of the backward is checked too.
    accuracy : float, default 0.0
        As in `check_gradient`: the relative error of the results, for solvers, quadrature and simulators.
    skip : collection of str, default ()
        The names of laws to leave out, such as "narrow dtypes"; the report lists the laws, and the time of each.
    rng : numpy.random.Generator, optional
        Draws the cotangents and the directions. Default: a generator with a fixed seed.

    Raises
    ------
    GradientMismatch, Inconclusive, NotDeterministic, LawBroken, DTypeError
        As in `check_gradient`; the message names the parameter.
    MissingExtraError
        PyTorch is not installed.

    Examples
    --------
    ::

        check_torch(torch.nn.Linear(3, 2), torch.randn(4, 3), order=2)
    """
    torch = required("torch", "check_torch", "run pip install torch")
    owner = unbound(function)
    module = owner if isinstance(owner, torch.nn.Module) else torch.nn.Module()
    names = argument_names(function, len(inputs))
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    tensors_in: list[Any] = []
    point = ArrayTree(inputs, names, partial(_as_input, tensors_in))
    framework = _Torch(_title(function), module, [*parameters.values()], tensors_in)
    arrays = (*(_as_numpy(p) for p in parameters.values()), *(leaf.array for leaf in point.leaves))
    paths = (*parameters, *(leaf.name for leaf in point.leaves))
    foreign = ForeignFunction(
        _title(function), partial(_results, framework, function, point),
        tuple(copy_with_layout_of(as_real(x).astype(np.float64), as_real(x)) for x in arrays), paths,
        tuple(x.dtype for x in arrays), framework, frozenset(range(len(parameters))), accuracy=accuracy,
    )  # fmt: skip
    return check_foreign(foreign, order, rng, skip)


def _title(function: Any) -> str:
    """Return a name for a module, for ``MyFunction.apply``, and for a function."""
    import torch

    function = unbound(function)
    owner = getattr(function, "__self__", None)
    name = f"{owner.__name__}.{title_of(function)}" if isinstance(owner, type) else title_of(function)
    return f"module {name}" if isinstance(function, torch.nn.Module) else name


def _as_input(tensors_in: list[Any], value: Any) -> Array | None:
    """Return a tensor or array as an input, and append its tensor to `tensors_in`. Plain numbers are constants."""
    import torch

    array = as_numbers(value) if hasattr(value, "dtype") and hasattr(value, "shape") else None
    if array is None or not (is_floating(array.dtype) or is_complex(array)):
        return None
    tensors_in.append(value if isinstance(value, torch.Tensor) else torch.tensor(np.array(value)))
    return array


def _as_numpy(tensor: Any) -> Array:
    """Return a tensor as an array, which shares its memory if possible."""
    import torch

    if tensor.layout == torch.strided and tensor.dtype != torch.bfloat16:
        return np.asarray(tensor.numpy(force=True))  # as_numbers returns the same in more time
    array = as_numbers(tensor)
    assert array is not None
    return array


def _results(framework: _Torch, function: Any, point: ArrayTree, *tensors: Any) -> list[Any]:
    """Call the function with a fixed seed, and return the floating-point tensors."""
    import torch

    leaves = tensors[len(tensors) - len(point.leaves) :]
    inputs = [_copied(x) for x in leaves]  # in-place ops are allowed on copies, but not on leaves
    nodes = [x.grad_fn for x in inputs]
    arguments = point.filled(inputs, lambda x: torch.as_tensor(x) if isinstance(x, np.ndarray) else x)
    torch.default_generator.manual_seed(0)  # torch.manual_seed formats the stack at each call
    cuda: Any = torch.cuda  # without types
    if cuda.is_initialized():
        cuda.manual_seed_all(0)
    results = list(_tensors(function(*arguments)))
    for leaf, x, node, place in zip(leaves, inputs, nodes, point.leaves, strict=True):
        if framework.is_recording and node is not None and x.grad_fn is node and not _equal(x, leaf):
            raise LawBroken(
                f"{_title(function)} writes into its input {place.name} unnoticed by autograd, which changes the "
                f"caller's tensor. Compute on a copy, or call ctx.mark_dirty in forward."
            )
    return results


def _copied(x: Any) -> Any:
    """Return a recorded copy of a tensor, with its strides and its offset into a storage."""
    import torch

    if 0 in x.stride() or (x.is_contiguous() and not x.storage_offset()):
        return x.clone()
    storage = x.new_zeros(x.untyped_storage().nbytes() // x.element_size())
    return torch.as_strided(storage, x.size(), x.stride(), x.storage_offset()).copy_(x)


def _equal(a: Any, b: Any) -> bool:
    return bool(a.equal(b) or ((a == b) | ((a != a) & (b != b))).all())


def _tensors(out: Any) -> Iterator[Any]:
    """Yield the floating-point tensors in a nested result."""
    if hasattr(out, "is_floating_point"):
        if out.is_floating_point() or out.is_complex():
            yield out
    elif dataclasses.is_dataclass(out) and not isinstance(out, dict):
        for field in dataclasses.fields(out):
            yield from _tensors(getattr(out, field.name))
    elif isinstance(out, dict | list | tuple):
        for part in out.values() if isinstance(out, dict) else out:
            yield from _tensors(part)


class _Torch:
    """PyTorch, and the module to check, whose parameters are the first inputs."""

    conjugates, draws_by_dtype = False, False  # dropout has the same mask in each dtype

    def __init__(self, title: str, module: Any, parameters: list[Any], inputs: list[Any]) -> None:
        # PyTorch has no negative strides and no memory that cannot be written to.
        self.layouts: Mapping[str, Callable[[Array], Array]] = {
            name: arrange for name, arrange in LAYOUTS.items() if name not in ("backwards", "readonly")
        }
        self._title, self._parameters, self._devices = title, parameters, [x.device for x in (*parameters, *inputs)]
        self._is_on_cpu = all(device.type == "cpu" for device in self._devices)
        trained = set(map(id, parameters))
        self._data = [(p, p.data) for p in module.parameters()]
        self._constants = [(p, data) for p, data in self._data if id(p) not in trained]
        self._buffers = [(part, dict(part._buffers)) for part in module.modules() if part._buffers]
        self._wide, self.is_random, self.is_recording = True, False, False

    @contextmanager
    def session(self, wide: bool) -> Iterator[None]:
        """Restore the module and PyTorch's random states at the end."""
        import torch

        self._wide = wide
        try:
            with torch.random.fork_rng(), torch.inference_mode(False), torch.enable_grad(), _compiling():
                yield
        finally:
            for p, data in self._data:
                p.data = data
            for p in self._parameters:
                p.requires_grad_(True)
            for part, buffers in self._buffers:
                part._buffers.update(buffers)

    def load(self, arrays: Sequence[Array], needs: Collection[int]) -> list[Any]:
        """Set the parameters and buffers of the module; the other inputs are new leaves."""
        devices = itertools.chain(self._devices, itertools.repeat(None))  # those of cotangents
        tensors = [as_tensor(x) for x in arrays]
        if not self._is_on_cpu:
            tensors = [x.to(device) for x, device in zip(tensors, devices, strict=False)]
        self._set_constants(tensors[0].real.dtype if tensors[0].is_complex() else tensors[0].dtype)
        for p, x in zip(self._parameters, tensors, strict=False):
            p.data = x
        leaves = [*self._parameters, *tensors[len(self._parameters) :]]
        return [leaf.requires_grad_(k in needs) for k, leaf in enumerate(leaves)]

    def _set_constants(self, dtype: Any) -> None:
        def converted(tensor: Any) -> Any:
            return tensor.to(dtype if self._wide and tensor.is_floating_point() else tensor.dtype, copy=True)

        for p, data in self._constants:
            p.data = converted(data)
        for part, buffers in self._buffers:
            part._buffers.update({name: None if x is None else converted(x) for name, x in buffers.items()})

    def load_like(self, array: Array, result: Any) -> Any:
        return as_tensor(array).to(result.device, result.dtype)

    def unload(self, value: Any) -> Array:
        return _as_numpy(value)

    def vjp(
        self, f: ArrayFunction, inputs: Sequence[Any], needs: Collection[int], graph: bool
    ) -> tuple[Sequence[Any], ForeignPullback]:
        import torch

        wanted = [inputs[k] for k in needs]
        self.is_recording = not graph
        results = f(*inputs)
        self.is_recording = False
        self.is_random = self.is_random or _has_drawn()

        def pull(cotangents: Sequence[Any]) -> list[Any]:
            pairs = [
                (out, g) for out, g in zip(results, cotangents, strict=True) if g is not None and out.requires_grad
            ]
            if not pairs:
                return [torch.zeros_like(x) for x in wanted]
            outs, gs = zip(*pairs, strict=True)
            try:
                gradients = torch.autograd.grad(outs, wanted, gs, True, graph, allow_unused=True)
            except RuntimeError as error:
                if "not implemented for '" in str(error):
                    raise NotApplicable(f"PyTorch lacks a backward: {error}") from error
                raise
            return [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, gradients, strict=True)]

        return results, pull

    def jvp(self, f: ArrayFunction, inputs: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        import torch

        forward_ad: Any = importlib.import_module("torch.autograd.forward_ad")  # without types
        count = len(self._parameters)
        with warnings.catch_warnings(), forward_ad.dual_level():
            warnings.simplefilter("ignore")  # the first use of forward_ad calls deprecated functions
            pairs = zip(inputs[count:], tangents[count:], strict=True)
            duals = [*inputs[:count], *(forward_ad.make_dual(x, t) for x, t in pairs)]
            try:
                parts = [forward_ad.unpack_dual(out) for out in f(*duals)]
            except (NotImplementedError, RuntimeError) as error:
                raise _lacking(error, "jvp") from error
            return [torch.zeros_like(x) if t is None else torch.zeros_like(x).add_(t) for x, t in parts]

    def has_only_forward(self, error: Exception) -> bool:
        return "must implement either the backward or vjp method" in str(error)

    def batched(
        self, f: ArrayFunction, inputs: Sequence[Any], axes: Sequence[int | None], load: Callable[[Sequence[Any]], Any]
    ) -> tuple[Sequence[Any], dict[str, Sequence[Any]]]:
        import torch

        count, vmap = len(self._parameters), partial(torch.func.vmap, randomness="same")
        batches = inputs[count:]

        def one(*samples: Any) -> tuple[Any, ...]:
            return tuple(f(*inputs[:count], *samples))

        def gradients(cotangents: Any, *samples: Any) -> Any:
            return torch.func.vjp(one, *samples)[1](cotangents)

        try:
            with _compiling(False):  # vmap does not accept compiled functions
                results = vmap(one)(*batches)
                if _has_drawn():
                    raise NotApplicable("the function draws random numbers")
                detached = [x.detach() for x in batches]
                self._require_any_axes("results", lambda axes, *xs: vmap(one, axes)(*xs), detached, results)
                cotangents = tuple(load(results))
                _, pull = self.vjp(lambda *_: results, batches, range(len(batches)), False)
                outside = pull(cotangents)
                inside = vmap(gradients)(cotangents, *detached)
                self._require_any_axes(
                    "gradients", lambda axes, *xs: vmap(gradients, (0, *axes))(cotangents, *xs), detached, inside
                )
        except (NotImplementedError, RuntimeError) as error:
            raise _lacking(error, "vmap") from error
        return results, {"the gradient of vmap": outside, "vmap of the gradient": inside}

    def _require_any_axes(
        self, what: str, call: Callable[..., Sequence[Any]], batches: Sequence[Any], usual: Sequence[Any]
    ) -> None:
        """Require the same for a batch along any axis of each input, and for inputs that all samples share."""
        front = (0,) * len(batches)
        for axes in batch_axes([x.dim() for x in batches]):
            pairs = list(zip(batches, axes, strict=True))
            repeated = [x[:1].expand_as(x) if axis is None else x for x, axis in pairs]
            try:
                found = call(axes, *(x[0] if axis is None else x.movedim(0, axis) for x, axis in pairs))
                expected = call(front, *repeated) if None in axes else usual
            except (NotImplementedError, RuntimeError) as error:
                if isinstance(lacking := _lacking(error, "vmap"), NotApplicable):
                    continue  # a write into a shared input, for example
                raise lacking from error
            for x, like in zip(found, expected, strict=True):
                if x.shape[:1] != batches[0].shape[:1] or not agree_roughly(_as_numpy(x), _as_numpy(like)):
                    raise LawBroken(
                        f"{self._title}: the {what} of torch.func.vmap with in_dims={axes} differ from those of the "
                        f"samples. A vmap rule moves the axis of each input by its in_dims, where None has no axis."
                    )


@contextmanager
def _compiling(is_enabled: bool = True) -> Iterator[None]:
    """Let ``torch.compile`` make a program for each layout and dtype, where its limit is 8, or none at all."""
    import torch

    if "torch._dynamo" not in sys.modules:
        yield
        return
    dynamo: Any = importlib.import_module("torch._dynamo")
    context = dynamo.config.patch(recompile_limit=256) if is_enabled else torch.compiler.set_stance("force_eager")
    with warnings.catch_warnings(), context:
        warnings.filterwarnings("ignore", r"The \.grad attribute", UserWarning)  # it reads that of copies of inputs
        yield


def _has_drawn() -> bool:
    """Whether random numbers were drawn since `_results` set the seed."""
    import torch

    return not torch.default_generator.get_state().equal(_seeded_state())


@lru_cache
def _seeded_state() -> Any:
    """Return the state of PyTorch's generator after `_results` set the seed."""
    import torch

    return torch.Generator().manual_seed(0).get_state()


def as_tensor(x: Array) -> Any:
    """Return a tensor with the memory of an array, or with a copy if PyTorch cannot hold it."""
    import torch

    if x.dtype.kind == "V":  # bfloat16
        return as_tensor(x.view(np.int16)).view(torch.bfloat16)
    if 0 in x.strides and x.size > 1:
        once = x[tuple(slice(1 if stride == 0 else None) for stride in x.strides)]
        return torch.from_numpy(np.array(once)).expand(x.shape)
    if min((0, *x.strides)) < 0 or not x.flags.writeable:
        return torch.from_numpy(x.copy())
    if not isinstance(x.base, np.ndarray) or x.base.dtype != x.dtype:
        return torch.from_numpy(x)
    storage, start = torch.from_numpy(x.base.reshape(-1)), x.ctypes.data - x.base.ctypes.data
    return storage.as_strided(x.shape, [stride // x.itemsize for stride in x.strides], start // x.itemsize)


def _lacking(error: Exception, method: str) -> Exception:
    """Return an error that a user's method raised, or `NotApplicable` if PyTorch raised it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_name == method]
    is_own = any(not frame.f_globals.get("__name__", "").startswith(("torch.", __name__)) for frame in frames)
    line = str(error).strip().partition("\n")[0]
    return error if is_own else NotApplicable(f"{method} is not available: {type(error).__name__}: {line:.200}")
