"""Types of the transforms: the gradient has the type of its argument. A number or a list becomes a Tensor.

The last overload of each returns Any: mypy cannot tell which one is meant for a lambda, whose parameters have no type.
"""

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, TypeVarTuple, overload

import numpy as np

from tinygrad_edu.engine import Array, Function, PlainArrayLike, Tensor
from tinygrad_edu.transforms.checkpoint import checkpoint as checkpoint
from tinygrad_edu.transforms.custom_vjp import custom_vjp as custom_vjp
from tinygrad_edu.transforms.vmap import vmap as vmap

_Values = Tensor | PlainArrayLike
_ToTensor = Tensor | float | Sequence[Any]
_Float = np.floating[Any]
_Both = tuple[Literal[0], Literal[1]]
_Others = ParamSpec("_Others")  # the other arguments
_X = TypeVar("_X")  # a pytree of Tensors
_Y = TypeVar("_Y")
_Out = TypeVar("_Out")
_Aux = TypeVar("_Aux")
_Aux_co = TypeVar("_Aux_co", covariant=True)
_Xs = TypeVarTuple("_Xs")
_A = TypeVar("_A", bound=Array | np.generic)
_B = TypeVar("_B", bound=Array | np.generic)

class _OfOne(Protocol[_Others]):  # a derivative by a Tensor or an array
    @overload
    def __call__(self, x: _A, /, *args: _Others.args, **kwargs: _Others.kwargs) -> _A: ...
    @overload
    def __call__(self, x: _ToTensor, /, *args: _Others.args, **kwargs: _Others.kwargs) -> Tensor: ...

class _OfTwo(Protocol[_Others]):
    @overload
    def __call__(self, x: _A, y: _B, /, *args: _Others.args, **kwargs: _Others.kwargs) -> tuple[_A, _B]: ...
    @overload
    def __call__(self, x: _A, y: _ToTensor, /, *args: _Others.args, **kwargs: _Others.kwargs) -> tuple[_A, Tensor]: ...
    @overload
    def __call__(self, x: _ToTensor, y: _A, /, *args: _Others.args, **kwargs: _Others.kwargs) -> tuple[Tensor, _A]: ...
    @overload
    def __call__(
        self, x: _ToTensor, y: _ToTensor, /, *args: _Others.args, **kwargs: _Others.kwargs
    ) -> tuple[Tensor, Tensor]: ...

class _OfSecond(Protocol[_Others]):
    @overload
    def __call__(self, x: _Values, y: _A, /, *args: _Others.args, **kwargs: _Others.kwargs) -> _A: ...
    @overload
    def __call__(self, x: _Values, y: _ToTensor, /, *args: _Others.args, **kwargs: _Others.kwargs) -> Tensor: ...

class _WithAux(Protocol[_Others, _Aux_co]):
    @overload
    def __call__(self, x: _A, /, *args: _Others.args, **kwargs: _Others.kwargs) -> tuple[_A, Any]: ...
    @overload
    def __call__(self, x: _ToTensor, /, *args: _Others.args, **kwargs: _Others.kwargs) -> tuple[Tensor, _Aux_co]: ...

class _WithValue(Protocol[_Others]):
    @overload
    def __call__(self, x: _A, /, *args: _Others.args, **kwargs: _Others.kwargs) -> tuple[_Float, _A]: ...
    @overload
    def __call__(self, x: _ToTensor, /, *args: _Others.args, **kwargs: _Others.kwargs) -> tuple[Tensor, Tensor]: ...

@overload
def grad(
    f: Callable[Concatenate[Tensor, _Others], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> _OfOne[_Others]: ...
@overload
def grad(
    f: Callable[Concatenate[_X, _Others], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> Callable[Concatenate[_X, _Others], _X]: ...
@overload
def grad(
    f: Callable[Concatenate[Tensor, Tensor, _Others], Tensor], argnums: Literal[1], has_aux: Literal[False] = False
) -> _OfSecond[_Others]: ...
@overload
def grad(
    f: Callable[Concatenate[_X, _Y, _Others], Tensor], argnums: Literal[1], has_aux: Literal[False] = False
) -> Callable[Concatenate[_X, _Y, _Others], _Y]: ...
@overload
def grad(
    f: Callable[Concatenate[Tensor, Tensor, _Others], Tensor], argnums: _Both, has_aux: Literal[False] = False
) -> _OfTwo[_Others]: ...
@overload
def grad(
    f: Callable[Concatenate[_X, _Y, _Others], Tensor], argnums: _Both, has_aux: Literal[False] = False
) -> Callable[Concatenate[_X, _Y, _Others], tuple[_X, _Y]]: ...
@overload
def grad(
    f: Callable[Concatenate[Tensor, _Others], tuple[Tensor, _Aux]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
) -> _WithAux[_Others, _Aux]: ...
@overload
def grad(
    f: Callable[Concatenate[_X, _Others], tuple[Tensor, _Aux]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
) -> Callable[Concatenate[_X, _Others], tuple[_X, _Aux]]: ...
@overload
def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Any: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[Tensor, _Others], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> _WithValue[_Others]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[_X, _Others], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> Callable[Concatenate[_X, _Others], tuple[Tensor, _X]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[Tensor, Tensor, _Others], Tensor], argnums: Literal[1], has_aux: Literal[False] = False
) -> Callable[Concatenate[_Values, _Values, _Others], tuple[Tensor, Tensor]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[_X, _Y, _Others], Tensor], argnums: Literal[1], has_aux: Literal[False] = False
) -> Callable[Concatenate[_X, _Y, _Others], tuple[Tensor, _Y]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[Tensor, Tensor, _Others], Tensor], argnums: _Both, has_aux: Literal[False] = False
) -> Callable[Concatenate[_Values, _Values, _Others], tuple[Tensor, tuple[Tensor, Tensor]]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[_X, _Y, _Others], Tensor], argnums: _Both, has_aux: Literal[False] = False
) -> Callable[Concatenate[_X, _Y, _Others], tuple[Tensor, tuple[_X, _Y]]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[Tensor, _Others], tuple[Tensor, _Aux]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
) -> Callable[Concatenate[_Values, _Others], tuple[tuple[Tensor, _Aux], Tensor]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[_X, _Others], tuple[Tensor, _Aux]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
) -> Callable[Concatenate[_X, _Others], tuple[tuple[Tensor, _Aux], _X]]: ...
@overload
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Any: ...
@overload
def jacobian(
    f: Callable[Concatenate[Tensor, _Others], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> _OfOne[_Others]: ...
@overload
def jacobian(
    f: Callable[Concatenate[Tensor, Tensor, _Others], Tensor], argnums: Literal[1], has_aux: Literal[False] = False
) -> _OfSecond[_Others]: ...
@overload
def jacobian(
    f: Callable[Concatenate[Tensor, Tensor, _Others], Tensor], argnums: _Both, has_aux: Literal[False] = False
) -> _OfTwo[_Others]: ...
@overload
def jacobian(
    f: Callable[Concatenate[Tensor, _Others], tuple[Tensor, _Aux]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
) -> _WithAux[_Others, _Aux]: ...
@overload
def jacobian(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Any: ...
@overload
def hessian(
    f: Callable[Concatenate[Tensor, _Others], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> _OfOne[_Others]: ...
@overload
def hessian(
    f: Callable[Concatenate[Tensor, Tensor, _Others], Tensor], argnums: _Both, has_aux: Literal[False] = False
) -> Callable[Concatenate[_Values, _Values, _Others], tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]: ...
@overload
def hessian(
    f: Callable[Concatenate[Tensor, _Others], tuple[Tensor, _Aux]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
) -> _WithAux[_Others, _Aux]: ...
@overload
def hessian(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Any: ...
@overload
def hvp(f: Callable[[Tensor], Tensor], x: _A, v: _Values, has_aux: Literal[False] = False) -> _A: ...
@overload
def hvp(f: Callable[[Tensor], Tensor], x: _ToTensor, v: _Values, has_aux: Literal[False] = False) -> Tensor: ...
@overload
def hvp(f: Callable[[_X], Tensor], x: Any, v: Any, has_aux: Literal[False] = False) -> _X: ...
@overload
def hvp(f: Callable[[Tensor], tuple[Tensor, _Aux]], x: _A, v: _Values, has_aux: Literal[True]) -> tuple[_A, Any]: ...
@overload
def hvp(
    f: Callable[[Tensor], tuple[Tensor, _Aux]], x: _ToTensor, v: _Values, has_aux: Literal[True]
) -> tuple[Tensor, _Aux]: ...
@overload
def hvp(f: Callable[[_X], tuple[Tensor, _Aux]], x: Any, v: Any, has_aux: Literal[True]) -> tuple[_X, _Aux]: ...
@overload
def hvp(f: Function, x: Any, v: Any, has_aux: bool = False) -> Any: ...
@overload
def vjp(
    f: Callable[[Tensor], Any], x: _A, /, *, has_aux: Literal[False] = False
) -> tuple[Any, Callable[[Any], tuple[_A]]]: ...
@overload
def vjp(
    f: Callable[[Tensor], _Out], x: _ToTensor, /, *, has_aux: Literal[False] = False
) -> tuple[_Out, Callable[[_Out | PlainArrayLike], tuple[Tensor]]]: ...
@overload
def vjp(
    f: Callable[[Tensor, Tensor], Any], x: _A, y: _B, /, *, has_aux: Literal[False] = False
) -> tuple[Any, Callable[[Any], tuple[_A, _B]]]: ...
@overload
def vjp(
    f: Callable[[Tensor, Tensor], _Out], x: _ToTensor, y: _ToTensor, /, *, has_aux: Literal[False] = False
) -> tuple[_Out, Callable[[_Out | PlainArrayLike], tuple[Tensor, Tensor]]]: ...
@overload
def vjp(
    f: Callable[[*_Xs], _Out], *args: Any, has_aux: Literal[False] = False
) -> tuple[_Out, Callable[[_Out | PlainArrayLike], tuple[*_Xs]]]: ...
@overload
def vjp(
    f: Callable[[Tensor], tuple[Any, Any]], x: _A, /, *, has_aux: Literal[True]
) -> tuple[Any, Callable[[Any], tuple[_A]], Any]: ...
@overload
def vjp(
    f: Callable[[Tensor], tuple[_Out, _Aux]], x: _ToTensor, /, *, has_aux: Literal[True]
) -> tuple[_Out, Callable[[_Out | PlainArrayLike], tuple[Tensor]], _Aux]: ...
@overload
def vjp(
    f: Callable[[*_Xs], tuple[_Out, _Aux]], *args: Any, has_aux: Literal[True]
) -> tuple[_Out, Callable[[_Out | PlainArrayLike], tuple[*_Xs]], _Aux]: ...
@overload
def vjp(f: Function, *args: Any, has_aux: bool = False) -> tuple[Any, ...]: ...
@overload
def jvp(
    f: Callable[..., Any],
    args: Sequence[Array | np.generic],
    tangents: Sequence[Any],
    has_aux: bool = False,
) -> tuple[Any, ...]: ...
@overload
def jvp(
    f: Callable[[Tensor], _Out], args: tuple[Any], tangents: tuple[Any], has_aux: Literal[False] = False
) -> tuple[_Out, _Out]: ...
@overload
def jvp(
    f: Callable[[Tensor, Tensor], _Out],
    args: tuple[Any, Any],
    tangents: tuple[Any, Any],
    has_aux: Literal[False] = False,
) -> tuple[_Out, _Out]: ...
@overload
def jvp(
    f: Callable[..., _Out], args: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[False] = False
) -> tuple[_Out, _Out]: ...
@overload
def jvp(
    f: Callable[[Tensor], tuple[_Out, _Aux]], args: tuple[Any], tangents: tuple[Any], has_aux: Literal[True]
) -> tuple[_Out, _Out, _Aux]: ...
@overload
def jvp(
    f: Callable[..., tuple[_Out, _Aux]], args: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[True]
) -> tuple[_Out, _Out, _Aux]: ...
@overload
def jvp(f: Function, args: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple[Any, ...]: ...
