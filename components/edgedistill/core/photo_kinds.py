"""What kind of file some bytes are: by their content, never by a name."""

PHOTO_KINDS = "JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, HEIC"
"""The kinds that are read, as a sentence lists them."""

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # BigTIFF: 64-bit offsets
    (b"MM\x00+", "TIFF"),
)
# Brands of the file type box (ISO/IEC 23008-12, annex B; AV1 Image File Format, section 6).
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
# Brands that name the container only; what is inside, the decoder must find out.
_CONTAINER_BRANDS = {b"mif1", b"msf1"}


def photo_kind(data: bytes) -> str | None:
    """The kind of photo that a file is, as Pillow names its formats, or "HEIC"; None if no photo.

    Args:
        data: the whole file, or its first 64 bytes at least.
    """
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return _kind_by_brands(data) if data[4:8] == b"ftyp" else None


def _kind_by_brands(data: bytes) -> str | None:
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    major, *compatible = (data[i : i + 4] for i in (8, *range(16, end, 4)))
    if major in _AVIF_BRANDS:
        return "AVIF"
    if major in _HEIC_BRANDS:
        return "HEIC"
    if major not in _CONTAINER_BRANDS:
        return None
    return "AVIF" if _AVIF_BRANDS.intersection(compatible) else "HEIC"
