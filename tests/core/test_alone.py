"""The core with NumPy and its errors alone: its imports, its suite, and mutants that the suite kills."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_edu
from tinygrad_edu import core_copy

PACKAGE = Path(tinygrad_edu.__file__).parent
INSTALLED = {*sys.stdlib_module_names, "numpy"}
SUITE = ("-m", "pytest", "-x", "-p", "no:cacheprovider", "--assert=plain", "suite.py")


@pytest.fixture
def alone(tmp_path):
    """Return a folder with an empty package that has the core and the errors, and the suite next to it."""
    package = tmp_path / "tinygrad_edu"
    shutil.copytree(core_copy.CORE, package / "core", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").touch()
    shutil.copy(PACKAGE / "errors" / "__init__.py", package / "errors.py")
    shutil.copy(PACKAGE / "core_copy" / "suite.py", tmp_path)
    return tmp_path


def run(folder, *command):
    """Run Python in a folder, without plugins of pytest."""
    environment = {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_core_imports_numpy_and_the_errors_only(alone):
    code = "import sys; before = {*sys.modules}; import tinygrad_edu.core; print(*{*sys.modules} - before)"
    loaded = {name for name in run(alone, "-c", code).stdout.split() if name.split(".")[0] not in INSTALLED}
    files = {f"tinygrad_edu.core.{file.stem}" for file in core_copy.reading_order()[1:]}
    assert loaded == {"tinygrad_edu", "tinygrad_edu.errors", "tinygrad_edu.core", *files}


@pytest.mark.thorough
def test_the_suite_passes(alone):
    done = run(alone, *SUITE)
    assert done.returncode == 0, done.stdout


DERIVATIVES = ("arithmetic.py", "arrays.py", "functional.py")
MUTANTS = {
    "arithmetic.py": [
        ("multiply.vjps(x=lambda g, y: g * y", "multiply.vjps(x=lambda g, y: g + y"),
        ("y=lambda g: -g", "y=lambda g: g"),
        ("-g * out / y", "g * out / y"),
        ("1 - out * out", "1 - out"),
        ("x ** (y - (y != 0))", "x ** (y - 1)"),
        ("x ** (y - (y != 0))", "x ** y"),
        ("out * log(x + ((x == 0) & (y >= 0)))", "out * log(x)"),
        ("out * log(", "out * ("),
        ("(x == y) / 2)", "(x == y))"),
    ],
    "arrays.py": [
        ("reshape(g, x_shape, order)", "reshape(g, x_shape)"),
        ("else tuple(np.argsort([a % g.ndim for a in axes]))", "else axes"),
        ("[a % g.ndim for a in axes]", "axes"),
        ("numpy_axis(axis), np.float32, keepdims", "numpy_axis(axis), keepdims"),
        ("g / (math.prod(x_shape) / max(g.size, 1))", "g"),
        ("1 if i in axes else n", "n if i in axes else 1"),
        ("np.add.at(out, index, x)", "out[index] = x"),
        ("scatter.vjps(x=lambda g, index: getitem(g, index))", "scatter.vjps(x=lambda g: g)"),
        ("return g @ matrix_transpose(y) if", "return g @ y if"),
        ("x * g if len(y_shape) == 1 else x[:, None]", "x * g if len(y_shape) == 1 else x[None, :]"),
    ],
    "checks.py": [
        ("if name in node.storages and node", "if False and node"),
        ("tensor._storage.version > node.time", "False"),
        ("if (saved := node.saved) is None:", "if False:"),
        ("if name not in known:", "if False:"),
        ("if tensor._node is None:", "if False:"),
        ("if values.shape != tensor.shape:", "if False:"),
        ("if tensor.size != 1:", "if False:"),
        ("if x not in op.vjp_functions:", "if False:"),
        ('if dtype.kind != "f":', "if False:"),
        ('if array.dtype.kind not in "fiub":', "if False:"),
        ('if not hasattr(g, "shape")', "if False and not hasattr(g)"),
        ('if getattr(value, "requires_grad", False):', "if False:"),
        ("if labels.size and not 0 <= labels.min()", "if labels.size and not labels.min()"),
        ("if min(counts) < 1:", "if False:"),
    ],
    "engine.py": [
        ("storage.version = next(clock)", "pass"),
        ("    try:\n        yield\n    finally:\n        for", "    if True:\n        yield\n        for"),
        ("recording.reset(token)", "recording.set(True)"),
        ("heappush(self.queue, (-node.time, node))", "heappush(self.queue, (node.time, node))"),
        ("self.gradients[node] + g  #", "g  #"),
        ("self.gradients[node] = self.gradients[node] + g", "self.gradients[node] += g"),
        ("if not self.retain_graph:", "if False:"),
        ("if not self.retain_graph:", "if True:"),
        ("else unbroadcast(g, parent.shape)", "else g"),
        ("g.astype(parent.dtype)", "g"),
        ("np.array(g if leaf.grad is None else leaf.grad + g)", "g if leaf.grad is None else leaf.grad + g"),
        ("if leaf.grad is None else leaf.grad + g", ""),
        ("np.float32 if dtype == np.float16 else dtype", "dtype"),
        ("*range(new), *repeated", "*range(new),"),
    ],
    "functional.py": [
        ("scale = 1 / (1 - p) if", "scale = 1.0 if"),
        ("rng.random(x.shape) >= p", "rng.random(x.shape) >= 0"),
        ("return -mean(", "return -sum("),
        ("out * (g - sum(g * out, axis, keepdims=True))", "out * (g - sum(g * out))"),
        ("exp(out) * sum(g, axis, keepdims=True)", "exp(out)"),
        ("x - np.max(x, axis, keepdims=True) if x.size else x", "x"),
        ("padded[:, :, rows, cols] += columns[:, :, k]", "padded[:, :, rows, cols] = columns[:, :, k]"),
        ("slice(d * i, d * i + s * (n - 1) + 1, s)", "slice(i, i + s * (n - 1) + 1, s)"),
        ("2 * p - d * (k - 1)", "2 * p - (k - 1)"),
        ("math.prod(columns.shape[3:])", "-1"),
        ("reshape(bias, (-1, 1, 1))", "reshape(bias, (-1, 1, 1)) * 2"),
    ],
    "layers.py": [
        ("1 / math.sqrt(math.prod(shape[1:]))", "1 / math.prod(shape[1:])"),
        ("if self.training and self.p else x", "if self.p else x"),
        ("self.stride, self.padding, self.dilation)\n", "self.stride, self.padding)\n"),
        ("for layer in self.layers.values():", "for layer in [*self.layers.values()][:-1]:"),
    ],
    "module.py": [
        ("x.requires_grad and x.is_leaf", "True"),
        ("first.setdefault(id(x), (name, x))", "first[len(first)] = (name, x)"),
        ("if id(part) not in ancestors:", "if True:"),
        ("if isinstance(part, dict):", "if False:"),
        ("if isinstance(part, (list, tuple)) else ()", "if isinstance(part, list) else ()"),
        ("for module in self.modules():", "for module in [self]:"),
        ("return self.train(False)", "return self.train()"),
    ],
    "op.py": [
        ('"out": result._data', '"out": 2 * result._data'),
        ("if name in storages else self.copied(name, values[name])", ""),
        ("return deepcopy(value)", "return value[:] if isinstance(value, np.ndarray | list) else value"),
        ("and recording.get()", ""),
        ('and out.dtype.kind == "f"', ""),
        ('checks.unchanged(f"op {self.op.name}", f"argument {x}", tensor)', "pass"),
        ("next(viewed, None) or Storage()", "Storage()"),
        ("common = np.result_type(*(floats or [np.dtype(np.float32)]))", "return out"),
        ("or [np.dtype(np.float32)]", "or [out.dtype]"),
        ("value if isinstance(value, int | float) else np.asarray(values_of(value))", "np.asarray(values_of(value))"),
        ('**self.tensors, "out": result}.items()', "**self.tensors}.items()"),
        ("self.time = next(clock)", "self.time = 0"),
    ],
    "sgd.py": [
        ("with p.writing():", "if True:"),
        ("if (g := p.grad) is not None", "if [g := p.grad]"),
        ('state["momentum_buffer"] *= group["momentum"]', "pass"),
        ('state["momentum_buffer"] += grad', "pass"),
    ],
    "tensor.py": [
        ("np.array(values_of(data), dtype)", "np.asarray(values_of(data), dtype)"),
        ("view.flags.writeable = False", "pass"),
        ("return self._from_parts(self._data, self._storage)", "return self._from_parts(self._data, Storage())"),
        (
            "return self._from_parts(self._data, self._storage)",
            "return self._from_parts(self._data, self._storage, self._node)",
        ),
        ("with self.writing():", "if True:"),
        ("self._node.grad = None", "pass"),
        ("np.asarray(values_of(gradient), self.dtype), self)", "np.ones(self.shape, self.dtype), self)"),
    ],
}


@pytest.mark.thorough
@pytest.mark.parametrize(("file", "old", "new"), [(file, *pair) for file, pairs in MUTANTS.items() for pair in pairs])
def test_the_suite_kills_mutants(alone, file, old, new):
    path = alone / "tinygrad_edu" / "core" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    without_slow_tests = [] if file in DERIVATIVES else ["-k", "not (values_and_gradients or gradients_of_layers)"]
    assert run(alone, *SUITE, *without_slow_tests).returncode == 1
