"""What comes with an image is data: never code, never a path, never a secret in a text."""

from __future__ import annotations

import ast
import json
import logging
import os
import stat
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import nbexport
import nbexport.testing
from nbexport import ExportError, PlanError
from nbexport.dataarray._unit import UnknownUnitError, parse_unit

PACKAGE = Path(nbexport.__file__).parent
EVIL = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"
LINUX = pytest.mark.skipif(os.name != "posix", reason="modes and signals of POSIX")


def evil(name=EVIL) -> xr.DataArray:
    """Return an image each text of which is code for somebody."""
    pixels = np.arange(2 * 3 * 40 * 50, dtype="uint16").reshape(3, 2, 40, 50)
    return xr.DataArray(
        pixels,
        dims=("t", "c", "y", "x"),
        coords={
            "c": [EVIL, "b"],
            "x": ("x", np.arange(50.0), {"units": EVIL}),
            "t": ("t", np.arange(3.0), {"units": "s"}),
            EVIL: ("t", [EVIL] * 3),
        },
        attrs={EVIL: EVIL, "note": {EVIL: [EVIL]}, "acquisition_date": EVIL},
        name=name,
    )


class Tags(HTMLParser):
    """The elements and the handlers of a text as a browser finds them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.handlers: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)
        self.handlers += [key for key, _ in attrs if key.startswith("on")]


OURS = {
    *("div", "b", "table", "thead", "tbody", "tr", "th", "td", "span", "ul", "li"),
    *("a", "video", "img", "pre", "code", "style"),
}


def assert_harmless(html: str) -> None:
    tags = Tags(html)
    assert tags.found <= OURS
    assert tags.handlers == []
    assert "img" not in tags.found or "data:image" in html


# -- HTML


@pytest.mark.filterwarnings("ignore::nbexport.LossWarning")
def test_specs_and_plans_are_escaped():
    image = nbexport.describe(evil())
    shown = [
        image,
        nbexport.plan_export(evil(), "ome-zarr"),
        nbexport.plan_export(evil(), "ome-tiff"),
    ]
    for value in shown:
        html = value._repr_html_()
        assert_harmless(html)
        assert "&lt;script&gt;" in html
    assert_harmless(
        evil().bioexport._repr_html_() if hasattr(evil().bioexport, "_repr_html_") else ""
    )


@pytest.mark.filterwarnings("ignore::nbexport.LossWarning")
@pytest.mark.parametrize(
    ("write", "suffix"),
    [
        (nbexport.write_ome_zarr, ".ome.zarr"),
        (nbexport.write_ome_tiff, ".ome.tif"),
        (nbexport.write_movie, ".mp4"),
        (nbexport.write_image, ".png"),
    ],
)
@pytest.mark.parametrize("here", [False, True], ids=["elsewhere", "below the notebook"])
def test_reports_are_escaped(write, suffix, here, tmp_path, monkeypatch):
    """A path below the notebook's folder becomes a link."""
    if here:
        monkeypatch.chdir(tmp_path)
    quiet = {} if write is nbexport.write_image else {"progress": False}
    target = tmp_path / f"{EVIL.replace('/', '')}{suffix}"
    report = write(evil(), target, **quiet)
    html = report._repr_html_()
    assert_harmless(html)
    assert "&lt;script&gt;" in html


def test_escaping_that_is_left_out_would_be_found():
    """The checks above can fail."""
    with pytest.raises(AssertionError):
        assert_harmless(f"<div>{EVIL}</div>")


def test_code_for_a_notebook_holds_names_as_literals():
    """What the panel offers for copying is one call, whatever the names in it are."""
    from nbexport.panels._code import Call

    for text in (EVIL, "'); import os; os.abort(); ('", "\\", "a\nb", "{0}", "\u202e"):
        call = Call(
            format="ome-zarr", target=text, indexers={"y": slice(0, 3)}, options={"name": text}
        )
        (statement,) = ast.parse(call.text).body
        assert isinstance(statement.value, ast.Call)
        names = {ast.literal_eval(k.value) for k in statement.value.keywords}
        assert names == {text}
        assert ast.literal_eval(statement.value.args[0]) == text


# -- code


FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "system", "popen", "mktemp"}
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "cloudpickle", "dill", "commands"}


def offences(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            module = node.module if isinstance(node, ast.ImportFrom) else None
            roots = {name.split(".")[0] for name in ([module] if module else names)}
            found += [f"{node.lineno}: import of {name}" for name in roots & FORBIDDEN_IMPORTS]
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            is_regex = isinstance(called, ast.Attribute) and name == "compile"
            if name in FORBIDDEN_CALLS and not is_regex:
                found.append(f"{node.lineno}: call of {name}")
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                if keyword.arg in ("shell", "allow_pickle") and value is not False:
                    found.append(f"{node.lineno}: {keyword.arg}={value}")
    return found


def test_nothing_runs_what_it_reads():
    found = {
        str(path.relative_to(PACKAGE)): bad
        for path in PACKAGE.rglob("*.py")
        if (bad := offences(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "code",
    [
        "eval('1')",
        "import pickle",
        "from pickle import loads",
        "import subprocess as s\ns.run('ls', shell=True)",
        "import os\nos.system('ls')",
        "import numpy as np\nnp.load('a', allow_pickle=True)",
    ],
)
def test_code_that_runs_what_it_reads_would_be_found(code):
    assert len(offences(code)) == 1


def test_ffmpeg_gets_a_name_as_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "$(touch owned);-i `touch owned`|&.mp4"
    nbexport.write_movie(nbexport.testing.cells(t=2, c=1, y=16, x=16), name, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]


# -- texts that a parser takes for a program


@pytest.mark.parametrize("text", ["9**9**9**9", "um**9**9**9", "(" * 999, "m⁹⁹⁹", "1e999 um", "\0"])
def test_a_unit_is_never_computed(text):
    """pint computes what it parses, and would not come back from the first of these."""
    with pytest.raises(UnknownUnitError):
        parse_unit(text)


XML_BOMB = (
    '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "&a;"}">' for i in range(12))
    + "]><OME>&a11;</OME>"
)
XXE = '<!DOCTYPE OME [<!ENTITY a SYSTEM "file:///etc/passwd">]><OME>&a;</OME>'


@pytest.mark.parametrize("xml", [XML_BOMB, XXE], ids=["bomb", "file"])
def test_entities_of_given_xml_are_refused(xml, tmp_path):
    da = nbexport.testing.cells(y=16, x=16)
    with pytest.raises(PlanError, match=r"has a DTD \(<!DOCTYPE OME>\)"):
        nbexport.write_ome_tiff(da, tmp_path / "a.ome.tif", ome_xml=xml, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::nbexport.LossWarning")
@pytest.mark.parametrize("key", ["processed", "unprocessed", "ome_metadata", "ome", "ome_xml"])
@pytest.mark.parametrize("xml", [XML_BOMB, XXE], ids=["bomb", "file"])
def test_entities_of_a_files_own_xml_are_never_resolved(key, xml, tmp_path):
    """The image is written, its broken metadata are not followed."""
    da = nbexport.testing.cells(y=16, x=16).assign_attrs({key: xml})
    report = nbexport.write_ome_tiff(da, tmp_path / "a.ome.tif", progress=False)
    content = Path(report.target).read_bytes()
    assert b"root:" not in content
    assert len(content) < 100_000


# -- paths


@pytest.mark.filterwarnings("ignore::nbexport.LossWarning")
@pytest.mark.parametrize(
    "name", ["../../x", "/tmp/nbexport-owned", "a/../../b", "..", "C:\\x", "\0"]
)
def test_names_of_images_are_never_paths(name, tmp_path):
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    da = evil(name).drop_vars(EVIL)
    nbexport.write_ome_zarr(da, folder / "a.ome.zarr", progress=False)
    nbexport.write_ome_zarr(da, folder / "a.ozx", progress=False)
    nbexport.write_ome_tiff(da, folder / "a.ome.tif", progress=False)
    nbexport.write_image(da, folder / "a.png")
    nbexport.write_movie(da, folder / "a.gif", progress=False)
    for label in ("name", "labels", "images"):
        target = folder / f"{label}.ome.zarr"
        try:
            if label == "labels":
                mask = nbexport.testing.labels(y=40, x=50).drop_vars(["x", "y"])
                nbexport.write_ome_zarr(
                    da.drop_vars(["x"]), target, labels={name: mask}, progress=False
                )
            elif label == "images":
                nbexport.write_images({name: da}, target, progress=False)
            else:
                nbexport.write_ome_zarr(da, target, name=name, progress=False)
        except ExportError:  # a label is a folder: its name may be refused
            assert label == "labels"
            assert not target.exists()
    inside = {p for p in tmp_path.rglob("*") if folder in p.parents} | {
        folder,
        folder.parent,
        folder.parent.parent,
    }
    assert set(tmp_path.rglob("*")) == inside
    assert not Path("/tmp/nbexport-owned").exists()


@pytest.mark.parametrize("row", ["..", "../A", "/", "A/1", "", ".zattrs"])
def test_rows_of_a_plate_are_never_paths(row, tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    field = nbexport.testing.cells(c=1, y=16, x=16)
    with pytest.raises(ExportError):
        nbexport.write_plate({(row, 1, 0): field}, folder / "p.ome.zarr", progress=False)
    assert list(tmp_path.rglob("*")) == [folder]


@pytest.mark.filterwarnings("ignore::nbexport.LossWarning")
def test_members_of_an_ozx_stay_inside(tmp_path):
    labels = {"a": nbexport.testing.labels(y=40, x=50).drop_vars(["x", "y"])}
    da = evil("../../x").drop_vars([EVIL, "x"])
    nbexport.write_ome_zarr(da, tmp_path / "a.ozx", labels=labels, progress=False)
    with zipfile.ZipFile(tmp_path / "a.ozx") as file:
        for member in file.infolist():
            parts = member.filename.split("/")
            assert "" not in parts[:-1]
            assert not {"..", "."} & set(parts)
            assert "\\" not in member.filename
            assert not stat.S_ISLNK(member.external_attr >> 16)


# -- files on the way


@LINUX
@pytest.mark.parametrize(
    ("write", "name"),
    [
        (nbexport.write_ome_zarr, "a.ome.zarr"),
        (nbexport.write_ome_zarr, "a.ozx"),
        (nbexport.write_ome_tiff, "a.ome.tif"),
        (nbexport.write_movie, "a.mp4"),
        (nbexport.write_ome_tiff, "memory://secret.ome.tif"),
    ],
)
def test_nobody_else_reads_what_is_not_there_yet(write, name, tmp_path, monkeypatch):
    """A partial export in a shared folder, or in /tmp, is its owner's alone."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = {}

    def look(progress):
        for path in tmp_path.iterdir():
            seen[path.name] = stat.S_IMODE(path.stat().st_mode)

    before = os.umask(0o022)
    try:
        target = name if "://" in name else tmp_path / name
        da = nbexport.testing.cells(t=3, c=1, y=16, x=16)
        write(da, target, progress=look)
    finally:
        os.umask(before)
    partial = {k: oct(mode) for k, mode in seen.items() if k != Path(name).name}
    assert partial
    assert set(partial.values()) <= {oct(0o700), oct(0o600)}  # folders, and their locks


@LINUX
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_what_is_there_has_the_users_own_mode(umask, tmp_path):
    """The privacy of the partial export does not stick to the finished one."""
    before = os.umask(umask)
    try:
        da = nbexport.testing.cells(c=1, y=16, x=16)
        nbexport.write_ome_zarr(da, tmp_path / "a.ome.zarr", progress=False)
        nbexport.write_ome_tiff(da, tmp_path / "a.ome.tif", progress=False)
        nbexport.write_image(da, tmp_path / "a.png")
        (tmp_path / "plain").write_text("")
        (tmp_path / "folder").mkdir()
    finally:
        os.umask(before)
    file, folder = (stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("plain", "folder"))
    modes = {p: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")}
    assert {oct(m) for p, m in modes.items() if p.is_file()} == {oct(file)}
    assert {oct(m) for p, m in modes.items() if p.is_dir()} == {oct(folder)}


# -- secrets

SECRET = "wJalrXUtnFEMI-K7MDENG-hunter2"
OPTIONS = {"key": "AKIAEXAMPLE", "secret": SECRET, "token": SECRET, "password": SECRET}


def texts_of(error: BaseException) -> str:
    """Return what a notebook shows of an error: its chain, and its notes."""
    parts = []
    link: BaseException | None = error
    while link is not None:
        parts += [str(link), repr(link), *getattr(link, "__notes__", [])]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(parts)


@pytest.mark.parametrize("write", [nbexport.write_ome_zarr, nbexport.write_ome_tiff])
@pytest.mark.parametrize(
    "options",
    [
        {
            **OPTIONS,
            "endpoint_url": "http://127.0.0.1:9",
            "config_kwargs": {"retries": {"max_attempts": 0}},
        },
        {**OPTIONS, "nonsense": SECRET},
        [SECRET],
        SECRET,
    ],
    ids=["unreachable", "unknown option", "a list", "a text"],
)
def test_credentials_are_in_no_error(write, options, tmp_path, caplog):
    suffix = ".ome.zarr" if write is nbexport.write_ome_zarr else ".ome.tif"
    da = nbexport.testing.cells(y=16, x=16)
    with caplog.at_level(logging.DEBUG, logger="nbexport"):
        for target in (f"s3://bucket/a{suffix}", tmp_path / f"a{suffix}"):
            with pytest.raises(ExportError) as caught:
                write(da, target, storage_options=options, progress=False)
            assert SECRET not in texts_of(caught.value)
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("nbexport")]
    assert SECRET not in "\n".join(ours)


def test_a_password_in_a_url_is_in_no_report(tmp_path, capfd):
    import fsspec

    da = nbexport.testing.cells(y=16, x=16)
    report = nbexport.write_ome_tiff(da, f"memory://me:{SECRET}@host/a.ome.tif", progress=True)
    shown = [report.target, repr(report), str(report), report._repr_html_(), *capfd.readouterr()]
    assert SECRET not in "\n".join(shown)
    for fs in (fsspec.filesystem("memory"),):
        fs.store.clear()


def test_saved_attributes_hold_no_options(tmp_path):
    """What is written says what the image is, not how it was reached."""
    import fsspec

    fs = fsspec.filesystem("memory")
    nbexport.write_ome_zarr(
        nbexport.testing.cells(y=16, x=16),
        "memory://named.ome.zarr",
        storage_options={"asynchronous": False},
        progress=False,
    )
    metadata = json.loads(fs.cat_file("/named.ome.zarr/zarr.json"))
    assert "storage_options" not in json.dumps(metadata)
    assert "asynchronous" not in json.dumps(metadata)
    fs.store.clear()
