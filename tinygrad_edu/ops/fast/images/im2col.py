"""im2col and col2im with the samples innermost in memory."""

from numpy import ndarray

from tinygrad_edu.ops.fast.images.chwn import padded_images, samples_first, samples_last
from tinygrad_edu.ops.sliding_windows import Pair, Size, add_windows, window_of, windows_of


def im2col_values(x: ndarray, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> ndarray:
    """Copy the windows of images into columns, with the samples innermost in memory."""
    window = window_of(x.shape[2:], kernel_size, stride, padding, dilation)
    windows = windows_of(padded_images(x.transpose(1, 2, 3, 0), window), window).copy()
    c, kh, kw, rows, columns, n = windows.shape
    return samples_first(windows.reshape(c * kh * kw, rows * columns, n))


def col2im_values(
    columns: ndarray, output_size: Size, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> ndarray:
    """Sum columns into images, with the samples innermost in memory."""
    window = window_of(output_size, kernel_size, stride, padding, dilation)
    kh, kw = len(window.rows), len(window.columns)
    n, c = columns.shape[0], columns.shape[1] // (kh * kw)
    images = add_windows(samples_last(columns).reshape(c, kh, kw, *window.size, n), window)
    return samples_first(images[:, *window.inside])
