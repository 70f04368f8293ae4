"""The character transformer: its attention weights, and its loss compared with the 3-gram model's."""

import numpy as np

from models import char_gpt


def test_the_attention_is_that_of_the_network_and_sees_nothing_later():
    model = char_gpt.CharGPT(9, np.random.default_rng(0)).astype(np.float64)
    codes = np.random.default_rng(1).integers(0, 9, 12)
    maps = model.attention(codes)
    assert maps.shape == (char_gpt.LAYERS, char_gpt.HEADS, 12, 12)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, rtol=1e-12)
    assert (np.triu(maps, 1) == 0).all()
    x, layer = model.embed(codes[None]), model.layers[0]
    values = layer.norm1(x) @ layer.self_attn.in_proj_weight[-char_gpt.WIDTH :].T
    heads = values.numpy()[0].reshape(12, char_gpt.HEADS, -1)
    found = np.einsum("hqk,khd->qhd", maps[0], heads).reshape(12, -1)
    expected = layer.self_attn(*[layer.norm1(x)] * 3, is_causal=True)[0].numpy()[0]
    np.testing.assert_allclose(layer.self_attn.out_proj(found).numpy(), expected, rtol=1e-9, atol=1e-12)
