"""Images of slides to features: where tiles lie, what they hold, and slides that cannot be used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from gendmr.config.histology import HistologySection, TilesSection
from gendmr.errors import ConfigurationError, GendmrError, InputFileError, ModelError, TableError
from gendmr.files.tables import write_table
from gendmr.histology import image as image_module
from gendmr.histology.backbone import check_weights, describe, read_models, read_network
from gendmr.histology.collect import collect_slides
from gendmr.histology.extract import extract_features
from gendmr.histology.features import read_slide
from gendmr.histology.image import opened_slide
from gendmr.histology.preflight import checks
from gendmr.histology.slides import extracted, find_slides
from gendmr.histology.tiles import covered, grid
from gendmr.histology.tissue import find_tissue, otsu

BACKBONE, LENGTH = "shufflenet_v2_x0_5", 1024
SIDE = 64
PINK, GLASS, GREEN = (200, 110, 160), (243, 242, 244), (20, 150, 60)
DISC = (200, 100, 520, 420)  # of tissue: left, upper, right, lower
BLOT = (320, 200, 420, 300)  # of a pen


def painted(width: int = 768, height: int = 512, disc: bool = True, blot: bool = False) -> Any:
    """Return a picture of a slide at 1 micron a pixel."""
    picture = Image.new("RGB", (width, height), GLASS)
    draw = ImageDraw.Draw(picture)
    if disc:
        draw.ellipse(DISC, fill=PINK)
    if blot:
        draw.rectangle(BLOT, fill=GREEN)
    noise = np.random.default_rng(1).integers(-3, 4, (height, width, 3))
    return np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)


def write_tiff(path: Path, pixels: np.ndarray, mpp: float) -> Path:
    """Write a pyramid of two levels, as scanners do."""
    options: dict[str, Any] = {"tile": (128, 128), "photometric": "rgb", "resolutionunit": 3}
    with tifffile.TiffWriter(path) as writer:
        for level, reduced in enumerate((pixels, pixels[::2, ::2])):
            per_cm = 1e4 / (mpp * 2**level)
            writer.write(reduced, resolution=(per_cm, per_cm), subfiletype=level, **options)
    return path


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network, drawn at random."""
    torch.manual_seed(1)
    network = read_models().get_model(BACKBONE, weights=None)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(network.state_dict(), path)
    return path


def tiles(weights: Path, **options: Any) -> TilesSection:
    defaults = {"backbone": BACKBONE, "size": SIDE, "mpp": 1.0, "weights": str(weights)}
    return TilesSection.parse(defaults | options)


def stored(folder: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    with h5py.File(folder / "features.h5") as file:
        return file["features"][:], file["coords"][:], dict(file["coords"].attrs)


def test_extract_features__tiles_lie_on_tissue_and_hold_what_the_network_says(
    tmp_path: Path, weights: Path
) -> None:
    pixels = painted()
    path = write_tiff(tmp_path / "a.tif", pixels, 1.0)
    section = tiles(weights)
    summary = extract_features("A", str(path), section, tmp_path / "A")
    features, corners, attributes = stored(tmp_path / "A")
    assert features.shape == (summary["tiles"], LENGTH) and (corners % SIDE == 0).all()
    pink = (np.abs(pixels.astype(int) - PINK) < 9).all(-1)
    share = {
        (x, y): pink[y : y + SIDE, x : x + SIDE].mean()
        for x in range(0, 768, SIDE)
        for y in range(0, 512, SIDE)
    }
    tiled = {(int(x), int(y)) for x, y in corners}
    # Tiles at the edge of the disc are decided by masks of 8 microns a pixel.
    assert {place for place, fraction in share.items() if fraction > 0.6} <= tiled
    assert not {place for place, fraction in share.items() if fraction < 0.4} & tiled
    assert attributes["patch_size_level0"] == SIDE and attributes["mpp"] == 1.0
    network, _ = read_network(section)
    x, y = corners[7]
    alone = describe(network, pixels[y : y + SIDE, x : x + SIDE][None], section)
    np.testing.assert_allclose(features[7], alone[0], rtol=1e-4, atol=1e-5)
    # The stage reads it as it reads files of CLAM.
    read = read_slide(str(tmp_path / "A" / "features.h5"), HistologySection(slides="x"))
    assert len(read) == len(features) and read.step == SIDE


def test_extract_features__the_same_bytes_again(tmp_path: Path, weights: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", painted(), 1.0)
    sums = []
    for folder in ("one", "two"):
        extract_features("A", str(path), tiles(weights), tmp_path / folder)
        files = ("features.h5", "tiles.json", "tissue.png")
        sums.append(
            [hashlib.sha256((tmp_path / folder / file).read_bytes()).hexdigest() for file in files]
        )
    assert sums[0] == sums[1]


def test_tile__is_the_mean_of_a_finer_scan(tmp_path: Path) -> None:
    coarse = np.random.default_rng(1).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    fine = coarse.repeat(4, axis=0).repeat(4, axis=1)
    path = write_tiff(tmp_path / "a.tif", fine, 0.25)
    with opened_slide(str(path), None) as slide:
        assert slide.mpp == pytest.approx(0.25, rel=1e-4)
        whole = slide.tile(0, 0, 256, 64)
        assert np.abs(whole.astype(int) - coarse[:64, :64]).mean() < 30  # of 85 between any two
        # Each pixel of a tile of the same scale is that of the scan.
        assert (slide.tile(40, 20, 64, 64) == fine[20:84, 40:104]).all()


def test_overview__in_stripes_is_that_in_one_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (304, 96, 3)).astype(np.uint8)
    path = write_tiff(tmp_path / "a.tif", pixels, 1.0)
    monkeypatch.setattr(image_module, "LONGEST", 70)
    with opened_slide(str(path), None) as slide:
        whole = slide.overview()
        monkeypatch.setattr(image_module, "AT_ONCE", 1)
        stripes = slide.overview()
    assert whole.shape == (70, 22, 3) and np.abs(whole.astype(int) - stripes).max() <= 1


def test_unknown_scale_is_refused_or_declared(tmp_path: Path, weights: Path) -> None:
    Image.fromarray(painted()).save(tmp_path / "a.png")
    summary = extract_features("A", str(tmp_path / "a.png"), tiles(weights), tmp_path / "A")
    assert "does not say how many microns a pixel has" in summary["refused"]["what"]
    assert "unknown_mpp" in summary["refused"]["next"] and not len(stored(tmp_path / "A")[0])
    declared = tiles(weights, unknown_mpp=1.0)
    summary = extract_features("A", str(tmp_path / "a.png"), declared, tmp_path / "A")
    assert summary["tiles"] > 10 and summary["mpp_declared"]


def study(root: Path, section: TilesSection, images: dict[str, Path], **more: Any) -> Any:
    rows = [(f"P-{slide}", slide, str(path)) for slide, path in images.items()]
    table = pd.DataFrame(rows, columns=["participant_id", "slide_id", "file"])
    write_table(root / "slides.tsv", table)
    defaults = {"slides": str(root / "slides.tsv"), "side": 4, "tiles": section.model_dump()}
    return HistologySection.parse(defaults | more)


def test_slides_that_cannot_be_used_are_listed_with_the_reason(
    tmp_path: Path, weights: Path
) -> None:
    good = [write_tiff(tmp_path / f"good{n}.tif", painted(), 1.0) for n in range(4)]
    cut = tmp_path / "cut.tif"
    cut.write_bytes(good[0].read_bytes()[:4000])
    text = tmp_path / "text.svs"
    text.write_text("no slide\n")
    images = {
        **{f"good{n}": path for n, path in enumerate(good)},
        "cut": cut,
        "text": text,
        "gone": tmp_path / "gone.svs",
        "small": write_tiff(tmp_path / "small.tif", painted(48, 48), 1.0),
        "coarse": write_tiff(tmp_path / "coarse.tif", painted(), 4.0),
        "glass": write_tiff(tmp_path / "glass.tif", painted(disc=False), 1.0),
        "pen": write_tiff(tmp_path / "pen.tif", painted(blot=True), 1.0),
    }
    section = study(tmp_path, tiles(weights), images)
    out = tmp_path / "out"
    for slide in find_slides(section):
        folder = Path(extracted(slide, out).path).parent
        extract_features(slide.slide, slide.path, section.tiles, folder)
    collect_slides(section, out)
    table = pd.read_csv(out / "slides.tsv", sep="\t", keep_default_na=False, index_col="slide_id")
    status = table["status"].to_dict()
    assert {name for name, state in status.items() if state == "broken"} == {
        *("cut", "text", "gone", "small", "coarse")
    }
    assert status["glass"] == "empty" and table.loc["glass", "reason"] == "no tissue"
    for name, reason in (
        ("gone", "no such file"),
        ("text", "no slide that OpenSlide reads"),
        ("small", "smaller than a tile"),
        ("coarse", "scanned at 4 microns a pixel"),
    ):
        assert reason in table.loc[name, "reason"]
    assert status["pen"] == "used"
    assert int(table.loc["pen", "patches"]) < int(table.loc["good0", "patches"])
    assert float(table.loc["pen", "pen_share"]) == pytest.approx(101**2 / 768 / 512, rel=0.15)
    notes = " ".join(json.loads((out / "summary.json").read_text())["notes"])
    assert "1 slides have marks of a pen" in notes and "described by shufflenet" in notes
    attrition = pd.read_csv(out / "attrition.tsv", sep="\t", dtype=str)
    assert len(attrition[attrition["kind"] == "slide"]) == 6
    assert (out / "figures" / "tissue.png").stat().st_size > 20_000
    # A remedy that is printed works: the coarse slide at its own scale.
    again = extract_features("c", str(images["coarse"]), tiles(weights, mpp=4.0), tmp_path / "c")
    assert again["tiles"] > 10


def renamed(path: Path, weights: Path, change: Any) -> Path:
    from safetensors.torch import load_file

    save_file(change(load_file(weights)), path)
    return path


def test_weights_that_do_not_fit_are_refused_before_any_slide(
    tmp_path: Path, weights: Path
) -> None:
    prefixed = renamed(
        tmp_path / "p.safetensors", weights, lambda own: {f"module.{k}": v for k, v in own.items()}
    )
    with pytest.raises(ModelError, match=r"no weights of shufflenet.* are missing") as error:
        check_weights(tiles(prefixed))
    assert "'module.'" in error.value.cause
    # The remedy that is printed works.
    mended = renamed(
        tmp_path / "m.safetensors",
        prefixed,
        lambda own: {k.removeprefix("module."): v for k, v in own.items()},
    )
    check_weights(tiles(mended))
    # Weights without a last layer, which no feature needs, are fine; those of another size are not.
    headless = renamed(
        tmp_path / "h.safetensors",
        weights,
        lambda own: {k: v for k, v in own.items() if not k.startswith("fc.")},
    )
    check_weights(tiles(headless))
    with pytest.raises(ModelError, match="have another shape"):
        check_weights(tiles(weights, backbone="shufflenet_v2_x1_0"))
    with pytest.raises(ConfigurationError, match="no network for classification of torchvision"):
        check_weights(tiles(weights, backbone="shufflenet_v2_x0_6"))
    with pytest.raises(InputFileError, match="no such file"):
        check_weights(tiles(tmp_path / "gone.safetensors"))
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:100])
    with pytest.raises(InputFileError, match="not readable as safetensors"):
        check_weights(tiles(tmp_path / "cut.safetensors"))
    broken = renamed(
        tmp_path / "n.safetensors",
        weights,
        lambda own: own | {"conv1.0.weight": own["conv1.0.weight"] * float("nan")},
    )
    with pytest.raises(ModelError, match="1 tensors hold NaN"):
        read_network(tiles(broken))
    dead = renamed(
        tmp_path / "z.safetensors", weights, lambda own: {k: 0 * v for k, v in own.items()}
    )
    path = write_tiff(tmp_path / "a.tif", painted(), 1.0)
    with pytest.raises(ModelError, match="have the same features"):
        extract_features("A", str(path), tiles(dead), tmp_path / "A")


def test_a_layer_shortens_the_network_and_a_misspelt_one_is_refused(weights: Path) -> None:
    section = tiles(weights, layer="stage3")
    check_weights(section)
    network, unused = read_network(section)
    batch = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    assert describe(network, batch, section).shape == (2, 96) and unused > 0
    with pytest.raises(ConfigurationError, match="no layer of shufflenet") as error:
        check_weights(tiles(weights, layer="stage5"))
    assert "stage4" in error.value.next_step


def test_a_network_of_one_size_of_picture_is_refused_at_once(tmp_path: Path) -> None:
    with torch.device("meta"):
        names = {
            name: torch.zeros(tensor.shape, device="cpu", dtype=torch.float16)
            for name, tensor in read_models().get_model("vit_b_32").state_dict().items()
        }
    save_file(names, tmp_path / "v.safetensors")
    options = {"weights": str(tmp_path / "v.safetensors"), "backbone": "vit_b_32"}
    with pytest.raises(ConfigurationError, match="does not read tiles of this size") as error:
        check_weights(TilesSection.parse(options))
    assert "size: 224" in error.value.next_step
    check_weights(TilesSection.parse({**options, "size": 224}))


def test_what_no_configuration_of_tiles_is(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no \.safetensors file"):
        TilesSection.parse({"weights": "resnet50.pth"})
    options = {"slides": str(tmp_path / "slides.tsv"), "tiles": tiles(weights).model_dump()}
    with pytest.raises(ConfigurationError, match="features: only without `tiles`"):
        HistologySection.parse({**options, "features": "feats"})
    write_table(
        tmp_path / "slides.tsv", pd.DataFrame({"participant_id": ["P1"], "slide_id": ["S1"]})
    )
    with pytest.raises(TableError, match="names the image of each slide"):
        find_slides(HistologySection.parse(options))


def test_checks__weights_are_told_before_anything_runs(tmp_path: Path, weights: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", painted(), 1.0)
    section = study(tmp_path, tiles(weights, layer="nothing"), {"A": path})
    problems = []
    for check in checks({"histology": section.model_dump()}):
        try:
            check()
        except GendmrError as error:
            problems.append(error.what)
    assert len(problems) == 1 and "no layer" in problems[0]


@settings(max_examples=50, deadline=None)
@given(
    mask=arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    scale=st.integers(1, 6),
    side=st.integers(1, 12),
)
def test_covered__is_the_share_counted_pixel_by_pixel(
    mask: np.ndarray, scale: int, side: int
) -> None:
    fine = mask.repeat(scale, axis=0).repeat(scale, axis=1)
    height, width = fine.shape
    corners = grid(width, height, side)
    counted = [fine[y : y + side, x : x + side].mean() for x, y in corners]
    np.testing.assert_allclose(covered(mask, corners, side, (width, height)), counted, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(values=arrays.arrays(np.uint8, st.integers(2, 60)))
def test_otsu__parts_two_groups_as_trying_every_threshold_does(values: np.ndarray) -> None:
    def between(threshold: int) -> float:
        low, high = values[values <= threshold], values[values > threshold]
        if not len(low) or not len(high):
            return 0.0
        return float(len(low) * len(high) * (low.mean() - high.mean()) ** 2)

    best = max(between(threshold) for threshold in range(256))
    assert between(otsu(values)) == pytest.approx(best)


def test_find_tissue__an_overview_that_is_all_tissue_or_none() -> None:
    for colour, share in ((PINK, 1.0), (GLASS, 0.0), (GREEN, 0.0), ((10, 10, 12), 0.0)):
        noise = np.random.default_rng(1).integers(-3, 4, (60, 80, 3))
        mask = find_tissue(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8), 8.0)
        assert mask.tissue.mean() == share
        assert mask.pen.all() == (colour in (GREEN, (10, 10, 12)))
