"""A module of a forward method, for tests of the checks of modules."""

from tinygrad_edu import nn


def made(forward, name="Part", **attributes):
    """Return a module of a class with this forward and these attributes. Its class has the name."""
    part = type(name, (nn.Module,), {"forward": forward})()
    for key, value in attributes.items():
        setattr(part, key, value)
    return part
