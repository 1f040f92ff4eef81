"""What tests compare with: plain numpy and other people's programs, nothing of nbexport's."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

import numpy as np

SHARED = Path(__file__).resolve().parents[2] / "shared"


def blocks_of(pixels: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    """Return the pixels of every block along a new last axis, in C order."""
    trimmed = pixels[
        tuple(slice(0, n // f * f) for n, f in zip(pixels.shape, factors, strict=True))
    ]
    split = [k for n, f in zip(trimmed.shape, factors, strict=True) for k in (n // f, f)]
    rank = len(factors)
    order = [2 * i for i in range(rank)] + [2 * i + 1 for i in range(rank)]
    grouped = trimmed.reshape(split).transpose(order)
    return grouped.reshape(*grouped.shape[:rank], -1)


def coarser(pixels: np.ndarray, factors: tuple[int, ...], method: str) -> np.ndarray:
    """Return the next level, by plain numpy."""
    factors = tuple(f if n >= f else 1 for n, f in zip(pixels.shape, factors, strict=True))
    blocks = blocks_of(pixels, factors)
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        if method == "nearest":
            return blocks[..., 0]
        if method == "mode":
            counts = (blocks[..., :, None] == blocks[..., None, :]).sum(-1)
            return np.take_along_axis(blocks, counts.argmax(-1)[..., None], -1)[..., 0]
        if method in ("max", "min"):
            function = np.nanmax if method == "max" else np.nanmin
            return function(blocks, axis=-1)
        function = np.nanmean if method == "mean" else np.nanmedian
        if pixels.dtype.kind in "iu":
            exact = np.asarray(blocks, dtype=object) if pixels.dtype.itemsize == 8 else blocks
            if method == "mean":
                n = blocks.shape[-1]
                total = exact.sum(-1) if exact.dtype == object else exact.sum(-1, dtype=np.int64)
                return ((2 * total + n) // (2 * n)).astype(pixels.dtype)
            return np.floor(function(blocks.astype(np.float64), axis=-1) + 0.5).astype(pixels.dtype)
        return function(blocks.astype(np.float64), axis=-1).astype(pixels.dtype)


def pyramid(pixels: np.ndarray, steps: list[tuple[int, ...]], method: str) -> list[np.ndarray]:
    """Return all levels, finest first; `steps` are the factors from one to the next."""
    levels = [pixels]
    for factors in steps:
        levels.append(coarser(levels[-1], factors, method))
    return levels


@cache
def ome_schema():
    """Return the OME 2016-06 XSD, which ome-types carries."""
    import ome_types
    from lxml import etree

    return etree.XMLSchema(etree.parse(Path(ome_types.__file__).with_name("ome-2016-06.xsd")))


def assert_valid_ome_xml(text: str) -> None:
    """Assert that `text` is valid against the OME XSD."""
    from lxml import etree

    schema = ome_schema()
    document = etree.fromstring(text.encode())
    assert schema.validate(document), schema.error_log


def assert_valid_ome_zarr(path: Path, version: str = "0.5") -> None:
    """Assert that the validators of other people that know `version` accept the image at `path`."""
    import ngff_zarr
    import ome_zarr_models
    import yaozarrs
    import zarr

    group = zarr.open_group(path, mode="r")
    models = getattr(ome_zarr_models, f"v{version.replace('.', '')}", None)
    if models is not None:  # 1.7, the last for Python 3.11, knows no 0.6
        models.Image.from_zarr(group)
    attributes = group.attrs.asdict()
    ngff_zarr.validate(attributes, version=version, model="image", strict=True)
    ngff_zarr.from_ngff_zarr(path, validate=True)
    if version != "0.6":
        yaozarrs.validate_zarr_store(path)
    for name in group.get("labels", {}):
        label = group[f"labels/{name}"]
        if models is not None:
            models.ImageLabel.from_zarr(label)
        ngff_zarr.validate(label.attrs.asdict(), version=version, model="label")
