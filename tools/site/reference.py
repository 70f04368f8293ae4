"""Pages of the reference: one for each file with public names, in reading order."""

import inspect
import os
from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import tinygrad_edu as tg
from tinygrad_edu.engine import Tensor
from tinygrad_edu.ops.methods import METHODS

ROOT = Path(__file__).parents[2]
INDEX = Path("docs/reference.md")  # its place in the checkout, if it were stored

# Public namespaces and their titles in the site.
NAMESPACES = {
    "tinygrad_edu": "Tensors and functions",
    "tinygrad_edu.ops.linalg": "tg.linalg",
    "tinygrad_edu.nn": "tg.nn",
    "tinygrad_edu.nn.init": "tg.nn.init",
    "tinygrad_edu.distributions": "tg.distributions",
    "tinygrad_edu.optim": "tg.optim",
    "tinygrad_edu.optim.schedules": "tg.optim.schedules",
    "tinygrad_edu.data": "tg.data",
    "tinygrad_edu.parallel": "parallel",
    "tinygrad_edu.training": "training",
    "tinygrad_edu.interop.onnx": "onnx",
    "tinygrad_edu.interop.sklearn": "sklearn",
    "tinygrad_edu.tape": "tape",
    "tinygrad_edu.testing": "testing",
    "tinygrad_edu.testing.strategies": "testing.strategies",
    "tinygrad_edu.testing.mutate": "testing.mutate",
    "tinygrad_edu.errors": "errors",
}


class Page(NamedTuple):
    """A page of the reference.

    Attributes
    ----------
    namespace : str
        The namespace from which users import the names.
    module : str
        The module that defines the names.
    names : list of str
        The public names of the module.
    """

    namespace: str
    module: str
    names: list[str]

    @property
    def path(self) -> str:
        """The path of the page in the site."""
        return f"reference/{self.module.removeprefix('tinygrad_edu.').replace('.', '/')}.md"

    @property
    def source(self) -> Path:
        """The path of the module in the checkout."""
        return source(self.module)


def pages() -> Iterator[Page]:
    """Yield the pages of all namespaces. A file has one page, in the first namespace that exports a name of it."""
    found: dict[str, tuple[str, set[str]]] = {}
    for namespace in NAMESPACES:
        for module, names in _by_module(import_module(namespace)).items():
            found.setdefault(module, (namespace, set()))[1].update(names)
    for module, (namespace, public) in found.items():
        yield Page(namespace, module, sorted(public))


def objects() -> Iterator[tuple[str, str, Any]]:
    """Yield (module, name, object) for each public name."""
    for page in pages():
        for name in page.names:
            yield page.module, name, getattr(import_module(page.module), name)


def is_plain_exception(each: Any) -> bool:
    """Return whether an object is an exception class with a built-in ``__init__``, which takes any arguments."""
    return inspect.isclass(each) and issubclass(each, BaseException) and not inspect.isfunction(each.__init__)


def signature(each: Any) -> inspect.Signature:
    """Return the signature of a class or function. A plain exception has ``*args``, and a protocol no parameters."""
    if is_plain_exception(each):
        return inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)])
    if getattr(each, "_is_protocol", False):
        return inspect.Signature()
    found = inspect.signature(each)
    fields = getattr(each, "__dataclass_fields__", {}).values()
    factories = {field.name: field.default_factory for field in fields if callable(field.default_factory)}
    parameters = [
        p.replace(default=factories[p.name]()) if p.name in factories else p for p in found.parameters.values()
    ]
    return found.replace(parameters=parameters)


def markdown(page: Page) -> str:
    """Return a page as Markdown that mkdocstrings fills in."""
    members = "".join(f"\n        - {name}" for name in page.names)
    text = f"# {_title(page.module)}\n\n::: {page.module}\n    options:\n      members:{members}\n{_second_names(page)}"
    return text + _methods() if page.module == Tensor.__module__ else text


def index() -> str:
    """Return the page that lists all public names by file, with the first lines of their docstrings, as Markdown."""
    text = "# Reference\n\n`tg` is `import tinygrad_edu as tg`.\n"
    for namespace, title in NAMESPACES.items():
        room = import_module(namespace)
        text += f"\n## {title}\n\n`{namespace}`: {_first_line(room)}\n"
        for module, names in _by_module(room).items():
            file = Path(os.path.relpath(source(module), INDEX.parent)).as_posix()
            text += f"\n**[{_title(module)}]({file})**: {_first_line(import_module(module))}\n\n"
            text += "".join(
                f"- {link(name, room, INDEX.parent)}: {_summary(import_module(module), name)}\n"
                for name in sorted(names)
            )
    return text


def navigation() -> list[object]:
    """Return the reference as entries of the site's navigation."""
    groups: dict[str, list[dict[str, str]]] = {}
    for page in pages():
        groups.setdefault(NAMESPACES[page.namespace], []).append({page.module.rpartition(".")[2]: page.path})
    return ["reference/index.md", *({name: list(entries)} for name, entries in groups.items())]


def link(name: str, namespace: ModuleType = tg, start: Path = Path("docs"), label: str = "") -> str:
    """Return a Markdown link to a public name: to its file, from a page in `start`. The site links to its entry.

    Examples
    --------
    >>> link("linalg.det")
    '[`linalg.det`](../tinygrad_edu/ops/linear_algebra/determinants.py#det)'
    """
    *path, last = name.split(".")
    home = _home(reduce(getattr, path, namespace), last)
    return f"[`{label or name}`]({Path(os.path.relpath(source(home), start)).as_posix()}#{last})"


def source(module: str) -> Path:
    """Return the path of a module in the checkout."""
    path = Path(*module.split("."))
    return path / "__init__.py" if hasattr(import_module(module), "__path__") else path.with_suffix(".py")


def _home(namespace: ModuleType, name: str) -> str:
    """Return the module that defines a public name. A name from another library is defined in the namespace."""
    each = getattr(namespace, name)
    modules = [getattr(part, "__module__", None) or "" for part in (inspect.unwrap(each), each)]
    return next((module for module in modules if module.startswith(tg.__name__)), namespace.__name__)


def _by_module(namespace: ModuleType) -> dict[str, list[str]]:
    """Return the public names of a namespace by defining module."""
    public = getattr(namespace, "__all__", None) or [
        name for name, each in vars(namespace).items() if getattr(each, "__module__", "") == namespace.__name__
    ]
    found: dict[str, list[str]] = {}
    for name in public:
        if not inspect.ismodule(getattr(namespace, name)):
            found.setdefault(_home(namespace, name), []).append(name)
    return dict(sorted(found.items()))


def _title(module: str) -> str:
    return module.removeprefix("tinygrad_edu.")


def _first_line(each: object) -> str:
    return (inspect.getdoc(each) or "").partition("\n")[0]


def _summary(module: ModuleType, name: str) -> str:
    """Return the first line of the docstring of a public name, or the type of a constant."""
    each = getattr(module, name)
    return _first_line(each) if callable(each) else f"A constant of type {type(each).__name__.strip('_')}."


def _second_names(page: Page) -> str:
    """Return entries for the names that are defined elsewhere, such as ``amax``, which is ``max``."""
    text = ""
    for name in page.names:
        each = getattr(import_module(page.module), name)
        own = getattr(each, "__name__", name)
        foreign = f"{each.__module__}." if inspect.isclass(each) and each.__module__.startswith("numpy") else ""
        if foreign or own != name:
            text += f"\n## {name} {{ #{page.module}.{name} }}\n\n`{name}` is `{foreign}{own}`.\n"
    return text


def _methods() -> str:
    """Return a table of the functions that are also methods of Tensor."""
    rows = "".join(_method(name) for name in METHODS if not name.startswith("__"))
    return f"\n## Functions that are also methods\n\n| method | returns |\n|---|---|\n{rows}"


def _method(name: str) -> str:
    method = getattr(Tensor, name)
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(method).parameters.values()]
    call = f"t.{name}{inspect.Signature(parameters[1:])}".replace("|", r"\|")
    summary = _first_line(method).removeprefix("Return ").replace("|", r"\|")
    homes = [namespace for namespace in (tg, tg.linalg) if name in namespace.__all__]
    entry = link(name, homes[0], source(Tensor.__module__).parent, call) if homes else f"`{call}`"
    return f"| {entry} | {summary} |\n"
