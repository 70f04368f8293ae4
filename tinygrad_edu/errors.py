"""Errors and warnings: one class for each kind of mistake, derived from the matching built-in exception."""


class TinygradError(Exception):
    """Base class of the errors that this package raises."""


class ShapeError(TinygradError, ValueError):
    """Shapes that do not match or do not broadcast."""


class DTypeError(TinygradError, TypeError):
    """A dtype, or a type of value, that is not supported."""


class IntegerGradientError(DTypeError):
    """A gradient was requested for a tensor that is not floating point."""


class VJPDefinitionError(TinygradError, TypeError):
    """An op or a vjp is declared, or a gradient check is called, with invalid arguments."""


class MissingVJPError(TinygradError, NotImplementedError):
    """A gradient reached an argument for which its op has no vjp."""


class WrongGradientError(TinygradError, ValueError):
    """A vjp or a hook returned a gradient of the wrong type, shape or dtype."""


class LostGradientWarning(UserWarning):
    """A value leaves the graph implicitly, and its gradient is lost; the message shows the explicit form."""


class PromotionWarning(UserWarning):
    """A float32 tensor met a float64 tensor in a module; the rest of the model is float64. Issued once per model."""


class NoGraphError(TinygradError, RuntimeError):
    """An operation needs a graph or a gradient that the tensor does not have."""


class NonScalarBackwardError(TinygradError, RuntimeError):
    """A gradient of a result with more than one element was requested without a cotangent."""


class GraphFreedError(TinygradError, RuntimeError):
    """A second backward() through a graph whose saved values were freed."""


class StaleValueError(TinygradError, RuntimeError):
    """A value that a gradient needs was changed in place after it was saved."""


class AnomalyError(TinygradError, FloatingPointError):
    """An op or a vjp introduced NaN or infinity, inside of `detect_anomaly`."""


class LeafInPlaceError(TinygradError, RuntimeError):
    """A recorded in-place operation on a leaf that requires a gradient."""


class ReadOnlyError(TinygradError, ValueError):
    """An in-place operation on read-only memory."""


class FitNotRunWarning(UserWarning):
    """The result of `fit` was discarded before it was iterated over, so nothing was trained."""


class OptimizerWarning(UserWarning):
    """An optimizer lacks a trainable parameter of the model, or holds a parameter of another model."""


class WholeBatchWarning(UserWarning):
    """Batches are computed whole, not in shards on all cores; the message gives the reason and the remedy."""


class StateDictError(TinygradError, ValueError):
    """Keys or shapes of a state dict that do not match the module."""


class ForkedError(TinygradError, RuntimeError):
    """Work on several threads was continued in a forked process, which does not have those threads."""


class LostWorkerError(TinygradError, RuntimeError):
    """A worker ended before its work was done."""


class FailedWorkerError(TinygradError, RuntimeError):
    """Another rank raised an error that cannot be sent; the message gives its class and text."""


class WorkersDifferError(TinygradError, RuntimeError):
    """Workers that train one model differ in weights, random numbers or samples."""


class DataError(TinygradError, ValueError):
    """An invalid dataset or file."""


class CheckpointError(DataError):
    """A checkpoint that cannot be written, is damaged, or belongs to another run or a newer version."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; training continues without it."""


class UnlockedFolderWarning(UserWarning):
    """A folder is on a file system without locks, so a second program may write into it."""


class NonFiniteLossError(TinygradError, ArithmeticError):
    """A loss or its gradient became infinite or NaN in training.

    Attributes
    ----------
    problem, cause : str
        Parts of the message: the quantity that is not finite and where it occurred; and the cause.
    """

    def __init__(self, message: str, problem: str = "", cause: str = "") -> None:
        super().__init__(message)
        self.problem, self.cause = problem, cause


class LessonError(TinygradError, ValueError):
    """An unknown lesson, or a folder without lessons."""


class MissingExtraError(TinygradError, ImportError):
    """An optional dependency is not installed; the message names the extra that installs it."""
