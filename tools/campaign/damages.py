"""Damage to the bytes of a file, accidental or crafted. Each kind is a function."""

import io
import json
import struct
import zipfile
from functools import cache
from random import Random
from typing import Any, TypeVar

import numpy as np

Members = dict[str, bytes]  # content of the members of an archive, by name
T = TypeVar("T")

# --- Accidents: for any bytes ---


def cut(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content))]


def flip_bits(random: Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8))):
        damaged[_place(random, damaged)] ^= 1 << random.randrange(8)
    return bytes(damaged)


def overwrite(random: Random, content: bytes) -> bytes:
    place, length = _place(random, content), random.choice((1, 4, 64, 512))
    new = random.choice((bytes(length), b"\xff" * length, random.randbytes(length)))
    return content[:place] + new + content[place + length :]


def insert(random: Random, content: bytes) -> bytes:
    place = _place(random, content)
    return content[:place] + random.randbytes(random.choice((1, 4, 64))) + content[place:]


def drop(random: Random, content: bytes) -> bytes:
    place = _place(random, content)
    return content[:place] + content[place + random.choice((1, 4, 64)) :]


def swap_blocks(random: Random, content: bytes) -> bytes:
    length = random.choice([n for n in (1, 16, 64, 256) if 2 * n <= len(content)])
    a, b = sorted(random.sample(range(0, len(content), length), 2))
    return (
        content[:a]
        + content[b : b + length]
        + content[a + length : b]
        + content[a : a + length]
        + content[b + length :]
    )


def repeat(random: Random, content: bytes) -> bytes:
    place = _place(random, content)
    return content + content[place:]


def put_before(random: Random, content: bytes) -> bytes:
    return random.randbytes(random.choice((1, 30, 300))) + content


def put_behind(random: Random, content: bytes) -> bytes:
    return content + random.randbytes(random.choice((1, 30, 300)))


def change_a_number(random: Random, content: bytes) -> bytes:
    """Overwrite four or eight bytes with a number, encoded as in headers."""
    place, form = _place(random, content), random.choice(("<I", "<Q", ">I"))
    new = struct.pack(form, random.choice((0, 1, 255, 2**16, 2**31, 2**32 - 1)))
    return content[:place] + new + content[place + len(new) :]


def nothing_left(random: Random, content: bytes) -> bytes:
    return b""


ACCIDENTS = (
    cut, flip_bits, overwrite, insert, drop, swap_blocks, repeat, put_before, put_behind, change_a_number, nothing_left,
)  # fmt: skip


def _place(random: Random, content: bytes | bytearray) -> int:
    """Choose a position, often near an end, where headers are."""
    near = min(len(content), 256)
    first, last = random.choice(((0, len(content)), (0, near), (len(content) - near, len(content))))
    return random.randrange(first, last)


# --- Crafted archives of arrays, with correct checksums ---

DTYPES = (
    "|u1",
    "|i1",
    "<u2",
    ">u2",
    "<f8",
    "|b1",
    "|O",
    "|S1",
    "|V1",
    "<M8[s]",
    "<U1",
    "[('a', '|u1')]",
    "nonsense",
    "",
)
SHAPES = ("(3, 28, 28)", "(3, 28, 29)", "(28, 28, 3)", "()", "(3,)", "(-3, 28, 28)", "(0, 28, 28)", "(3.0, 28, 28)",
          f"({10**12}, 28, 28)", f"({2**63}, 28, 28)", "(3, 28)", "[3, 28, 28]", "None", "(" * 500 + ")" * 500,
)  # fmt: skip
HEADERS = ("{{'descr': {d!r}, 'fortran_order': False, 'shape': {s}, }}", "{{'descr': {d!r}, 'shape': {s}, }}",
           "{{'descr': {d!r}, 'fortran_order': 7, 'shape': {s}, }}", "[{d!r}, {s}]", "{s}", "{{", "'\\ud800'", "",
)  # fmt: skip
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def no_harm(random: Random, content: T) -> T:
    return content


def header(random: Random, members: Members) -> Members:
    """Replace the header of an array."""
    key = random.choice(list(members))
    dtype, shape = random.choice(DTYPES), random.choice(SHAPES)
    text = random.choice((HEADERS[0], *HEADERS)).format(d=dtype, s=shape).encode()
    version = random.choice(((1, 0), (1, 0), (2, 0), (3, 0), (0, 0), (9, 9)))
    length = struct.pack("<H" if version[0] < 2 else "<I", random.choice((len(text), len(text), 0, 60_000)))
    return {**members, key: b"\x93NUMPY" + bytes(version) + length + text + members[key][128:]}


def other_array(random: Random, members: Members) -> Members:
    """Replace an array by another one."""
    arrays = (np.zeros((3, 28, 28)), np.full(3, 10, np.uint8), np.zeros((4, 28, 28), np.uint8), np.zeros(0, np.uint8),
              np.array(["7"] * 3), np.array([None] * 3), np.uint8(3), np.zeros((3, 28, 28), ">u2"))  # fmt: skip
    file = io.BytesIO()
    np.save(file, random.choice(arrays), allow_pickle=True)
    return {**members, random.choice(list(members)): file.getvalue()}


def other_names(random: Random, members: Members) -> Members:
    """Replace a member by one with another name, or add one."""
    key = random.choice(list(members))
    name = random.choice(
        ("", "x", f"../{key}", f"{key}\n", "\x1b[31m.npy", f"\n{key}", "é" * 300, key.upper(), f"{key}.npy")
    )
    return {random.choice((name, name, key)) if k == key else k: content for k, content in members.items()} | {
        name: b"?"
    }


def archive(random: Random, members: Members) -> bytes:
    """Return the bytes of an archive with random compression method, comment and attributes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", random.choice(METHODS)) as written:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = written.compression, random.choice((0, 0o120777 << 16))
            written.writestr(info, content)
        written.comment = random.choice((b"", b"", b"PK\x05\x06" * 8))
    return file.getvalue()


def lie_of_sizes(random: Random, content: bytes) -> bytes:
    """Change the sizes, flags or method of a member in the central directory."""
    damaged = bytearray(content)
    entries = [k for k in range(len(content)) if content.startswith(b"PK\x01\x02", k)]
    place, form = random.choice(((8, "<H"), (10, "<H"), (16, "<I"), (20, "<I"), (24, "<I"), (28, "<H"), (42, "<I")))
    number = random.choice((0, 1, 9, 2351, 2**15, 2**16 - 1, 2**28 + 1, 2**32 - 1))
    entry = random.choice(entries) + place
    damaged[entry : entry + struct.calcsize(form)] = struct.pack(form, number % 2 ** (8 * struct.calcsize(form)))
    return bytes(damaged)


def twice(random: Random, content: bytes) -> bytes:
    """Rename members in the bytes of the archive, so that several have the same name."""
    return content.replace(b"y_train", b"x_train").replace(b"y_test", random.choice((b"y_test", b"x_test")))


@cache
def bomb() -> bytes:
    """Return a small archive whose images decompress to 314 MB."""
    many = b"\x93NUMPY\x01\x00\x76\x00" + f"{HEADERS[0].format(d='|u1', s=(400_000, 28, 28)):<118}".encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for key in ("x_train", "y_train", "x_test", "y_test"):
            written.writestr(f"{key}.npy", many + bytes(400_000 * 784 if key == "x_train" else 3))
    return file.getvalue()


def expand(random: Random, content: bytes) -> bytes:
    return bomb()


MEMBERS = (no_harm, header, header, other_array, other_names)
ARCHIVES = (no_harm, no_harm, lie_of_sizes, lie_of_sizes, twice, expand)

# --- Crafted weights ---

KINDS = ("F32", "F64", "F16", "BF16", "I8", "U64", "BOOL", "F8_E4M3", "F8_E5M2", "F4", "C64", "f32", "", 7, None)
PLACES = ([0, 24], [0, 12], [24, 0], [-8, 16], [0, 2**60], [8, 32], [0.0, 24.0], ["0", "24"], [0], None)
EXTENTS: tuple[Any, ...] = ([2, 3], [6], [], [3], [-2, -3], [2**40, 2**40], [0], [2.0, 3.0], ["2"], None, 6)


def weights_header(random: Random, content: bytes) -> bytes:
    """Replace the header of a safetensors file."""
    (length,) = struct.unpack("<Q", content[:8])
    entries = json.loads(content[8 : 8 + length])
    name, key = random.choice(list(entries)), random.choice(("dtype", "data_offsets", "shape"))
    choices = {"dtype": KINDS, "data_offsets": PLACES, "shape": EXTENTS}[key]
    entries[name] = random.choice(
        ({**entries[name], key: random.choice(choices)}, {**entries[name], "more": 1}, [], None)
    )
    text = json.dumps(entries).encode()
    text = random.choice(
        (text, text, text, text[:-1], b"[" * 100_000, b"null", b"\xff" + text, text.replace(b'"b"', b'"w"'))
    )
    return struct.pack("<Q", random.choice((len(text), len(text), 0, 2**40, 2**64 - 1))) + text + content[8 + length :]
