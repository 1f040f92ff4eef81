"""The file in which encoded tiles wait: nothing is lost, and room is used again."""

from __future__ import annotations

from nbexport.stores.ome_tiff._spool import Spool


def test_room_is_used_again_only_when_all_its_tiles_left(tmp_path):
    with Spool(tmp_path / "tiles") as spool:
        a, b = spool.keep([b"a" * 1000, b"b" * 3000])
        assert spool.give(a) == b"a" * 1000
        (c,) = spool.keep([b"c" * 4000])
        assert spool.give(b) == b"b" * 3000
        (d,) = spool.keep([b"d" * 4000])
        assert spool.give(c) == b"c" * 4000
        assert spool.give(d) == b"d" * 4000


def test_the_file_is_no_larger_than_what_waits(tmp_path):
    path = tmp_path / "tiles"
    with Spool(path) as spool:
        for i in range(50):
            tiles = [bytes([i]) * 100_000 for _ in range(3)]
            kept = spool.keep(tiles)
            assert [spool.give(one) for one in kept] == tiles
        assert path.stat().st_size <= 2**20
        (large,) = spool.keep([b"x" * 3_000_000])
        assert spool.give(large) == b"x" * 3_000_000
