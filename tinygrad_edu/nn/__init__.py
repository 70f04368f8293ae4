"""Modules, layers, losses and initializers, all composed of ops.

``__all__`` in each file lists its public names.
"""

# ruff: noqa: I001
from typing import TYPE_CHECKING

from tinygrad_edu.shared.speed.allocator import keep_large_buffers as _keep_large_buffers
from tinygrad_edu.engine import HookHandle as HookHandle
from tinygrad_edu.errors.hints import getattr_with_hints as _getattr_with_hints
from tinygrad_edu.errors.hints import public_names as _public_names

# In reading order.
from tinygrad_edu.nn.module import Module as Module
from tinygrad_edu.nn.containers import *
from tinygrad_edu.nn.layers.linear import *
from tinygrad_edu.nn.layers.activations import *
from tinygrad_edu.nn.layers.flatten import *
from tinygrad_edu.nn.layers.dropout import *
from tinygrad_edu.nn.layers.padding import *
from tinygrad_edu.nn.layers.convolution import *
from tinygrad_edu.nn.layers.pooling import *
from tinygrad_edu.nn.layers.fold import *
from tinygrad_edu.nn.layers.upsampling import *
from tinygrad_edu.nn.layers.normalization import *
from tinygrad_edu.nn.layers.embedding import *
from tinygrad_edu.nn.sequences.packing import *
from tinygrad_edu.nn.sequences.recurrent import *
from tinygrad_edu.nn.sequences.rotary import *
from tinygrad_edu.nn.sequences.attention import *
from tinygrad_edu.nn.sequences.transformer import *
from tinygrad_edu.nn.losses import *
from tinygrad_edu.nn.parametrizations import *
from tinygrad_edu.nn import init as init
from tinygrad_edu.nn.losses.additive import additive as additive
from tinygrad_edu.nn.functional_call import functional_call as functional_call
from tinygrad_edu.nn.randomness import current_stream as current_stream
from tinygrad_edu.nn.randomness import random_stream as random_stream
from tinygrad_edu.nn.weights.saving import load_weights as load_weights
from tinygrad_edu.nn.weights.state import IncompatibleKeys as IncompatibleKeys
from tinygrad_edu.nn.summary import Summary as Summary
from tinygrad_edu.nn.summary import summary as summary

_keep_large_buffers()

if not TYPE_CHECKING:  # type checkers cannot read a computed list; they use the names of the star imports
    __all__ = _public_names(globals(), __name__, "HookHandle", "cross_entropy", "init")
    # Set in globals(), which type checkers do not read: a visible __getattr__ would make every name valid.
    globals()["__getattr__"] = _getattr_with_hints("tg.nn", __all__)
