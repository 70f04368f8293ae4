"""Files of ``torch.save``: every value that weights have is read, anything else is refused, and no code runs."""

import os
import pickle
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import with_each
from tinygrad_edu import nn, optim
from tinygrad_edu.errors import DataError, StateDictError
from tools.torch_files import FOLDER, VALUES, value


def assert_equal(found, expected):
    """Compare nested values: types, keys, dtypes, shapes and bits."""
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
    elif isinstance(expected, list | tuple | dict):
        assert type(found) is type(expected)
        keys = list(expected) if isinstance(expected, dict) else range(len(expected))
        assert len(found) == len(expected)
        for key in keys:
            assert_equal(found[key], expected[key])
    else:
        assert (type(found), found) == (type(expected), expected)


READ = nn.load_weights(FOLDER / "values.pt")


@with_each("name", VALUES)
def test_each_value_is_read(name):
    assert_equal(READ[name], np.asarray(value(1, name)) if isinstance(READ[name], np.ndarray) else value(1, name))


@pytest.mark.peers
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_each_value_that_the_installed_pytorch_writes_is_read(tmp_path, protocol):
    torch = pytest.importorskip("torch")
    torch.save({name: value(0, name) for name in VALUES}, tmp_path / "values.pt", pickle_protocol=protocol)
    assert_equal(nn.load_weights(tmp_path / "values.pt"), READ)
    for name in VALUES:
        torch.save(value(0, name), tmp_path / "value.pt", pickle_protocol=protocol)
        assert_equal(nn.load_weights(tmp_path / "value.pt"), READ[name])


@pytest.mark.peers
@pytest.mark.parametrize("text", [
    "x.to(torch.float8_e4m3fn)", "x.to_sparse()", "torch.complex(x, x).conj()", "torch.complex(x, x).conj().imag",
    "torch.empty(2, device='meta')", "torch.quantize_per_tensor(x, 0.1, 0, torch.qint8)", "torch.nn.Linear(1, 1)",
    "torch.jit.script(torch.nn.Linear(1, 1))", "{(1, 2): x}", "torch.nested.nested_tensor([x, x])", "np.float64(1)",
])  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_what_pytorch_writes_and_numpy_cannot_hold_is_refused(text, tmp_path):
    torch = pytest.importorskip("torch")
    saved = eval(text, {"torch": torch, "np": np, "x": torch.arange(6.0).reshape(2, 3)})
    (saved.save if "jit" in text else lambda path: torch.save(saved, path))(str(tmp_path / "value.pt"))
    with pytest.raises(DataError, match=r"it has |TorchScript"):
        nn.load_weights(tmp_path / "value.pt")


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1D(4), nn.Linear(4, 2))


def test_a_state_dict_loads_by_its_path():
    model = net()
    assert model.load(FOLDER / "net.pth") == ([], [])
    assert_equal(model.state_dict(), nn.load_weights(FOLDER / "net.pth"))
    assert model.state_dict()["1.num_batches_tracked"] == 1


def test_a_checkpoint_loads_by_its_parts():
    checkpoint, model = nn.load_weights(FOLDER / "checkpoint.pt"), net()
    with pytest.raises(
        DataError, match=r"it has model \(dict\), optimizer \(dict\), epoch \(int\), .* nn\.load_weights"
    ):
        model.load(FOLDER / "checkpoint.pt")
    model.load_state_dict(checkpoint["model"])
    optimizer = optim.Adam(model.parameters())
    optimizer.load_state_dict(checkpoint["optimizer"])
    assert optimizer.state_dict()["state"][0]["step"] == 1
    assert checkpoint["epoch"] == 3


def test_files_are_read_without_the_package_safetensors(monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    assert net().load(FOLDER / "net.pth") == ([], [])


@pytest.mark.parametrize(("name", "message"), [
    ("whole.pt", r"it has torch\.nn\.modules\.container\.Sequential, and only tensors"),
    ("legacy.pt", r"the format of PyTorch before 1\.6.* torch\.save\(torch\.load\(path\), path\)"),
])  # fmt: skip
def test_other_files_of_pytorch_are_refused_by_name(name, message):
    with pytest.raises(DataError, match=message) as refused:
        nn.load_weights(FOLDER / name)
    assert str(FOLDER / name) in str(refused.value)
    assert str(refused.value).endswith("or a file of torch.save(model.state_dict(), path).")


# Files that are written here: a pickle is the bytes of its opcodes.


SIX = np.arange(6, dtype="<f4")


def archive(path, pickled, storage=SIX, **records):
    """Write an archive, as torch.save does, and return its path."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {"data.pkl": pickled, "data/0": storage.tobytes(), **records}.items():
            file.writestr(f"it/{name}", content)
    return path


def plain(x):
    return pickle.dumps(x, 2)[2:-1]


def named(name):
    return b"c%s\n%s\n" % tuple(name.encode().rsplit(b".", 1))


def storage(size=6, kind="torch.FloatStorage", key="0"):
    return b"(" + plain("storage") + named(kind) + plain(key) + plain("cpu") + plain(size) + b"tQ"


def tensor(shape=(2, 3), strides=(3, 1), offset=0, of=None):
    body = (
        (of or storage()) + plain(offset) + plain(shape) + plain(strides) + b"\x89" + named("collections.OrderedDict")
    )
    return named("torch._utils._rebuild_tensor_v2") + b"(" + body + b")RtR"


def read(tmp_path, program, **settings):
    return nn.load_weights(archive(tmp_path / "crafted.pt", b"\x80\x02" + program + b".", **settings))


def test_the_crafted_file_is_valid(tmp_path):
    assert_equal(read(tmp_path, tensor()), np.arange(6, dtype=np.float32).reshape(2, 3))


def test_tensors_of_one_storage_share_read_only_memory(tmp_path):
    whole, part = read(tmp_path, b"](" + tensor() + tensor((2,), (1,), 1) + b"e")
    assert np.shares_memory(whole, part)
    assert not any(array.flags.writeable for array in READ.values() if isinstance(array, np.ndarray))


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">f2", ">i8", ">i2"])
def test_big_endian_storages_are_read(dtype, tmp_path):
    kinds = {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i2": "Short"}
    x, of = np.arange(6).astype(dtype), storage(kind=f"torch.{kinds[dtype[1:]]}Storage")
    found = read(tmp_path, tensor((3,), (2,), 1, of), storage=x, byteorder=b"big")
    assert_equal(found, x[1::2].astype(dtype[1:]))


def test_big_endian_bfloat16_is_read(tmp_path):
    halves = (np.arange(6, dtype=np.float32).view(np.uint32) >> 16).astype(">u2")
    found = read(tmp_path, tensor(of=storage(kind="torch.BFloat16Storage")), storage=halves, byteorder=b"big")
    assert_equal(found, np.arange(6, dtype=np.float32).reshape(2, 3))


def test_big_endian_untyped_storages_are_refused_because_pytorch_reads_them_wrong(tmp_path):
    program = b"(" + storage(12, "torch.storage.UntypedStorage") + b"K\x00" + plain((6,)) + plain((1,)) + b"\x89)"
    program = named("torch._utils._rebuild_tensor_v3") + program + named("torch.uint16") + b"tR"
    shorts = np.arange(6).astype("<u2")
    assert_equal(read(tmp_path, program, storage=shorts), shorts)
    with pytest.raises(DataError, match="big-endian unsigned integers; save them as int64"):
        read(tmp_path, program, storage=shorts, byteorder=b"big")


@pytest.mark.parametrize(("shape", "strides", "offset"), [
    ((2, 3), (3, 1), 1), ((2, 3), (3, 2), 0), ((7,), (1,), 0), ((2,), (-1,), 1), ((-2,), (1,), 0), ((2,), (1,), -1),
    ((), (), 6), ((5,), (1 << 62,), 0), ((17,), (1 << 60,), 0), ((1 << 33,), (1 << 31,), 0), ((2, 3), (3,), 0),
    ((2.0,), (1,), 0), ((1 << 70,), (0,), 0), ((1,) * 80, (0,) * 80, 0), (("a",), (1,), 0), ((2,), (1,), 0.5),
    ((0,), (1,), -1), ((0, -3), (1, 1), 0),
])  # fmt: skip
def test_a_view_outside_of_its_storage_is_refused(shape, strides, offset, tmp_path):
    with pytest.raises(DataError, match=r"exceeds its storage, of 6 elements|it is damaged"):
        read(tmp_path, tensor(shape, strides, offset))


@pytest.mark.parametrize("size", [5, 7, -6, 0, 1 << 62, 1 << 70, 6.0, None, (6,)])
def test_a_storage_of_another_size_is_refused(size, tmp_path):
    with pytest.raises(DataError, match=r"storage 0 has 24 bytes|it is damaged"):
        read(tmp_path, tensor((1,), (1,), 0, storage(size)))


def test_a_huge_view_of_one_element_takes_no_memory_and_fits_no_parameter(tmp_path):
    huge = read(tmp_path, tensor((1 << 40,), (0,)))
    assert (huge.shape, huge[-1]) == ((1 << 40,), 0)
    with pytest.raises(StateDictError, match=r"has shape \(1099511627776,\), expected \(1,\)"):
        nn.Linear(1, 1, bias=True).load_state_dict({"weight": [[1.0]], "bias": huge})


class Crafted:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.made_by = function, arguments

    def __reduce__(self):
        return self.made_by


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("function", [os.mkdir, os.system, eval, exec, getattr, __import__, open])
def test_a_pickle_that_runs_code_is_refused_and_not_run(function, protocol, tmp_path):
    made = tmp_path / "made"
    script = {os.mkdir: str(made), os.system: f"mkdir {made}"}.get(function, f"__import__('os').mkdir({str(made)!r})")
    for content in (Crafted(function, script), {"weight": Crafted(function, script)}, [[1, Crafted(function, script)]]):
        archive(tmp_path / "crafted.pt", pickle.dumps(content, protocol))
        with pytest.raises(DataError, match=rf"it has \w+\.{function.__name__}, and only tensors"):
            nn.load_weights(tmp_path / "crafted.pt")
    assert not made.exists()


MKDIR = named("posix.mkdir")


@pytest.mark.parametrize("program", [
    b"(S'made'\niposix\nmkdir\n",  # INST
    b"(" + MKDIR + b"S'made'\no",  # OBJ
    named("torch.Size") + b")\x81",  # NEWOBJ
    named("torch.Size") + b")}\x92",  # NEWOBJ_EX
    b"\x82\x01",  # EXT1
    plain("torch.Size") + plain((1,)) + b"R",  # a call of a text
    named("torch.FloatStorage") + plain((1,)) + b"R",  # a call of a storage
    named("torch.Size") + plain([1]) + b"R",
    named("collections.OrderedDict") + plain(([(1, 2)],)) + b"R",
    named("torch.Size") + plain({"a": 1}) + b"b",  # the state of a name
    plain([1]) + plain({"append": 1}) + b"b",
    plain((1,)) + plain(2) + b"a", plain(1) + plain("a") + plain(2) + b"s", plain([1]) + plain(0) + plain(2) + b"s",
    b"}" + b")" + b"\x85" * 200_000 + b"Ns",  # a key that no program can hash
    b"}" + plain(1.5) + b"Ns", b"}(" + plain("a") + b"u",
    b"h\x05", b"j\xff\xff\xff\x7f", b"r\xff\xff\xff\x7f", b"0", b"t", b"e", b"(", b"N(", b"NN", b"", b"Q", b"NQ",
    b"N\x87", b"cos\nsys\xff\n", b"X\xff\xff\xff\x7fabc", b"\x8b\xff\xff\xff\x7f", b"q\x00",
    tensor(of=storage(kind="torch.uint16")), tensor(of=storage(key="1")), tensor(of=storage(key="../data.pkl")),
    tensor(of=plain(1)), tensor(of=storage(kind="torch.storage.UntypedStorage", size=6)),
])  # fmt: skip
def test_a_crafted_pickle_is_refused(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"cannot read the weights in .*\. Expected a safetensors file"):
        read(tmp_path, program)
    assert [path.name for path in tmp_path.iterdir()] == ["crafted.pt"]


HUGE = tensor((1 << 45,), (0,)) + b"q\x00"
WIDE = b")" + b"q\x01h\x01\x86" * 60  # to hash or print it takes 2 ** 60 steps


@pytest.mark.parametrize("value", [HUGE, WIDE], ids=["huge", "wide"])
@pytest.mark.parametrize("program", [
    b"VALUEQ", b"(" + plain("storage") + b"VALUE" + plain("0") + plain("cpu") + plain(6) + b"tQ",
    storage().replace(plain("0"), b"VALUE"), storage().replace(plain(6), b"VALUE"), b"}VALUENs", b"}(VALUENu",
    b"VALUE" + plain("a") + b"\x93", plain("a") + b"VALUE\x93", b"VALUE)R", named("torch.Size") + b"}VALUEb",
    tensor(of=b"VALUE"), tensor().replace(plain((2, 3)), b"VALUE"), tensor().replace(plain((3, 1)), b"VALUE"),
    named("collections.OrderedDict") + b"VALUER", b"VALUEVALUE", b"VALUENa", b"VALUE(Ne", b"VALUE(NNu",
    named("torch._utils._rebuild_tensor_v3") + b"(VALUEK\x00))\x89)VALUEtR",
    named("torch._utils._rebuild_tensor_v3") + b"(" + storage() + b"K\x00))\x89)VALUEtR",
    named("torch._utils._rebuild_tensor_v2") + b"(" + storage() + b"VALUE))\x89)tR",
    named("torch._utils._rebuild_tensor_v2") + b"(" + storage() + b"K\x00VALUEVALUE\x89)tR",
    named("torch._utils._rebuild_tensor_v2") + b"(" + storage() + b"K\x00))\x89)VALUEtR",
])  # fmt: skip
def test_a_value_of_another_kind_is_refused_at_once(program, value, tmp_path):
    with pytest.raises(DataError, match=r"it is damaged|conjugated|keys are neither|opcode BUILD"):
        read(tmp_path, program.replace(b"VALUE", value))


def test_an_offset_is_an_int(tmp_path):
    offset = tensor((1 << 20,), (0,))
    with pytest.raises(DataError, match="expected int, got ndarray"):
        read(tmp_path, named("torch._utils._rebuild_tensor_v2") + b"(" + storage() + offset + b"))\x89)tR")


def test_deep_and_recursive_values_are_read(tmp_path):
    deep = read(tmp_path, b"]" * 100_000 + b"a" * 99_999)
    for _ in range(99_999):
        (deep,) = deep
    assert deep == []
    found = read(tmp_path, b"]q\x00h\x00a")
    assert found[0] is found


def test_an_archive_that_expands_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("it/data.pkl", b"\x80\x02N.")
    with pytest.raises(DataError, match="its entries overlap or are compressed"):
        nn.load_weights(tmp_path / "bomb.pt")
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w") as file:
        file.writestr("it/data.pkl", b"\x80\x02N.")
        file.writestr("it/data/0", bytes(1000))
        file.filelist += file.filelist[-1:] * 20
    with pytest.raises(DataError, match="its entries overlap or are compressed"):
        nn.load_weights(tmp_path / "bomb.pt")


@pytest.mark.parametrize(("names", "message"), [
    (["w.npy", "b.npy"], r"without one data\.pkl.*load a \.npz file by load_state_dict\(numpy\.load\(path\)\)"),
    (["a/data.pkl", "b/data.pkl"], r"without one data\.pkl, so torch\.save did not write it\."),
    (["data.pkl"], r"without one data\.pkl"),
])  # fmt: skip
def test_other_archives_are_refused(names, message, tmp_path):
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as file:
        for name in names:
            file.writestr(name, b"\x80\x02N.")
    with pytest.raises(DataError, match=message):
        nn.load_weights(tmp_path / "other.pt")


def test_a_plain_pickle_is_refused(tmp_path):
    for protocol in (2, 3, 4, 5):
        (tmp_path / "weights.pkl").write_bytes(pickle.dumps({"w": np.ones(3)}, protocol))
        with pytest.raises(DataError, match="it is a pickle, which is not read, because it could run code"):
            nn.load_weights(tmp_path / "weights.pkl")


def read_or_refused(content):
    """Read a damaged file, which may be valid by chance, and otherwise raises a DataError."""
    with tempfile.TemporaryDirectory() as folder, suppress(DataError):
        path = Path(folder, "damaged.pt")
        path.write_bytes(content)
        nn.load_weights(path)


@given(st.data())
def test_a_damaged_file_is_refused(data):
    content = bytearray((FOLDER / "net.pth").read_bytes())
    if data.draw(st.booleans()):
        read_or_refused(content[: data.draw(st.integers(0, len(content) - 1))])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused(content)


with zipfile.ZipFile(FOLDER / "checkpoint.pt") as _file:
    PARTS = {name.partition("/")[2]: _file.read(name) for name in _file.namelist()}


@given(st.data())
def test_a_damaged_pickle_is_refused(data):
    """Behind a valid checksum."""
    pickled = bytearray(PARTS["data.pkl"])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(pickled) - 1))
        kind = data.draw(st.sampled_from(["replace", "delete", "insert"]))
        pickled[place : place + (kind != "insert")] = (
            b"" if kind == "delete" else bytes([data.draw(st.integers(0, 255))])
        )
    with tempfile.TemporaryDirectory() as folder:
        read_or_refused(archive(Path(folder, "it.pt"), **{**PARTS, "pickled": bytes(pickled)}).read_bytes())
