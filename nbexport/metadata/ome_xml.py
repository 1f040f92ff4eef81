"""OME-XML by ome-types.

Every id is given: ome-types counts missing ones up from a global, so that the second export of a
kernel would hold other bytes than the first. Source: the OME 2016-06 schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import count
from typing import Any, Final

from ome_types import OME
from ome_types import model as om

from nbexport._version import __version__
from nbexport.metadata._ome_base import OmeBase, ome_base
from nbexport.metadata._ome_channels import ome_channels
from nbexport.metadata._ome_given import given_document
from nbexport.metadata._ome_limits import OME_PIXEL_TYPES, SYMBOL_UNITS, legal_text
from nbexport.metadata._ome_planes import PlaneTexts, length
from nbexport.metadata._ome_tree import copied, defined
from nbexport.model import OME_SYMBOLS, ImageSpec, convert, is_length

NAMESPACE: Final = "nbexport"


def ome_xml(images: Sequence[ImageSpec]) -> str:
    """Return the OME-XML of the TIFF that holds `images`, one after the other.

    Lengths are given in micrometres: readers exist that take the number and drop the unit
    (bioio-ome-tiff 1.4 reads 200 nm as 200). A size whose unit isn't known is given in OME's
    ``reference frame``, since no unit would mean micrometres. Times keep their unit. OME metadata
    that the caller gave is written as it is, but for what says where the pixels lie in the file.
    """
    if images[0].source_ome is not None and images[0].source_ome.given:
        return _with_planes(*given_document(images))
    return _document(images, in_tiff=True)


def ome_xml_of_series(images: Sequence[ImageSpec]) -> str:
    """Return the OME-XML that lies beside the Zarr groups of `images`, one Image each, in order.

    It points at no pixels, and leaves the places of single planes to the groups' own metadata.
    """
    return _document(images, in_tiff=False)


def _document(images: Sequence[ImageSpec], *, in_tiff: bool) -> str:
    gathered = _Gathered(images)
    entries: list[om.Image] = []
    planes: list[Iterable[str]] = []
    first_ifd = 0
    for i, (image, base) in enumerate(zip(images, gathered.bases, strict=True)):
        texts = PlaneTexts(image, base.source if base else None, gathered.names[i])
        pixels = _pixels(image, base, i, timed=texts.timed)
        n_planes = pixels.size_t * pixels.size_z * image.sizes.get("c", 1)
        if in_tiff:
            pixels.tiff_data_blocks = [om.TiffData(ifd=first_ifd, plane_count=n_planes)]
            first_ifd += n_planes
        else:
            pixels.metadata_only = om.MetadataOnly()
        planes.append(texts.elements() if in_tiff else ())
        entries.append(_image(image, base, i, pixels, gathered))
    notes = gathered.elements.pop("annotations")
    kept: dict[str, Any] = dict(gathered.elements)
    kept["rights"] = next((base.rights for base in gathered.bases if base and base.rights), None)
    if notes:
        kept["structured_annotations"] = om.StructuredAnnotations()
        kept["structured_annotations"].extend(notes)
    ome = OME(creator=f"nbexport {__version__}", images=entries, **kept)
    return _with_planes(ome, planes)


def _with_planes(ome: OME, planes: Iterable[Iterable[str]]) -> str:
    """Return the XML of `ome`, with the Plane elements of each image where they belong.

    They are the last in Pixels, and no other ``</Pixels>`` can come before those of the images.
    """
    head, *rest = ome.to_xml().split("    </Pixels>", len(ome.images))
    parts = [head]
    for elements, text in zip(planes, rest, strict=True):
        parts += [f"      {element}\n" for element in elements]
        parts += ["    </Pixels>", text]
    return "".join(parts)


class _Gathered:
    """The top-level elements of all images of a document, under ids that don't clash.

    Attributes
    ----------
    bases
        What each image keeps of its source.
    names
        By image, the ids of the source's elements to those in the document.
    elements
        By field of ``ome_types.OME``; annotations, which lie deeper, under ``annotations``.
    """

    def __init__(self, images: Sequence[ImageSpec]) -> None:
        self.bases = [ome_base(image) for image in images]
        self.names: list[dict[str, str]] = []
        self.elements: dict[str, list[Any]] = {"annotations": []}
        self._owner: dict[str, tuple[int, int]] = {}
        for i, base in enumerate(self.bases):
            self.names.append({} if base is None else self._add(base, i))

    def _add(self, base: OmeBase, index: int) -> dict[str, str]:
        document = id(base.source.document)
        names = {base.image.id: f"Image:{index}", base.image.pixels.id: f"Pixels:{index}"}
        for field, found in base.elements.items():
            # Regions are moved with the crop of each image, all else images of a file share.
            owner = (document, index if field == "rois" else -1)
            for name in set().union(*map(defined, found)):
                names[name] = name
                if self._owner.setdefault(name, owner) != owner:
                    names[name] = next(
                        n for k in count(1) if (n := f"{name}:{k}") not in self._owner
                    )
                    self._owner[names[name]] = owner
        for field, found in base.elements.items():
            kept = self.elements.setdefault(field, [])
            there = {one.id for one in kept}
            copies = [copied(one, names.keys(), names) for one in found]
            kept += [one for one in copies if one is not None and one.id not in there]
        return names

    def note(self, kind: str, pairs: dict[str, str]) -> om.AnnotationRef:
        """Add a key-value annotation, and return what refers to it."""
        name = next(
            n
            for k in count(len(self.elements["annotations"]))
            if (n := f"Annotation:{k}") not in self._owner
        )
        self._owner[name] = (0, 0)
        rows = [om.Map.M(k=legal_text(k), value=legal_text(v)) for k, v in pairs.items()]
        self.elements["annotations"].append(
            om.MapAnnotation(id=name, namespace=f"{NAMESPACE}/{kind}", value=om.Map(ms=rows))
        )
        return om.AnnotationRef(id=name)


def _image(
    image: ImageSpec, base: OmeBase | None, index: int, pixels: om.Pixels, gathered: _Gathered
) -> om.Image:
    fields: dict[str, Any] = {}
    if base is not None:
        names = gathered.names[index]
        theirs: Any = copied(base.image, names.keys() | defined(base.image), names)
        fields = {name: getattr(theirs, name) for name in theirs.model_fields_set}
    attributes = dict(image.attributes)
    described = next((k for k in attributes if k.lower() == "description"), None)
    if described is not None and isinstance(text := json.loads(attributes[described]), str):
        fields["description"] = legal_text(text)
        del attributes[described]
    windows = {
        f"window of channel {i}": json.dumps(channel.window)
        for i, channel in enumerate(image.channels)
        if channel.window is not None
    }
    refs = list(fields.get("annotation_refs", ()))
    for kind, pairs in (("display", windows), ("attributes", attributes)):
        if pairs:
            refs.append(gathered.note(kind, pairs))
    return om.Image(
        **fields
        | {
            "id": f"Image:{index}",
            "name": legal_text(image.name),
            "acquisition_date": datetime.fromisoformat(image.acquired) if image.acquired else None,
            "pixels": pixels,
            "annotation_refs": refs,
        }
    )


def _pixels(image: ImageSpec, base: OmeBase | None, index: int, *, timed: bool) -> om.Pixels:
    sizes = {name: image.sizes.get(name, 1) for name in "tczyx"}
    samples = image.sizes.get("s", 1)
    pixel_type = OME_PIXEL_TYPES[image.dtype]
    step: dict[str, Any] = {} if base is None else _kept_of_pixels(image, base, pixel_type)
    for name in "xyz":
        axis = image.axis(name)
        if axis is not None and axis.calibrated:
            step |= _physical_size(name, *length(axis, axis.scale))
    time = image.axis("t")
    if time is not None and time.calibrated and time.unit and time.positions is None:
        said = base is not None and base.source.image.pixels.time_increment is not None
        if said or not timed:  # times of planes are not to become an even step on the way
            step["time_increment"] = time.scale
            step["time_increment_unit"] = om.UnitsTime(OME_SYMBOLS[time.unit])
    return om.Pixels(
        id=f"Pixels:{index}",
        dimension_order=om.Pixels_DimensionOrder.XYZCT,
        type=om.PixelType(pixel_type),
        size_x=sizes["x"],
        size_y=sizes["y"],
        size_z=sizes["z"],
        size_c=sizes["c"] * samples,
        size_t=sizes["t"],
        interleaved=True if samples > 1 else None,
        channels=ome_channels(image, base, index),
        **step,
    )


def _kept_of_pixels(image: ImageSpec, base: OmeBase, pixel_type: str) -> dict[str, Any]:
    """Return what the source says of pixels and the axes of `image` don't."""
    theirs = base.source.image.pixels
    kept: dict[str, Any] = {}
    if theirs.significant_bits is not None and theirs.type.value == pixel_type:
        kept["significant_bits"] = theirs.significant_bits
    # A single plane of a stack has no axis z, and is as thick as it was.
    if image.axis("z") is None and theirs.physical_size_z and base.source.along("z") is not None:
        size, symbol = float(theirs.physical_size_z), theirs.physical_size_z_unit.value
        unit = SYMBOL_UNITS.get(symbol, "")
        if is_length(unit):
            size, symbol = convert(size, unit, "micrometer"), OME_SYMBOLS["micrometer"]
        kept |= _physical_size("z", size, symbol)
    if image.axis("t") is None and theirs.time_increment is not None:
        kept["time_increment"] = theirs.time_increment
        kept["time_increment_unit"] = theirs.time_increment_unit
    return kept


def _physical_size(name: str, size: float, symbol: str) -> dict[str, Any]:
    key = f"physical_size_{name}"
    return {key: size, f"{key}_unit": om.UnitsLength(symbol)}
