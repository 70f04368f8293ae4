"""Faults to plant in the fast code: each drops one guard. The table names the laws that find it."""

from collections.abc import Sequence
from typing import NamedTuple


class Fault(NamedTuple):
    """A change of a file that drops a guard, and the functions whose laws find it.

    Attributes
    ----------
    old, new : str
        Text that occurs once in the file, inside a function, and its replacement.
    drops : str
        Case that the guard handles.
    twins, paths, batches, moves, spread, passes, recorders, updates : sequence of str
        Names to call the law of this name with: functions in `TWINS`, ops, or, for `updates`, optimizers.
    errors : sequence of str
        Names of the exceptions that the laws raise.
    """

    old: str
    new: str
    drops: str
    twins: Sequence[str] = ()
    paths: Sequence[str] = ()
    batches: Sequence[str] = ()
    moves: Sequence[str] = ()
    spread: Sequence[str] = ()
    passes: Sequence[str] = ()
    recorders: Sequence[str] = ()
    updates: Sequence[str] = ()
    errors: Sequence[str] = ("AssertionError",)


FAULTS = {
    "ops/fast/elementwise.py": [
        Fault(" or not _has_integer_view(x.dtype):\n        return np.where(mask, x",
              ":\n        return np.where(mask, x", "a dtype of another size",
              twins=["elementwise.masked"], errors=["KeyError"]),
        Fault(" or mask.shape != x.shape", "", "a mask of another shape", twins=["elementwise.zeroed"],
              errors=["IndexError", "AssertionError"]),
        Fault("out=wide if same_layout else None", "out=wide", "a bit mask of another shape",
              twins=["elementwise.masked", "elementwise.zeroed", "elementwise.selected"],
              errors=["ValueError", "TypeError", "AssertionError"]),
        Fault(" or slope == 0:", ":", "0 times infinity", twins=["elementwise.leaky_relu_values"]),
        Fault("0 <= slope <= 1", "0 <= slope", "the upper bound of a slope",
              twins=["elementwise.leaky_relu_values", "elementwise.leaky_relu_slope"]),
        Fault(" and x.ndim > 0 ", " ", "the 0-d case", twins=["elementwise.leaky_relu_values"], errors=["TypeError"]),
        Fault(" or not x.max(initial=0) < _MAX_INPUT[x.dtype.char]", "", "the overflow of exp",
              twins=["elementwise.sigmoid_values"]),
        Fault('np.size(x) < _LARGE or x.dtype.char not in "fd":\n        return np.logaddexp(0',
              "np.size(x) < _LARGE:\n        return np.logaddexp(0", "the dtypes of softplus_values",
              twins=["elementwise.softplus_values"], errors=["UFuncTypeError", "AssertionError"]),
        Fault("selected(infinite, maximum, out) if infinite.any() else out", "out", "infinity minus infinity",
              twins=["elementwise.logaddexp_values"]),
        Fault("else np.maximum(x, zero)", "else np.fmax(x, zero)", "a NaN", twins=["elementwise.relu_values"]),
        Fault("else np.minimum(x, zero)", "else np.fmin(x, zero)", "a NaN below 0",
              twins=["elementwise.nonpositive_values"]),
        Fault("_MAGNITUDE_BITS[dtype.itemsize])", "integers(-1))", "the sign of 0",
              twins=["elementwise.relu_vjp"]),
        Fault("slope = 1 - sigmoid", "slope = np.subtract(1, sigmoid, out=sigmoid)", "a copy",
              twins=["elementwise.silu_vjp"], errors=["ValueError", "AssertionError"]),
        Fault("rest = 1 - gate", "rest = np.subtract(1, gate, out=gate)", "a copy",
              twins=["elementwise.gelu_tanh_vjp"], errors=["ValueError", "AssertionError"]),
        Fault("if t.size <= _CHUNK_LENGTH:", "if 0 < t.size <= _CHUNK_LENGTH:", "the empty case",
              twins=["elementwise.tanh_vjp"], errors=["ValueError", "AssertionError"]),
    ],
    "ops/fast/reductions.py": [
        Fault("if function is np.add and dtype == np.float16:", "if not n:", "sums of float16 in float32",
              twins=["reductions.reduce_along, sums of float16"]),
        Fault('if function is np.add or rows.dtype.kind != "f" or np.count_nonzero(out) == out.size:', "if rows.size:",
              "a tie of 0 and -0", twins=["reductions.reduce_along"]),
        Fault(" or dtype != rows.dtype:", ":", "another dtype",
              twins=["reductions.reduce_along"]),
        Fault(' and "initial" not in settings', "", "the initial value of a sum",
              twins=["reductions.reduce_along, sums"]),
        Fault("None if dtype not in (None, x.dtype) else _sum_by_rows", "_sum_by_rows", "another dtype of a sum",
              twins=["reductions.sum_along"]),
        Fault("total.transpose([kept.index(a) for a in sorted(kept)])", "total", "the order of the kept axes",
              twins=["reductions.sum_along"], errors=["AssertionError"]),
        Fault(" if count % n == 0), None)", "), None)", "a remainder", twins=["reductions.sum_along"],
              errors=["ValueError", "AssertionError"]),
        Fault('x.dtype.char not in "fd" or not x.size', "not x.size", "means of float16 in float32",
              twins=["reductions.mean_along"]),
        Fault(" or not x.size:", ":", "the empty case", twins=["reductions.mean_along"], paths=["mean"],
              errors=["ZeroDivisionError", "AssertionError"]),
        Fault("limits.tiny / limits.eps < size.min(initial=np.inf) and ", "", "a factor of 0",
              twins=["reductions.other_factors"]),
    ],
    "ops/fast/partition.py": [
        Fault("~(x < bound) if descending", "x >= bound if descending", "a NaN", twins=["partition.first_indices"]),
        Fault("else ~(x > bound)", "else x <= bound", "a row whose bound is a NaN", twins=["partition.first_indices"]),
        Fault("if len(flat) * n != k * x.size:", "if not len(flat):", "a tie", twins=["partition.first_indices"],
              errors=["ValueError", "AssertionError"]),
        Fault("not 0 < k <= n // _MIN_RATIO", "not k <= n // _MIN_RATIO", "k = 0",
              twins=["partition.first_indices"], errors=["IndexError", "ValueError"]),
        Fault(" or np.isnan(x.max())", "", "a NaN", twins=["partition.rank_indices"]),
        Fault("if np.count_nonzero(equal) * x.shape[-1] != x.size:", "if not equal.size:", "a tie",
              twins=["partition.rank_indices"]),
        Fault("x = x.copy()", "x = x.view()", "a copy", twins=["partition.first_indices", "partition.rank_indices"],
              errors=["ValueError", "AssertionError"]),
    ],
    "ops/fast/powers.py": [
        Fault(" and x.min() >= _TINY", "", "0 and -0", twins=["powers.power_values"]),
        Fault("y.ndim or np.result_type(x.dtype, y) != x.dtype", "y.ndim", "an exponent of a wider dtype",
              twins=["powers.power_values"], paths=["power"]),
        Fault("y.ndim or np.result_type", "np.result_type", "an array of exponents", twins=["powers.power_values"],
              paths=["power"], errors=["ValueError", "AssertionError"]),
    ],
    "ops/fast/indices.py": [
        Fault(' and index.dtype.kind == "i" and', " and", "a mask", twins=["indices.getitem_values"], paths=["getitem"],
              errors=["IndexError", "AssertionError", "ShapeError", "Failed"]),
        Fault("x.take(index, 0)", 'x.take(index, 0, mode="clip")', "a negative index",
              twins=["indices.getitem_values"]),
        Fault("prod(shape[axis + 1 :])", "prod(shape[axis:])", "a bound", twins=["indices.flat_indices"],
              errors=["ValueError", "AssertionError"]),
    ],
    "ops/fast/images/chwn.py": [
        Fault("if overlap.shape != shape:", "if not overlap.size:", "the zero padding",
              twins=["conv_gemm.correlated_maps", "conv_gemm.correlated_images", "conv_gemm.correlated_kernels"],
              paths=["correlate"]),
        Fault("if overlap.shape == shape and overlap[:1, :1].flags.c_contiguous:", "if overlap.shape == shape:",
              "rows that are not contiguous",
              twins=["conv_gemm.correlated_maps", "conv_gemm.correlated_kernels", "depthwise.depthwise_maps"],
              errors=["ValueError", "AssertionError"]),
        Fault("images if images.strides[3] == images.itemsize else samples_last(images.transpose(3, 0, 1, 2))",
              "images", "samples that are not innermost",
              twins=["conv_gemm.correlated_maps", "conv_gemm.correlated_kernels"],
              errors=["ValueError", "AssertionError"]),
    ],
    "ops/fast/networks/normalization.py": [
        Fault("if x.dtype == np.float16:", "if not x.ndim:", "a slope too large for float16",
              twins=["normalization.channel_norm_x"]),
        Fault("np.asarray(scale, x.dtype), np.empty_like(x)", "np.asarray(scale, x.dtype), x", "a copy",
              twins=["normalization.channel_norm_values"], errors=["ValueError", "AssertionError"]),
        Fault("mean_error = _channel_mean(centred)\n", "mean_error = np.zeros_like(mean)\n",
              "the rounding error of the mean", twins=["normalization.moments", "normalization.channel_norm_values"]),
    ],
    "ops/fast/deviations.py": [
        Fault("    _subtract_mean(rows)\n", "", "the mean of the cotangent", twins=["deviations.deviations_norm_x"]),
        Fault("rows *= nan_if_infinite(factor)", "rows *= factor", "an infinite weight",
              paths=["channel_norm"]),
    ],
    "ops/fast/error_function.py": [
        Fault("x = np.clip(x, -_GRID_END, _GRID_END)", "x = np.array(x)", "the ends of the table",
              twins=["error_function.bell_integral"]),
        Fault("table[0] = table[0] or -0.0", "table[0] = table[0]", "the sign of 0",
              twins=["error_function.bell_integral"]),
        Fault(" or x.dtype != np.float32 or", " or", "another dtype", twins=["error_function.bell_integral"],
              errors=["ValueError", "AssertionError"]),
    ],
    "ops/fast/products.py": [
        Fault("if split < y.shape[-1]:", "if split < 0:", "a remainder", twins=["products.product"]),
        Fault("if split < x.shape[-1]:", "if split < 0:", "a remainder", twins=["products.product"]),
        Fault("else np.broadcast_shapes(x.shape[:-2], y.shape[:-2])", "else x.shape[:-2]", "stacks that broadcast",
              twins=["products.product"], errors=["ValueError", "AssertionError"]),
        Fault("np.result_type(x, y))", "x.dtype)", "the wider dtype", twins=["products.product"], paths=["matmul"],
              errors=["UFuncTypeError", "AssertionError"]),
        Fault("even_slices(max(x.shape[-2], y.shape[-1]), ", "even_slices(x.shape[-2], ",
              "columns beyond the number of rows", twins=["products.product"]),
        Fault(" if n % k == 0]", "]", "a length that does not divide",
              twins=["products.sum_of_products", "conv_gemm.correlated_maps"], errors=["ValueError", "AssertionError"]),
    ],
    "ops/fast/blocks.py": [
        Fault("if x_dtype != y_dtype or ", "if ", "another dtype", twins=["blocks.block_size"],
              errors=["UFuncTypeError", "AssertionError"]),
        Fault("for part, size in parts if part.start < part.stop]", "for part, size in parts]", "no remainder",
              twins=["blocks.product_in_blocks"], errors=["ZeroDivisionError"]),
        Fault("end = stop - (stop - start) % length", "end = stop", "a remainder", twins=["blocks.product_in_blocks"],
              errors=["ValueError", "AssertionError"]),
        Fault("min(part.stop * block.rows, m)", "part.stop * block.rows", "a bound",
              twins=["blocks.product_in_blocks"], errors=["ValueError", "AssertionError"]),
        Fault("0 < columns < n", "columns < n", "strips of no columns", twins=["blocks.block_size"],
              errors=["ZeroDivisionError"]),
    ],
    "ops/fast/images/pooling.py": [
        Fault("columns.start // count, last", "0, last", "the first pixel of a phase",
              twins=["pooling.max_mask", "pooling.add_to_chosen"], errors=["ValueError", "AssertionError"]),
        Fault("np.logical_not(part, out=part)", "pass", "the complement", twins=["pooling.max_mask"]),
        Fault("if not window.overlap:", "if True:", "windows that overlap", twins=["pooling.add_to_chosen"]),
        Fault("columns[...] = items_of(phase)", "columns[:1] = items_of(phase)[:1]", "other channels",
              twins=["pooling.add_to_chosen"], errors=["ValueError", "AssertionError"]),
    ],
    "ops/fast/images/polyphase.py": [
        Fault("np.empty if covered else np.zeros", "np.empty", "pixels without a kernel element",
              twins=["conv_gemm.correlated_images", "depthwise.depthwise_images"]),
        Fault("if k < len(inside):", "if True:", "fewer pixels than phases",
              twins=["conv_gemm.correlated_images", "depthwise.depthwise_images"], errors=["IndexError"]),
    ],
    "ops/fast/images/ring_buffer.py": [
        Fault("ring[:, :, : part.field_columns.start] = ring[:, :, part.field_columns.stop :] = 0", "pass",
              "the zeros at the sides", twins=["conv_gemm.correlated_maps"]),
        Fault("ring[:, :, :, new % kh] = 0", "pass", "the zeros below", twins=["conv_gemm.correlated_maps"]),
        Fault("end = first + kh\n", "end = first + kh + 1\n", "a bound", twins=["conv_gemm.correlated_maps"]),
    ],
    "ops/fast/images/conv_gemm.py": [
        Fault(", padded[:, :, :, target.stop :] = 0, 0", " = 0", "the zeros below",
              twins=["conv_gemm.correlated_images"]),
        Fault("for partial_sum in partial_sums:", "for partial_sum in ():", "other parts",
              twins=["conv_gemm.correlated_kernels"]),
        Fault("contiguous = maps if maps.flags.c_contiguous else np.empty(maps.shape, maps.dtype)", "contiguous = maps",
              "strided maps", twins=["conv_gemm.correlated_images"]),
        Fault("max(1, _PRODUCT_BYTES //", "max(0, _PRODUCT_BYTES //", "a row too large",
              twins=["conv_gemm.correlated_images"], errors=["ValueError", "AssertionError"]),
        Fault("if not length:", "if length < 0:", "the empty case", twins=["conv_gemm.correlated_kernels"],
              paths=["correlate_kernels", "conv2d"], errors=["ZeroDivisionError", "ValueError", "Failed"]),
        Fault("pointwise=kh == kw == 1", "pointwise=kw == 1", "several rows", twins=["conv_gemm.correlated_maps"],
              errors=["ValueError", "AssertionError"]),
        Fault("phases[:, :, : target_rows.start] = phases[:, :, target_rows.stop :] = 0", "pass",
              "the zeros above and below", twins=["conv_gemm.correlated_kernels"]),
    ],
    "ops/fast/images/conv_columns.py": [
        Fault("tap.start - inside.start, tap.stop - inside.start,", "tap.start, tap.stop,", "the padding",
              twins=["conv_columns.images_by_columns"], errors=["ValueError", "AssertionError"]),
        Fault("images[part, y, x] +=", "images[part, y, x] =", "windows that overlap",
              twins=["conv_columns.images_by_columns"]),
        Fault("if bias is not None:", "if bias is None:", "a bias", twins=["conv_columns.maps_by_columns"],
              errors=["TypeError", "AssertionError"]),
        Fault("len(images) // groups, len(window.rows)", "len(images), len(window.rows)", "groups",
              twins=["conv_columns.kernels_by_columns"], errors=["ValueError", "AssertionError"]),
    ],
    "ops/fast/images/depthwise.py": [
        Fault("bool(np.isfinite(np.vdot(out, out)) or np.isfinite(out).all())", "True", "a number that is not finite",
              twins=["depthwise.depthwise_maps"]),
        Fault("if np.isfinite(kernels).all():", "if kernels.size:", "a number that is not finite",
              twins=["depthwise.depthwise_kernels"]),
        Fault("contiguous = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)", "contiguous = out",
              "strided maps", twins=["depthwise.depthwise_images"]),
        Fault(" or window.dilation[0] > 1:", ":", "dilated rows", twins=["depthwise.depthwise_maps"],
              errors=["ValueError", "AssertionError"]),
        Fault("(length, columns % length)", "(length,)", "a remainder", twins=["depthwise.depthwise_maps"]),
        Fault("window.stride == (1, 1) and", "", "a stride", twins=["depthwise.depthwise_kernels"],
              errors=["ValueError", "AssertionError"]),
    ],
    "ops/fast/transpose.py": [
        Fault("if x.strides[0] == x.itemsize:", "if len(x) > 1:", "strided elements",
              twins=["transpose.put_last"], errors=["ValueError", "AssertionError"]),
        Fault("if not columns_at_a_time:", "if x.ndim < 2:", "a row too large", twins=["transpose.put_last"],
              errors=["ValueError", "AssertionError"]),
        Fault("range(0, x.shape[1], columns_at_a_time)",
              "range(0, x.shape[1] - columns_at_a_time + 1, columns_at_a_time)", "a remainder",
              twins=["transpose.put_last"]),
    ],
    "ops/fast/networks/softmax.py": [
        Fault("if total.max() < np.inf and", "if", "the overflow of exp", twins=["softmax.softmax_values"]),
        Fault("(total.min() >= 1 or x.min() > -_SAFE_EXPONENT)", "total.max() > 0", "the underflow of exp",
              twins=["softmax.softmax_values"]),
        Fault("if not g.ndim:", "if g is None:", "the 0-d case", twins=["softmax.log_softmax_vjp"],
              errors=["AxisError", "TypeError", "AssertionError"]),
        Fault("rows = p.ndim and axis in", "rows = axis in", "the 0-d case", twins=["softmax.softmax_vjp"],
              errors=["ValueError", "ShapeError", "AssertionError"]),
        Fault(" if x.size else np.array(x)", "", "the empty case", twins=["softmax.softmax_values"],
              errors=["ValueError"]),
    ],
    "ops/fast/networks/attention.py": [
        Fault("if seen.size:", "if True:", "queries without keys", twins=["attention"],
              errors=["IndexError", "ValueError"]),
        Fault("np.where(blind, 0, highest)", "highest", "a query without keys", twins=["attention"],
              errors=["AssertionError"]),
        Fault(" + blind", "", "a query without keys", twins=["attention"], errors=["AssertionError"]),
        Fault(" if block_mask.shape[2] > 1 else slice(0, keys)", "", "a mask for all keys", twins=["attention"],
              errors=["AssertionError"]),
        Fault("None if sees_all else block_mask", "None", "a block with masked keys", twins=["attention"],
              errors=["AssertionError"]),
    ],
    "ops/fast/networks/recurrent.py": [
        Fault("projected_n[...] = n", "projected_n[...] = 0", "the projected state",
              twins=["recurrent, gradients"]),
        Fault("d_h[...], d_c[...] = 0, 0", "d_h[...] = 0", "the zeros at the end", twins=["recurrent, gradients"]),
        Fault("if w_hr is None:", "if True:", "a projection", twins=["recurrent"],
              errors=["ShapeError", "ValueError", "AssertionError"]),
    ],
    "ops/fast/networks/recurrent_products.py": [
        Fault("if x_requires_grad:", "if False:", "the gradient of the sequence", twins=["recurrent, gradients"]),
        Fault("for others in parts[1:]:", "for others in parts[2:]:", "the gradients of a chunk of steps",
              twins=["recurrent, gradients"]),
    ],
    "ops/fast/images/convolution.py": [
        Fault("if groups > 1 and groups == c and out <= 2 * c:", "if groups > 1:", "channels that share kernels",
              twins=["convolution, images", "convolution, kernels"], errors=["ValueError", "AssertionError"]),
        Fault("form if form is _PLAIN or np.isfinite(weight).all() else _COLUMNS", "form", "0 times infinity",
              twins=["convolution, images"]),
    ],
    "ops/fast/images/im2col.py": [
        Fault("window), window).copy()", "window), window)", "a copy", twins=["im2col.im2col_values"]),
        Fault("images[:, *window.inside]", "images", "the padding", twins=["im2col.col2im_values"]),
    ],
    "ops/fast/networks/linear.py": [
        Fault("out=out if np.result_type(out, bias) == out.dtype else None", "out=out", "a wider bias",
              twins=["linear.linear_values"], errors=["TypeError", "AssertionError"]),
        Fault("if x.ndim == 2:", "if x.ndim > 1:", "sequences", twins=["linear.linear_values"],
              errors=["ValueError", "ShapeError", "AssertionError"]),
    ],
    "engine/fast/backward.py": [
        Fault(" or (targets is not None and self.is_unreachable(parent))", "", "the end of the pass",
              passes=["multiply"]),
        Fault("node in self.owned and g.__class__ is not", "g.__class__ is not", "an array of another owner",
              passes=["program"], errors=["StaleValueError", "ValueError", "AssertionError"]),
    ],
    "engine/fast/indexed_slices.py": [
        Fault("indices=tuple(g.indices)", "indices=(...,) * len(g.values)", "the indices", passes=["getitem"],
              errors=["ShapeError", "ValueError", "AssertionError"]),
        Fault("if g.__class__ is IndexedSlices else g", "if g.__class__ is IndexedSlices and g.indices[1:] else g",
              "a single slice", passes=["getitem"], errors=["AttributeError", "TypeError", "AssertionError"]),
    ],
    "engine/generated_call.py": [
        Fault("unconditional = len(vjp_indices) == len(vjps.names)", "unconditional = bool(vjp_indices)",
              "values that no vjp needs", recorders=["multiply"]),
        Fault("if first[k : k + 1] == [name]", "if first", "parameters by keyword", recorders=["im2col"],
              errors=["AssertionError", "TypeError"]),
    ],
    "engine/fast/generated_node.py": [
        Fault(" if any(self.links[k] is not None for k in askers)", "", "values that no vjp requests",
              recorders=["multiply"]),
        Fault(", strict=True) if s is not None}", ", strict=True)}", "the storages of plain arrays",
              recorders=["multiply"]),
    ],
    "optim/fast/chunks.py": [
        Fault(" and _is_complete(optimizer, state, group)", "", "state that the update adds", updates=["SGD"],
              errors=["KeyError", "ValueError", "AssertionError"]),
        Fault(" if start else scalars", "", "the step count of the first chunk", updates=["Adam"]),
    ],
    "engine/fast/parameters.py": [
        Fault(" or vars(function):", ":", "the signature of a wrapper", twins=["parameters.parameters"]),
        Fault("defaults = (*[Parameter.empty] * (count - len(defaults)), *defaults)",
              "defaults = (*defaults, *[Parameter.empty] * (count - len(defaults)))", "the position of defaults",
              twins=["parameters.parameters"]),
    ],
    "engine/fast/sums.py": [
        Fault("rows - rows % joined", "rows", "a remainder", twins=["sums.sum_first"], errors=["ValueError"]),
        Fault("total += np.add.reduce(x[end:], 0)", "total = np.add.reduce(x[end:], 0)", "the joined rows",
              twins=["sums.sum_first"]),
    ],
    "engine/fast/scatter_add.py": [
        Fault('len(arrays) == 1 and isinstance(arrays[0], ndarray) and arrays[0].dtype.kind == "b"', "len(arrays) == 1",
              "a duplicate index", twins=["scatter_add.add_at", "scatter_add.add_at_zeros"]),
        Fault("if total.dtype == np.float16:", "if not total.dtype:", "sums of float16 in float32",
              spread=["embedding", "getitem", "take"]),
        Fault("np.where(array < 0, array + n, array)", "array", "a negative index", twins=["scatter_add.add_at"],
              errors=["ValueError", "AssertionError"]),
        Fault("np.size(values) >= _LARGE and total.flags.c_contiguous", "np.size(values) >= _LARGE", "another layout",
              twins=["scatter_add.add_at"]),
        Fault("if counts.max(initial=0) == 1:", "if counts.size:", "a duplicate row", twins=["scatter_add.add_at"]),
        Fault("values if np.shape(values) == rows_shape else np.broadcast_to(values, rows_shape)", "np.asarray(values)",
              "values that broadcast", twins=["scatter_add.add_at"], errors=["ValueError", "AssertionError"]),
    ],
}  # fmt: skip
