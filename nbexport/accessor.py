"""The xarray door: ``da.bioexport``, one line a method.

The accessors hold the object and nothing else: their state would survive pickling and vanish on
``copy()``. Signatures repeat the functions' (Shift-Tab shows them); a test holds both equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport._markup import Markup, bullets, page, strong

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nbexport.api import (
        Corners,
        Factors,
        Montage,
        PerChannel,
        Region,
        Shards,
        VisibleWish,
        WindowWish,
    )
    from nbexport.dataarray import ChannelWish, Numbers, Units
    from nbexport.model import ImageSpec, Kind
    from nbexport.panels import Panel, PanelState
    from nbexport.plan import Method, Projection, PyramidPlan
    from nbexport.stores import ProgressOption, Quality, TargetPath, VerifyOption, WriteReport


@xr.register_dataarray_accessor("bioexport")  # type: ignore[no-untyped-call]
class BioExport:
    """Export this DataArray; shown by itself, it says what was understood of it."""

    def __init__(self, obj: xr.DataArray) -> None:
        self._obj = obj

    @names_nearest
    def describe(
        self,
        *,
        name: str | None = None,
        dims: Mapping[str, str] | None = None,
        scale: Numbers = None,
        translation: Numbers = None,
        units: Units = None,
        channels: Sequence[ChannelWish] | None = None,
        kind: Kind | None = None,
    ) -> ImageSpec:
        """Call :func:`nbexport.describe` with this DataArray."""
        return cast("ImageSpec", _call("nbexport.dataarray", "describe", locals()))

    def plan(self, format: Literal["ome-zarr", "ome-tiff"], **options: Any) -> PyramidPlan:
        """Call :func:`nbexport.plan_export` with this DataArray."""
        return cast("PyramidPlan", _call("nbexport.api", "plan_export", locals()))

    @names_nearest
    def ome_zarr(
        self,
        target: TargetPath,
        *,
        version: str = "0.5",
        levels: int | None = None,
        factors: Factors = None,
        method: Method | None = None,
        chunks: Sequence[int] | Mapping[str, int] | None = None,
        shards: Shards = None,
        compression: Any = "blosc-zstd",
        compression_level: int | None = None,
        skip_empty: bool = False,
        labels: Mapping[str, xr.DataArray] | None = None,
        region: Region | None = None,
        overwrite: bool = False,
        resume: bool = False,
        verify: VerifyOption = False,
        retries: int = 0,
        progress: ProgressOption = None,
        workers: int | None = None,
        client: Any = None,
        memory_budget: str | int = "1 GiB",
        storage_options: Mapping[str, Any] | None = None,
        name: str | None = None,
        dims: Mapping[str, str] | None = None,
        scale: Numbers = None,
        translation: Numbers = None,
        units: Units = None,
        channels: Sequence[ChannelWish] | None = None,
        kind: Kind | None = None,
    ) -> WriteReport:
        """Call :func:`nbexport.write_ome_zarr` with this DataArray."""
        return cast("WriteReport", _call("nbexport.api", "write_ome_zarr", locals()))

    @names_nearest
    def ome_tiff(
        self,
        target: TargetPath,
        *,
        levels: int | None = None,
        factors: Factors = None,
        method: Method | None = None,
        tile: tuple[int, int] = (512, 512),
        compression: str = "zlib",
        compression_level: int | None = None,
        predictor: bool | None = None,
        bigtiff: bool | None = None,
        ome_xml: Any = None,
        overwrite: bool = False,
        verify: VerifyOption = False,
        retries: int = 0,
        progress: ProgressOption = None,
        workers: int | None = None,
        memory_budget: str | int = "1 GiB",
        storage_options: Mapping[str, Any] | None = None,
        name: str | None = None,
        dims: Mapping[str, str] | None = None,
        scale: Numbers = None,
        translation: Numbers = None,
        units: Units = None,
        channels: Sequence[ChannelWish] | None = None,
        kind: Kind | None = None,
    ) -> WriteReport:
        """Call :func:`nbexport.write_ome_tiff` with this DataArray."""
        return cast("WriteReport", _call("nbexport.api", "write_ome_tiff", locals()))

    @names_nearest
    def panel(
        self,
        target: TargetPath | None = None,
        *,
        state: PanelState | Mapping[str, Any] | str | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Panel:
        """Call :func:`nbexport.panels.panel` with this DataArray."""
        return cast("Panel", _call("nbexport.panels", "panel", locals()))

    @names_nearest
    def preview(self, *, state: PanelState | Mapping[str, Any] | str | None = None) -> Panel:
        """Call :func:`nbexport.panels.preview` with this DataArray."""
        return cast("Panel", _call("nbexport.panels", "preview", locals()))

    @names_nearest
    def levels(self, *, state: PanelState | Mapping[str, Any] | str | None = None) -> Panel:
        """Call :func:`nbexport.panels.levels` with this DataArray."""
        return cast("Panel", _call("nbexport.panels", "levels", locals()))

    @names_nearest
    def movie(
        self,
        target: TargetPath,
        *,
        along: str | None = None,
        sel: Mapping[str, int] | None = None,
        project: Mapping[str, Projection] | None = None,
        visible: VisibleWish = None,
        window: WindowWish = None,
        cmap: str | None = None,
        gamma: PerChannel = 1.0,
        fps: float | None = None,
        speed: float | None = None,
        codec: str | None = None,
        quality: Quality = "medium",
        crf: int | None = None,
        size: tuple[int, int] | int | None = None,
        zoom: float | None = None,
        scale_bar: bool | str = False,
        timestamp: bool = False,
        legend: bool = False,
        text: str | None = None,
        corner: Corners = None,
        overlay_color: str = "white",
        overwrite: bool = False,
        progress: ProgressOption = None,
        workers: int | None = None,
        memory_budget: str | int = "256 MiB",
        storage_options: Mapping[str, Any] | None = None,
        name: str | None = None,
        dims: Mapping[str, str] | None = None,
        scale: Numbers = None,
        translation: Numbers = None,
        units: Units = None,
        channels: Sequence[ChannelWish] | None = None,
        kind: Kind | None = None,
    ) -> WriteReport:
        """Call :func:`nbexport.write_movie` with this DataArray."""
        return cast("WriteReport", _call("nbexport.api", "write_movie", locals()))

    @names_nearest
    def image(
        self,
        target: TargetPath,
        *,
        sel: Mapping[str, int] | None = None,
        project: Mapping[str, Projection] | None = None,
        visible: VisibleWish = None,
        window: WindowWish = None,
        cmap: str | None = None,
        gamma: PerChannel = 1.0,
        size: tuple[int, int] | int | None = None,
        zoom: float | None = None,
        dpi: float | None = None,
        scale_bar: bool | str = False,
        timestamp: bool = False,
        legend: bool = False,
        text: str | None = None,
        corner: Corners = None,
        overlay_color: str = "white",
        montage: Montage = None,
        columns: int | None = None,
        raw: bool = False,
        overwrite: bool = False,
        workers: int | None = None,
        memory_budget: str | int = "256 MiB",
        storage_options: Mapping[str, Any] | None = None,
        name: str | None = None,
        dims: Mapping[str, str] | None = None,
        scale: Numbers = None,
        translation: Numbers = None,
        units: Units = None,
        channels: Sequence[ChannelWish] | None = None,
        kind: Kind | None = None,
    ) -> WriteReport:
        """Call :func:`nbexport.write_image` with this DataArray."""
        return cast("WriteReport", _call("nbexport.api", "write_image", locals()))

    @names_nearest
    def figure(
        self,
        *,
        apart: bool = False,
        sel: Mapping[str, int] | None = None,
        project: Mapping[str, Projection] | None = None,
        visible: VisibleWish = None,
        window: WindowWish = None,
        cmap: str | None = None,
        gamma: PerChannel = 1.0,
        scale_bar: bool | str = True,
        color: str = "white",
        figsize: tuple[float, float] | None = None,
        name: str | None = None,
        dims: Mapping[str, str] | None = None,
        scale: Numbers = None,
        translation: Numbers = None,
        units: Units = None,
        channels: Sequence[ChannelWish] | None = None,
        kind: Kind | None = None,
    ) -> Figure:
        """Call :func:`nbexport.render_figure` with this DataArray."""
        return cast("Figure", _call("nbexport.api", "render_figure", locals()))

    def __repr__(self) -> str:
        image = _understood(self._obj)
        return f"<bioexport of {image!r}>" if not isinstance(image, Exception) else str(image)

    def _repr_html_(self) -> str:
        return _shown(self._obj)


@xr.register_dataset_accessor("bioexport")  # type: ignore[no-untyped-call]
class DatasetBioExport:
    """Each data variable of this Dataset is one image."""

    def __init__(self, obj: xr.Dataset) -> None:
        self._obj = obj

    def describe(self) -> dict[str, ImageSpec]:
        """Call :func:`nbexport.describe` with each data variable."""
        from nbexport.dataarray import describe

        return {str(name): describe(da) for name, da in self._obj.data_vars.items()}

    @names_nearest
    def ome_zarr(
        self,
        target: TargetPath,
        *,
        version: str = "0.5",
        levels: int | None = None,
        factors: Factors = None,
        method: Method | None = None,
        chunks: Sequence[int] | Mapping[str, int] | None = None,
        shards: Shards = None,
        compression: Any = "blosc-zstd",
        compression_level: int | None = None,
        skip_empty: bool = False,
        overwrite: bool = False,
        resume: bool = False,
        verify: VerifyOption = False,
        retries: int = 0,
        progress: ProgressOption = None,
        workers: int | None = None,
        client: Any = None,
        memory_budget: str | int = "1 GiB",
        storage_options: Mapping[str, Any] | None = None,
    ) -> WriteReport:
        """Call :func:`nbexport.write_images` with this Dataset."""
        return cast("WriteReport", _call("nbexport.api", "write_images", locals()))

    @names_nearest
    def ome_tiff(
        self,
        target: TargetPath,
        *,
        levels: int | None = None,
        factors: Factors = None,
        method: Method | None = None,
        tile: tuple[int, int] = (512, 512),
        compression: str = "zlib",
        compression_level: int | None = None,
        predictor: bool | None = None,
        bigtiff: bool | None = None,
        ome_xml: Any = None,
        overwrite: bool = False,
        verify: VerifyOption = False,
        retries: int = 0,
        progress: ProgressOption = None,
        workers: int | None = None,
        memory_budget: str | int = "1 GiB",
        storage_options: Mapping[str, Any] | None = None,
        name: str | None = None,
        dims: Mapping[str, str] | None = None,
        scale: Numbers = None,
        translation: Numbers = None,
        units: Units = None,
        channels: Sequence[ChannelWish] | None = None,
        kind: Kind | None = None,
    ) -> WriteReport:
        """Call :func:`nbexport.write_ome_tiff` with this Dataset."""
        return cast("WriteReport", _call("nbexport.api", "write_ome_tiff", locals()))

    def _repr_html_(self) -> str:
        return page("Dataset", *(_shown(da) for da in self._obj.data_vars.values()))


@xr.register_datatree_accessor("bioexport")  # type: ignore[no-untyped-call]
class DataTreeBioExport:
    """Each data variable of each node of this DataTree is one image."""

    def __init__(self, obj: xr.DataTree) -> None:
        self._obj = obj

    def describe(self) -> dict[str, ImageSpec]:
        """Call :func:`nbexport.describe` with each data variable, keyed by its path."""
        from nbexport.dataarray import describe

        return {path: describe(da) for path, da in _leaves(self._obj)}

    @names_nearest
    def ome_zarr(
        self,
        target: TargetPath,
        *,
        version: str = "0.5",
        chunks: Sequence[int] | Mapping[str, int] | None = None,
        shards: Shards = None,
        compression: Any = "blosc-zstd",
        compression_level: int | None = None,
        skip_empty: bool = False,
        overwrite: bool = False,
        resume: bool = False,
        verify: VerifyOption = False,
        retries: int = 0,
        progress: ProgressOption = None,
        workers: int | None = None,
        client: Any = None,
        memory_budget: str | int = "1 GiB",
        storage_options: Mapping[str, Any] | None = None,
        name: str | None = None,
        dims: Mapping[str, str] | None = None,
        scale: Numbers = None,
        translation: Numbers = None,
        units: Units = None,
        channels: Sequence[ChannelWish] | None = None,
        kind: Kind | None = None,
    ) -> WriteReport:
        """Call :func:`nbexport.write_multiscales` with this DataTree."""
        return cast("WriteReport", _call("nbexport.api", "write_multiscales", locals()))

    def _repr_html_(self) -> str:
        return page("DataTree", *(_shown(da) for _, da in _leaves(self._obj)))


def _call(module: str, function: str, arguments: dict[str, Any]) -> Any:
    """Call `function` with an accessor method's own arguments; `module` is imported here.

    The methods' signatures stand for the reader and for Shift-Tab; handing each argument on by
    name would say them a third time.
    """
    obj = arguments.pop("self")._obj
    arguments |= arguments.pop("options", {})
    return getattr(import_module(module), function)(obj, **arguments)


def _leaves(tree: xr.DataTree) -> list[tuple[str, xr.DataArray]]:
    """Return (path, DataArray) of all data variables below `tree`."""
    return [
        (f"{node.path}/{name}".lstrip("/"), da)
        for node in tree.subtree
        for name, da in node.data_vars.items()
    ]


def _understood(da: xr.DataArray) -> ImageSpec | Exception:
    from nbexport.dataarray import read
    from nbexport.errors import ExportError

    try:
        return read(da).image
    except ExportError as error:  # a repr says what is wrong, and never raises
        return error


def _shown(da: xr.DataArray) -> Markup:
    image = _understood(da)
    if isinstance(image, Exception):
        problems = getattr(image, "problems", (image,))
        return page(strong(da.name), bullets("Can't be exported yet", problems))
    return Markup(image._repr_html_())
