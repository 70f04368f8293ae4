"""Write the weights of two well-known networks, reduced in width, and their outputs, for the page on deployment.

``python -m tools.torch_layouts`` needs torchvision and transformers, and writes to ``tests/nn/torch/files``:
``resnet18.pt``, of torchvision's ResNet-18; ``gpt2.bin``, of the GPT-2 of transformers; ``nanogpt.pt``, of another with
exact GELU, in a checkpoint of nanoGPT; and ``layouts.npz``, inputs, and the outputs in evaluation mode.
"""

from typing import Any

import numpy as np

from tools.torch_files import FOLDER

WIDTH, CLASSES = 2, 5  # of the reduced ResNet-18; the original has 64 and 1,000
GPT2 = {"vocab_size": 30, "n_positions": 10, "n_embd": 12, "n_head": 3, "n_layer": 2}
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")  # transformers has them as (inputs, outputs)


def resnet18(width: int = WIDTH, classes: int = CLASSES) -> Any:
    """Return torchvision's ResNet-18 in evaluation mode, with random state, and with the first channels only."""
    import torch
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=classes)
    for module in model.modules():
        for name, x in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            kept = [slice(n if n in (3, classes) else max(1, n * width // 64)) for n in x.shape[:2]]
            part = x.detach()[tuple(kept)].clone()
            part = part + 0.2 * torch.rand_like(part) if x.ndim == 1 else part
            setattr(module, name, torch.nn.Parameter(part) if isinstance(x, torch.nn.Parameter) else part)
        if hasattr(module, "momentum"):
            module.momentum = None  # of the running statistics, which are then those of these batches
    with torch.no_grad():
        for _ in range(5):
            model(images(8) / 255)
    return model.eval()


def images(count: int) -> Any:
    """Draw images of 6 x 6 squares as bytes, (count, 3, 48, 48)."""
    import torch

    return torch.nn.functional.interpolate(torch.randint(256, (count, 3, 6, 6)).float(), (48, 48)).byte()


def gpt2(activation: str = "gelu_new", **sizes: int) -> Any:
    """Return the GPT-2 of transformers in evaluation mode, with random biases and scales, too."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(activation_function=activation, **{**GPT2, **sizes}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return model.eval()


def nanogpt(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state dict of transformers with the layout of nanoGPT, whose linear layers are (outputs, inputs)."""
    return {name: x.T.contiguous() if name.endswith(TRANSPOSED) else x for name, x in state.items()}


def main() -> None:
    """Write all files."""
    import torch

    torch.manual_seed(1)
    pixels, ids = images(2), torch.arange(14).reshape(2, 7)
    small, language, exact = resnet18(), gpt2(), gpt2("gelu")
    torch.save(small.state_dict(), FOLDER / "resnet18.pt")
    torch.save(language.state_dict(), FOLDER / "gpt2.bin")
    arguments = {"block_size": 10, "vocab_size": 30, "n_embd": 12, "n_head": 3, "n_layer": 2, "bias": True}
    compiled = {f"_orig_mod.{name}": x for name, x in nanogpt(exact.state_dict()).items()}
    torch.save({"model": compiled, "model_args": arguments, "iter_num": 100}, FOLDER / "nanogpt.pt")
    with torch.no_grad():
        np.savez(
            FOLDER / "layouts.npz",
            pixels=pixels, resnet18=small(pixels / 255), ids=ids, gpt2=language(ids).logits, nanogpt=exact(ids).logits,
        )  # fmt: skip


if __name__ == "__main__":
    main()
