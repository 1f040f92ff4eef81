"""From an xarray.DataArray in a notebook to a complete OME-TIFF or OME-Zarr.

Importing this package registers ``da.bioexport``, ``ds.bioexport`` and ``dt.bioexport``; writers
and readers of files are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nbexport import accessor as _accessor  # noqa: F401 - registers the accessors
from nbexport._version import __version__

if TYPE_CHECKING:
    from nbexport.api import (
        plan_export,
        prepare_ome_zarr,
        render_figure,
        write_image,
        write_images,
        write_labels,
        write_movie,
        write_multiscales,
        write_ome_tiff,
        write_ome_zarr,
        write_plate,
    )
    from nbexport.dataarray import describe
    from nbexport.errors import (
        AxisError,
        ChannelError,
        ConflictingArgumentsError,
        DescribeError,
        DtypeError,
        ExportCancelled,
        ExportError,
        InvalidDimensionOrderingError,
        LossWarning,
        MissingPackageError,
        PlanError,
        SourceError,
        TargetError,
        TargetExistsError,
        UnexpectedShapeError,
        VerifyError,
    )
    from nbexport.model import Axis, Channel, ImageSpec
    from nbexport.plan import FramePlan, Level, PyramidPlan
    from nbexport.stores import Progress, WriteReport

_HOMES = {
    "nbexport.api": (
        "plan_export",
        "prepare_ome_zarr",
        "render_figure",
        "write_image",
        "write_images",
        "write_labels",
        "write_movie",
        "write_multiscales",
        "write_ome_tiff",
        "write_ome_zarr",
        "write_plate",
    ),
    "nbexport.dataarray": ("describe",),
    "nbexport.errors": (
        "AxisError",
        "ChannelError",
        "ConflictingArgumentsError",
        "DescribeError",
        "DtypeError",
        "ExportCancelled",
        "ExportError",
        "InvalidDimensionOrderingError",
        "LossWarning",
        "MissingPackageError",
        "PlanError",
        "SourceError",
        "TargetError",
        "TargetExistsError",
        "UnexpectedShapeError",
        "VerifyError",
    ),
    "nbexport.model": ("Axis", "Channel", "ImageSpec"),
    "nbexport.plan": ("FramePlan", "Level", "PyramidPlan"),
    "nbexport.stores": ("Progress", "WriteReport"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Axis",
    "AxisError",
    "Channel",
    "ChannelError",
    "ConflictingArgumentsError",
    "DescribeError",
    "DtypeError",
    "ExportCancelled",
    "ExportError",
    "FramePlan",
    "ImageSpec",
    "InvalidDimensionOrderingError",
    "Level",
    "LossWarning",
    "MissingPackageError",
    "PlanError",
    "Progress",
    "PyramidPlan",
    "SourceError",
    "TargetError",
    "TargetExistsError",
    "UnexpectedShapeError",
    "VerifyError",
    "WriteReport",
    "__version__",
    "describe",
    "plan_export",
    "prepare_ome_zarr",
    "render_figure",
    "write_image",
    "write_images",
    "write_labels",
    "write_movie",
    "write_multiscales",
    "write_ome_tiff",
    "write_ome_zarr",
    "write_plate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nbexport' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
