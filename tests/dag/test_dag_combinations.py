"""Combinations of configuration, so that every pair of settings is met, build their graphs."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter

import pytest
import yaml

from gendmr.estimate.plan import planned_jobs

from .conftest import ROOT

IMAGES = 3
SNP = {"kind": "ridge", "reads": ["snp"]}
OWN_TEMPLATE = {
    "space": "MyTemplate",
    **{name: f"template/{name}.nii.gz" for name in ("t1", "brain", "grey", "white", "csf")},
}
# What each setting changes: value of `choose` for every level.
FACTORS = {
    "source": [
        "simulated images",
        "simulated measurements",
        "own images",
        "own measurements",
        "own measurements with places",
        "genotypes only",
        "images only",
        "measurements only",
    ],
    "methods": ["gendmr", "ablations", "networks", "baselines", "one", "none ranked"],
    "outcome": ["binary", "multiclass", "quantitative", "survival", "discrete", "several"],
    "selection": ["genes", "fold_association", "both"],
    "template": ["builtin", "own"],
    "preset": ["testing", "fast", "precise"],
    "brain": ["stripped", "template", "given"],
    "null": ["off", "all", "some"],
    "enrichment": ["off", "sets", "loci", "both"],
    "folds": [(5, 1), (3, 2), "site"],
    "genotypes": [("one",), ("one", "two")],
    "genes": ["gene.loc", "glist", "gtf"],
    "tracking": [True, False],
    "profile": ["none", "local", "slurm", "site and slurm", "local and slurm"],
}
METHODS = {
    "gendmr": {"gendmr": {"kind": "gendmr"}, "ridge": {"kind": "ridge"}},
    "ablations": {
        "no-position": {"kind": "gendmr", "position": "none"},
        "blocks": {"kind": "gendmr", "blocks": 1},
        "no-selection": {"kind": "gendmr", "dominance": "none", "evidence": "none"},
        "imaging-teaches": {"kind": "gendmr", "roles": "imaging"},
        "without-apoe": {"kind": "gendmr", "exclude": ["19:44000000-46500000"]},
    },
    "networks": {
        mode: {"kind": "fusion", "mode": mode}
        for mode in ("concatenation", "late", "ogm_ge", "fixed_teacher")
    },
    "baselines": {
        "locus": {"kind": "locus"},
        "polygenic": {"kind": "polygenic"},
        "single-snp": {"kind": "association"},
        "two-channel": {"kind": "association", "channels": "both"},
        "covariates": {"kind": "ridge", "reads": ["covariates"]},
        "snp": SNP,
    },
    "one": {"only": SNP},
    "none ranked": {"covariates": {"kind": "ridge", "reads": ["covariates"]}},
}
SITES = 3
# What is learned, and what the simulation makes of it beside the diagnosis.
OUTCOMES = {
    "diagnosis": {"kind": "binary"},
    "stage": {"kind": "multiclass", "column": "stage", "classes": ["CN", "MCI", "AD"]},
    "memory": {"kind": "quantitative", "column": "memory"},
    "conversion": {"kind": "survival", "time": "months", "event": "converted"},
    "hazards": {"kind": "survival", "time": "months", "event": "converted", "model": "discrete"},
}
LEARNED = {
    "binary": ["diagnosis"],
    "multiclass": ["stage"],
    "quantitative": ["memory"],
    "survival": ["conversion"],
    "discrete": ["hazards"],
    "several": list(OUTCOMES),
}
SIMULATED = {
    "stage": {"kind": "multiclass", "labels": ["CN", "MCI", "AD"], "shares": [0.4, 0.3, 0.3]},
    "memory": {"kind": "quantitative"},
    "conversion": {"kind": "survival", "time": "months", "event": "converted"},
}
# What a kind of method cannot do: read nothing but regions, learn classes.
NEEDS_SNPS, NO_CLASSES = {"locus", "polygenic"}, {"polygenic"}
PROFILES = {
    "none": (),
    "local": (ROOT / "workflow/profiles/local",),
    "slurm": ("slurm",),
    "site and slurm": ("mysite", "slurm"),
    "local and slurm": (ROOT / "workflow/profiles/local", "slurm"),
}


def every_pair(factors):
    """Return few rows in which every pair of levels of two factors occurs at least once."""
    names = list(factors)
    missing = {
        frozenset([(a, x), (b, y)])
        for a, b in itertools.combinations(names, 2)
        for x in range(len(factors[a]))
        for y in range(len(factors[b]))
    }
    rows = []
    while missing:
        row = dict(min(map(sorted, missing)))
        for name in sorted(names, key=lambda name: -len(factors[name])):
            if name in row:
                continue
            # of the levels of this factor, that which meets most pairs not met yet
            row[name] = max(
                range(len(factors[name])),
                key=lambda level: sum(
                    frozenset([(name, level), setting]) in missing for setting in row.items()
                ),
            )
        missing -= {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}
        rows.append({name: factors[name][row[name]] for name in names})
    return rows


ROWS = every_pair(FACTORS)
NAMED = ("source", "methods", "outcome")


def test_every_pair_of_settings_is_met():
    for first, second in itertools.combinations(FACTORS, 2):
        met = {(str(row[first]), str(row[second])) for row in ROWS}
        assert len(met) == len(FACTORS[first]) * len(FACTORS[second])
    assert len(ROWS) < 80


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with every input file that a combination may name, all of them empty."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in ("resources", "config"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "slurm").symlink_to(ROOT / "workflow/profiles/slurm")
    (folder / "mysite").mkdir()
    (folder / "mysite/config.yaml").write_text("jobs: 7\n")
    files = [f"{name}.{suffix}" for name in ("one", "two") for suffix in ("bed", "bim", "fam")]
    files += ["participants.tsv", "genes", "atlas.nii.gz", "atlas.tsv", "regions.tsv", "places.tsv"]
    files += [
        "sets.gmt",
        "loci.tsv",
        *(OWN_TEMPLATE[key] for key in OWN_TEMPLATE if key != "space"),
    ]
    for number in range(IMAGES):
        files += [f"bids/sub-{number}/anat/sub-{number}_T1w.nii.gz", f"masks/{number}.nii.gz"]
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    people = [f"{number}\tsite{number % SITES}" for number in range(9)]
    (folder / "participants.tsv").write_text("\n".join(["participant_id\tsite", *people]) + "\n")
    return folder


def has_images(row):
    return "images" in row["source"]


def modalities(row):
    """Return what is measured in a study."""
    return [
        name
        for name, without in (("snp", ("images only", "measurements only")), ("region", GENOTYPED))
        if row["source"] not in without
    ]


def reads(entry, measured):
    """Return the modalities that a method reads."""
    able = ["snp"] if entry["kind"] in NEEDS_SNPS else ["snp", "region"]
    return [name for name in measured if name in entry.get("reads", able)]


def methods_of(row):
    """Return the methods of a set that can learn and read what the study has."""
    measured, learned = modalities(row), LEARNED[row["outcome"]]
    entries = {
        name: {**entry, "outcome": learned[number % len(learned)]}
        for number, (name, entry) in enumerate(METHODS[row["methods"]].items())
        if reads(entry, measured) or entry.get("reads") == ["covariates"]
    }
    entries = {
        name: entry
        for name, entry in entries.items()
        if entry["kind"] not in NO_CLASSES or entry["outcome"] != "stage"
    }
    return entries or {"only": {"kind": "ridge", "outcome": learned[0]}}


def configure(row):
    """Return the configuration of one combination."""
    simulated = row["source"].startswith("simulated")
    simulated_folder = "results/grid/simulate"
    folds = {"fold_by": "site"}
    if row["folds"] != "site":
        folds = dict(zip(("folds", "repeats"), row["folds"], strict=True))
    study = {
        "study": "grid",
        "seed": 1,
        "cohort": {
            "participants": "participants.tsv",
            "outcomes": {name: OUTCOMES[name] for name in LEARNED[row["outcome"]]},
            **folds,
        },
        "training": {
            "methods": methods_of(row),
            "null": {"permutations": 0 if row["null"] == "off" else 50, "chunk": 20},
        },
        "tracking": {"enabled": row["tracking"]},
    }
    if "snp" in modalities(row):
        study["genotypes"] = {"inputs": list(row["genotypes"]), "build": "GRCh37"}
        study["annotation"] = {"genes": "genes", "format": row["genes"]}
        study["modalities"] = {"snp": {"selection": {"mode": row["selection"]}}}
    if row["null"] == "some":
        study["training"]["null"]["methods"] = list(ranked(row))[:1]
    if simulated:
        study["simulate"] = {"people": 40, "images": IMAGES, "faults": False, "sites": SITES}
        study["simulate"]["outcomes"] = SIMULATED
        study["genotypes"]["inputs"] = [
            f"{simulated_folder}/genotypes/array1",
            f"{simulated_folder}/genotypes/array2",
        ]
        study["annotation"] = {"genes": f"{simulated_folder}/genes.gene.loc"}
        study["cohort"]["participants"] = f"{simulated_folder}/participants.tsv"
        study["report"] = {"truth": f"{simulated_folder}/truth.json"}
    if has_images(row):
        folder = simulated_folder if simulated else ""
        study["imaging"] = {
            "bids": f"{simulated_folder}/bids" if simulated else "bids",
            "atlas": {name: f"{folder}/atlas.{suffix}".lstrip("/") for name, suffix in ATLAS},
            "preset": row["preset"],
            "brain": row["brain"],
        }
        if row["template"] == "own":
            study["imaging"]["template"] = OWN_TEMPLATE
        if row["brain"] == "given":
            study["imaging"]["mask"] = "masks/{participant}.nii.gz"
            if simulated:  # their labels are not those of the masks
                study["imaging"] |= {"mask": None, "brain": "stripped"}
    elif simulated:
        study["simulate"]["imaging"] = "measurements"
        study["imaging"] = {"measurements": f"{simulated_folder}/regions.nc"}
    elif "region" in modalities(row):
        study["imaging"] = {"measurements": "regions.tsv"}
        if row["source"].endswith("places"):
            study["imaging"]["places"] = "places.tsv"
    if row["enrichment"] != "off":
        sets = {} if row["enrichment"] == "loci" else {"sets": ["sets.gmt"]}
        loci = {} if row["enrichment"] == "sets" else {"loci": ["loci.tsv"]}
        study["ranking"] = {"enrichment": sets | loci}
    return study


ATLAS = (("labels", "nii.gz"), ("table", "tsv"))
GENOTYPED = ("genotypes only",)


def ranked(row):
    """Return the methods that are ranked, with the modalities that they read."""
    read = {name: reads(entry, modalities(row)) for name, entry in methods_of(row).items()}
    return {name: names for name, names in read.items() if names}


def fitted_under_null(entry):
    """Return whether a method is fitted with permuted outcomes, or its evidence collected alone."""
    return entry["kind"] != "gendmr" or entry.get("evidence") == "none"


def expected(row, study):
    """Count, without Snakemake, the jobs of rules that not every study runs exactly once."""
    n_folds = SITES if row["folds"] == "site" else row["folds"][0] * row["folds"][1]
    methods, measured = len(study["training"]["methods"]), modalities(row)
    n_ranked = len(ranked(row))
    with_genes = sum("snp" in names for names in ranked(row).values())
    nulls = {"off": 0, "all": n_ranked, "some": min(1, n_ranked)}[row["null"]]
    entries = methods_of(row)
    # Of 250 permutations 100 go into a job that fits, 1,000 into one that collects evidence.
    chunks = [3 if fitted_under_null(entries[name]) else 1 for name in list(ranked(row))[:nulls]]
    simulated = row["source"].startswith("simulated")
    images = has_images(row)
    by_reads = Counter("_".join(names) for names in ranked(row).values())
    jobs = {
        "simulate_cohort": simulated,
        "simulate_atlas": simulated and images,
        "simulate_images": simulated and images,
        "simulate_measurements": simulated and not images,
        "merge_genotypes": "snp" in measured,
        "filter_genotypes": "snp" in measured,
        "draw_genotypes": "snp" in measured,
        "map_snps": "snp" in measured,
        "prepare_template": images,
        "register_t1w": IMAGES * images,
        "collect_regions": images,
        "read_measurements": "region" in measured and not images,
        "collect_modality": len(measured),
        "train_fold": methods * n_folds,
        "train_null": n_folds * sum(chunks),
        "collect_metrics": methods,
        **{
            f"{verb}_{names}": by_reads[names]
            for verb in ("rank", "draw")
            for names in ("snp", "region", "snp_region")
        },
        "compare_rankings": with_genes > 0,
        "test_enrichment": with_genes * (row["enrichment"] != "off"),
    }
    return {rule: int(count) for rule, count in jobs.items()}


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row['source']}, {row['methods']}, {row['outcome']}"
)
def test_a_combination_builds_its_graph(inputs, row):
    study = configure(row)
    (inputs / "study.yaml").write_text(yaml.safe_dump(study))
    profiles = [word for name in PROFILES[row["profile"]] for word in ("--profile", str(name))]
    with contextlib.chdir(inputs):
        jobs = planned_jobs(
            *("-s", str(ROOT / "Snakefile"), *profiles, "--configfile", "study.yaml")
        )
    counts = Counter(job.rule for job in jobs)
    some = expected(row, study)
    assert {rule: counts[rule] for rule in some} == some
    count_of_others = {rule: count for rule, count in counts.items() if rule not in some}
    assert set(count_of_others.values()) == {1}
    assert {"join_people", "split_folds", "stratify_people", "summarize_study"} <= set(
        count_of_others
    )
    networks = {
        name
        for name, entry in study["training"]["methods"].items()
        if entry["kind"] in {"gendmr", "fusion"}
    }
    for job in jobs:
        if job.rule != "collect_modality":  # asks by the size of its inputs, which are not made yet
            assert job.mem_mb > 0
            assert job.runtime > 0
        name = job.wildcards.get("method")
        fits = job.rule.startswith("train_fold") or (
            job.rule == "train_null" and fitted_under_null(study["training"]["methods"][name])
        )
        assert job.gpu == (name in networks and fits)
