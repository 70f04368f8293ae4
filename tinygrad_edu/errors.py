"""One class per mistake. Each is also the built-in exception that people would catch."""


class TinygradError(Exception):
    """The base of every error that this package raises on purpose."""


class ShapeError(TinygradError, ValueError):
    """Shapes that do not broadcast, multiply or fit the op that got them."""


class DTypeError(TinygradError, TypeError):
    """A dtype, or a kind of value, that cannot be used here."""


class IntegerGradientError(DTypeError):
    """A gradient was asked of a tensor that is not floating point."""


class VJPDefinitionError(TinygradError, TypeError):
    """A vjp names an argument or a saved value that its op does not have."""


class MissingVJPError(TinygradError, NotImplementedError):
    """A gradient reached an argument for which its op has no vjp."""


class WrongGradientError(TinygradError, ValueError):
    """A vjp returned a gradient of the wrong type, shape or dtype."""


class LostGradientWarning(UserWarning):
    """A value leaves the graph where nobody said that it should; the message says how to say it."""


class PromotionWarning(UserWarning):
    """A float32 tensor met a float64 one in a module, and the rest of the model is float64. Once for each model."""


class NoGraphError(TinygradError, RuntimeError):
    """backward() on a tensor that no recorded op made."""


class NonScalarBackwardError(TinygradError, RuntimeError):
    """backward() without a gradient on a tensor of more than one element."""


class GraphFreedError(TinygradError, RuntimeError):
    """A second backward() through a graph whose saved values are gone."""


class StaleValueError(TinygradError, RuntimeError):
    """A value that a gradient needs was changed in place after it was saved."""


class AnomalyError(TinygradError, FloatingPointError):
    """An op, or a vjp, made NaN or an infinity of numbers that were none, inside of `detect_anomaly`."""


class LeafInPlaceError(TinygradError, RuntimeError):
    """A recorded in-place operation on a leaf that requires a gradient."""


class ReadOnlyError(TinygradError, ValueError):
    """An in-place operation on memory that cannot be written to."""


class FitNotRunWarning(UserWarning):
    """The result of `fit` was dropped before it was looped over, so nothing was trained."""


class OptimizerWarning(UserWarning):
    """An optimizer does not hold a parameter that is to be trained, or holds one of another model."""


class WholeBatchWarning(UserWarning):
    """Batches are computed whole, and not in shards on all cores; the message says why and what to write."""


class StateDictError(TinygradError, ValueError):
    """Keys or shapes of a state dict that do not fit the module."""


class ForkedError(TinygradError, RuntimeError):
    """Work on several threads goes on in a forked process, where those threads are not."""


class LostWorkerError(TinygradError, RuntimeError):
    """A worker has ended before its work was done."""


class FailedWorkerError(TinygradError, RuntimeError):
    """Another rank raised an error that cannot be sent; the message has its class and text."""


class WorkersDifferError(TinygradError, RuntimeError):
    """Workers that train one model have not all the same weights, random numbers or samples."""


class DataError(TinygradError, ValueError):
    """A dataset or a file that is not what it should be."""


class CheckpointError(DataError):
    """A checkpoint that cannot be written, or that is damaged, of another run or of a newer version."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, and the training goes on without it."""


class UnlockedFolderWarning(UserWarning):
    """A folder is on a file system without locks: nothing stops a second program from writing into it."""


class NonFiniteLossError(TinygradError, ArithmeticError):
    """A loss, or its gradient, that became infinite or NaN in training.

    Attributes
    ----------
    what, cause : str
        The parts of the message that say what became so, and where; and what made it.
    """

    def __init__(self, message: str, what: str = "", cause: str = "") -> None:
        super().__init__(message)
        self.what, self.cause = what, cause


class LessonError(TinygradError, ValueError):
    """A lesson that there is not, or a folder that holds none."""


class MissingExtraError(TinygradError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""
