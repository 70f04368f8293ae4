"""Functions of kornia: colors, filters, warps, geometry, losses, morphology, features."""

import kornia
import torch
from kornia import color, contrib, enhance, feature, filters, geometry, losses, morphology
from kornia.geometry import liegroup, quaternion, solvers

from benchmarks.checkers.real import POSITIVE, REAL, UNIT, Case, Domain, Judged
from benchmarks.checkers.real import torch as row

torch.set_num_threads(1)  # threads take 50 times the time of tiny images
NEAR = Domain(-3.0, 3.0)
IMAGE = Domain(0.0, 1.0, (1, 3, 2, 2), special=(0.25, 0.5, 0.75))
GRAY = Domain(0.0, 1.0, (1, 1, 4, 5), special=(0.25, 0.5, 0.75))
VOLUME = GRAY[1, 1, 3, 3, 4]
BAND = Domain(0.3, 0.7, special=(0.4, 0.5, 0.6))[1, 3, 2, 2]  # stays inside 0 to 1
POINTS = NEAR[1, 3, 2]
MATRIX = NEAR[1, 3, 3]
ANGLES = Domain(-2.0, 2.0, (2, 3))
QUATERNIONS = NEAR[2, 4]
LABELS = torch.tensor([[[0, 2], [1, 0]]])
BITS = torch.tensor([[[[1.0, 0], [0, 1]]]], dtype=torch.float64)
CROSS = torch.tensor([[0.0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=torch.float64)
EYE = torch.eye(3, dtype=torch.float64)


def to(constant, like):
    """Return a constant in the dtype of another tensor."""
    return constant.to(like.dtype)


def near_identity(m):
    return to(EYE, m) + 0.1 * m


def rotation(v):
    return geometry.axis_angle_to_rotation_matrix(v)


def camera(f):
    """Return the matrix of a camera with the focal lengths and the center of `f`."""
    zero, one = torch.zeros_like(f[..., 0]), torch.ones_like(f[..., 0])
    rows = [f[..., 0], zero, f[..., 2], zero, f[..., 1], f[..., 3], zero, zero, one]
    return torch.stack(rows, -1).reshape(*f.shape[:-1], 3, 3)


FOCAL = Domain(0.5, 2.0, (1, 4))
DEEP = Domain(0.5, 4.0)

COLORS = [
    *[
        row(f"kornia.color.{f.__name__}", f, IMAGE)
        for f in (
            color.bgr_to_grayscale,
            color.hls_to_rgb,
            color.hsv_to_rgb,
            color.linear_rgb_to_rgb,
            color.rgb_to_bgr,
            color.rgb_to_grayscale,
            color.rgb_to_hls,
            color.rgb_to_hsv,
            color.rgb_to_lab,
            color.rgb_to_linear_rgb,
            color.rgb_to_luv,
            color.rgb_to_rgb255,
            color.rgb_to_xyz,
            color.rgb_to_y,
            color.rgb_to_ycbcr,
            color.rgb_to_yuv,
            color.rgb_to_yuv420,
            color.rgb_to_yuv422,
            color.sepia_from_rgb,
            color.rgb_to_raw,
            color.xyz_to_rgb,
            color.ycbcr_to_rgb,
            color.yuv_to_rgb,
        )
        if f is not color.rgb_to_raw
    ],
    row("kornia.color.rgb_to_raw", lambda x: color.rgb_to_raw(x, color.CFA.BG), IMAGE),
    row("kornia.color.raw_to_rgb", lambda x: color.raw_to_rgb(x, color.CFA.BG), GRAY[1, 1, 4, 4]),
    row("kornia.color.raw_to_rgb_2x2_downscaled", lambda x: color.raw_to_rgb_2x2_downscaled(x, color.CFA.GB),
        GRAY[1, 1, 4, 4]),
    row("kornia.color.rgb_to_grayscale, weights", lambda x, w: color.rgb_to_grayscale(x, w), IMAGE, UNIT[3]),
    row("kornia.color.lab_to_rgb", lambda x, a: color.lab_to_rgb(torch.cat([x, a], 1)),
        Domain(5.0, 95.0, (1, 1, 2, 2)), Domain(-50.0, 50.0, (1, 2, 2, 2))),
    row("kornia.color.lab_to_rgb, clip=False", lambda x, a: color.lab_to_rgb(torch.cat([x, a], 1), clip=False),
        Domain(5.0, 95.0, (1, 1, 2, 2)), Domain(-50.0, 50.0, (1, 2, 2, 2))),
    row("kornia.color.luv_to_rgb", lambda x, a: color.luv_to_rgb(torch.cat([x, a], 1)),
        Domain(5.0, 95.0, (1, 1, 2, 2)), Domain(-30.0, 30.0, (1, 2, 2, 2))),
    row("kornia.color.rgba_to_rgb", color.rgba_to_rgb, UNIT[1, 4, 2, 2]),
    row("kornia.color.rgb_to_rgba", color.rgb_to_rgba, IMAGE, UNIT[1, 1, 2, 2]),
    row("kornia.color.yuv420_to_rgb", color.yuv420_to_rgb, UNIT[1, 1, 2, 4], Domain(-0.4, 0.4, (1, 2, 1, 2))),
    row("kornia.color.yuv422_to_rgb", color.yuv422_to_rgb, UNIT[1, 1, 2, 4], Domain(-0.4, 0.4, (1, 2, 2, 2))),
    row("kornia.color.rgb255_to_normals", color.rgb255_to_normals, Domain(1.0, 255.0, (1, 3, 2, 2))),
    row("kornia.color.normals_to_rgb255", color.normals_to_rgb255, NEAR[1, 3, 2, 2]),
]  # fmt: skip

FILTERS = [
    *[
        row(f"kornia.filters.{name}", f, GRAY, *others)
        for name, f, *others in [
            ("bilateral_blur", lambda x: filters.bilateral_blur(x, 3, 0.3, (1.0, 1.5))),
            ("bilateral_blur, l2", lambda x: filters.bilateral_blur(x, 3, 0.3, (1.0, 1.5), color_distance_type="l2")),
            ("bilateral_blur, sigmas", lambda x, c, s: filters.bilateral_blur(x, 3, c, s), DEEP[1], DEEP[1, 2]),
            ("joint_bilateral_blur", lambda x, y: filters.joint_bilateral_blur(x, y, 3, 0.3, (1.0, 1.5)), GRAY),
            ("blur_pool2d", lambda x: filters.blur_pool2d(x, 3)),
            ("box_blur", lambda x: filters.box_blur(x, 3)),
            ("box_blur, not separable", lambda x: filters.box_blur(x, (3, 3), "replicate", separable=False)),
            ("canny", lambda x: filters.canny(x, kernel_size=3)[0]),
            ("edge_aware_blur_pool2d", lambda x: filters.edge_aware_blur_pool2d(x + 0.1, 3)),
            ("fft_conv", filters.fft_conv, NEAR[1, 3, 3]),
            ("filter2d", filters.filter2d, NEAR[1, 3, 3]),
            ("filter2d, normalized", lambda x, k: filters.filter2d(x, k, normalized=True), POSITIVE[1, 3, 3]),
            ("filter2d, conv", lambda x, k: filters.filter2d(x, k, "circular", behaviour="conv"), NEAR[1, 3, 3]),
            ("filter2d, valid", lambda x, k: filters.filter2d(x, k, padding="valid"), NEAR[1, 3, 3]),
            ("filter2d_separable", filters.filter2d_separable, NEAR[1, 3], NEAR[1, 3]),
            ("gaussian_blur2d", lambda x, s: filters.gaussian_blur2d(x, 3, s), DEEP[1, 2]),
            ("gaussian_blur2d, constant", lambda x: filters.gaussian_blur2d(x, 3, (1.0, 0.5), "constant", False)),
            ("guided_blur", lambda x, y: filters.guided_blur(y, x, 3, 0.1), GRAY),
            ("guided_blur, color", lambda x, y: filters.guided_blur(y, x, 3, 0.1), UNIT[1, 3, 4, 5]),
            ("guided_blur, eps", lambda x, e: filters.guided_blur(x, x, 3, e), DEEP[1]),
            ("laplacian", lambda x: filters.laplacian(x, 3)),
            ("max_blur_pool2d", lambda x: filters.max_blur_pool2d(x, 3)),
            ("median_blur", lambda x: filters.median_blur(x, 3)),
            ("motion_blur, bilinear", lambda x, a, d: filters.motion_blur(x, 3, a, d, mode="bilinear"),
             Domain(-40.0, 40.0, (1,), special=(10.0, -20.0)), Domain(-0.9, 0.9, (1,))),
            ("motion_blur", lambda x: filters.motion_blur(x, 3, 30.0, 0.5)),
            ("sobel", filters.sobel),
            ("sobel, normalized=False", lambda x: filters.sobel(x, False)),
            ("spatial_gradient", filters.spatial_gradient),
            ("spatial_gradient, second", lambda x: filters.spatial_gradient(x, order=2)),
            ("spatial_gradient, diff", lambda x: filters.spatial_gradient(x, "diff")),
            ("unsharp_mask", lambda x, s: filters.unsharp_mask(x, 3, s), DEEP[1, 2]),
        ]
    ],
    row("kornia.filters.filter3d", filters.filter3d, VOLUME, NEAR[1, 3, 3, 3]),
    row("kornia.filters.spatial_gradient3d", filters.spatial_gradient3d, VOLUME),
    row("kornia.filters.spatial_gradient3d, second", lambda x: filters.spatial_gradient3d(x, order=2), VOLUME),
    *[
        row(f"kornia.filters.{f.__name__}", lambda s, f=f: f(5, s), DEEP[1, 1])
        for f in (filters.get_gaussian_kernel1d, filters.get_gaussian_discrete_kernel1d,
                  filters.get_gaussian_erf_kernel1d)
    ],
    row("kornia.filters.get_gaussian_kernel2d", lambda s: filters.get_gaussian_kernel2d((3, 5), s), DEEP[1, 2]),
]  # fmt: skip

ENHANCE = [
    *[
        row(f"kornia.enhance.{name}", f, domain, *others)
        for name, f, domain, *others in [
            ("add_weighted", enhance.add_weighted, IMAGE, NEAR[1], IMAGE, NEAR[1], NEAR[1]),
            ("adjust_brightness", enhance.adjust_brightness, BAND, Domain(-0.2, 0.2, (1,))),
            ("adjust_brightness_accumulative", enhance.adjust_brightness_accumulative, BAND, Domain(0.5, 1.2, (1,))),
            ("adjust_contrast", enhance.adjust_contrast, BAND, Domain(0.5, 1.2, (1,))),
            ("adjust_contrast_with_mean_subtraction", enhance.adjust_contrast_with_mean_subtraction, BAND,
             Domain(0.5, 1.2, (1,))),
            ("adjust_gamma", enhance.adjust_gamma, BAND, Domain(0.5, 2.0, (1,)), Domain(0.5, 1.2, (1,))),
            ("adjust_hue", enhance.adjust_hue, BAND, Domain(-1.0, 1.0, (1,))),
            ("adjust_log", enhance.adjust_log, BAND),
            ("adjust_log, inv", lambda x: enhance.adjust_log(x, 0.9, inv=True), BAND),
            ("adjust_saturation", enhance.adjust_saturation, BAND, Domain(0.2, 1.2, (1,))),
            ("adjust_saturation_with_gray_subtraction", enhance.adjust_saturation_with_gray_subtraction, BAND,
             Domain(0.2, 1.2, (1,))),
            ("adjust_sigmoid", enhance.adjust_sigmoid, IMAGE),
            ("adjust_sigmoid, inv", lambda x: enhance.adjust_sigmoid(x, 0.4, 5, inv=True), IMAGE),
            ("denormalize", enhance.denormalize, IMAGE, NEAR[1, 3], DEEP[1, 3]),
            ("equalize_clahe", lambda x: enhance.equalize_clahe(x, 40.0, (2, 2), slow_and_differentiable=True),
             GRAY[1, 1, 4, 4]),
            ("histogram", lambda x, w: enhance.histogram(x, to(torch.tensor([0.1, 0.5, 0.9]), x), w), UNIT[1, 5],
             Domain(0.2, 1.0, ())),
            ("histogram2d", lambda x, y, w: enhance.histogram2d(x, y, to(torch.tensor([0.1, 0.5, 0.9]), x), w),
             UNIT[1, 5], UNIT[1, 5], Domain(0.2, 1.0, ())),
            ("image_histogram2d", lambda x: enhance.image_histogram2d(x, 0.0, 1.0, 5)[0], GRAY),
            ("image_histogram2d, gaussian", lambda x: enhance.image_histogram2d(x, 0.0, 1.0, 5, 0.3, kernel="gaussian"),
             GRAY),
            ("integral_image", enhance.integral_image, GRAY),
            ("invert", enhance.invert, IMAGE),
            ("jpeg_codec_differentiable", lambda x, q: enhance.jpeg_codec_differentiable(x, q), UNIT[1, 3, 16, 16],
             Domain(20.0, 80.0, (1,))),
            ("normalize", enhance.normalize, IMAGE, NEAR[1, 3], DEEP[1, 3]),
            ("normalize_min_max", enhance.normalize_min_max, IMAGE),
            ("sharpness", enhance.sharpness, Domain(0.3, 0.7, (1, 1, 4, 4)), Domain(0.2, 0.6, (1,))),
            ("shift_rgb", enhance.shift_rgb, BAND, *[Domain(-0.2, 0.2, (1,))] * 3),
            ("solarize", lambda x: enhance.solarize(x, 0.45), BAND),
            ("zca_whiten", lambda x: enhance.zca_whiten(x, eps=0.1), REAL[4, 3]),
        ]
    ],
]  # fmt: skip

GRID = Domain(-0.9, 0.9, (1, 3, 4, 2))
HOMOGRAPHY = Domain(-1.0, 1.0, (1, 3, 3))
AFFINE = Domain(-1.0, 1.0, (1, 2, 3), special=(0.37, -0.23, 0.71))
SHIFT = Domain(-1.0, 1.0, (1, 2), special=(0.3, -0.4))
TURN = Domain(-40.0, 40.0, (1,), special=(10.0, -25.0))
WARP = Domain(0.0, 1.0, (1, 1, 3, 4), special=(0.25, 0.5, 0.75))

WARPS = [
    *[
        row(f"kornia.geometry.{name}", f, WARP, *others)
        for name, f, *others in [
            ("affine", lambda x, m: geometry.affine(x, near_identity(m)[:, :2]), AFFINE),
            ("warp_affine", lambda x, m: geometry.warp_affine(x, to(EYE[:2], m) + 0.1 * m, (3, 3)), AFFINE),
            ("warp_affine, border", lambda x, m: geometry.warp_affine(
                x, to(EYE[:2], m) + 0.1 * m, (3, 3), padding_mode="border"), AFFINE),
            ("warp_affine, reflection", lambda x, m: geometry.warp_affine(
                x, to(EYE[:2], m) + 0.1 * m, (3, 3), padding_mode="reflection"), AFFINE),
            ("warp_affine, fill", lambda x, m, v: geometry.warp_affine(
                x.expand(1, 3, 3, 4), to(EYE[:2], m) + 0.1 * m, (3, 3), padding_mode="fill", fill_value=v),
             AFFINE, UNIT[3]),
            ("warp_affine, bicubic", lambda x, m: geometry.warp_affine(
                x, to(EYE[:2], m) + 0.1 * m, (3, 3), mode="bicubic"), AFFINE),
            ("warp_perspective", lambda x, m: geometry.warp_perspective(x, near_identity(m), (3, 3)),
             Domain(-1.0, 1.0, (1, 3, 3), special=(0.37, -0.23, 0.71))),
            ("homography_warp", lambda x, m: geometry.homography_warp(x, near_identity(m), (3, 3)),
             Domain(-1.0, 1.0, (1, 3, 3), special=(0.37, -0.23, 0.71))),
            ("rotate", geometry.rotate, TURN),
            ("rotate, center", geometry.rotate, TURN, Domain(0.5, 2.0, (1, 2), special=(0.7, 1.3))),
            ("scale", geometry.scale, Domain(0.6, 1.8, (1, 2), special=(0.7, 1.3))),
            ("shear", geometry.shear, SHIFT),
            ("translate", geometry.translate, SHIFT),
            ("hflip", geometry.hflip),
            ("rot180", geometry.rot180),
            ("vflip", geometry.vflip),
            ("resize", lambda x: geometry.resize(x, (5, 6))),
            ("resize, antialias", lambda x: geometry.resize(x, (2, 2), antialias=True)),
            ("resize, bicubic", lambda x: geometry.resize(x, (5, 6), interpolation="bicubic")),
            ("rescale", lambda x: geometry.rescale(x, 0.6)),
            ("remap", geometry.remap, Domain(0.1, 2.9, (1, 2, 2), special=(0.3, 1.6)),
             Domain(0.1, 1.9, (1, 2, 2), special=(0.3, 1.6))),
            ("center_crop", lambda x: geometry.center_crop(x, (2, 2))),
            ("crop_and_resize", lambda x, b: geometry.crop_and_resize(
                x, to(torch.tensor([[[0, 0], [2, 0], [2, 1], [0, 1]]]), b) + 0.1 * b, (2, 2)),
             Domain(-1.0, 1.0, (1, 4, 2), special=(0.3, -0.4))),
            ("elastic_transform2d", lambda x, n: geometry.elastic_transform2d(x, n, (3, 3), (1.0, 2.0), (0.3, 0.2)),
             Domain(-1.0, 1.0, (1, 2, 3, 4), special=(0.3, -0.4, 0.7))),
            ("warp_image_tps", lambda x, c, w, a: geometry.warp_image_tps(
                x, c, 0.1 * w, 0.1 * a + to(torch.tensor([[0.0, 0], [1, 0], [0, 1]]), a)),
             Domain(-1.0, 1.0, (1, 4, 2), special=(0.3, -0.4, 0.7)),
             Domain(-1.0, 1.0, (1, 4, 2), special=(0.3, -0.4)), Domain(-1.0, 1.0, (1, 3, 2), special=(0.3, -0.4))),
            ("spatial_softmax2d", geometry.spatial_softmax2d),
            ("spatial_soft_argmax2d", geometry.spatial_soft_argmax2d, DEEP[()]),
            ("spatial_expectation2d", geometry.spatial_expectation2d),
            ("conv_soft_argmax2d", lambda x: geometry.conv_soft_argmax2d(x)),
            ("conv_soft_argmax2d, values", lambda x: geometry.conv_soft_argmax2d(x, output_value=True)),
            ("undistort_image", lambda x, f, d: geometry.undistort_image(x, camera(f), 0.1 * d),
             FOCAL, Domain(-0.5, 0.5, (1, 4), special=(0.1, -0.2))),
        ]
    ],
    row("kornia.geometry.pyrdown", geometry.pyrdown, GRAY[1, 1, 4, 4]),
    row("kornia.geometry.pyrup", geometry.pyrup, GRAY[1, 1, 3, 3]),
    row("kornia.geometry.conv_soft_argmax3d", lambda x: geometry.conv_soft_argmax3d(x), VOLUME),
    row("kornia.geometry.conv_quad_interp3d", lambda x: geometry.conv_quad_interp3d(x), VOLUME),
    row("kornia.geometry.render_gaussian2d", lambda m, s: geometry.render_gaussian2d(m, s, (3, 4)),
        Domain(-1.0, 1.0, (1, 2)), Domain(0.3, 1.0, (1, 2))),
    row("kornia.geometry.depth_to_3d", lambda d, f: geometry.depth_to_3d(d, camera(f)), DEEP[1, 1, 3, 3], FOCAL),
    row("kornia.geometry.depth_to_3d, normalize",
        lambda d, f: geometry.depth_to_3d(d, camera(f), True), DEEP[1, 1, 3, 3], FOCAL),
    row("kornia.geometry.depth_to_normals", lambda d, f: geometry.depth_to_normals(d, camera(f)), DEEP[1, 1, 3, 3],
        FOCAL),
    row("kornia.geometry.warp_frame_depth", lambda x, d, m, f: geometry.warp_frame_depth(
        x, d, torch.cat([torch.cat([to(EYE, m)[None], 0.1 * m[..., None]], -1),
                         to(torch.tensor([[[0.0, 0, 0, 1]]]), m)], 1), camera(f)),
        WARP, DEEP[1, 1, 3, 4], Domain(-1.0, 1.0, (1, 3), special=(0.3, -0.7)), FOCAL),
]  # fmt: skip
CASES: list[Case] = [*COLORS, *FILTERS, *ENHANCE, *WARPS]
JUDGED = {}
