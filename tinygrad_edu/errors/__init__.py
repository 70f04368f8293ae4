"""Errors and warnings: one class for each kind of mistake, derived from the matching built-in exception."""


class TinygradError(Exception):
    """Base class of the errors that this package raises.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> try:
    ...     tg.ones((2,)) + tg.ones((3,))
    ... except TinygradError as error:
    ...     print(type(error).__name__)
    ShapeError
    """


class ShapeError(TinygradError, ValueError):
    """Shapes that do not match or do not broadcast.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.ones((2,)) + tg.ones((3,))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.ShapeError: op add: operands could not be broadcast together with shapes (2,) (3,). The ...
    """


class DTypeError(TinygradError, TypeError):
    """A dtype, or a type of value, that is not supported.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.Tensor("one")
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.DTypeError: a Tensor must hold real numbers or booleans, got a str of dtype <U3.
    """


class IntegerGradientError(DTypeError):
    """A gradient was requested for a tensor that is not floating point.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.Tensor([1, 2], dtype=int, requires_grad=True)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.IntegerGradientError: a tensor of dtype int64 cannot require a gradient: the dtype must ...
    """


class VJPDefinitionError(TinygradError, TypeError):
    """An op or a vjp is declared, or a gradient check is called, with invalid arguments.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> @tg.op
    ... def double(x):
    ...     return 2 * x
    >>> double.vjps(y=lambda g, x: 2 * g)
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.VJPDefinitionError: double.vjps: op double has nothing named 'y'; expected one of x.
    """


class MissingVJPError(TinygradError, NotImplementedError):
    """A gradient reached an argument for which its op has no vjp.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> @tg.op
    ... def double(x):
    ...     return 2 * x
    >>> double(tg.Tensor(3.0, requires_grad=True)).backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.MissingVJPError: op double has no vjp for its argument x (a gradient of shape () ...
    In the vjp of <op double> for its argument x.
    """


class WrongGradientError(TinygradError, ValueError):
    """A vjp or a hook returned a gradient of the wrong type, shape or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_edu as tg
    >>> @tg.op
    ... def double(x):
    ...     return 2 * x
    >>> double.vjps(x=lambda g, x: np.zeros(3))
    >>> double(tg.Tensor([3.0, 4.0], requires_grad=True)).sum().backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.WrongGradientError: op double: the vjp of x returned shape (3,); expected the shape of ...
    """


class LostGradientWarning(UserWarning):
    """A value leaves the graph implicitly, and its gradient is lost; the message shows the explicit form.

    Examples
    --------
    >>> import warnings
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with warnings.catch_warnings():  # doctest: +ELLIPSIS
    ...     warnings.simplefilter("error", LostGradientWarning)
    ...     (w * w).grad
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.LostGradientWarning: a tensor computed by op multiply has no .grad...
    """


class PromotionWarning(UserWarning):
    """A float32 tensor met a float64 tensor in a module; the rest of the model is float64. Issued once per model.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> import tinygrad_edu as tg
    >>> with warnings.catch_warnings():  # doctest: +ELLIPSIS
    ...     warnings.simplefilter("error", PromotionWarning)
    ...     tg.nn.Linear(1, 1)(tg.Tensor(np.ones((1, 1))))
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.PromotionWarning: Linear: op linear computed float64, because a float32 parameter of ...
    """


class MappedValueError(TinygradError, TypeError):
    """A number, a truth value or an array was asked of a Tensor inside of `vmap`, which stands for many samples.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.vmap(lambda x: float(x))(tg.ones((2,)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.MappedValueError: float() of a Tensor of shape () inside of vmap: it stands for 2 samples. ...
    """


class ExportError(TinygradError, NotImplementedError):
    """A model cannot be exported to ONNX: it calls a function without a counterpart, or depends on values.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> class Inverse(tg.nn.Module):
    ...     def forward(self, x):
    ...         return tg.linalg.inv(x)
    >>> from tinygrad_edu.interop.onnx import export
    >>> export(Inverse(), tg.ones((3, 2, 2)) + tg.eye(2), "inverse.onnx")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.ExportError: onnx.export: inv at ... has no counterpart in ONNX.
    """


class HabitWarning(UserWarning):
    """A call that PyTorch and NumPy understand in two ways. It is issued once for each place.

    Examples
    --------
    >>> import warnings
    >>> import tinygrad_edu as tg
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", HabitWarning)
    ...     tg.ones((2, 3)).max(1)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.HabitWarning: max: with an axis by position, PyTorch returns a pair of values and ...
    """


class LoopWarning(UserWarning):
    """A function without a batching rule runs once for each sample of `vmap`, which is slow. Issued once per function.

    Examples
    --------
    >>> import warnings
    >>> import tinygrad_edu as tg
    >>> @tg.op
    ... def double(x):
    ...     return x + x
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", LoopWarning)
    ...     tg.vmap(double)(tg.ones((2,)))
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.LoopWarning: vmap: double has no batching rule for this call, and runs once for each sample.
    """


class NoGraphError(TinygradError, RuntimeError):
    """An operation needs a graph or a gradient that the tensor does not have.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.Tensor(1.0).backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.NoGraphError: backward() on a tensor without a graph: no input had requires_grad=True, ...
    """


class NonScalarBackwardError(TinygradError, RuntimeError):
    """A gradient of a result with more than one element was requested without a cotangent.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> (2 * tg.ones((3,), requires_grad=True)).backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.NonScalarBackwardError: backward() on a tensor of shape (3,) needs a gradient of that ...
    """


class GraphFreedError(TinygradError, RuntimeError):
    """A second backward() through a graph whose saved values were freed.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> y = tg.exp(tg.Tensor(1.0, requires_grad=True))
    >>> y.backward()
    >>> y.backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.GraphFreedError: backward() a second time through op exp (shape ()): its saved values ...
    """


class StaleValueError(TinygradError, RuntimeError):
    """A value that a gradient needs was changed in place after it was saved.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> loss = (w * w).sum()
    >>> with tg.no_grad():
    ...     w += 1
    >>> loss.backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.StaleValueError: op multiply: the vjp of x saved y, which has since been changed in ...
    """


class AnomalyError(TinygradError, FloatingPointError):
    """An op or a vjp introduced NaN or infinity, inside of `detect_anomaly`.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_edu as tg
    >>> with np.errstate(divide="ignore"), tg.detect_anomaly():  # doctest: +ELLIPSIS
    ...     tg.log(tg.Tensor(0.0, requires_grad=True))
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.AnomalyError: op log: result is -inf, of x = 0.0, and no input is infinite.
      x: float32 of shape (), 0.0
      result: float32 of shape (), 1 x -inf
    Called at
      File ...
    """


class LeafInPlaceError(TinygradError, RuntimeError):
    """A recorded in-place operation on a leaf that requires a gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> w += 1  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.LeafInPlaceError: add in place on a leaf that requires a gradient, or on a view of one, ...
    """


class ReadOnlyError(TinygradError, ValueError):
    """An in-place operation on read-only memory.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_edu as tg
    >>> t = tg.from_numpy(np.broadcast_to(1.0, (3,)))
    >>> t += 1  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.ReadOnlyError: add in place: a tensor of shape (3,) is read-only, as the result of ...
    """


class FitNotRunWarning(UserWarning):
    """The result of `fit` was discarded before it was iterated over, so nothing was trained.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from tinygrad_edu import nn, optim, training
    >>> model, x, rng = nn.Linear(1, 1), np.ones((4, 1), np.float32), np.random.default_rng(0)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     epochs = training.fit(model, optim.SGD(model.parameters()), nn.mse_loss, [(x, x)], epochs=1, rng=rng)
    ...     del epochs
    >>> [each.category.__name__ for each in caught]
    ['FitNotRunWarning']
    """


class OptimizerWarning(UserWarning):
    """An optimizer lacks a trainable parameter of the model, or holds a parameter of another model.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from tinygrad_edu import nn, optim, training
    >>> model, x = nn.Linear(1, 1), np.ones((4, 1), np.float32)
    >>> steps = training.Steps(model, optim.SGD([model.weight]), nn.mse_loss, np.random.default_rng(0))
    >>> with warnings.catch_warnings():  # doctest: +ELLIPSIS
    ...     warnings.simplefilter("error", OptimizerWarning)
    ...     list(steps.run([(x, x)]))
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.OptimizerWarning: the optimizer does not hold bias, which got a gradient but is not ...
    """


class ShardError(TinygradError, ValueError):
    """The samples of a batch that is computed in shards are not independent.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu import nn, training
    >>> training.predict(nn.Softmax(axis=0), np.ones((8, 3), np.float32), shard_size=4)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.ShardError: Softmax(axis=0): its axis 0 is the sample axis of an input of shape (4, 3). With ...
    """

    reason: str  # how samples depend on each other, without the remedy


class StateDictError(TinygradError, ValueError):
    """Keys or shapes of a state dict that do not match the module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.nn.Linear(2, 1).load_state_dict({})
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.StateDictError: cannot load this state dict into Linear (nothing was loaded):
      missing: weight, of shape (1, 2)
      missing: bias, of shape (1,)
    Build the module as the saved one was built, or rename, reshape or remove entries.
    """


class ForkedError(TinygradError, RuntimeError):
    """Work on several threads was continued in a forked process, which does not have those threads.

    Examples
    --------
    >>> try:
    ...     raise ForkedError("map_shards: this process was forked.")
    ... except RuntimeError as error:
    ...     print(error)
    map_shards: this process was forked.
    """


class BusyBLASError(TinygradError, RuntimeError):
    """Another thread of the program controls the number of BLAS threads, so shards cannot limit it.

    Examples
    --------
    >>> try:
    ...     raise BusyBLASError("single_threaded_blas: another thread limits openblas.")
    ... except RuntimeError as error:
    ...     print(error)
    single_threaded_blas: another thread limits openblas.
    """


class LostWorkerError(TinygradError, RuntimeError):
    """A worker ended before its work was done.

    Examples
    --------
    >>> try:
    ...     raise LostWorkerError("worker 2 of 4 ended.")
    ... except RuntimeError as error:
    ...     print(error)
    worker 2 of 4 ended.
    """


class FailedWorkerError(TinygradError, RuntimeError):
    """Another rank raised an error that cannot be sent; the message gives its class and text.

    Examples
    --------
    >>> try:
    ...     raise FailedWorkerError("rank 1 raised CustomError: no data.")
    ... except RuntimeError as error:
    ...     print(error)
    rank 1 raised CustomError: no data.
    """


class WorkersDifferError(TinygradError, RuntimeError):
    """Workers that train one model differ in weights, random numbers or samples.

    Examples
    --------
    >>> try:
    ...     raise WorkersDifferError("the weights of rank 1 differ.")
    ... except RuntimeError as error:
    ...     print(error)
    the weights of rank 1 differ.
    """


class DataError(TinygradError, ValueError):
    """An invalid dataset or file.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_edu as tg
    >>> tg.data.Digits(*[np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8)] * 2)
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.DataError: x_train must be uint8 of shape (N, 28, 28), with N >= 1, got shape (0, 28, 28).
    """


class CheckpointError(DataError):
    """A checkpoint that cannot be written, is damaged, or belongs to another run or a newer version.

    Examples
    --------
    >>> import numpy as np
    >>> import tempfile
    >>> from tinygrad_edu.training import Checkpoints
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Checkpoints(folder.name, rng=np.random.default_rng(0)).save()
    >>> try:
    ...     Checkpoints(folder.name, order=[]).load()
    ... except CheckpointError as error:
    ...     print(str(error).partition(": ")[2])
    it holds the parts rng; expected order.
    >>> folder.cleanup()
    """


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, or cannot repeat random numbers; training continues.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", CheckpointWarning)
    """


class UnlockedFolderWarning(UserWarning):
    """A folder is on a file system without locks, so a second program may write into it.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", UnlockedFolderWarning)
    """


class NonFiniteLossError(TinygradError, ArithmeticError):
    """A loss or its gradient became infinite or NaN in training.

    Parameters
    ----------
    message : str
        The message.
    problem : str, default ""
        The part about the quantity that is not finite, and where it occurred.
    cause : str, default ""
        The part about the cause.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu import nn, optim, training
    >>> model, x = nn.Linear(1, 1), np.full((4, 1), np.nan, np.float32)
    >>> steps = training.Steps(model, optim.SGD(model.parameters()), nn.mse_loss, np.random.default_rng(0))
    >>> try:
    ...     list(steps.run([(x, x)]))
    ... except NonFiniteLossError as error:
    ...     print(error.problem)
    the loss became nan in epoch 1, batch 1
    """

    def __init__(self, message: str, problem: str = "", cause: str = "") -> None:
        super().__init__(message)
        self.problem, self.cause = problem, cause


class LessonError(TinygradError, ValueError):
    """An unknown lesson, or a folder without lessons.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tinygrad_edu.lessons.folder import Folder
    >>> try:
    ...     Folder(Path("no_such_folder"))
    ... except LessonError as error:
    ...     print(str(error).partition(": ")[2])
    change to the folder you started, or create one with `python -m tinygrad_edu.lessons start my_engine`.
    """


class MissingExtraError(TinygradError, ImportError):
    """An optional dependency is not installed; the message names the extra that installs it.

    Examples
    --------
    >>> try:
    ...     raise MissingExtraError("erf requires SciPy: install the extra scipy.")
    ... except ImportError as error:
    ...     print(error)
    erf requires SciPy: install the extra scipy.
    """
