"""Imports go down the floors, never up or sideways; modules stay small and know no cycles.

Imports inside functions count; those under ``if TYPE_CHECKING`` do not: they never run.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "nbexport"
FLOORS = (
    ("errors", "_markup", "_numbers", "_version"),
    ("model", "_keywords", "_warn"),
    ("plan",),
    ("dataarray", "pixels", "metadata"),
    ("stores",),
    ("api",),
    ("writers", "panels", "testing"),
    ("accessor",),
    ("__init__",),
)
# The largest room has floors of its own.
STORES = (
    ("_interrupts", "_progress", "_report"),
    ("engine", "targets"),
    ("_verify",),
    ("media", "ome_tiff", "ome_zarr"),
    ("__init__",),
)
MAX_LINES = 500


def modules(root):
    """Return all modules below the package folder `root`, by dotted name."""
    found = {}
    above, parent = (root.name,), root.parent
    while (parent / "__init__.py").is_file():
        above, parent = (parent.name, *above), parent.parent
    for path in sorted(root.rglob("*.py")):
        parts = (*above, *path.relative_to(root).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def running_imports(tree):
    """Yield the import statements of `tree` that run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from running_imports(ast.Module([other], []))
        else:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield node
            yield from running_imports(node)


def imported(path, known):
    """Yield the modules among `known` that the module at `path` imports."""
    for node in running_imports(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            # `from package import name`: the module of that name where there is one.
            names = [name if name in known else node.module for name in below]
        yield from (name for name in names if name in known)


def misdirected(root, floors=FLOORS):
    """Return a sentence for each import that does not go to a lower floor."""
    known = modules(root)
    depth = min(name.count(".") for name in known) + 1
    floor_of = {room: floor for floor, rooms in enumerate(floors) for room in rooms}

    def room(name):
        return [*name.split("."), "__init__"][depth]

    found = []
    for name, path in known.items():
        here = room(name)
        if here not in floor_of:
            found.append(f"{name} stands on no floor")
            continue
        for target in imported(path, known):
            there = room(target)
            if there != here and floor_of.get(there, len(floors)) >= floor_of[here]:
                found.append(f"{name} on floor {floor_of[here]} imports {target}")
    return found


def cycle(root):
    """Return modules that import each other in a circle, first and last the same; or nothing."""
    known = modules(root)
    graph = {name: {t for t in imported(p, known) if t != name} for name, p in known.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return error.args[1]
    return []


def unkempt(root):
    """Return a sentence for each module that is too long, called utils, or imports relatively."""
    found = []
    for name, path in modules(root).items():
        text = path.read_text(encoding="utf-8")
        if (n := len(text.splitlines())) >= MAX_LINES:
            found.append(f"{name} has {n} lines")
        if path.stem.strip("_") == "utils":
            found.append(f"{name} is called utils")
        nodes = ast.walk(ast.parse(text))
        if any(isinstance(node, ast.ImportFrom) and node.level for node in nodes):
            found.append(f"{name} imports relatively")
    return found


def test_imports_go_to_lower_floors():
    assert misdirected(ROOT) == []
    assert misdirected(ROOT / "stores", STORES) == []


def test_no_import_cycles():
    assert cycle(ROOT) == []


def test_modules_are_small_and_import_absolutely():
    assert unkempt(ROOT) == []


# The checks must be able to fail: a small package that breaks one rule a time.
@pytest.fixture
def package(tmp_path):
    def make(files):
        root = tmp_path / "nbexport"
        sound = {"__init__.py": "", "errors.py": "", "model/__init__.py": "", "api.py": ""}
        for name, text in {**sound, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root

    return make


def test_sound_package_passes(package):
    root = package(
        {
            "__init__.py": "from nbexport import api",
            "api.py": "from nbexport.model import Axis\ndef f():\n    import nbexport.errors\n",
            "model/__init__.py": "from nbexport.model._axis import Axis\n",
            "model/_axis.py": (
                "from typing import TYPE_CHECKING\n"
                "from nbexport.errors import AxisError\n"
                "if TYPE_CHECKING:\n    from nbexport.api import Factors\n"
            ),
        }
    )
    assert (misdirected(root), cycle(root), unkempt(root)) == ([], [], [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model/_axis.py", "from nbexport.api import f"),  # upwards
        ("model/_axis.py", "from nbexport import api"),
        ("model/_axis.py", "import nbexport.api"),
        ("model/_axis.py", "from nbexport import describe"),  # the package itself is the top
        ("model/_axis.py", "def f():\n    from nbexport.api import f"),
        ("model/_axis.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import nbexport.api"),
        ("_markup.py", "from nbexport.errors import ExportError"),  # sideways
        ("helpers.py", ""),  # on no floor
    ],
)
def test_wrong_direction_is_found(package, name, text):
    (found,) = misdirected(package({name: text}))
    assert name.removesuffix(".py").replace("/", ".") in found


def test_floors_inside_a_room_are_held(package):
    inside = ("_report.py", "engine/__init__.py", "engine/_job.py", "targets/_local.py")
    sound = {"stores/__init__.py": "", **{f"stores/{name}": "" for name in inside}}
    wrong = {
        **sound,
        "stores/_report.py": "from nbexport.stores.engine import Job",
        "stores/engine/_job.py": "import nbexport.stores._report\nimport nbexport.stores.targets",
        "stores/targets/__init__.py": "from nbexport.stores.targets._local import LocalZarr",
    }
    assert misdirected(package(sound) / "stores", STORES) == []
    assert misdirected(package(wrong) / "stores", STORES) == [
        "nbexport.stores._report on floor 0 imports nbexport.stores.engine",
        "nbexport.stores.engine._job on floor 1 imports nbexport.stores.targets",
    ]


def test_cycle_is_found(package):
    circle = {"model/_a.py": "import nbexport.model._b", "model/_b.py": "import nbexport.model._a"}
    assert set(cycle(package(circle))) == {"nbexport.model._a", "nbexport.model._b"}


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("model/_utils.py", "", "utils"),
        ("model/_axis.py", "from . import _channel", "relatively"),
        ("model/_axis.py", "x = 1\n" * MAX_LINES, "lines"),
    ],
)
def test_untidy_module_is_found(package, name, text, word):
    (found,) = unkempt(package({name: text}))
    assert word in found
