"""What the programs share: options, console, training, results, pictures, digits, text and sweeps.

The names here are those that the file of a model needs. Everything else is in the modules of this folder.
"""

from models.shared.console import program
from models.shared.options import chosen, folder_name, not_negative, positive, training_parser
from models.shared.outcome import Outcome
from models.shared.training import Training, loss_of, train

__all__ = [
    "Outcome", "Training", "chosen", "folder_name", "loss_of", "not_negative", "positive", "program", "train",
    "training_parser",
]  # fmt: skip
