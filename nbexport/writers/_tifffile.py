"""tifffile's own keywords as options of :func:`nbexport.write_ome_tiff`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from nbexport.errors import PlanError

DEFAULT_TIFF_WRITE_KWARGS: Final[Mapping[str, Any]] = MappingProxyType({"compression": "zlib"})
"""What is given to tifffile where the caller says nothing."""

_COMPRESSIONS: Final = {
    "NONE": "none",
    "ADOBE_DEFLATE": "zlib",
    "DEFLATE": "zlib",
    "LZW": "lzw",
    "ZSTD": "zstd",
    "ZSTD_DEPRECATED": "zstd",
    "JPEG": "jpeg",
    "JPEG2000": "jpeg2000",
    "APERIO_JP2000_RGB": "jpeg2000",
    "APERIO_JP2000_YCBC": "jpeg2000",
    "JPEGXL": "jpegxl",
    "JPEGXL_DNG": "jpegxl",
}
# tifffile's other names of these.
_ALIASES: Final = {"ZLIB": "ADOBE_DEFLATE", "JPEG_2000": "JPEG2000", "JPEG_2000_LOSSY": "JPEG2000"}
_OF_THE_IMAGE: Final = (
    "data", "description", "photometric", "planarconfig", "metadata", "shape", "dtype",
    "extrasamples", "subifds",
)  # fmt: skip
_KNOWN: Final = ("compression", "compressionargs", "predictor", "tile", "bigtiff", "maxworkers")


def tiff_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of :func:`nbexport.write_ome_tiff` that mean what `given` says.

    Parameters
    ----------
    given
        Keywords of ``tifffile.TiffWriter.write``, and ``bigtiff``; without ``compression`` nothing
        is compressed, as there.

    Raises
    ------
    TypeError
        If a keyword is one that the image itself decides.
    PlanError
        If a keyword, or its value, can't be honoured.

    Examples
    --------
    >>> tiff_options({"compression": "zlib", "compressionargs": {"level": 8}, "tile": (256, 256)})
    {'compression': 'zlib', 'compression_level': 8, 'tile': (256, 256)}
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"tifffile_kwargs={given!r} is no dict; pass {{'compression': 'zlib'}}")
    for key in given:
        if key in _OF_THE_IMAGE:
            raise TypeError(
                f"tifffile_kwargs names {key!r}, which follows from the image and its metadata; "
                "leave it out"
            )
        if key not in _KNOWN:
            near = difflib.get_close_matches(str(key), _KNOWN, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_KNOWN)}"
            raise PlanError(f"tifffile_kwargs names {key!r}, which can't be honoured; {hint}")
    options: dict[str, Any] = {"compression": _compression(given.get("compression"))}
    options |= _level(given.get("compressionargs"))
    if given.get("predictor") is not None:
        options["predictor"] = _predictor(given["predictor"])
    if given.get("tile") is not None:
        options["tile"] = given["tile"]
    for ours, theirs in (("bigtiff", "bigtiff"), ("workers", "maxworkers")):
        if given.get(theirs) is not None:
            options[ours] = given[theirs]
    return options


def _compression(value: Any) -> str:
    from tifffile import COMPRESSION

    name: str | None = None
    if value is None or value is False:
        name = "NONE"
    elif isinstance(value, str):
        name = _ALIASES.get(value.upper(), value.upper())
    elif isinstance(value, int) and not isinstance(value, bool):
        known = {int(member) for member in COMPRESSION}
        # 0 is tifffile's "as it is".
        name = COMPRESSION(value).name if value in known else "NONE" if value == 0 else None
    ours = _COMPRESSIONS.get(name or "")
    if ours is None:
        words = ", ".join(dict.fromkeys(_COMPRESSIONS.values()))
        raise PlanError(
            f"tifffile_kwargs={{'compression': {value!r}}} can't be honoured; use one of {words}"
        )
    return ours


def _level(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or set(given) - {"level"}:
        raise PlanError(
            f"tifffile_kwargs={{'compressionargs': {given!r}}} can't be honoured; "
            "'level' is known, for example {'level': 8}"
        )
    return {} if given.get("level") is None else {"compression_level": given["level"]}


def _predictor(value: Any) -> bool:
    if isinstance(value, str):
        value = {"none": 1, "horizontal": 2}.get(value.lower(), value)
    if value is True or value is False:
        return value
    if value in (1, 2):
        return bool(value == 2)
    raise PlanError(
        f"tifffile_kwargs={{'predictor': {value!r}}} can't be honoured; use True (differences of "
        "neighbours, TIFF's predictor 2) or False"
    )
