"""OME-XML by ome-types.

Every id is given: ome-types counts missing ones up from a global, so that the second export of a
kernel would hold other bytes than the first. Source: the OME 2016-06 schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from ome_types import OME
from ome_types import model as om

from nbexport._version import __version__
from nbexport.metadata._ome_limits import OME_PIXEL_TYPES, legal_text
from nbexport.model import OME_SYMBOLS, Axis, ImageSpec, convert, is_length, is_time
from nbexport.plan import PyramidPlan

_NAMESPACE: Final = "nbexport"


def ome_xml(plan: PyramidPlan) -> str:
    """Return the OME-XML of the image that `plan` writes.

    Lengths are given in micrometres: readers exist that take the number and drop the unit
    (bioio-ome-tiff 1.4 reads 200 nm as 200). A size whose unit isn't known is given in OME's
    ``reference frame``, since no unit would mean micrometres. Times keep their unit.
    """
    return _document([plan.image], in_tiff=True)


def ome_xml_of_series(images: Sequence[ImageSpec]) -> str:
    """Return the OME-XML that lies beside the Zarr groups of `images`, one Image each, in order.

    It points at no pixels, and leaves the places of single planes to the groups' own metadata.
    """
    return _document(images, in_tiff=False)


def _document(images: Sequence[ImageSpec], *, in_tiff: bool) -> str:
    entries: list[om.Image] = []
    all_notes: list[om.MapAnnotation] = []
    for i, image in enumerate(images):
        notes = _annotations(image, len(all_notes))
        all_notes += notes
        entries.append(
            om.Image(
                id=f"Image:{i}",
                name=legal_text(image.name),
                acquisition_date=datetime.fromisoformat(image.acquired) if image.acquired else None,
                pixels=_pixels(image, i, in_tiff=in_tiff),
                annotation_refs=[om.AnnotationRef(id=note.id) for note in notes],
            )
        )
    ome = OME(
        creator=f"nbexport {__version__}",
        structured_annotations=om.StructuredAnnotations(map_annotations=all_notes)
        if all_notes
        else None,
        images=entries,
    )
    return ome.to_xml()


def _pixels(image: ImageSpec, index: int, *, in_tiff: bool) -> om.Pixels:
    sizes = {name: image.sizes.get(name, 1) for name in "tczyx"}
    samples = image.sizes.get("s", 1)
    time = image.axis("t")
    step: dict[str, Any] = {}
    for name in "xyz":
        axis = image.axis(name)
        if axis is not None and axis.calibrated:
            step[f"physical_size_{name}"], step[f"physical_size_{name}_unit"] = _length(
                axis, axis.scale
            )
    if time is not None and time.calibrated and time.unit and time.positions is None:
        step["time_increment"] = time.scale
        step["time_increment_unit"] = om.UnitsTime(OME_SYMBOLS[time.unit])
    if in_tiff:
        n_planes = sizes["t"] * sizes["c"] * sizes["z"]
        step["tiff_data_blocks"] = [om.TiffData(ifd=0, plane_count=n_planes)]
        step["planes"] = _planes(image, sizes)
    else:
        step["metadata_only"] = om.MetadataOnly()
    return om.Pixels(
        id=f"Pixels:{index}",
        dimension_order=om.Pixels_DimensionOrder.XYZCT,
        type=om.PixelType(OME_PIXEL_TYPES[image.dtype]),
        size_x=sizes["x"],
        size_y=sizes["y"],
        size_z=sizes["z"],
        size_c=sizes["c"] * samples,
        size_t=sizes["t"],
        interleaved=True if samples > 1 else None,
        channels=_channels(image, index, sizes["c"], samples),
        **step,
    )


def _length(axis: Axis, value: float) -> tuple[float, om.UnitsLength]:
    if axis.unit is not None and is_length(axis.unit):
        return convert(value, axis.unit, "micrometer"), om.UnitsLength.MICROMETER
    return value, om.UnitsLength.REFERENCEFRAME


def _channels(image: ImageSpec, index: int, n_channels: int, samples: int) -> list[om.Channel]:
    if not image.channels:
        return [
            om.Channel(id=f"Channel:{index}:{c}", samples_per_pixel=1) for c in range(n_channels)
        ]
    out = []
    for c, channel in enumerate(image.channels):
        extra: dict[str, Any] = {}
        if channel.emission_nm is not None and channel.emission_nm > 0:
            extra["emission_wavelength"] = channel.emission_nm
            extra["emission_wavelength_unit"] = om.UnitsLength.NANOMETER
        if channel.excitation_nm is not None and channel.excitation_nm > 0:
            extra["excitation_wavelength"] = channel.excitation_nm
            extra["excitation_wavelength_unit"] = om.UnitsLength.NANOMETER
        if channel.fluor is not None:
            extra["fluor"] = legal_text(channel.fluor)
        if samples == 1:
            extra["color"] = om.Color(f"#{channel.color}")
        out.append(
            om.Channel(
                id=f"Channel:{index}:{c}",
                name=legal_text(channel.label),
                samples_per_pixel=samples,
                **extra,
            )
        )
    return out


def _planes(image: ImageSpec, sizes: dict[str, int]) -> list[om.Plane]:
    """Return one Plane an IFD where there is something to say of single planes, else none."""
    x, y, z, t = (image.axis(name) for name in "xyzt")
    fixed: dict[str, Any] = {}
    for axis in (x, y):
        if axis is not None and axis.position(0) != 0:
            value, unit = _length(axis, axis.position(0))
            fixed[f"position_{axis.name}"], fixed[f"position_{axis.name}_unit"] = value, unit
    depth = z if z is not None and (z.positions is not None or z.position(0) != 0) else None
    timed = (
        t
        if t is not None and is_time(t.unit) and (t.positions is not None or t.position(0) != 0)
        else None
    )
    exposures = [c.exposure_s for c in image.channels]
    if not fixed and depth is None and timed is None and not any(exposures):
        return []
    planes = []
    for i in range(sizes["t"]):
        for c in range(sizes["c"]):
            for k in range(sizes["z"]):
                single = dict(fixed)
                if depth is not None:
                    single["position_z"], single["position_z_unit"] = _length(
                        depth, depth.position(k)
                    )
                if timed is not None and timed.unit is not None:
                    single["delta_t"] = timed.position(i)
                    single["delta_t_unit"] = om.UnitsTime(OME_SYMBOLS[timed.unit])
                if c < len(exposures) and exposures[c] is not None:
                    single["exposure_time"] = exposures[c]
                    single["exposure_time_unit"] = om.UnitsTime.SECOND
                planes.append(om.Plane(the_z=k, the_c=c, the_t=i, **single))
    return planes


def _annotations(image: ImageSpec, first: int) -> list[om.MapAnnotation]:
    """Return key-value annotations for what OME-XML has no field for, counted from `first`."""
    values = {
        f"window of channel {i}": json.dumps(channel.window)
        for i, channel in enumerate(image.channels)
        if channel.window is not None
    }
    maps = [("display", values), ("attributes", dict(image.attributes))]
    return [
        om.MapAnnotation(
            id=f"Annotation:{i}",
            namespace=f"{_NAMESPACE}/{kind}",
            value=om.Map(
                ms=[om.Map.M(k=legal_text(k), value=legal_text(v)) for k, v in pairs.items()]
            ),
        )
        for i, (kind, pairs) in enumerate(((kind, pairs) for kind, pairs in maps if pairs), first)
    ]
