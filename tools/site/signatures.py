"""Griffe extension that shows public classes with the signatures with which Python calls them."""

import inspect
import re
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from griffe import (
    Alias,
    Class,
    Expr,
    ExprName,
    ExprTuple,
    Extension,
    Function,
    Module,
    Object,
    Parameter,
    ParameterKind,
    Parameters,
)

from tools.site import reference

# The type of a parameter in a docstring, whose line may list several parameters.
TYPE = r"^(?:\S+, )*{}(?:, \S+)* : (.+?)(?:, optional)?(?:, default .*)?$"


class Signatures(Extension):
    """Replaces ``__init__`` of each public class: griffe sees no inherited, generated or built-in one."""

    def __init__(self) -> None:
        super().__init__()
        self.public = {f"{module}.{name}": each for module, name, each in reference.objects()}
        self.classes = {name.rpartition(".")[2] for name, each in self.public.items() if inspect.isclass(each)}

    def on_class_members(self, *, cls: Class, **kwargs: Any) -> None:
        """Give a public class its signature, in an ``__init__`` with the source of the class, bases and docstring."""
        each = self.public.get(cls.path)
        if each is not None:
            parameters = Parameters(*map(_parameter, reference.signature(each).parameters.values()))
            init = Function("__init__", parameters=parameters, lineno=cls.lineno, endlineno=cls.endlineno)
            cls.set_member("__init__", init)
            if cls.docstring and each.__doc__:
                cls.docstring.value = inspect.cleandoc(each.__doc__)  # a family of layers shares entries
            bases = dict.fromkeys(_public_bases(each, self.public.values()))
            cls.bases = [ExprName(base.__name__, base.__module__) for base in bases]

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Correct the types in the docstring of a public object."""
        if obj.docstring and (obj.path in self.public or obj.path.rpartition(".")[0] in self.public):
            values = [section.value for section in obj.docstring.parsed if isinstance(section.value, list)]
            for element in chain.from_iterable(values):
                if isinstance(getattr(element, "annotation", None), Expr):
                    self.correct_type(element, obj.docstring.value)

    def correct_type(self, element: Any, docstring: str) -> None:
        """Show a type with a comma as written, as griffe makes a tuple of it, and link to classes only."""
        for part in element.annotation:
            if isinstance(part, ExprName) and part.name not in self.classes:
                part.parent = None
        if isinstance(element.annotation, ExprTuple):
            element.annotation.implicit = True  # several errors
            written = re.search(TYPE.format(re.escape(getattr(element, "name", ""))), docstring, re.M)
            element.annotation = written[1] if written else element.annotation

    def on_module_members(self, *, mod: Module, **kwargs: Any) -> None:
        """Declare postponed annotations: otherwise griffe links "zeros" in the type of a parameter to the function."""
        mod.set_member("annotations", Alias("annotations", "__future__.annotations"))


def _public_bases(cls: type, public: Collection[Any]) -> Iterator[type]:
    """Yield the bases of a class, and the public bases of a private one."""
    for base in cls.__bases__:
        if base in public or not base.__module__.startswith("tinygrad_edu"):
            yield from [base] if base is not object else []
        else:
            yield from _public_bases(base, public)


def _parameter(each: inspect.Parameter) -> Parameter:
    default = None if each.default is each.empty else _code(each.default)
    return Parameter(each.name, kind=ParameterKind(each.kind.description), default=default)


def _code(default: Any) -> str:
    """Return the code of a default: the name of a function or of a dtype, or the repr of a value."""
    name = getattr(default, "__name__", repr(default))
    return f"np.{name}" if getattr(default, "__module__", None) == "numpy" else name
