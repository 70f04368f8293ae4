"""Tolerances for two ways of computing one result."""

import numpy as np

# Units in the last place (ulp) by which two sums of the same terms may differ.
UNITS = {np.dtype(np.float64): 5e4, np.dtype(np.float32): 256, np.dtype(np.float16): 64,
         np.dtype(np.longdouble): 5e4}  # fmt: skip


def assert_same(found, wanted, inputs, terms=1):
    """Compare two results: NaN, infinities and the dtype exactly, other numbers up to rounding errors.

    For inputs near the end of the range, an intermediate sum or product may overflow in one order only. Then only the
    elements that are finite in both results are compared. Two such inputs may cancel, and a number added to the first
    one is lost. A product of small inputs may underflow in one order only, and zero times infinity is NaN. Each of the
    `terms` of a sum may add one ulp.
    """
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    if wanted.dtype not in UNITS:
        np.testing.assert_array_equal(found, wanted)
        return
    limits = np.finfo(wanted.dtype)
    unit, huge = max(UNITS[wanted.dtype], terms) * float(limits.eps), float(np.sqrt(limits.max))
    largest = largest_below(np.inf, *inputs)
    floor = unit * largest_below(huge, wanted) * largest_below(huge, *inputs)
    floor += 8 * float(limits.smallest_subnormal)
    wide = np.longdouble(huge)  # the bound of a float64 is not a float32 number
    if sum(np.count_nonzero((np.abs(x) >= wide) & np.isfinite(x)) for x in inputs) > 1:
        floor = unit * largest
    if largest >= huge:
        both = np.isfinite(found) & np.isfinite(wanted)
        found, wanted = found[both], wanted[both]
    if smallest_product(*inputs) < limits.smallest_subnormal and any(np.isinf(x).any() for x in inputs):
        same = ~((np.isnan(found) & np.isinf(wanted)) | (np.isinf(found) & np.isnan(wanted)))
        found, wanted = found[same], wanted[same]
    found, wanted = found.astype(np.float64), wanted.astype(np.float64)
    far = np.maximum(np.abs(found), np.abs(wanted)) >= huge  # remainders of differences of huge numbers
    np.testing.assert_allclose(np.where(far, 0, found), np.where(far, 0, wanted), rtol=unit, atol=floor)
    np.testing.assert_allclose(np.where(far, found, 0), np.where(far, wanted, 0), rtol=unit, atol=unit * largest)


def assert_within(units, found, wanted):
    """Compare two results elementwise, up to a number of ulps, and the signs of zeros."""
    assert found.dtype == wanted.dtype
    if wanted.dtype.kind == "f":
        assert found.shape == wanted.shape
        zeros = (found == 0) & (wanted == 0)
        np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(wanted[zeros]))
    if not units:
        np.testing.assert_array_equal(found, wanted, strict=True)
        return
    limits = np.finfo(wanted.dtype)
    tolerance = {"rtol": units * float(limits.eps), "atol": 2 * limits.smallest_subnormal}
    np.testing.assert_allclose(found, wanted, **tolerance, strict=True)


def largest_below(bound, *arrays):
    """Return the largest magnitude below a bound among the elements of arrays, but at least 1."""
    sizes = [np.abs(x.astype(np.float64)) for x in arrays]
    return max([1.0, *(size.max(initial=0, where=size < bound) for size in sizes)])


def smallest_product(*arrays):
    """Return the product of the magnitudes below 1 of the elements of arrays, without zeros."""
    sizes = (np.abs(x.astype(np.float64)) for x in arrays)
    return float(np.prod([np.prod(size, where=(size > 0) & (size < 1)) for size in sizes]))
