"""Docstrings of public names: the parameters and defaults are those of the signature, and classes have examples."""

import inspect
import re
from importlib import import_module

import numpy as np

import tinygrad_edu as tg
from tools.site import reference

PUBLIC = {f"{module}.{name}": each for module, name, each in reference.objects() if callable(each)}
CLASSES = {name: each for name, each in PUBLIC.items() if inspect.isclass(each)}
OURS = {name: each for name, each in PUBLIC.items() if (each.__module__ or "").startswith("tinygrad_edu")}


def section(docstring, title):
    """Return the text of a section, or an empty string."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-+$|\Z)", docstring, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def documented(docstring):
    """Return the documented parameters: their types, and the lines below them, by name with the stars."""
    entries = re.findall(
        r"^(\*{0,2}\w[\w, *]*?)(?: : (.*))?\n((?: +.*\n|\n)*)", section(docstring, "Parameters") + "\n", re.M
    )
    return {name: (kind, text.strip()) for names, kind, text in entries for name in names.split(", ")}


def own_docstring(each):
    return inspect.cleandoc(each.__doc__ or "")


def default_of(kind, scope):
    """Return the default that a type states, evaluated, or the empty marker."""
    stated = re.search(r"\bdefault (.*)$", kind)
    return eval(stated[1], {**vars(np), **vars(tg), **scope}) if stated else inspect.Parameter.empty


STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def has_parameters(each):
    """Return whether the docstring must list the parameters, or lists them."""
    is_class = inspect.isclass(each) and not reference.is_plain_exception(each)
    return is_class or bool(documented(own_docstring(each)))


def test_parameters_and_defaults_are_those_of_the_signature():
    for name, each in OURS.items():
        if has_parameters(each):
            compare_with_signature(name, each)


def compare_with_signature(name, each):
    found, parameters = documented(own_docstring(each)), reference.signature(each).parameters.values()
    assert list(found) == [STARS.get(p.kind, "") + p.name for p in parameters], name
    scope = vars(import_module(name.rpartition(".")[0]))
    for p in parameters:
        kind, text = found[STARS.get(p.kind, "") + p.name]
        is_optional = p.default is None or type(p.default) is object  # a sentinel
        assert is_optional or default_of(kind, scope) == p.default, (name, p)
        assert not is_optional or re.search("optional|None|^$", kind), (name, p)
        assert text or not inspect.isclass(each), (name, p)


def test_each_class_has_an_example():
    ours = {name: each for name, each in CLASSES.items() if name in OURS}
    assert [name for name, each in ours.items() if ">>> " not in section(own_docstring(each), "Examples")] == []
