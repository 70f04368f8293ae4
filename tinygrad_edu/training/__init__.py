"""Training loop, metrics, early stopping and checkpoints."""

from tinygrad_edu.errors.hints import add_hints as _add_hints
from tinygrad_edu.training.checkpoints import Checkpoints
from tinygrad_edu.training.diagnosis.diagnose import diagnose
from tinygrad_edu.training.diagnosis.report import Diagnosis, Finding
from tinygrad_edu.training.early_stopping import EarlyStopping
from tinygrad_edu.training.evaluation import evaluate, evaluating
from tinygrad_edu.training.generation import generate
from tinygrad_edu.training.loop import Epoch, Epochs, fit
from tinygrad_edu.training.metrics import (
    Accuracy,
    BinaryAccuracy,
    CalibrationCurve,
    ConfusionMatrix,
    F1Score,
    Mean,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    Perplexity,
    TopKAccuracy,
)
from tinygrad_edu.training.prediction import predict
from tinygrad_edu.training.train_step import Steps, TrainingStep

__all__ = [
    "Accuracy", "BinaryAccuracy", "CalibrationCurve", "Checkpoints", "ConfusionMatrix", "Diagnosis", "EarlyStopping",
    "Epoch", "Epochs", "F1Score", "Finding", "Mean", "MeanAbsoluteError", "MeanSquaredError", "Metric", "Perplexity",
    "Steps", "TopKAccuracy", "TrainingStep", "diagnose", "evaluate", "evaluating", "fit", "generate", "predict",
]  # fmt: skip

_add_hints(globals())
