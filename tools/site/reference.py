"""Pages of the reference: one for each file with public names, in reading order."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from tinygrad_edu.engine import Tensor
from tinygrad_edu.ops.methods import METHODS

# Public namespaces and their titles in the site.
NAMESPACES = {
    "tinygrad_edu": "Tensors and functions",
    "tinygrad_edu.ops.linalg": "tg.linalg",
    "tinygrad_edu.nn": "tg.nn",
    "tinygrad_edu.nn.init": "tg.nn.init",
    "tinygrad_edu.optim": "tg.optim",
    "tinygrad_edu.optim.schedules": "tg.optim.schedules",
    "tinygrad_edu.data": "tg.data",
    "tinygrad_edu.parallel": "parallel",
    "tinygrad_edu.training": "training",
    "tinygrad_edu.testing": "testing",
    "tinygrad_edu.testing.strategies": "testing.strategies",
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
    title : str
    names : list of str
    """

    namespace: str
    module: str
    title: str
    names: list[str]

    @property
    def path(self) -> str:
        """The path of the page in the site."""
        return f"reference/{self.module.removeprefix('tinygrad_edu.').replace('.', '/')}.md"


def pages() -> Iterator[Page]:
    """Yield the pages of all namespaces. A file has one page, in the first namespace that exports a name of it."""
    found: dict[str, tuple[str, set[str]]] = {}
    for namespace in NAMESPACES:
        for module, names in _by_module(import_module(namespace)).items():
            found.setdefault(module, (namespace, set()))[1].update(names)
    for module, (namespace, public) in found.items():
        yield Page(namespace, module, _title(module), sorted(public))


def markdown(page: Page) -> str:
    """Return a page as Markdown that mkdocstrings fills in."""
    members = "".join(f"\n        - {name}" for name in page.names)
    text = f"# {page.title}\n\n::: {page.module}\n    options:\n      members:{members}\n{_second_names(page)}"
    return text + _methods() if page.module == Tensor.__module__ else text


def navigation() -> list[dict[str, object]]:
    """Return the reference as entries of the site's navigation."""
    groups: dict[str, list[dict[str, str]]] = {}
    for page in pages():
        groups.setdefault(NAMESPACES[page.namespace], []).append({page.module.rpartition(".")[2]: page.path})
    return [{name: list(entries)} for name, entries in groups.items()]


def _by_module(namespace: ModuleType) -> dict[str, list[str]]:
    """Return the public names of a namespace by defining module."""
    public = getattr(namespace, "__all__", None) or [
        name for name, each in vars(namespace).items() if getattr(each, "__module__", "") == namespace.__name__
    ]
    found: dict[str, list[str]] = {}
    for name in public:
        each = getattr(namespace, name)
        if not inspect.ismodule(each):
            module = getattr(each, "__module__", None) or namespace.__name__
            found.setdefault(module if module.startswith("tinygrad_edu") else namespace.__name__, []).append(name)
    return dict(sorted(found.items()))


def _title(module: str) -> str:
    return module.rpartition(".")[2].replace("_", " ").capitalize()


def _second_names(page: Page) -> str:
    """Return lines about the aliases on a page, such as ``amax`` is ``max``."""
    own = {name: getattr(getattr(import_module(page.module), name), "__name__", name) for name in page.names}
    return "".join(f"\n`{name}` is `{other}`.\n" for name, other in own.items() if other != name)


def _methods() -> str:
    """Return a table of the functions that are also methods of Tensor."""
    rows = "".join(_method(name) for name in METHODS if not name.startswith("__"))
    return f"\n## Functions that are also methods\n\n| method | returns |\n|---|---|\n{rows}"


def _method(name: str) -> str:
    method = getattr(Tensor, name)
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(method).parameters.values()]
    call = f"t.{name}{inspect.Signature(parameters[1:])}".replace("|", r"\|")
    summary = (inspect.getdoc(method) or "").partition("\n")[0].removeprefix("Return ").replace("|", r"\|")
    return f"| `{call}` | {summary} |\n"
