import pytest

from edgedistill.core.photo_kinds import photo_kind


def brands(major: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return (4 + len(body)).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WEBP"),
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
        (b"BM\x36\0\0\0", "BMP"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"II+\0\x08\0\0\0", "TIFF"),
        (b"MM\0+\0\x08\0\0", "TIFF"),
        (brands(b"avif", b"mif1", b"miaf"), "AVIF"),
        (brands(b"avis", b"msf1", b"heic"), "AVIF"),
        (brands(b"heic", b"mif1", b"heic"), "HEIC"),
        (brands(b"heix", b"mif1"), "HEIC"),
        (brands(b"mif1", b"mif1", b"heic"), "HEIC"),
        (brands(b"mif1", b"miaf", b"avif"), "AVIF"),
        (brands(b"msf1"), "HEIC"),
    ],
)
def test_a_photo_is_known_by_its_first_bytes(head, kind):
    assert photo_kind(head + bytes(64)) == kind


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff\xd8",
        b"\x89PNG\n\x1a\n",  # carriage returns lost: a text transfer
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"%PDF-1.7",
        b"8BPS\0\1",
        b"\0\0\1\0\1\0",
        b"P6 4 4 255\n",
        b"<svg xmlns=",
        brands(b"isom", b"avc1"),
        brands(b"qt  "),
        brands(b"crx ", b"heic"),  # Canon's raw files
        b"\0\0\0\x0cftyp",
    ],
)
def test_what_is_no_photo_has_no_kind(head):
    assert photo_kind(head) is None


def test_brands_behind_the_box_do_not_count():
    assert photo_kind(brands(b"mif1") + b"avif" * 4) == "HEIC"
