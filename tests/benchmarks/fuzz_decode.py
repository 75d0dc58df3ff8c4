"""Mutated photo files given to the decoder: what becomes of each, and whether any kills it.

    python -m tests.benchmarks.fuzz_decode [--inputs 100000] [--seed 1] [--first 0]
                                           [--odd-images FOLDER]

Seeds are small files of every kind that is read, made here, and those of a folder of odd images
where one is given. Input number i of a seed is always the same bytes, so a crash or a hang can be
had again with --first i --inputs 1. Each worker may address 2 GiB at most and gets 10 seconds of a
core an input; where one dies, the next goes on behind the input that killed it. Exit status 1 if an
input killed a worker, hung it, or made the decoder raise anything but its own error.

Seen (2026-11-22, Pillow 13.0, pillow-heif 1.8.1, 243 seed files, --seed 3, 300,000 inputs): 39 %
decoded; refused 25 % in the decoder's words, 20 % damaged, 12 % truncated, 5 % for other reasons;
3 for want of memory; no crash, no hang, nothing escaped; largest worker 1.8 GiB (800 bytes of WebP
that hold 100 megapixels take 1.6). Before, the same inputs found two faults: WebP of 8 million x 12
pixels took more than 10 seconds, and an array without memory escaped as MemoryError.
"""

import argparse
import contextlib
import ctypes
import io
import logging
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgedistill.core.decode import UnreadablePhotoError, decode_photo
from edgedistill.core.photo_kinds import photo_kind

ADDRESS_SPACE_BYTES = 2 << 30
CORE_SECONDS_AN_INPUT = 10.0
SECONDS_AN_INPUT = 120.0  # also of one that only waits, on a machine that is busy
LARGEST_SEED_BYTES = 9_000
OUTCOMES = (
    "not reached",
    "decoded",
    "refused: no photo",
    "refused: truncated",
    "refused: damaged header or checksum",
    "refused: too many pixels",
    "refused: memory",
    "refused: no range, or a raw file",
    "refused: the decoder's own words",
    "ESCAPED: another exception",
    "CRASHED: the worker died",
    "HUNG: past the time limit",
)
FAILURES = OUTCOMES[-3:]
_WORDS = (
    ("not a photo", "refused: no photo"),
    ("the file is empty", "refused: no photo"),
    ("runcated", "refused: truncated"),
    ("damaged:", "refused: damaged header or checksum"),
    ("more than the limit", "refused: too many pixels"),
    ("memory", "refused: memory"),
    ("no stated range", "refused: no range, or a raw file"),
    ("raw file", "refused: no range, or a raw file"),
)

Seeds = list[list[bytes]]
"""Small files, those of one kind in one list."""


def seed_files(odd_images: Path | None) -> Seeds:
    files = list(_made_here())
    if odd_images is not None:
        paths = sorted(p for p in odd_images.rglob("*") if p.is_file())
        contents = (p.read_bytes() for p in paths if p.stat().st_size <= LARGEST_SEED_BYTES)
        files += contents
    kinds: dict[str, list[bytes]] = {}
    for data in files:
        kinds.setdefault(photo_kind(data) or "", []).append(data)
    return [kinds[kind] for kind in sorted(kinds) if kind]


def _made_here() -> Iterator[bytes]:
    noise = np.random.default_rng(1).integers(0, 256, (12, 16, 4), np.uint8)
    rgb = Image.fromarray(noise[:, :, :3])
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    deep = Image.fromarray(noise[:, :, 0].astype(np.uint16) * 257)
    frames: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(180)]}
    recipes: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (rgb, "JPEG", {"exif": exif, "icc_profile": b"profile" * 9, "comment": b"hello"}),
        (rgb, "JPEG", {"progressive": True, "subsampling": 0}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("L"), "JPEG", {}),
        (rgb, "MPO", frames),
        (rgb, "PNG", {"exif": exif}),
        (rgb.quantize(7), "PNG", {"transparency": 2}),
        (deep, "PNG", {}),
        (rgb, "PNG", frames),
        (rgb, "WEBP", {"exif": exif}),
        (rgb, "WEBP", {"lossless": True}),
        (rgb, "WEBP", frames),
        (rgb, "BMP", {}),
        (rgb.quantize(9), "BMP", {}),
        (rgb.quantize(9), "GIF", {"transparency": 3}),
        (rgb, "GIF", frames),
        (rgb, "AVIF", {"exif": exif}),
        (rgb, "AVIF", frames),
        (deep, "TIFF", {}),
        (rgb.convert("LAB"), "TIFF", {}),
        (Image.fromarray(noise[:, :, 0].astype(np.float32)), "TIFF", {}),
    ]
    recipes += [
        (rgb, "TIFF", {"compression": compression, "exif": exif})
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    ]
    recipes += [(rgb.convert("1"), "TIFF", {"compression": "group4"})]
    for image, kind, options in recipes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        yield file.getvalue()
    with contextlib.suppress(ImportError):
        import pillow_heif

        file = io.BytesIO()
        pillow_heif.from_pillow(Image.fromarray(np.tile(noise[:, :, :3], (6, 4, 1)))).save(file)
        yield file.getvalue()


def mutated(seeds: Seeds, seed: int, number: int) -> bytes:
    """Input `number`: a seed file, of any kind with the same chance, after some mutations."""
    chance = random.Random(f"{seed}/{number}")
    original = chance.choice(chance.choice(seeds))
    if original[:4] == b"\x89PNG" and chance.random() < 0.8:
        return _png_of_mutated_chunk(original, chance, seeds)
    return _mutated(original, chance, seeds)


def _mutated(original: bytes, chance: random.Random, seeds: Seeds) -> bytes:
    data = bytearray(original)
    kept = chance.choice([0, 0, 16, 40, min(200, len(data) // 2)])  # the header, often
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        if len(data) > kept + 7:
            chance.choice(_MUTATIONS)(data, kept, chance, seeds)
    return bytes(data)


def _flip(data: bytearray, kept: int, chance: random.Random, __: Seeds) -> None:
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(kept, len(data))] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, kept: int, chance: random.Random, __: Seeds) -> None:
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(kept, len(data))] = chance.choice([0, 1, 127, 128, 255, 42])


def _field(data: bytearray, kept: int, chance: random.Random, _: Seeds) -> None:
    """A length, offset or count of 2, 4 or 8 bytes becomes an extreme one."""
    n_bytes = chance.choice([2, 2, 4, 4, 8])
    values = [0, 1, 2**15, 2 ** (8 * n_bytes) - 1, 2 ** (8 * n_bytes - 1), len(data), 65_500]
    value = chance.choice(values) % 2 ** (8 * n_bytes)
    place = chance.randrange(kept, len(data) - n_bytes + 1)
    data[place : place + n_bytes] = value.to_bytes(n_bytes, chance.choice(["big", "little"]))


def _cut_off(data: bytearray, kept: int, chance: random.Random, _: Seeds) -> None:
    del data[chance.randrange(kept, len(data)) :]


def _delete(data: bytearray, kept: int, chance: random.Random, _: Seeds) -> None:
    place = chance.randrange(kept, len(data))
    del data[place : place + chance.choice([1, 2, 4, 12, 64])]


def _insert(data: bytearray, kept: int, chance: random.Random, _: Seeds) -> None:
    place = chance.randrange(kept, len(data))
    data[place:place] = chance.randbytes(chance.choice([1, 2, 4, 12, 64]))


def _repeat(data: bytearray, kept: int, chance: random.Random, _: Seeds) -> None:
    place = chance.randrange(kept, len(data))
    data[place:place] = data[place : place + chance.choice([4, 12, 100])] * chance.choice([1, 30])


def _splice(data: bytearray, kept: int, chance: random.Random, seeds: Seeds) -> None:
    other = chance.choice(chance.choice(seeds))
    data[chance.randrange(kept, len(data)) :] = other[chance.randrange(len(other)) :]


_MUTATIONS: list[Callable[[bytearray, int, random.Random, Seeds], None]] = [
    _flip, _flip, _overwrite, _field, _field, _cut_off, _delete, _insert, _repeat, _splice,
]  # fmt: skip


def _png_of_mutated_chunk(data: bytes, chance: random.Random, seeds: Seeds) -> bytes:
    """Lengths and checksums right, else nearly every PNG would be refused for them."""
    bodies, place = [], 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        bodies.append(data[place + 4 : end])
        place = end + 4
    mutated_one = chance.randrange(len(bodies))
    bodies[mutated_one] = bodies[mutated_one][:4] + _mutated(bodies[mutated_one][4:], chance, seeds)
    framed = (len(b[4:]).to_bytes(4, "big") + b + zlib.crc32(b).to_bytes(4, "big") for b in bodies)
    return data[:8] + b"".join(framed)


def outcome(data: bytes) -> str:
    try:
        decode_photo(data)
    except UnreadablePhotoError as error:
        reason = str(error)
        found = (name for word, name in _WORDS if word in reason)
        return next(found, "refused: the decoder's own words")
    except Exception as error:  # noqa: BLE001 - just what is looked for
        sys.stderr.write(f"escaped: {error!r}\n")
        return "ESCAPED: another exception"
    return "decoded"


@dataclass(frozen=True)
class Board:
    """What a worker shares with its parent, also after its death."""

    outcomes: Any  # a byte an input
    current: Any  # number of the input under way
    since_s: Any  # monotonic clock
    peak_bytes: Any


def _work(board: Board, seeds: Seeds, seed: int, first: int, start: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)
    for place in range(start, len(board.outcomes)):
        signal.setitimer(signal.ITIMER_PROF, CORE_SECONDS_AN_INPUT)  # its signal ends the process
        board.since_s.value = time.monotonic()
        board.current.value = place
        board.outcomes[place] = OUTCOMES.index(outcome(mutated(seeds, seed, first + place)))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        board.peak_bytes.value = max(board.peak_bytes.value, peak)


def run(seeds: Seeds, *, seed: int, first: int, n_inputs: int) -> tuple[Board, list[int]]:
    """Feeds inputs first .. first + n_inputs - 1 to one worker after another.

    Returns:
        What came of them, and the numbers of those that crashed, hung or escaped.
    """
    context = multiprocessing.get_context("forkserver")
    board = Board(
        context.RawArray(ctypes.c_ubyte, n_inputs),
        context.RawValue(ctypes.c_longlong, 0),
        context.RawValue(ctypes.c_double, 0.0),
        context.RawValue(ctypes.c_longlong, 0),
    )
    start = 0
    while start < n_inputs:
        board.current.value, board.since_s.value = start, time.monotonic() + 30  # time to start
        worker = context.Process(target=_work, args=(board, seeds, seed, first, start))
        worker.start()
        is_hung = _wait(worker, board) or worker.exitcode == -signal.SIGPROF
        if worker.exitcode == 0:
            break
        place = board.current.value
        name = "HUNG: past the time limit" if is_hung else "CRASHED: the worker died"
        board.outcomes[place] = OUTCOMES.index(name)
        sys.stderr.write(f"input {first + place}: {name} (exit code {worker.exitcode})\n")
        start = place + 1
    bad = [i for i, code in enumerate(board.outcomes) if OUTCOMES[code] in FAILURES]
    return board, [first + place for place in bad]


def _wait(worker: Any, board: Board) -> bool:
    """Until the worker ended, or was ended because one input took too long."""
    while worker.is_alive():
        worker.join(0.5)
        if worker.is_alive() and time.monotonic() - board.since_s.value > SECONDS_AN_INPUT:
            worker.kill()
            worker.join()
            return True
    return False


def _print_table(board: Board, seeds: Seeds, args: argparse.Namespace) -> None:
    counts = Counter(OUTCOMES[code] for code in board.outcomes)
    for name in OUTCOMES:
        if counts[name]:
            print(f"{counts[name]:>9,}  {counts[name] / args.inputs:6.1%}  {name}")  # noqa: T201
    kinds: dict[str, Counter[bool]] = {}
    for place, code in enumerate(board.outcomes):
        kind = photo_kind(mutated(seeds, args.seed, args.first + place)) or "none"
        kinds.setdefault(kind, Counter())[OUTCOMES[code] == "decoded"] += 1
    for kind, split in sorted(kinds.items()):
        print(f"{split.total():>9,}  of kind {kind}: {split[True]:,} decoded")  # noqa: T201
    print(f"largest worker: {board.peak_bytes.value / 2**20:.0f} MiB resident")  # noqa: T201


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--odd-images", type=Path)
    args = parser.parse_args()
    os.nice(10)
    seeds = seed_files(args.odd_images)
    started = time.monotonic()
    board, bad = run(seeds, seed=args.seed, first=args.first, n_inputs=args.inputs)
    seconds = time.monotonic() - started
    print(f"{args.inputs:,} inputs of {sum(map(len, seeds))} seed files, {seconds:.0f} s")  # noqa: T201
    _print_table(board, seeds, args)
    print(f"failed: {bad or 'none'}")  # noqa: T201
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
