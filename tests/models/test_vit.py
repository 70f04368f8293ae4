"""The vision transformer: its attention, and the accuracy of a short run."""

import numpy as np

from models import vit


def test_each_patch_is_a_token_in_the_order_of_the_rows():
    model = vit.VisionTransformer(np.random.default_rng(0)).astype(np.float64)
    images = np.random.default_rng(1).random((2, 1, 28, 28))
    row, column = 2, 4
    changed = images.copy()
    top, left = vit.STRIDE * row, vit.STRIDE * column
    changed[:, :, top : top + vit.PATCH, left : left + vit.PATCH] += 1
    moved = (model.embed(changed).numpy() != model.embed(images).numpy()).any(axis=(0, 2))
    assert np.flatnonzero(moved).tolist() == [1 + vit.SIDE * r + c for r in (1, 2, 3) for c in (3, 4, 5)]


def test_the_attention_is_that_of_the_network():
    model = vit.VisionTransformer(np.random.default_rng(0)).astype(np.float64)
    images = np.random.default_rng(1).random((3, 1, 28, 28))
    maps = model.attention(images)
    assert maps.shape == (vit.LAYERS, 3, vit.HEADS, vit.SIDE, vit.SIDE)
    layer, x = model.layers[0], model.layers[0].norm1(model.embed(images))
    values = (
        (x @ layer.self_attn.in_proj_weight[-vit.WIDTH :].T).numpy().reshape(3, -1, vit.HEADS, vit.WIDTH // vit.HEADS)
    )
    weights = maps[0].reshape(3, vit.HEADS, -1)
    weights = np.concatenate([1 - weights.sum(axis=-1, keepdims=True), weights], axis=-1)  # the rest is to the token
    found = np.einsum("nhk,nkhd->nhd", weights, values).reshape(3, -1)
    expected = layer.self_attn(x, x, x)[0].numpy()[:, 0]
    np.testing.assert_allclose(layer.self_attn.out_proj(found).numpy(), expected, rtol=1e-9, atol=1e-12)
