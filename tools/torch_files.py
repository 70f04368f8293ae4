"""Write files with PyTorch's ``torch.save``, for the tests of their reader, which need no PyTorch.

``python -m tools.torch_files`` runs the installed PyTorch, and writes to ``tests/nn/torch/files``: ``values.pt``, with
the `VALUES`; ``checkpoint.pt``, a training checkpoint of a `net`; and the files that are refused: ``whole.pt``, a
pickled model, and ``legacy.pt``, in the format before PyTorch 1.6.
"""

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "tests" / "nn" / "torch" / "files"

# Names of NumPy, and of the tensors that PyTorch saves by a storage class of their own. The last three have none.
DTYPES = (
    "float64", "float32", "float16", "complex64", "complex128", "int64", "int32", "int16", "int8", "uint8", "bool",
    "uint16", "uint32", "uint64",
)  # fmt: skip

# Values in the language of PyTorch, with x = torch.arange(6.).reshape(2, 3), and in NumPy's, with x the same array.
VALUES = {
    **{f"of {dtype}": (f"x.to(torch.{dtype})", f"x.astype(np.{dtype})") for dtype in DTYPES},
    "of bfloat16": ("(x / 7).bfloat16()", "((x / 7).view(np.uint32) + 0x8000 & 0xFFFF0000).view(np.float32)"),
    "transposed": ("x.T", "x.T"),
    "with an offset": ("x[1:, 1:]", "x[1:, 1:]"),
    "strided": ("x[:, ::2]", "x[:, ::2]"),
    "part of uint16": ("x.to(torch.uint16)[1:, ::2]", "x.astype(np.uint16)[1:, ::2]"),
    "part of bfloat16": ("x.bfloat16().T[1:]", "x.T[1:]"),
    "expanded": ("x[:, :1].expand(2, 4)", "np.repeat(x[:, :1], 4, 1)"),
    "a scalar": ("torch.tensor(3)", "np.array(3)"),
    "an element": ("x[1, 2]", "x[1, 2]"),
    "empty": ("x[:0]", "x[:0]"),
    "of no storage": ("torch.zeros(0, 3)", "np.zeros((0, 3), np.float32)"),
    "a parameter": ("torch.nn.Parameter(x.clone())", "x"),
    "channels last": ("torch.arange(24.).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)",
                      "np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)"),
    "nested": ("[x, (1, 2.5, -7, 1 << 40, None, True, 'é'), {'a': {0: x}}]", ) * 2,
    "a shape": ("x.size()", "x.shape"),
}  # fmt: skip


def value(language: int, name: str) -> Any:
    """Return one of the values: with PyTorch for language 0, and with NumPy for 1."""
    if language == 0:
        import torch

        return eval(VALUES[name][0], {"torch": torch, "x": torch.arange(6.0).reshape(2, 3)})
    import numpy as np

    return eval(VALUES[name][1], {"np": np, "x": np.arange(6, dtype=np.float32).reshape(2, 3)})


def main() -> None:
    """Write all files."""
    import torch

    FOLDER.mkdir(exist_ok=True)
    torch.save({name: value(0, name) for name in VALUES}, FOLDER / "values.pt")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(5, 3)).square().sum().backward()
    optimizer.step()
    torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, FOLDER / "checkpoint.pt")
    torch.save(net.state_dict(), FOLDER / "net.pth")
    torch.save(net, FOLDER / "whole.pt")
    torch.save(net.state_dict(), FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
