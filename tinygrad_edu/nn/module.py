"""Base class of layers and models. Parameters and buffers are the tensors in their attributes."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import partial
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import ref

from numpy.typing import DTypeLike, NDArray

from tinygrad_edu import core
from tinygrad_edu.core.module import members, unique, walk
from tinygrad_edu.engine import BUFFER, PARAMETER, Hook, HookHandle, Tensor, clock, role_of, time_of
from tinygrad_edu.errors import DTypeError, LostGradientWarning, StateDictError
from tinygrad_edu.errors.caller import warn_caller
from tinygrad_edu.errors.hints import KeywordHints, attribute_error
from tinygrad_edu.errors.hints.tables import NAMES
from tinygrad_edu.nn.documentation import complete
from tinygrad_edu.nn.hooks import Hooks
from tinygrad_edu.nn.weights.saving import read_state_dict, write_arrays
from tinygrad_edu.nn.weights.state import IncompatibleKeys, SavedValues, change_dtype, write_state
from tinygrad_edu.shared.display.html import array_html, fold_html

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import HasForward, Inputs, Output

Part = TypeVar("Part")

_CONTAINERS = (list, tuple, dict)


class OwnedList(list[Part]):
    """A list of parameters with a weak reference to their module, for optimizers. A copy is a plain list."""

    def __init__(self, owner: Module, items: Iterable[Part]) -> None:
        super().__init__(items)
        self.owner = ref(owner)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


class _FirstCall(KeywordHints):
    """Base class of `Module`. The time of the first call is in a slot, since it is no attribute of the model."""

    __slots__ = ("_first_call",)
    _first_call: int


class Module(_FirstCall, core.Module):
    """Base class of layers and models: define `forward`, and assign tensors and other modules to attributes.

    The tensors and modules in attributes, also inside nested lists, tuples and dicts, are registered in the order of
    definition. The name of each is its path: ``model.blocks[0].weight`` is ``"blocks.0.weight"``, as in PyTorch. An
    object with several paths has several names. A reference back to an enclosing module is ignored.

    Attributes
    ----------
    training : bool
        Whether layers such as `Dropout` run in training mode. Set by `train` and `eval`.
    unbiased : bool
        Whether the mean of the training result over the random numbers is the result in evaluation, as in `Dropout`.
        Default False. `check_module` tests it.

    Notes
    -----
    A tensor with ``requires_grad`` is a parameter. Setting ``requires_grad`` to False makes it a frozen parameter. Any
    other tensor, such as ``Tensor(values)``, is a buffer: a running statistic or a table of constants. `state_dict`
    saves all three, except buffers registered with ``persistent=False``.

    A tensor created from values, by `Tensor`, `from_numpy` or `zeros`, is state wherever it is created; so are its
    copies and its detached tensors. The result of an op is not state, under `no_grad` either, unless it is passed to
    `register_buffer`, or replaces a buffer or a frozen parameter in an attribute; in a list or a dict, use ``assign``.
    So ``Tensor(values, requires_grad=True) * 2`` is not a parameter: if a module holds it before its first call,
    `summary`, `check_module` and optimizers made from `parameters` warn.

    Examples
    --------
    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope = Tensor(2.0, requires_grad=True)
    ...         self.offsets = [Tensor(1.0, requires_grad=True)]
    ...
    ...     def forward(self, x):
    ...         return self.slope * x + self.offsets[0]
    >>> line = Line()
    >>> float(line(3.0))
    7.0
    >>> [name for name, parameter in line.named_parameters()]
    ['slope', 'offsets.0']
    """

    unbiased: bool = False
    _setting_names: tuple[str, ...] = ()  # the attributes in the repr
    _hooks: Hooks | None = None
    _unsaved: frozenset[str] = frozenset()  # names of the buffers that are not in the state dict

    def __init__(self) -> None:
        super().__init__()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__module__.startswith("tinygrad_edu.nn"):
            complete(cls)

    def __call__(self: HasForward[Inputs, Output], *inputs: Inputs.args, **settings: Inputs.kwargs) -> Output:
        """Call `forward`, and the hooks before and after it."""
        # Without super(), which would make a call of Tanh a fifth slower.
        if not hasattr(self, "_first_call"):
            object.__setattr__(self, "_first_call", next(clock))
        if self._hooks is None:
            return self.forward(*inputs, **settings)
        out: Output = self._hooks.around(self, inputs, settings)
        return out

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes for a copy, which has not been called."""
        return vars(self)

    if not TYPE_CHECKING:  # a visible __getattr__ would make every name valid

        def __getattr__(self, name):
            if name in NAMES["Module"]:
                raise attribute_error("Module", name)
            return object.__getattribute__(self, name)  # raises the original error, such as one in a property

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self).get(name)
        role = role_of(before) if isinstance(before, Tensor) else None
        if isinstance(before, Tensor) and role is not None and not _can_replace(before, value):
            raise DTypeError(_replacement_error(f"{type(self).__name__}.{name}", before, value))
        super().__setattr__(name, value)
        if role is not None and isinstance(value, Tensor) and role_of(value) is None:
            value._role = role

    def parameters(self) -> list[Tensor]:
        """Return the parameters, including frozen ones, each once."""
        return OwnedList(self, super().parameters())

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """Return (name, parameter) pairs, including frozen ones. A shared parameter appears once, by its first name."""
        # Without super(): a frozen parameter is one, too, and two with the same name raise.
        return OwnedList(self, (named for named in unique(self._tensors().items()) if role_of(named[1]) == PARAMETER))

    def buffers(self) -> list[Tensor]:
        """Return the buffers, each once: the tensors of the state that are not parameters."""
        return [tensor for _, tensor in self.named_buffers()]

    def named_buffers(self) -> list[tuple[str, Tensor]]:
        """Return (name, buffer) pairs. A shared buffer appears once, by its first name."""
        return [(name, tensor) for name, tensor in unique(self._tensors().items()) if is_buffer(tensor)]

    def register_buffer(self, name: str, values: Any, persistent: bool = True) -> None:
        """Add a buffer: an attribute with a tensor that requires no gradient.

        ``self.name = Tensor(values)`` does the same for a persistent buffer.

        Parameters
        ----------
        name : str
            The name of the attribute.
        values : Tensor, array_like or None
            A Tensor is stored as it is, even if an op computed it. None sets the attribute to None.
        persistent : bool
            Whether the buffer is part of the state dict. Default True.

        Raises
        ------
        ValueError
            `name` is not an identifier, or is an attribute that is not a buffer.
        DTypeError
            `values` is a parameter.

        Examples
        --------
        >>> module = Module()
        >>> module.register_buffer("steps", Tensor(0, dtype=int))
        >>> module.register_buffer("mask", [1.0, 0.0], persistent=False)
        >>> module.state_dict(), len(module.buffers())
        ({'steps': array(0)}, 2)
        """
        before = getattr(self, name, None)
        free = before is None or (isinstance(before, Tensor) and role_of(before) != PARAMETER)
        if not name.isidentifier() or not free:
            raise ValueError(f"register_buffer: {type(self).__name__} cannot have a buffer named {name!r}.")
        buffer = values if isinstance(values, Tensor) or values is None else Tensor(values)
        if buffer is not None:
            if buffer.requires_grad or buffer.frozen:
                raise DTypeError(
                    f"register_buffer: {name} is a parameter. Assign it to an attribute, or pass its detach()."
                )
            buffer._role = BUFFER
        setattr(self, name, buffer)
        self._unsaved = self._unsaved - {name} if persistent else self._unsaved | {name}

    def _tensors(self) -> dict[str, Tensor]:
        """Return parameters, frozen parameters and buffers by name. A shared tensor appears under each of its names."""
        by_name: dict[str, Tensor] = {}
        tensors = [(name, part) for name, part in walk(self) if isinstance(part, Tensor) and role_of(part)]
        for name, part in tensors:
            if by_name.setdefault(name, part) is not part:
                raise StateDictError(
                    f"two tensors of {type(self).__name__} have the name {name}, which must be unique in a state "
                    f'dict. Rename an attribute or a key; the keys 1 and "1" have the same name.'
                )
        return by_name

    def modules(self) -> list[Module]:
        """Return this module and all its descendants, each once."""
        return super().modules()

    def named_modules(self) -> list[tuple[str, Module]]:
        """Return (name, module) pairs of this module, named ``""``, and all its descendants, each once."""
        return unique((name, part) for name, part in walk(self) if isinstance(part, Module))

    def children(self) -> list[Module]:
        """Return the direct child modules, each once."""
        return [module for _, module in self.named_children()]

    def named_children(self) -> list[tuple[str, Module]]:
        """Return (name, module) pairs of the direct children, also those in lists and dicts, each once."""
        return unique((name, part) for name, part in self._members() if isinstance(part, Module))

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call ``function(module)`` once for each module, children before parents. Return this module.

        Examples
        --------
        >>> from tinygrad_edu.nn import Sequential, Tanh
        >>> _ = Sequential(Tanh(), Sequential()).apply(lambda module: print(type(module).__name__))
        Tanh
        Sequential
        Sequential
        """
        for module in list(self._postorder(set())):
            function(module)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters (False) or unfreeze them (True). Return this module.

        `parameters` includes frozen parameters, so that an optimizer trains them after they are unfrozen.

        Examples
        --------
        >>> from tinygrad_edu.nn import Linear
        >>> layer = Linear(2, 1).requires_grad_(False)
        >>> [parameter.requires_grad for parameter in layer.parameters()]
        [False, False]
        >>> [parameter.requires_grad for parameter in layer.requires_grad_().parameters()]
        [True, True]
        """
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def astype(self, dtype: DTypeLike) -> Self:
        """Cast all floating-point parameters, their gradients and buffers to a dtype. Return this module.

        The Tensor objects stay the same; their storage is new. Create the optimizer afterwards: its state has a dtype.

        Parameters
        ----------
        dtype : float16, float32 or float64

        Raises
        ------
        DTypeError
            `dtype` is none of these, or a finite value would overflow. Nothing is changed then.

        Examples
        --------
        >>> from tinygrad_edu.nn import Linear
        >>> Linear(2, 1).astype("float64").weight.dtype
        dtype('float64')
        """
        change_dtype(type(self).__name__, self._tensors(), dtype)
        return self

    def register_forward_pre_hook(self, hook: Hook) -> HookHandle:
        """Register ``hook(module, inputs)``, called before each `forward`. ``handle.remove()`` removes it.

        Parameters
        ----------
        hook : callable
            Receives the tuple of positional inputs. May return replacements: a tuple, or a single input. None keeps
            the inputs.
        """
        return HookHandle(self._own_hooks().before, hook)

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Register ``hook(module, inputs, out)``, called after each `forward`. ``handle.remove()`` removes it.

        Parameters
        ----------
        hook : callable
            May return a replacement of the output. None keeps the output.

        Examples
        --------
        >>> from tinygrad_edu.nn import Linear, Sequential, Tanh
        >>> model, shapes = Sequential(Linear(3, 2), Tanh()), []
        >>> handle = model[0].register_forward_hook(lambda module, inputs, out: shapes.append(out.shape))
        >>> _ = model([[1.0, 2.0, 3.0]])
        >>> handle.remove()
        >>> shapes
        [(1, 2)]
        """
        return HookHandle(self._own_hooks().after, hook)

    def register_full_backward_pre_hook(self, hook: Hook) -> HookHandle:
        """Register ``hook(module, grad_output)``, called before the backward pass of each result of `forward`.

        Parameters
        ----------
        hook : callable
            Receives a tuple with the gradient of each Tensor in the result; None for one that requires no gradient. May
            return replacements: a tuple, or a single gradient. None keeps them.
        """
        return HookHandle(self._own_hooks().before_backward, hook)

    def register_full_backward_hook(self, hook: Hook) -> HookHandle:
        """Register ``hook(module, grad_input, grad_output)``, called after the backward pass of each result.

        Parameters
        ----------
        hook : callable
            Receives two tuples: the gradient of each Tensor in the positional inputs, and that of each Tensor in the
            result; None for one that requires no gradient. They are arrays, or Tensors in a recorded backward pass. May
            return replacements of ``grad_input``. None keeps them.

        Examples
        --------
        >>> from tinygrad_edu.nn import Linear, Sequential, Tanh
        >>> model, norms = Sequential(Linear(3, 2), Tanh()), []
        >>> def hook(module, grad_input, grad_output):
        ...     norms.append((grad_input[0].shape, float((grad_output[0] ** 2).sum())))
        >>> handle = model[1].register_full_backward_hook(hook)
        >>> model([[1.0, 2.0, 3.0]]).sum().backward()
        >>> norms
        [((1, 2), 2.0)]
        """
        return HookHandle(self._own_hooks().after_backward, hook)

    @property
    def has_hooks(self) -> bool:
        """Whether any hook is registered."""
        return self._hooks is not None and any(vars(self._hooks).values())

    def _own_hooks(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return a copy of the values of each parameter and persistent buffer, by name.

        A shared tensor appears under each of its names. Names and shapes equal those of the same model in PyTorch,
        whose state dicts can be loaded here. Two tensors with the same name raise `StateDictError`.
        """
        return {name: tensor.numpy().copy() for name, tensor in self._state_tensors().items()}

    def load_state_dict(self, state_dict: SavedValues, strict: bool = True) -> IncompatibleKeys:
        """Copy saved values into the tensors, in place. Optimizers of these tensors stay valid.

        Parameters
        ----------
        state_dict : mapping of str to array_like, or iterable of (str, array_like)
            Arrays, Tensors or PyTorch tensors (bfloat16 too) by the names of `state_dict()`. Each must have the shape
            of its tensor, and is cast to its dtype.
        strict : bool
            Whether the names must equal those of `state_dict()`. Otherwise only common names are loaded. Default True.

        Returns
        -------
        IncompatibleKeys
            Named tuple of ``missing_keys`` and ``unexpected_keys``.

        Raises
        ------
        StateDictError
            Entries are missing, unexpected, or of another shape or kind of dtype, or finite values overflow. The
            message lists all of them. Nothing is written then.
        DTypeError
            `state_dict` is not a mapping or pairs.

        Examples
        --------
        >>> from tinygrad_edu.nn import Linear
        >>> layer = Linear(2, 1)
        >>> layer.load_state_dict({"weight": [[1.0, 2.0]], "bias": [3.0]})
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        >>> layer.weight.numpy()
        array([[1., 2.]], dtype=float32)
        >>> layer.load_state_dict({"weight": [1.0, 2.0]})
        Traceback (most recent call last):
            ...
        tinygrad_edu.errors.StateDictError: cannot load this state dict into Linear (nothing was loaded):
          missing: bias, of shape (1,)
          wrong: weight has shape (2,), expected (1, 2)
        Build the module as the saved one was built, or rename, reshape or remove entries.
        """
        return write_state(type(self).__name__, self._state_tensors(), state_dict, strict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state dict to a safetensors file, atomically: an existing file is replaced only when complete.

        Raises
        ------
        DataError
            The file cannot be written.
        MissingExtraError
            safetensors is not installed.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> from tinygrad_edu.nn import Linear
        >>> layer, twin = Linear(2, 1), Linear(2, 1)
        >>> with TemporaryDirectory() as folder:
        ...     layer.save(f"{folder}/line.safetensors")
        ...     twin.load(f"{folder}/line.safetensors")
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        >>> bool((layer.weight.numpy() == twin.weight.numpy()).all())
        True
        """
        write_arrays(path, self.state_dict())

    def load(self, path: str | os.PathLike[str], strict: bool = True) -> IncompatibleKeys:
        """Load the state dict in a safetensors file, or in a file of ``torch.save``, as `load_state_dict` does.

        Raises
        ------
        DataError
            The file cannot be read, is of another format, or has more than a state dict, see `load_weights`.
        MissingExtraError
            It is a safetensors file, and safetensors is not installed.
        StateDictError
            The state dict does not match the module.
        """
        return self.load_state_dict(read_state_dict(path), strict)

    def extra_repr(self) -> str:
        """Return the text between the parentheses of the repr."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._setting_names)

    def _non_defaults(self, **defaults: Any) -> str:
        """Return the options that differ from their defaults, each after a comma, for the repr."""
        return "".join(f", {name}={getattr(self, name)}" for name in defaults if getattr(self, name) != defaults[name])

    @recursive_repr("...")
    def __repr__(self) -> str:
        # Without super(): the text has a line for each child.
        shown = [(name, part) for name, part in self._members() if not isinstance(part, Tensor)]
        lines = [f"({name}): {part if isinstance(part, Module) else name_of(part)}" for name, part in shown]
        body = self.extra_repr()
        if lines:
            body = "\n".join(["", *(textwrap.indent(line, "  ") for line in [body, *lines] if line), ""])
        return f"{type(self).__name__}({body})"

    def _repr_html_(self) -> str:
        return self._html("", frozenset())

    def _html(self, name: str, ancestors: frozenset[int]) -> str:
        """Return this module as foldable HTML, with pictures of its tensors and with its child modules."""
        count = sum(parameter.size for parameter in self.parameters())
        head = f"{name and f'{name}: '}{type(self).__name__}({self.extra_repr()})"
        body = ""
        for part_name, part in self._members() if id(self) not in ancestors else ():
            if isinstance(part, Module):
                body += part._html(part_name, ancestors | {id(self)})
            elif isinstance(part, Tensor):
                body += fold_html(f"{part_name}: {part.dtype} {part.shape}", array_html(part.numpy()))
            else:
                body += fold_html(f"{part_name}: {name_of(part)}", "")
        return fold_html(f"{head}, {count:,} parameters" if count else head, body, is_open=not ancestors)

    def __treescope_repr__(self, path: Any, subtree_renderer: Any) -> Any:
        from treescope.repr_lib import render_object_constructor

        parts = {name: part for name, part in vars(self).items() if not name.startswith("_")}
        return render_object_constructor(type(self), parts, path, subtree_renderer)

    def _members(self) -> Iterable[tuple[str, Any]]:
        """Return (path, member) pairs of the modules, tensors and plain functions in the attributes of this module."""
        return _nested_members(type(self).__name__, super()._members())

    def _kept(self, result: Tensor) -> bool:
        """Return whether an op computed a result after the first call of this module, so that a call may keep it."""
        return time_of(result) > getattr(self, "_first_call", math.inf)

    def _postorder(self, seen: set[int]) -> Iterator[Module]:
        """Yield the unseen modules in postorder: children before their parents."""
        seen.add(id(self))
        for child in self.children():
            if id(child) not in seen:
                yield from child._postorder(seen)
        yield self

    def _state_tensors(self) -> dict[str, Tensor]:
        """Return the tensors of the state dict by name."""
        modules = [(f"{path}." if path else "", part) for path, part in walk(self) if isinstance(part, Module)]
        unsaved = {f"{path}{name}" for path, module in modules for name in module._unsaved}
        return {name: t for name, t in self._tensors().items() if not (name in unsaved and is_buffer(t))}


def duplicate(module: Module) -> Module:
    """Return a deep copy that shares computed tensors with the original, such as stored activations."""
    computed = [part for _, part in walk(module) if isinstance(part, Tensor) and not part.is_leaf]
    return deepcopy(module, {id(tensor): tensor for tensor in computed})


def is_buffer(tensor: Tensor) -> bool:
    """Return whether a tensor belongs to the state of a module and is not a parameter."""
    return role_of(tensor) == BUFFER


def warn_of_made_results(where: str, module: Module) -> None:
    """Warn of the results of recorded ops that are in a module since before its first call: they are not parameters."""
    owners = [(f"{path}." if path else "", owner) for path, owner in walk(module) if isinstance(owner, Module)]
    parts = unique(
        (path + name, part)
        for path, owner in owners
        for name, part in owner._members()
        if isinstance(part, Tensor) and not part.is_leaf and not (owner._kept(part) or module._kept(part))
    )
    if parts:
        warn_caller(
            f"{where}: an op computed {', '.join(name for name, _ in parts)} of {type(module).__name__} before its "
            f"first call. The result is not a parameter: it is not trained, and a second backward() fails. Make a "
            f"parameter from its final values, Tensor(values, requires_grad=True). Compute in the forward what depends "
            f"on other parameters.",
            LostGradientWarning,
        )


def name_of(function: Any) -> str:
    """Return the name of a function, of the function in a partial, or of the class of a callable object."""
    named = function.func if isinstance(function, partial) else function
    return str(getattr(named, "__name__", type(named).__name__))


def _can_replace(tensor: Tensor, new: Any) -> bool:
    """Return whether a value can replace a tensor of the state, so that it is still saved and trained."""
    if not isinstance(new, Tensor):
        return new is None or isinstance(new, Module)
    return new is tensor or (new.is_leaf and (not _is_trained(tensor) or role_of(new) == PARAMETER))


def _is_trained(tensor: Tensor) -> bool:
    return tensor.requires_grad and role_of(tensor) == PARAMETER


def _replacement_error(path: str, tensor: Tensor, new: Any) -> str:
    kind = f"a {type(new).__name__}"
    if isinstance(new, Tensor):
        kind = "a Tensor that requires no gradient" if new.is_leaf else "a computed tensor"
    use, grad = ("trained", ", requires_grad=True") if _is_trained(tensor) else ("saved", "")
    return (
        f"cannot assign {kind} to {path}, a parameter or buffer: the new value would not be {use}. Write into the "
        f"tensor with .assign(values), or assign Tensor(values{grad}). To freeze a parameter, set its requires_grad to "
        f"False; to remove the tensor from the state, delete it first."
    )


_PLAIN_TYPES = frozenset((int, float, bool, str, type(None)))


def _nested_members(
    owner: str, named: Iterable[tuple[Any, Any]], prefix: str = "", ancestors: frozenset[int] = frozenset()
) -> Iterator[tuple[str, Any]]:
    """Yield (path, member) pairs of modules, tensors and functions, also of those in nested lists, tuples and dicts."""
    for name, part in named:
        if part.__class__ in _PLAIN_TYPES:  # most attributes
            continue
        if isinstance(part, (Module, Tensor)):
            yield f"{prefix}{name}", part
        elif isinstance(part, _CONTAINERS):
            if id(part) not in ancestors:
                yield from _nested_members(owner, members(part), f"{prefix}{name}.", ancestors | {id(part)})
        elif callable(part) and not isinstance(part, type):
            yield f"{prefix}{name}", library_layer(f"{owner}.{prefix}{name}", part)


def library_layer(where: str, part: Any) -> Any:
    """Return a part of a module. Raise for a layer of the core, which has no hooks, buffers or state dict."""
    if isinstance(part, core.Module) and not isinstance(part, Module):
        kind = type(part)
        raise DTypeError(
            f"{where} is a {kind.__module__}.{kind.__qualname__}, a layer of the core, which has no hooks, buffers or "
            f"state dict. Use the layer of tinygrad_edu.nn, or derive {kind.__name__} from nn.Module."
        )
    return part
