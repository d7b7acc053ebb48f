"""What an error of the configuration says to write is written, and the study is valid then."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import Any

import pytest

from gendmr.config.selection import SelectSection
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError
from remedies import each_part, mended, row
from studies import OUTCOMES, study_mapping

CROSS, METHODS = "config/cross_checks.py", "config/methods_check.py"
REGION = "config/modalities/region.py"
TAKE_OUT = object()
SIMULATED = "results/test/simulate"
OWN = {
    "cohort.participants": f"{SIMULATED}/participants.tsv",
    "genotypes.inputs": [f"{SIMULATED}/genotypes/array"],
}
IMAGES = {"bids": f"{SIMULATED}/bids", "atlas": {"labels": "labels.nii", "table": "labels.tsv"}}
LESIONS = {"nifti": "{participant}.nii", "masks": "{participant}_mask.nii", "channels": ["T1w"]}
TUMOUR = {"kind": "segmentation"}
MATRICES = {"matrices": [{"path": "expression.tsv", "unit": "log2"}]}
SEGMENTED = {
    "lesions": LESIONS,
    "modalities.slice": {},
    "cohort.outcomes.tumour": TUMOUR,
    "training.methods.two": {"kind": "unet", "outcome": "tumour"},
}


def study() -> dict[str, Any]:
    """A study of two modalities and three outcomes."""
    outcomes = {name: OUTCOMES[name] for name in ("diagnosis", "memory", "stage")}
    methods = {"one": {"kind": "ridge"}, "two": {"kind": "gendmr"}}
    return copy.deepcopy(study_mapping(methods, outcomes=outcomes))


def changed(mapping: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with other entries: `{"cohort.require": "all"}`."""
    mapping = copy.deepcopy(mapping)
    for place, value in changes.items():
        *sections, key = place.split(".")
        inner = mapping
        for name in sections:
            inner = inner.setdefault(name, {})
        if value is TAKE_OUT:
            inner.pop(key, None)
        else:
            inner[key] = copy.deepcopy(value)
    return mapping


def of_two(**entries: Any) -> dict[str, Any]:
    """A change of the second method."""
    return {"training.methods.two": entries}


# The mistake, then what each part of the remedy changes.
ROWS = [
    row(
        CROSS,
        "let imaging name",
        {"simulate.imaging": "measurements", "imaging": IMAGES, **OWN},
        {"imaging": {"measurements": f"{SIMULATED}/measurements.nc"}},
        {"simulate.imaging": "t1w"},
    ),
    row(
        CROSS,
        "add annotation: genes: <gene.loc, glist or GTF>",
        {"annotation": TAKE_OUT},
        {"annotation.genes": "NCBI37.3.gene.loc"},
    ),
    row(
        CROSS,
        "add a section genotypes or imaging",
        dict.fromkeys(("genotypes", "annotation", "imaging", "modalities"), TAKE_OUT),
        {"imaging": {"measurements": "regions.tsv"}},
        {"genotypes": {"inputs": ["array"]}, "annotation": {"genes": "genes.gene.loc"}},
    ),
    row(
        CROSS,
        "add the section, or take the entry out of modalities",
        {"modalities.edge": {}},
        {"connectivity": {"series": "{participant}.tsv"}},
        {"modalities.edge": TAKE_OUT},
    ),
    row(
        CROSS,
        "set it to any, all, or one of these",
        {"cohort.require": "edge"},
        *({"cohort.require": value} for value in ("any", "all", "snp", "region")),
    ),
    row(
        CROSS,
        "add it to cohort.covariates, or take it out of",
        {"training.covariates": ["age", "motion"]},
        {"cohort.covariates": ["age", "sex", "site", "motion"]},
        {"training.covariates": ["age"]},
    ),
    row(
        CROSS,
        "add it to cohort.covariates, or take it out of",
        {"modalities.region.covariates": ["age", "motion"]},
        {"cohort.covariates": ["age", "sex", "site", "motion"]},
        {"modalities.region.covariates": ["age"]},
    ),
    row(
        CROSS,
        "correct cohort.strata, or leave it out",
        {"cohort.strata": ["sx"]},
        {"cohort.strata": ["sex"]},
        {"cohort.strata": TAKE_OUT},
    ),
    row(
        CROSS,
        "name some of these, or leave null.methods out",
        {"training.null": {"permutations": 5, "methods": ["three"]}},
        {"training.null.methods": ["two"]},
        {"training.null.methods": TAKE_OUT},
    ),
    row(
        CROSS,
        "name one of these, or leave report.reference out",
        {"report.reference": "three"},
        {"report.reference": "one"},
        {"report.reference": TAKE_OUT},
    ),
    row(
        "config/genotypes.py",
        "name each once",
        {"genotypes.inputs": ["array", "array"]},
        {"genotypes.inputs": ["array"]},
    ),
    row(
        METHODS,
        "name one of these, or leave it out for the first",
        of_two(kind="ridge", outcome="mood"),
        {"training.methods.two.outcome": "memory"},
        {"training.methods.two.outcome": TAKE_OUT},
    ),
    row(
        METHODS,
        "choose another method, or an outcome that is",
        of_two(kind="polygenic", outcome="stage"),
        {"training.methods.two.kind": "ridge"},
        {"training.methods.two.outcome": "diagnosis"},
    ),
    row(
        METHODS,
        "take them out of reads, or choose another method",
        of_two(kind="locus", reads=["snp", "region"]),
        {"training.methods.two.reads": ["snp"]},
        {"training.methods.two.kind": "ridge"},
    ),
    row(
        METHODS,
        "name a modality too, or choose the method ridge",
        of_two(kind="locus", reads=["covariates"]),
        {"training.methods.two.reads": ["covariates", "snp"]},
        {"training.methods.two.kind": "ridge"},
    ),
    row(
        METHODS,
        "name one of these, or take the method out",
        of_two(kind="ridge", reads=["edge"]),
        {"training.methods.two.reads": ["snp"]},
        {"training.methods.two": TAKE_OUT},
    ),
    row(
        METHODS,
        "name one of these",
        of_two(kind="ridge", reads=["snp"], shuffled={"region": []}),
        {"training.methods.two.shuffled": {"snp": []}},
    ),
    row(
        METHODS,
        "name some of these, or give [] to shuffle among all people",
        of_two(kind="ridge", shuffled={"snp": ["age"]}),
        {"training.methods.two.shuffled": {"snp": ["diagnosis", "site"]}},
        {"training.methods.two.shuffled": {"snp": []}},
    ),
    row(
        "config/methods/migtrans.py",
        "leave `label_smoothing` out",
        of_two(kind="migtrans", outcome="memory", label_smoothing=0.1),
        {"training.methods.two.label_smoothing": TAKE_OUT},
    ),
    row(
        "config/methods/mgi.py",
        "add the column to cohort.covariates and cohort.categorical, or name",
        {
            "lesions": LESIONS,
            "modalities.slice": {},
            "cohort.outcomes.tumour": TUMOUR,
            **of_two(kind="mgi", outcome="tumour", hospital="clinic"),
        },
        {
            "cohort.covariates": ["age", "sex", "site", "clinic"],
            "cohort.categorical": ["sex", "site", "clinic"],
        },
        {"training.methods.two.hospital": "site"},
    ),
    row(
        REGION,
        "name a column of labels, and add it to cohort.covariates and",
        {"modalities.region.harmonise": "scanner"},
        {
            "cohort.covariates": ["age", "sex", "site", "scanner"],
            "cohort.categorical": ["sex", "site", "scanner"],
        },
    ),
    row(
        REGION,
        "take out modalities.region.harmonise, or cohort.fold_by",
        {"modalities.region.harmonise": "site", "cohort.fold_by": "site"},
        {"modalities.region.harmonise": TAKE_OUT},
        {"cohort.fold_by": TAKE_OUT},
    ),
    row(
        "config/outcomes/base.py",
        "add `modalities: ",
        {"cohort.outcomes.tumour": TUMOUR},
        {"modalities.slice": {}, "lesions": LESIONS},
    ),
    row(
        METHODS,
        "set it in modalities.",
        {**SEGMENTED, "training.methods.two.modality_options": {"slice": {"side": 64}}},
        {"training.methods.two.modality_options": {}, "modalities.slice.side": 64},
    ),
    row(
        "config/modalities/slice.py",
        "name some of these, or leave channels out for all",
        {**SEGMENTED, "modalities.slice.channels": ["T1"]},
        {"modalities.slice.channels": ["T1w"]},
        {"modalities.slice.channels": []},
    ),
    row(
        "config/modalities/slice.py",
        "name some of these, or leave channels out for all",
        {**SEGMENTED, "training.methods.two.modality_options": {"slice": {"channels": ["T1"]}}},
        {"training.methods.two.modality_options": {"slice": {"channels": ["T1w"]}}},
        {"training.methods.two.modality_options": {"slice": {}}},
    ),
    row(
        "config/methods/threshold.py",
        "name one of these, or leave channel out for the first",
        {**SEGMENTED, **of_two(kind="threshold", outcome="tumour", channel="T1")},
        {"training.methods.two.channel": "T1w"},
        {"training.methods.two.channel": None},
    ),
    row(
        "config/methods/threshold.py",
        "name one that is read, or read this one too",
        {
            **SEGMENTED,
            "lesions.channels": ["T1w", "FLAIR"],
            "modalities.slice.channels": ["T1w"],
            **of_two(kind="threshold", outcome="tumour", channel="FLAIR"),
        },
        {"training.methods.two.channel": "T1w"},
        {"modalities.slice.channels": ["T1w", "FLAIR"]},
    ),
    row(
        "config/methods/mgi.py",
        "set expression.positions, or choose `gene_order: alphabetical`",
        {
            **SEGMENTED,
            "expression": MATRICES,
            **of_two(kind="mgi", outcome="tumour", gene_order="genomic"),
        },
        {"expression.positions": "genes.tsv"},
        {"training.methods.two.gene_order": "alphabetical"},
    ),
    row(
        "config/methods/subspace.py",
        "set expression.groups, or choose the method mil",
        {"expression": MATRICES, **of_two(kind="subspace", reads=["expression"])},
        {"expression.groups": "families.tsv"},
        {"training.methods.two.kind": "mil"},
    ),
    row(
        "config/base.py",
        "write it in quotation marks: ",
        {"report.title": date(2024, 1, 31)},
        {"report.title": "2024-01-31"},
    ),
    row(
        "config/base.py",
        "edit the lines that are named",
        {"cohort.foldz": 5},
        {"cohort.foldz": TAKE_OUT, "cohort.folds": 5},
    ),
]


@each_part(("module", "remedy", "wrong", "mending"), ROWS)
def test_a_wrong_study_is_valid_after_each_part_of_its_remedy(module, remedy, wrong, mending):
    changes = dict(wrong)
    with mended(module, remedy, ConfigurationError, lambda: Study.parse(changed(study(), changes))):
        changes.update(mending)


@pytest.mark.parametrize("path", ["data/array.bed", "data/array.fam", "data/array.psam"])
def test_a_file_of_a_set_is_named_by_the_path_that_is_printed(path):
    mapping = changed(study(), {"genotypes.inputs": [path]})
    with mended(
        "config/genotypes.py", "write ", ConfigurationError, lambda: Study.parse(mapping)
    ) as refused:
        mapping["genotypes"]["inputs"] = [refused.next_step.removeprefix("write ")]


def test_a_filter_file_is_mended_as_it_says(tmp_path):
    path = tmp_path / "filter.json"
    section = SelectSection.parse({"filter": str(path)})
    module = "config/selection.py"
    path.write_text('{"bold": {}}')
    words = 'write {"t1w": {"session": "01"}}'
    with mended(module, words, ConfigurationError, section.wanted) as refused:
        path.write_text(refused.next_step.removeprefix("write "))
    assert section.wanted() == {"ses": ("01",)}
    content = {"session": "01", "flip": "1"}
    path.write_text(json.dumps({"t1w": content}))
    with mended(module, "take it out of the filter file", ConfigurationError, section.wanted):
        content.pop("flip")
        path.write_text(json.dumps({"t1w": content}))


def test_a_file_that_is_no_configuration_is_mended_as_it_says(tmp_path, root):
    path = tmp_path / "study.yaml"
    example = (root / "config/config.yaml").read_text(encoding="utf-8")

    def parse():
        Study.parse(path)

    with mended("config/base.py", "check --configfile", ConfigurationError, parse):
        path.write_text(example)
    path.write_text(example.replace("\nseed:", '\nseed: "'))
    words = "mend the line that is named; config/config.yaml is an example"
    with mended("config/base.py", words, ConfigurationError, parse) as refused:
        assert "line " in refused.what
        path.write_text(example)
    path.write_text("- a list\n")
    with mended("config/base.py", "config/config.yaml is an example", ConfigurationError, parse):
        path.write_text(example)
