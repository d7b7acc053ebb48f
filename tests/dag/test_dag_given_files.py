"""Every file that a configuration can name is an input of a rule that reads it, and is recorded."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
import yaml

from gendmr.cohort.inputs import given_files
from gendmr.config.study import Study
from gendmr.estimate.plan import planned_jobs

ROOT = Path(__file__).resolve().parents[2]
# Texts of the configuration that name no file. A new text must be put here or into a study below.
NO_FILES = {
    "study",
    "genotypes.chromosomes",
    "annotation.gene_types",
    *("imaging.atlas.name", "imaging.template.space", "imaging.exclude"),
    "modalities.volume.atlas.name",
    *("imaging.atlas.description", "imaging.atlas.space", "imaging.atlas.templateflow"),
    *("lesions.channels", "lesions.exclude", "lesions.reference", "modalities.region.harmonise"),
    "modalities.slice.channels",
    *("histology.tiles.backbone", "histology.tiles.layer"),
    *("histology.coordinates", "histology.exclude", "histology.features", "imaging.parcellation"),
    *("expression.matrices.platform", "expression.matrices.drop", "expression.exclude"),
    *("connectivity.exclude", "connectivity.variable", "connectivity.fmriprep.task"),
    *("connectivity.fmriprep.session", "connectivity.fmriprep.space"),
    *("cohort.columns", "cohort.covariates", "cohort.group_by", "cohort.fold_by", "cohort.strata"),
    *("cohort.require",),
    *("cohort.strip", "cohort.categorical", "cohort.unknown", "modalities.region.covariates"),
    *("modalities.snp.override.interval", "modalities.snp.override.names"),
    *("modalities.snp.selection.genes", "modalities.snp.exclude"),
    *("training.covariates",),
    *("tracking.experiment", "tracking.uri"),
    *("report.title", "report.reference", "report.apoe_region"),
}
# Sections whose texts are names of columns, values, methods and stretches of the genome.
NO_FILES_BELOW = (
    "simulate.",
    "imaging.select.",
    "cohort.outcomes.",
    "training.methods.",
    "training.null.",
)


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name}\n")


BASE = {
    "study": "given",
    "seed": 1,
    "cohort": {
        "participants": "participants.tsv",
        "outcomes": {"diagnosis": {"kind": "binary", "case": ["AD"], "control": ["CN"]}},
    },
    "tracking": {"enabled": False},
}
IMAGED = BASE | {
    "genotypes": {
        "inputs": [
            "array",
            "release.pgen",
            "packed.pgen",
            "imputed.vcf.gz",
            "old",
            "c1.bgen",
            "c2.bgen",
        ],
        "bgen": {"reference": "first", "samples": {"c1.bgen": "ukb.sample"}},
        "sexes": "sexes.tsv",
        "reference_positions": "positions.tsv",
        "lift": {"old": {"build": "NCBI36", "chain": "over.chain.gz"}},
    },
    "annotation": {"genes": "genes.loc"},
    "imaging": {
        "bids": "bids",
        "atlas": {"labels": "labels.nii.gz", "table": "labels.tsv"},
        "brain": "given",
        "mask": "masks/{participant}.nii.gz",
        "template": {
            "space": "own",
            **{name: f"template/{name}.nii.gz" for name in ("t1", "brain", "grey", "white", "csf")},
        },
    },
    "connectivity": {"series": "series.tsv", "components": "components.tsv"},
    "expression": {
        "matrices": [{"path": "counts.tsv", "unit": "counts"}],
        "symbols": "symbols.tsv",
        "groups": "families.tsv",
        "positions": "positions.tsv",
    },
    "histology": {"slides": "slides.tsv", "folder": "slides"},
    "modalities": {
        "alteration": {"table": "alterations.tsv"},
        "volume": {
            "table": "volumes.tsv",
            "atlas": {"labels": "parcels.nii.gz", "table": "parcels.tsv"},
        },
    },
    "training": {"methods": {"ridge": {"kind": "ridge"}}},
    "ranking": {"enrichment": {"sets": ["sets.gmt"], "loci": ["loci.tsv"]}},
    "report": {"truth": "truth.json"},
}
MEASURED = BASE | {
    "genotypes": {
        "inputs": ["ukb.bgen"],
        "bgen": {"reference": "first", "samples": "ukb_s2.sample"},
        "reference_positions": "positions.tsv",
    },
    "annotation": {"genes": "genes.loc"},
    "imaging": {"measurements": "regions.tsv", "places": "places.tsv"},
    "connectivity": {"matrices": "fnc/sub-{participant}.tsv"},
    "lesions": {
        "nifti": "brats/{participant}_{channel}.nii.gz",
        "masks": "brats/{participant}_seg.nii.gz",
        "channels": ["t1", "flair"],
    },
}
SLICES = BASE | {"lesions": {"tif": "slices", "channels": ["pre", "flair", "post"]}}
PREPROCESSED = BASE | {
    "connectivity": {"fmriprep": {"folder": "fmriprep", "atlas": "atlas.nii.gz"}},
}
TILED = BASE | {
    "histology": {"slides": "images.tsv", "tiles": {"weights": "backbone.safetensors"}},
}
LABELLED = BASE | {
    "imaging": {
        "bids": "bids",
        "atlas": {
            "heads": [
                {"image": "a/T1.nii.gz", "labels": "a/labels.nii.gz", "table": "a/labels.tsv"},
                {"image": "b/T1.nii.gz", "labels": "b/labels.nii.gz"},
            ],
            "table": "labels.tsv",
        },
    },
}
BOLD = "fmriprep/sub-1/func/sub-1_task-rest"
FILES = {
    "labelled": [
        *(f"{head}/{name}.nii.gz" for head in "ab" for name in ("T1", "labels")),
        *("a/labels.tsv", "labels.tsv", "bids/sub-1/anat/sub-1_T1w.nii.gz", "participants.tsv"),
    ],
    "tiled": ["participants.tsv", "images.tsv", "backbone.safetensors", "scans/S1.svs"],
    "preprocessed": [
        *("participants.tsv", "atlas.nii.gz"),
        *(f"{BOLD}_space-MNI_desc-{name}.nii.gz" for name in ("preproc_bold", "brain_mask")),
        *(f"{BOLD}_desc-confounds_timeseries.{suffix}" for suffix in ("tsv", "json")),
    ],
    "imaged": [
        *(f"{name}.{suffix}" for name in ("array", "old") for suffix in ("bed", "bim", "fam")),
        *(f"release.{suffix}" for suffix in ("pgen", "pvar", "psam", "pgen.pgi")),
        *(f"packed.{suffix}" for suffix in ("pgen", "pvar.zst", "psam")),
        *("c1.bgen", "ukb.sample", "c2.bgen", "c2.sample"),
        *("imputed.vcf.gz", "positions.tsv", "over.chain.gz", "genes.loc"),
        *("labels.nii.gz", "labels.tsv", "bids/sub-1/anat/sub-1_T1w.nii.gz", "masks/1.nii.gz"),
        *(f"template/{name}.nii.gz" for name in ("t1", "brain", "grey", "white", "csf")),
        *("components.tsv", "scans/1.tsv", "scans/2.tsv", "counts.tsv", "symbols.tsv"),
        *("families.tsv", "alterations.tsv", "sets.gmt", "loci.tsv", "truth.json"),
        *("series.tsv", "participants.tsv", "sexes.tsv", "volumes.tsv", "slides.tsv"),
        *("parcels.nii.gz", "parcels.tsv"),
        *("slides/S1.h5", "maps/1.nii.gz", "maps/2.nii.gz"),
    ],
    "measured": [
        *("ukb.bgen", "ukb_s2.sample", "positions.tsv", "genes.loc"),
        *("regions.tsv", "places.tsv", "fnc/sub-1.tsv", "participants.tsv"),
        *(f"brats/1_{name}.nii.gz" for name in ("t1", "flair", "seg")),
    ],
    "slices": ["participants.tsv", "slices/1/1_1.tif", "slices/1/1_1_mask.tif"],
}
STUDIES = {
    "imaged": IMAGED,
    "measured": MEASURED,
    "slices": SLICES,
    "preprocessed": PREPROCESSED,
    "tiled": TILED,
    "labelled": LABELLED,
}


def make(folder: Path, name: str) -> Path:
    put(folder, *FILES[name])
    (folder / "participants.tsv").write_text("participant_id\tdiagnosis\n1\tAD\n2\tCN\n")
    (folder / "series.tsv").write_text("participant_id\tfile\n1\tscans/1.tsv\n2\tscans/2.tsv\n")
    (folder / "slides.tsv").write_text("participant_id\tslide_id\n1\tS1\n")
    images = "1\tS1\tscans/S1.svs\nn/a\tS2\tscans/S2.svs\n"
    (folder / "images.tsv").write_text(f"participant_id\tslide_id\tfile\n{images}")
    maps = "".join(f"{who}\tmaps/{who}.nii.gz\n" for who in (1, 2))
    (folder / "volumes.tsv").write_text(f"participant_id\tfile\n{maps}")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDIES[name]))
    return folder / "study.yaml"


def texts(schema: dict, node: dict, where: str = ""):
    """Yield the place of every text, or list of texts, that a configuration can hold."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for branch in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        yield from texts(schema, branch, where)
    if node.get("type") == "string" and "enum" not in node and "const" not in node:
        yield where
    items = node.get("items")
    if isinstance(items, dict):
        yield from texts(schema, items, where)
    more = node.get("additionalProperties")
    if isinstance(more, dict):
        yield from texts(schema, more, where)
    for key, value in node.get("properties", {}).items():
        yield from texts(schema, value, f"{where}.{key}".lstrip("."))


def mentions(value: object, where: str = ""):
    """Yield the place of every text of a configuration."""
    if where in (".genotypes.lift", ".genotypes.bgen.samples") and isinstance(value, dict):
        # Their keys are the names of input sets.
        value = list(value.values())
        where += "."
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from mentions(inner, f"{where.rstrip('.')}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from mentions(inner, where)
    elif isinstance(value, str):
        yield where.lstrip(".")


def test_every_text_of_the_configuration_is_known_to_name_a_file_or_not():
    schema = Study.model_json_schema()
    places = {place for place in texts(schema, schema) if not place.startswith(NO_FILES_BELOW)}
    assert places >= NO_FILES
    assert places - NO_FILES <= {place for study in STUDIES.values() for place in mentions(study)}


@pytest.fixture
def inputs_of_rules():
    """Return the inputs of each rule in a dry run."""
    from snakemake.logging import logger

    def plan(folder: Path) -> dict[str, set[str]]:
        inputs: dict[str, set[str]] = {}

        def listen(record) -> bool:
            if getattr(record, "rule_name", None) and hasattr(record, "input"):
                inputs.setdefault(record.rule_name, set()).update(map(str, record.input or ()))
            return True

        logger.addFilter(listen)
        try:
            with contextlib.chdir(folder):
                planned_jobs("-s", str(ROOT / "Snakefile"), "--configfile", "study.yaml")
        finally:
            logger.removeFilter(listen)
        return inputs

    return plan


@pytest.mark.parametrize("name", STUDIES)
def test_every_file_is_an_input_of_a_rule_and_recorded(name, tmp_path, inputs_of_rules):
    make(tmp_path, name)
    inputs = inputs_of_rules(tmp_path)
    recorded = inputs.pop("record_inputs")
    read = set().union(*inputs.values())
    assert set(FILES[name]) - recorded == set()
    assert set(FILES[name]) - read == set()
    with contextlib.chdir(tmp_path):
        study = Study.parse("study.yaml")
        genotypes = study.genotypes.files if study.genotypes else []
        stages = ("imaging", "connectivity", "lesions", "histology")
        sections = {name: getattr(study, name) for name in stages}
        modalities = {
            name: section.model_dump(mode="json")
            for name, section in study.modality_sections().items()
        }
        paths_by_kind = given_files(
            [*genotypes, *study.tables()],
            **{name: section.dump() for name, section in sections.items() if section},
            modalities=json.dumps(modalities),
        )
    assert set(FILES[name]) == {path for paths in paths_by_kind.values() for path in paths}
