"""Features of real regions of gliomas, in the form of CLAM; tiles of a real slide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file

from gendmr.config.histology import HistologySection
from gendmr.files.tables import write_table
from gendmr.histology.backbone import read_models
from gendmr.histology.collect import collect_slides
from gendmr.histology.extract import extract_features
from gendmr.histology.slides import extracted, find_slides
from gendmr.modalities.store import read_modality

pytestmark = pytest.mark.real_data


def test_three_real_regions_become_bags(real_data: Path, tmp_path: Path) -> None:
    files = sorted((real_data / "histology" / "features").glob("*.h5"))
    names = [path.name[:12] for path in files]
    table = pd.DataFrame(
        {"participant_id": names, "slide_id": [path.stem for path in files], "file": files}
    )
    write_table(tmp_path / "slides.tsv", table.astype(str))
    section = HistologySection.parse({"slides": str(tmp_path / "slides.tsv"), "side": 26})
    summary = collect_slides(section, tmp_path / "out")
    assert (summary["people"], summary["features"]) == (3, 1024)
    slides = pd.read_csv(tmp_path / "out" / "slides.tsv", sep="\t").set_index("slide_id")
    assert sorted(slides["patches"]) == [373, 667, 711]
    assert sorted(slides["used"]) == [373, 667, 676]
    bags = read_modality(tmp_path / "out" / "patches.nc", "patch")
    assert np.isfinite(bags["embedding"].values).all() and float(bags["embedding"].max()) <= 42.5


def test_a_real_slide_and_three_regions_are_cut_into_tiles(real_data: Path, tmp_path: Path) -> None:
    network = read_models().get_model("shufflenet_v2_x0_5", weights=None)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    folder = real_data / "histology"
    images = [folder / "cmu-1-small-region.svs", *sorted((folder / "rois").glob("*.png"))]
    table = pd.DataFrame({"participant_id": ["P1", "P2", "P3", "P4"], "slide_id": list("abcd")})
    write_table(tmp_path / "slides.tsv", table.assign(file=[str(path) for path in images]))
    tiles = {
        "weights": str(tmp_path / "weights.safetensors"),
        "backbone": "shufflenet_v2_x0_5",
        "size": 224,
        "unknown_mpp": 0.5,
    }
    section = HistologySection.parse(
        {"slides": str(tmp_path / "slides.tsv"), "side": 7, "bag": "pad", "tiles": tiles}
    )
    assert section.tiles is not None
    summaries = {}
    for slide in find_slides(section):
        into = Path(extracted(slide, tmp_path / "out").path).parent
        summaries[slide.slide] = extract_features(slide.slide, slide.path, section.tiles, into)
    # The slide tells its scale, 0.499; seen by eye, about two fifths of it are tissue.
    assert summaries["a"]["mpp"] == 0.499 and summaries["a"]["vendor"] == "aperio"
    assert 40 <= summaries["a"]["tiles"] <= 52 and 0.5 < summaries["a"]["tissue_mm2"] < 0.75
    # Regions are tissue all over: all 4 x 4 tiles of 224 pixels that fit on 1,024.
    assert [summaries[name]["tiles"] for name in "bcd"] == [16, 16, 16]
    assert all(summaries[name]["mpp_declared"] for name in "bcd")
    summary = collect_slides(section, tmp_path / "out")
    assert summary["people"] == 4 and summary["features"] == 1024
