"""Griffe extension that gives the classes of the reference the signatures with which Python calls them."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from griffe import Alias, Class, Extension, Function, Module, Parameter, ParameterKind, Parameters

from tools.site import reference


class Signatures(Extension):
    """Replaces ``__init__`` of each public class: griffe sees no inherited, generated or built-in one."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = dict(public_classes())

    def on_class_members(self, *, cls: Class, **kwargs: Any) -> None:
        """Give a public class an ``__init__`` with its runtime signature and the source of the class."""
        if cls.path in self.classes:
            parameters = Parameters(*map(_parameter, signature(self.classes[cls.path]).parameters.values()))
            init = Function("__init__", parameters=parameters, lineno=cls.lineno, endlineno=cls.endlineno)
            cls.set_member("__init__", init)

    def on_module_members(self, *, mod: Module, **kwargs: Any) -> None:
        """Declare postponed annotations: otherwise griffe links "zeros" in the type of a parameter to the function."""
        mod.set_member("annotations", Alias("annotations", "__future__.annotations"))


def public_classes() -> Iterator[tuple[str, type]]:
    """Yield (full name, class) for each class of the reference."""
    for page in reference.pages():
        for name in page.names:
            each = getattr(import_module(page.module), name)
            if inspect.isclass(each):
                yield f"{page.module}.{name}", each


def signature(cls: type) -> inspect.Signature:
    """Return the signature of a class. It has ``*args`` for a built-in exception, and no parameters for a protocol."""
    if issubclass(cls, BaseException) and "__init__" not in vars(cls):
        return inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)])
    return inspect.Signature() if getattr(cls, "_is_protocol", False) else inspect.signature(cls)


def _parameter(each: inspect.Parameter) -> Parameter:
    default = None if each.default is each.empty else _code(each.default)
    return Parameter(each.name, kind=ParameterKind(each.kind.description), default=default)


def _code(default: Any) -> str:
    """Return the code of a default: the name of a function or of a dtype, or the repr of a value."""
    name = getattr(default, "__name__", repr(default))
    return f"np.{name}" if getattr(default, "__module__", None) == "numpy" else name
