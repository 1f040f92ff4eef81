"""One OME-TIFF of one or several images: tiles encoded by workers, handed to tifffile in order.

Level 0 streams into the file as tiles finish; the tiles of the coarser levels wait in a spool
beside it and follow as SubIFDs, before the next image.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain, islice

from tifffile import TiffWriter

from nbexport.metadata.ome_xml import ome_xml
from nbexport.plan import PyramidPlan
from nbexport.stores._progress import ProgressOption, listener
from nbexport.stores._report import WriteReport
from nbexport.stores._verify import VerifyOption
from nbexport.stores.engine import Part, Source, Workers, stages
from nbexport.stores.ome_tiff._codec import CODECS, Compression
from nbexport.stores.ome_tiff._pages import needs_bigtiff, pages_of
from nbexport.stores.ome_tiff._spool import Finished, ImageTiles, Spool, Tile
from nbexport.stores.ome_tiff._verify import TiffSums
from nbexport.stores.targets import FileTarget

__all__ = ["CODECS", "Compression", "TiffImage", "write_tiff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffImage:
    """One image of a file.

    Attributes
    ----------
    plan
        What is written.
    source
        Its pixels.
    notes
        What was changed or assumed on the way.
    """

    plan: PyramidPlan
    source: Source
    notes: tuple[str, ...] = ()


def write_tiff(
    images: Sequence[TiffImage],
    target: FileTarget,
    *,
    compression: Compression,
    bigtiff: bool | None,
    verify: VerifyOption = False,
    retries: int = 0,
    progress: ProgressOption,
) -> WriteReport:
    """Write `images`, at least one, to the checked `target`, which is published when complete."""
    begin = time.perf_counter()
    plans = [image.plan for image in images]
    for plan in plans:
        compression.check(plan.image)
    description = ome_xml([plan.image for plan in plans]).encode()
    if bigtiff is None:
        bigtiff = needs_bigtiff(plans, description)
    n_blocks = sum(plan.n_blocks for plan in plans)
    sums = TiffSums(compression) if verify is not False else None
    encoding = sums.compression if sums is not None else compression
    checked: tuple[str, ...] = ()
    with (
        listener(progress, n_blocks, target.name) as report,
        target.opened(report) as path,
    ):
        # Blocks of two images may be worked on at the same time.
        in_flight = min(plan.in_flight for plan in plans)
        workers = Workers(in_flight, n_blocks, report, what=target.name)
        with (
            Spool(path.with_name("tiles")) as spool,
            ExitStack() as stack,
            TiffWriter(path, bigtiff=bigtiff, shaped=False) as tiff,
        ):
            parts = []
            for i, image in enumerate(images):
                tiles = ImageTiles(image.plan, encoding, spool, path.with_name(f"level-{i}"))
                stack.callback(tiles.close)
                put = tiles.put if sums is None else sums.listening(image.plan, tiles.put)
                parts.append(
                    (tiles, Part(image.plan, image.source, put, tiles.level, False, retries))
                )
            first = chain.from_iterable(stages([part])[0] for _, part in parts)
            with closing(workers.run(first)) as blocks:
                for i, (tiles, part) in enumerate(parts):
                    _write_image(
                        tiff, tiles, part, blocks, workers, compression, None if i else description
                    )
        nbytes = path.stat().st_size
        if sums is not None:
            checked = (sums.check(path, str(target), verify, in_flight, report),)
    return WriteReport(
        target=str(target),
        format=plans[0].format,
        plan=plans[0],
        others=tuple(plans[1:]),
        nbytes=nbytes,
        seconds=time.perf_counter() - begin,
        notes=(
            *dict.fromkeys(n for image in images for n in image.notes),
            *compression.notes(),
            *checked,
        ),
        losses=tuple(dict.fromkeys(loss for plan in plans for loss in plan.losses)),
    )


def _write_image(
    tiff: TiffWriter,
    tiles: ImageTiles,
    part: Part[list[Tile]],
    blocks: Iterator[Finished],
    workers: Workers,
    compression: Compression,
    description: bytes | None,
) -> None:
    """Write the IFDs of one image, and those of its coarser levels as their SubIFDs.

    Parameters
    ----------
    blocks
        What finished of the first passes; those of this image are taken from it.
    description
        The OME-XML, which the first IFD of a file carries.
    """
    plan = part.plan
    own = islice(blocks, plan.passes[0].n_blocks)
    options = pages_of(plan, plan.levels[0], compression)
    if description is not None:
        options["description"] = description
    tiff.write(
        tiles.stream(0, own),
        **options,
        subifds=len(plan.levels) - 1,
    )
    tiles.take(own)
    for stage in stages([part])[1:]:
        with closing(workers.run(stage)) as more:
            tiles.take(more)
    for i, level in enumerate(plan.levels[1:], 1):
        pages = pages_of(plan, level, compression)
        tiff.write(tiles.stream(i, iter(())), **pages, subfiletype=1)
