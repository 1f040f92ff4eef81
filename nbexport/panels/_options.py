"""The options of each format that the panel offers, and how what is typed becomes a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any, Final, Literal

from nbexport.errors import PlanError
from nbexport.model import AXIS_NAMES
from nbexport.panels._state import Format
from nbexport.plan import METHODS

FieldKind = Literal["choice", "whole", "number", "flag", "lengths", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One option of a writer, as the panel asks for it.

    Attributes
    ----------
    name
        The writer's keyword.
    label, help
        For people.
    kind
        What is asked for; ``"lengths"`` are whole numbers, one an axis or by axis name.
    choices
        (value, text) pairs of a choice; words that are allowed instead of lengths.
    placeholder
        Shown while nothing was given.
    group
        The part of the panel it stands in.
    """

    name: str
    label: str
    kind: FieldKind
    help: str = ""
    choices: tuple[tuple[Any, str], ...] = ()
    placeholder: str = ""
    group: Literal["levels", "output"] = "output"


_METHODS: Final = ((None, "automatic"), *((m, m) for m in METHODS))
_LEVELS: Final = (
    Field(
        name="levels",
        label="Levels",
        kind="whole",
        group="levels",
        placeholder="automatic",
        help="Number of levels, the full resolution included",
    ),
    Field(
        name="method",
        label="Method",
        kind="choice",
        group="levels",
        choices=_METHODS,
        help="How pixels are merged; automatic: mode for labels, else mean",
    ),
    Field(
        name="factors",
        label="Factors",
        kind="lengths",
        group="levels",
        choices=(("isotropic", "isotropic"),),
        placeholder="y=2, x=2",
        help="Pixels merged from level to level, by axis; or isotropic",
    ),
)
_PROJECT: Final = Field(
    name="project",
    label="Depth",
    kind="choice",
    choices=((None, "the plane that is shown"), ("max", "max"), ("mean", "mean"), ("sum", "sum")),
    help="How the planes of z become one",
)
_GAMMA: Final = Field(
    name="gamma",
    label="Gamma",
    kind="number",
    placeholder="1",
    help="Of all channels; below 1 brightens what is dim",
)
_ZOOM: Final = Field(
    name="zoom", label="Zoom", kind="number", placeholder="1", help="Pixels of the frame a pixel"
)
_SCALE_BAR: Final = Field(
    name="scale_bar", label="Scale bar", kind="flag", help="Of a round length"
)
_TIMESTAMP: Final = Field(
    name="timestamp", label="Time", kind="flag", help="From the time coordinate"
)
_LEGEND: Final = Field(
    name="legend", label="Channel names", kind="flag", help="In the colours of the channels"
)
_TEXT: Final = Field(name="text", label="Text", kind="text", help="Any text, on every frame")
_AUTO_LEVEL: Final = "Higher is smaller and slower"

FIELDS: Final[dict[Format, tuple[Field, ...]]] = {
    "ome-zarr": (
        *_LEVELS,
        Field(
            name="chunks",
            label="Chunks",
            kind="lengths",
            group="levels",
            placeholder="automatic",
            help="Chunk lengths, one an axis (1, 1, 512, 512) or by axis (y=512, x=512)",
        ),
        Field(
            name="shards",
            label="Shards",
            kind="lengths",
            group="levels",
            choices=(("auto", "auto"),),
            placeholder="none",
            help="Shard lengths, multiples of the chunks; or auto",
        ),
        Field(
            name="version",
            label="Version",
            kind="choice",
            choices=(
                (None, "0.5 (Zarr 3)"),
                ("0.6", "0.6 (Zarr 3, coordinate systems)"),
                ("0.4", "0.4 (Zarr 2)"),
            ),
            help="OME-NGFF version",
        ),
        Field(
            name="compression",
            label="Compression",
            kind="choice",
            choices=(
                (None, "blosc-zstd"),
                ("blosc-lz4", "blosc-lz4"),
                ("zstd", "zstd"),
                ("gzip", "gzip"),
                ("none", "none"),
            ),
        ),
        Field(
            name="compression_level",
            label="Compression level",
            kind="whole",
            placeholder="automatic",
            help=_AUTO_LEVEL,
        ),
        Field(
            name="skip_empty",
            label="Leave out empty chunks",
            kind="flag",
            help="Chunks that are all zero are not written",
        ),
    ),
    "ome-tiff": (
        *_LEVELS,
        Field(
            name="tile",
            label="Tile",
            kind="choice",
            group="levels",
            choices=(
                (None, "512 x 512"),
                ((128, 128), "128 x 128"),
                ((256, 256), "256 x 256"),
                ((1024, 1024), "1024 x 1024"),
            ),
            help="Height and width of a tile",
        ),
        Field(
            name="compression",
            label="Compression",
            kind="choice",
            choices=((None, "zlib"), ("zstd", "zstd"), ("lzw", "lzw"), ("none", "none")),
        ),
        Field(
            name="compression_level",
            label="Compression level",
            kind="whole",
            placeholder="automatic",
            help=_AUTO_LEVEL,
        ),
        Field(
            name="bigtiff",
            label="BigTIFF",
            kind="choice",
            choices=((None, "where needed"), (True, "always"), (False, "never")),
            help="64-bit offsets, for files above 4 GiB",
        ),
    ),
    "movie": (
        Field(
            name="along",
            label="Frames along",
            kind="choice",
            choices=((None, "t, else z"), ("t", "t"), ("z", "z")),
            help="The axis that runs from frame to frame",
        ),
        _PROJECT,
        Field(
            name="fps",
            label="Frames a second",
            kind="number",
            placeholder="10",
        ),
        Field(
            name="quality",
            label="Quality",
            kind="choice",
            choices=(
                ("low", "low"),
                (None, "medium"),
                ("high", "high"),
                ("lossless", "lossless"),
            ),
        ),
        Field(
            name="codec",
            label="Codec",
            kind="choice",
            choices=(
                (None, "what suits the suffix"),
                ("h264", "H.264 (.mp4, .mov, .mkv)"),
                ("av1", "AV1 (.mp4, .mkv, .webm)"),
                ("vp9", "VP9 (.webm, .mkv)"),
                ("ffv1", "FFV1 (.mkv, .avi)"),
                ("mjpeg", "Motion JPEG (.avi)"),
            ),
            help="How frames are packed",
        ),
        _GAMMA,
        _ZOOM,
        _SCALE_BAR,
        _TIMESTAMP,
        _LEGEND,
        _TEXT,
    ),
    "image": (
        _PROJECT,
        Field(
            name="montage",
            label="Montage",
            kind="choice",
            choices=((None, "none"), ("c", "channels"), ("t", "times"), ("z", "depths")),
            help="Several pictures on one sheet",
        ),
        _GAMMA,
        _ZOOM,
        Field(
            name="dpi",
            label="Dots per inch",
            kind="number",
            placeholder="none",
            help="For pictures that are placed in a document",
        ),
        _SCALE_BAR,
        _TIMESTAMP,
        _LEGEND,
        _TEXT,
        Field(
            name="raw",
            label="Values instead of colours",
            kind="flag",
            help="A single plane as it is: .tif, or .png of 8 and 16 bits",
        ),
    ),
}


def parse_option(field: Field, given: Any) -> Any:
    """Return what was typed or chosen for `field` as its writer takes it; None: the default.

    Raises
    ------
    PlanError
        If it is no such value.

    Examples
    --------
    >>> chunks = Field(name="chunks", label="Chunks", kind="lengths")
    >>> parse_option(chunks, "1, 256, 256"), parse_option(chunks, "y=256 x=256")
    ((1, 256, 256), (('y', 256), ('x', 256)))
    """
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    if field.kind == "flag":
        return True if given else None
    if field.kind == "choice":
        value = tuple(given) if isinstance(given, list) else given
        for choice, _ in field.choices:
            if choice == value and isinstance(choice, bool) == isinstance(value, bool):
                return choice
        known = ", ".join(text for _, text in field.choices)
        raise PlanError(f"{field.name}={given!r} is not offered; choose one of {known}")
    if field.kind == "text":
        return str(given).strip()
    if field.kind == "lengths":
        return _lengths(field, given)
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = nan
    wanted = "whole number" if field.kind == "whole" else "number"
    if not isfinite(number) or (field.kind == "whole" and not number.is_integer()):
        raise PlanError(f"{field.name}={given!r} is not a {wanted}")
    if field.kind == "number" and number <= 0:
        raise PlanError(f"{field.name}={given!r} is not a positive number")
    return int(number) if field.kind == "whole" else number


_PAIR: Final = re.compile(r"([a-z])\s*[=:]?\s*(\d+)", re.IGNORECASE)


def _lengths(field: Field, given: Any) -> Any:
    if isinstance(given, dict):
        given = ", ".join(f"{axis}={n}" for axis, n in given.items())
    if isinstance(given, list | tuple):
        given = ", ".join(map(str, given))
    text = str(given).strip()
    if any(text.lower() == choice for choice, _ in field.choices):
        return text.lower()
    parts = [part for part in re.split(r"[\s,;]+", re.sub(r"\s*[=:]\s*", "=", text)) if part]
    if all(part.isdecimal() for part in parts):
        return tuple(int(part) for part in parts)
    pairs = [_PAIR.fullmatch(part) for part in parts]
    named = {m[1].lower(): int(m[2]) for m in pairs if m is not None}
    if len(named) == len(parts) and set(named) <= set(AXIS_NAMES):
        return tuple(named.items())
    words = "".join(f", or {choice}" for choice, _ in field.choices)
    raise PlanError(
        f"{field.name}={text!r} is not understood; give lengths such as 1, 512, 512 "
        f"or y=512, x=512{words}"
    )
