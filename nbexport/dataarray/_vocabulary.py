"""Which words of dims, coords and attrs mean what: tables, no code.

Words are compared in lower case. A word belongs to one axis only; a test holds that.
"""

from __future__ import annotations

from typing import Final

AXIS_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "t": ("t", "time", "times", "timepoint", "timepoints", "time_point", "frame", "frames"),
    "c": (
        "c",
        "ch",
        "channel",
        "channels",
        "band",
        "bands",
        "wavelength",
        "wavelengths",
        "color",
        "colour",
        "λ",
    ),
    "z": (
        "z",
        "plane",
        "planes",
        "depth",
        "slice",
        "slices",
        "focus",
        "zplane",
        "z_plane",
        "section",
    ),
    "y": ("y", "row", "rows", "height"),
    "x": ("x", "col", "cols", "column", "columns", "width"),
    "s": ("s", "sample", "samples", "rgb", "rgba", "_s", "0"),  # "0" is czifile's before 2026
}

LABEL_WORDS: Final = ("label", "labels", "mask", "masks", "segmentation", "segmentations")
"""In a name or in ``attrs["kind"]``: the pixels are labels."""

UNIT_KEYS: Final = ("units", "unit")

NO_UNIT_WORDS: Final = (
    "",
    "none",
    "pixel",
    "pixels",
    "px",
    "index",
    "dimensionless",
    "1",
    "a.u.",
    "arbitrary",
    "reference frame",  # OME's word for it
)
"""Units that say that there is none."""

# What a coordinate along the channel axis, a scalar coordinate or an attribute of the array with
# one value a channel is called.
CHANNEL_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "label": ("channel_names", "channel_name", "channel_labels", "names"),
    "color": (
        "channel_colors",
        "channel_color",
        "channel_colours",
        "color",
        "colors",
        "colour",
        "colours",
    ),
    "window": (
        "contrast_limits",
        "channel_windows",
        "window",
        "windows",
        "clim",
        "clims",
        "display_range",
    ),
    "emission_nm": (
        "emission_nm",
        "emission",
        "emission_wavelength",
        "emission_wavelengths",
        "em_wavelength",
    ),
    "excitation_nm": (
        "excitation_nm",
        "excitation",
        "excitation_wavelength",
        "excitation_wavelengths",
        "ex_wavelength",
    ),
    "exposure_s": ("exposure", "exposure_s", "exposure_time", "exposure_times", "exposures"),
    "fluor": ("fluor", "fluors", "fluorophore", "fluorophores", "dye", "dyes"),
}

PIXEL_SIZE_WORDS: Final = (
    "pixel_size",
    "pixel_sizes",
    "physical_pixel_sizes",
    "pixelsize",
    "voxel_size",
    "spacing",
    "scale",
    "resolution_um",
)
"""Attributes of the array with a pixel size by axis."""

ACQUIRED_WORDS: Final = ("acquisition_date", "acquired", "datetime", "date", "start_time")
"""Attributes or scalar coords with the date of the recording."""
