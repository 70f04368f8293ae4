"""Names of a Tensor of PyTorch that are missing here. ``python -m tools.names_elsewhere`` writes it."""

TENSOR_NAMES = """
H abs abs_ absolute absolute_ acos_ acosh_ addbmm addbmm_ addcdiv addcdiv_ addcmul addcmul_ addmm addmm_ addmv addmv_
addr addr_ adjoint allclose aminmax angle apply_ arccos_ arccosh_ arcsin_ arcsinh_ arctan2_ arctan_ arctanh_ argwhere
as_strided as_strided_ as_strided_scatter as_subclass asin_ asinh_ atan2_ atan_ atanh_ baddbmm baddbmm_ bernoulli
bernoulli_ bitwise_and bitwise_and_ bitwise_left_shift bitwise_left_shift_ bitwise_not bitwise_not_ bitwise_or
bitwise_or_ bitwise_right_shift bitwise_right_shift_ bitwise_xor bitwise_xor_ cauchy_ ccol_indices cdouble ceil_ cfloat
chalf char cholesky cholesky_inverse cholesky_solve clamp_max_ clamp_min_ clip_ coalesce col_indices conj conj_physical
conj_physical_ const_data_ptr copysign_ cos_ cosh_ crow_indices cumprod_ cumsum_ data_ptr deg2rad_ dense_dim dequantize
diagonal_scatter digamma_ dim_order dist divide divide_ eig eq_ equal erf_ erfc_ erfinv_ exp2_ exp_ expm1_ exponential_
fill_diagonal_ fix fix_ float_power float_power_ floor_ floor_divide_ fmod_ frac frac_ frexp gcd gcd_ ge_ geometric_
geqrf ger get_device grad_dtype greater greater_ greater_equal greater_equal_ gt_ hash_tensor heaviside heaviside_ histc
histogram hypot_ i0 i0_ igamma igamma_ igammac igammac_ imag index index_copy index_copy_ index_fill index_fill_
index_put index_put_ index_reduce index_reduce_ int_repr inverse ipu is_coalesced is_complex is_conj is_cpu
is_distributed is_floating_point is_inference is_ipu is_maia is_meta is_mkldnn is_mps is_mtia is_neg is_nested
is_nonzero is_pinned is_quantized is_same_size is_set_to is_shared is_signed is_sparse is_sparse_csr is_vulkan is_xla
is_xpu isneginf isposinf isreal istft layout lcm lcm_ ldexp ldexp_ le_ lerp_ less less_ less_equal less_equal_ lgamma_
log10_ log1p_ log2_ log_ log_normal_ logaddexp2 logdet logical_and_ logical_not_ logical_or_ logical_xor_ logit_ lstsq
lt_ lu lu_solve mH map2_ map_ masked_fill_ masked_scatter masked_scatter_ matmul matrix_exp maximum minimum mode
module_load msort mtia multinomial multiply multiply_ mvlgamma mvlgamma_ name nan_to_num_ narrow_copy ndimension ne_
neg_ negative_ new new_empty_strided nextafter nextafter_ nonzero_static not_equal not_equal_ orgqr ormqr output_nr
pin_memory pinverse polygamma polygamma_ pow_ put put_ q_per_channel_axis q_per_channel_scales q_per_channel_zero_points
q_scale q_zero_point qr qscheme rad2deg_ random_ real reciprocal_ record_stream register_post_accumulate_grad_hook
reinforce relu_ remainder_ renorm renorm_ resize resize_ resize_as resize_as_ resize_as_sparse_ resolve_conj resolve_neg
round_ row_indices rsqrt_ select_scatter set_ sgn sgn_ share_memory_ sigmoid_ sign sign_ signbit sin_ sinc_ sinh_
slice_inverse slice_scatter smm solve sparse_dim sparse_mask sparse_resize_ sparse_resize_and_clear_ split_with_sizes
sqrt_ square_ squeeze_ sspaddmm stft storage storage_offset storage_type subtract subtract_ sum_to_size svd swapaxes_
swapdims_ symeig t_ take_along_dim tan_ tanh_ tensor_split to_dense to_mkldnn to_padded_tensor to_sparse to_sparse_bsc
to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr transpose_ triangular_solve tril_ triu_ true_divide_ trunc_
unflatten unfold unique_consecutive unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze_ untyped_storage
volatile where xlogy_ xpu
"""
