"""The compressions of TIFF tiles: what each can hold, its levels, and its encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import imagecodecs
import numpy as np
import numpy.typing as npt

from nbexport.errors import PlanError
from nbexport.model import ImageSpec

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One compression.

    Attributes
    ----------
    encode
        From a whole tile and a level to its bytes.
    tiff
        tifffile's name for its tag; None: no compression.
    levels
        Lowest and highest level, or None where there are none.
    default
        The level taken where none is given; None: the codec is lossless then.
    lossy
        Whether a given level, or the default one, changes pixels.
    dtypes
        The pixel types it can hold; empty: all.
    alpha
        Whether it can hold four samples.
    """

    encode: Callable[[Array, int | None], bytes]
    tiff: str | None
    levels: tuple[int, int] | None = None
    default: int | None = None
    lossy: bool = False
    dtypes: tuple[str, ...] = ()
    alpha: bool = True

    @property
    def by_bytes(self) -> bool:
        """Whether it compresses bytes, which differences of neighbours make more alike."""
        return self.tiff is not None and not self.dtypes


def _jpeg(tile: Array, level: int | None) -> bytes:
    if tile.ndim == 2:
        return bytes(imagecodecs.jpeg8_encode(tile, level=level))
    # What TIFF's YCbCrSubSampling of 2, 2 says; no other is read by every program we tried.
    return bytes(
        imagecodecs.jpeg8_encode(
            tile, level=level, colorspace="rgb", outcolorspace="ycbcr", subsampling=(2, 2)
        )
    )


def _jpeg2000(tile: Array, level: int | None) -> bytes:
    # A bare code stream, as TIFF wants it. One thread: each worker encodes a tile of its own.
    return bytes(
        imagecodecs.jpeg2k_encode(
            tile, level=level, reversible=level is None, codecformat="j2k", numthreads=1
        )
    )


def _jpegxl(tile: Array, level: int | None) -> bytes:
    if level is None:
        return bytes(imagecodecs.jpegxl_encode(tile, lossless=True, numthreads=1))
    return bytes(imagecodecs.jpegxl_encode(tile, level=level, numthreads=1))


# zlib's level 1 with differences: on 20 real images and a noisy sCMOS volume within 1 % of the
# bytes of level 6, at three times its speed (182 and 58 MB/s a core, libdeflate).
CODECS: Final[dict[str, Codec]] = {
    "zlib": Codec(
        encode=lambda tile, level: bytes(imagecodecs.deflate_encode(tile.tobytes(), level)),
        tiff="zlib",
        levels=(1, 12),
        default=1,
    ),
    "zstd": Codec(
        encode=lambda tile, level: bytes(imagecodecs.zstd_encode(tile.tobytes(), level)),
        tiff="zstd",
        levels=(1, 22),
        default=3,
    ),
    "lzw": Codec(
        encode=lambda tile, level: bytes(imagecodecs.lzw_encode(tile.tobytes())), tiff="lzw"
    ),
    "jpeg": Codec(
        encode=_jpeg,
        tiff="jpeg",
        levels=(1, 100),
        default=90,
        lossy=True,
        dtypes=("uint8",),
        alpha=False,
    ),
    # 33005 of the three tags in use: Bio-Formats knows it, and tifffile reads RGB by it as RGB.
    "jpeg2000": Codec(
        encode=_jpeg2000,
        tiff="aperio_jp2000_rgb",
        levels=(1, 100),
        lossy=True,
        dtypes=("uint8", "int8", "uint16", "int16"),
    ),
    "jpegxl": Codec(
        encode=_jpegxl,
        tiff="jpegxl",
        levels=(1, 100),
        lossy=True,
        dtypes=("uint8", "uint16"),
    ),
    "none": Codec(encode=lambda tile, level: tile.tobytes(), tiff=None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """A compression as the user wants it, checked by itself.

    Attributes
    ----------
    name
        A key of CODECS.
    level
        The level given; None: the codec's own.
    predictor
        Whether differences of neighbours are stored; None: where they help.

    Raises
    ------
    PlanError
        If there is no such compression, level or predictor.
    """

    name: str
    level: int | None = None
    predictor: bool | None = None

    def __post_init__(self) -> None:
        codec = CODECS.get(self.name) if isinstance(self.name, str) else None
        if codec is None:
            raise PlanError(
                f"compression={self.name!r} is not known; use one of {', '.join(CODECS)}"
            )
        level = self.level
        if level is not None and codec.levels is None:
            raise PlanError(
                f"compression_level={level!r} is not possible with {self.name!r}, which has no "
                "levels; leave it out"
            )
        if level is not None and codec.levels is not None:
            low, high = codec.levels
            whole = isinstance(level, int) and not isinstance(level, bool)
            if not whole or not low <= level <= high:
                raise PlanError(
                    f"compression_level={level!r} is not possible with {self.name!r}; "
                    f"use {low} to {high}"
                )
        if self.predictor is not None and not isinstance(self.predictor, bool):
            raise PlanError(
                f"predictor={self.predictor!r} is neither True (differences of neighbours), False "
                "nor None (differences where they help); use one of these"
            )
        if self.predictor and not codec.by_bytes:
            raise PlanError(
                f"predictor=True is not possible with compression={self.name!r}; leave it out, "
                "or use zlib, zstd or lzw"
            )

    @property
    def codec(self) -> Codec:
        """The codec."""
        return CODECS[self.name]

    @property
    def loses(self) -> bool:
        """Whether pixels are changed."""
        return self.codec.lossy and (self.level or self.codec.default) is not None

    def differences(self, dtype: str) -> bool:
        """Return whether differences of neighbours are stored for pixels of `dtype`."""
        integers = np.dtype(dtype).kind in "iu"
        return self.codec.by_bytes and integers and self.predictor is not False

    def check(self, image: ImageSpec) -> None:
        """Raise PlanError unless the pixels of `image` can be compressed so."""
        codec, name = self.codec, self.name
        if codec.dtypes and image.dtype not in codec.dtypes:
            raise PlanError(
                f"compression={name!r} holds {_either(codec.dtypes)}, and the pixels of "
                f"{image.name!r} are {image.dtype}; use zlib, or cast them"
            )
        if not codec.alpha and image.sizes.get("s") == 4:
            raise PlanError(
                f"compression={name!r} holds no alpha, and {image.name!r} is RGBA; use zlib, or "
                "take its colours with da.isel(…=slice(3))"
            )
        if self.loses and image.kind == "labels":
            raise PlanError(
                f"compression={name!r} would change the labels of {image.name!r}; use zlib"
                + ("" if codec.default is not None else ", or leave compression_level out")
            )
        # Differences of floats as integers, TIFF's predictor 2: 0.90 to 1.10 of the bytes without
        # on four images. Predictor 3, the one for floats, is unknown to Bio-Formats 7.3.
        if self.predictor and np.dtype(image.dtype).kind not in "iu":
            raise PlanError(
                f"predictor=True is not possible for {image.dtype} pixels, whose differences few "
                "programs read; leave it out"
            )

    def notes(self) -> tuple[str, ...]:
        """Return what a reader of the file should know."""
        if not self.loses:
            return ()
        level = self.codec.default if self.level is None else self.level
        return (f"{self.name} at level {level} changes pixel values a little",)

    def encode(self, tile: Array) -> bytes:
        """Return the bytes of a whole, contiguous tile."""
        level = self.codec.default if self.level is None else self.level
        if self.differences(tile.dtype.name):
            tile = np.asarray(imagecodecs.delta_encode(tile, axis=1))
        return self.codec.encode(tile, level)


def _either(words: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
