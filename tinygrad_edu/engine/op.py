"""Ops of the library: any number of inputs, inputs that keep their dtype, keywords, and names in errors.

`call.py` calls an op and records it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence, Set
from functools import wraps
from inspect import Parameter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu import core
from tinygrad_edu.core import checks
from tinygrad_edu.engine.fast.parameters import parameters
from tinygrad_edu.errors import VJPDefinitionError
from tinygrad_edu.errors.hints import nearest, raise_unexpected_keyword

Array = NDArray[Any]
Function = Callable[..., Any]  # a function of a user
Operand = Array | float
PlainArrayLike = Array | np.generic | float | Sequence[Any]  # NumPy's ArrayLike includes Tensors
TensorLike = Any  # a Tensor or a PlainArrayLike: tools/stubs.py declares the results for both


class _LazyCall:
    """Descriptor that makes the call of an op at its first use, since most programs use few ops.

    It is not a `cached_property`: the lock of that class in Python 3.11 can deadlock a forked process.
    """

    def __get__(self, op: Op | None, kind: type) -> Any:
        if op is None:  # accessed on the class: return the descriptor, as a property does
            return self
        vars(op)["call"] = written = op.make_call()
        return written


class Op(core.Op):
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

    name: str
    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., Any]
    call = _LazyCall()

    def make_call(self) -> Callable[..., Any]:
        """Return the function that a call runs."""

        @wraps(self.__wrapped__)
        def call(*args: Any, **keywords: Any) -> Any:
            return Op.__call__(self, *args, **keywords)

        return call

    def __init__(
        self,
        forward: Callable[..., Any],
        broadcasts: bool = False,
        promotes: bool | Iterable[str] = True,
        name: str | None = None,
        batching: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(forward, broadcasts)
        self.name, self.batching = name or self.name, batching
        self.composition: Callable[..., Any] | None = None
        self.keywords: dict[str, Any] = {}
        read = list(self.signature.parameters.values())
        kinds = {p.kind for p in read}
        self.variadic = Parameter.VAR_POSITIONAL in kinds
        self.slash = Parameter.POSITIONAL_ONLY in kinds
        if self.variadic:
            self.inputs = tuple(p.name for p in read if p.kind is Parameter.VAR_POSITIONAL)
        self.settings = {p.name: p.default for p in read if p.name not in self.inputs}
        self._check_names(kinds)
        self.promotes = tuple(promotes) if not isinstance(promotes, bool) else self.inputs if promotes else ()
        for x in self.promotes:
            self._require_name(x, self.inputs, f"@op(promotes={self.promotes})")

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
        possible_arguments = self.possible_arguments()
        for x, function in functions.items():
            self._require_name(x, self.inputs, f"{self.name}.vjps")
            for name in self.arguments_of(function):
                self._require_name(name, possible_arguments, f"{self.name}.vjps({x}=...)")
        self.vjp_functions = dict(self.vjp_functions)  # a call that was made keeps its own
        super().vjps(**functions)
        self.forget_call()

    def forget_call(self) -> None:
        """Make the call anew at its next use: the present one was made for other vjps."""
        vars(self).pop("call", None)

    def replace_forward(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Compute the op by another function of the same arguments with the same result, and return that function."""
        self.forward = forward
        self.forget_call()
        return forward

    def arguments_of(self, function: Callable[..., Any]) -> list[str]:
        """Return the names of the values that a vjp requests: ``**settings`` requests all settings."""
        read = list(parameters(function))[1:]
        names = [p.name for p in read if p.kind is not Parameter.VAR_KEYWORD]
        others = [name for name in self.settings if name not in names] if len(names) < len(read) else []
        return [*(name for name in names if not (self.variadic and name == "k")), *others]

    def possible_arguments(self) -> list[str]:
        """Return the names of all that a vjp can request."""
        if self.variadic:
            return self._possible_arguments_of(2)  # two, as for any number
        return super().possible_arguments()

    def _possible_arguments_of(self, count: int) -> list[str]:
        """Return the names of all that the vjp of a variadic input can request in a call with `count` arrays."""
        (arrays,) = self.inputs
        names = [f"{arrays}{k}" for k in range(count)]
        parts = [f"{x}_{part}" for x in names for part in ("shape", "dtype")]
        return [*names, "out", *parts, f"{arrays}_shapes", *self.settings]

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
        forward = inspect.signature(self.composition) if self.composition else self.signature
        named = forward.parameters.values()
        read = [p.replace(annotation="TensorLike") if p.name in self.inputs else p for p in named]
        return forward.replace(parameters=read, return_annotation="Tensor | Array")

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def _repr_html_(self) -> str:
        """Show the source of each vjp."""
        from html import escape  # imported at the first display

        from tinygrad_edu.shared.display.html import fold_html

        vjps = [(argument, _source_text(function)) for argument, function in self.vjp_functions.items()]
        table = "".join(f"<div>{escape(argument)}<pre>{escape(text)}</pre></div>" for argument, text in vjps)
        parameters = self.signature.parameters.values()
        signature = inspect.Signature([p.replace(annotation=Parameter.empty) for p in parameters])
        return fold_html(f"op {self.name}{signature}", table, is_open=True)

    def __reduce__(self) -> str:
        """Pickle an op by its qualified name: as for any function, copies and unpickled ops are this object."""
        return self.__qualname__

    def names(self, count: int) -> tuple[str, ...]:
        """Return the names of `count` inputs: ``arrays0, arrays1, ...`` for a variadic input."""
        if not self.variadic:
            return self.inputs
        (arrays,) = self.inputs
        for name in self.vjp_arguments[arrays]:
            self._require_name(name, self._possible_arguments_of(count), f"{self.name}.vjps({arrays}=...)")
        names = tuple(f"{arrays}{k}" for k in range(count))
        self.vjp_arguments.update(dict.fromkeys(names, self.vjp_arguments[arrays]))  # one vjp for all of them
        return names

    def promoted(self, x: str) -> bool:
        """Return whether the input x is promoted to the common dtype."""
        return (self.inputs[0] if self.variadic else x) in self.promotes

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Compute and record, by the composition if a keyword is given that the forward lacks."""
        if others := [name for name in keywords if name not in self.signature.parameters]:
            return call_with_keywords(self, args, keywords, {name: keywords.pop(name) for name in others})
        return super().__call__(*args, **keywords)

    def bind(self, args: tuple[Any, ...], settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the inputs and the settings of a call, by name."""
        try:
            return super().bind(args, settings)
        except TypeError as error:
            raise TypeError(f"{self.name}() got unexpected arguments: {error}.") from None

    def vjp(self, x: str, g: Any, saved: dict[str, Any]) -> Any:
        """Compute the gradient of the input x. Name the vjp in errors."""
        try:
            return self._vjp_of_any(x, g, saved) if self.variadic else super().vjp(x, g, saved)
        except Exception as error:
            error.add_note(f"In the vjp of {self!r} for its argument {x}.")
            raise

    def _vjp_of_any(self, x: str, g: Any, saved: dict[str, Any]) -> Any:
        """Call the vjp of a variadic input for the input x, whose position is k."""
        (arrays,) = self.inputs
        checks.has_vjp(self, arrays, g)
        requested = {name: saved[name] for name in self.vjp_arguments[x]}
        return self.vjp_functions[arrays](g, **requested, **self.position(x))

    def position(self, x: str) -> dict[str, int]:
        """Return the position k of the input x, for the vjp of a variadic input that asks for it; else nothing."""
        (arrays, *_) = self.inputs
        takes_k = self.variadic and "k" in (p.name for p in parameters(self.vjp_functions[arrays]))
        return {"k": int(x.removeprefix(arrays))} if takes_k else {}

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

    def _require_name(self, name: str, known: Iterable[str], where: str) -> None:
        """Raise for an unknown name, and suggest the closest one."""
        if name not in known:
            closest = nearest(name, known)
            hint = f"did you mean {closest!r}?" if closest else f"expected one of {', '.join(known)}."
            raise VJPDefinitionError(f"{where}: op {self.name} has nothing named {name!r}; {hint}")


def call_with_keywords(op: Op, args: Any, settings: dict[str, Any], others: dict[str, Any]) -> Any:
    """Compute a call with keywords that the forward lacks by the op's composition. Raise for unknown keywords."""
    unknown = [name for name in others if name not in op.keywords]
    if unknown:
        raise_unexpected_keyword(op.name, unknown, (*op.settings, *op.keywords))
    given = {k: x for k, x in others.items() if x is not op.keywords[k]}
    plain = core.Tensor.result_class
    values = {k: checks.setting(op, k, x)._data if x.__class__ is plain else x for k, x in (settings | given).items()}
    function = op.composition if given and op.composition else op
    return function(*args, **values)


def _source_text(function: Callable[..., Any]) -> str:
    from tinygrad_edu.shared.sources import source_of

    source = source_of(function)
    return repr(function) if source is None else source.text
