"""Types of the calls of modules, for type checkers."""

from typing import Any, ParamSpec, Protocol, overload

from numpy.typing import ArrayLike
from typing_extensions import TypeVar

from tinygrad_edu.engine import Array, PlainArrayLike, Tensor
from tinygrad_edu.nn.hooks import Hooks
from tinygrad_edu.nn.sequences.packing import PackedSequence

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output", covariant=True)
Same = TypeVar("Same")
States = TypeVar("States", covariant=True)

class HasForward(Protocol[Inputs, Output]):
    """A module: a call has the parameters and the result of `forward`."""

    _hooks: Hooks | None
    def forward(self, *inputs: Inputs.args, **settings: Inputs.kwargs) -> Output: ...

class OneInput(Protocol):
    """The call of a module without parameters: a Tensor for a Tensor, an array for an array."""

    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Array: ...

class Rotation(Protocol):
    """The call of `RotaryEmbedding`."""

    @overload
    def __call__(self, x: Tensor, start: int = 0) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, start: int = 0) -> Array: ...

class MaybeParameters(Protocol):
    """The call of a module that has parameters or not: with parameters, it returns a Tensor."""

    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike) -> Tensor | Array: ...

class SameOutput(Protocol):
    """The call of `Identity`."""

    def __call__(self, x: Same) -> Same: ...

class OverSteps(Protocol[States]):
    """The call of a recurrent layer: packed sequences for packed sequences."""

    @overload
    def __call__(self, x: Tensor, hx: Any = None) -> tuple[Tensor, States]: ...
    @overload
    def __call__(self, x: PackedSequence, hx: Any = None) -> tuple[PackedSequence, States]: ...
    @overload
    def __call__(self, x: PlainArrayLike, hx: Any = None) -> tuple[Tensor, States]: ...

class LossOfTarget(Protocol):
    """The call of a loss: a Tensor if the input or the target is a Tensor."""

    @overload
    def __call__(self, input: Tensor, target: Tensor | PlainArrayLike) -> Tensor: ...
    @overload
    def __call__(self, input: PlainArrayLike, target: Tensor) -> Tensor: ...
    @overload
    def __call__(self, input: PlainArrayLike, target: PlainArrayLike) -> Array: ...

class LossOfThree(Protocol):
    """The call of a loss of three inputs, such as an anchor, a positive and a negative sample."""

    @overload
    def __call__(self, x: Tensor, y: Tensor | PlainArrayLike, z: Tensor | PlainArrayLike, /) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: Tensor, z: Tensor | PlainArrayLike, /) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike, z: Tensor, /) -> Tensor: ...
    @overload
    def __call__(self, x: PlainArrayLike, y: PlainArrayLike, z: PlainArrayLike, /) -> Array: ...

class LossOfSequences(Protocol):
    """The call of a loss of label sequences and lengths."""

    @overload
    def __call__(
        self, log_probs: Tensor, targets: ArrayLike, input_lengths: ArrayLike, target_lengths: ArrayLike
    ) -> Tensor: ...
    @overload
    def __call__(
        self, log_probs: PlainArrayLike, targets: ArrayLike, input_lengths: ArrayLike, target_lengths: ArrayLike
    ) -> Array: ...

# Type arguments of containers and layers. A class without arguments has the defaults.
Out = TypeVar("Out", default=Tensor)  # the result of the last module of a Sequential, or of a pooling layer
Element = TypeVar("Element", default=Any)  # the modules of a list or dict
