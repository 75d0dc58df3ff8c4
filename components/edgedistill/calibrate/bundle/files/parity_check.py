"""Compares the tensors that an app made of the images in parity/ with ours; says what is wrong.

    python parity_check.py DUMPED_FOLDER

For each image of parity/ the app writes its input tensor, as it hands it to the model, to
DUMPED_FOLDER/<name>.raw (or .npy, .input.raw, .input.npy), and if you like the model's output to
<name>.logits.raw or .npy. If it runs model_tasks.tflite, the names are <name>.tasks.raw or .npy
and <name>.tasks.logits.raw or .npy: pixels as they are, and confidences. Needs Python 3.9, NumPy,
parity_dumps.py and parity_faults.py beside it. Exit status:
0 all that was dumped agrees, 1 something differs, 2 wrong usage or a damaged bundle.

Each fault that apps are known for is committed on our own pictures, and what comes out is compared
with the dump. The fault, or else the pair of faults, that fits all images is named. Differences
are in levels, of 255, on average over what is not black in both pictures.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))  # python -I leaves it out
dumps = importlib.import_module("parity_dumps")
known = importlib.import_module("parity_faults")

# Tolerated: of a PNG, which all decoders read alike, a level of another resizer's rounding; of a
# JPEG also what decoders differ in: the rounding of its waves, and how halved colours are spread
# (seen between libjpeg's own ways of decoding: 1.0 on average, 7 at most).
ROUNDING, JPEG_MEAN, JPEG_MOST = 1.0, 1.5, 12.0
PNG_FITS, JPEG_FITS = 1.25, 3.0  # levels on average, up to which a fault explains a dump
TIES = 0.03  # share of values that a fault need not explain
EXACT = 0.5  # levels on average that a fault of every tensor may leave where one alone shows it
CONFIDENCE_STEP = 1 / 256  # of model_tasks.tflite


class BundleError(Exception):
    """The script was called wrongly, or the bundle's own files are missing or damaged."""


class Case:
    """An image and the tensor that was dumped for it."""

    def __init__(self, image: Any, dump: Any):
        self.image, self.dump = image, dump
        levels = self.levels({})
        self.mean, self.most, bias = np.abs(levels).mean(), np.abs(levels).max(), levels.mean()
        self.limit = JPEG_FITS if image.is_jpeg else PNG_FITS
        if image.is_jpeg:
            self.agrees = self.mean <= JPEG_MEAN and self.most <= JPEG_MOST and abs(bias) < 1
        else:
            step = max(ROUNDING, image.scale) * 1.001
            self.agrees = self.most <= step and abs(bias) < 0.75 * step

    def levels(self, faults: dict[str, Any]) -> Any:
        """Levels from the tensor with these faults to the dump, of what is not black in both."""
        numbers = faults.get("numbers")
        if self.dump.is_wide != (numbers == "wide" or numbers in known.NUMBERS):
            return np.array([np.inf])
        wanted, unit, pixels, padding = self.image.tensor(faults)
        got = self.dump.values
        if numbers == "bytes":
            got = got.view(np.uint8 if self.image.dtype == np.int8 else np.int8)
        levels = (got - wanted) / unit
        seen = (pixels != 0) | (np.abs(levels) > 0.5)
        levels = levels[seen & ~padding if "pad" in faults else seen]
        return levels if levels.size else np.zeros(1)

    def error(self, faults: dict[str, Any]) -> float:
        """Of all but the worst: at a tie the nearest pixel may be either of two."""
        levels = np.sort(np.abs(self.levels(faults)))
        return float(levels[: int(np.ceil(len(levels) * (1 - TIES)))].mean())

    def fits(self, faults: dict[str, Any]) -> bool:
        """Whether these faults explain the dump, and much better than no fault does."""
        return self.error(faults) <= (self.limit if self.agrees else min(self.limit, self.mean / 2))

    def told(self) -> str:
        if not np.isfinite(self.mean):
            return f"DIFFERS: it is {self.dump.type}"
        amount = f"{self.mean:.1f} levels of 255 on average, {self.most:.0f} at most"
        if not self.agrees:
            return f"DIFFERS by {amount}"
        why = "decoders of JPEG differ" if self.image.is_jpeg else "resizers differ in rounding"
        return f"agrees, but for {amount}: harmless, {why}" if self.most else "agrees"

    def words(self, faults: list[Any]) -> str:
        """What to say of faults, with the types and numbers of this image filled in."""
        image = self.image
        other = "pixel values 0..255 (uint8)" if image.dtype == np.int8 else "pixel - 128 (int8)"
        names = {
            "bytes": other,
            "type": f"{image.dtype} with scale {image.scale:g} and zero point {image.zero}",
            "zero": image.zero,
            "wide": self.dump.type,
        }
        if any(step == "pad" for step, _value, _words in faults):
            names["colour"] = self.padding_colour()
        return " AND ".join(words.format(**names) for _step, _value, words in faults)

    def padding_colour(self) -> str:
        padding = self.image.tensor({})[3]
        pixels = (self.dump.values[padding].astype(float) - self.image.zero) * self.image.scale
        colours = np.unique(np.rint(pixels).astype(int).reshape(-1, 3), axis=0).tolist()
        return str(tuple(colours[0])) if len(colours) == 1 else "of several colours"


def explanations(cases: list[Case], pairs_too: bool) -> list[tuple[list[Any], list[str]]]:
    """The faults, or else the pairs, that fit all dumps best; and where they should show."""
    wrong = sorted((c for c in cases if not c.agrees), key=lambda c: c.image.height * c.image.width)
    singles = [[fault] for fault in known.FAULTS]
    pairs = [[a, b] for a, b in itertools.combinations(known.FAULTS, 2) if a[0] != b[0]]
    for candidates in (singles, pairs if pairs_too else []):
        found = []
        if candidates is pairs and sys.stderr.isatty():
            sys.stderr.write(f"No fault fits. Trying {len(pairs)} pairs, up to a minute ...\n")
        for faults in candidates:
            steps = {step: value for step, value, _ in faults}
            if all(case.fits(steps) for case in wrong):
                spared = [c.image.name for c in cases if c.agrees and not c.fits(steps)]
                error = sum(case.error(steps) for case in wrong) / len(wrong)
                if spared and len(wrong) == 1 and error > EXACT and not is_of_photo(faults):
                    continue  # what an app does to every tensor is not read out of one
                found.append((len(spared), error, faults, spared))
        if found:
            n_spared, error = min(row[:2] for row in found)
            return [row[2:] for row in found if row[0] == n_spared and row[1] <= error + 0.02]
    return []


def is_of_photo(faults: list[Any]) -> bool:
    """Whether these faults depend on the photo, so that one image alone may show them."""
    return all(step in known.PHOTO_STEPS for step, _value, _words in faults)


def verdict(cases: list[Case]) -> list[str]:
    """What is wrong with the dumps, in sentences; none where they agree."""
    wrong = [case for case in cases if not case.agrees]
    found = explanations(cases, pairs_too=True) if wrong else []
    if found:
        spared = found[0][1]
        return [
            " OR ".join(wrong[0].words(faults) for faults, _ in found),
            f"seen in: {', '.join(case.image.name for case in wrong)}",
            *([f"not seen, though it would show, in: {', '.join(spared)}"] if spared else []),
        ]
    lines = ["no fault or pair of faults known here explains all images; each by itself:"]
    for case in wrong:
        alone = explanations([case], pairs_too=False)
        words = [case.words(faults) for faults, _ in alone if is_of_photo(faults)]
        unknown = f"unknown. This image checks {case.image.checks}"
        lines.append(f"{case.image.name}: {' OR '.join(words) or unknown}")
    return lines if wrong else []


def judged_logits(image: Any, document: dict[str, Any], folder: Path) -> list[str]:
    """What is wrong with the dumped logits of an image whose input agrees."""
    path = dumps.dumped(folder, f"{image.name}.logits")
    if path is None:
        return []
    output, ours = document["output"], np.load(image.files["logits_npy"]).astype(float)
    scale, zero = output["quantization"]["scale"], output["quantization"]["zero_point"]
    try:
        dump = dumps.Dump(path, [ours.size], np.dtype(output["dtype"]))
    except ValueError as error:
        return [f"{image.name}: the logits are not {ours.size} of {output['dtype']}: it {error}"]
    got = dump.values / scale + zero if dump.type.startswith("f") else dump.values.astype(float)
    steps, allowed = np.abs(got - ours).max(), document["logits_tolerance_steps"] + 0.01
    if steps <= allowed or are_confidences(dump, ours * scale, 2 * allowed * scale):
        return []
    gap, (top, other) = document["kernel_gap"]["steps"], (ours.argmax(), got.argmax())
    # Two logits may move towards each other: a top class may change below twice the tolerance.
    is_turned = ours[top] - ours[other] > 2 * allowed
    turned = f", class {other} is on top, not {top}" if is_turned else ""
    return [
        f"{image.name}: the logits are {steps:.0f} steps of {scale:g} off{turned}, and the input "
        f"agrees. Up to {allowed:.0f} pass as rounding (LiteRT's own kernels were {gap} apart). "
        "Compare the model file's sha256, and look at what is done to its output. Where both are "
        "right, this runtime rounds more coarsely: measure its accuracy on photos"
    ]


def are_confidences(dump: Any, logits: Any, most: float) -> bool:
    """Whether the numbers are what softmax makes of logits that are at most `most` / 2 off."""
    got = dump.values
    if not dump.is_wide:
        got = got.view(np.uint8) * CONFIDENCE_STEP
    softmax = np.exp(logits - logits.max())
    softmax /= softmax.sum()
    low, high = softmax * np.exp(-most) - CONFIDENCE_STEP, softmax * np.exp(most) + CONFIDENCE_STEP
    is_one = abs(got.sum() - 1) <= CONFIDENCE_STEP * len(got)
    return bool(is_one and (got >= low).all() and (got <= high).all())


def opened(folder: Path) -> tuple[dict[str, Any], list[Any]]:
    """parity.json and its images; every file is there and whole."""
    try:
        document = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
        for row in document["images"]:
            for file in row["files"].values():
                data = (folder / file["file"]).read_bytes()
                if hashlib.sha256(data).hexdigest() != file["sha256"]:
                    raise ValueError(f"{file['file']} has another sha256")
        return document, [known.Image(folder, document, row) for row in document["images"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"the bundle's parity/ is damaged: {error}") from None


def compared(parity: Path, folder: Path) -> tuple[list[str], list[Case], list[str]]:
    """A line an image, the tensors that could be read, and what is wrong with others."""
    if not folder.is_dir():
        raise BundleError(f"{folder} is no folder")
    document, images = opened(parity)
    cases, lines, problems, missing = [], [], [], []
    unread: dict[str, list[str]] = {}
    for image in images:
        paths = [
            (image, dumps.dumped(folder, image.name, f"{image.name}.input")),
            (image.for_tasks_file(), dumps.dumped(folder, f"{image.name}.tasks")),
        ]
        missing += [] if any(path for _, path in paths) else [image.name]
        for taken, path in paths:
            if path is None:
                continue
            wanted = f"{' x '.join(map(str, document['input']['shape']))} of {taken.dtype}"
            try:
                cases.append(Case(taken, dumps.Dump(path, document["input"]["shape"], taken.dtype)))
                lines.append(f"{taken.name:15}{cases[-1].told()}")
                problems += judged_logits(taken, document, folder) if cases[-1].agrees else []
            except ValueError as error:
                lines.append(f"{taken.name:15}DIFFERS: {path.name} {error}; it must be {wanted}")
                sentence = f"wrong size or type: it {error}, not {wanted}"
                unread.setdefault(sentence, []).append(taken.name)
    if len(missing) == len(images):
        raise BundleError(f"{folder} holds no tensor named as an image of parity/ is: exif_1.raw")
    lines += [f"not dumped, so not known: {', '.join(missing)}"] if missing else []
    return lines, cases, [f"{', '.join(unread[why])}: {why}" for why in unread] + problems


def main(arguments: list[str]) -> int:
    """Prints a line an image and the verdict; gives the exit status."""
    try:
        if len(arguments) != 1:
            raise BundleError("usage: python parity_check.py DUMPED_FOLDER")
        lines, cases, problems = compared(Path(__file__).parent / "parity", Path(arguments[0]))
    except BundleError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("\n".join([*lines, "", ""]))
    sys.stdout.flush()  # the verdict may take a while
    problems = verdict(cases) + problems
    told = problems or ["all tensors that were dumped agree"]
    sys.stdout.write("\n".join([f"VERDICT: {told[0]}", *told[1:], ""]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
