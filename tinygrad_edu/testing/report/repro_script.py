"""Script: code that recreates values in a new process, from imports, copied definitions and literals."""

import base64
import copyreg
import hashlib
import inspect
import keyword
import marshal
import sys
import tempfile
import zlib
from collections import namedtuple
from functools import cached_property, lru_cache, partial, singledispatchmethod, update_wrapper
from pathlib import Path
from types import CellType, CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.engine import Op, Tensor, op
from tinygrad_edu.shared.sources import ImportPath, folder_of, place_of, source_of
from tinygrad_edu.testing.arrays import code_repr

MOST_NUMBERS = 32  # of an array that is a literal
_WIDTH = 110  # characters of compressed text in a line
# Attributes that `type` or a metaclass adds to each class.
_ADDED = {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__slotnames__", "_abc_impl"}
_ADDED |= {"_backward_cls"}  # by autograd.Function


class _Unknown(Exception):  # noqa: N818 - control flow, not a failure
    """A value cannot be written as code. The message describes it."""


class _Clash(Exception):  # noqa: N818
    """A name has another meaning in the source of another value."""


class Script:
    """Lines of code that recreate values: imports, definitions, and a name or an expression for each value.

    Objects of importable modules are imported. The source of other functions, ops and classes is copied, along with the
    values of the names in it; if it cannot be found, the compiled code is copied. `save` writes large arrays to a file,
    and other objects are made from their attributes. The code for a value that cannot be written is ``...``, with a
    comment that describes the value, and `missing` has its name and the description.

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
        self._arrays: dict[str, np.ndarray[Any, Any]] = {}  # by the names in the file
        self._after: dict[int, list[str]] = {}  # lines that follow a class, by its id while it is written
        self.missing: dict[str, str] = {}

    @property
    def lines(self) -> list[str]:
        """The code that must run before the expressions. It reads large arrays from a file that this call writes."""
        return [
            *self._imports,
            *([f"arrays = dict(np.load({_saved(self._arrays)!r}))"] if self._arrays else ()),
            *self._body,
        ]

    def code(self, value: Any, hint: str = "") -> str:
        """Return an expression for a value. If it needs a variable, its name is derived from `hint`."""
        return code_repr.code(value, lambda part: self._name(part, hint), MOST_NUMBERS)

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
                self._imports[:], self._body[:], self._taken, self._written = backup
                unknown = isinstance(reason, _Unknown)
                text = f"...  # to be filled in: {reason}" if unknown else self._local(value)
                expression = self._line(hint, value, text)
                self.missing |= {expression: str(reason)} if unknown else {}
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
        self.missing |= inner.missing
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
        writers = {"torch": self._torch, "jaxlib": self._jax, "jax": self._custom_rule}
        writer = writers.get(type(value).__module__.partition(".")[0])
        own = (writer and writer(value)) or self._module_of_torch(value, hint) or self._layer_of_keras(value, hint)
        return own or self._reduced(value, hint)

    def _reduced(self, value: Any, hint: str) -> str:
        """Write an object as `pickle` takes it apart: a function, its arguments, and the state of the result."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:  # an object's own method may raise any error
            raise _Unknown(f"{type(value).__name__}, which cannot be pickled: {error}") from error
        if isinstance(reduced, str):
            if "<" in reduced:
                raise _Unknown(f"{type(value).__name__} {reduced}, which cannot be imported")
            return f"{self.code(sys.modules[type(value).__module__])}.{reduced}"
        function, arguments, state, items, pairs = (*reduced, *[None] * (5 - len(reduced)))[:5]
        if function is getattr(copyreg, "__newobj__"):  # noqa: B009 - the stubs of copyreg lack the name
            made, arguments = f"{self.code(arguments[0])}.__new__", (arguments[0], *arguments[1:])
        else:
            made = self.code(function)
        expression = f"{made}({', '.join(map(self.code, arguments))})"
        items, pairs = list(items or ()), list(pairs or ())
        if state is None and not items and not pairs:
            return expression
        name = self._line(hint or "value", value, expression)
        self._written[id(value)] = value, name  # before its state, which may refer to it
        slots = state if isinstance(state, tuple) and len(state) == 2 and not hasattr(value, "__setstate__") else ()
        if hasattr(value, "__setstate__") and state is not None:
            self._body.append(f"{name}.__setstate__({self.code(state)})")
        for part in slots or (state,):
            if part and not hasattr(value, "__setstate__"):
                setter: Any = type(value).__setattr__
                template = "{}.{} = {}" if setter is object.__setattr__ else "object.__setattr__({}, {!r}, {})"
                self._body += [template.format(name, key, self.code(item, key)) for key, item in part.items()]
        self._body += [f"{name}.append({self.code(item)})" for item in items]
        self._body += [f"{name}[{self.code(key)}] = {self.code(item)}" for key, item in pairs]
        return name

    def _module_of_torch(self, value: Any, hint: str) -> str:
        """Write a module of PyTorch without its empty tables of hooks; "" for other objects."""
        torch: Any = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.nn.Module):
            return ""
        cls, empty = self.code(type(value)), vars(torch.nn.Module())
        name = self._line(hint or "module", value, f"{cls}.__new__({cls})")
        self._written[id(value)] = value, name
        self._body.append(f"{self.code(torch)}.nn.Module.__init__({name})")
        state = {key: item for key, item in vars(value).items() if key not in empty or empty[key] != item}
        self._body.append(f"vars({name}).update({self.code(state)})")
        return name

    def _layer_of_keras(self, value: Any, hint: str) -> str:
        """Write a layer of Keras by the arguments of its class, and its variables; "" for other objects."""
        keras: Any = sys.modules.get("keras")
        if keras is None or not isinstance(value, keras.Layer):
            return ""
        name = self._line(hint or "layer", value, self._new_layer(keras, value))
        self._written[id(value)] = value, name
        if build := value.get_build_config():
            self._body.append(f"{name}.build_from_config({self.code(build)})")
        if value.variables:
            numbers = self.code([np.array(variable.value) for variable in value.variables])
            self._body += [
                f"for variable, number in zip({name}.variables, {numbers}):",
                "    variable.assign(number)",
                "",
            ]
        backend = ["import os", f'os.environ["KERAS_BACKEND"] = {keras.config.backend()!r}']
        self._imports[:0] = [] if backend[0] in self._imports else backend  # before Keras is imported
        return name

    def _new_layer(self, keras: Any, value: Any) -> str:
        """Return the call that creates a layer of Keras."""
        if type(value) is keras.Sequential:
            layers = ", ".join(self._new_layer(keras, layer) for layer in value.layers)
            return f"{self.code(keras)}.Sequential([{layers}], name={value.name!r})"
        arguments = getattr(getattr(value, "_auto_config", None), "config", None)
        if arguments is None:
            raise _Unknown(f"{type(value).__name__}, because Keras does not record the arguments of its class")
        parameters = inspect.signature(type(value)).parameters
        given = {k: x for k, x in arguments.items() if k not in parameters or parameters[k].default is not x}
        given |= (
            {"name": value.name}
            if any(p.name == "name" or p.kind is p.VAR_KEYWORD for p in parameters.values())
            else {}
        )
        return f"{self.code(type(value))}({', '.join(f'{k}={self.code(x)}' for k, x in given.items())})"

    def _torch(self, value: Any) -> str:
        """Write a tensor of PyTorch with its strides; "" for other objects."""
        torch = sys.modules["torch"]
        if not isinstance(value, torch.Tensor) or value.layout is not torch.strided or value.is_quantized:
            return ""
        plain, flag = value.detach().cpu(), f", requires_grad={value.requires_grad}"
        dense = plain.is_contiguous()
        extent = 1 + sum((n - 1) * step for n, step in zip(plain.shape, plain.stride(), strict=True))
        numbers = plain if dense else plain.as_strided((extent,), (1,))
        is_numpy = numbers.dtype.is_complex or hasattr(np, str(numbers.dtype).partition(".")[2])
        array = (numbers if is_numpy else numbers.double()).resolve_conj().resolve_neg().numpy()
        name = self.code(torch)
        code = f"{name}.tensor({self.code(array)}, dtype={value.dtype}"
        if dense and type(value) is torch.Tensor:
            return f"{code}{flag if value.requires_grad else ''})"
        code += ")" if dense else f").as_strided({tuple(plain.shape)}, {plain.stride()})"
        if type(value) is torch.nn.Parameter:
            return f"{name}.nn.Parameter({code}{flag})"
        return f"{code}.requires_grad_({value.requires_grad})" if type(value) is torch.Tensor else ""

    def _jax(self, value: Any) -> str:
        """Write an array or a compiled function of JAX; "" for other objects."""
        jax = sys.modules["jax"]
        if hasattr(value, "__wrapped__"):
            state = value.__getstate__()
            static = "".join(f", {key}={state[key]}" for key in ("static_argnums", "static_argnames") if state[key])
            return f"{self.code(jax)}.jit({self.code(value.__wrapped__)}{static})"
        if not isinstance(value, jax.Array):
            return ""
        name = self.code(jax)
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            data = self.code(np.asarray(jax.random.key_data(value)))
            return f"{name}.random.wrap_key_data({data}, impl={str(jax.random.key_impl(value))!r})"
        if value.dtype.name in ("float64", "int64", "uint64", "complex128"):
            self._import(f"import {jax.__name__}")
            self._import(f'{name}.config.update("jax_enable_x64", True)')
        return f"{name}.numpy.asarray({self.code(np.array(value))})"

    def _custom_rule(self, value: Any) -> str:
        """Write a function of JAX with a derivative of its own; "" for other objects."""
        jax, kind = sys.modules["jax"], type(value).__name__
        if not isinstance(value, (jax.custom_vjp, jax.custom_jvp)):
            return ""
        made = f"{self.code(jax)}.{kind}"
        if value.nondiff_argnums:
            made = f"{self.code(partial)}({made}, nondiff_argnums={value.nondiff_argnums})"
        name = self._decorated(value, value.fun, value.__name__, made)
        rules = (value.fwd, value.bwd) if kind == "custom_vjp" else (value.jvp,)
        self._body.append(f"{name}.{kind.replace('custom_', 'def')}({', '.join(map(self.code, rules))})")
        return name

    @_write.register
    def _(self, value: np.ndarray, hint: str) -> str:
        if value.dtype.hasobject:
            return f"{self.code(np.array)}({self.code(value.tolist())}, dtype=object).reshape({value.shape})"
        self._claim("arrays", self._arrays)
        name = self._free(f"{hint}_" if hint in ("file", "allow_pickle") else hint or "x", value)
        own_dtype = value.dtype.isbuiltin == 2  # a dtype of another package, such as bfloat16
        self._arrays[name] = value.view(f"u{value.itemsize}") if own_dtype else value
        view = f".view({code_repr.dtype_code(value.dtype, self.code)})" if own_dtype else ""
        self._body.append(f"{name} = arrays[{name!r}]{view}")
        return name

    @_write.register
    def _(self, value: np.generic, hint: str) -> str:
        return f"{self.code(np.asarray(value))}[()]"

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

    @_write.register(staticmethod)
    @_write.register(classmethod)
    def _(self, value: Any, hint: str) -> str:
        return f"{type(value).__name__}({self.code(value.__func__)})"

    @_write.register
    def _(self, value: property, hint: str) -> str:
        return f"property({', '.join(map(self.code, (value.fget, value.fset, value.fdel)))})"

    @_write.register
    def _(self, value: cached_property, hint: str) -> str:  # type: ignore[type-arg]
        return f"{self.code(cached_property)}({self.code(value.func)})"

    @_write.register(type(lru_cache(len)))
    def _(self, value: Any, hint: str) -> str:
        return f"{self.code(lru_cache)}(**{value.cache_parameters()})({self.code(value.__wrapped__)})"

    @_write.register
    def _(self, value: CellType, hint: str) -> str:
        name = self._line(f"{hint}_cell", value, f"{self.code(sys.modules['types'])}.CellType()")
        self._written[id(value)] = value, name
        contents = value.cell_contents
        self._after.get(id(contents), self._body).append(f"{name}.cell_contents = {self.code(contents, hint)}")
        return name

    @_write.register(type)
    @_write.register(FunctionType)
    def _(self, value: Any, hint: str) -> str:
        return self._copied(value, hint, value)

    @_write.register
    def _(self, value: Op, hint: str) -> str:
        promotes = "" if value.promotes == value.inputs else f"promotes={value.promotes}"
        own_name = getattr(value.forward, "__name__", None)
        name = "" if value.name == own_name else f"name={value.name!r}"
        options = ", ".join(option for option in ("broadcasts=True" * value.broadcasts, promotes, name) if option)
        made = self.code(op) + f"({options})" * bool(options)
        name = self._decorated(value, value.forward, value.__name__, made)
        vjps = (f"{key}={self.code(vjp)}" for key, vjp in value.vjp_functions.items())
        if value.__name__ != own_name:
            self._body.append(f"{name}.__name__ = {value.__name__!r}")
        self._body.append(f"{name}.vjps({', '.join(vjps)})")
        return name

    def _decorated(self, value: Any, function: Any, hint: str, decorator: str) -> str:
        """Write the result of a decorator, and return its name."""
        copied = source_of(function) if place_of(function) is None else None
        if copied is not None and copied.name:
            return self._copied(function, hint, value, f"@{decorator}\n")
        name = self._line(hint, value, f"{decorator}({self.code(function)})")
        self._written[id(value)] = value, name  # before its derivatives, which may call it
        return name

    def _copied(self, value: Any, hint: str, owner: Any, decorator: str = "") -> str:
        """Copy the definition of a function or class, and return its name, or the expression of a lambda.

        The name is bound to the `owner`: the value itself, or the op that has it as its forward function.
        """
        source, wrapped = source_of(value), vars(value).get("__wrapped__")
        if isinstance(value, FunctionType) and (call := self._transformed(value)):
            return call
        if source is None or source.missing:
            return self._made_by_type(value) if isinstance(value, type) else self._compiled(value, hint)
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
        if source.has_annotations:
            self._imports[:0] = [] if _FUTURE in self._imports else [_FUTURE]
        if wrapped is not None:
            self._body.append(f"{self.code(update_wrapper)}({name}, {self.code(wrapped)})")
        return name or source.text

    def _transformed(self, value: FunctionType) -> str:
        """Write a function that a function of an installed package returned, such as jax.vmap, as a call of the latter.

        Its arguments are the closure variables of their names. Return "" for other functions.
        """
        module = value.__globals__.get("__name__", "")
        maker = getattr(sys.modules.get(module), value.__code__.co_qualname.partition(".<locals>")[0], None)
        if (
            "<locals>" not in value.__code__.co_qualname
            or folder_of(module) != ""
            or not isinstance(maker, FunctionType)
        ):
            return ""
        scope = inspect.getclosurevars(value).nonlocals
        parameters = inspect.signature(maker).parameters.values()
        if any(p.default is p.empty and p.name not in scope for p in parameters):
            return ""
        given = {p.name: scope[p.name] for p in parameters if p.name in scope and type(scope[p.name]) is not object}
        return f"{self.code(maker)}({', '.join(f'{key}={self.code(x)}' for key, x in given.items())})"

    def _compiled(self, value: FunctionType, hint: str) -> str:
        """Write a function by its compiled code, and return its name."""
        name = self._free(value.__name__ if value.__name__.isidentifier() else hint or "f", value)
        self._written[id(value)] = value, name
        for name_used in sorted(_names_in(value.__code__) & value.__globals__.keys()):
            self._bind(name_used, value.__globals__[name_used])
        text = base64.b85encode(zlib.compress(marshal.dumps(value.__code__), 9)).decode()
        types, kwdefaults = self.code(sys.modules["types"]), self.code(value.__kwdefaults__)
        cells = zip(value.__closure__ or (), value.__code__.co_freevars, strict=True)
        closure = "".join(f"{self.code(*cell)}, " for cell in cells)
        self._body += [
            f"# compiled by Python {sys.version_info.major}.{sys.version_info.minor}, because no source was found",
            f"{name} = {types}.FunctionType({self.code(marshal.loads)}({self.code(zlib)}.decompress(",
            f"    {self.code(base64)}.b85decode(",
            *(f"        {text[k : k + _WIDTH]!r}" for k in range(0, len(text), _WIDTH)),
            f"    ))), globals(), {value.__name__!r}, {self.code(value.__defaults__)}, ({closure}))",
            *([f"{name}.__kwdefaults__ = {kwdefaults}"] if value.__kwdefaults__ else ()),
        ]
        return name

    def _made_by_type(self, value: type) -> str:
        """Write a class whose source cannot be found, from its attributes, and return its name."""
        if hasattr(value, "_fields") and value.__bases__ == (tuple,):
            return self._line(value.__name__, value, f"{self.code(namedtuple)}({value.__name__!r}, {value._fields!r})")
        members = {k: x for k, x in vars(value).items() if k not in _ADDED and type(x) is not MemberDescriptorType}
        name = self._free(value.__name__, value)
        self._written[id(value)] = value, name
        self._after[id(value)] = []
        bases = () if value.__bases__ == (object,) else value.__bases__
        parts = ", ".join(map(self.code, (bases, members)))
        self._body += [f"{name} = {self.code(type(value))}({value.__name__!r}, {parts})", *self._after.pop(id(value))]
        return name


_FUTURE = "from __future__ import annotations"


def _names_in(code: CodeType) -> set[str]:
    """Return the names of globals and attributes in compiled code, and in the code of the functions inside it."""
    return {*code.co_names}.union(*(_names_in(part) for part in code.co_consts if isinstance(part, CodeType)))


def _saved(arrays: dict[str, np.ndarray[Any, Any]]) -> str:
    """Write arrays to a file in the temporary folder, which is named by their contents, and return its path."""
    digest = hashlib.sha256()
    for name, x in arrays.items():
        digest.update(f"{name} {x.dtype} {x.shape}".encode() + x.tobytes())
    path = Path(tempfile.gettempdir(), f"tinygrad_edu_{digest.hexdigest()[:12]}.npz")
    np.savez(path, allow_pickle=False, **arrays)
    return str(path)
