"""What was done."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from nbexport._markup import Markup, bullets, human_nbytes, page, strong
from nbexport.plan import FramePlan, PyramidPlan

# A notebook is saved with what it shows; larger files are linked.
_EMBEDDED_NBYTES: Final = 2 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WriteReport:
    """What **was** done, and each thing the format could not keep.

    Attributes
    ----------
    target
        Absolute path, or URL, of what was written.
    format
        ``"ome-zarr"``, ``"ome-tiff"``, or the kind of a movie or picture, such as ``"mp4"``.
    plan
        What was planned and is now there.
    others
        The plans of further images at the same target: labels, the rest of a series or a plate.
    nbytes
        Bytes at the target; None where only a region of it was written.
    seconds
        Wall time of the export.
    notes
        What was changed or assumed on the way, a sentence each.
    losses
        What the format could not keep, a sentence each.
    preview
        What a browser calls a movie or picture, and its bytes where they are at most 2 MiB: a
        notebook shows it; None where browsers can't.
    """

    target: str
    format: str
    plan: PyramidPlan | FramePlan
    nbytes: int | None
    seconds: float
    others: tuple[PyramidPlan | FramePlan, ...] = ()
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    preview: tuple[str, bytes] | None = field(default=None, compare=False)

    @property
    def megabytes_per_second(self) -> float:
        """Megabytes (10**6) of pixels written a second: the source's, or rendered ones."""
        if isinstance(self.plan, FramePlan):
            nbytes = self.plan.nbytes
        else:
            nbytes = sum(plan.image.nbytes for plan in (self.plan, *self.others))
        return nbytes / 1e6 / max(self.seconds, 1e-9)

    @property
    def _summary(self) -> str:
        if isinstance(self.plan, FramePlan):
            width, height = self.plan.size
            n, fps = self.plan.n_frames, self.plan.fps
            many = f"{n} frame{'s' * (n > 1)} of " if fps is not None else ""
            speed = f" at {fps:g} frames/s" if fps is not None else ""
            return (
                f"{human_nbytes(self.nbytes or 0)} on disk for {many}{width} x {height}{speed}, "
                f"{self.seconds:.2f} s"
            )
        plans = (self.plan, *self.others)
        images = f"{len(plans)} images, the first with " if self.others else ""
        on_disk = "" if self.nbytes is None else f"{human_nbytes(self.nbytes)} on disk for "
        return (
            f"{on_disk}{human_nbytes(sum(plan.nbytes for plan in plans))} of pixels "
            f"in {images}{len(self.plan.levels)} levels, {self.seconds:.2f} s, "
            f"{self.megabytes_per_second:.0f} MB/s"
        )

    def __repr__(self) -> str:
        lines = [f"<WriteReport {self.format} {self.target!r}: {self._summary}>"]
        lines += [f"  note: {text}" for text in self.notes]
        lines += [f"  not kept: {text}" for text in self.losses]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        shown = (
            _shown(self.preview, self.target)
            if isinstance(self.plan, FramePlan)
            else self.plan.levels_table()
        )
        return page(
            strong(f"{self.format}: {self.target}"),
            page(self._summary),
            shown,
            bullets("Notes", self.notes),
            bullets("Not kept", self.losses),
        )


def kept_preview(path: Path, mime: str | None) -> tuple[str, bytes] | None:
    """Return what a report keeps of the file at `path`, which browsers call `mime`."""
    if mime is None:
        return None
    small = path.stat().st_size <= _EMBEDDED_NBYTES
    return mime, path.read_bytes() if small else b""


def _shown(preview: tuple[str, bytes] | None, target: str) -> Markup:
    """Return the movie or picture itself: embedded, linked, or nothing where browsers can't."""
    link = _link(target)
    href = f'<div><a href="{escape(link)}" target="_blank">open</a></div>' if link else ""
    if preview is None:
        return Markup(href)
    mime, content = preview
    if content:
        source = f"data:{mime};base64,{b64encode(content).decode()}"
    elif link:
        source = link
    else:
        return Markup("")
    style = ' style="max-width:100%"'
    if mime.startswith("video/"):
        shown = f'<video controls loop muted playsinline{style} src="{escape(source)}"></video>'
    else:
        shown = f'<img{style} src="{escape(source)}">'
    return Markup(f"<div>{shown}</div>{href}")


def _link(target: str) -> str | None:
    """Return what a notebook, which sees its own folder alone, can follow to `target`."""
    if target.startswith(("https://", "http://")):
        return target
    path = Path(target)
    if not path.is_absolute() or not path.is_relative_to(Path.cwd()):
        return None
    return quote(path.relative_to(Path.cwd()).as_posix())
