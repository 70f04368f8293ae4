"""Declaration of an op: a forward function on arrays, and one vjp for each input.

A vjp returns the gradient of an input, given the gradient of the result. `recorder.py` calls an op and records it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence, Set
from functools import partial, update_wrapper
from inspect import Parameter
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.engine.fast.parameters import parameters
from tinygrad_edu.errors import MissingVJPError, VJPDefinitionError
from tinygrad_edu.names import nearest

Array = NDArray[Any]
Operand = Array | float
PlainArrayLike = Array | np.generic | float | Sequence[Any]  # NumPy's ArrayLike includes Tensors
TensorLike = Any  # a Tensor or a PlainArrayLike: tools/stubs.py declares the results for both


class Saved(NamedTuple):
    """A value that a vjp requests by its name: ``x``, ``x_shape``, ``out``, ``axis``.

    Attributes
    ----------
    name : str
    source : int or None
        Position of the input that the value belongs to; the number of inputs for the result; None for a setting.
    """

    name: str
    source: int | None


class VJPs:
    """The vjps of an op for a number of inputs, and the values that they save. All nodes of such calls share them.

    Attributes
    ----------
    op : Op or None
        None for a leaf.
    names : tuple of str
        Names of the inputs.
    saves : dict
        Maps each saved value to the positions of the inputs whose vjps need it.
    functions : list of (callable, dict)
        For each input, the function given to `Op.vjps`, and the index of the saved value for each of its parameters.
    pairs : tuple of (int, callable)
        For each input, its position and its vjp in the form that the backward pass calls: ``vjp(g, saved)``.
    hooks : GradientHooks or None
        Hooks of a node. A node with hooks has its own copy of the vjps.
    """

    __slots__ = ("_positions", "functions", "hooks", "names", "op", "pairs", "saves")

    def __init__(self, op: Op | None, names: tuple[str, ...]) -> None:
        self.op, self.names = op, names
        self.saves: dict[Saved, list[int]] = {}
        self.functions: list[tuple[Callable[..., Any], dict[str, int]]] = []
        self.pairs: tuple[tuple[int, Callable[[Any, Any], Any]], ...] = ()
        self.hooks: Any = None
        self._positions: dict[Saved, int] = {}

    def add(self, function: Callable[..., Any], saved: dict[str, Saved]) -> None:
        """Add the vjp of the next input, and the saved value of each of its parameters."""
        k = len(self.functions)
        for value in saved.values():
            self.saves.setdefault(value, []).append(k)
            self._positions.setdefault(value, len(self._positions))
        self.functions.append((function, {parameter: self._positions[value] for parameter, value in saved.items()}))


def _vjp(function: Callable[..., Any], positions: dict[str, int]) -> Callable[[Any, Any], Any]:
    """Return a vjp as a function of the gradient and of the saved values of a node."""
    return lambda g, saved: function(g, **{parameter: saved[i] for parameter, i in positions.items()})


class _LazyCall:
    """Descriptor that makes the call of an op at its first use, since most programs use few ops.

    It is not a `cached_property`: the lock of that class in Python 3.11 can deadlock a forked process.
    """

    def __get__(self, op: Op | None, kind: type) -> Any:
        if op is None:  # accessed on the class: return the descriptor, as a property does
            return self
        vars(op)["call"] = written = op._make_call(op)
        return written


class Op:
    """A differentiable function of arrays. The decorator `op` makes it, and `vjps` completes it.

    On plain arrays it calls its forward function and returns an array. On Tensors it also records a node.

    Attributes
    ----------
    name : str
        Name of the public function, for errors and the tape. `__name__` is the name of the forward function.
    inputs : tuple of str
        The parameters before a ``/``, or else those without a default. ``*arrays`` is any number of inputs.
    settings : dict
        The other parameters, with their defaults: plain values, which have no gradient.
    vjp_functions : dict
        The vjp of each input, as given to `vjps`.
    broadcasts : bool
        Whether the engine sums a gradient over broadcast axes, to the shape of the input.
    promotes : tuple of str
        Inputs that are promoted to a common dtype. The engine casts their gradients back to their own dtype.
    batching : callable or None
        Computes the op for all samples inside of `vmap`. Without it, the op runs once for each sample.
    composition : callable or None
        Computes the calls with a keyword that the forward lacks. `with_keywords` sets it.
    keywords : dict
        These keywords, with their defaults.
    call : callable
        Returns an array for arrays and a Tensor for Tensors. Calling the op calls it.
    """

    # Calling an op calls the content of this slot. A method __call__ would add a second call.
    __slots__ = ("__call__", "__dict__", "__weakref__")

    name: str
    __call__: Callable[..., Any]
    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., Any]
    call = _LazyCall()

    def __init__(
        self,
        forward: Callable[..., Any],
        broadcasts: bool,
        promotes: bool | Iterable[str],
        make_call: Callable[[Op], Callable[..., Any]],
        name: str | None = None,
        batching: Callable[..., Any] | None = None,
    ) -> None:
        update_wrapper(self, forward)
        self.name, self.forward, self.broadcasts = name or forward.__name__, forward, broadcasts
        self.batching = batching
        self.composition: Callable[..., Any] | None = None
        self.keywords: dict[str, Any] = {}
        read = list(parameters(forward))
        kinds = {p.kind for p in read}
        self.variadic = Parameter.VAR_POSITIONAL in kinds
        self.slash = Parameter.POSITIONAL_ONLY in kinds
        self.inputs = tuple(p.name for p in read if self._is_input(p))
        self.settings = {p.name: p.default for p in read if not self._is_input(p)}
        self.vjp_functions: dict[str, Callable[..., Any]] = {}
        self._vjps: dict[int, VJPs] = {}
        self._check_names(kinds)
        self.promotes = tuple(promotes) if not isinstance(promotes, bool) else self.inputs if promotes else ()
        for name in self.promotes:
            self._require_name(name, self.inputs, f"@op(promotes={self.promotes})")
        self._make_call = make_call
        self.__call__ = self._first_call

    def _first_call(self, *inputs: Any, **settings: Any) -> Any:
        self.__call__ = self.call
        return self.call(*inputs, **settings)

    def vjps(self, **functions: Callable[..., Any]) -> None:
        """Set the vjp of each input: a function of ``g`` and saved values that returns the gradient of the input.

        ``g`` is the gradient of the result. The names of the other parameters select the saved values: an input or
        ``out`` saves its values, ``x_shape`` or ``x_dtype`` only the shape or dtype of x, and a setting its value.
        ``**settings`` saves all other settings. For a variadic input ``*arrays``, ``k`` is the position of the array
        to differentiate with respect to, and ``arrays_shapes`` has the shapes of all arrays.

        Raises
        ------
        VJPDefinitionError
            A name is not an input, a setting or another value of the op.

        Examples
        --------
        >>> import tinygrad_edu as tg
        >>> @tg.op
        ... def cube(x):
        ...     return x * x * x
        >>> cube.vjps(x=lambda g, x: 3 * g * x * x)
        >>> x = tg.Tensor(2.0, requires_grad=True)
        >>> cube(x).backward()
        >>> float(x.grad)
        12.0
        """
        saveable = self._saveable(self.names(2))  # a vjp can request the same for any number of inputs
        for argument, function in functions.items():
            self._require_name(argument, self.inputs, f"{self.name}.vjps")
            self._inspect_vjp(argument, function, saveable)
        self.vjp_functions = self.vjp_functions | functions
        self._vjps = {}
        vars(self).pop("call", None)  # generated from the previous vjps
        self.__call__ = self._first_call

    def with_keywords(self, composition: Callable[..., Any]) -> Callable[..., Any]:
        """Add the keyword-only parameters of a function composed of ops, which computes the calls that give one.

        The other parameters of the function are those of the forward. All other calls run the op as without it.
        """
        read = parameters(composition)
        self.composition = composition
        self.keywords = {p.name: p.default for p in read if p.kind is Parameter.KEYWORD_ONLY}
        return composition

    def __get__(self, instance: Any, owner: Any) -> Op:
        """Return the op. `help` prints the signature of an object that has this method, as that of a function."""
        return self

    @property
    def __signature__(self) -> inspect.Signature:
        """The signature of the forward, with the further keywords. The inputs and the result can be Tensors."""
        forward = inspect.signature(self.composition or self.forward)
        named = forward.parameters.values()
        read = [p.replace(annotation="TensorLike") if p.name in self.inputs else p for p in named]
        return forward.replace(parameters=read, return_annotation="Tensor | Array")

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def _repr_html_(self) -> str:
        """Show the source of each vjp."""
        from html import escape  # imported at the first display

        from tinygrad_edu.notebook import fold_html

        vjps = [(argument, _source_text(function)) for argument, function in self.vjp_functions.items()]
        table = "".join(f"<div>{escape(argument)}<pre>{escape(text)}</pre></div>" for argument, text in vjps)
        parameters = inspect.signature(self.forward).parameters.values()
        signature = inspect.Signature([p.replace(annotation=Parameter.empty) for p in parameters])
        return fold_html(f"op {self.name}{signature}", table, is_open=True)

    def __reduce__(self) -> str:
        """Pickle an op by its qualified name: as for any function, copies and unpickled ops are this object."""
        return self.__qualname__

    def names(self, count: int) -> tuple[str, ...]:
        """Return the names of `count` inputs: ``arrays0, arrays1, ...`` for a variadic input."""
        return tuple(f"{self.inputs[0]}{k}" for k in range(count)) if self.variadic else self.inputs

    def promoted(self, k: int) -> bool:
        """Return whether input `k` is promoted to the common dtype."""
        return self.inputs[0 if self.variadic else k] in self.promotes

    def vjps_for(self, count: int) -> VJPs:
        """Return the vjps for a call with `count` inputs, which are made once."""
        if count not in self._vjps:
            self._vjps[count] = self._make_vjps(self.names(count))
        return self._vjps[count]

    def _make_vjps(self, names: tuple[str, ...]) -> VJPs:
        vjps, saveable = VJPs(self, names), self._saveable(names)
        inspected = [
            self._inspect_vjp(x, self.vjp_functions.get(x, _missing_vjp(self.name, x)), saveable) for x in self.inputs
        ]
        for k in range(len(names)):
            function, takes_k, saved = inspected[0 if self.variadic else k]
            vjps.add(partial(function, k=k) if takes_k else function, saved)
        vjps.pairs = tuple((k, _vjp(*call)) for k, call in enumerate(vjps.functions))
        return vjps

    def _inspect_vjp(
        self, argument: str, function: Callable[..., Any], saveable: dict[str, Saved]
    ) -> tuple[Callable[..., Any], bool, dict[str, Saved]]:
        """Return the vjp of an argument, whether it has the parameter `k`, and the saved values of its parameters."""
        vjp_parameters = list(parameters(function))[1:]
        names = [p.name for p in vjp_parameters if p.kind is not Parameter.VAR_KEYWORD]
        takes_k = self.variadic and "k" in names
        requested = [name for name in names if not (takes_k and name == "k")]
        for name in requested:
            self._require_name(name, saveable, f"{self.name}.vjps({argument}=...)")
        if len(names) < len(vjp_parameters):  # **settings
            requested += [setting for setting in self.settings if setting not in names]
        return function, takes_k, {name: saveable[name] for name in requested}

    def _saveable(self, names: tuple[str, ...]) -> dict[str, Saved]:
        """Return the values that a vjp can save, by the name of the parameter."""
        values = {x: k for k, x in enumerate((*names, "out"))}
        shapes = [f"{self.inputs[0]}_shapes"] if self.variadic else []
        parts = [f"{x}_{part}" for x in names for part in ("shape", "dtype")]
        return {name: Saved(name, values.get(name)) for name in (*values, *parts, *shapes, *self.settings)}

    def _check_names(self, kinds: Set[Any]) -> None:
        """Raise for invalid names, including those that a vjp or the generated call uses."""
        names = {*self.inputs, *self.settings}
        reserved = {"out", *(f"{x}_{suffix}" for x in self.inputs for suffix in ("shape", "dtype", "shapes"))}
        if self.variadic:
            reserved.add("k")
        invalid = sorted(name for name in names if name in reserved or name.startswith("_"))
        if self.variadic and Parameter.POSITIONAL_OR_KEYWORD in kinds:
            raise VJPDefinitionError(
                f"op {self.name!r}: *{self.inputs[0]} must be the only positional parameter, got the parameters "
                f"{sorted(names)}. Pass every array in *{self.inputs[0]}, and write settings after it: "
                f"def {self.name}(*{self.inputs[0]}, setting)."
            )
        if invalid or not self.name.isidentifier() or Parameter.VAR_KEYWORD in kinds or not self.inputs:
            raise VJPDefinitionError(
                f"op {self.name!r}: an op must be a named function with at least one input and without **kwargs, got "
                f"the parameters {sorted(names)}. Names must not begin with _ or be one of {sorted(reserved)}."
            )

    def _is_input(self, parameter: Parameter) -> bool:
        if self.slash or self.variadic:
            return parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)
        return parameter.default is Parameter.empty and parameter.kind is not Parameter.KEYWORD_ONLY

    def _require_name(self, name: str, known: Iterable[str], where: str) -> None:
        """Raise for an unknown name, and suggest the closest one."""
        if name not in known:
            closest = nearest(name, known)
            hint = f"did you mean {closest!r}?" if closest else f"expected one of {', '.join(known)}."
            raise VJPDefinitionError(f"{where}: op {self.name} has nothing named {name!r}; {hint}")


def _source_text(function: Callable[..., Any]) -> str:
    from tinygrad_edu.sources import source_of

    source = source_of(function)
    return repr(function) if source is None else source.text


def _missing_vjp(name: str, argument: str) -> Callable[..., NoReturn]:
    """Return a function that raises an error when a gradient reaches an argument without a vjp."""

    def vjp(g: Any) -> NoReturn:
        raise MissingVJPError(
            f"op {name} has no vjp for its argument {argument} (a gradient of shape {g.shape} reached it): define one "
            f"with {name}.vjps({argument}=lambda g, ...: ...), or detach() the argument."
        )

    return vjp
