"""What apps do wrong with a photo on its way into the model's input, committed on our own images.

parity_check.py, beside this file, compares what comes out with what an app has dumped.
"""

from __future__ import annotations

import copy
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

Pixels = Any  # np.ndarray; its type parameters came after Python 3.9's NumPy

# What apps make of a pixel p: name, function, how much of the result one level is.
NUMBERS: dict[str, Any] = {
    "the pixel values 0..255": (lambda p: p, 1.0),
    "values in 0..1 (p / 255)": (lambda p: p / 255, 1 / 255),
    "values in -1..1 (p / 127.5 - 1)": (lambda p: p / 127.5 - 1, 1 / 127.5),
    "values (p - 127) / 128": (lambda p: (p - 127) / 128, 1 / 128),
    "values less ImageNet's mean over its deviation": (
        lambda p: (p / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225), 1 / 57.0,
    ),
}  # fmt: skip
# The steps from photo to tensor and how each goes wrong: (step, what it does instead, words).
FAULTS = [
    ("alpha", 0, "transparent pixels were blended with black (premultiplied); discard alpha"),
    ("alpha", 255, "transparent pixels were blended with white; discard alpha"),
    (
        "alpha", "cleared",
        "wholly transparent pixels lost their colours (Android's Bitmap does so: set "
        "inPremultiplied = false); harmless for photos, which have none",
    ),
    ("profile", "converted", "the colours were converted from Display P3 to sRGB; leave them"),
    ("turn", "missing", "the EXIF orientation was not applied"),
    ("turn", "wrong way", "the EXIF orientation was turned the wrong way"),
    ("fit", "stretch", "the photo was stretched to a square; keep its shape and pad (letterbox)"),
    ("fit", "crop", "the middle of the photo was cut out; keep all of it and pad (letterbox)"),
    ("filter", ("nearest", 0.5), "resized by the nearest pixel; use an antialiased triangle"),
    ("filter", ("nearest", 0.0), "resized by the nearest pixel, without half pixels"),
    ("filter", ("bilinear", 0.5), "resized bilinearly without antialias; the filter must widen"),
    ("filter", ("bilinear", 0.0), "resized bilinearly without antialias and without half pixels"),
    ("filter", ("bilinear", None), "resized bilinearly without antialias, corners aligned"),
    ("filter", ("area", 0.5), "resized by averaging areas; use an antialiased triangle"),
    ("filter", ("box", 0.5), "resized by averaging whole pixels; use an antialiased triangle"),
    ("filter", ("cubic", 0.5), "resized with a bicubic filter; use an antialiased triangle"),
    ("filter", ("lanczos", 0.5), "resized with a Lanczos filter; use an antialiased triangle"),
    ("rounding", "down", "the shorter side was rounded down; round half up"),
    ("rounding", "up", "the shorter side was rounded up; round half up"),
    ("place", "ceil", "odd padding has its larger part above or on the left; put it below, right"),
    ("place", "start", "all padding is below and on the right; the photo must be in the middle"),
    ("place", "end", "all padding is above and on the left; the photo must be in the middle"),
    *(
        ("place", step, f"the padding is off by one: the photo is one pixel too far {where}")
        for step, where in {
            (1, 0): "down", (-1, 0): "up", (0, 1): "right", (0, -1): "left",
            (1, 1): "down and right", (-1, -1): "up and left",
        }.items()
    ),
    ("pad", "other", "the padding is {colour}; it must be black, (0, 0, 0)"),
    *(
        ("order", tuple(map("RGB".index, name)), f"the channels are in the order {name}, not RGB")
        for name in ("BGR", "BRG", "GBR", "GRB", "RBG")
    ),
    ("layout", "CHW", "the tensor is laid out channel by channel (CHW), not pixel by pixel (HWC)"),
    ("layout", "WHC", "rows and columns of the tensor are swapped"),
    ("layout", "upside down", "the tensor's rows run from the bottom to the top"),
    ("layout", "mirrored", "the picture is mirrored, left to right"),
    ("numbers", "bytes", "the bytes are {bytes}; the model takes {type}"),
    *(("numbers", z, f"the zero point is {z}, not {{zero}}") for z in (-129, -127, -1, 0, 1, 128)),
    *(("numbers", name, f"it holds {name} as {{wide}}; it must be {{type}}") for name in NUMBERS),
    ("numbers", "wide", "the integers are right, but as {wide}; they must be {type}"),
]  # fmt: skip
PHOTO_STEPS = ("alpha", "profile", "turn", "fit", "filter", "rounding")
LAYOUTS: dict[str, Any] = {
    "HWC": lambda pixels: pixels,
    "CHW": lambda pixels: pixels.transpose(2, 0, 1),
    "WHC": lambda pixels: pixels.transpose(1, 0, 2),
    "upside down": lambda pixels: pixels[::-1],
    "mirrored": lambda pixels: pixels[:, ::-1],
}
P3_TO_SRGB = np.array([  # of linear light; both have the white D65 (SMPTE EG 432-1, IEC 61966-2-1)
    (1.22494, -0.22494, 0), (-0.04206, 1.04206, 0), (-0.01964, -0.07864, 1.09827),
])  # fmt: skip
HELD: dict[int, Any] = {  # an upright photo as the camera stored it, by its EXIF orientation
    2: lambda photo: photo[:, ::-1],
    3: lambda photo: photo[::-1, ::-1],
    4: lambda photo: photo[::-1],
    5: lambda photo: photo.transpose(1, 0, 2),
    6: lambda photo: np.rot90(photo),
    7: lambda photo: photo[::-1, ::-1].transpose(1, 0, 2),
    8: lambda photo: np.rot90(photo, -1),
}
KERNELS: dict[str, Any] = {  # half-width in pixels, weight at a distance
    "bilinear": (1, lambda d: 1 - d),
    "triangle": (1, lambda d: 1 - d),
    "box": (0.5, lambda d: d * 0 + 1),
    "cubic": (2, lambda d: np.where(d < 1, (1.5 * d - 2.5) * d**2 + 1,
                                    ((2.5 - 0.5 * d) * d - 4) * d + 2)),
    "lanczos": (3, lambda d: np.sinc(d) * np.sinc(d / 3)),
}  # fmt: skip


class Image:
    """One image of parity/, and what becomes of it with and without faults.

    Pictures have the shape (height, width, 3), RGB, in levels 0..255.
    """

    def __init__(self, folder: Path, document: dict[str, Any], row: dict[str, Any]):
        self.name, self.checks, self.orientation = row["name"], row["checks"], row["orientation"]
        self.height, self.width, self.side = row["height"], row["width"], document["size_px"]
        self.files = {kind: folder / file["file"] for kind, file in row["files"].items()}
        self.is_jpeg = self.files["source"].suffix == ".jpg"
        self.dtype = np.dtype(document["input"]["dtype"])
        quantisation = document["input"]["quantization"]
        self.scale, self.zero = quantisation["scale"], quantisation["zero_point"]
        self.has_profile = b"ICC_PROFILE\0" in self.files["source"].read_bytes()
        self.opacity: Pixels = None
        if not self.is_jpeg and read_png(self.files["source"]).shape[2] == 4:
            self.opacity = read_png(self.files["source"])[:, :, 3:] / 255
        # Without a fault: ours, to the bit.
        longest = max(self.height, self.width)
        sides = [scaled(n, longest, self.side) for n in (self.height, self.width)]
        top, left = (first(self.side - n, "middle") for n in sides)
        ours = read_png(self.files["letterbox"])[top : top + sides[0], left : left + sides[1]]
        self._photos: dict[Any, Pixels] = {(): ours}

    def for_tasks_file(self) -> Image:
        """The same image for model_tasks.tflite, which takes the pixels as they are."""
        other = copy.copy(self)
        other.name = f"{self.name}.tasks"
        other.dtype, other.scale, other.zero = np.dtype(np.uint8), 1.0, 0
        return other

    def tensor(self, faults: dict[str, Any]) -> tuple[Pixels, float, Pixels, Pixels]:
        """What the input tensor holds when the app commits these faults; each part flat.

        Gives the numbers, how much of them one level is, the pixel values that they stand for, and
        which of these are padding.
        """
        square, padding = self._square(faults)
        square = square[:, :, faults.get("order", (0, 1, 2))].astype(float)
        numbers, unit = self.encoded(square, faults.get("numbers"))
        layout = LAYOUTS[faults.get("layout", "HWC")]
        return layout(numbers).ravel(), unit, layout(square).ravel(), layout(padding).ravel()

    def encoded(self, pixels: Pixels, numbers: Any) -> tuple[Pixels, float]:
        """The numbers that stand for pixels, and how much of them one level is."""
        if numbers in NUMBERS:
            function, unit = NUMBERS[numbers]
            return function(pixels), unit
        if numbers == "bytes":
            return (pixels if self.dtype == np.int8 else pixels - 128), 1.0
        zero, limits = numbers if isinstance(numbers, int) else self.zero, np.iinfo(self.dtype)
        exact = np.rint(pixels / self.scale + zero)
        return np.clip(exact, limits.min, limits.max), 1 / self.scale

    def _square(self, faults: dict[str, Any]) -> tuple[Pixels, Pixels]:
        """The square, shape (side, side, 3), and which of its values are padding."""
        steps = tuple((step, faults[step]) for step in PHOTO_STEPS if self._minds(step, faults))
        place = faults.get("place", "middle")
        if steps not in self._photos:
            self._photos[steps] = self._photo(**dict(steps))
        photo = self._photos[steps]
        square, padding = np.zeros((self.side, self.side, 3)), np.ones((self.side, self.side, 3))
        top, left = (first(self.side - n, place, axis) for axis, n in enumerate(photo.shape[:2]))
        part = slice(top, top + photo.shape[0]), slice(left, left + photo.shape[1])
        square[part], padding[part] = photo, 0
        return square, padding == 1

    def _minds(self, step: str, faults: dict[str, Any]) -> bool:
        """Whether a fault in this step changes the photo at all."""
        idle = {
            "alpha": self.opacity is None,
            "profile": not self.has_profile,
            "turn": self.orientation == 1,
        }
        return step in faults and not idle.get(step, False)

    def _photo(
        self,
        alpha: int | str | None = None,
        profile: str = "",
        turn: str = "",
        fit: str = "letterbox",
        filter: tuple[str, float | None] = ("triangle", 0.5),
        rounding: str = "half up",
    ) -> Pixels:
        """The photo of the size that it has in the square, before it is placed there."""
        photo = read_png(self.files["upright"])
        if alpha == "cleared":
            photo = photo * (self.opacity > 0)
        elif alpha is not None:
            photo = photo * self.opacity + alpha * (1 - self.opacity)
        if profile:
            photo = p3_to_srgb(photo)
        if turn == "missing":
            photo = HELD[self.orientation](photo)
        elif turn == "wrong way" and self.orientation >= 5:
            photo = photo[::-1, ::-1]
        if fit == "crop":
            side = min(photo.shape[:2])
            top, left = ((n - side) // 2 for n in photo.shape[:2])
            photo = photo[top : top + side, left : left + side]
        longest = max(photo.shape[:2])
        sides = [scaled(n, longest, self.side, rounding) for n in photo.shape[:2]]
        return resized(photo, [self.side] * 2 if fit == "stretch" else sides, *filter)


@cache
def read_png(path: Path) -> Pixels:
    """A PNG of 8 bits whose rows all have the same filter of none, left, above: as in parity/."""
    data, at, chunks = path.read_bytes(), 8, {}
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        chunks[data[at + 4 : at + 8]] = data[at + 8 : end]
        at = end + 4
    width, height = (int.from_bytes(chunks[b"IHDR"][i : i + 4], "big") for i in (0, 4))
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    pixels = rows[:, 1:].reshape(height, width, -1)
    if rows[0, 0]:
        pixels = np.cumsum(pixels, axis=2 - rows[0, 0], dtype=np.uint8)
    if b"PLTE" in chunks:
        colours = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
        pixels = np.column_stack([colours, np.frombuffer(chunks[b"tRNS"], np.uint8)])[
            pixels[:, :, 0]
        ]
    return pixels


def p3_to_srgb(photo: Pixels) -> Pixels:
    """Levels of Display P3 as those of sRGB; what sRGB has no colour for is cut off."""
    levels = np.arange(256) / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    linear = (light[photo] @ P3_TO_SRGB.T).clip(0, 1)
    values = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(values * 255)


def scaled(side: int, longest: int, target: int, rounding: str = "half up") -> int:
    """A side of the photo after its longest one was brought to `target`."""
    twice = {"half up": longest, "down": 0, "up": 2 * longest - 1}[rounding]
    return max(1, (2 * side * target + twice) // (2 * longest))


def first(padding: int, place: Any, axis: int = 0) -> int:
    """Where the photo begins, above and on the left, when so much padding is left to share."""
    if isinstance(place, tuple):
        return int(np.clip(padding // 2 + place[axis], 0, padding))
    return {"middle": padding // 2, "ceil": (padding + 1) // 2, "start": 0, "end": padding}[place]


def resized(photo: Pixels, sides: list[int], kind: str, offset: float | None) -> Pixels:
    """The photo with other sides, by a filter of `weights`."""
    down = weights(photo.shape[0], sides[0], kind, offset)
    across = weights(photo.shape[1], sides[1], kind, offset)
    lines = down @ photo.reshape(len(photo), -1).astype(np.float32)
    pixels = across @ lines.reshape(len(lines), photo.shape[1], -1)
    return np.rint(pixels.clip(0, 255))


def weights(old: int, new: int, kind: str, offset: float | None) -> Pixels:
    """What each of the new pixels takes of the old: shape (new, old). Offset None: corners meet."""
    if offset is None:
        centre = np.arange(new) * (old - 1) / max(new - 1, 1) + 0.5
    else:
        centre = (np.arange(new) + offset) * old / new + 0.5 - offset
    if kind == "nearest":
        index = np.arange(new) * old // new if offset == 0 else np.floor(centre)
        return (np.arange(old) == index[:, None]).astype(np.float32)
    if kind == "area":
        edges = np.arange(new + 1) * old / new
        pixel = np.arange(old)
        overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
        return (overlap.clip(0) * new / old).astype(np.float32)
    half, kernel = KERNELS[kind]
    wide = 1 if kind == "bilinear" else max(1, old / new)
    # A pixel at the box's very edge counts on the right, as in Pillow.
    distance = np.abs(np.arange(old) + 0.5 - centre[:, None] - 1e-9) / wide
    weight = np.where(distance < half, kernel(distance), 0)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
