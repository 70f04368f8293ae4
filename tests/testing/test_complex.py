"""check_gradient of complex functions, in the conventions of PyTorch and JAX."""

import numpy as np
import pytest

from tinygrad_edu.errors import DTypeError
from tinygrad_edu.testing import GradientMismatch, check_gradient
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.arrays.dtypes import as_complex, as_real
from tinygrad_edu.testing.flat_function import FlatFunction, as_input

Z, W = np.array([1 + 2j, -0.5 + 0.3j]), np.array([[0.4 - 1j, 2.0], [1j, -0.7 - 0.2j]])
X = np.array([0.3, -1.2])

# A function, its gradient in PyTorch's convention, and the arguments.
RIGHT = {
    "square": (lambda z: z**2, lambda z, g: g * np.conj(2 * z), [Z]),
    "exponential": (np.exp, lambda z, g: g * np.conj(np.exp(z)), [Z]),
    "product": (lambda a, b: a @ b, lambda a, b, g: (np.outer(g, b.conj()), a.conj().T @ g), [W, Z]),
    "conjugate": (np.conj, lambda z, g: np.conj(g), [Z]),
    "absolute value": (np.abs, lambda z, g: g * z / np.abs(z), [Z]),
    "angle": (np.angle, lambda z, g: g * 1j * z / np.abs(z) ** 2, [Z]),
    "real part": (np.real, lambda z, g: g, [Z]),
    "imaginary part": (np.imag, lambda z, g: 1j * g, [Z]),
    "not holomorphic": (lambda z: z * np.conj(z) ** 2, lambda z, g: g * z**2 + 2 * np.conj(g) * z * np.conj(z), [Z]),
    "loss": (lambda z: np.sum(np.abs(z) ** 2), lambda z: 2 * z, [Z]),
    "from real": (lambda x: np.exp(1j * x), lambda x, g: np.real(np.conj(g) * 1j * np.exp(1j * x)), [X]),
    "real and complex": (lambda x, z: x * z, lambda x, z, g: (np.real(np.conj(g) * z), x * g), [X, Z]),
    "pytrees": (lambda p: {"product": p["z"] * p["x"], "norm": np.sum(np.abs(p["z"]) ** 2)},
                lambda p, g: {"z": g["product"] * p["x"] + 2 * g["norm"] * p["z"],
                              "x": np.real(np.conj(g["product"]) * p["z"])}, [{"z": Z, "x": X}]),
    "number": (lambda z: z**2, lambda z, g: 2 * g * np.conj(z), [1 + 2j]),
    "list of numbers": (lambda z: z[0] * z[1], lambda z, g: [g * np.conj(z[1]), g * np.conj(z[0])], [[1 + 2j, 3.0]]),
    "complex64": (lambda z: z**2, lambda z, g: (g * np.conj(2 * z)).astype(np.complex64), [Z.astype(np.complex64)]),
    "real gradient": (lambda z: np.sum(np.real(z)), lambda z: np.ones(z.shape), [Z]),
    "FFT": (np.fft.fft, lambda z, g: np.fft.fft(np.conj(g)).conj(), [Z]),
    "FFT of real": (np.fft.rfft, lambda x, g: np.real(np.fft.fft(np.conj([*g, 0, 0])[:3]))[:3], [np.append(X, 2.0)]),
    "transposed": (lambda z: 2 * z, lambda z, g: 2 * g, [W.T[::-1]]),
    "empty": (lambda z: z * 2, lambda z, g: 2 * g, [Z[:0]]),
}  # fmt: skip


def conjugated(grad):
    """Return a gradient in the other convention."""

    def conj(tree):
        if isinstance(tree, dict):
            return {key: conj(part) for key, part in tree.items()}
        return type(tree)(map(conj, tree)) if isinstance(tree, list | tuple) else np.conj(tree)

    if grad.__code__.co_varnames[grad.__code__.co_argcount - 1] != "g":
        return lambda *point: conj(grad(*point))
    return lambda *point: conj(grad(*point[:-1], conj(point[-1])))


@pytest.mark.parametrize("name", RIGHT)
def test_the_convention_of_a_gradient(name):
    f, grad, point = RIGHT[name]
    takes_cotangent = "g" in grad.__code__.co_varnames
    check_gradient(f, grad, *point)
    check_gradient(f, conjugated(grad), *point, cotangent=takes_cotangent, convention="jax")


# A function, a wrong gradient, and words of the message.
CONJUGATE = 'A conjugate is missing or extra: the gradient is correct with convention="jax"'
WRONG = {
    "no conjugate": (lambda z: z**2, lambda z, g: g * 2 * z, CONJUGATE),
    "no conjugate, real result": (np.abs, lambda z, g: g * np.conj(z) / np.abs(z), CONJUGATE),
    "no conjugate, no cotangent": (lambda z: np.sum(np.abs(z) ** 2), lambda z: 2 * np.conj(z), CONJUGATE),
    "conjugate of all": (lambda z: z**2, lambda z, g: np.conj(g) * 2 * z, "It is the conjugate of the correct"),
    "real part only": (lambda z: z**2, lambda z, g: np.real(g * np.conj(2 * z)), r"at z\[[01], 1\]: analytic 0, "),
    "twice": (np.exp, lambda z, g: 2 * g * np.conj(np.exp(z)), "it is twice the correct gradient"),
    "imaginary sign": (np.imag, lambda z, g: -1j * g, CONJUGATE),
    "another shape": (lambda z: z**2, lambda z, g: np.sum(g * np.conj(2 * z)), r"the shape of \w, \(2,\), got \(\)"),
    "NaN": (lambda z: z**2, lambda z, g: g * np.nan, "it contains nan"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_complex_gradient_is_described(name):
    f, grad, words = WRONG[name]
    with pytest.raises(GradientMismatch, match=words) as caught:
        check_gradient(f, grad, Z)
    assert ("The last index" in str(caught.value)) == ("shape" not in name)


def test_the_gradient_of_a_real_input_is_real():
    with pytest.raises(DTypeError, match="the gradient of x must have a real dtype, got complex128"):
        check_gradient(lambda x: np.exp(1j * x), lambda x, g: np.conj(g) * 1j * np.exp(1j * x), X)
    with pytest.raises(GradientMismatch, match=CONJUGATE):
        check_gradient(lambda x: np.exp(1j * x), lambda x, g: np.real(g * 1j * np.exp(1j * x)), X)


# A function, its forward derivative, a wrong one, and the arguments.
FORWARD = {
    "holomorphic": (np.exp, lambda z, u: np.exp(z) * u, lambda z, u: np.exp(z) * np.conj(u), [Z]),
    "not holomorphic": (np.abs, lambda z, u: np.real(np.conj(z) * u) / np.abs(z), lambda z, u: np.abs(u), [Z]),
    "from real": (lambda x: np.exp(1j * x), lambda x, u: 1j * np.exp(1j * x) * u, lambda x, u: np.exp(1j * x) * u, [X]),
}


@pytest.mark.parametrize("convention", ["torch", "jax"])
@pytest.mark.parametrize("name", FORWARD)
def test_forward_derivatives_have_no_convention(name, convention):
    f, jvp, wrong, point = FORWARD[name]
    check_gradient(f, None, *point, jvp=jvp, convention=convention)
    with pytest.raises(GradientMismatch, match="the forward derivative along"):
        check_gradient(f, None, *point, jvp=wrong, convention=convention)


def test_a_forward_derivative_of_a_real_result_is_real():
    with pytest.raises(DTypeError, match="the forward derivative of a real result must be real"):
        check_gradient(np.abs, None, Z, jvp=lambda z, u: np.conj(z) * u / np.abs(z))


def product_jacobian(z):
    return np.array([[2 * z[0], 0], [z[1], z[0]]])


@pytest.mark.parametrize("convention", ["torch", "jax"])
def test_complex_jacobians(convention):
    settings = {"convention": convention}
    conj = np.conj if convention == "jax" else np.positive
    check_gradient(lambda z: z[0] * z, None, Z, jacobian=product_jacobian, **settings)
    check_gradient(lambda x: np.exp(1j * x), None, X, jacobian=lambda x: np.diag(1j * np.exp(1j * x)), **settings)
    check_gradient(lambda z: (np.sum(np.abs(z) ** 2), conj(2 * z)), None, Z, jac=True, **settings)
    check_gradient(np.abs, None, Z, jacobian=lambda z: np.diag(conj(z) / np.abs(z)), **settings)
    wrong = product_jacobian(Z) * [[1, 1], [1, 2]]
    with pytest.raises(GradientMismatch, match=r"of result\[1, 0\] by z\[1, 1\] is wrong: analytic -4, numeric -2"):
        check_gradient(lambda z: z[0] * z, None, Z, jacobian=lambda z: wrong, **settings)
    with pytest.raises(GradientMismatch, match="The Jacobian by z is transposed"):
        check_gradient(lambda z: z[0] * z, None, Z, jacobian=lambda z: product_jacobian(z).T, **settings)


def test_a_result_that_is_complex_at_some_points():
    flat = FlatFunction("sqrt", np.emath.sqrt, ArrayTree([0.001], ["x"], as_input))
    with pytest.raises(DTypeError, match="sqrt: the result is complex at some points and real at others"):
        flat.value(np.array(-0.001))


@pytest.mark.parametrize("x", [W, W.T, W[::-1, ::-1], W[:, :1], W[:0], np.array(1j), W.astype(np.complex64)[1:]])
def test_real_views(x):
    view = as_real(x)
    assert view.shape == (*x.shape, 2)
    assert view.size == 0 or np.shares_memory(view, x)
    assert np.array_equal(view[..., 1], x.imag)
    assert np.array_equal(as_complex(view), x)
    assert as_complex(view).dtype == x.dtype
    assert as_complex(view).strides == x.strides or not x.size


@pytest.mark.parametrize("count", range(4))
def test_complex_numbers_are_aligned(count):
    pairs = np.arange(2.0 * count + 1)[1:].reshape(count, 2)
    assert as_complex(pairs).ctypes.data % 16 == 0
    assert np.array_equal(as_real(as_complex(pairs)), pairs)
