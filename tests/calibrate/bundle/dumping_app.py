"""An app as its makers might write it, with Pillow, that errs where it is told to."""

import io
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps


@dataclass(frozen=True)
class App:
    """What is done to a photo file on its way into the input tensor; as it stands, all right."""

    alpha_over: int | None = None
    clears: bool = False
    manages: bool = False
    turns: frozenset[int] = field(default_factory=lambda: frozenset(range(1, 9)))
    turns_wrong_way: bool = False
    fit: str = "letterbox"
    resize: str = "triangle"
    round_side: str = "half up"
    place: str = "middle"
    shift: tuple[int, int] = (0, 0)
    padding: tuple[int, int, int] = (0, 0, 0)
    channels: str = "RGB"
    layout: str = "HWC"
    numbers: str = "int8"
    noise: int = 0

    def but(self, **changes: Any) -> "App":
        return replace(self, **changes)

    def tensor(self, data: bytes, side: int) -> np.ndarray:
        """The input tensor of a photo file."""
        square = self.square(self.changed(decoded(data, self.alpha_over)), side)
        square = square[:, :, ["RGB".index(c) for c in self.channels]]
        return np.ascontiguousarray(LAYOUTS[self.layout](NUMBERS[self.numbers](square)))

    def changed(self, image: Image.Image) -> Image.Image:
        """Without colours under wholly transparent pixels, or with managed colours."""
        if self.clears and image.mode == "RGBA":
            pixels = np.array(image)
            pixels[pixels[:, :, 3] == 0] = 0
            image = Image.fromarray(pixels)
        if self.manages and "icc_profile" in image.info:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
            managed = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))
            assert managed is not None
            image = managed
        return image

    def square(self, image: Image.Image, side: int) -> np.ndarray:
        orientation = image.getexif().get(0x0112, 1)
        if orientation in self.turns:
            upright = ImageOps.exif_transpose(image)
            if self.turns_wrong_way and orientation >= 5:
                upright = upright.rotate(180)
        else:
            upright = image
        upright = upright.convert("RGB")
        width, height = upright.size
        if self.fit == "crop":
            cut = min(width, height)
            left, top = (width - cut) // 2, (height - cut) // 2
            upright = upright.crop((left, top, left + cut, top + cut))
            width = height = cut
        new_height, new_width = (self.scaled(n, max(height, width), side) for n in (height, width))
        if self.fit == "stretch":
            new_height = new_width = side
        photo = RESIZES[self.resize](np.asarray(upright), new_height, new_width)
        if self.noise:
            photo = noisy(photo, self.noise)
        square = np.empty((side, side, 3), np.uint8)
        square[:] = self.padding
        top, left = self.start(side - new_height, 0), self.start(side - new_width, 1)
        square[top : top + new_height, left : left + new_width] = photo
        return square

    def scaled(self, length: int, longest: int, side: int) -> int:
        exact = length * side / longest
        rounded = {"half up": np.floor(exact + 0.5), "down": np.floor(exact), "up": np.ceil(exact)}
        return max(1, int(rounded[self.round_side]))

    def start(self, padding: int, axis: int) -> int:
        place = {"middle": padding // 2, "ceil": -(-padding // 2), "start": 0, "end": padding}
        return min(max(place[self.place] + self.shift[axis], 0), padding)


@cache
def decoded(data: bytes, alpha_over: int | None) -> Image.Image:
    """The picture as stored; opaque, or blended over black or white."""
    image: Image.Image = Image.open(io.BytesIO(data))
    image.load()
    if image.mode == "P":
        image = image.convert("RGBA")
    if alpha_over is not None and image.mode == "RGBA":
        below = Image.new("RGBA", image.size, (alpha_over,) * 3 + (255,))
        return Image.alpha_composite(below, image).convert("RGB")
    return image


def noisy(photo: np.ndarray, most: int) -> np.ndarray:
    """Differences of up to `most` levels either way, the same each time."""
    noise = np.random.default_rng(0).integers(-most, most + 1, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


def with_pillow(resample: Image.Resampling) -> Any:
    def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
        across = Image.fromarray(pixels).resize((width, len(pixels)), resample)
        return np.asarray(across.resize((width, height), resample))

    return resize


def with_anchors(offset: float, blend: bool) -> Any:
    """Nearest pixel, or a blend of the nearest two, at (i + offset) * old / new - offset."""

    def axis(pixels: np.ndarray, new: int) -> Any:
        old = len(pixels)
        place = (np.arange(new) + offset) * old / new - offset
        if not blend:
            index = np.arange(new) * old // new if offset == 0 else np.floor(place + 0.5)
            return pixels[index.astype(int)]
        place = place.clip(0, old - 1)
        low = np.floor(place).astype(int)
        part = (place - low)[:, None, None]
        return pixels[low] * (1 - part) + pixels[np.minimum(low + 1, old - 1)] * part

    def resize(pixels: np.ndarray, height: int, width: int) -> Any:
        lines = axis(pixels.astype(float), height)
        columns = axis(lines.transpose(1, 0, 2), width).transpose(1, 0, 2)
        return np.rint(columns).astype(np.uint8)

    return resize


def by_area(pixels: np.ndarray, height: int, width: int) -> Any:
    """The mean over the area of each new pixel, as OpenCV's INTER_AREA: a running sum's steps."""

    def axis(pixels: np.ndarray, new: int) -> Any:
        old = len(pixels)
        sums = np.concatenate([np.zeros((1, *pixels.shape[1:])), pixels.cumsum(axis=0)])
        edges = np.arange(new + 1) * old / new
        low = np.floor(edges).astype(int).clip(0, old - 1)
        at_edges = sums[low] + (edges - low)[:, None, None] * (sums[low + 1] - sums[low])
        return np.diff(at_edges, axis=0) * new / old

    lines = axis(pixels.astype(float), height)
    return np.rint(axis(lines.swapaxes(0, 1), width).swapaxes(0, 1)).astype(np.uint8)


RESIZES = {
    "area": by_area,
    "triangle": with_pillow(Image.Resampling.BILINEAR),
    "box": with_pillow(Image.Resampling.BOX),
    "bicubic": with_pillow(Image.Resampling.BICUBIC),
    "lanczos": with_pillow(Image.Resampling.LANCZOS),
    "nearest": with_pillow(Image.Resampling.NEAREST),
    "nearest at corners": with_anchors(0.0, blend=False),
    "bilinear": with_anchors(0.5, blend=True),
    "bilinear at corners": with_anchors(0.0, blend=True),
}
LAYOUTS: dict[str, Any] = {
    "HWC": lambda tensor: tensor,
    "CHW": lambda tensor: np.moveaxis(tensor, -1, 0),
    "WHC": lambda tensor: tensor.swapaxes(0, 1),
    "upside down": np.flipud,
    "mirrored": np.fliplr,
}
NUMBERS: dict[str, Any] = {
    "int8": lambda p: (p.astype(int) - 128).astype(np.int8),
    "uint8": lambda p: p,
    "zero point 0": lambda p: np.minimum(p, 127).astype(np.int8),
    "zero point -127": lambda p: np.minimum(p.astype(int) - 127, 127).astype(np.int8),
    "zero point -129": lambda p: np.maximum(p.astype(int) - 129, -128).astype(np.int8),
    "float 0..255": lambda p: p.astype(np.float32),
    "float 0..1": lambda p: p.astype(np.float32) / 255,
    "float -1..1": lambda p: p.astype(np.float32) / 127.5 - 1,
    "float (p - 127) / 128": lambda p: (p.astype(np.float32) - 127) / 128,
    "float of int8": lambda p: p.astype(np.float32) - 128,
}
