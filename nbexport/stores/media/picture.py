"""One picture: what was rendered, or one plane with its values; with its physical resolution."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from nbexport._version import __version__
from nbexport.errors import DtypeError, PlanError
from nbexport.model import convert
from nbexport.plan import FramePlan
from nbexport.stores._report import WriteReport, kept_preview
from nbexport.stores.targets import FileTarget

Array = npt.NDArray[Any]

_CM_PER_INCH: Final = 2.54
_MAX_DPI: Final = 65535  # what JFIF holds
_EXIF_X, _EXIF_Y, _EXIF_UNIT, _EXIF_CM = 0x011A, 0x011B, 0x0128, 3


@dataclass(frozen=True, slots=True)
class Density:
    """Pixels a centimetre along x and y, of the specimen or of paper."""

    x: float
    y: float
    of: Literal["specimen", "paper"]

    @property
    def dpi(self) -> tuple[float, float]:
        """Pixels an inch."""
        return self.x * _CM_PER_INCH, self.y * _CM_PER_INCH


def plan_density(plan: FramePlan, dpi: float | None) -> Density | None:
    """Return the resolution that the file will name: `dpi`, or else that of the specimen.

    Raises
    ------
    PlanError
        If `dpi` is no resolution.
    """
    if dpi is not None:
        number = isinstance(dpi, int | float) and not isinstance(dpi, bool)
        if not number or not 1 <= dpi <= _MAX_DPI:
            raise PlanError(
                f"dpi={dpi!r} is no resolution; give the pixels an inch, from 1 to {_MAX_DPI}, "
                "such as 300"
            )
        return Density(dpi / _CM_PER_INCH, dpi / _CM_PER_INCH, "paper")
    if plan.pixel_size is None:
        return None
    width, height, unit = plan.pixel_size
    x, y = (1 / convert(length, unit, "centimeter") for length in (width, height))
    # A rational of TIFF and EXIF is two 32-bit integers, pHYs and BMP count to 2**31 a metre.
    return Density(x, y, "specimen") if all(1e-2 < n < 2e7 for n in (x, y)) else None


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of picture: its name, the largest edge, and how it is written."""

    name: str
    largest: int
    mime: str | None
    write: Callable[[Path, Array, Density | None], None]


def check_picture(name: str, size: tuple[int, int], *, raw: bool) -> None:
    """Raise PlanError unless a picture of `size` (width, height) fits the file called `name`."""
    suffix = Path(name).suffix.lower()
    if raw and suffix not in _RAW:
        raise PlanError(
            f"raw=True keeps pixel values and {suffix} does not; "
            "use .tif, or .png for integers of 8 and 16 bits"
        )
    largest = _KINDS[suffix].largest
    if max(size) > largest:
        raise PlanError(
            f"a picture of {size[0]} x {size[1]} is larger than {suffix} holds, {largest} pixels; "
            "pass zoom= or size=, or use .tif"
        )


def write_picture_file(
    pixels: Array, plan: FramePlan, target: FileTarget, *, density: Density | None, raw: bool
) -> WriteReport:
    """Write `pixels`, a (y, x) plane or (y, x, 3 or 4) samples, to the checked `target`."""
    begin = time.perf_counter()
    kind = _KINDS[Path(target.name).suffix.lower()]
    notes = list(plan.notes)
    if raw:
        pixels, changed = _RAW[Path(target.name).suffix.lower()](pixels)
        notes += changed
    if density is not None and density.of == "specimen" and plan.pixel_size is not None:
        notes.append(
            "the file says how large a pixel is in the specimen ({:.4g} x {:.4g} {}); pass dpi=300 "
            "for a picture that is placed in a document".format(*plan.pixel_size)
        )
    with target.opened() as path:
        kind.write(path, np.ascontiguousarray(pixels), density)
        nbytes = path.stat().st_size
        preview = kept_preview(path, kind.mime)
    return WriteReport(
        target=str(target),
        format=kind.name,
        plan=plan,
        nbytes=nbytes,
        seconds=time.perf_counter() - begin,
        notes=tuple(notes),
        losses=plan.losses,
        preview=preview,
    )


def _png_values(pixels: Array) -> tuple[Array, tuple[str, ...]]:
    """Return `pixels` as PNG holds them, exactly; integers of other types where they fit."""
    dtype = pixels.dtype
    if dtype == np.uint8 or (dtype == np.uint16 and pixels.ndim == 2):
        return pixels, ()
    if dtype == np.uint16:
        raise DtypeError("PNG is written with samples of 8 bits and these have 16; use .tif")
    if dtype.kind not in "biu":
        raise DtypeError(
            f"PNG holds integers of 8 and 16 bits and the plane is {dtype.name}; use .tif, "
            "or leave out raw=True for a rendered picture"
        )
    low, high = int(pixels.min()), int(pixels.max())
    fitting = "uint8" if high <= 255 else "uint16"
    if low < 0 or high > 65535 or (fitting == "uint16" and pixels.ndim > 2):
        raise DtypeError(
            f"PNG holds integers of 8 and 16 bits without sign, and the plane goes from {low} to "
            f"{high}; use .tif"
        )
    return pixels.astype(fitting), (f"{dtype.name} pixels are written as {fitting}: all fit",)


def _tiff_values(pixels: Array) -> tuple[Array, tuple[str, ...]]:
    if pixels.dtype == bool:
        return pixels.astype(np.uint8), ("bool pixels are written as uint8",)
    return pixels, ()


_RAW: Final = {".png": _png_values, ".tif": _tiff_values, ".tiff": _tiff_values}


def _write_png(path: Path, pixels: Array, density: Density | None) -> None:
    _pillow(path, pixels, "PNG", **({} if density is None else {"dpi": density.dpi}))


def _write_bmp(path: Path, pixels: Array, density: Density | None) -> None:
    _pillow(path, pixels, "BMP", **({} if density is None else {"dpi": density.dpi}))


def _write_jpeg(path: Path, pixels: Array, density: Density | None) -> None:
    options: dict[str, Any] = {"quality": 95, "subsampling": 0}
    if density is not None:
        options["exif"] = _exif(density)
        if max(density.dpi) <= _MAX_DPI:
            options["dpi"] = density.dpi
    _pillow(path, pixels, "JPEG", **options)


def _write_webp(path: Path, pixels: Array, density: Density | None) -> None:
    exif = {} if density is None else {"exif": _exif(density)}
    _pillow(path, pixels, "WEBP", lossless=True, quality=80, **exif)


def _pillow(path: Path, pixels: Array, format: str, **options: Any) -> None:
    from PIL import Image

    # By a stream: Pillow guesses nothing from the name then.
    with path.open("wb") as file:
        Image.fromarray(pixels).save(file, format=format, **options)


def _exif(density: Density) -> bytes:
    from PIL import Image
    from PIL.TiffImagePlugin import IFDRational

    exif = Image.Exif()
    for tag, value in ((_EXIF_X, density.x), (_EXIF_Y, density.y)):
        ratio = _ratio(value)
        exif[tag] = IFDRational(ratio.numerator, ratio.denominator)
    exif[_EXIF_UNIT] = _EXIF_CM
    return exif.tobytes()


def _ratio(value: float) -> Fraction:
    """Return `value` as a rational of 32-bit integers."""
    return Fraction(value).limit_denominator(max(1, int(2**31 / max(value, 1))))


def _write_tiff(path: Path, pixels: Array, density: Density | None) -> None:
    from tifffile import imwrite

    options: dict[str, Any] = {"photometric": "minisblack"}
    if pixels.ndim == 3:
        options = {"photometric": "rgb", "planarconfig": "contig"}
        if pixels.shape[2] == 4:
            options["extrasamples"] = ["unassalpha"]
    if density is not None:
        on_paper = density.of == "paper"
        values = density.dpi if on_paper else (density.x, density.y)
        options["resolution"] = tuple(_ratio(v).as_integer_ratio() for v in values)
        options["resolutionunit"] = "INCH" if on_paper else "CENTIMETER"
    imwrite(
        path,
        pixels,
        compression="zlib",
        predictor=pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 4,
        metadata=None,
        software=f"nbexport {__version__}",
        **options,
    )


_PNG: Final = _Kind("png", 2**31 - 1, "image/png", _write_png)
_JPEG: Final = _Kind("jpeg", 65500, "image/jpeg", _write_jpeg)
_TIFF: Final = _Kind("tiff", 2**31 - 1, None, _write_tiff)
_KINDS: Final = {
    ".png": _PNG,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".webp": _Kind("webp", 16383, "image/webp", _write_webp),
    ".bmp": _Kind("bmp", 2**31 - 1, "image/bmp", _write_bmp),
}
