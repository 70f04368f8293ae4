"""Script: code that recreates values in a new process, from imports, copied definitions and literals."""

from __future__ import annotations

import hashlib
import importlib
import io
import keyword
import pickle
import sys
import tempfile
from functools import partial, singledispatchmethod, update_wrapper
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.engine import Op, Tensor, op
from tinygrad_edu.sources import ImportPath, folder_of, place_of, source_of
from tinygrad_edu.testing.arrays import code_repr

_MOST_COMMENTS = 20


class _Unknown(Exception):  # noqa: N818 - control flow, not a failure
    """A value cannot be written as code. The message describes it."""


class _Clash(Exception):  # noqa: N818
    """A name has another meaning in the source of another value."""


class Script:
    """Lines of code that recreate values: imports, definitions, and a name or an expression for each value.

    Objects of importable modules are imported. The source of other functions, ops and classes is copied, along with the
    values of the names in it. Large arrays and other objects are saved to files. The code for a value that cannot be
    saved is ``...``, with a comment that describes the value.

    Examples
    --------
    >>> script = Script()
    >>> script.code((np.sin, partial(sorted, reverse=True), np.array([1.0])))
    '(np.sin, partial(sorted, reverse=True), np.array([1.0]))'
    >>> script.lines
    ['import numpy as np', 'from functools import partial']
    """

    def __init__(self) -> None:
        self._imports = ["import numpy as np"]
        self._body: list[str] = []
        self._taken: dict[str, Any] = {"np": np}
        self._written: dict[int, tuple[Any, str]] = {}  # by the id of a value, which is kept alive

    @property
    def lines(self) -> list[str]:
        """The code that must run before the expressions."""
        return self._imports + self._body

    def code(self, value: Any, hint: str = "") -> str:
        """Return an expression for a value. If it needs a variable, its name is derived from `hint`."""
        return code_repr.code(value, lambda part: self._name(part, hint))

    def assign(self, hint: str, value: Any) -> str:
        """Assign a value to a variable, and return the variable's name."""
        expression = self.code(value, hint)
        return expression if expression.isidentifier() else self._line(hint, value, expression)

    def meaning(self, name: str) -> Any:
        """Return the value of a name."""
        return self._taken[name]

    def search(self, folder: str) -> None:
        """Add a folder to sys.path."""
        if folder:
            self._bind("sys", sys)
            self._import(f"sys.path.insert(0, {folder!r})")

    def _name(self, value: Any, hint: str) -> str:
        if id(value) not in self._written:
            backup = list(self._imports), list(self._body), dict(self._taken), dict(self._written)
            try:
                expression = self._expression(value, hint)
            except (_Clash, _Unknown) as reason:
                self._imports, self._body, self._taken, self._written = backup
                text = f"...  # to be filled in: {reason}" if isinstance(reason, _Unknown) else self._local(value)
                expression = self._line(hint, value, text)
            self._written[id(value)] = value, expression
        return self._written[id(value)][1]

    def _expression(self, value: Any, hint: str) -> str:
        if hasattr(type(value), "to_code"):
            written: str = value.to_code(lambda part: self.code(part, hint))
            return written
        path = place_of(value)
        return self._write(value, hint) if path is None else self._imported(path, hint)

    def _local(self, value: Any) -> str:
        """Write a function that recreates the value, so that its names are local."""
        inner = Script()
        expression = inner.code(value)
        lines = [f"    {line}" for line in inner.lines if line]  # at a prompt, an empty line would end the function
        maker = self._free("make", inner)
        self._body += [f"def {maker}():", *lines, f"    return {expression}", ""]
        return f"{maker}()"

    # --- Names and lines ---

    def _claim(self, name: str, value: Any) -> bool:
        """Bind a name to the value if the name is free, and return whether the name is bound to the value."""
        free = name.isidentifier() and not keyword.iskeyword(name)
        return free and self._taken.setdefault(name, value) is value

    def _free(self, hint: str, value: Any) -> str:
        names = (f"{hint if hint.isidentifier() else 'value'}{k or ''}" for k in range(len(self._taken) + 2))
        return next(name for name in names if self._claim(name, value))

    def _line(self, hint: str, value: Any, expression: str) -> str:
        name = self._free(hint, value)
        self._body.append(f"{name} = {expression}")
        return name

    def _bind(self, name: str, value: Any) -> None:
        """Bind a name of copied source to its value."""
        if self._taken.get(name) is value:
            return
        if not self._claim(name, value):
            raise _Clash
        if (expression := self.code(value, name)) != name:
            self._body.append(f"{name} = {expression}")

    def _import(self, line: str) -> None:
        self._imports += [line] if line not in self._imports else []

    def _imported(self, path: ImportPath, hint: str) -> str:
        head, _, attributes = path.path.partition(".")
        if path.module in ("numpy", "builtins"):
            return f"np.{path.path}" if path.module == "numpy" else path.path
        root = getattr(sys.modules[path.module], head)
        name = self._free(hint if self._taken.get(hint) is root else head, root)
        self.search(path.folder)
        self._import(f"from {path.module} import {head}{'' if name == head else f' as {name}'}")
        return f"{name}.{attributes}" if attributes else name

    # --- Values that are neither literals nor importable, by type ---

    @singledispatchmethod
    def _write(self, value: Any, hint: str) -> str:
        content = _pickled(self, value)
        self._bind("pickle", pickle)
        self._bind("Path", Path)
        self._body += [f"# {line}" for line in repr(value).splitlines()[:_MOST_COMMENTS]]
        return self._line(hint or "value", value, f"pickle.loads(Path({_file(content, 'pickle')!r}).read_bytes())")

    @_write.register
    def _(self, value: np.ndarray, hint: str) -> str:
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=value.dtype.hasobject)
        pickles = ", allow_pickle=True" if value.dtype.hasobject else ""
        return f"np.load({_file(buffer.getvalue(), 'npy')!r}{pickles})"

    @_write.register
    def _(self, value: Tensor, hint: str) -> str:
        flag = ", requires_grad=True" if value.requires_grad else ""
        return f"{self.code(type(value))}({self.code(np.asarray(value.data))}{flag})"

    @_write.register
    def _(self, value: np.random.Generator, hint: str) -> str:
        bits: Any = value.bit_generator
        seed = getattr(bits.seed_seq, "entropy", None)
        if isinstance(seed, int) and np.random.default_rng(seed).bit_generator.state == bits.state:
            return f"np.random.default_rng({seed})"
        name = self._line(hint or "rng", value, f"np.random.Generator(np.random.{type(bits).__name__}())")
        self._body.append(f"{name}.bit_generator.state = {self.code(bits.state)}")
        return name

    @_write.register
    def _(self, value: ModuleType, hint: str) -> str:
        folder = folder_of(value.__name__)
        if folder is None:
            raise _Unknown(f"the module {value.__name__}")
        name = self._free(hint or value.__name__.split(".")[-1], value)
        self.search(folder)
        self._import(f"import {value.__name__}" + ("" if name == value.__name__ else f" as {name}"))
        return name

    @_write.register
    def _(self, value: partial, hint: str) -> str:  # type: ignore[type-arg]
        parts = [self.code(part) for part in (value.func, *value.args)]
        parts += [f"{key}={self.code(part)}" for key, part in value.keywords.items()]
        return f"{self.code(partial)}({', '.join(parts)})"

    @_write.register
    def _(self, value: MethodType, hint: str) -> str:
        return f"{self.assign('owner', value.__self__)}.{value.__name__}"

    @_write.register(type)
    @_write.register(FunctionType)
    def _(self, value: Any, hint: str) -> str:
        return self._copied(value, hint, value)

    @_write.register
    def _(self, value: Op, hint: str) -> str:
        promotes = "" if value.promotes == value.inputs else f"promotes={value.promotes}"
        name = "" if value.name == value.__name__ else f"name={value.name!r}"
        options = ", ".join(option for option in ("broadcasts=True" * value.broadcasts, promotes, name) if option)
        made = self.code(op) + f"({options})" * bool(options)
        copied = source_of(value.forward) if place_of(value.forward) is None else None
        if copied is not None and copied.name:
            name = self._copied(value.forward, value.__name__, value, f"@{made}\n")
        else:
            name = self._line(value.__name__, value, f"{made}({self.code(value.forward)})")
            self._written[id(value)] = value, name  # before the vjps, which may call the op
        vjps = (f"{key}={self.code(vjp)}" for key, vjp in value.vjp_functions.items())
        self._body.append(f"{name}.vjps({', '.join(vjps)})")
        return name

    def _copied(self, value: Any, hint: str, owner: Any, decorator: str = "") -> str:
        """Copy the definition of a function or class, and return its name, or the expression of a lambda.

        The name is bound to the `owner`: the value itself, or the op that has it as its forward function.
        """
        source, wrapped = source_of(value), vars(value).get("__wrapped__")
        if source is None:
            raise _Unknown(f"{value.__qualname__} of module {value.__module__}, which cannot be imported")
        own_name = source.name or hint or ("wrapper" if wrapped else "")
        name = self._free(own_name, owner) if own_name else ""
        if name:
            self._written[id(owner)] = owner, name  # before its names, because it may call itself
        for name_used, meaning in source.scope.items():
            self._bind(name_used, meaning)
        if source.name:
            text = decorator + source.text.replace(f" {own_name}", f" {name}", 1)
            self._body += [*text.splitlines(), ""]  # at a prompt, the empty line ends the definition
        elif name:
            self._body.append(f"{name} = {source.text}")
        if wrapped is not None:
            self._body.append(f"{self.code(update_wrapper)}({name}, {self.code(wrapped)})")
        return name or source.text


def _file(content: bytes, ending: str) -> str:
    """Write a file named by a hash of its content, so that the same failure writes the same file."""
    path = Path(tempfile.gettempdir()) / f"gradient_failure_{hashlib.sha256(content).hexdigest()[:16]}.{ending}"
    try:
        path.write_bytes(content)
    except OSError as error:
        raise _Unknown(f"it could not be saved: {error}") from error
    return str(path)


class _Pickler(pickle.Pickler):
    """Pickles classes and functions by reference: to a module, or to a definition in the script if not importable."""

    def __init__(self, file: io.BytesIO, script: Script) -> None:
        super().__init__(file)
        self._script = script

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, ModuleType):
            return importlib.import_module, (value.__name__,)
        if not isinstance(value, type | FunctionType | Op):
            return NotImplemented
        path = place_of(value)
        if path is not None and path.path == value.__qualname__:  # the reference that pickle itself would write
            self._script.search(path.folder)
            return NotImplemented
        return getattr, (sys.modules["__main__"], self._script.assign(value.__name__, value))


class _Unpickler(pickle.Unpickler):
    """Unpickles the output of a `_Pickler` without running the script."""

    def __init__(self, file: io.BytesIO, script: Script) -> None:
        super().__init__(file)
        self._script = script

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return lambda _, name: self._script.meaning(name)
        return super().find_class(module, name)


def _pickled(script: Script, value: Any) -> bytes:
    file = io.BytesIO()
    try:
        _Pickler(file, script).dump(value)
        file.seek(0)
        _Unpickler(file, script).load()
    except Exception as error:  # an object's own pickling may raise any error
        raise _Unknown(f"{type(value).__name__}, which cannot be pickled: {error}") from error
    return file.getvalue()
