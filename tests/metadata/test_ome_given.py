"""`ome_xml=`: written as it is, checked against the pixels, pointed at the file."""

from __future__ import annotations

import time

import numpy as np
import ome_types
import pytest
import tifffile
import xarray as xr
from bioio import BioImage
from ome_types import model as om
from reference import assert_valid_ome_xml

import nbexport
from nbexport import PlanError

ORDERS = [order.value for order in om.Pixels_DimensionOrder]
SHAPE = (2, 3, 4, 40, 50)


def document(shape=SHAPE, order="XYZCT", samples=1, dtype="uint16", n_images=1, **fields):
    t, c, z, y, x = shape
    return ome_types.OME(
        instruments=[
            om.Instrument(id="Instrument:7", objectives=[om.Objective(id="Objective:7", lens_na=1)])
        ],
        images=[
            om.Image(
                id=f"Image:{20 + i}",
                name=f"given {i}",
                instrument_ref=om.InstrumentRef(id="Instrument:7"),
                objective_settings=om.ObjectiveSettings(id="Objective:7"),
                pixels=om.Pixels(
                    id=f"Pixels:{20 + i}",
                    dimension_order=order,
                    type=dtype,
                    size_t=t,
                    size_c=c * samples,
                    size_z=z,
                    size_y=y,
                    size_x=x,
                    physical_size_x=200.0,
                    physical_size_x_unit="nm",
                    physical_size_y=200.0,
                    physical_size_y_unit="nm",
                    channels=[
                        om.Channel(
                            id=f"Channel:{20 + i}:{k}", name=f"c{k}", samples_per_pixel=samples
                        )
                        for k in range(c)
                    ],
                    tiff_data_blocks=[
                        om.TiffData(
                            ifd=9,
                            uuid=om.TiffData.UUID(
                                value="urn:uuid:" + "0" * 8 + "-0000" * 3 + "-" + "0" * 12,
                                file_name="else.tif",
                            ),
                        )
                    ],
                    planes=[
                        om.Plane(the_z=0, the_c=0, the_t=k, delta_t=3.5 + k, position_x=7.0)
                        for k in range(t)
                    ],
                    **fields,
                ),
            )
            for i in range(n_images)
        ],
    )


def pixels(dims="tczyx", shape=SHAPE, dtype="uint16") -> xr.DataArray:
    rng = np.random.default_rng(3)
    values = rng.integers(0, 250, shape).astype(dtype)
    x = ("x", 9.0 * np.arange(shape[dims.index("x")]))
    return xr.DataArray(values, dims=tuple(dims), coords={"x": x}, name="own name", attrs={"a": 1})


def written(da, tmp_path, **options):
    path = tmp_path / "a.ome.tif"
    nbexport.write_ome_tiff(da, path, progress=False, overwrite=True, **options)
    with tifffile.TiffFile(path) as tiff:
        text = tiff.ome_metadata
    assert_valid_ome_xml(text)
    return path, ome_types.from_xml(text)


@pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument")  # bioio-ome-tiff
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("as_text", [True, False])
def test_dimension_order_decides_how_planes_lie(order, as_text, tmp_path):
    da, ome = pixels(), document(order=order)
    before = ome.to_xml()
    path, after = written(da, tmp_path, ome_xml=before if as_text else ome, levels=3, tile=(16, 16))
    assert ome.to_xml() == before
    assert after.images[0].pixels.dimension_order.value == order
    with tifffile.TiffFile(path) as tiff:
        (series,) = tiff.series
        assert series.axes == order[::-1]
        assert [level.shape[-2:] for level in series.levels] == [(40, 50), (20, 25), (10, 12)]
        file_order = [a.lower() for a in order[::-1]]
        np.testing.assert_array_equal(series.asarray(), da.transpose(*file_order).values)
        half = tiff.series[0].levels[1].asarray()
        mean = da.values.reshape(*SHAPE[:3], 20, 2, 25, 2).astype(int).sum((4, 6))
        expected = xr.DataArray((mean + 2) // 4, dims=da.dims).transpose(*file_order)
        np.testing.assert_array_equal(half, expected.values)
    back = BioImage(path)
    np.testing.assert_array_equal(back.get_image_data("TCZYX"), da.values)


def test_it_is_written_as_it_is_but_for_where_pixels_lie(tmp_path):
    ome = document()
    _, after = written(pixels(), tmp_path, ome_xml=ome)
    (block,) = after.images[0].pixels.tiff_data_blocks
    assert (block.ifd, block.plane_count, block.uuid) == (0, 24, None)
    for one in (ome, after):
        one.images[0].pixels.tiff_data_blocks = []
    assert after.to_xml() == ome.to_xml()  # names, ids, units; nothing of coords and attrs


def test_sizes_come_from_it(tmp_path):
    path, _ = written(pixels(), tmp_path, ome_xml=document(), levels=2)
    with tifffile.TiffFile(path) as tiff:
        above, below = tiff.pages[0].tags["XResolution"].value
    assert above / below == 50_000  # pixels a centimetre
    plan = nbexport.plan_export(pixels(), "ome-tiff", ome_xml=document())
    assert plan.image.name == "given 0"
    assert [c.label for c in plan.image.channels] == ["c0", "c1", "c2"]
    assert plan.levels[0].axes[-1].scale == 200.0
    assert plan.image.attributes == ()


def test_several_images(tmp_path):
    das = [pixels(), pixels()]
    ome = document(n_images=2, order="XYCZT")
    path, after = written(das, tmp_path, ome_xml=ome)
    assert [i.id for i in after.images] == ["Image:20", "Image:21"]
    assert [i.pixels.tiff_data_blocks[0].ifd for i in after.images] == [0, 24]
    with tifffile.TiffFile(path) as tiff:
        for series, da in zip(tiff.series, das, strict=True):
            np.testing.assert_array_equal(
                series.asarray(), da.transpose("t", "z", "c", "y", "x").values
            )


def test_rgb(tmp_path):
    da = pixels("yxs", (40, 50, 3), "uint8")
    ome = document((1, 1, 1, 40, 50), samples=3, dtype="uint8", interleaved=False)
    _, after = written(da, tmp_path, ome_xml=ome)
    assert after.images[0].pixels.interleaved is True
    assert after.images[0].pixels.size_c == 3


def test_labels_are_still_labels(tmp_path):
    da = pixels("yx", (40, 50)).rename("nuclei labels")
    ome = document((1, 1, 1, 40, 50))
    assert nbexport.plan_export(da, "ome-tiff", ome_xml=ome, levels=2).method == "mode"


@pytest.mark.parametrize(
    ("shape", "more", "words"),
    [
        ((2, 3, 5, 40, 50), {}, r"SizeZ is 5, the pixels have z=4; change it"),
        ((1, 3, 4, 41, 51), {}, r"SizeX is 51, the .* x=50; SizeY is 41, .*; SizeT is 1, "),
        ((2, 2, 4, 40, 50), {}, r"SizeC is 2, the pixels have 3 channels; there are 2 Channel"),
        ((2, 3, 4, 40, 50), {"dtype": "uint8"}, r"Type is uint8, the pixels are uint16 \(uint16\)"),
        ((2, 1, 4, 40, 50), {"samples": 3}, r"pixels: SamplesPerPixel is 3, the pixels have 1; "),
    ],
)
def test_what_disagrees_is_named(shape, more, words, tmp_path):
    with pytest.raises(PlanError, match=words):
        written(pixels(), tmp_path, ome_xml=document(shape, **more))
    assert not list(tmp_path.iterdir())


def test_images_are_counted(tmp_path):
    with pytest.raises(PlanError, match=r"ome_xml describes 2 images, 1 are written; give one"):
        written(pixels(), tmp_path, ome_xml=document(n_images=2))


@pytest.mark.parametrize(
    "about",
    [
        {"name": "x"},
        {"scale": 0.5},
        {"translation": 1.0},
        {"units": "um"},
        {"channels": ["a", "b", "c"]},
    ],
)
def test_other_metadata_beside_it_is_refused(about, tmp_path):
    (word,) = about
    with pytest.raises(PlanError, match=rf"^{word}= is given beside ome_xml=, which is written"):
        written(pixels(), tmp_path, ome_xml=document(), **about)
    written(pixels().rename(z="depth_"), tmp_path, ome_xml=document(), dims={"depth_": "z"})


BOMB = """<?xml version="1.0"?>
<!DOCTYPE OME [<!ENTITY a "aaaaaaaaaa">%s]>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Rights>%s</Rights></OME>"""
HOSTILE = {
    "billion laughs": BOMB
    % (
        "".join(
            f'<!ENTITY {b} "{f"&{a};" * 10}">'
            for a, b in zip("abcdefghi", "bcdefghij", strict=True)
        ),
        "&j;",
    ),
    "quadratic blowup": BOMB % (f'<!ENTITY b "{"b" * 100_000}">', "&b;" * 1000),
    "external entity": BOMB % ('<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;"),
    "external DTD": '<!DOCTYPE OME SYSTEM "http://127.0.0.1:9/x.dtd">' + document().to_xml(),
    "parameter entity": BOMB % ('<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;', ""),
    "other encoding": '<?xml version="1.0" encoding="UTF-7"?>'
    + BOMB.partition("?>")[2] % ("", "&a;"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_xml_is_refused(kind, tmp_path):
    text = HOSTILE[kind]
    begin = time.perf_counter()
    with pytest.raises(PlanError, match=r"ome_xml can't be used: .* a DTD \(<!DOCTYPE OME>\)"):
        written(pixels(), tmp_path, ome_xml=text)
    assert not list(tmp_path.iterdir())
    # Found in the attrs it is left out, and said so; the pixels are written.
    da = pixels().assign_attrs(processed=text)
    with pytest.warns(nbexport.LossWarning, match=r"attrs\['processed'\] was left out: .* DTD"):
        _, after = written(da, tmp_path)
    assert "aaaaaaaaaa" not in after.to_xml()
    assert "root:" not in after.to_xml()
    assert "DOCTYPE" not in after.to_xml()
    assert time.perf_counter() - begin < 20


def test_a_dtd_that_hides_in_another_encoding_is_not_decoded(tmp_path):
    hidden = "+ADwAIQ-DOCTYPE OME [+ADwAIQ-ENTITY a 'b'+AD4]+AD4"
    text = f'<?xml version="1.0" encoding="UTF-7"?>{hidden}' + document().to_xml()
    with pytest.raises(PlanError, match="is not XML"):
        written(pixels(), tmp_path, ome_xml=text)


def test_doctype_in_a_comment_is_no_dtd(tmp_path):
    text = "<!-- <!DOCTYPE OME> -->" + document().to_xml()
    written(pixels(), tmp_path, ome_xml=text)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (7, r"ome_xml is int; give OME-XML as text, or an ome_types\.OME"),
        ("/etc/passwd", r"this is not XML \(not well-formed"),
        ("<OME", r"this is not XML \("),
        ("<a/>", r"can't be read \(Unsupported document namespace"),
        (document().images[0].to_xml(), r"this XML is <Image>, not a whole <OME> document"),
    ],
)
def test_what_is_no_ome_xml_is_refused(given, words, tmp_path):
    with pytest.raises(PlanError, match=words):
        written(pixels(), tmp_path, ome_xml=given)
