"""The decorator ``@op`` makes an op of a forward function, with the types of its calls for type checkers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, overload

from tinygrad_edu.engine.fast.generated_call import generated_call
from tinygrad_edu.engine.op import Array, Op
from tinygrad_edu.engine.tensor import Tensor

Parameters = ParamSpec("Parameters")


class TypedOp(Op, Generic[Parameters]):
    """An op with the parameters of its forward as its type. It returns a Tensor for a Tensor."""

    __slots__ = ()

    def __init__(
        self, forward: Callable[Parameters, Any], broadcasts: bool, promotes: bool | Iterable[str], name: str | None
    ) -> None:
        super().__init__(forward, broadcasts, promotes, generated_call, name)

    if TYPE_CHECKING:  # a Tensor, or among the first three inputs one, makes a Tensor; arrays make an array

        @overload
        def __call__(self, x: Tensor, /, *args: Any, **kwargs: Any) -> Tensor: ...  # type: ignore[overload-overlap]
        @overload
        def __call__(self, x: Any, y: Tensor, /, *args: Any, **kwargs: Any) -> Tensor: ...  # type: ignore[overload-overlap]
        @overload
        def __call__(self, x: Any, y: Any, z: Tensor, /, *args: Any, **kwargs: Any) -> Tensor: ...  # type: ignore[overload-overlap]
        @overload
        def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Array: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Compute the op, and record it."""


class _OpDecorator(Protocol):
    def __call__(self, forward: Callable[Parameters, Any], /) -> TypedOp[Parameters]: ...


@overload
def op(forward: Callable[Parameters, Any]) -> TypedOp[Parameters]: ...
@overload
def op(*, broadcasts: bool = ..., promotes: bool | Iterable[str] = ..., name: str | None = ...) -> _OpDecorator: ...
def op(
    forward: Any = None, *, broadcasts: bool = False, promotes: bool | Iterable[str] = True, name: str | None = None
) -> Any:
    """Make an `Op` of a function of arrays: ``@op``, or ``@op(broadcasts=True)``. Its vjps come with `Op.vjps`.

    The parameters before a ``/`` are the inputs, those after it settings; without a ``/``, the inputs are the
    parameters that have no default.

    Parameters
    ----------
    broadcasts : bool
        The inputs broadcast against each other: the engine undoes it in their gradients.
    promotes : bool or iterable of str
        Which inputs are numbers that are computed with, and so follow one dtype: plain ones that of the tensors,
        integers that of the floating-point numbers. All, unless given; not conditions, masks, labels and indices, and
        none where the op decides on the dtype of its result.
    name : str, optional
        The public function that errors and the tape name. By default the name of the forward.
    """
    if forward is None:
        return lambda function: TypedOp(function, broadcasts, promotes, name)
    return TypedOp(forward, broadcasts, promotes, name)
