"""Our modules agree with PyTorch's in each configuration of PyTorch's tests."""

import pytest

from benchmarks.module_samples import infos, reasons


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_the_modules_of_pytorchs_table_do_what_pytorchs_do():
    faults = {info.module_cls.__name__: set(filter(None, reasons(info))) for info in infos()}
    assert {name: why for name, why in faults.items() if why} == {}
