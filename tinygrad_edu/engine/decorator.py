"""The decorator ``@op``, which makes an op from a forward function, with types for type checkers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, overload

from tinygrad_edu import core
from tinygrad_edu.engine.batching import BatchingRule, rule_of
from tinygrad_edu.engine.generated_call import generated_call
from tinygrad_edu.engine.op import Array, Op, PlainArrayLike
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.shared.speed.plain_mode import faster_than

Parameters = ParamSpec("Parameters")
Others = ParamSpec("Others")


class TypedOp(Op, Generic[Parameters]):
    """An op whose type has the parameters of its forward. It returns a Tensor for a Tensor."""

    def __init__(
        self,
        forward: Callable[Parameters, Any],
        broadcasts: bool = False,
        promotes: bool | Iterable[str] = True,
        name: str | None = None,
        batching: str | BatchingRule | None = None,
    ) -> None:
        rule = rule_of(name or forward.__name__, batching)
        super().__init__(forward, broadcasts, promotes, name, rule)

    make_call = faster_than(Op.make_call)(generated_call)

    if not TYPE_CHECKING:
        __call__ = property(attrgetter("call"))  # in half the time of a method

    if TYPE_CHECKING:  # a Tensor among the first three inputs gives a Tensor; arrays give an array

        @overload
        def __call__(
            self: TypedOp[Concatenate[Any, Others]], x: Tensor, /, *args: Others.args, **kwargs: Others.kwargs
        ) -> Tensor: ...
        @overload
        def __call__(
            self: TypedOp[Concatenate[Any, Any, Others]],
            x: Tensor,
            y: Tensor | PlainArrayLike,
            /,
            *args: Others.args,
            **kwargs: Others.kwargs,
        ) -> Tensor: ...
        @overload
        def __call__(
            self: TypedOp[Concatenate[Any, Any, Others]],
            x: PlainArrayLike,
            y: Tensor,
            /,
            *args: Others.args,
            **kwargs: Others.kwargs,
        ) -> Tensor: ...
        @overload
        def __call__(
            self: TypedOp[Concatenate[Any, Any, Any, Others]],
            x: Tensor | PlainArrayLike,
            y: Tensor | PlainArrayLike,
            z: Tensor,
            /,
            *args: Others.args,
            **kwargs: Others.kwargs,
        ) -> Tensor: ...
        @overload
        def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Array: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
            """Compute and record the op."""


class _OpDecorator(Protocol):
    def __call__(self, forward: Callable[Parameters, Any], /) -> TypedOp[Parameters]: ...


@overload
def op(forward: Callable[Parameters, Any]) -> TypedOp[Parameters]: ...
@overload
def op(
    *,
    broadcasts: bool = ...,
    promotes: bool | Iterable[str] = ...,
    name: str | None = ...,
    batching: str | BatchingRule | None = ...,
) -> _OpDecorator: ...
def op(
    forward: Any = None,
    *,
    broadcasts: bool = False,
    promotes: bool | Iterable[str] = True,
    name: str | None = None,
    batching: str | BatchingRule | None = None,
) -> Any:
    """Make an `Op` from a function of arrays: ``@op``, or ``@op(broadcasts=True)``. `Op.vjps` sets its vjps.

    The parameters before a ``/`` are the inputs, and the others are settings. Without a ``/``, the inputs are the
    parameters before a ``*`` that have no default.

    Parameters
    ----------
    forward : callable, optional
        The function of arrays. Without it, `op` returns a decorator.
    broadcasts : bool, default False
        Whether the inputs broadcast against each other; the engine then sums gradients over broadcast axes.
    promotes : bool or iterable of str, default True
        Inputs that are promoted to a common dtype: plain values to that of the tensors, integers to that of the
        floating-point inputs. True means all. Exclude conditions, masks, labels and indices; pass False if
        the op chooses the dtype of its result.
    name : str, optional
        Name of the public function, for errors and the tape. Default: the name of the forward.
    batching : str or callable, optional
        How `vmap` computes all samples by one call: ``"elementwise"``; ``"axis"`` or ``"along"`` for an op along the
        setting `axis`, where None means all axes or the flattened array; ``"vectors"`` or ``"matrices"`` for
        an op on the last axis or the last two, if the axes before them are independent; ``"first"`` if the first axis
        is; or a function of a `MappedCall`. Default: once for each sample, with a warning.
    """
    if forward is None:
        return lambda function: TypedOp(function, broadcasts, promotes, name, batching)
    return TypedOp(forward, broadcasts, promotes, name, batching)


core.Op.op_class = TypedOp


def extend(made: core.Op, batching: str | BatchingRule, promotes: bool = True, doc: str | None = None) -> Op:
    """Add to an op of the core what `op` declares for others, and return it. `doc` replaces a shorter docstring."""
    assert isinstance(made, Op)
    made.batching = rule_of(made.name, batching)
    made.promotes = made.inputs if promotes else ()
    made.__doc__ = doc or made.__doc__
    made.forget_call()
    return made


def _adopt_core_ops() -> None:
    """Make the ops of the core, which are older than this class, ops of this class."""
    for made in [x for x in vars(core).values() if isinstance(x, core.Op)]:
        made.__class__ = TypedOp
        Op.declare(made, True, rule_of(made.name, None))  # type: ignore[arg-type]


_adopt_core_ops()
