"""Template and atlas come to one grid by their affines."""

from __future__ import annotations

import functools

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from gendmr.config.imaging import ImagingSection, Preset
from gendmr.errors import AtlasError, ConfigurationError, ImageError, TableError
from gendmr.files.atomic import read_json
from gendmr.imaging.atlas import TISSUES
from gendmr.imaging.presets import load_preset
from gendmr.imaging.template import load_template, nilearn_template, prepare_template
from remedies import mended


def test_presets_load_from_coarse_to_fine():
    sizes = [load_preset(name).working_mm for name in ("testing", "fast", "precise")]
    assert sizes == sorted(sizes, reverse=True)


def test_a_preset_with_uneven_levels_is_refused():
    preset = load_preset("fast").model_dump(mode="json")
    preset["affine"]["shrink"] = [4]
    with pytest.raises(ConfigurationError, match="one value per level"):
        Preset.parse(preset)


@pytest.mark.parametrize(
    "entries", [{"brain": "given"}, {"mask": "m.nii"}, {"brain": "given", "mask": "one.nii"}]
)
def test_masks_are_asked_for_exactly_where_they_are_given(entries):
    atlas = {"labels": "a", "table": "b"}
    with pytest.raises(ConfigurationError, match="mask"):
        ImagingSection.parse({"bids": "x", "atlas": atlas, **entries})


def test_template_on_the_working_grid(section, template):
    loaded = load_template(template)
    assert np.allclose(np.diag(loaded.affine)[:3], 4)
    # The nilearn wheel's brain measures 1,886.5 ml at 1 mm.
    assert abs(loaded.brain.sum() * 64 / 1_886_539 - 1) < 0.01
    total = sum(loaded.priors[name] for name in TISSUES)
    np.testing.assert_allclose(total[loaded.brain], 1, atol=1e-5)
    assert all(loaded.priors[name][~loaded.brain].max() == 0 for name in TISSUES)
    assert read_json(template / "template.json")["space"] == "MNI152NLin2009aSym"


def test_left_labels_lie_on_the_left_in_every_orientation(section, template, tmp_path):
    loaded = load_template(template)
    world = loaded.affine[0, 0] * np.indices(loaded.labels.shape)[0] + loaded.affine[0, 3]
    for row, (side, x) in enumerate(
        zip(loaded.regions["hemisphere"], loaded.regions["x"], strict=True)
    ):
        mean = world[loaded.labels == row + 1].mean()
        assert (mean < 0) == (side == "L")
        assert abs(mean - x) < 1.5
    image = nib.load(section.atlas.labels)
    turned = image.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]]))
    nib.save(turned, tmp_path / "turned.nii.gz")
    turned_section = section.model_copy(
        update={
            "atlas": section.atlas.model_copy(update={"labels": str(tmp_path / "turned.nii.gz")})
        }
    )
    prepare_template(turned_section, tmp_path / "template")
    for name in ("atlas.nii.gz", "regions.tsv", "t1.nii.gz"):
        assert (tmp_path / "template" / name).read_bytes() == (template / name).read_bytes()


def _with(section, tmp_path, *, table=None, labels=None):
    files = section.atlas
    update = {}
    if table is not None:
        table.to_csv(tmp_path / "table.tsv", sep="\t", index=False)
        update["table"] = str(tmp_path / "table.tsv")
    if labels is not None:
        nib.save(labels, tmp_path / "labels.nii.gz")
        update["labels"] = str(tmp_path / "labels.nii.gz")
    return section.model_copy(update={"atlas": files.model_copy(update=update)})


def test_tables_that_do_not_fit_their_atlas_are_refused(section, tmp_path):
    table = pd.read_csv(section.atlas.table, sep="\t")
    more = pd.concat([table, pd.DataFrame([[99, "nowhere", "L"]], columns=table.columns)])
    with pytest.raises(AtlasError, match=r"1 of 7 rows.*'99 nowhere_L'"):
        prepare_template(_with(section, tmp_path, table=more), tmp_path / "t")
    with pytest.raises(TableError, match="index appear more than once"):
        prepare_template(_with(section, tmp_path, table=pd.concat([table, table])), tmp_path / "t")
    with pytest.raises(TableError, match="none of L, R, B: 'left'"):
        wrong = table.assign(hemisphere=table["hemisphere"].replace("L", "left"))
        prepare_template(_with(section, tmp_path, table=wrong), tmp_path / "t")
    with pytest.raises(TableError, match="without a name of their own"):
        duplicated = table.assign(region="hippocampus", hemisphere="L")
        prepare_template(_with(section, tmp_path, table=duplicated), tmp_path / "t")


def test_the_tissue_of_a_region_is_stated_or_what_the_template_holds_most_of(section, tmp_path):
    table = pd.read_csv(section.atlas.table, sep="\t")
    stated = ["csf", "n/a", "white", "n/a", "n/a", "n/a"]
    prepare_template(_with(section, tmp_path, table=table.assign(tissue=stated)), tmp_path / "t")
    loaded = load_template(tmp_path / "t")
    derived = loaded.regions["tissue"].tolist()
    assert derived[0] == "csf" and derived[2] == "white"
    for row in (1, 3, 4, 5):
        inside = loaded.labels == row + 1
        assert derived[row] == max(TISSUES, key=lambda name: loaded.priors[name][inside].sum())
    with pytest.raises(TableError, match=r"column tissue: 6 values .*'gray'"):
        wrong = table.assign(tissue="gray")
        prepare_template(_with(section, tmp_path, table=wrong), tmp_path / "t")


def test_labels_without_a_row_are_left_out_and_recorded(section, tmp_path):
    table = pd.read_csv(section.atlas.table, sep="\t").iloc[:4]
    prepare_template(_with(section, tmp_path, table=table), tmp_path / "t")
    assert len(load_template(tmp_path / "t").regions) == 4
    assert read_json(tmp_path / "t" / "template.json")["labels_without_row"] == [60, 70]


def test_atlases_elsewhere_or_too_fine_are_refused(section, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "gendmr.imaging.template.nilearn_template", functools.cache(nilearn_template)
    )
    image = nib.load(section.atlas.labels)
    shifted = image.affine.copy()
    shifted[2, 3] += 90
    far = nib.Nifti1Image(np.asarray(image.dataobj), shifted)
    sections = [_with(section, tmp_path, labels=far)]

    def prepare():
        prepare_template(sections[0], tmp_path / "t")

    words = "use the atlas in the space of the template"
    with mended("imaging/template.py", words, AtlasError, prepare):
        sections[0] = section
    data = np.asarray(image.dataobj).copy()
    place = tuple(np.argwhere(data == 60)[0])
    data[data == 60] = 0
    data[place] = 60
    tiny = nib.Nifti1Image(data, image.affine)
    sections[0] = _with(section, tmp_path, labels=tiny)
    words = "choose a finer preset, or remove these rows from the table"
    with mended("imaging/template.py", words, AtlasError, prepare) as refused:
        assert "1 regions have no voxel on the grid of 4 mm" in refused.what
        table = pd.read_csv(section.atlas.table, sep="\t")
        sections[0] = _with(section, tmp_path, labels=tiny, table=table[table["index"] != 60])
    blurred = nib.Nifti1Image(np.asarray(image.dataobj) * np.float32(0.25), image.affine)
    with pytest.raises(AtlasError, match="not whole numbers"):
        prepare_template(_with(section, tmp_path, labels=blurred), tmp_path / "t")


def test_a_template_of_ones_own(section, template, tmp_path):
    files = {name: str(template / f"{name}.nii.gz") for name in ("t1", "brain", "grey", "white")}
    own_section = ImagingSection.parse(
        {**section.model_dump(mode="json"), "template": {"space": "mine", **files}}
    )
    prepare_template(own_section, tmp_path / "own")
    first, second = load_template(template), load_template(tmp_path / "own")
    assert second.t1.sum() == pytest.approx(first.t1.sum(), rel=0.01)
    assert second.priors["csf"].sum() == pytest.approx(first.priors["csf"].sum(), rel=0.02)
    assert read_json(tmp_path / "own" / "template.json")["space"] == "mine"
    grey = nib.load(files["grey"])
    nib.save(nib.Nifti1Image(grey.get_fdata()[1:], grey.affine), tmp_path / "grey.nii.gz")
    uneven = own_section.model_copy(
        update={
            "template": own_section.template.model_copy(
                update={"grey": str(tmp_path / "grey.nii.gz")}
            )
        }
    )
    sections = [uneven]
    words = "take all maps from one release and one resolution"
    with mended(
        "imaging/template.py",
        words,
        ImageError,
        lambda: prepare_template(sections[0], tmp_path / "t"),
    ):
        sections[0] = own_section
