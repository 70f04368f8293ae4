"""Functions of kornia: colors, filters, warps, geometry, losses, morphology, features."""

import torch
from kornia import color, contrib, enhance, feature, filters, geometry, losses, morphology
from kornia.geometry import liegroup, quaternion, solvers

from benchmarks.checkers.real.case import POSITIVE, REAL, UNIT, Case, Domain, Judged
from benchmarks.checkers.real.case import torch as row

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
            color.xyz_to_rgb,
            color.ycbcr_to_rgb,
            color.yuv_to_rgb,
        )
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
            ("histogram", lambda x, w: enhance.histogram(x, to(torch.tensor([0.1, 0.5, 0.9]), x), w), UNIT[1, 5],
             Domain(0.2, 1.0, ())),
            ("histogram2d", lambda x, y, w: enhance.histogram2d(x, y, to(torch.tensor([0.1, 0.5, 0.9]), x), w),
             UNIT[1, 5], UNIT[1, 5], Domain(0.2, 1.0, ())),
            ("image_histogram2d", lambda x: enhance.image_histogram2d(x, 0.0, 1.0, 5)[0], GRAY),
            ("image_histogram2d, gaussian", lambda x: enhance.image_histogram2d(x, 0.0, 1.0, 5, 0.3, kernel="gaussian"),
             GRAY),
            ("integral_image", enhance.integral_image, GRAY),
            ("invert", enhance.invert, IMAGE),
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

NO_VMAP = ["batching"]  # grid_sample, of PyTorch, is wrong inside vmap: see docs/found.md
WARPS = [
    *[
        row(f"kornia.geometry.{name}", f, WARP, *others, skip=NO_VMAP)
        for name, f, *others in [
            ("affine", lambda x, m: geometry.affine(x, to(EYE[:2], m) + 0.1 * m), AFFINE),
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
        WARP, DEEP[1, 1, 3, 4], Domain(-1.0, 1.0, (1, 3), special=(0.3, -0.7)), FOCAL, skip=NO_VMAP),
]  # fmt: skip
CORNERS = torch.tensor([[[0.0, 0], [2, 0], [2, 1], [0, 1]]], dtype=torch.float64)
CONVERSIONS = [
    *[
        row(f"kornia.geometry.{name}", f, *domains)
        for name, f, *domains in [
            ("axis_angle_to_quaternion", geometry.axis_angle_to_quaternion, ANGLES),
            ("axis_angle_to_rotation_matrix", geometry.axis_angle_to_rotation_matrix, ANGLES),
            ("angle_to_rotation_matrix", geometry.angle_to_rotation_matrix, Domain(-180.0, 180.0)),
            ("cart2pol", geometry.cart2pol, NEAR, NEAR),
            ("pol2cart", geometry.pol2cart, POSITIVE, NEAR),
            ("convert_points_from_homogeneous", geometry.convert_points_from_homogeneous, NEAR[2, 3]),
            ("convert_points_to_homogeneous", geometry.convert_points_to_homogeneous, NEAR[2, 3]),
            ("euler_from_quaternion", lambda q: geometry.euler_from_quaternion(*geometry.normalize_quaternion(q)),
             DEEP[4]),
            ("quaternion_from_euler", geometry.quaternion_from_euler, *[ANGLES[()]] * 3),
            ("normalize_quaternion", geometry.normalize_quaternion, QUATERNIONS),
            ("quaternion_exp_to_log", lambda q: geometry.quaternion_exp_to_log(geometry.normalize_quaternion(q)),
             QUATERNIONS),
            ("quaternion_log_to_exp", geometry.quaternion_log_to_exp, ANGLES),
            ("quaternion_to_axis_angle", lambda q: geometry.quaternion_to_axis_angle(
                geometry.normalize_quaternion(q)), QUATERNIONS),
            ("quaternion_to_axis_angle, not normalized", geometry.quaternion_to_axis_angle, QUATERNIONS),
            ("quaternion_to_rotation_matrix", geometry.quaternion_to_rotation_matrix, QUATERNIONS),
            ("rotation_matrix_to_axis_angle", lambda v: geometry.rotation_matrix_to_axis_angle(rotation(v)), ANGLES),
            ("rotation_matrix_to_quaternion", lambda v: geometry.rotation_matrix_to_quaternion(rotation(v)), ANGLES),
            ("vector_to_skew_symmetric_matrix", geometry.vector_to_skew_symmetric_matrix, ANGLES),
            ("normalize_homography", lambda m: geometry.normalize_homography(near_identity(m), (3, 4), (5, 6)),
             HOMOGRAPHY),
            ("denormalize_homography", lambda m: geometry.denormalize_homography(near_identity(m), (3, 4), (5, 6)),
             HOMOGRAPHY),
            ("normalize_pixel_coordinates", lambda x: geometry.normalize_pixel_coordinates(x, 3, 4), POINTS),
            ("denormalize_pixel_coordinates", lambda x: geometry.denormalize_pixel_coordinates(x, 3, 4), POINTS),
            ("normalize_points_with_intrinsics", lambda x, f: geometry.normalize_points_with_intrinsics(
                x, camera(f)), POINTS, FOCAL),
            ("project_points", lambda x, f: geometry.project_points(x, camera(f)), DEEP[1, 3], FOCAL),
            ("unproject_points", lambda x, d, f: geometry.unproject_points(x, d, camera(f), normalize=True),
             NEAR[1, 2], DEEP[1, 1], FOCAL),
            ("distort_points", lambda x, f, d: geometry.distort_points(x, camera(f), 0.1 * d), POINTS, FOCAL,
             NEAR[1, 14]),
            ("undistort_points", lambda x, f, d: geometry.undistort_points(x, camera(f), 0.02 * d), UNIT[1, 3, 2],
             FOCAL, NEAR[1, 8]),
            ("tilt_projection", geometry.tilt_projection, UNIT[1], UNIT[1]),
            ("distort_points_kannala_brandt", geometry.distort_points_kannala_brandt, NEAR[2, 2], DEEP[2, 8]),
            ("dx_distort_points_kannala_brandt", geometry.dx_distort_points_kannala_brandt, NEAR[2], DEEP[8]),
            ("transform_points", lambda m, x: geometry.transform_points(near_identity(m), x), HOMOGRAPHY, POINTS),
            ("inverse_transformation", geometry.inverse_transformation, NEAR[1, 4, 4]),
            ("relative_transformation", geometry.relative_transformation, NEAR[1, 4, 4], NEAR[1, 4, 4]),
            ("compose_transformations", geometry.compose_transformations, NEAR[1, 4, 4], NEAR[1, 4, 4]),
            ("point_line_distance", geometry.point_line_distance, NEAR[2, 2], NEAR[2, 3]),
            ("euclidean_distance", geometry.euclidean_distance, NEAR[2, 2], NEAR[2, 2]),
            ("get_perspective_transform", lambda x, y: geometry.get_perspective_transform(
                to(CORNERS, x) + 0.1 * x, to(CORNERS, x) + 0.1 * y), NEAR[1, 4, 2], NEAR[1, 4, 2]),
            ("get_rotation_matrix2d", geometry.get_rotation_matrix2d, NEAR[1, 2], NEAR[1], DEEP[1, 2]),
            ("get_affine_matrix2d", geometry.get_affine_matrix2d, NEAR[1, 2], NEAR[1, 2], DEEP[1, 2], NEAR[1],
             NEAR[1], NEAR[1]),
            ("get_shear_matrix2d", geometry.get_shear_matrix2d, NEAR[1, 2], NEAR[1], NEAR[1]),
            ("get_projective_transform", geometry.get_projective_transform, NEAR[1, 3], NEAR[1, 3], DEEP[1, 3]),
            ("invert_affine_transform", lambda m: geometry.invert_affine_transform(to(EYE[:2], m) + 0.1 * m),
             NEAR[1, 2, 3]),
            ("get_tps_transform", lambda x, y: geometry.get_tps_transform(
                to(CORNERS, x) + 0.1 * x, to(CORNERS, x) + 0.1 * y), NEAR[1, 4, 2], NEAR[1, 4, 2]),
            ("warp_points_tps", geometry.warp_points_tps, NEAR[1, 3, 2], NEAR[1, 4, 2], NEAR[1, 4, 2], NEAR[1, 3, 2]),
            ("find_homography_dlt", lambda x, y: geometry.find_homography_dlt(
                to(CORNERS, x) + 0.1 * x, to(CORNERS, x) + 0.1 * y), NEAR[1, 4, 2], NEAR[1, 4, 2]),
            ("oneway_transfer_error", lambda x, y, m: geometry.oneway_transfer_error(x, y, near_identity(m)), POINTS,
             POINTS, HOMOGRAPHY),
            ("symmetric_transfer_error", lambda x, y, m: geometry.symmetric_transfer_error(x, y, near_identity(m)),
             POINTS, POINTS, HOMOGRAPHY),
            ("sampson_epipolar_distance", geometry.sampson_epipolar_distance, POINTS, POINTS, MATRIX),
            ("symmetrical_epipolar_distance", geometry.symmetrical_epipolar_distance, POINTS, POINTS, MATRIX),
            ("left_to_right_epipolar_distance", geometry.left_to_right_epipolar_distance, POINTS, POINTS, MATRIX),
            ("compute_correspond_epilines", geometry.compute_correspond_epilines, POINTS, MATRIX),
            ("essential_from_fundamental", geometry.essential_from_fundamental, MATRIX, MATRIX, MATRIX),
            ("fundamental_from_projections", geometry.fundamental_from_projections, NEAR[1, 3, 4], NEAR[1, 3, 4]),
            ("triangulate_points", geometry.triangulate_points, NEAR[1, 3, 4], NEAR[1, 3, 4], POINTS[1, 2, 2],
             POINTS[1, 2, 2]),
            ("solvers.solve_quadratic", solvers.solve_quadratic, NEAR[2, 3]),
            ("solvers.solve_cubic", solvers.solve_cubic, NEAR[2, 4]),
            ("quaternion.Quaternion.slerp", lambda p, q, t: quaternion.Quaternion(p).slerp(
                quaternion.Quaternion(q), t).data, DEEP[1, 4], DEEP[1, 4], UNIT[1]),
            ("liegroup.So3.exp", lambda v: liegroup.So3.exp(v).matrix(), ANGLES),
            ("liegroup.So3.log", lambda v: liegroup.So3.from_matrix(rotation(v)).log(), ANGLES),
            ("liegroup.So3.right_jacobian", liegroup.So3.right_jacobian, ANGLES),
            ("liegroup.Se3.exp", lambda v: liegroup.Se3.exp(v).matrix(), Domain(-1.0, 1.0, (1, 6))),
            ("liegroup.Se3.log", lambda v: liegroup.Se3.exp(v).log(), Domain(-1.0, 1.0, (1, 6))),
            ("liegroup.Se2.exp", lambda v: liegroup.Se2.exp(v).matrix(), Domain(-1.0, 1.0, (1, 3))),
            ("liegroup.Se2.log", lambda v: liegroup.Se2.exp(v).log(), Domain(-1.0, 1.0, (1, 3))),
        ]
    ],
]  # fmt: skip

LOSSES = [
    *[
        row(f"kornia.losses.{name}", f, *domains)
        for name, f, *domains in [
            ("binary_focal_loss_with_logits", lambda x: losses.binary_focal_loss_with_logits(x, BITS),
             NEAR[1, 1, 2, 2]),
            ("cauchy_loss", losses.cauchy_loss, IMAGE, IMAGE),
            ("charbonnier_loss", losses.charbonnier_loss, IMAGE, IMAGE),
            ("dice_loss", lambda x: losses.dice_loss(x, LABELS), NEAR[1, 3, 2, 2]),
            ("dice_loss, macro", lambda x: losses.dice_loss(x, LABELS, average="macro"), NEAR[1, 3, 2, 2]),
            ("focal_loss", lambda x: losses.focal_loss(x, LABELS, 0.3), NEAR[1, 3, 2, 2]),
            ("geman_mcclure_loss", losses.geman_mcclure_loss, IMAGE, IMAGE),
            ("inverse_depth_smoothness_loss", losses.inverse_depth_smoothness_loss, GRAY[1, 1, 3, 3], UNIT[1, 3, 3, 3]),
            ("js_div_loss_2d", losses.js_div_loss_2d, POSITIVE[1, 1, 2, 2], POSITIVE[1, 1, 2, 2]),
            ("kl_div_loss_2d", losses.kl_div_loss_2d, POSITIVE[1, 1, 2, 2], POSITIVE[1, 1, 2, 2]),
            ("lovasz_hinge_loss", lambda x: losses.lovasz_hinge_loss(x, LABELS % 2), NEAR[1, 1, 2, 2]),
            ("lovasz_softmax_loss", lambda x: losses.lovasz_softmax_loss(x, LABELS), NEAR[1, 3, 2, 2]),
            ("psnr_loss", lambda x, y: losses.psnr_loss(x, y, 1.0), IMAGE, IMAGE),
            ("ssim_loss", lambda x, y: losses.ssim_loss(x, y, 3), GRAY[1, 1, 3, 3], GRAY[1, 1, 3, 3]),
            ("total_variation", losses.total_variation, GRAY),
            ("tversky_loss", lambda x: losses.tversky_loss(x, LABELS, 0.3, 0.7), NEAR[1, 3, 2, 2]),
            ("welsch_loss", losses.welsch_loss, IMAGE, IMAGE),
        ]
    ],
    *[
        row(f"kornia.morphology.{f.__name__}", lambda x, f=f: f(x, to(CROSS, x)), GRAY[1, 1, 3, 4])
        for f in (morphology.bottom_hat, morphology.closing, morphology.dilation, morphology.erosion,
                  morphology.gradient, morphology.opening, morphology.top_hat)
    ],
    *[
        row(f"kornia.morphology.{f.__name__}, weights", lambda x, w, f=f: f(x, to(CROSS, x), w), GRAY[1, 1, 3, 4],
            UNIT[3, 3])
        for f in (morphology.dilation, morphology.erosion)
    ],
    *[
        row(f"kornia.feature.{name}", f, *domains)
        for name, f, *domains in [
            ("dog_response_single", feature.dog_response_single, GRAY[1, 1, 7, 7]),
            ("gftt_response", feature.gftt_response, GRAY),
            ("harris_response", lambda x, k: feature.harris_response(x, k), GRAY, UNIT[1]),
            ("hessian_response", feature.hessian_response, GRAY),
            ("get_laf_scale", feature.get_laf_scale, NEAR[1, 2, 2, 3]),
            ("get_laf_orientation", feature.get_laf_orientation, DEEP[1, 2, 2, 3]),
            ("make_upright", feature.make_upright, NEAR[1, 2, 2, 3]),
            ("laf_from_center_scale_ori", feature.laf_from_center_scale_ori, NEAR[1, 2, 2], DEEP[1, 2, 1, 1],
             NEAR[1, 2, 1]),
            ("ellipse_to_laf", lambda x, a, b, c: feature.ellipse_to_laf(torch.cat([x, a, 0.1 * b, c], -1)),
             NEAR[1, 2, 2], DEEP[1, 2, 1], NEAR[1, 2, 1], DEEP[1, 2, 1]),
            ("rotate_laf", feature.rotate_laf, NEAR[1, 2, 2, 3], NEAR[1, 2, 1]),
            ("scale_laf", feature.scale_laf, NEAR[1, 2, 2, 3], DEEP[1]),
            ("laf_to_boundary_points", lambda x: feature.laf_to_boundary_points(x, 4), NEAR[1, 2, 2, 3]),
            ("perspective_transform_lafs", lambda m, x: feature.perspective_transform_lafs(near_identity(m), x),
             HOMOGRAPHY, NEAR[1, 2, 2, 3]),
            ("match_nn", lambda x, y: feature.match_nn(x, y)[0], NEAR[2, 3], NEAR[3, 3]),
        ]
    ],
    row("kornia.contrib.extract_tensor_patches", lambda x: contrib.extract_tensor_patches(x, 2, 1), GRAY),
]  # fmt: skip
CASES: list[Case] = [*COLORS, *FILTERS, *ENHANCE, *WARPS, *CONVERSIONS, *LOSSES]
TIES = Judged("convention", "a subgradient at ties of the largest or smallest numbers, where the parts have kinks.")
DET = Judged("finding", "torch.linalg.det: the gradient at a singular matrix is zero.")
FORWARD = Judged("finding", "the forward derivative loses the state of Se2 and Se3.")
JUDGED = {
    "kornia.color.rgb_to_hls, special": TIES,
    "kornia.color.rgb_to_hsv, special": Judged("finding", "the gradient of the hue is half if two channels tie."),
    "kornia.enhance.adjust_hue, special": Judged("finding", "the gradient of rgb_to_hsv is wrong."),
    "kornia.enhance.adjust_saturation, special": TIES,
    "kornia.filters.median_blur, special": TIES,
    "kornia.geometry.fundamental_from_projections, special": DET,
    "kornia.geometry.liegroup.Se2.exp": FORWARD,
    "kornia.geometry.liegroup.Se2.log": FORWARD,
    "kornia.geometry.liegroup.Se3.exp": FORWARD,
    "kornia.geometry.liegroup.Se3.log": FORWARD,
    **{
        f"kornia.morphology.{name}, special": TIES
        for name in (
            "bottom_hat",
            "closing",
            "dilation",
            "erosion",
            "gradient",
            "opening",
            "top_hat",
            "dilation, weights",
            "erosion, weights",
        )
    },
}
