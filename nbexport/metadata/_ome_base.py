"""A source's OME metadata as the base of what is written: what fits stays, the rest is named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from nbexport.metadata._ome_limits import OME_PIXEL_TYPES
from nbexport.metadata._ome_rois import moved_rois
from nbexport.metadata._ome_tree import Element, copied, defined, referred
from nbexport.model import ImageSpec, SourceOme

_ROOT_LISTS: Final = (
    "projects",
    "datasets",
    "folders",
    "experiments",
    "plates",
    "screens",
    "experimenters",
    "experimenter_groups",
    "instruments",
    "rois",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeBase:
    """What remains of the OME metadata of one image's source.

    Attributes
    ----------
    source
        Where it is from; along ``c`` nothing is kept where the channels don't fit.
    elements
        Top-level elements by field of ``ome_types.OME``, annotations among them; nothing in them
        refers to what is gone.
    image
        The ``ome_types.model.Image``, its Pixels still the source's but without planes.
    rights
        The ``ome_types.model.Rights`` of the document.
    losses
        What can't be kept, a sentence each.
    """

    source: SourceOme
    elements: dict[str, list[Element]]
    image: Element
    rights: Element | None
    losses: tuple[str, ...]


def ome_base(image: ImageSpec) -> OmeBase | None:
    """Return what `image` keeps of its source's OME metadata; None where it came with none."""
    source = image.source_ome
    if source is None:
        return None
    losses = []
    n_channels = image.sizes.get("c", 1)
    n_samples = image.sizes.get("s", 1)
    theirs = source.image.pixels
    by_channel = theirs.size_c // max(len(theirs.channels), 1)
    kept = source.along("c")
    if kept is None or len(kept) != n_channels or (theirs.channels and by_channel != n_samples):
        source = replace(source, kept=(*((a, k) for a, k in source.kept if a != "c"), ("c", None)))
        if theirs.channels:
            losses.append(
                f"detectors, light paths and settings of the source's {len(theirs.channels)} "
                "channels were left out: coords don't tell which of them are written"
            )
    document = source.document
    bare = source.image.model_copy(update={"pixels": _without_planes(source)})
    rois, roi_losses = moved_rois(_own_rois(source), source)
    losses += roi_losses
    elements = {name: list(getattr(document, name)) for name in _ROOT_LISTS} | {"rois": rois}
    notes = document.structured_annotations
    elements["annotations"] = list(notes) if notes is not None else []
    once = {one.id for one in (*document.images, *document.rois)}
    once = once.union(*(defined(one) for found in elements.values() for one in found))
    _leave_out_other_images(elements, bare, source)
    image_element, missing = _without_loose_ends(elements, bare)
    dangling = missing - once
    if dangling:
        losses.append(
            f"references of the source's OME metadata to {_some(dangling)} were left out: there "
            "is nothing of that id"
        )
    if theirs.significant_bits is not None and theirs.type.value != OME_PIXEL_TYPES.get(
        image.dtype
    ):
        losses.append(
            f"SignificantBits={theirs.significant_bits} was left out: it was said of "
            f"{theirs.type.value} pixels, these are {image.dtype}"
        )
    return OmeBase(
        source=source,
        elements=elements,
        image=image_element,
        rights=document.rights,
        losses=tuple(losses),
    )


def _without_planes(source: SourceOme) -> Element:
    """Return the Pixels of `source` with the channels that are kept, and nothing of its storage."""
    pixels = source.image.pixels
    kept = source.along("c")
    channels = [pixels.channels[i] for i in kept or () if i < len(pixels.channels)]
    bare: dict[str, Any] = {
        "planes": [],
        "tiff_data_blocks": [],
        "bin_data_blocks": [],
        "metadata_only": None,
    }
    return pixels.model_copy(update={**bare, "channels": channels})


def _own_rois(source: SourceOme) -> list[Element]:
    """Return the ROIs of the image: those it refers to, and those that no image does."""
    document = source.document
    own = {ref.id for ref in source.image.roi_refs}
    others = {ref.id for image in document.images for ref in image.roi_refs} - own
    return [roi for roi in document.rois if roi.id not in others]


def _leave_out_other_images(
    elements: dict[str, list[Element]], image: Element, source: SourceOme
) -> None:
    """Drop from `elements` what only other images of the document are about."""
    others = [one for i, one in enumerate(source.document.images) if i != source.index]
    planes = source.image.pixels.planes
    own = referred(image) | {ref.id for plane in planes for ref in plane.annotation_refs}
    ours = _reached(elements, own)
    theirs = _reached(elements, set().union(*(referred(other) for other in others)))
    for name, found in elements.items():
        elements[name] = [one for one in found if not defined(one) & (theirs - ours)]
    gone = {other.id for other in others}
    elements["plates"] = [_plate_of(plate, gone) for plate in elements["plates"]]


def _reached(elements: dict[str, list[Element]], start: set[str]) -> set[str]:
    """Return the ids of all that is referred to from `start`, directly or through others."""
    everything = [(defined(one), referred(one)) for found in elements.values() for one in found]
    reached, more = set(start), True
    while more:
        more = False
        for own, onward in everything:
            if own & reached and not (own | onward) <= reached:
                reached |= own | onward
                more = True
    return reached


def _plate_of(plate: Element, gone: set[str]) -> Element:
    """Return `plate` without the fields, and wells, of images that are gone."""
    wells = []
    for well in plate.wells:
        samples = [
            s for s in well.well_samples if s.image_ref is None or s.image_ref.id not in gone
        ]
        if samples or not well.well_samples:
            wells.append(well.model_copy(update={"well_samples": samples}))
    return plate.model_copy(update={"wells": wells})


def _without_loose_ends(
    elements: dict[str, list[Element]], image: Element
) -> tuple[Element, set[str]]:
    """Replace `elements` by copies without references to nothing; return `image` so, and those."""
    loose: set[str] = set()
    while True:
        everything = [one for found in elements.values() for one in found]
        known = set().union(*map(defined, everything), defined(image))
        missing = set().union(*map(referred, everything), referred(image)) - known
        loose |= missing
        for name, found in elements.items():
            copies = [copied(one, known, {}) for one in found]
            elements[name] = [one for one in copies if one is not None]
        image = copied(image, known, {})
        if not missing:
            return image, loose


def _some(ids: set[str]) -> str:
    first = sorted(ids)[:3]
    return ", ".join(first) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
