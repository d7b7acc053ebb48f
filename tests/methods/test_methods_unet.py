"""Networks of slices: any size, augmentation that is undone, copied channels; the threshold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.config.methods.unet import UnetMethod
from gendmr.methods.unet.network import SegmentationNet, shown, turned
from gendmr.training.fold import train_fold
from lesion_cohort import make, study, write_people

SMALL = {"kind": "unet", "width": 8, "levels": 3}
LONG = {"epochs": 20, "batch_size": 8, "learning_rate": 5e-3}
METHODS = {
    "flair": {
        **SMALL,
        "optimisation": LONG,
        "modality_options": {"slice": {"channels": ["flair"]}},
    },
    "all": {**SMALL, "optimisation": {**LONG, "epochs": 30}, "channel_dropout": 0.4},
    "threshold": {"kind": "threshold", "channel": "flair"},
    "blind": {"kind": "threshold", "channel": "pre"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people, slices of 32 x 32 pixels; every fourth has only FLAIR, three times."""
    folder = tmp_path_factory.mktemp("unet")
    write_people(folder)
    make(folder, study(folder, METHODS))
    return folder


def train(folder: Path, name: str) -> pd.DataFrame:
    """Train the fold whose held-out people include copied channels; return its predictions."""
    splits = pd.read_csv(folder / "results" / "cohort" / "splits.tsv", sep="\t")
    fold = int(splits.loc[splits["participant_id"] == "p03", "fold"].iloc[0])
    output = folder / "training" / name / "repeat-0" / f"fold-{fold}"
    train_fold(
        folder / "results" / "cohort",
        output,
        method=name,
        repeat=0,
        fold=fold,
        options=study(folder, METHODS).method_options(name),
        seed=1,
        device="cpu",
        checkpoint_every=100,
    )
    rows = pd.read_csv(output / "predictions.tsv", sep="\t")
    return rows[rows["set"] == "held-out"].set_index("participant_id")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 4))
def test_turned__is_undone(seed, side, channels):
    random = torch.Generator().manual_seed(seed)
    maps = torch.randn(5, channels, side, side, generator=random)
    flips = torch.randint(0, 2, (5, 3), generator=random)
    turned_maps = turned(maps, flips)
    assert torch.equal(turned(turned_maps, flips, inverse=True), maps)
    for channel_map, turned_map in zip(maps, turned_maps, strict=True):
        assert torch.equal(channel_map.flatten().sort().values, turned_map.flatten().sort().values)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 0.9]))
def test_shown__hides_known_channels_but_never_all(seed, probability):
    random = torch.Generator().manual_seed(seed)
    known_channels = (torch.rand(20, 3, generator=random) < 0.6).float()
    shown_channels = shown(known_channels, torch.rand(20, 3, generator=random), probability)
    assert (shown_channels <= known_channels).all()
    assert ((shown_channels.sum(1) > 0) == (known_channels.sum(1) > 0)).all()
    if not probability:
        assert torch.equal(shown_channels, known_channels)


@pytest.mark.parametrize("architecture", ["unet", "unetr"])
@pytest.mark.parametrize("side", [32, 45])
def test_network__keeps_the_size_of_slices(architecture, side):
    options = UnetMethod(architecture=architecture, width=4, levels=3)
    net = SegmentationNet(options, 2, side).eval()
    images, known_channels = torch.randn(3, 2, side, side), torch.ones(3, 2)
    assert net(images, known_channels).shape == (3, side, side)
    # That a channel is not known is read, not only that it is 0.
    assert not torch.equal(
        net(images, known_channels), net(images, known_channels * torch.tensor([1.0, 0.0]))
    )


@pytest.mark.parametrize("name", ["flair", "all"])
def test_a_network_finds_what_is_bright_in_people_with_copied_channels_too(folder, name):
    rows = train(folder, name)
    assert rows["dice"].mean() > 0.7
    assert rows.loc["p03", "dice"] > 0.5


def test_a_threshold_finds_what_one_channel_tells(folder):
    assert train(folder, "threshold")["dice"].mean() > 0.5
    blind = train(folder, "blind")
    assert blind.loc["p03", "predicted_voxels"] == 0  # its channel is a copy, which says nothing
    assert blind["dice"].mean() < 0.2


def test_masks_lie_beside_predictions_and_are_those_that_were_judged(folder):
    from gendmr.files.masks import read_mask

    rows = train(folder, "threshold")
    (path,) = (folder / "training" / "threshold").glob("repeat-0/fold-*/masks.h5")
    for name, row in rows.iterrows():
        masks = read_mask(path, str(name))
        assert masks.predicted.sum() == row["predicted_voxels"]
        assert (masks.predicted & masks.truth).sum() == row["intersection"]
        assert np.isnan(masks.affine).all()
