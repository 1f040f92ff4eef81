"""Compression by name, as the codec object of each Zarr format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numcodecs
import numpy as np
from zarr.abc.codec import Codec
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from nbexport.errors import PlanError


@dataclass(frozen=True, slots=True)
class _Named:
    """A compression with a name: its default level and the levels it has."""

    default: int
    lowest: int
    highest: int


NAMES: Final = {
    "blosc-zstd": _Named(3, 0, 9),
    "blosc-lz4": _Named(5, 0, 9),
    "zstd": _Named(3, -7, 22),
    "gzip": _Named(5, 0, 9),
    "none": _Named(0, 0, 0),
}


def check_codec(compression: object, level: int | None, zarr_format: Literal[2, 3]) -> None:
    """Raise PlanError unless `compression` can be written.

    Parameters
    ----------
    compression
        A name, or codec objects of the Zarr format: numcodecs' for 2, zarr's for 3.
    level
        For a name, its level; None: its default.
    zarr_format
        2 or 3.
    """
    if not isinstance(compression, str):
        wanted, home = (numcodecs.abc.Codec, "numcodecs") if zarr_format == 2 else (Codec, "zarr")
        given = compression if isinstance(compression, Sequence) else (compression,)
        if not given or not all(isinstance(codec, wanted) for codec in given):
            raise PlanError(
                f"compression={compression!r} is no codec of Zarr format {zarr_format}; use "
                f"{home}'s codecs or a name: {', '.join(NAMES)}"
            )
        if level is not None:
            raise PlanError(
                f"compression_level={level} belongs to a compression by name; "
                "give the level to the codec itself"
            )
        return
    named = NAMES.get(compression)
    if named is None:
        raise PlanError(f"compression={compression!r} is not known; use one of {', '.join(NAMES)}")
    if level is not None and not (
        isinstance(level, int)
        and not isinstance(level, bool)
        and named.lowest <= level <= named.highest
    ):
        raise PlanError(
            f"compression_level={level!r} is not possible with {compression!r}; "
            f"use {named.lowest} to {named.highest}"
        )


def codec(compression: Any, level: int | None, dtype: str, zarr_format: Literal[2, 3]) -> Any:
    """Return what zarr's ``compressors`` takes, for a checked `compression`."""
    if not isinstance(compression, str):
        return compression
    if compression == "none":
        return None
    strength = NAMES[compression].default if level is None else level
    size = np.dtype(dtype).itemsize
    if zarr_format == 2:
        if compression.startswith("blosc"):
            return numcodecs.Blosc(
                cname=compression.removeprefix("blosc-"),
                clevel=strength,
                shuffle=numcodecs.Blosc.SHUFFLE,
            )
        old = {"zstd": numcodecs.Zstd, "gzip": numcodecs.GZip}
        return old[compression](level=strength)
    if compression == "blosc-zstd":
        return BloscCodec(cname="zstd", clevel=strength, shuffle="shuffle", typesize=size)
    if compression == "blosc-lz4":
        return BloscCodec(cname="lz4", clevel=strength, shuffle="shuffle", typesize=size)
    return ZstdCodec(level=strength) if compression == "zstd" else GzipCodec(level=strength)
