"""Griffe extension that gives the classes of the reference the signatures with which Python calls them."""

import inspect
from typing import Any

from griffe import Alias, Class, Extension, Function, Module, Parameter, ParameterKind, Parameters

from tools.site import reference


class Signatures(Extension):
    """Replaces ``__init__`` of each public class: griffe sees no inherited, generated or built-in one."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = {f"{module}.{name}": each for module, name, each in reference.objects() if inspect.isclass(each)}

    def on_class_members(self, *, cls: Class, **kwargs: Any) -> None:
        """Give a public class an ``__init__`` with its runtime signature and the source of the class."""
        if cls.path in self.classes:
            parameters = Parameters(*map(_parameter, reference.signature(self.classes[cls.path]).parameters.values()))
            init = Function("__init__", parameters=parameters, lineno=cls.lineno, endlineno=cls.endlineno)
            cls.set_member("__init__", init)

    def on_module_members(self, *, mod: Module, **kwargs: Any) -> None:
        """Declare postponed annotations: otherwise griffe links "zeros" in the type of a parameter to the function."""
        mod.set_member("annotations", Alias("annotations", "__future__.annotations"))


def _parameter(each: inspect.Parameter) -> Parameter:
    default = None if each.default is each.empty else _code(each.default)
    return Parameter(each.name, kind=ParameterKind(each.kind.description), default=default)


def _code(default: Any) -> str:
    """Return the code of a default: the name of a function or of a dtype, or the repr of a value."""
    name = getattr(default, "__name__", repr(default))
    return f"np.{name}" if getattr(default, "__module__", None) == "numpy" else name
