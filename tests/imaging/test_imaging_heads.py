"""Several labelled heads as one atlas: votes, weights, and the whole way of a scan."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from gendmr.config.imaging import ImagingSection, LabelledHeads
from gendmr.errors import AtlasError, ConfigurationError, ImageError
from gendmr.files.atomic import read_json
from gendmr.imaging.collect import collect_regions
from gendmr.imaging.fusion import CarriedLabels, fusion_weights
from gendmr.imaging.heads import check_heads, load_heads, prepare_heads
from gendmr.imaging.participant import register_participant
from gendmr.imaging.presets import load_preset
from gendmr.imaging.template import load_template, prepare_template
from remedies import mended

HEADS = "imaging/heads.py"


@st.composite
def votes(draw):
    atlases, seed = draw(st.integers(1, 4)), draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    weights = rng.random((atlases, 3, 4, 2)).astype(np.float32) + 0.01
    labels = rng.integers(0, 4, weights.shape).astype(np.int16)
    return CarriedLabels(labels, weights / weights.sum(axis=0))


@given(carried=votes())
@settings(deadline=None, max_examples=25)
def test_carried_labels__agree_with_a_slow_twin(carried):
    whole = (slice(0, 3), slice(0, 4), slice(0, 2))
    shares = [carried.share(row, whole) for row in range(3)]
    boxes = carried.boxes(3)
    for place in np.ndindex(3, 4, 2):
        sums = dict.fromkeys(range(4), 0.0)
        for vote, weight in zip(carried.votes, carried.weights, strict=True):
            sums[int(vote[place])] += float(weight[place])
        assert sums[int(carried.likeliest[place])] == pytest.approx(max(sums.values()), abs=2e-6)
        for row in range(3):
            assert shares[row][place] == pytest.approx(sums[row + 1], abs=1e-6)
            inside = boxes[row] is not None and all(
                part.start <= at < part.stop for part, at in zip(boxes[row], place, strict=True)
            )
            assert inside or sums[row + 1] == 0


def test_fusion_weights__heads_that_are_alike_there_count_and_twins_share_one_vote():
    rng = np.random.default_rng(2)
    scan = ndimage.gaussian_filter(rng.normal(0, 3, (20, 20, 20)), 1).astype(np.float32) + 2
    right, wrong = scan + rng.normal(0, 0.05, scan.shape), scan[::-1]
    half = np.arange(20)[:, None, None] < 10
    heads = np.stack([np.where(half, right, wrong), np.where(half, wrong, right)])
    weights = fusion_weights(scan, heads.astype(np.float32), np.ones(3))
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-5)
    assert weights[0, :7].min() > 0.9 and weights[1, 13:].min() > 0.9
    # Three heads err with the same size; two of them in the same places.
    errors = [rng.normal(0, 0.3, scan.shape) for _ in range(2)]
    heads = np.stack([scan + errors[0], scan + errors[0], scan + errors[1]])
    weights = fusion_weights(scan, heads.astype(np.float32), np.ones(3)).mean(axis=(1, 2, 3))
    assert weights[2] == weights.max()
    assert weights[0] == pytest.approx(weights[1], abs=1e-3)


@pytest.fixture(scope="module")
def heads(labelled_heads, tmp_path_factory):
    """Two heads whose anatomy is known: the template's, one of them larger."""
    return labelled_heads(tmp_path_factory.mktemp("heads"))


@pytest.fixture(scope="module")
def fused(heads, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    prepare_template(heads, folder)
    return folder


def test_prepare_template__labelled_heads_give_the_template_its_labels(section, template, fused):
    atlas_template, heads_template = load_template(template), load_template(fused)
    assert list(atlas_template.regions["region"]) == list(heads_template.regions["region"])
    for row in range(len(atlas_template.regions)):
        first, second = atlas_template.labels == row + 1, heads_template.labels == row + 1
        assert 2 * (first & second).sum() / (first.sum() + second.sum()) > 0.8
    summary = read_json(fused / "template.json")
    assert summary["atlas"] == "two heads"
    assert summary["notes"] == [
        "Atlas two heads: 2 labelled heads were registered to each scan, and their labels fused."
    ]
    assert len(list((fused / "heads").iterdir())) == 4


def test_register_participant__labelled_heads_measure_what_their_labels_hold(
    section, template, heads, fused, anatomy, scan_of, tmp_path
):
    image = scan_of(tmp_path / "t1.nii.gz", anatomy)
    tables = []
    for name, imaging, folder in (("one", section, template), ("many", heads, fused)):
        assert (
            register_participant(image, "1", folder, imaging, seed=3, output=tmp_path / name)
            is None
        )
        tables.append(pd.read_csv(tmp_path / name / "regions.tsv", sep="\t"))
    # The balls of this atlas hold several tissues, and their rims are blurred differently.
    np.testing.assert_allclose(tables[1]["volume"] / tables[0]["volume"], 1, atol=0.2)
    # Heads change the labels, not how the scan lies in the template.
    qualities = [read_json(tmp_path / name / "quality.json") for name in ("one", "many")]
    for key in ("dice", "similarity", "jacobian_min", "jacobian_max", "icv_carried_mm3"):
        assert qualities[0][key] == qualities[1][key]
    warped = [(tmp_path / name / "warped.nii.gz").read_bytes() for name in ("one", "many")]
    assert warped[0] == warped[1]
    collect_regions([tmp_path / "many" / "regions.tsv"], fused, heads, tmp_path / "all")
    notes = read_json(tmp_path / "all" / "summary.json")["notes"]
    assert read_json(fused / "template.json")["notes"][0] in notes
    again = tmp_path / "again"
    register_participant(image, "2", fused, heads, seed=3, output=again)
    assert (again / "regions.tsv").read_bytes() == (tmp_path / "many" / "regions.tsv").read_bytes()


def _with_tables(heads, tmp_path, *tables):
    entries = []
    for number, (head, table) in enumerate(zip(heads.atlas.heads, tables, strict=True)):
        path = tmp_path / f"{number}.tsv"
        table.to_csv(path, sep="\t", index=False)
        entries.append(head.model_dump() | {"table": str(path)})
    return LabelledHeads.parse({"heads": entries})


def test_load_heads__tables_that_differ_are_refused(heads, tmp_path):
    table = pd.read_csv(heads.atlas.table, sep="\t")
    shuffled = table.iloc[::-1]
    assert len(load_heads(_with_tables(heads, tmp_path, table, shuffled))[0]) == 6
    renamed = table.assign(region=table["region"].replace("thalamus", "putamen"))
    atlases = [_with_tables(heads, tmp_path, table, renamed)]
    words = "take heads labelled by one rule, and name one `table` for all"
    with mended(HEADS, words, AtlasError, lambda: load_heads(atlases[0])) as refused:
        assert "1.tsv: the table of head 2 has other rows" in refused.what
        assert "not '30 thalamus_L L', '40 thalamus_R R', but '30 putamen_L L'" in refused.what
        atlases[0] = heads.atlas
    more = pd.concat([table, pd.DataFrame([[99, "nowhere", "L"]], columns=table.columns)])
    atlases = [_with_tables(heads, tmp_path, more, more)]
    words = "use the table that came with the images, or remove these rows"
    with mended(HEADS, words, AtlasError, lambda: load_heads(atlases[0])) as refused:
        assert "1 of 7 rows have no voxel in any of 2 heads: '99 nowhere_L'" in refused.what
        atlases[0] = _with_tables(heads, tmp_path, table, table)


def test_load_heads__a_region_may_be_absent_in_one_head(heads, tmp_path):
    entries = [head.model_dump() for head in heads.atlas.heads]
    image = nib.load(entries[1]["labels"])
    data = np.asarray(image.dataobj).copy()
    data[data == 60] = 0
    nib.save(nib.Nifti1Image(data, image.affine), tmp_path / "less.nii.gz")
    entries[1]["labels"] = str(tmp_path / "less.nii.gz")
    atlas = LabelledHeads.parse({"heads": entries, "table": heads.atlas.table})
    assert len(load_heads(atlas)[0]) == 6


def test_prepare_heads__labels_of_another_head_are_refused(heads, tmp_path):
    entries = [head.model_dump() for head in heads.atlas.heads]
    image = nib.load(entries[1]["labels"])
    far = image.affine.copy()
    far[:3, 3] += 110
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), far), tmp_path / "far.nii.gz")
    away = [*entries[:1], entries[1] | {"labels": str(tmp_path / "far.nii.gz")}]
    atlases, preset = (
        [LabelledHeads.parse({"heads": away, "table": heads.atlas.table})],
        load_preset("testing"),
    )
    words = "name for each head the labels that were drawn in its image"

    def prepare():
        prepare_heads(atlases[0], heads, preset, tmp_path, seed=1)

    with mended(HEADS, words, AtlasError, prepare) as refused:
        assert "far.nii.gz: only 0% of its regions" in refused.what
        atlases[0] = heads.atlas


def test_prepare_template__a_region_that_is_outvoted_everywhere_is_named(heads, tmp_path):
    entries = [head.model_dump() for head in heads.atlas.heads]
    image = nib.load(entries[1]["labels"])
    data = np.asarray(image.dataobj).copy()
    data[tuple(np.argwhere(data == 60)[0])] = 99
    nib.save(nib.Nifti1Image(data, image.affine), tmp_path / "tiny.nii.gz")
    entries[1]["labels"] = str(tmp_path / "tiny.nii.gz")
    table = pd.read_csv(heads.atlas.table, sep="\t")
    more = pd.concat([table, pd.DataFrame([[99, "fleck", "L"]], columns=table.columns)])
    more.to_csv(tmp_path / "atlas.tsv", sep="\t", index=False)
    atlases = [{"heads": entries, "table": str(tmp_path / "atlas.tsv"), "name": "two heads"}]

    def prepare():
        described = heads.model_dump(mode="json") | {"atlas": atlases[0]}
        prepare_template(ImagingSection.parse(described), tmp_path / "template")

    words = "remove these rows from the table: such voxels then belong to no region"
    with mended("imaging/template.py", words, AtlasError, prepare) as refused:
        outvoted = "two heads: 1 of 7 regions are outvoted everywhere in the template: 'fleck_L'"
        assert refused.what == outvoted
        atlases[0] = atlases[0] | {"table": heads.atlas.table}
    assert "fleck_L" not in set(load_template(tmp_path / "template").regions["region"])


def test_check_heads__an_image_that_is_a_segmentation_is_refused(heads):
    entries = [head.model_dump() for head in heads.atlas.heads]
    entries[0]["image"] = entries[0]["labels"]
    with pytest.raises(ImageError, match="only 6 different values"):
        check_heads(LabelledHeads.parse({"heads": entries, "table": heads.atlas.table}))


def test_imaging_section__one_labelled_head_is_no_fusion(heads):
    with pytest.raises(ConfigurationError, match="heads"):
        LabelledHeads.parse({"heads": [heads.atlas.heads[0].model_dump()]})
    assert heads.labelled_heads == 2
    assert ImagingSection.parse(heads.dump()) == heads
    listed = heads.files()
    assert {heads.atlas.table, *(head.image for head in heads.atlas.heads)} <= set(listed)
    assert len(listed) == len(set(listed)) == 5


def test_fusion_weights__labels_agree_with_joint_label_fusion_of_ants():
    ants = pytest.importorskip("ants")
    rng = np.random.default_rng(4)
    shape = (28, 28, 28)
    places = np.indices(shape) - 13.5

    def head(offset):
        away = np.sqrt(((places - np.array(offset)[:, None, None, None]) ** 2).sum(axis=0))
        labels = (away < 8).astype(np.float32)
        image = ndimage.gaussian_filter(1 + 2 * labels, 0.7) + rng.normal(0, 0.1, shape)
        return image.astype(np.float32), labels

    (scan, truth), *heads = [
        head(offset) for offset in ((0, 0, 0), (2, 0, 0), (-1, 1, 0), (0, -2, 1), (1, 1, -2))
    ]
    images, votes = (np.stack(parts) for parts in zip(*heads, strict=True))
    weights = fusion_weights(scan, images, np.ones(3))
    fused = CarriedLabels(votes.astype(np.int16), weights).likeliest
    # The reference takes 0 for a place without label.
    reference = ants.joint_label_fusion(
        ants.from_numpy(scan),
        ants.from_numpy(np.ones(shape, np.float32)),
        [ants.from_numpy(image) for image in images],
        label_list=[ants.from_numpy(vote + 1) for vote in votes],
        beta=2, rad=2, rho=0.1, r_search=0, nonnegative=True,
    )["segmentation"].numpy() - 1  # fmt: skip

    def overlap(labels):
        return 2 * ((labels == 1) & (truth == 1)).sum() / ((labels == 1).sum() + truth.sum())

    majority = overlap((votes.mean(axis=0) > 0.5).astype(int))
    assert overlap(fused) > max(majority, *(overlap(vote) for vote in votes)) + 0.02
    assert overlap(fused) > overlap(reference) - 0.02
    assert ((fused == 1) == (reference == 1)).mean() > 0.98
