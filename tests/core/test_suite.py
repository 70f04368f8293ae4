"""The suite of the core in a process with the whole library, in which Tensors are the library's."""

from tinygrad_edu.core_copy.suite import *  # noqa: F403
