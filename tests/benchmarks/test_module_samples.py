"""Our modules agree with PyTorch's in each configuration of PyTorch's tests."""

import pytest

from benchmarks.module_samples import infos, our_class, reasons


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_the_modules_of_pytorchs_table_do_what_pytorchs_do():
    faults = {info.module_cls.__name__: set(filter(None, reasons(info))) for info in infos()}
    assert {name: why for name, why in faults.items() if why} == {}


def test_the_names_of_dimensions_are_spelled_in_capitals():
    assert our_class("Conv2d").__name__ == "Conv2D"
    assert our_class("Conv9d") is None
