"""Attention and transformers: equivalent calls, masks, initialization, dropout, copies and errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor, nn
from tinygrad_edu.errors import DTypeError, ShapeError

X = np.random.default_rng(0).standard_normal((3, 2, 4))


def attention(seed=0, *sizes, **settings):
    return nn.MultiheadAttention(*(sizes or (4, 2)), rng=np.random.default_rng(seed), dtype=np.float64, **settings)


def assert_close(found, expected):
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12, atol=1e-14)


# --- Equivalent calls ---

settings = st.fixed_dictionaries(
    {name: st.booleans() for name in ("bias", "add_bias_kv", "add_zero_attn")},
    optional={"kdim": st.just(3), "vdim": st.just(5)},
)


@given(settings, st.integers(0, 2**16), st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
def test_all_ways_to_say_the_same_agree(settings, seed, n, length, keys):
    draws = np.random.default_rng(seed)
    first, other = (attention(seed, **settings, batch_first=batch_first) for batch_first in (True, False))
    query, key, value = (
        draws.standard_normal((n, count, width))
        for count, width in ((length, 4), (keys, first.kdim), (keys, first.vdim))
    )
    hidden, padding = draws.random((n * 2, length, keys)) < 0.5, draws.random((n, keys)) < 0.3
    hidden[..., 0] = padding[:, 0] = False
    added, more = (np.where(mask, -np.inf, 0.0) for mask in (hidden, padding))
    out, weights = first(query, key, value, padding, attn_mask=hidden)
    assert_close(first(query, key, value, Tensor(padding), False, Tensor(hidden))[0], out)
    assert_close(first(query, key, value, more, False, added)[0], out)
    assert_close(first(query, key, value, padding, True, Tensor(added, dtype=float))[1], weights)
    turned = [x.swapaxes(0, 1) for x in (query, key, value)]
    assert_close(other(*turned, padding, False, hidden)[0].swapaxes(0, 1), out)
    assert_close(other(*turned, padding, attn_mask=hidden)[1], weights)
    for k in range(n):
        alone, seen = first(query[k], key[k], value[k], padding[k], attn_mask=hidden[2 * k : 2 * k + 2])
        assert_close(alone, out[k])
        assert_close(seen, weights[k])
    each = first(query, key, value, padding, attn_mask=hidden, average_attn_weights=False)[1]
    assert_close(each.mean(1), weights)
    np.testing.assert_allclose(each.numpy().sum(-1), 1)


@pytest.mark.parametrize("need_weights", [True, False])
def test_causal_is_what_the_mask_says_and_hides_besides_it(need_weights):
    module, mask = attention(), nn.Transformer.generate_square_subsequent_mask(3)
    expected = module(X, X, X, None, need_weights, np.isneginf(mask.numpy()))[0]
    for attn_mask, is_causal in ((mask, False), (mask, True), (None, True), (np.zeros((3, 3), bool), True)):
        assert_close(module(X, X, X, None, need_weights, attn_mask, is_causal=is_causal)[0], expected)
    bias = np.linspace(-1, 1, 9).reshape(3, 3)
    assert_close(
        module(X, X, X, None, need_weights, bias, is_causal=True)[0],
        module(X, X, X, None, need_weights, bias + mask.numpy())[0],
    )


def test_the_parts_of_a_packed_weight_are_those_of_query_key_and_value():
    packed, apart = attention(), attention(1, 4, 2, kdim=4, vdim=5)
    apart.vdim, apart.v_proj_weight = 4, Tensor(np.ones((4, 4)), requires_grad=True)
    state = packed.state_dict()
    for name, part in zip("qkv", np.split(state.pop("in_proj_weight"), 3), strict=True):
        state[f"{name}_proj_weight"] = part
    apart.load_state_dict(state)
    for inputs in ((X, X, X), (X, X[:2], X[:2])):
        assert_close(packed(*inputs)[0], apart(*inputs)[0])


def test_a_query_that_may_see_no_key_finds_nothing_and_has_no_weights():
    module = attention()
    module.out_proj.bias.assign([1.0, 2.0, 3.0, 4.0])
    hidden = np.array([[True] * 3, [False] * 3])
    assert module(X, X, X, hidden, need_weights=False)[0].numpy()[:, 0].tolist() == [[1, 2, 3, 4]] * 3
    with pytest.warns(RuntimeWarning, match="invalid value"):
        out, weights = module(X, X, X, hidden)
    assert np.isnan(out.numpy()[:, 0]).all()
    assert np.isnan(weights.numpy()[0]).all()
    assert np.isfinite(out.numpy()[:, 1]).all()


@pytest.mark.parametrize("dtype", [bool, float])
@pytest.mark.parametrize("argument", ["key_padding_mask", "attn_mask"])
def test_the_gradient_of_a_query_without_keys_is_nan_where_its_weights_are(argument, dtype):
    module, inputs = attention(batch_first=True), [Tensor(X, requires_grad=True) for _ in range(3)]
    hidden = np.zeros((3, 2) if argument == "key_padding_mask" else (6, 2, 2), bool)
    hidden[: len(hidden) // 3] = True
    mask = hidden if dtype is bool else np.where(hidden, -np.inf, 0.0)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        out, weights = module(*inputs, **{argument: mask})
    out.sum().backward()
    for array in (out.numpy(), weights.numpy(), *(x.grad for x in inputs)):
        np.testing.assert_array_equal(np.isnan(array), np.zeros(array.shape) + np.arange(3)[:, None, None] == 0)
    assert np.isnan(module.in_proj_weight.grad).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_boolean_mask_keeps_the_dtype_of_the_weights(dtype):
    x = X.astype(dtype)
    out, weights = nn.MultiheadAttention(4, 2, dtype=dtype)(x, x, x, np.array([[False, True, False]] * 2))
    assert out.dtype == weights.dtype == dtype
    assert not weights.numpy()[..., 1].any()


# --- Initialization and dropout ---


def test_parameters_begin_as_in_pytorch():
    for module in (nn.MultiheadAttention(64, 4, add_bias_kv=True), nn.MultiheadAttention(64, 4, kdim=32, vdim=16)):
        for name, parameter in module.named_parameters():
            values, fans = parameter.numpy(), sum(nn.init.fans(parameter.shape)) if parameter.ndim > 1 else 0
            if name.endswith("bias"):
                assert not values.any()
            elif name == "out_proj.weight":
                assert 0.9 / 8 < np.abs(values).max() <= 1 / 8
            elif name.startswith("bias_"):
                assert 0.5 < values.std() * (fans / 2) ** 0.5 < 1.6
            else:
                assert 0.95 < np.abs(values).max() / (6 / fans) ** 0.5 <= 1


def test_one_rng_draws_all_of_a_layer_and_of_its_copies():
    def stack():
        layer = nn.TransformerEncoderLayer(4, 2, 8, 0.5, rng=np.random.default_rng(3))
        return nn.TransformerEncoder(layer, 2)

    model, twin = stack(), stack()
    assert_close(model(X), twin(X))
    assert np.any(model(X).numpy() != twin.eval()(X).numpy())
    assert len({id(module.rng) for module in model.modules() if hasattr(module, "rng")}) == 1
    one, other = (layer.state_dict() for layer in model.layers)
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert not {map(id, model.layers[0].parameters())} & {map(id, model.layers[1].parameters())}
    assert np.any(model.layers[0].dropout(np.ones(64)) != model.layers[1].dropout(np.ones(64)))


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_attention_drops_weights_in_training_alone_and_returns_those_that_were_used(p):
    module, plain = attention(dropout=p, batch_first=True), attention(batch_first=True)
    weights = module(X, X, X, average_attn_weights=False)[1]
    kept = plain(X, X, X, average_attn_weights=False)[1].numpy() / (1 - p or 1)
    dropped = weights.numpy() == 0
    assert dropped.all() if p == 1 else 0 < dropped.sum() < dropped.size
    np.testing.assert_allclose(weights.numpy()[~dropped], kept[~dropped])
    with nn.random_stream(np.random.default_rng(5)):
        fast = module(X, X, X, need_weights=False)[0]
    with nn.random_stream(np.random.default_rng(5)):
        assert_close(fast, module(X, X, X)[0])
    assert_close(module.eval()(X, X, X)[0], plain(X, X, X)[0])


# --- Module behaviour ---


def encoder(**settings):
    rng = np.random.default_rng(0)
    layer = nn.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu", batch_first=True, rng=rng, **settings)
    return nn.TransformerEncoder(layer, 2, nn.LayerNorm(4))


def test_hooks_and_summary_see_all_that_is_inside():
    model, seen = encoder(), []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda module, inputs, out, name=name: seen.append(name))
    model(X)
    assert set(seen) == {name for name, _ in model.named_modules()} - {"layers"}
    found = nn.summary(encoder(), (3, 4))
    assert ("layers.1.linear1", "Linear", "(1, 3, 6)", 30, 0, 0) in found.rows
    assert found.total == sum(parameter.size for parameter in model.parameters())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_of_the_parameters_is_that_of_the_result(dtype):
    model = encoder().astype(dtype)
    assert model(X.astype(dtype)).dtype == dtype
    out, weights = model.layers[0].self_attn(*[X.astype(dtype)] * 3, attn_mask=np.zeros((2, 2)), is_causal=True)
    assert out.dtype == weights.dtype == dtype


# --- Errors ---


@with_each(
    ("call", "error", "message"),
    [
        (lambda: attention(0, 4, 3), ShapeError, "num_heads=3 must divide embed_dim=4"),
        (lambda: attention(0, 4.0, 2), DTypeError, "embed_dim must be an integer"),
        (lambda: attention(kdim=0), ValueError, "kdim must be an integer >= 1, got 0"),
        (lambda: attention(dropout=1.5), ValueError, "from 0 to 1, got 1.5"),
        (lambda: attention()(X, X[:2], X), ShapeError, r"got \(3, 2, 4\), \(2, 2, 4\)"),
        (lambda: attention()(X, X[:, :1], X[:, :1]), ShapeError, r"\(L, N, 4\)"),
        (lambda: attention(batch_first=True)(X, X[:1], X[:1]), ShapeError, r"\(N, L, 4\)"),
        (lambda: attention()(X, X[0], X[0]), ShapeError, "the same without N"),
        (lambda: attention(kdim=3)(X, X, X), ShapeError, r"\(S, N, 3\)"),
        (lambda: attention()(X, X, X, np.zeros((3, 2), bool)), ShapeError, r"padding_mask must have shape \(2, 3\)"),
        (lambda: attention()(X, X, X, np.zeros((2, 3), int)), DTypeError, "padding_mask must be boolean.*got int64"),
        (lambda: attention()(X, X, X, attn_mask=np.zeros((2, 3, 3), bool)), ShapeError, r"\(3, 3\) or \(4, 3, 3\)"),
        (lambda: attention(device="cpu"), TypeError, "leave it out"),
        (lambda: nn.TransformerDecoderLayer(4, 2, device="cpu"), TypeError, "leave it out"),
        (lambda: nn.Transformer(device="cpu"), TypeError, "leave it out"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), ValueError, "or callable, got 'tanh'"),
        (lambda: nn.TransformerDecoderLayer(4, 2, activation=nn.Tanh), ValueError, "or callable, got <class"),
        (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer, 2), DTypeError, "first argument must be a Module"),
        (lambda: nn.TransformerDecoder(nn.Tanh(), 0), ValueError, "num_layers must be an integer >= 1, got 0"),
        (lambda: nn.Transformer.generate_square_subsequent_mask(0), ValueError, "sz must be an integer >= 1, got 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- A cache of keys and values ---


@with_each("need_weights", [True, False])
@with_each("batch_first", [True, False])
@with_each("options", [{}, {"add_bias_kv": True, "add_zero_attn": True}])
@with_each("parts", [[1] * 5, [2, 1, 2], [4, 1]])
def test_steps_with_a_cache_are_one_causal_call(parts, options, batch_first, need_weights):
    module = attention(0, 8, 2, batch_first=batch_first, rotary=nn.RotaryEmbedding(4), **options)
    axis, cache = int(batch_first), nn.KeyValueCache()
    x = np.random.default_rng(1).standard_normal((2, 5, 8) if batch_first else (5, 2, 8))
    padding = np.array([[False, True, False, False, False], [False] * 5])
    whole, weights = module(x, x, x, padding, need_weights, is_causal=True)
    end = 0
    for length in parts:
        start, end = end, end + length
        part = np.take(x, range(start, end), axis=axis)
        out, seen = module(part, part, part, padding[:, :end], need_weights, is_causal=True, cache=cache)
        expected = np.take(whole.numpy(), range(start, end), axis=axis)
        np.testing.assert_allclose(out.numpy(), expected, rtol=1e-12, atol=1e-14)
        assert cache.length == end
        if need_weights:
            added = 2 if options else 0
            expected = np.delete(weights.numpy(), range(end, 5), axis=2)[:, start:end]
            assert seen.shape[2] == end + added
            np.testing.assert_allclose(seen.numpy(), expected, rtol=1e-12, atol=1e-14)


def test_a_cache_without_a_batch_and_its_gradient():
    module = attention(0, 4, 2, rotary=nn.RotaryEmbedding(2))
    x, g = (np.random.default_rng(k).standard_normal((3, 4)) for k in range(2))

    def steps(x):
        cache = nn.KeyValueCache()
        return tg.concatenate([module(*[x[k : k + 1]] * 3, is_causal=True, cache=cache)[0] for k in range(3)])

    def whole(x):
        return module(x, x, x, is_causal=True)[0]

    np.testing.assert_allclose(steps(x).numpy(), whole(x).numpy(), rtol=1e-12)
    (found, expected) = (tg.grad(lambda x, f=f: (f(x) * g).sum())(x) for f in (steps, whole))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_rotations_make_attention_see_the_order():
    x = np.random.default_rng(0).standard_normal((1, 5, 8))
    for rotary, differs in ((None, False), (nn.RotaryEmbedding(4), True)):
        module = attention(0, 8, 2, batch_first=True, rotary=rotary)
        forward, back = (module(y, y, y)[0].numpy() for y in (x, x[:, ::-1]))
        assert (np.abs(forward - back[:, ::-1]).max() > 1e-3) == differs
    assert list(module.state_dict()) == list(attention(0, 8, 2).state_dict())


def test_the_cache_of_other_sequences_is_refused():
    module, cache = attention(0, 4, 2, batch_first=True), nn.KeyValueCache()
    module(X, X, X, cache=cache)
    with pytest.raises(ShapeError, match=r"shape \(3, 2, L, 2\) as before, got \(2, 2, 2, 2\)"):
        module(X[:2], X[:2], X[:2], cache=cache)
    with pytest.raises(ShapeError, match="with a cache, query and key are the same new positions, got 2 queries and 1"):
        module(X, X[:, :1], X[:, :1], cache=cache)


def test_a_stack_of_layers_has_a_cache_for_each():
    layer = nn.TransformerEncoderLayer(8, 2, 8, 0.0, batch_first=True, rng=np.random.default_rng(0), dtype=np.float64)
    layer.self_attn.rotary = nn.RotaryEmbedding(4)
    stack, x = nn.TransformerEncoder(layer, 3), np.random.default_rng(1).standard_normal((2, 4, 8))
    caches = [nn.KeyValueCache() for _ in stack.layers]
    steps = [stack(x[:, part], is_causal=True, caches=caches).numpy() for part in (slice(0, 1), slice(1, 4))]
    expected = stack(x, is_causal=True).numpy()
    np.testing.assert_allclose(np.concatenate(steps, axis=1), expected, rtol=1e-12, atol=1e-14)
