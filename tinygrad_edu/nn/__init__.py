"""Modules, layers, losses and where parameters begin: compositions of ops. No derivative is ever written here."""

from tinygrad_edu.names import missing_from as _missing_from
from tinygrad_edu.nn import init
from tinygrad_edu.nn.containers import Identity, Lambda, ModuleDict, ModuleList, Residual, Sequential
from tinygrad_edu.nn.functional_call import functional_call
from tinygrad_edu.nn.hooks import HookHandle
from tinygrad_edu.nn.layers import (
    AvgPool2D,
    Conv2D,
    Dropout,
    Flatten,
    Linear,
    LogSoftmax,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    Unflatten,
)
from tinygrad_edu.nn.losses import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.randomness import random_stream
from tinygrad_edu.nn.state import IncompatibleKeys
from tinygrad_edu.nn.summary import Summary, summary

__all__ = [
    "AvgPool2D", "BCEWithLogitsLoss", "Conv2D", "CrossEntropyLoss", "Dropout", "Flatten", "HookHandle", "Identity",
    "IncompatibleKeys", "L1Loss", "Lambda", "Linear", "LogSoftmax", "MSELoss", "MaxPool2D", "Module", "ModuleDict",
    "ModuleList", "NLLLoss", "ReLU", "Residual", "Sequential", "Sigmoid", "Softmax", "Summary", "Tanh", "Unflatten",
    "binary_cross_entropy_with_logits", "cross_entropy", "functional_call", "init", "l1_loss", "mse_loss", "nll_loss",
    "random_stream", "summary",
]  # fmt: skip

# To a type checker, which reads no globals(), a __getattr__ would make every name right.
globals()["__getattr__"] = _missing_from("tg.nn", __all__)
