"""A compressor of one Zarr format as that of the other."""

from __future__ import annotations

from typing import Any, Final, Literal

from nbexport.errors import PlanError

# numcodecs.Blosc counts its shuffles, zarr.codecs names them.
_SHUFFLES: Final = {0: "noshuffle", 1: "shuffle", 2: "bitshuffle"}


def compressor_for(compressor: Any, dtype: Any, zarr_format: Literal[2, 3]) -> Any:
    """Return `compressor` as arrays of `zarr_format` take it.

    Parameters
    ----------
    compressor
        A codec of numcodecs or of zarr; a name, see :func:`nbexport.write_ome_zarr`; or None, for
        none.
    dtype
        Pixel type, whose bytes zarr's Blosc shuffles.
    zarr_format
        2: numcodecs' codecs, 3: zarr's.

    Raises
    ------
    PlanError
        If it belongs to the other format and has no counterpart here.
    """
    import numcodecs
    import numpy as np
    import zarr.codecs
    from zarr.abc.codec import Codec

    if compressor is None:
        return "none"
    if isinstance(compressor, str):
        return compressor
    if zarr_format == 3 and isinstance(compressor, numcodecs.abc.Codec):
        if isinstance(compressor, numcodecs.Blosc):
            size = np.dtype(dtype).itemsize
            # numcodecs' AUTOSHUFFLE: bits for single bytes, else bytes.
            auto = "bitshuffle" if size == 1 else "shuffle"
            return zarr.codecs.BloscCodec(
                typesize=size,
                cname=compressor.cname,
                clevel=compressor.clevel,
                shuffle=_SHUFFLES.get(compressor.shuffle, auto),  # type: ignore[arg-type]
                blocksize=compressor.blocksize,
            )
        if isinstance(compressor, numcodecs.Zstd):
            return zarr.codecs.ZstdCodec(level=compressor.level)
        if isinstance(compressor, numcodecs.GZip):
            return zarr.codecs.GzipCodec(level=compressor.level)
        raise _without_counterpart(compressor, "zarr.codecs", "version='0.4'")
    if zarr_format == 2 and isinstance(compressor, Codec):
        if isinstance(compressor, zarr.codecs.BloscCodec):
            names = {name: number for number, name in _SHUFFLES.items()}
            return numcodecs.Blosc(
                cname=_text(compressor.cname),
                clevel=compressor.clevel,
                shuffle=names[_text(compressor.shuffle)],
                blocksize=compressor.blocksize,
            )
        if isinstance(compressor, zarr.codecs.ZstdCodec):
            return numcodecs.Zstd(level=compressor.level)
        if isinstance(compressor, zarr.codecs.GzipCodec):
            return numcodecs.GZip(level=compressor.level)
        raise _without_counterpart(compressor, "numcodecs", "version='0.5'")
    return compressor


def _text(word: Any) -> str:
    return str(getattr(word, "value", word))


def _without_counterpart(compressor: object, home: str, version: str) -> PlanError:
    return PlanError(
        f"compressor={compressor!r} has no counterpart in this version's Zarr format; "
        f"use one of {home}, or {version}"
    )
