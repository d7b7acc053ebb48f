"""Features of real regions of gliomas, in the form of CLAM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.config.histology import HistologySection
from gendmr.files.tables import write_table
from gendmr.histology.collect import collect_slides
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
