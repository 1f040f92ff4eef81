"""The functions that make panels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport.errors import PlanError
from nbexport.panels._panel import Panel
from nbexport.panels._state import PanelState, format_of
from nbexport.stores import TargetPath


@names_nearest
def panel(
    da: xr.DataArray,
    target: TargetPath | None = None,
    *,
    state: PanelState | Mapping[str, Any] | str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Panel:
    """Return a panel that shows what will be written of `da`, and writes exactly that.

    Parameters
    ----------
    da
        See :func:`nbexport.describe`.
    target
        Where to write; its suffix decides the format. None: a name made from the image's.
    state
        What the panel is to mean at first: ``panel.state`` of another one, or its JSON.
    storage_options
        Used where the target is a URL: keys, tokens, an endpoint, as fsspec takes them. They stay
        in the kernel: neither the page, the state nor a saved notebook holds them, and the code
        line says ``storage_options=storage_options``.

    Returns
    -------
    Panel
        Shown by JupyterLab, Notebook 7 and voila; also works without being shown. Its ``state``
        can be read and set, ``code`` is the call it means, ``export()`` does what the button does.

    Raises
    ------
    PlanError
        If `target` has the suffix of no format, or `state` is none.

    Examples
    --------
    >>> import nbexport.testing
    >>> cells = nbexport.testing.cells()
    >>> shown = panel(cells, "cells.ome.tif", state={"crop": {"x": [0, 64]}})
    >>> shown.code
    'da.isel(x=slice(0, 64)).bioexport.ome_tiff("cells.ome.tif")'
    """
    given = state if isinstance(state, PanelState) else PanelState.from_json(state or {})
    if target is not None:
        text = os.fspath(target)
        kind = format_of(text)
        if kind is None:
            raise PlanError(
                f"target {text!r} ends as no format does; use for example '.ome.zarr' or '.ome.tif'"
            )
        given = replace(given, target=text, format=kind)
    return Panel(da, given, storage_options=storage_options)


@names_nearest
def preview(
    da: xr.DataArray, *, state: PanelState | Mapping[str, Any] | str | None = None
) -> Panel:
    """Return the picture of `da` with its sliders and channels, without the rest of the panel.

    Parameters
    ----------
    da, state
        See :func:`panel`.

    Returns
    -------
    Panel
        Shown small.
    """
    given = state if isinstance(state, PanelState) else PanelState.from_json(state or {})
    return Panel(da, given, parts=("picture", "channels"))


@names_nearest
def levels(da: xr.DataArray, *, state: PanelState | Mapping[str, Any] | str | None = None) -> Panel:
    """Return the levels of `da` as they would be written, each with its own picture.

    Parameters
    ----------
    da, state
        See :func:`panel`.

    Returns
    -------
    Panel
        A row a level; choosing one shows its pixels.
    """
    given = state if isinstance(state, PanelState) else PanelState.from_json(state or {})
    return Panel(da, given, parts=("picture", "levels"))
