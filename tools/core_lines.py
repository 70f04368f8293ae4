"""How much of the library is its core: ``python -m tools.core_lines``.

Prints, for plain mode, the lines that a training step of the network of `models.mnist_conv` executes, by file, and the
files that `backward` of a product enters. Then, without plain mode, it prints the methods of the core that the library
overrides without calling ``super()``.
"""

import ast
import inspect
import os
import pkgutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import tinygrad_edu as tg
from models import mnist_conv
from tinygrad_edu import core
from tinygrad_edu.shared.speed.plain_mode import PLAIN

PACKAGE = Path(tg.__file__).parent
ROOMS = ("engine", "ops", "nn", "optim", "transforms", "parallel", "tape")  # those with subclasses of the core's


def training_step() -> Callable[[], None]:
    """Return a function that runs one training step of the network."""
    rng, recipe = np.random.default_rng(0), mnist_conv.RECIPES["tuned"]
    model = mnist_conv.build(recipe, rng)
    optimizer = tg.optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
    images, labels = rng.standard_normal((8, 1, 28, 28), np.float32), rng.integers(0, 10, 8)

    def step() -> None:
        optimizer.zero_grad()
        tg.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


@cache  # a trace function is called for each line
def _name_in_package(file: str) -> str | None:
    path = Path(file)
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else None


def executed_lines(function: Callable[[], Any]) -> dict[str, list[int]]:
    """Call a function and return the package's lines that it executes, by file, in order of the first call."""
    lines: dict[str, set[int]] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        file = _name_in_package(frame.f_code.co_filename)
        if file is None:
            return None
        if event == "line":
            lines.setdefault(file, set()).add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return {file: sorted(numbers) for file, numbers in lines.items()}


def lines_of_a_step() -> dict[str, list[int]]:
    """Return the lines that a training step executes, after two steps that fill the caches."""
    step = training_step()
    step()
    step()
    return executed_lines(step)


def lines_of_backward() -> dict[str, list[int]]:
    """Return the lines that `backward` of a product executes, at the second time."""
    x, y = tg.Tensor(2.0, requires_grad=True), tg.Tensor(3.0, requires_grad=True)
    (x * y).backward()
    return executed_lines((x * y).backward)


def overrides() -> set[tuple[str, str]]:
    """Return (method of the core, class that overrides it without calling super()), each by name."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "tinygrad_edu."):
        if module.name.split(".")[1] in ROOMS:
            import_module(module.name)
    return {
        (f"{owner.__name__}.{name}", f"{cls.__module__.removeprefix('tinygrad_edu.')}.{cls.__name__}")
        for cls in _library_classes()
        for name, member in vars(cls).items()
        if (owner := _overridden(name, cls)) and not _calls_super(member)
    }


def _library_classes() -> set[type]:
    """Return the subclasses of the core's classes that files of the library define, not examples in docstrings."""
    found = set().union(*(_descendants(each) for each in vars(core).values() if inspect.isclass(each)))
    own = [each for each in found if each.__module__.startswith("tinygrad_edu.") and not _is_in_core(each)]
    return {each for each in own if vars(sys.modules[each.__module__]).get(each.__name__) is each}


def _descendants(cls: type) -> set[type]:
    return {cls}.union(*map(_descendants, cls.__subclasses__()))


def _is_in_core(cls: type) -> bool:
    return cls.__module__.startswith("tinygrad_edu.core.")


def _overridden(name: str, cls: type) -> type | None:
    """Return the class of the core from which a class would inherit a method, unless the method only raises.

    A base class that overrides it without calling super() is listed itself. What overrides that is not.
    """
    for each in cls.__mro__[1:]:
        member = vars(each).get(name)
        if member is not None and _is_in_core(each):
            return each if _functions(member) and "raise NotImplementedError" not in _source(member) else None
        if member is not None and not _calls_super(member):
            return None
    return None


def _functions(member: Any) -> list[Any]:
    """Return the functions of a method or a property, and nothing for other attributes."""
    parts = [member.fget, member.fset] if isinstance(member, property) else [getattr(member, "__func__", member)]
    return [inspect.unwrap(part) for part in parts if inspect.isfunction(part)]


def _source(member: Any) -> str:
    """Return the source of a method or a property. Generated functions have none."""
    written = [each for each in _functions(member) if not each.__code__.co_filename.startswith("<")]
    return "\n".join(textwrap.dedent(inspect.getsource(each)) for each in written)


def _calls_super(member: Any) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "super" for node in ast.walk(ast.parse(_source(member))))


def report() -> Iterator[str]:
    """Yield the lines of the report."""
    step = lines_of_a_step()
    for file, numbers in sorted(step.items(), key=lambda item: not item[0].startswith("core/")):
        yield f"{len(numbers):4} lines  {file}"
    total = sum(map(len, step.values()))
    inside = sum(len(numbers) for file, numbers in step.items() if file.startswith("core/"))
    yield f"{total:4} lines in {len(step)} files; {inside} in core/ ({inside / total:.0%}), {total - inside} elsewhere"
    yield f"backward() of a product enters {', '.join(sorted(lines_of_backward()))}"


if __name__ == "__main__":
    if PLAIN:
        print(*report(), sep="\n")
    else:
        subprocess.check_call([sys.executable, "-m", "tools.core_lines"], env={**os.environ, "TINYGRAD_EDU_PLAIN": "1"})
        print("overridden without super():", *(f"  {method:28} {cls}" for method, cls in sorted(overrides())), sep="\n")
