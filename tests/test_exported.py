"""The public names: listed, sorted, lazily there; and the accessor says what the functions say."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import nbexport
import nbexport.panels
import nbexport.testing
from nbexport.accessor import BioExport

HEAVY = (
    "anywidget", "dask", "imagecodecs", "imageio", "ipywidgets", "matplotlib", "ome_types", "pint",
    "tifffile", "tqdm", "zarr",
)  # fmt: skip
DOORS = {
    "describe": nbexport.describe,
    "figure": nbexport.render_figure,
    "image": nbexport.write_image,
    "levels": nbexport.panels.levels,
    "movie": nbexport.write_movie,
    "ome_tiff": nbexport.write_ome_tiff,
    "ome_zarr": nbexport.write_ome_zarr,
    "plan": nbexport.plan_export,
    "panel": nbexport.panels.panel,
    "preview": nbexport.panels.preview,
}


@pytest.fixture(scope="module")
def cells():
    return nbexport.testing.cells(y=96, x=128)


def test_all_is_sorted_and_complete():
    assert nbexport.__all__ == sorted(set(nbexport.__all__))
    assert set(nbexport.__all__) == {*nbexport._HOME_OF, "__version__"}
    assert set(nbexport.__all__) <= set(dir(nbexport))


@pytest.mark.parametrize("name", nbexport.__all__)
def test_name_resolves(name):
    assert getattr(nbexport, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'nbexport' has no attribute 'write_gif'"):
        nbexport.write_gif  # noqa: B018


def test_type_checkers_see_the_lazy_names():
    tree = ast.parse(Path(nbexport.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    shown = {node.module: tuple(alias.name for alias in node.names) for node in block.body}
    assert shown == nbexport._HOMES


def test_import_loads_no_heavy_package():
    code = f"import sys, nbexport; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_method_is_a_function():
    methods = {name for name in vars(BioExport) if not name.startswith("_")}
    assert methods == DOORS.keys()


@pytest.mark.parametrize("method", DOORS)
def test_accessor_repeats_the_signature(method):
    functions, methods = (inspect.signature(f) for f in (DOORS[method], getattr(BioExport, method)))
    # Beside `da`, which is `self` here: names, kinds, defaults, annotations.
    assert [*functions.parameters.values()][1:] == [*methods.parameters.values()][1:]
    assert functions.return_annotation == methods.return_annotation


def test_accessor_describes_and_plans_as_the_functions(cells):
    options = {"name": "mine", "scale": 0.5, "units": "um", "channels": ["a", "b"]}
    assert cells.bioexport.describe(**options) == nbexport.describe(cells, **options)
    for kind in ("ome-tiff", "ome-zarr"):
        plan = cells.bioexport.plan(kind, levels=2, **options)
        assert plan == nbexport.plan_export(cells, kind, levels=2, **options)


@pytest.mark.parametrize(
    ("method", "name"), [("ome_tiff", "a.ome.tif"), ("ome_zarr", "a.ome.zarr")]
)
def test_accessor_writes_as_the_functions(cells, tmp_path, method, name):
    options = {"levels": 2, "channels": ["a", "b"], "progress": False, "compression": "none"}
    folders = [tmp_path / "accessor", tmp_path / "function"]
    for folder in folders:
        folder.mkdir()
    ours = getattr(cells.bioexport, method)(folders[0] / name, **options)
    theirs = DOORS[method](cells, folders[1] / name, **options)
    assert (ours.plan, ours.nbytes, ours.losses) == (theirs.plan, theirs.nbytes, theirs.losses)
    written = [
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in folders
    ]
    assert written[0] == written[1]


@pytest.mark.parametrize("door", ["accessor", "function"])
@pytest.mark.parametrize(
    ("method", "target", "wrong", "right"),
    [
        ("describe", (), "unit", "units"),
        ("plan", ("ome-tiff",), "level", "levels"),
        ("plan", ("ome-zarr",), "chunk", "chunks"),
        ("ome_tiff", ("a.ome.tif",), "tiles", "tile"),
        ("ome_zarr", ("a.ome.zarr",), "over_write", "overwrite"),
    ],
)
def test_unknown_keyword_names_the_nearest(cells, door, method, target, wrong, right):
    function = getattr(cells.bioexport, method) if door == "accessor" else DOORS[method]
    arguments = target if door == "accessor" else (cells, *target)
    with pytest.raises(TypeError, match=f"no keyword '{wrong}'; did you mean '{right}'"):
        function(*arguments, **{wrong: 1})


def test_dataset_and_datatree_describe_each_variable(cells):
    dataset = xr.Dataset({"a": cells, "b": cells.astype(np.uint8)})
    described = dataset.bioexport.describe()
    assert {name: image.dtype for name, image in described.items()} == {"a": "uint16", "b": "uint8"}
    tree = xr.DataTree.from_dict({"/well": dataset})
    assert tree.bioexport.describe() == {f"well/{n}": image for n, image in described.items()}
