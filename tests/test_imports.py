"""Imports point one way, the core needs only NumPy, and public names are listed, exist and have docstrings."""

import ast
import importlib
import inspect
import pickle
import pkgutil
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.nn import load_weights
from tools import functions_page

PACKAGE = Path(tg.__file__).parent
PROJECT = PACKAGE.parent

# Each subpackage may import from itself and from the subpackages listed here.
OPS = {"core", "errors", "shared", "engine", "ops"}
ROOMS = {
    "errors": set(),
    "shared": {"errors"},
    "core": {"errors"},
    "core_copy": {"errors", "shared", "core"},
    "data": {"errors", "shared"},
    "engine": {"core", "errors", "shared"},
    "ops": {"core", "errors", "shared", "engine"},
    "transforms": OPS,
    "nn": OPS | {"transforms"},
    "optim": OPS | {"transforms", "nn"},
    "distributions": OPS,
    "parallel": OPS | {"transforms", "nn", "optim"},
    "training": OPS | {"data", "transforms", "nn", "optim", "parallel", "tape"},
    "interop": OPS | {"data", "nn", "optim", "training"},
    "tape": OPS | {"nn"},
    "testing": OPS | {"transforms", "nn", "optim", "parallel", "data", "tinygrad_edu"},
    "lessons": OPS | {"core_copy", "data", "testing", "tinygrad_edu"},
    "tinygrad_edu": OPS | {"data", "distributions", "interop", "transforms", "nn", "optim"},
    "models": OPS | {"transforms", "nn", "optim", "parallel", "training", "testing", "data", "tinygrad_edu"},
}


def dotted(path):
    """Return the module name of a file."""
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    dotted(path): path
    for folder in (PACKAGE, PROJECT / "models")
    for path in sorted(folder.rglob("*.py*"))
    if path.suffix == ".py" or (path.suffix == ".pyi" and not path.with_suffix(".py").exists())
}


def room(module):
    """Return the subpackage of a module, or "tinygrad_edu" for the package itself."""
    if module == "tinygrad_edu.core.__main__":  # the command, which the core does not need
        return "core_copy"
    parts = module.split(".")
    return parts[1] if parts[0] == "tinygrad_edu" and len(parts) > 1 else parts[0]


def statements(node):
    """Yield the import statements of a file, in functions and under TYPE_CHECKING too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        else:
            yield from statements(child)


@cache
def imported(module, source, is_package=False):
    """Return the full names of the modules that a file imports."""
    names = set()
    for statement in statements(ast.parse(source)):
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
            continue
        base = statement.module or ""
        if statement.level:
            here = module.split(".") + (["__init__"] if is_package else [])
            base = ".".join([*here[: -statement.level], *([base] if base else [])])
        for alias in statement.names:
            names.add(f"{base}.{alias.name}" if f"{base}.{alias.name}" in FILES else base)
    return names


def back_edges(module, source, is_package=False):
    ours = {name for name in imported(module, source, is_package) if name.split(".")[0] in ("tinygrad_edu", "models")}
    return {name for name in ours if room(name) not in ROOMS[room(module)] | {room(module)}}


def test_imports_point_one_way():
    edges = {module: back_edges(module, path.read_text(), path.name == "__init__.py") for module, path in FILES.items()}
    assert {module: names for module, names in edges.items() if names} == {}


def test_every_room_has_a_place_in_the_order():
    assert {room(module) for module in FILES} == set(ROOMS)
    TopologicalSorter({name: below - {name} for name, below in ROOMS.items()}).prepare()  # raises CycleError


@pytest.mark.parametrize(
    "source",
    [
        "if TYPE_CHECKING:\n  from tinygrad_edu.nn import Module",
        "def f():\n  if True:\n    import tinygrad_edu.nn",
        "class A:\n  from ...nn import Module",
        "try:\n  from tinygrad_edu import nn as n\nexcept ImportError:\n  from ..engine import Tensor",
    ],
)
def test_a_back_edge_is_seen_wherever_it_hides(source):
    assert back_edges("tinygrad_edu.ops.products.products", source) == {"tinygrad_edu.nn"}


def test_no_file_imports_one_that_imports_it():
    """No file imports another one in a cycle. An ``__init__.py`` only collects names, and is left out.

    The operators of the core are its one forward reference.
    """
    below = {
        module: imported(module, path.read_text(), path.name == "__init__.py") & set(FILES) - {module}
        for module, path in FILES.items()
    }
    below["tinygrad_edu.core.operators"].remove("tinygrad_edu.core")
    TopologicalSorter(below).prepare()  # raises CycleError


@pytest.mark.parametrize("place", ["engine", "ops", "ops.fast", "nn", "optim", "shared", "training", "testing"])
def test_no_folder_imports_one_that_imports_it(place):
    """Each entry of a room, a file or a folder, is below all entries that import it."""
    start = f"tinygrad_edu.{place}."
    inside = {module: path for module, path in FILES.items() if module.startswith(start) and path.suffix == ".py"}
    depth = place.count(".") + 2
    below = {module.split(".")[depth]: set() for module in inside}
    for module, path in inside.items():
        names = imported(module, path.read_text(), path.name == "__init__.py")
        below[module.split(".")[depth]] |= {name.split(".")[depth] for name in names if name in inside}
    TopologicalSorter({entry: others - {entry} for entry, others in below.items()}).prepare()  # raises CycleError


@pytest.mark.thorough
def test_no_file_of_functions_uses_a_later_one():
    """In the order of docs/functions.md."""
    files = [file.__name__ for file in functions_page.files()]
    later = {module: imported(module, FILES[module].read_text()) & {*files[k + 1 :]} for k, module in enumerate(files)}
    assert {module: names for module, names in later.items() if names} == {}


ONLY_NUMPY = """
import sys

asked = set()

class OnlyNumPy:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root in sys.stdlib_module_names or root in ("numpy", "tinygrad_edu"):
            return None
        asked.add(root)
        raise ImportError(f"the core asked for {name}")

sys.meta_path.insert(0, OnlyNumPy())
import copy, numpy  # the imports that these attempt do not count
asked.clear()
"""


def asked_for(program, tmp_path):
    """Run a program in which all third-party imports except NumPy fail, and return the attempted imports."""
    program = f"{ONLY_NUMPY}\n{program}\nprint(*asked)"
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_the_core_imports_numpy_and_the_standard_library_alone(tmp_path):
    program = """
import tinygrad_edu as tg
layer = tg.nn.Linear(2, 3)
optimizer = tg.optim.SGD(layer.parameters(), lr=0.1)
layer(tg.Tensor([[1.0, 2.0]])).sum().backward()
optimizer.step()
assert len(tg.data.load_embedded().x_train) == 1000
"""
    assert asked_for(program, tmp_path) == set()


def test_a_check_of_a_numpy_function_loads_only_what_it_needs(tmp_path):
    program = """
import numpy as np
from tinygrad_edu.testing import check
check(lambda x: np.sum(np.sin(x)), np.ones(3), grad=np.cos)
rooms = ("data", "distributions", "nn", "optim", "parallel", "training", "transforms")
loaded = [room for room in rooms if f"tinygrad_edu.{room}" in sys.modules]
assert not loaded, loaded
"""
    assert asked_for(program, tmp_path) == set()


@pytest.mark.thorough
def test_a_model_runs_on_files_of_weights_with_numpy_alone(tmp_path):
    program = f"""
import numpy as np
from tinygrad_edu import nn
model, twin = (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1D(4), nn.Linear(4, 2)).eval() for _ in range(2))
model.load({str(PROJECT / "tests" / "nn" / "torch" / "files" / "net.pth")!r})
np.savez("net.npz", **model.state_dict())
twin.load_state_dict(np.load("net.npz"))
x = np.ones((2, 3), np.float32)
assert np.array_equal(model(x), twin(x))
"""
    assert asked_for(program, tmp_path) == set()


@pytest.mark.thorough
def test_the_program_on_the_page_runs_a_model_with_numpy_and_without_this_package(tmp_path):
    page = (PROJECT / "docs" / "deployment.md").read_text()
    program = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "np.load(path)" in block)
    assert "tg" not in program
    assert "tinygrad_edu" not in program
    weights = load_weights(PROJECT / "docs" / "numbers" / "mnist_lenet.safetensors")
    np.savez(tmp_path / "lenet.npz", **weights)
    run = "assert logits(np.ones((2, 1, 28, 28), np.float32)).shape == (2, 10)"
    assert asked_for(f"path = 'lenet.npz'\n{program}\n{run}", tmp_path) == set()


@pytest.mark.thorough
def test_the_other_rooms_import_without_an_extra(tmp_path):
    names = ("testing", "parallel", "training", "tape", "lessons.judge")
    assert asked_for("\n".join(f"import tinygrad_edu.{name}" for name in names), tmp_path) == set()


# The names that the project's first issue requires in `tg`.
PROMISED = """
Tensor no_grad enable_grad from_numpy op nn optim data grad value_and_grad vjp jvp hvp jacobian hessian
add subtract multiply divide power floor_divide remainder matmul negative exp log sqrt square abs sin cos tanh sigmoid
relu maximum minimum clip where sum mean var std max min logsumexp reshape transpose expand_dims squeeze broadcast_to
concatenate stack pad flip softmax log_softmax cross_entropy im2col col2im conv2d max_pool2d avg_pool2d
"""


def test_what_is_promised_is_there():
    assert set(PROMISED.split()) <= set(tg.__all__)


def test_the_public_surface_is_exactly_what_all_lists():
    accidents = {
        name
        for name in dir(tg)
        if name.isidentifier()  # pytest adds names with an @ when it rewrites the package of a plugin
        and not name.startswith("_")
        and name not in tg.__all__
        and f"tinygrad_edu.{name}" not in sys.modules
    }
    assert accidents == set()
    assert all(not name.startswith("_") for name in tg.__all__)


def modules():
    names = [info.name for info in pkgutil.walk_packages(tg.__path__, "tinygrad_edu.")]
    return [tg, *(importlib.import_module(name) for name in names)]


def test_what_all_lists_exists_once():
    listed = {module: list(getattr(module, "__all__", ())) for module in modules()}
    assert [(module, name) for module, names in listed.items() for name in names if not hasattr(module, name)] == []
    assert [module for module, names in listed.items() if len(set(names)) < len(names)] == []


def defined(path):
    """Yield the public names of functions, classes, types and constants in a file.

    A choice between a fast function and its twin has the name of the fast function, and is not a second thing.
    """
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("faster_than("):
            continue
        targets = getattr(node, "targets", [getattr(node, "target", node)])
        names = [getattr(part, "name", getattr(part, "id", "_")) for target in targets for part in parts(target)]
        yield from (name for name in names if not name.startswith("_"))


def parts(target):
    """Return the targets in ``a, b = ...``, or a single target."""
    return target.elts if isinstance(target, ast.Tuple) else [target]


def test_everything_public_can_be_pickled_by_its_name():
    public = {name: getattr(tg, name) for name in tg.__all__}
    functions = {name: x for name, x in public.items() if callable(x)}
    assert {name for name, x in functions.items() if pickle.loads(pickle.dumps(x)) is not x} == set()


def test_no_public_name_stands_for_two_things():
    """Exceptions: the main of a command, `check` and `compare` of the lessons, and PyTorch's two names `uniform`.

    Also the core, from whose classes the library derives those with the same names.
    """
    homes, apart = {}, ("**/__main__.py", "lessons/*/*.py", "core/*.py", "core_copy/*.py")
    for path in {*PACKAGE.rglob("*.py")} - {path for pattern in apart for path in PACKAGE.glob(pattern)}:
        for name in set(defined(path)):
            homes.setdefault(name, []).append(dotted(path))
    assert homes["value_and_grad"] == ["tinygrad_edu.transforms.gradients"]
    assert homes["Shape"] == ["tinygrad_edu.testing.strategies.arrays"]
    homes["uniform"].remove("tinygrad_edu.nn.init")
    homes["check"].remove("tinygrad_edu.lessons.cells")
    homes["compare"].remove("tinygrad_edu.lessons.cells")
    assert {name: several for name, several in homes.items() if len(several) > 1} == {}


def undescribed(module):
    """Return the public names of a module and of its classes without a docstring."""
    for name, value in vars(module).items():
        home = getattr(value, "__module__", None)
        if name.startswith("_") or not callable(value) or home != module.__name__ or isinstance(value, type(list[int])):
            continue
        if not value.__doc__:
            yield name
        if inspect.isclass(value):
            for part, member in vars(value).items():
                described = inspect.isroutine(member) or isinstance(member, property | staticmethod | classmethod)
                if described and not part.startswith("_") and not inspect.getdoc(getattr(value, part)):
                    yield f"{name}.{part}"


# Ops describe the operators, and names describe the tests.
UNDESCRIBED = ("tinygrad_edu.core.operators", "tinygrad_edu.core_copy.suite")


def test_everything_public_is_described():
    described = [module for module in modules() if module.__name__ not in UNDESCRIBED]
    assert [module for module in described if not inspect.getdoc(module)] == []
    assert [(module, name) for module in described for name in undescribed(module)] == []


@pytest.mark.thorough
def test_the_package_alone_imports_no_file_of_functions():
    program = "import sys, tinygrad_edu; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name for name in run.stdout.split() if name.startswith("tinygrad_edu.ops.")}
    assert loaded == {"tinygrad_edu.ops.methods", "tinygrad_edu.ops.on_demand"}
    late = {"nn", "optim", "data", "transforms", "errors.hints.elsewhere"}
    assert not {*run.stdout.split()} & {*(f"tinygrad_edu.{name}" for name in late), "numpy.random", "hypothesis"}


def test_the_room_of_ops_lists_its_functions_and_names_the_place_of_others():
    assert {*tg.ops.__all__} <= {*dir(tg.ops)}
    for name in ("zeros", "norm"):
        with pytest.raises(AttributeError, match=f"write tg.{name}"):
            getattr(tg.ops, name)
