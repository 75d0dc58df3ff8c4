"""letterbox.h against Pillow (through `core.letterbox`): equal bytes, whatever compiles it."""

import mmap
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgedistill.core.letterbox import letterbox
from tests.calibrate.bundle.letterbox_builds import (
    COMPILERS,
    HEADER,
    ON_X86_64,
    SANITIZED,
    STRICT,
    UNTOUCHED,
    Case,
    Library,
    checkerboard,
    compile_source,
    drive,
    header,
    missing,
    pillows_windows,
    program,
    random_photo,
)

NULL_POINTER, BAD_SIZE, OUT_OF_MEMORY = 1, 2, 3
LARGEST_TARGET = 8192
INT_MAX = 2**31 - 1
BUILDS = {
    "gcc -O0": ("gcc", "-O0"),
    "gcc -O2": ("gcc", "-O2"),
    "gcc -O3 native fused": ("gcc", "-O3", "-march=native", "-ffp-contract=fast"),
    "g++ -O3 native fused": ("g++", "-O3", "-march=native", "-ffp-contract=fast"),
}
needs_gcc = pytest.mark.skipif(bool(missing("gcc")), reason=missing("gcc"))

Shape = tuple[int, int, int]


def build(name: str, folder: Path) -> Library:
    compiler, *flags = BUILDS[name]
    if missing(compiler):
        pytest.skip(missing(compiler))
    return Library(folder / "letterbox.so", *flags, compiler=compiler)


@pytest.fixture(scope="module", params=BUILDS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return build(request.param, tmp_path_factory.mktemp("letterbox"))


@pytest.fixture(scope="module")
def one_library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return build("gcc -O2", tmp_path_factory.mktemp("letterbox"))


def noise(height: int, width: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(height * 100_003 + width)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@cache
def random_cases() -> list[tuple[Case, NDArray[np.uint8]]]:
    """2,000 photos of all kinds with what Pillow makes of them; made once for all builds."""
    rng = np.random.default_rng(5)
    cases = [Case(random_photo(rng, 300), int(rng.integers(1, 257))) for _ in range(2000)]
    return [(case, letterbox(case.photo, case.target)) for case in cases]


@cache
def small_sizes() -> list[tuple[Case, NDArray[np.uint8]]]:
    """Every size from 1 x 1 to 64 x 64, for each target."""
    sides = range(1, 65)
    cases = [Case(noise(h, w), t) for h, w, t in product(sides, sides, (1, 7, 32))]
    return [(case, letterbox(case.photo, case.target)) for case in cases]


def differing(library: Library, cases: list[tuple[Case, NDArray[np.uint8]]]) -> list[Shape]:
    return [
        (*case.photo.shape[:2], case.target)
        for case, expected in cases
        if not np.array_equal(library.letterbox(case.photo, case.target), expected)
    ]


def test_thousands_of_random_photos_become_pillows_pixels(library: Library) -> None:
    assert differing(library, random_cases()) == []


def test_every_small_size_becomes_pillows_pixels(library: Library) -> None:
    assert differing(library, small_sizes()) == []


@cache
def windows_in_python(old: int, new: int) -> list[int]:
    return pillows_windows(old, new)


@pytest.mark.parametrize("new", [1, 13, 176, 240])
def test_no_weight_depends_on_the_compiler(library: Library, new: int) -> None:
    # From 465 to 13, 944 to 176 and others, a fused centre - half_width moves a window.
    sizes = [*range(1, 1500, 71), 221, 465, 706, 944, 2048, 4000]
    moved = [old for old in sizes if library.windows(old, new) != windows_in_python(old, new)]
    assert moved == []


@pytest.mark.parametrize(
    ("height", "width", "target"),
    [
        (1, 1, 1),
        (1, 1, 1024),
        (1, 4000, 240),
        (4000, 1, 240),
        (4000, 1, 1024),
        (2, 4000, 1),
        (239, 241, 240),
        (240, 240, 240),
        (5, 20, 10),  # 2.5 rows, rounded up
        (7, 5, 1024),
        (480, 640, 240),
        (2000, 1500, 240),
    ],
)
def test_odd_shapes_become_pillows_pixels(library: Library, height: int, width: int, target: int):
    for photo in (noise(height, width), checkerboard(height, width, 1)):
        assert np.array_equal(library.letterbox(photo, target), letterbox(photo, target))


def test_white_stays_white_where_rounded_weights_add_up_to_more_than_one(
    one_library: Library,
) -> None:
    # One window holds 7,000,000 weights, 2**22 / 7e6 = 0.6 of a unit on average: most become 1.
    white = np.full((1, 7_000_000, 3), 255, np.uint8)
    assert one_library.letterbox(white, 1).tolist() == [[[255, 255, 255]]]
    assert letterbox(white, 1).tolist() == [[[255, 255, 255]]]


def test_sides_that_single_precision_cannot_hold_are_rounded_as_pillow_does(
    one_library: Library,
) -> None:
    # 2**24 + 3 becomes 2**24 + 4: the windows lie up to one pixel further.
    width = 2**24 + 3
    stairs = np.tile(np.repeat(np.arange(256, dtype=np.uint8), 384), 513)
    photo = stairs[: 3 * width].reshape(1, width, 3)
    assert np.array_equal(one_library.letterbox(photo, 1024), letterbox(photo, 1024))


@pytest.mark.parametrize("n_behind", [1, 3, 64])
def test_bytes_behind_a_row_change_nothing(one_library: Library, n_behind: int) -> None:
    rows = noise(1, 37 * (50 + n_behind)).reshape(37, -1)[:, : 3 * 50 + n_behind].copy()
    photo = np.ascontiguousarray(rows[:, : 3 * 50]).reshape(37, 50, 3)
    behind = np.lib.stride_tricks.as_strided(rows, photo.shape, (rows.strides[0], 3, 1))
    square = one_library.letterbox(behind, 24, rows.strides[0])
    assert np.array_equal(square, letterbox(photo, 24))


def test_rows_may_lie_further_apart_than_an_int_counts(one_library: Library) -> None:
    row_bytes, photo = 2**31 + 12, noise(3, 5)
    # Three pages of it are touched; none is set aside (the number is Linux' MAP_NORESERVE).
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000
    memory = mmap.mmap(-1, 2 * row_bytes + 15, flags=flags)
    for y in range(3):
        memory[y * row_bytes : y * row_bytes + 15] = photo[y].tobytes()
    spread = np.lib.stride_tricks.as_strided(np.frombuffer(memory, np.uint8), (3, 5, 3))
    square = one_library.letterbox(spread, 8, row_bytes)
    del spread
    assert np.array_equal(square, letterbox(photo, 8))


def test_threads_do_not_disturb_each_other(one_library: Library) -> None:
    photos = [noise(200 + i, 300 - i) for i in range(16)]
    with ThreadPoolExecutor(8) as pool:
        squares = pool.map(lambda photo: one_library.letterbox(photo, 96), photos)
    assert all(
        np.array_equal(square, letterbox(photo, 96))
        for square, photo in zip(squares, photos, strict=True)
    )


@pytest.mark.parametrize(
    ("height", "width", "row_bytes", "target", "code"),
    [
        (0, 5, 15, 4, BAD_SIZE),
        (3, 0, 15, 4, BAD_SIZE),
        (3, 5, 15, 0, BAD_SIZE),
        (-3, 5, 15, 4, BAD_SIZE),
        (3, -5, 15, 4, BAD_SIZE),
        (3, 5, 15, -4, BAD_SIZE),
        (3, 5, 14, 4, BAD_SIZE),
        (3, 5, 0, 4, BAD_SIZE),
        (3, 5, 15, LARGEST_TARGET + 1, BAD_SIZE),
        (3, 5, 15, INT_MAX, BAD_SIZE),
        (INT_MAX, INT_MAX, 15, 4, BAD_SIZE),
        (INT_MAX, 1, 2**63, 4, BAD_SIZE),
        (3, 5, 2**63 // 3 + 1, 4, BAD_SIZE),
        (1, 5, 2**64 - 1, 4, BAD_SIZE),
    ],
)
def test_sizes_that_cannot_be_are_refused_and_nothing_is_written(
    one_library: Library, height: int, width: int, row_bytes: int, target: int, code: int
) -> None:
    photo, square = noise(3, 5), np.full(48, UNTOUCHED, np.uint8)
    returned = one_library.call(
        photo.ctypes.data, height, width, row_bytes, target, square.ctypes.data
    )
    assert returned == code
    assert (square == UNTOUCHED).all()


def test_missing_pointers_are_refused_and_nothing_is_written(one_library: Library) -> None:
    photo, square = noise(3, 5), np.full(48, UNTOUCHED, np.uint8)
    assert one_library.call(None, 3, 5, 15, 4, square.ctypes.data) == NULL_POINTER
    assert one_library.call(photo.ctypes.data, 3, 5, 15, 4, None) == NULL_POINTER
    assert (square == UNTOUCHED).all()


def test_the_largest_target_is_taken(one_library: Library) -> None:
    # A row of 8192 keeps its pixels, below (8192 - 1) // 2 = 4095 black ones.
    photo = noise(1, LARGEST_TARGET)
    square = one_library.letterbox(photo, LARGEST_TARGET)
    assert np.array_equal(square[4095], photo[0])
    assert not square[:4095].any()
    assert not square[4096:].any()


@needs_gcc
def test_each_allocation_may_fail_without_a_leak_and_nothing_is_written(tmp_path: Path) -> None:
    command = program("letterbox_out_of_memory.c", tmp_path / "out_of_memory")
    lines = drive([command], b"").decode().splitlines()
    failed = [f"{OUT_OF_MEMORY} 0 0"] * 4  # windows across and down, lines, sums
    # 2 x 3 becomes 3 x 4 of 4 x 4; every byte of out is written, padding too.
    assert lines == [*failed, "0 0 48"]


def sanitized(folder: Path) -> Path:
    driver = folder / "driver"
    done = compile_source("letterbox_driver.c", driver, *SANITIZED)
    if "cannot find" in done.stderr and "san" in done.stderr:
        pytest.skip("gcc's sanitizers are not installed; on Debian: apt-get install libgcc-12-dev")
    assert done.returncode == 0, done.stderr
    return driver


def refused() -> list[bytes]:
    sizes = [(0, 1, 1, 3), (1, -1, 1, 3), (1, 1, 0, 3), (1, 1, LARGEST_TARGET + 1, 3)]
    sizes += [(INT_MAX, 1, 1, 2**62), (1, INT_MAX, 1, 3), (-(2**31), -(2**31), -(2**31), 0)]
    return [header(height, width, target, 0, n) for height, width, target, n in sizes]


def driven_cases(n: int, longest: int) -> list[Case]:
    rng = np.random.default_rng(n)
    shapes = [(1, 1), (1, 400), (400, 1), (2, 3), (64, 64), (239, 241)]
    odd = [Case(noise(*shape), t, i % 3) for i, (shape, t) in enumerate(product(shapes, (1, 240)))]
    drawn = [
        Case(random_photo(rng, longest), int(rng.integers(1, 65)), int(rng.integers(3)))
        for _ in range(n)
    ]
    return odd + drawn


@needs_gcc
def test_sanitizers_find_nothing_in_many_sizes(tmp_path: Path) -> None:
    cases, wrong = driven_cases(400, 400), refused()
    said = drive([sanitized(tmp_path)], b"".join([case.for_driver() for case in cases] + wrong))
    refusal = BAD_SIZE.to_bytes(4, "little") + bytes([UNTOUCHED])
    assert said == b"".join([case.answer() for case in cases]) + refusal * len(wrong)


@needs_gcc
@pytest.mark.skipif(bool(missing("valgrind")), reason=missing("valgrind"))
def test_valgrind_finds_nothing_and_no_byte_behind_a_row_is_used(tmp_path: Path) -> None:
    # The driver leaves those bytes unwritten: a pixel made of them would be reported when written.
    driver = program("letterbox_driver.c", tmp_path / "driver", "-g", "-O1")
    cases = driven_cases(20, 100)
    valgrind = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full"]
    said = drive([*valgrind, driver], b"".join([case.for_driver() for case in cases] + refused()))
    assert said.startswith(b"".join(case.answer() for case in cases))


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("-ffast-math", "compile without -ffast-math"),
        ("-Ofast", "compile without -ffast-math"),
        ("-funsafe-math-optimizations", "compile without -ffast-math"),
        pytest.param(
            "-mfpmath=387",
            "double must be computed as double",
            marks=pytest.mark.skipif(not ON_X86_64, reason="a flag of x86 alone; run it there"),
        ),
    ],
)
@needs_gcc
def test_flags_that_would_change_pixels_do_not_compile(
    tmp_path: Path, flag: str, reason: str
) -> None:
    done = compile_source("letterbox_library.c", tmp_path / "library.o", "-c", flag)
    assert done.returncode != 0
    assert f'#error "letterbox.h: {reason}' in done.stderr


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("flags", [("-O0",), ("-O3", "-Wshadow", "-Wundef", "-Wcast-qual")])
def test_the_strictest_warnings_find_nothing(
    tmp_path: Path, compiler: str, flags: tuple[str, ...]
) -> None:
    if missing(compiler):
        pytest.skip(missing(compiler))
    assert {"-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"} <= {*STRICT}
    done = compile_source(
        "letterbox_library.c", tmp_path / "library.o", "-c", *flags, compiler=compiler
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_gcc
@pytest.mark.skipif(bool(missing("nm")), reason=missing("nm"))
def test_nothing_is_remembered_and_little_is_asked_of_the_system(tmp_path: Path) -> None:
    library = tmp_path / "library.o"
    program("letterbox_library.c", library, "-c", "-O0")
    done = subprocess.run(["nm", library], capture_output=True, text=True, check=True)
    symbols = [tuple(line.split()[-2:]) for line in done.stdout.splitlines()]
    assert {name for kind, name in symbols if kind == "U"} == {"calloc", "free", "memset"}
    assert {kind for kind, _ in symbols} <= {"U", "T", "t"}  # no data, no bss


def test_the_header_is_one_page_that_a_developer_reads() -> None:
    lines = HEADER.read_text(encoding="ascii").splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 100
