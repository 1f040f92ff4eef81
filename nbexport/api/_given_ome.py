"""OME metadata that the caller gives: read, and checked against the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import xarray as xr

from nbexport.dataarray import Described, UnusableOmeError, parse_ome, read
from nbexport.errors import PlanError
from nbexport.metadata import ome_disagreements
from nbexport.model import Kind, SourceOme


def given_ome(ome_xml: Any, n_images: int, about: Mapping[str, Any]) -> Any:
    """Return the ``ome_types.OME`` that `ome_xml` is, or the text of.

    Parameters
    ----------
    ome_xml
        What the caller gave.
    n_images
        How many images are written.
    about
        Arguments that `ome_xml` answers, by name; none of them may be given beside it.

    Raises
    ------
    PlanError
        If it can't be used.
    """
    both = next((name for name, value in about.items() if value is not None), None)
    if both is not None:
        raise PlanError(
            f"{both}= is given beside ome_xml=, which is written as it is; "
            f"change the OME-XML, or leave one of them out"
        )
    ome = ome_xml
    if isinstance(ome_xml, str):
        try:
            ome, _ = parse_ome(ome_xml)
        except UnusableOmeError as error:
            raise PlanError(f"ome_xml can't be used: {error}") from error.__cause__
    elif not (hasattr(ome_xml, "images") and hasattr(ome_xml, "to_xml")):
        raise PlanError(
            f"ome_xml is {type(ome_xml).__name__}; give OME-XML as text, or an ome_types.OME"
        )
    if len(ome.images) != n_images:
        raise PlanError(
            f"ome_xml describes {len(ome.images)} images, {n_images} are written; give one Image "
            "for each, in their order"
        )
    return ome


def read_bare(
    da: xr.DataArray, ome: Any, index: int, dims: Mapping[str, str] | None, kind: Kind | None
) -> Described:
    """Return `da` as the `index`-th image of `ome` describes it: not its own coords and attrs.

    Of these only what decides between labels and intensities counts, which OME has no word for.
    """
    if not isinstance(da, xr.DataArray):
        return read(da)  # says so
    attrs = {key: da.attrs[key] for key in ("kind", "type") if key in da.attrs}
    one = ome.model_copy(update={"images": [ome.images[index]]})
    bare = xr.DataArray(da.variable.copy(deep=False), name=da.name)
    bare.attrs = {**attrs, "ome_xml": one}
    described = read(bare, dims=dims, kind=kind)
    name = ome.images[index].name or described.image.name
    return replace(described, image=replace(described.image, name=name, attributes=()))


def as_given(ome: Any, index: int, described: Described) -> Described:
    """Return `described`, to be written under the `index`-th image of `ome`.

    Raises
    ------
    PlanError
        If the two disagree; all attributes that do are named.
    """
    image = described.image
    wrong = ome_disagreements(ome.images[index], image.sizes, image.dtype)
    if wrong:
        of = f" of image {index}" if len(ome.images) > 1 else ""
        raise PlanError(
            f"ome_xml{of} does not describe these pixels: {'; '.join(wrong)}; "
            "change it, or leave it out"
        )
    source = SourceOme(document=ome, index=index, given=True)
    return replace(described, image=replace(image, source_ome=source))
