"""Faults to plant in the fast code, each one dropped guard, and the laws that find it: a table."""

from typing import NamedTuple


class Fault(NamedTuple):
    """A change of a file below `tinygrad_edu` that drops a guard, and the names for which the laws find it.

    Attributes
    ----------
    file : str
    old, new : str
        Text that is once in the file, inside a function, and what replaces it.
    drops : str
    twins, paths, batches, moves : str
        Names of functions in `TWINS`, and of ops in the laws of these names.
    errors : tuple of str
        The classes of errors that the laws raise.
    """

    file: str
    old: str
    new: str
    drops: str
    twins: str = ""
    paths: str = ""
    batches: str = ""
    moves: str = ""
    errors: tuple[str, ...] = ("AssertionError",)


ELEMENTWISE, REDUCTIONS, RANKS = "ops/fast/elementwise.py", "ops/fast/reductions.py", "ops/fast/ranks.py"
POWERS, INDICES, LAYOUT = "ops/fast/powers.py", "ops/fast/indices.py", "ops/fast/layout.py"
NORMALIZATION, GAUSSIAN, PRODUCTS = "ops/fast/normalization.py", "ops/fast/gaussian.py", "ops/fast/products.py"
BLOCKS, POINTWISE, PHASES = "ops/fast/blocks.py", "ops/fast/pointwise.py", "ops/fast/phases.py"
RINGS, ROWS, DEPTHWISE = "ops/fast/rings.py", "ops/fast/rows.py", "ops/fast/depthwise.py"
TURNING, SCANS, SOFTMAX = "ops/fast/turning.py", "ops/fast/scans.py", "ops/fast/softmax.py"
RECURRENT, SCATTERING = "ops/fast/recurrent.py", "engine/scattering.py"

SHAPE = ("ValueError", "AssertionError")
FAULTS = [
    Fault(ELEMENTWISE, "if x.size < _LARGE or not _has_bits(x.dtype):", "if x.size < _LARGE:", "a dtype without bits",
          twins="elementwise.masked", errors=("KeyError",)),
    Fault(ELEMENTWISE, " or mask.shape != x.shape", "", "a mask of another shape", twins="elementwise.zeroed",
          errors=("IndexError", "AssertionError")),
    Fault(ELEMENTWISE, "out=wide if alike else None", "out=wide", "bits of another shape",
          twins="elementwise.masked elementwise.zeroed elementwise.selected", errors=SHAPE),
    Fault(ELEMENTWISE, " or slope == 0:", ":", "0 times infinity", twins="elementwise.bent"),
    Fault(ELEMENTWISE, "0 <= slope <= 1", "0 <= slope", "the upper bound of a slope",
          twins="elementwise.bent elementwise.slope_of_bent"),
    Fault(ELEMENTWISE, " and x.ndim > 0 ", " ", "the 0-d case", twins="elementwise.bent", errors=("TypeError",)),
    Fault(ELEMENTWISE, " or not x.min(initial=0) > _LEAST_OF_EXP[x.dtype.char]", "", "the overflow of exp",
          twins="elementwise.logistic"),
    Fault(ELEMENTWISE, "np.size(x) < _LARGE or x.dtype.char not in \"fd\":\n        return plain_soft_part",
          "np.size(x) < _LARGE:\n        return plain_soft_part", "the dtypes of soft_part",
          twins="elementwise.soft_part", errors=("UFuncTypeError", "AssertionError")),
    Fault(ELEMENTWISE, "selected(infinite, top, out) if infinite.any() else out", "out", "infinity minus infinity",
          twins="elementwise.log_of_powers"),
    Fault(ELEMENTWISE, "else np.maximum(x, zero)", "else np.fmax(x, zero)", "a NaN", twins="elementwise.positive_part"),
    Fault(ELEMENTWISE, "_ALL_BUT_THE_SIGN[dtype.itemsize])", "integers(-1))", "the sign of 0",
          twins="elementwise.relu_slope"),
    Fault(ELEMENTWISE, "slope = 1 - share", "slope = np.subtract(1, share, out=share)", "a copy",
          twins="elementwise.silu_slope", errors=SHAPE),
    Fault(ELEMENTWISE, "if t.size <= _PART:", "if 0 < t.size <= _PART:", "the empty case",
          twins="elementwise.tanh_slope", errors=SHAPE),
    Fault(REDUCTIONS, "n <= _SHORT and not halves", "n <= _SHORT", "sums of float16 in float32",
          twins="reductions.reduction_along"),
    Fault(REDUCTIONS, "if function is np.add or rows.dtype.kind != \"f\":", "if rows.size:", "a tie of 0 and -0",
          twins="reductions.reduction_along"),
    Fault(REDUCTIONS, " and settings.get(\"dtype\") in (None, x.dtype)\n        if", "\n        if", "another dtype",
          twins="reductions.reduction_along"),
    Fault(REDUCTIONS, " and \"initial\" not in settings", "", "the initial value of a sum",
          twins="reductions.reduction_along"),
    Fault(REDUCTIONS, " and dtype in (None, x.dtype) and turned", " and turned", "another dtype of a sum",
          twins="reductions.sum_over"),
    Fault(REDUCTIONS, " if count % n == 0), None)", "), None)", "a rest", twins="reductions.sum_over", errors=SHAPE),
    Fault(REDUCTIONS, "x.dtype.char not in \"fd\" or not x.size", "not x.size", "means of float16 in float32",
          twins="reductions.mean_along"),
    Fault(REDUCTIONS, " or not x.size:", ":", "the empty case",
          twins="reductions.mean_along", paths="mean", errors=("ZeroDivisionError", "AssertionError")),
    Fault(REDUCTIONS, "limits.tiny / limits.eps < size.min(initial=np.inf) and ", "", "a factor 0",
          twins="reductions.other_factors", paths="prod", batches="prod"),
    Fault(RANKS, "~(x < bound) if descending", "x >= bound if descending", "a NaN", twins="ranks.first_places"),
    Fault(RANKS, "if len(found) != k * len(starts):", "if not len(found):", "a tie",
          twins="ranks.first_places", errors=SHAPE),
    Fault(RANKS, "if places.view(np.uintp).max() >= n:", "if not n:", "a row whose bound is a NaN",
          twins="ranks.first_places"),
    Fault(RANKS, "not 0 < k <= n // _FEW", "not k <= n // _FEW", "no places",
          twins="ranks.first_places", errors=("IndexError", "ValueError")),
    Fault(RANKS, " or np.isnan(x.max())", "", "a NaN", twins="ranks.places_at_ranks"),
    Fault(RANKS, "if np.count_nonzero(equal) * x.shape[-1] != x.size:", "if not equal.size:", "a tie",
          twins="ranks.places_at_ranks"),
    Fault(RANKS, "x = x.copy()", "x = x.view()", "a copy", twins="ranks.first_places ranks.places_at_ranks",
          errors=SHAPE),
    Fault(POWERS, "if x.dtype == np.float16:", "if not x.dtype:", "powers of float16 in float32",
          twins="powers.raised"),
    Fault(POWERS, "y.ndim or np.result_type(x.dtype, y) != x.dtype", "y.ndim", "an exponent of a wider dtype",
          twins="powers.raised", paths="power"),
    Fault(POWERS, "y.ndim or np.result_type", "np.result_type", "an array of exponents",
          twins="powers.raised", paths="power", errors=SHAPE),
    Fault(INDICES, " and index.dtype.kind == \"i\" and", " and", "a mask", twins="indices.taken", paths="getitem"),
    Fault(INDICES, "x.take(index, 0)", "x.take(index, 0, mode=\"clip\")", "a negative place", twins="indices.taken"),
    Fault(INDICES, "prod(shape[axis + 1 :])", "prod(shape[axis:])", "a bound", twins="indices.flat_places"),
    Fault(LAYOUT, "if met.shape != shape:", "if not met.size:", "the zeros outside",
          twins="rows.correlated_maps rows.correlated_images rows.correlated_kernels", paths="correlate"),
    Fault(LAYOUT, "if met.shape == shape and met[:1, :1].flags.c_contiguous:", "if met.shape == shape:",
          "rows that are not one piece", twins="rows.correlated_maps rows.correlated_kernels depthwise.depthwise_maps",
          errors=SHAPE),
    Fault(LAYOUT, "images if images.strides[3] == images.itemsize else samples_last(images.transpose(3, 0, 1, 2))",
          "images", "samples that are not neighbours", twins="rows.correlated_maps rows.correlated_kernels",
          errors=SHAPE),
    Fault(LAYOUT, "if axis or turned", "if turned", "another axis", moves="samples_innermost", errors=SHAPE),
    Fault(NORMALIZATION, "wide = np.result_type(dtype, np.float64)", "wide = dtype", "a square too large for float16",
          twins="normalization.normalized_in_parts normalization.gradient_of_x", paths="normalized"),
    Fault(NORMALIZATION, "np.asarray(scale, x.dtype), np.empty_like(x)", "np.asarray(scale, x.dtype), x", "a copy",
          twins="normalization.normalized_in_parts", errors=SHAPE),
    Fault(NORMALIZATION, "np.maximum(mean_of_products(centred, centred) - more * more, 0)",
          "mean_of_products(centred, centred) - more * more", "a variance below 0", twins="normalization.moments"),
    Fault(NORMALIZATION, "more = _mean(centred)\n", "more = np.zeros_like(mean)\n", "the rounding of the mean",
          twins="normalization.moments normalization.normalized_in_parts"),
    Fault(GAUSSIAN, "x = np.clip(x, -_END, _END)", "x = np.array(x)", "the ends of the table",
          twins="gaussian.integral"),
    Fault(GAUSSIAN, "table[0] = table[0] or -0.0", "table[0] = table[0]", "the sign of 0", twins="gaussian.integral"),
    Fault(GAUSSIAN, " or x.dtype != np.float32 or", " or", "another dtype", twins="gaussian.integral", errors=SHAPE),
    Fault(PRODUCTS, "if cut < y.shape[-1]:", "if cut < 0:", "a rest", twins="products.product"),
    Fault(PRODUCTS, "if cut < x.shape[-1]:", "if cut < 0:", "a rest", twins="products.product"),
    Fault(PRODUCTS, "else np.broadcast_shapes(x.shape[:-2], y.shape[:-2])", "else x.shape[:-2]",
          "stacks that broadcast", twins="products.product", errors=SHAPE),
    Fault(PRODUCTS, "np.result_type(x, y))", "x.dtype)", "the wider dtype", twins="products.product", paths="matmul",
          errors=("UFuncTypeError", "AssertionError")),
    Fault(PRODUCTS, " if n % k == 0]", "]", "a length that does not divide",
          twins="products.sum_of_products rows.correlated_maps", errors=SHAPE),
    Fault(BLOCKS, "if x_dtype != y_dtype or ", "if ", "another dtype", twins="products.product",
          errors=("UFuncTypeError", "AssertionError")),
    Fault(BLOCKS, "for some, length in found if some.start < some.stop]", "for some, length in found]", "no rest",
          twins="blocks.product_in_blocks", errors=("ZeroDivisionError",)),
    Fault(BLOCKS, "end = stop - (stop - start) % each", "end = stop", "a rest", twins="blocks.product_in_blocks",
          errors=SHAPE),
    Fault(BLOCKS, "min(part.stop * block.rows, m)", "part.stop * block.rows", "a bound",
          twins="blocks.product_in_blocks", errors=SHAPE),
    Fault(BLOCKS, "0 < columns < n", "columns < n", "strips of no columns", twins="products.product",
          errors=("ZeroDivisionError",)),
    Fault(POINTWISE, " or laid.size != laid.padded", "", "a stride", paths="correlate conv2d", errors=SHAPE),
    Fault(POINTWISE, " or any(a.start for a in laid.inside)", "", "padding", paths="correlate conv2d", errors=SHAPE),
    Fault(POINTWISE, "np.add.reduce(found)", "found[0]", "other parts", twins="pointwise.pointwise_kernels",
          errors=SHAPE),
    Fault(PHASES, "np.empty if covered else np.zeros", "np.empty", "pixels that meet no kernel",
          twins="rows.correlated_images depthwise.depthwise_images"),
    Fault(PHASES, "if k < len(inside):", "if True:", "fewer pixels than phases",
          twins="rows.correlated_images depthwise.depthwise_images", errors=("IndexError",)),
    Fault(RINGS, "ring[:, :, : part.beside.start] = ring[:, :, part.beside.stop :] = 0", "pass", "the zeros beside",
          twins="rows.correlated_maps"),
    Fault(RINGS, "ring[:, :, :, new % kh] = 0", "pass", "the zeros below", twins="rows.correlated_maps"),
    Fault(RINGS, "end = first + kh\n", "end = first + kh + 1\n", "a bound", twins="rows.correlated_maps"),
    Fault(ROWS, ", found[:, :, :, at.stop :] = 0, 0", " = 0", "the zeros below", twins="rows.correlated_images"),
    Fault(ROWS, "for other in others:", "for other in ():", "other parts", twins="rows.correlated_kernels"),
    Fault(ROWS, "near = maps if maps.flags.c_contiguous else np.empty(maps.shape, maps.dtype)", "near = maps",
          "maps that are apart", twins="rows.correlated_images"),
    Fault(ROWS, "max(1, _PRODUCT_BYTES //", "max(0, _PRODUCT_BYTES //", "a row too large", twins="rows.correlated_images",
          errors=SHAPE),
    Fault(ROWS, "if not length:", "if length < 0:", "the empty case", twins="rows.correlated_kernels",
          paths="correlate_kernels conv2d", errors=("ZeroDivisionError", "ValueError")),
    Fault(ROWS, "dots=kh == kw == 1", "dots=kh == 1", "several columns", twins="rows.correlated_maps", errors=SHAPE),
    Fault(ROWS, "found[:, :, : to_rows.start] = found[:, :, to_rows.stop :] = 0", "pass", "the zeros above and below",
          twins="rows.correlated_kernels"),
    Fault(DEPTHWISE, "bool(np.isfinite(np.vdot(out, out)) or np.isfinite(out).all())", "True", "a number that is not finite",
          twins="depthwise.depthwise_maps"),
    Fault(DEPTHWISE, "if np.isfinite(kernels).all():", "if kernels.size:", "a number that is not finite",
          twins="depthwise.depthwise_kernels"),
    Fault(DEPTHWISE, "near = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)", "near = out",
          "maps that are apart", twins="depthwise.depthwise_images"),
    Fault(DEPTHWISE, " or laid.dilation[0] > 1:", ":", "rows that are apart", twins="depthwise.depthwise_maps", errors=SHAPE),
    Fault(DEPTHWISE, "(length, columns % length)", "(length,)", "a rest", twins="depthwise.depthwise_maps"),
    Fault(DEPTHWISE, "laid.stride == (1, 1) and", "", "a stride", twins="depthwise.depthwise_kernels", errors=SHAPE),
    Fault(TURNING, "if x.strides[0] == x.itemsize:", "if len(x) > 1:", "numbers that are apart", twins="turning.put_last",
          errors=SHAPE),
    Fault(TURNING, "if not at_a_time:", "if x.ndim < 2:", "a row too large", twins="turning.put_last", errors=SHAPE),
    Fault(TURNING, "if not x.size:", "if not x.ndim:", "the empty case", twins="turning.put_last",
          errors=("IndexError", "ZeroDivisionError", "ValueError")),
    Fault(TURNING, "range(0, x.shape[1], at_a_time)", "range(0, x.shape[1] - at_a_time + 1, at_a_time)", "a rest",
          twins="turning.put_last"),
    Fault(SCANS, "if not np.isfinite(out[:, -1, -1]).all():", "if not out.size:", "a number that is not finite",
          twins="scans.summed_up"),
    Fault(SCANS, " + out[..., -1:]", "", "a rest", twins="scans.summed_up"),
    Fault(SCANS, " or not _is_row(x, axis):", ":", "another axis", twins="scans.summed_up", errors=SHAPE),
    Fault(SCANS, "return np.array(np.moveaxis(x, axis, 0), dtype, order=\"C\")",
          "return np.asarray(np.moveaxis(x, axis, 0), dtype, order=\"C\")", "a copy", twins="scans.accumulated",
          errors=SHAPE),
    Fault(SCANS, " and x.ndim > 1 and x.size > 0", " and x.ndim > 1", "the empty case", twins="scans.in_columns",
          errors=SHAPE),
    Fault(SCANS, "limits.tiny / limits.eps < size.min() and ", "", "a factor 0", twins="scans.cumprod_slope", paths="cumprod",
          batches="cumprod"),
    Fault(SOFTMAX, "not (x.min() > -_NEAR and x.max() < _NEAR)", "x.min() <= -_NEAR or x.max() >= _NEAR", "a NaN",
          twins="softmax.softmax_values"),
    Fault(SOFTMAX, " and x.max() < _NEAR)", ")", "the overflow of exp", twins="softmax.softmax_values"),
    Fault(SOFTMAX, "if not g.ndim:", "if g is None:", "the 0-d case", paths="log_softmax log_softmax_along",
          errors=("AxisError", "TypeError", "AssertionError")),
    Fault(SOFTMAX, "rows = p.ndim and axis in", "rows = axis in", "the 0-d case", paths="softmax softmax_along",
          errors=("ValueError", "ShapeError", "AssertionError")),
    Fault(SOFTMAX, ", initial=-np.inf", "", "the empty case", twins="softmax.softmax_values", errors=("ValueError",)),
    Fault(RECURRENT, "of_state = gates[2].copy()", "of_state = gates[2]", "a copy", twins="recurrent.gradients", paths="recurrent"),
    Fault(RECURRENT, "d_h[...], d_c[...] = 0, 0", "d_h[...] = 0", "the zeros at the end", twins="recurrent.gradients", paths="recurrent"),
    Fault(RECURRENT, "if w_hr is None:", "if True:", "a projection", twins="recurrent", errors=SHAPE),
    Fault(SCATTERING, "if len(others) == min(masks, 1):", "if len(others) <= 1:", "a place that is named twice",
          twins="scattering.add_at"),
    Fault(SCATTERING, "if total.dtype == np.float16:", "if not total.dtype:", "sums of float16 in float32",
          twins="scattering.add_at"),
    Fault(SCATTERING, "np.where(array < 0, array + n, array)", "array", "a negative place", twins="scattering.add_at", errors=SHAPE),
    Fault(SCATTERING, "np.size(values) >= _LARGE and total.flags.c_contiguous", "np.size(values) >= _LARGE",
          "another layout", twins="scattering.add_at"),
    Fault(SCATTERING, "if counts.max() == 1:", "if counts.size:", "a row that is named twice", twins="scattering.add_at"),
    Fault(SCATTERING, "values if np.shape(values) == taken else np.broadcast_to(values, taken)", "np.asarray(values)",
          "values that broadcast", twins="scattering.add_at", errors=SHAPE),
]
