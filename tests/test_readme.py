"""Every Python block of the README runs, in order, as a reader would type them."""

import re
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = README.read_text(encoding="utf-8")
    blocks = [*BLOCK.finditer(text)]
    assert len(blocks) >= 3
    names = {"__name__": "__main__"}
    for block in blocks:
        # So many lines before it that a traceback names the line of the README.
        before = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(before + block[1], str(README), "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} >= {"cells.ome.tif", "cells.ome.zarr"}


def test_says_what_the_accessor_has():
    from nbexport.accessor import BioExport

    text = README.read_text(encoding="utf-8")
    missing = [m for m in vars(BioExport) if not m.startswith("_") and f"`.{m}(" not in text]
    assert missing == []
