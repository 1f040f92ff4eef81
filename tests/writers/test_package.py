"""The package has the names of the original, in modules of the same names, and loads lazily."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import nbexport.writers
from nbexport.writers._sizes import pixel_sizes

SEED = {
    "writer": ("Writer",),
    "ome_tiff_writer": ("OmeTiffWriter",),
    "ome_zarr_writer": ("OmeZarrWriter",),
    "ome_zarr_writer_2": ("OmeZarrWriter",),
    "timeseries_writer": ("TimeseriesWriter",),
    "two_d_writer": ("TwoDWriter",),
}


@pytest.mark.parametrize("module", SEED)
def test_modules_and_names(module):
    found = import_module(f"nbexport.writers.{module}")
    for name in SEED[module]:
        assert getattr(found, name).__module__ == f"nbexport.writers.{module}"


def test_names_of_the_package():
    package = nbexport.writers
    assert package.__all__ == sorted(package._HOME_OF)
    assert {"OmeTiffWriter", "OmeZarrWriter", "OmeZarrWriter2"} <= set(package.__all__)
    for name, (module, own) in package._HOME_OF.items():
        home = import_module(f"nbexport.writers.{module}")
        assert getattr(package, name) is getattr(home, own)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match=r"'nbexport\.writers' has no attribute 'GifWriter'"):
        package.GifWriter  # noqa: B018


def test_type_checkers_see_the_lazy_names():
    tree = ast.parse(Path(nbexport.writers.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    shown = {
        alias.asname or alias.name: (node.module.rpartition(".")[2], alias.name)
        for node in block.body
        for alias in node.names
    }
    assert shown == nbexport.writers._HOME_OF


def test_import_loads_no_heavy_package():
    heavy = ("dask", "imageio", "ome_types", "skimage", "tifffile", "zarr")
    code = (
        "import sys; from nbexport.writers import OmeTiffWriter, TimeseriesWriter, TwoDWriter; "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pixel_sizes_unpack_as_the_originals():
    sizes = nbexport.writers.PhysicalPixelSizes(Z=3.0, Y=2.0, X=None)
    z, y, x = sizes
    assert (z, y, x) == (sizes.Z, sizes.Y, sizes.X) == (3.0, 2.0, None)
    assert pixel_sizes(sizes) == pixel_sizes([3, 2, 0]) == sizes
    assert pixel_sizes(None) == (None, None, None)
