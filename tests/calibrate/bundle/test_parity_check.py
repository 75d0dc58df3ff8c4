"""parity_check.py as an app's makers run it: on a copied folder, without edgedistill."""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgedistill.calibrate.bundle.parity import write_parity
from edgedistill.core.parity_images import parity_images
from tests.calibrate.bundle.dumping_app import App
from tests.tflite_files import tiny_int8_model

SCRIPTS = Path(write_parity.__code__.co_filename).parent / "files"
SIDE = 61
RIGHT = App()
INT8 = "int8 with scale 1 and zero point -128"
Checked = Callable[[Path], SimpleNamespace]
AGREE = "all tensors that were dumped agree"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_bundle(tmp_path_factory.mktemp("bundle"), SIDE)


def new_bundle(folder: Path, side: int, input_type: str = "int8") -> Path:
    model = folder / "model_qat_int8.tflite"
    model.write_bytes(tiny_int8_model(side, input_type=input_type))
    write_parity(folder, model)
    for name in ("parity_check.py", "parity_dumps.py", "parity_faults.py"):
        shutil.copyfile(SCRIPTS / name, folder / name)
    return folder


@cache
def sources() -> dict[str, bytes]:
    return {image.name: image.data for image in parity_images()}


def dump(folder: Path, app: App, side: int = SIDE, names: list[str] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names or sources():
        app.tensor(sources()[name], side).tofile(folder / f"{name}.raw")
    return folder


DRIVER = """
import contextlib, io, json, sys
sys.path.insert(0, sys.argv[1])
import parity_check
for line in sys.stdin:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        status = parity_check.main([json.loads(line)])
    print(json.dumps([status, out.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def checked(bundle: Path) -> Iterator[Checked]:
    """The script's answer about a folder, in one process for all: Python and NumPy start once."""
    with subprocess.Popen(
        [sys.executable, "-I", "-c", DRIVER, str(bundle)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        questions, answers = process.stdin, process.stdout
        assert questions is not None
        assert answers is not None

        def ask(folder: Path) -> SimpleNamespace:
            questions.write(json.dumps(str(folder)) + "\n")
            questions.flush()
            status, printed = json.loads(answers.readline())
            return answer(status, printed, "")

        yield ask
        questions.close()


def answer(status: int, printed: str, errors: str) -> SimpleNamespace:
    lines, _, verdict = printed.partition("VERDICT: ")
    return SimpleNamespace(status=status, lines=lines, verdict=verdict.splitlines(), errors=errors)


def check(bundle: Path, *arguments: Path | str) -> SimpleNamespace:
    """The script run as an app's makers run it."""
    done = subprocess.run(
        [sys.executable, "-I", str(bundle / "parity_check.py"), *map(str, arguments)],
        capture_output=True, text=True, timeout=120, cwd=bundle,
    )  # fmt: skip
    return answer(done.returncode, done.stdout, done.stderr)


def test_a_right_dump_agrees_to_the_bit(bundle: Path, tmp_path: Path) -> None:
    found = check(bundle, dump(tmp_path / "dump", RIGHT))
    assert (found.status, found.verdict, found.errors) == (0, [AGREE], "")
    assert [line.split() for line in found.lines.splitlines() if line] == [
        [name, "agrees"] for name in sources()
    ]


FAULTS = {
    "the channels are in the order BGR, not RGB": RIGHT.but(channels="BGR"),
    "the channels are in the order GBR, not RGB": RIGHT.but(channels="GBR"),
    "the photo was stretched to a square; keep its shape and pad (letterbox)": RIGHT.but(
        fit="stretch"
    ),
    "the middle of the photo was cut out; keep all of it and pad (letterbox)": RIGHT.but(
        fit="crop"
    ),
    "resized by the nearest pixel; use an antialiased triangle": RIGHT.but(resize="nearest"),
    "resized by the nearest pixel, without half pixels": RIGHT.but(resize="nearest at corners"),
    "resized bilinearly without antialias; the filter must widen": RIGHT.but(resize="bilinear"),
    "resized bilinearly without antialias and without half pixels": RIGHT.but(
        resize="bilinear at corners"
    ),
    "resized by averaging areas; use an antialiased triangle": RIGHT.but(resize="area"),
    "resized by averaging whole pixels; use an antialiased triangle": RIGHT.but(
        resize="box"
    ),
    "resized with a bicubic filter; use an antialiased triangle": RIGHT.but(resize="bicubic"),
    "resized with a Lanczos filter; use an antialiased triangle": RIGHT.but(resize="lanczos"),
    "the EXIF orientation was not applied": RIGHT.but(turns=frozenset()),
    "the EXIF orientation was turned the wrong way": RIGHT.but(turns_wrong_way=True),
    "the shorter side was rounded down; round half up": RIGHT.but(round_side="down"),
    "the shorter side was rounded up; round half up": RIGHT.but(round_side="up"),
    "odd padding has its larger part above or on the left; put it below, right": RIGHT.but(
        place="ceil"
    ),
    "all padding is below and on the right; the photo must be in the middle": RIGHT.but(
        place="start"
    ),
    "all padding is above and on the left; the photo must be in the middle": RIGHT.but(
        place="end"
    ),
    **{
        f"the padding is off by one: the photo is one pixel too far {where}": RIGHT.but(shift=step)
        for where, step in {
            "down": (1, 0), "up": (-1, 0), "right": (0, 1), "left": (0, -1),
            "down and right": (1, 1), "up and left": (-1, -1),
        }.items()
    },
    "the padding is (114, 114, 114); it must be black, (0, 0, 0)": RIGHT.but(
        padding=(114, 114, 114)
    ),
    "the padding is (1, 2, 200); it must be black, (0, 0, 0)": RIGHT.but(padding=(1, 2, 200)),
    "transparent pixels were blended with black (premultiplied); discard alpha": RIGHT.but(
        alpha_over=0
    ),
    "wholly transparent pixels lost their colours (Android's Bitmap does so: set "
    "inPremultiplied = false); harmless for photos, which have none": RIGHT.but(
        clears=True
    ),
    "the colours were converted from Display P3 to sRGB; leave them": RIGHT.but(manages=True),
    "transparent pixels were blended with white; discard alpha": RIGHT.but(alpha_over=255),
    "the tensor is laid out channel by channel (CHW), not pixel by pixel (HWC)": RIGHT.but(
        layout="CHW"
    ),
    "rows and columns of the tensor are swapped": RIGHT.but(layout="WHC"),
    "the tensor's rows run from the bottom to the top": RIGHT.but(layout="upside down"),
    "the picture is mirrored, left to right": RIGHT.but(layout="mirrored"),
    f"the bytes are pixel values 0..255 (uint8); the model takes {INT8}": RIGHT.but(
        numbers="uint8"
    ),
    "the zero point is 0, not -128": RIGHT.but(numbers="zero point 0"),
    "the zero point is -127, not -128": RIGHT.but(numbers="zero point -127"),
    "the zero point is -129, not -128": RIGHT.but(numbers="zero point -129"),
    f"it holds the pixel values 0..255 as float32; it must be {INT8}": RIGHT.but(
        numbers="float 0..255"
    ),
    f"it holds values in 0..1 (p / 255) as float32; it must be {INT8}": RIGHT.but(
        numbers="float 0..1"
    ),
    f"it holds values in -1..1 (p / 127.5 - 1) as float32; it must be {INT8}": RIGHT.but(
        numbers="float -1..1"
    ),
    f"it holds values (p - 127) / 128 as float32; it must be {INT8}": RIGHT.but(
        numbers="float (p - 127) / 128"
    ),
    f"the integers are right, but as float32; they must be {INT8}": RIGHT.but(
        numbers="float of int8"
    ),
}  # fmt: skip


# The others take as long again: they are left to the slow tests.
FAST = {
    "BGR", "stretched", "middle of", "nearest pixel; use", "not applied",
    "wholly", "P3", "odd padding", "far down", "(114", "white", "CHW", "uint8", "is 0, not",
    "is -127", "-1..1",
}  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        words
        if any(part in words for part in FAST)
        else pytest.param(words, marks=pytest.mark.slow)
        for words in FAULTS
    ],
)
def test_a_planted_fault_is_named_and_no_other(
    checked: Checked, tmp_path: Path, words: str
) -> None:
    found = checked(dump(tmp_path / "dump", FAULTS[words]))
    assert (found.status, found.verdict[0], found.errors) == (1, words, "")
    assert [line.partition(":")[0] for line in found.verdict[1:]] == ["seen in"]


def test_one_and_the_same_wrong_size_is_told_once(checked: Checked, tmp_path: Path) -> None:
    for name in ("grey", "tiny"):
        np.zeros((SIDE, SIDE, 4), np.uint8).tofile(tmp_path / f"{name}.raw")
    assert checked(tmp_path).verdict == [
        "grey, tiny: wrong size or type: it has four channels (RGBA): drop alpha, "
        f"not {SIDE} x {SIDE} x 3 of int8"
    ]


@pytest.mark.parametrize("dtype", ["float16", "int16", "int32"])
def test_raw_numbers_of_other_widths_are_recognised(
    checked: Checked, tmp_path: Path, dtype: str
) -> None:
    RIGHT.tensor(sources()["grey"], SIDE).astype(dtype).tofile(tmp_path / "grey.raw")
    found = checked(tmp_path)
    assert found.verdict[0] == f"the integers are right, but as {dtype}; they must be {INT8}"


def test_what_is_no_array_of_numbers_is_told_in_a_sentence(
    checked: Checked, tmp_path: Path
) -> None:
    dump(tmp_path, RIGHT, names=["square"])
    (tmp_path / "square.logits.npy").touch()
    (tmp_path / "grey.npy").touch()
    with (tmp_path / "tiny.npy").open("wb") as file:
        np.savez(file, np.zeros(3))
    np.save(tmp_path / "cmyk.npy", np.full((SIDE, SIDE, 3), np.nan))
    none, wanted = "is no .npy file of numbers, or only part of one", f"{SIDE} x {SIDE} x 3 of int8"
    assert sorted(checked(tmp_path).verdict) == [
        f"cmyk: wrong size or type: it holds NaN or infinity, not {wanted}",
        f"grey, tiny: wrong size or type: it {none}, not {wanted}",
        f"square: the logits are not 3 of int8: it {none}",
    ]


def test_the_tasks_files_input_and_confidences_agree(
    bundle: Path, checked: Checked, tmp_path: Path
) -> None:
    for name in ("grey", "square"):
        pixels = RIGHT.but(numbers="uint8").tensor(sources()[name], SIDE)
        pixels.tofile(tmp_path / f"{name}.tasks.raw")
        scores = np.load(bundle / "parity" / f"{name}.logits.npy") / 8.0
        shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        integers = np.rint(shares * 256).clip(0, 255).astype(np.uint8)
        integers.tofile(tmp_path / f"{name}.tasks.logits.raw")
    found = checked(tmp_path)
    assert (found.status, found.verdict) == (0, [AGREE])
    # Turned about, they belong to other classes.
    shares[::-1].astype(np.float32).tofile(tmp_path / "square.tasks.logits.raw")
    assert checked(tmp_path).verdict[0].startswith("square.tasks: the logits are ")
    RIGHT.tensor(sources()["grey"], SIDE).tofile(tmp_path / "grey.tasks.raw")
    assert checked(tmp_path).verdict[0] == (
        "the bytes are pixel - 128 (int8); the model takes uint8 with scale 1 and zero point 0"
    )


def test_confidences_of_the_int8_files_own_logits_are_taken_as_well(
    bundle: Path, checked: Checked, tmp_path: Path
) -> None:
    dump(tmp_path, RIGHT, names=["grey"])
    scores = np.load(bundle / "parity" / "grey.logits.npy") / 8.0
    (np.exp(scores) / np.exp(scores).sum()).astype(np.float32).tofile(tmp_path / "grey.logits.raw")
    assert checked(tmp_path).verdict == [AGREE]


def test_a_fault_of_every_tensor_is_not_read_out_of_one(checked: Checked, tmp_path: Path) -> None:
    # One pixel wide: nearly all is padding, where zero points of -1 and 1 are a level from 0.
    folder = dump(tmp_path / "dump", RIGHT, names=["high", "square"])
    np.zeros((SIDE, SIDE, 3), np.int8).tofile(folder / "high.raw")
    assert checked(folder).verdict[1].startswith("high: unknown. ")


def test_a_missing_orientation_is_seen_where_there_is_one(checked: Checked, tmp_path: Path) -> None:
    found = checked(dump(tmp_path / "dump", RIGHT.but(turns=frozenset())))
    turned = ", ".join(f"exif_{value}" for value in range(2, 9))
    assert found.verdict[1:] == [f"seen in: {turned}"]


def test_an_app_that_knows_no_mirrored_orientation_is_told_which(
    checked: Checked, tmp_path: Path
) -> None:
    found = checked(dump(tmp_path / "dump", RIGHT.but(turns=frozenset({1, 3, 6, 8}))))
    assert found.verdict == [
        "the EXIF orientation was not applied",
        "seen in: exif_2, exif_4, exif_5, exif_7",
        "not seen, though it would show, in: exif_3, exif_6, exif_8",
    ]


def test_two_faults_are_named_both(checked: Checked, tmp_path: Path) -> None:
    app = RIGHT.but(fit="stretch", resize="bilinear", numbers="int8")
    found = checked(dump(tmp_path / "dump", app))
    assert found.status == 1
    assert found.verdict[0] == (
        "the photo was stretched to a square; keep its shape and pad (letterbox) AND "
        "resized bilinearly without antialias; the filter must widen"
    )


@pytest.mark.slow
def test_three_faults_at_once_are_at_least_a_difference(checked: Checked, tmp_path: Path) -> None:
    app = RIGHT.but(channels="BGR", resize="nearest", place="start")
    found = checked(dump(tmp_path / "dump", app))
    assert found.status == 1
    assert found.verdict[0].startswith("no fault or pair of faults known here explains all")
    wrong = [line.split()[0] for line in found.lines.splitlines() if "DIFFERS" in line]
    assert [line.partition(":")[0] for line in found.verdict[1:]] == wrong


def test_a_fault_of_one_image_alone_is_told_with_what_it_checks(
    checked: Checked, tmp_path: Path
) -> None:
    folder = dump(tmp_path / "dump", RIGHT)
    np.full((SIDE, SIDE, 3), 7, np.int8).tofile(folder / "cmyk.raw")
    found = checked(folder)
    assert found.status == 1
    assert found.verdict[1].startswith("cmyk: unknown. This image checks a CMYK JPEG, 490 x 323")


def test_what_decoders_of_jpeg_differ_in_is_harmless_in_a_jpeg_alone(
    checked: Checked, tmp_path: Path
) -> None:
    folder = dump(tmp_path / "dump", RIGHT)
    for name in ("exif_1", "large"):
        RIGHT.but(noise=2).tensor(sources()[name], SIDE).tofile(folder / f"{name}.raw")
    found = checked(folder)
    assert (found.status, found.verdict) == (0, [AGREE])
    told = [line for line in found.lines.splitlines() if "harmless" in line]
    assert [line.split()[0] for line in told] == ["exif_1", "large"]
    assert all("2 at most: harmless, decoders of JPEG differ" in line for line in told)
    RIGHT.but(noise=2).tensor(sources()["square"], SIDE).tofile(folder / "square.raw")
    assert checked(folder).status == 1


def test_a_level_of_rounding_is_harmless_in_any_image(checked: Checked, tmp_path: Path) -> None:
    found = checked(dump(tmp_path / "dump", RIGHT.but(noise=1)))
    assert (found.status, found.verdict) == (0, [AGREE])
    line = next(line for line in found.lines.splitlines() if line.startswith("alpha"))
    assert "1 at most: harmless, resizers differ in rounding" in line


def test_a_fault_that_changes_nothing_explains_no_small_difference(
    checked: Checked, tmp_path: Path
) -> None:
    # Two levels of noise are too many for a PNG and fewer than a fault's fit may leave.
    found = checked(dump(tmp_path / "dump", RIGHT.but(noise=2), names=["square", "tiny"]))
    assert found.status == 1
    assert [line.split(".")[0] for line in found.verdict[1:]] == [
        "tiny: unknown",
        "square: unknown",
    ]


def test_a_zero_point_that_is_one_off_is_no_rounding(checked: Checked, tmp_path: Path) -> None:
    # Every value is one level off, which by itself is tolerated.
    app = RIGHT.but(numbers="zero point -127")
    found = checked(dump(tmp_path / "dump", app, names=["square"]))
    assert (found.status, found.verdict[0]) == (1, "the zero point is -127, not -128")


def test_what_was_not_dumped_is_listed(checked: Checked, tmp_path: Path) -> None:
    names = [name for name in sources() if name not in ("tiny", "wide")]
    found = checked(dump(tmp_path / "dump", RIGHT, names=names))
    assert found.status == 0
    assert "not dumped, so not known: wide, tiny" in found.lines.splitlines()


def test_faults_that_the_dumped_images_cannot_tell_apart_are_all_named(
    checked: Checked, tmp_path: Path
) -> None:
    # A portrait has no padding above, so that moved right is the same as moved down and right.
    found = checked(dump(tmp_path / "dump", RIGHT.but(shift=(0, 1)), names=["exif_1"]))
    assert "one pixel too far right OR" in found.verdict[0]
    assert "one pixel too far down and right" in found.verdict[0]


WRONG_SIZES: dict[str, np.ndarray] = {
    "is, by its length, 63 x 63 x 3 of 8 bits": np.zeros((63, 63, 3), np.uint8),
    "has four channels (RGBA): drop alpha": np.zeros((SIDE, SIDE, 4), np.uint8),
    "is, by its length, 100 x 100 x 3 of 8 bits or 50 x 50 x 3 of 32 bits": np.zeros(
        (50, 50, 3), np.float32
    ),
    "has 1000 bytes": np.zeros(1000, np.uint8),
}


@pytest.mark.parametrize("words", WRONG_SIZES)
def test_a_wrong_size_is_told_as_what_it_is(checked: Checked, tmp_path: Path, words: str) -> None:
    folder = dump(tmp_path / "dump", RIGHT, names=["exif_1"])
    WRONG_SIZES[words].tofile(folder / "grey.raw")
    found = checked(folder)
    assert found.status == 1
    wanted = f"{SIDE} x {SIDE} x 3 of int8"
    assert found.verdict == [f"grey: wrong size or type: it {words}, not {wanted}"]


def test_numpy_files_and_longer_names_are_read_as_well(checked: Checked, tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    folder.mkdir()
    right = RIGHT.tensor(sources()["grey"], SIDE)
    np.save(folder / "grey.npy", right[None])
    RIGHT.tensor(sources()["tiny"], SIDE).tofile(folder / "tiny.input.raw")
    np.save(folder / "square.input.npy", np.zeros((8, 8), np.int8))
    found = checked(folder)
    assert found.verdict == [
        f"square: wrong size or type: it is 8 x 8 of int8, not {SIDE} x {SIDE} x 3 of int8"
    ]


def test_right_integers_in_a_wider_numpy_type_are_told(checked: Checked, tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    folder.mkdir()
    np.save(folder / "grey.npy", RIGHT.tensor(sources()["grey"], SIDE).astype(np.int32))
    found = checked(folder)
    assert found.verdict[0] == f"the integers are right, but as int32; they must be {INT8}"


@pytest.mark.parametrize(
    ("change", "as_float", "words"),
    [
        (0, False, None), (2, False, None), (-2, True, None),
        (3, False, "the logits are 3 steps of 0.125 off"),
        (-3, True, "the logits are 3 steps of 0.125 off"),
    ],
)  # fmt: skip
def test_logits_may_be_two_steps_off(
    bundle: Path, checked: Checked, tmp_path: Path, change: int, as_float: bool, words: str | None
) -> None:
    folder = dump(tmp_path / "dump", RIGHT, names=["grey"])
    logits = np.load(bundle / "parity" / "grey.logits.npy") + np.array([0, change, 0], np.int8)
    # Scale 1 / 8 and zero point -20: see tests/tflite_files.py.
    dumped = ((logits + 20.0) / 8).astype(np.float32) if as_float else logits.astype(np.int8)
    dumped.tofile(folder / "grey.logits.raw")
    found = checked(folder)
    assert found.status == (0 if words is None else 1)
    assert words is None or words in found.verdict[0]


def test_logits_of_another_length_are_told(checked: Checked, tmp_path: Path) -> None:
    folder = dump(tmp_path / "dump", RIGHT, names=["grey"])
    np.zeros(5, np.int8).tofile(folder / "grey.logits.raw")
    assert checked(folder).verdict == ["grey: the logits are not 3 of int8: it has 5 bytes"]


def test_a_model_that_takes_uint8_is_checked_as_well(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    bundle = new_bundle(tmp_path / "bundle", 20, input_type="uint8")
    assert check(bundle, dump(tmp_path / "a", RIGHT.but(numbers="uint8"), 20)).status == 0
    found = check(bundle, dump(tmp_path / "b", RIGHT, 20))
    assert found.verdict[0] == (
        "the bytes are pixel - 128 (int8); the model takes uint8 with scale 1 and zero point 0"
    )


def test_wrong_usage_and_empty_folders_are_status_2(bundle: Path, tmp_path: Path) -> None:
    assert check(bundle).errors == "usage: python parity_check.py DUMPED_FOLDER\n"
    assert check(bundle, "a", "b").status == 2
    assert check(bundle, tmp_path / "none").errors == f"{tmp_path / 'none'} is no folder\n"
    (tmp_path / "exif1.raw").write_bytes(b"misnamed")
    empty = check(bundle, tmp_path)
    assert empty.status == 2
    assert "holds no tensor named as an image of parity/ is" in empty.errors


@pytest.mark.parametrize("damage", ["changed", "missing", "no parity.json", "cut parity.json"])
def test_a_damaged_bundle_is_status_2(bundle: Path, tmp_path: Path, damage: str) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    file, document = copy / "parity" / "grey.input.raw", copy / "parity" / "parity.json"
    if damage == "changed":
        file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])
    elif damage == "missing":
        file.unlink()
    elif damage == "no parity.json":
        document.unlink()
    else:
        document.write_text(json.dumps({"images": [{}]}))
    found = check(copy, dump(tmp_path / "dump", RIGHT, names=["exif_1"]))
    assert (found.status, found.lines) == (2, "")
    assert found.errors.startswith("the bundle's parity/ is damaged: ")
    if damage == "changed":
        assert "grey.input.raw has another sha256" in found.errors


@pytest.mark.parametrize("name", ["parity_check.py", "parity_dumps.py", "parity_faults.py"])
def test_the_scripts_need_python_3_9_and_numpy_alone(name: str) -> None:
    source = (SCRIPTS / name).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 9))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.partition(".")[0] for name in imported} <= {*sys.stdlib_module_names, "numpy"}
    beside = re.findall(r'import_module\("(\w+)"\)', source)
    assert len(beside) == source.count("import_module(")
    assert set(beside) <= {"parity_dumps", "parity_faults"}
