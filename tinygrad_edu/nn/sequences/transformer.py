"""Transformer layers, encoder, decoder and encoder-decoder model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.engine import Tensor, TensorLike
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.nn import init
from tinygrad_edu.nn.containers import ModuleList
from tinygrad_edu.nn.layers.dropout import Dropout
from tinygrad_edu.nn.layers.linear import Linear, require_sizes
from tinygrad_edu.nn.layers.normalization import LayerNorm
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sequences.attention import KeyValueCache, MultiheadAttention

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
]  # fmt: skip

_Activation = str | Callable[[Any], Any]

_ACTIVATIONS: dict[str, Any] = {"relu": ops.relu, "gelu": ops.gelu}


class _TransformerLayer(Module):
    """Base class of encoder and decoder layers: attention and feed-forward blocks with residuals and normalization.

    From A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.1; with `norm_first` as in R. Xiong et
    al., "On layer normalization in the transformer architecture", ICML 2020.

    Parameters
    ----------
    d_model : int
        Number of features.
    nhead : int
        Number of attention heads. It must divide `d_model`.
    dim_feedforward : int, default 2048
        Number of hidden features of the feed-forward network.
    dropout : float, default 0.1
        Dropout probability in training, for the attention weights, the hidden features and the output of each block.
    activation : callable, "relu" or "gelu", default relu
        Activation of the feed-forward network: a function or a module.
    layer_norm_eps : float, default 1e-5
        `eps` of each `LayerNorm`.
    batch_first : bool, default False
        Whether inputs and outputs are (N, L, d_model) instead of (L, N, d_model).
    norm_first : bool, default False
        Whether to normalize the input of each block instead of the sum after it.
    bias : bool, default True
        Whether linear layers and normalizations have a bias.
    rng : numpy.random.Generator, optional
        Generator of the initial parameters and of dropout. The default is a new, unseeded generator.
    dtype : float32 or float64, default float32
        Dtype of the parameters.
    """

    _attentions: tuple[str, ...]
    norm1: LayerNorm
    norm2: LayerNorm
    dropout1: Dropout
    dropout2: Dropout

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: _Activation = ops.relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
        norm_first: bool = False, bias: bool = True,
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        function = _ACTIVATIONS.get(activation) if isinstance(activation, str) else activation
        if not callable(function) or isinstance(function, type):
            raise invalid_choice(f"{type(self).__name__}: activation", activation, _ACTIVATIONS, "callable")
        rng = init.generator_or_new(rng)
        for name in self._attentions:
            attention = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, rng=rng, dtype=dtype)
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng, dtype=dtype)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng, dtype=dtype)
        self.norm_first = norm_first
        steps = range(1, len(self._attentions) + 2)
        for k in steps:
            setattr(self, f"norm{k}", LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype))
        for k in steps:
            setattr(self, f"dropout{k}", Dropout(dropout, rng=rng))
        self.activation = function

    def _residual(self, x: Any, block: Callable[[Any], Any], norm: LayerNorm, dropout: Dropout) -> Any:
        """Add the output of a block to its input. Normalize the sum, or with `norm_first` the input of the block."""
        if self.norm_first:
            return x + dropout(block(norm(x)))
        return norm(x + dropout(block(x)))

    def _feed_forward(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


def _attention_output(
    attention: MultiheadAttention, x: Any, memory: Any, attn_mask: Any, padding: Any, is_causal: bool,
    cache: KeyValueCache | None = None,
) -> Any:  # fmt: skip
    """Return the output of attention of x to memory, without the weights."""
    masks = {"key_padding_mask": padding, "attn_mask": attn_mask, "is_causal": is_causal}
    return attention(x, memory, memory, need_weights=False, cache=cache, **masks)[0]


class TransformerEncoderLayer(_TransformerLayer):
    """Transformer encoder layer: self-attention and a feed-forward network of two linear layers.

    Attributes
    ----------
    self_attn : MultiheadAttention
    linear1, linear2 : Linear
    norm1, norm2 : LayerNorm
    dropout, dropout1, dropout2 : Dropout

    Raises
    ------
    ShapeError, ValueError, DTypeError
        As in `MultiheadAttention`. An unknown activation raises ValueError.

    Examples
    --------
    >>> layer = TransformerEncoderLayer(8, 2, 16, batch_first=True, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3, 8), np.float32), is_causal=True).shape
    (5, 3, 8)
    """

    _attentions = ("self_attn",)
    self_attn: MultiheadAttention

    def forward(
        self, src: TensorLike, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False,
        *, cache: KeyValueCache | None = None,
    ) -> Tensor:  # fmt: skip
        """Map (L, N, d_model), or (N, L, d_model) with `batch_first`, or (L, d_model), to the same shape.

        Parameters
        ----------
        src : see above
        src_mask : (L, L) or (N nhead, L, L)
            Boolean: True masks. Floating point: added to the attention scores.
        src_key_padding_mask : (N, L), or (L,) without a batch
            As `src_mask`, for positions that are masked for all queries.
        is_causal : bool
            Whether to also mask the positions after each query.
        cache : KeyValueCache, optional
            Keys and values of the earlier positions; see `MultiheadAttention`.
        """

        def attend(x: Any) -> Any:
            return _attention_output(self.self_attn, x, x, src_mask, src_key_padding_mask, is_causal, cache)

        x = self._residual(src, attend, self.norm1, self.dropout1)
        return self._residual(x, self._feed_forward, self.norm2, self.dropout2)


class TransformerDecoderLayer(_TransformerLayer):
    """Transformer decoder layer: self-attention, attention to a memory, and a feed-forward network.

    Attributes
    ----------
    self_attn, multihead_attn : MultiheadAttention
        Attention to the sequence, and to the memory.
    linear1, linear2 : Linear
    norm1, norm2, norm3 : LayerNorm
    dropout, dropout1, dropout2, dropout3 : Dropout

    Raises
    ------
    ShapeError, ValueError, DTypeError
        As in `TransformerEncoderLayer`.

    Examples
    --------
    >>> layer = TransformerDecoderLayer(8, 2, 16, batch_first=True, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3, 8), np.float32), np.ones((5, 4, 8), np.float32)).shape
    (5, 3, 8)
    """

    _attentions = ("self_attn", "multihead_attn")
    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention
    norm3: LayerNorm
    dropout3: Dropout

    def forward(
        self, tgt: TensorLike, memory: TensorLike, tgt_mask: Any = None, memory_mask: Any = None,
        tgt_key_padding_mask: Any = None, memory_key_padding_mask: Any = None, tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """Map a sequence of length L and a memory of length S to an output of the shape of the sequence.

        Parameters
        ----------
        tgt : (L, N, d_model), or (N, L, d_model) with `batch_first`, or (L, d_model)
        memory : as `tgt`, with length S
        tgt_mask, tgt_key_padding_mask, tgt_is_causal
            Masks of the sequence: (L, L) or (N nhead, L, L); (N, L). See `TransformerEncoderLayer`.
        memory_mask, memory_key_padding_mask, memory_is_causal
            Masks of the memory: (L, S) or (N nhead, L, S); (N, S).
        """

        def attend(x: Any) -> Any:
            return _attention_output(self.self_attn, x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def cross_attend(x: Any) -> Any:
            return _attention_output(
                self.multihead_attn, x, memory, memory_mask, memory_key_padding_mask, memory_is_causal
            )

        x = self._residual(tgt, attend, self.norm1, self.dropout1)
        x = self._residual(x, cross_attend, self.norm2, self.dropout2)
        return self._residual(x, self._feed_forward, self.norm3, self.dropout3)


class _LayerStack(Module):
    """Base class of stacks: deep copies of a layer, which share its Generator, and a final normalization.

    Parameters
    ----------
    num_layers : int
        Number of layers.
    norm : Module, optional
        Module applied to the output of the last layer.
    """

    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        kind = type(self).__name__
        require_sizes(kind, num_layers=num_layers)
        if not isinstance(layer, Module):
            raise DTypeError(f"{kind}: the first argument must be a Module, got {type(layer).__name__}.")
        self.layers = ModuleList([_clone(layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def _forward_layers(self, x: Any, *inputs: Any, caches: Any = None, **settings: Any) -> Any:
        for k, layer in enumerate(self.layers):
            x = layer(x, *inputs, **settings, **({} if caches is None else {"cache": caches[k]}))
        return x if self.norm is None else self.norm(x)


def _clone(layer: Module) -> Module:
    """Return a deep copy that shares the Generators: with copies, all layers would draw the same dropout masks."""
    attributes = [value for module in layer.modules() for value in vars(module).values()]
    return deepcopy(layer, {id(value): value for value in attributes if isinstance(value, np.random.Generator)})


class TransformerEncoder(_LayerStack):
    """Stack of encoder layers.

    Parameters
    ----------
    encoder_layer : Module
        A `TransformerEncoderLayer`, or a module with its call signature. The layers are deep copies with equal initial
        values.
    enable_nested_tensor, mask_check : bool, default True
        Ignored; accepted as in PyTorch.

    Attributes
    ----------
    layers : ModuleList

    Raises
    ------
    DTypeError, ValueError, ShapeError
        `num_layers` is not an integer >= 1, or `encoder_layer` not a Module. `forward`: as in `MultiheadAttention`.

    Examples
    --------
    >>> layer = TransformerEncoderLayer(8, 2, 16, batch_first=True, rng=np.random.default_rng(0))
    >>> TransformerEncoder(layer, 2)(np.ones((5, 3, 8), np.float32), is_causal=True).shape
    (5, 3, 8)
    """

    def __init__(
        self, encoder_layer: Module, num_layers: int, norm: Module | None = None, enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(encoder_layer, num_layers, norm)
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self, src: TensorLike, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None,
        *, caches: Sequence[KeyValueCache] | None = None,
    ) -> Tensor:  # fmt: skip
        """Apply all layers, each with the masks of `TransformerEncoderLayer`, and its own cache if there are caches."""
        masks = {"src_mask": mask, "src_key_padding_mask": src_key_padding_mask, "is_causal": bool(is_causal)}
        return self._forward_layers(src, caches=caches, **masks)


class TransformerDecoder(_LayerStack):
    """Stack of decoder layers, all with the same memory.

    Parameters
    ----------
    decoder_layer : Module
        A `TransformerDecoderLayer`, or a module with its call signature. The layers are deep copies with equal initial
        values.

    Attributes
    ----------
    layers : ModuleList

    Raises
    ------
    DTypeError, ValueError, ShapeError
        As in `TransformerEncoder`.

    Examples
    --------
    >>> layer = TransformerDecoderLayer(8, 2, 16, batch_first=True, rng=np.random.default_rng(0))
    >>> TransformerDecoder(layer, 2)(np.ones((5, 3, 8), np.float32), np.ones((5, 4, 8), np.float32)).shape
    (5, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self, tgt: TensorLike, memory: TensorLike, tgt_mask: Any = None, memory_mask: Any = None,
        tgt_key_padding_mask: Any = None, memory_key_padding_mask: Any = None, tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """Apply all layers, each with the memory and the masks of `TransformerDecoderLayer`."""
        return self._forward_layers(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=bool(tgt_is_causal),
            memory_is_causal=memory_is_causal,
        )  # fmt: skip


class Transformer(Module):
    """Encoder-decoder transformer: the output of the encoder is the memory of the decoder.

    Parameters
    ----------
    d_model : int, default 512
        Number of features.
    nhead : int, default 8
        Number of attention heads. It must divide `d_model`.
    num_encoder_layers : int, default 6
        Number of encoder layers.
    num_decoder_layers : int, default 6
        Number of decoder layers.
    dim_feedforward : int, default 2048
        Number of hidden features of the feed-forward network.
    dropout : float, default 0.1
        Dropout probability in training, for the attention weights, the hidden features and the output of each block.
    activation : callable, "relu" or "gelu", default relu
        Activation of the feed-forward network: a function or a module.
    custom_encoder : Module, optional
        Replacement of the default `TransformerEncoder`.
    custom_decoder : Module, optional
        Replacement of the default `TransformerDecoder`.
    layer_norm_eps : float, default 1e-5
        `eps` of each `LayerNorm`.
    batch_first : bool, default False
        Whether inputs and outputs are (N, L, d_model) instead of (L, N, d_model).
    norm_first : bool, default False
        Whether to normalize the input of each block instead of the sum after it.
    bias : bool, default True
        Whether linear layers and normalizations have a bias.
    rng : numpy.random.Generator, optional
        Generator of the initial parameters and of dropout. The default is a new, unseeded generator.
    dtype : float32 or float64, default float32
        Dtype of the parameters.

    Attributes
    ----------
    encoder, decoder : Module
        All parameters with two or more axes are initialized by `init.xavier_uniform`, as in PyTorch.

    Raises
    ------
    ShapeError, ValueError, DTypeError
        As in `TransformerEncoderLayer`.

    Examples
    --------
    >>> model = Transformer(8, 2, 1, 1, 16, batch_first=True, rng=np.random.default_rng(0))
    >>> question, answer = np.ones((5, 4, 8), np.float32), np.ones((5, 3, 8), np.float32)
    >>> model(question, answer, tgt_is_causal=True).shape
    (5, 3, 8)
    """

    encoder: Any
    decoder: Any

    def __init__(
        self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
        dim_feedforward: int = 2048, dropout: float = 0.1, activation: _Activation = ops.relu,
        custom_encoder: Module | None = None, custom_decoder: Module | None = None, layer_norm_eps: float = 1e-5,
        batch_first: bool = False, norm_first: bool = False, bias: bool = True,
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        rng = init.generator_or_new(rng)
        settings: Any = (dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        for name, custom, layer, stack, count in (
            ("encoder", custom_encoder, TransformerEncoderLayer, TransformerEncoder, num_encoder_layers),
            ("decoder", custom_decoder, TransformerDecoderLayer, TransformerDecoder, num_decoder_layers),
        ):
            if custom is None:
                norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
                custom = stack(layer(d_model, nhead, dim_feedforward, *settings, rng=rng, dtype=dtype), count, norm)
            setattr(self, name, custom)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                parameter.assign(init.xavier_uniform(parameter.shape, rng, parameter.dtype))
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self, src: TensorLike, tgt: TensorLike, src_mask: Any = None, tgt_mask: Any = None, memory_mask: Any = None,
        src_key_padding_mask: Any = None, tgt_key_padding_mask: Any = None, memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """Return the output of the decoder for `tgt`, with the output of the encoder for `src` as memory.

        Inputs and masks are as in `TransformerEncoder` and `TransformerDecoder`. To predict each element of `tgt` from
        the previous elements only, pass ``tgt_is_causal=True``.
        """
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: DTypeLike = np.float32) -> Tensor:
        """Return the causal mask (sz, sz): -inf above the diagonal, and 0 elsewhere.

        Examples
        --------
        >>> Transformer.generate_square_subsequent_mask(3).tolist()
        [[0.0, -inf, -inf], [0.0, 0.0, -inf], [0.0, 0.0, 0.0]]
        """
        require_sizes("generate_square_subsequent_mask", sz=sz)
        return Tensor(np.triu(np.full((sz, sz), -np.inf), 1), dtype=dtype)
