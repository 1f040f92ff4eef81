"""The formats of targets: how their names end, and how their files begin."""

from __future__ import annotations

from typing import Final, Literal

Format = Literal["ome-zarr", "ome-tiff", "movie", "image"]

SUFFIXES: Final[dict[Format, tuple[str, ...]]] = {
    "ome-zarr": (".ome.zarr", ".zarr", ".ozx"),
    "ome-tiff": (".ome.tif", ".ome.tiff", ".ome.btf", ".tif", ".tiff", ".btf"),
    "movie": (
        *(".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".apng", ".webp"),
        *(".mpg", ".mpeg", ".wmv", ".ogg"),
    ),
    "image": (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"),
}
# Taken, but not proposed: an animated PNG may be called so, as a PNG of one frame usually is.
ALSO_TAKEN: Final[dict[Format, tuple[str, ...]]] = {"movie": (".png",)}
LABELS: Final[dict[Format, str]] = {
    "ome-zarr": "an OME-Zarr",
    "ome-tiff": "an OME-TIFF",
    "movie": "a movie",
    "image": "an image",
}
ZARR_FILES: Final = ("zarr.json", ".zgroup", ".zarray")
HEAD_NBYTES: Final = 16
"""As much of a file as :func:`begins_as` needs."""

# (offset, bytes) pairs that all hold. Sources: TIFF 6.0 and BigTIFF; ISO 14496-12 and QuickTime;
# RFC 8794 (EBML); RIFF; GIF 89a; PNG; MPEG-1 systems and video; ASF; RFC 3533 (Ogg); JPEG; BMP;
# ZIP.
_Magic = tuple[tuple[int, bytes], ...]
_TIFF: Final[tuple[_Magic, ...]] = tuple(
    ((0, magic),) for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
)
_PNG: Final[_Magic] = ((0, b"\x89PNG\r\n\x1a\n"),)
_WEBP: Final[_Magic] = ((0, b"RIFF"), (8, b"WEBP"))
_BEGINNINGS: Final[dict[Format, tuple[_Magic, ...]]] = {
    "ome-zarr": (((0, b"PK\3\4"),),),
    "ome-tiff": _TIFF,
    "movie": (
        *(((4, atom),) for atom in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
        ((0, b"\x1aE\xdf\xa3"),),
        ((0, b"RIFF"), (8, b"AVI ")),
        ((0, b"GIF87a"),),
        ((0, b"GIF89a"),),
        _PNG,
        _WEBP,
        ((0, b"\0\0\x01\xba"),),
        ((0, b"\0\0\x01\xb3"),),
        ((0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),),
        ((0, b"OggS"),),
    ),
    "image": (_PNG, ((0, b"\xff\xd8\xff"),), *_TIFF, _WEBP, ((0, b"BM"),)),
}


def is_ozx(name: str) -> bool:
    """Return whether an OME-Zarr of this name is one file."""
    return name.lower().endswith(".ozx")


def begins_as(head: bytes, format: Format) -> bool:
    """Return whether a file that begins with `head` may be a `format`; an empty one holds nothing.

    Examples
    --------
    >>> begins_as(b"GIF89a", "movie"), begins_as(b"name,age", "movie"), begins_as(b"", "movie")
    (True, False, True)
    """
    return not head or any(
        all(head[at : at + len(magic)] == magic for at, magic in beginning)
        for beginning in _BEGINNINGS[format]
    )
