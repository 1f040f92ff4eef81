"""The array door: arrays and keywords instead of a DataArray, as bioio and aicsimageio have it.

Modules, classes, parameters and errors are those of ``bioio.writers``, so that a script changes its
import line and nothing else. Each module is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbexport.writers._sizes import PhysicalPixelSizes
    from nbexport.writers.ome_tiff_writer import OmeTiffWriter
    from nbexport.writers.ome_zarr_writer import OmeZarrWriter
    from nbexport.writers.ome_zarr_writer_2 import OmeZarrWriter as OmeZarrWriter2
    from nbexport.writers.timeseries_writer import TimeseriesWriter
    from nbexport.writers.two_d_writer import TwoDWriter
    from nbexport.writers.writer import Writer

_HOME_OF = {
    "OmeTiffWriter": ("ome_tiff_writer", "OmeTiffWriter"),
    "OmeZarrWriter": ("ome_zarr_writer", "OmeZarrWriter"),
    "OmeZarrWriter2": ("ome_zarr_writer_2", "OmeZarrWriter"),
    "PhysicalPixelSizes": ("_sizes", "PhysicalPixelSizes"),
    "TimeseriesWriter": ("timeseries_writer", "TimeseriesWriter"),
    "TwoDWriter": ("two_d_writer", "TwoDWriter"),
    "Writer": ("writer", "Writer"),
}

__all__ = [
    "OmeTiffWriter",
    "OmeZarrWriter",
    "OmeZarrWriter2",
    "PhysicalPixelSizes",
    "TimeseriesWriter",
    "TwoDWriter",
    "Writer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nbexport.writers' has no attribute {name!r}")
    module, own = _HOME_OF[name]
    value = getattr(import_module(f"nbexport.writers.{module}"), own)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
