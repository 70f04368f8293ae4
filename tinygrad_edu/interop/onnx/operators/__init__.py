"""Rules: the ONNX nodes of each op, by the op."""

from tinygrad_edu.interop.onnx.operators import elementwise, indices, layers, reductions, shapes  # noqa: F401 (fill the table)
from tinygrad_edu.interop.onnx.operators.table import OPERATORS, add_nodes

__all__ = ["OPERATORS", "add_nodes"]
