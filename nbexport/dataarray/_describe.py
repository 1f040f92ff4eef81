"""From a DataArray to what the image is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
import xarray as xr

from nbexport._keywords import names_nearest
from nbexport._warn import warn_losses
from nbexport.dataarray._axes import Positions, Wishes, build_axis, match_dims, read_positions
from nbexport.dataarray._channels import ChannelWish, read_channels, rgb_channels
from nbexport.dataarray._hints import Findings, Hints
from nbexport.dataarray._rest import read_acquired, read_attributes
from nbexport.dataarray._source import PixelSource
from nbexport.dataarray._vocabulary import LABEL_WORDS
from nbexport.dataarray.readers import read_hints
from nbexport.errors import AxisError, DtypeError
from nbexport.model import AXIS_NAMES, Axis, Channel, ImageSpec, Kind

Numbers = Mapping[str, float] | float | None
Units = Mapping[str, str] | str | None

_DASK_NAME: Final = re.compile(r".+-[0-9a-f]{32}")
_WORD: Final = re.compile("[a-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An image and its pixels, both in storage order."""

    image: ImageSpec
    source: PixelSource


@names_nearest
def describe(
    da: xr.DataArray,
    *,
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> ImageSpec:
    """Return what the dims, coords and attrs of `da` say about the image; no pixel is computed.

    Parameters
    ----------
    da
        Any dims, in any order and case, numpy or dask pixels.
    name
        Name of the image; else the DataArray's.
    dims
        What dims mean whose names aren't known: ``{"my_axis": "z"}``; axes are ``t c z y x s``.
    scale
        Distance from pixel to pixel by dim or axis name, or one number for y and x.
    translation
        Position of the first pixel, by dim or axis name, or one number for y and x.
    units
        Unit by dim or axis name, or one for all space axes: ``"um"``, ``"nm"``, ``"s"``, ….
    channels
        One entry a channel: a name, a dict with fields of :class:`Channel`, or a Channel.
    kind
        ``"intensity"``, ``"labels"`` or ``"rgb"``; else decided from dims, attrs and name.

    Returns
    -------
    ImageSpec
        Axes in the order ``t c z y x s``, lengths in the coordinate's own unit.

    Raises
    ------
    AxisError, ChannelError, DtypeError
        If one thing is wrong.
    DescribeError
        If several are; all are named.

    Warns
    -----
    LossWarning
        For each thing that was not understood and is left out.

    Notes
    -----
    Pixel types: bool becomes uint8 (0 and 1), float16 float32, big-endian native; integers of 8 to
    64 bits, float32, float64, complex64 and complex128 stay; all else is refused. Arguments
    override coords, coords override attrs. Cost: reads coords only.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> x = ("x", 0.65 * np.arange(4), {"units": "um"})
    >>> y = ("y", 0.65 * np.arange(3), {"units": "um"})
    >>> da = xr.DataArray(np.zeros((3, 4), "u2"), dims=("y", "x"), coords={"y": y, "x": x})
    >>> describe(da, name="cell", channels=["DAPI"])
    <ImageSpec 'cell' intensity uint16 y=3 x=4, 24 B>
      y       3  0.65 micrometer
      x       4  0.65 micrometer
      channel 0: 'DAPI' #FFFFFF, window from the pixels
    """
    image = read(
        da,
        name=name,
        dims=dims,
        scale=scale,
        translation=translation,
        units=units,
        channels=channels,
        kind=kind,
    ).image
    warn_losses(image.losses)
    return image


def read(
    da: xr.DataArray,
    *,
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> Described:
    """Return the image and its pixels, without warnings; see :func:`describe`."""
    if not isinstance(da, xr.DataArray):
        raise TypeError(
            f"an xarray.DataArray is needed, got {type(da).__name__}; "
            "wrap it, for example xr.DataArray(array, dims=('z', 'y', 'x'))"
        )
    findings = Findings()
    title = _title(da, name)
    subject = f"DataArray {title!r}" if title else "This DataArray"
    dtype = ""
    with findings.collected():
        dtype = _pixel_type(da.dtype)
        if dtype != da.dtype.newbyteorder("=").name:
            findings.notes.append(f"{da.dtype.name} pixels are written as {dtype}")
    matched = match_dims(da, dims or {}, findings)
    if not {"y", "x"} <= set(matched.values()) or any(
        isinstance(problem, AxisError) for problem in findings.problems
    ):
        findings.raise_all(subject)  # without axes there is nothing to go on with
    axis_dims = {axis: dim for dim, axis in matched.items()}
    hints = read_hints(da, axis_dims)
    findings.notes += hints.notes
    findings.losses += hints.losses
    wishes = Wishes(
        dims=dims or {},
        scale=_by_axis(scale, matched, ("y", "x"), "scale", findings),
        translation=_by_axis(translation, matched, ("y", "x"), "translation", findings),
        units=_by_axis(units, matched, ("z", "y", "x"), "units", findings),
    )
    axes: list[Axis] = []
    flipped: list[str] = []
    acquired = hints.acquired
    for axis_name in AXIS_NAMES:
        dim = axis_dims.get(axis_name)
        if dim is None:
            continue
        with findings.collected():
            found = Positions()
            ignored = axis_name in "cs" or axis_name in hints.uncalibrated | wishes.scale.keys()
            if dim in da.coords and not ignored:
                found = read_positions(da.coords[dim], dim, findings)
            if found.flipped:
                flipped.append(dim)
            acquired = found.start or acquired
            axes.append(build_axis(axis_name, dim, da.sizes[dim], found, hints, wishes, findings))
    channel_dim = axis_dims.get("c")
    decided: Kind = "intensity"
    with findings.collected():
        decided = _kind(da, title, "s" in axis_dims, kind, hints, findings)
    described: tuple[Channel, ...] = ()
    if decided != "labels":
        with findings.collected():
            described = read_channels(
                da,
                channel_dim,
                da.sizes[channel_dim] if channel_dim else 1,
                channels,
                hints,
                findings,
            )
        if decided == "rgb":
            described = rgb_channels(described)
    findings.raise_all(subject)
    acquired = read_acquired(da, hints) or acquired
    image = ImageSpec(
        name=title or hints.name or "image",
        axes=tuple(axes),
        dtype=dtype,
        channels=described,
        kind=decided,
        acquired=acquired,
        attributes=read_attributes(da, channel_dim, matched, hints, findings),
        source_ome=hints.source_ome,
        notes=tuple(findings.notes),
        losses=tuple(findings.losses),
    )
    return Described(image=image, source=_arranged(da, matched, flipped, image))


def _arranged(
    da: xr.DataArray, matched: Mapping[str, str], flipped: Sequence[str], image: ImageSpec
) -> PixelSource:
    """Return the pixels in storage order: one-entry dims dropped, descending ones reversed."""
    bare = xr.DataArray(da.variable)
    bare = bare.isel({dim: 0 for dim in bare.dims if dim not in matched})
    bare = bare.isel({dim: slice(None, None, -1) for dim in flipped})
    return PixelSource(bare.rename(dict(matched)).transpose(*image.dims))


def _title(da: xr.DataArray, name: str | None) -> str:
    """Return the name the image was given; dask's tokens are none."""
    if name is not None:
        return str(name)
    own = "" if da.name is None else str(da.name)
    return "" if _DASK_NAME.fullmatch(own) else own


def _pixel_type(dtype: np.dtype[Any]) -> str:
    """Return the type that is written for pixels of `dtype`; see the table in :func:`describe`."""
    changed = {"bool": "uint8", "float16": "float32"}
    native = dtype.newbyteorder("=")
    written = changed.get(native.name, native.name)
    if native.kind in "biufc" and native.itemsize <= (16 if native.kind == "c" else 8):
        return written
    raise DtypeError(
        f"pixels are of type {dtype.name!r}, which no image format holds; cast them, "
        "for example da.astype('float32')"
    )


def _kind(
    da: xr.DataArray,
    title: str,
    has_samples: bool,
    wanted: Kind | None,
    hints: Hints,
    findings: Findings,
) -> Kind:
    if wanted is not None and not (isinstance(wanted, str) and wanted in get_args(Kind)):
        raise AxisError(f"kind={wanted!r} is not known; use one of {', '.join(get_args(Kind))}")
    if has_samples:
        if wanted not in (None, "rgb"):
            raise AxisError(
                f"kind={wanted!r} does not fit an array with RGB samples; "
                "take one with da.isel, or map that dim with dims={'…': 'c'}"
            )
        return "rgb"
    if wanted == "rgb":
        raise AxisError(
            "kind='rgb' needs a dim of samples with 3 or 4 entries; "
            "map it with dims={'channel': 's'}"
        )
    said = str(da.attrs.get("kind", da.attrs.get("type", ""))).lower()
    if "kind" in da.attrs and said in (*LABEL_WORDS, "intensity"):
        hints.used.add("kind")
    named = said in LABEL_WORDS or any(w in LABEL_WORDS for w in _WORD.findall(title.lower()))
    is_integer = da.dtype.kind in "iub"
    if wanted == "labels" and not is_integer:
        raise DtypeError(
            f"kind='labels' needs integer pixels, these are {da.dtype.name}; "
            "cast them with da.astype('uint32')"
        )
    if wanted is None and named and is_integer and said != "intensity":
        source = "attrs" if said in LABEL_WORDS else f"the name {title!r}"
        findings.notes.append(
            f"taken for labels because of {source}; pass kind='intensity' if they are not"
        )
        return "labels"
    return wanted or "intensity"


def _by_axis(
    given: Any,
    matched: Mapping[str, str],
    default: Sequence[str],
    word: str,
    findings: Findings,
) -> dict[str, Any]:
    """Return what the caller gave, keyed by axis name."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return {axis: given for axis in default if axis in matched.values()}
    result = {}
    for key, value in given.items():
        axis = matched.get(key, str(key).lower())
        if axis not in matched.values() or axis in "cs":
            known = ", ".join(a for a in matched.values() if a not in "cs")
            findings.problems.append(
                AxisError(f"{word} names {key!r}; this array has the axes {known}")
            )
        else:
            result[axis] = value
    return result
