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
SNP = {"kind": "ridge", "modalities": ["snp"]}
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
    ],
    "methods": ["gendmr", "ablations", "networks", "baselines", "one", "none ranked"],
    "selection": ["genes", "fold_association", "both"],
    "template": ["builtin", "own"],
    "preset": ["testing", "fast", "precise"],
    "brain": ["stripped", "template", "given"],
    "null": ["off", "all", "some"],
    "enrichment": ["off", "sets", "loci", "both"],
    "folds": [(5, 1), (3, 2)],
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
        "covariates": {"kind": "ridge", "modalities": ["covariates"]},
        "snp": SNP,
    },
    "one": {"only": SNP},
    "none ranked": {"covariates": {"kind": "ridge", "modalities": ["covariates"]}},
}
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
                    frozenset([(name, level), other]) in missing for other in row.items()
                ),
            )
        missing -= {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}
        rows.append({name: factors[name][row[name]] for name in names})
    return rows


ROWS = every_pair(FACTORS)


def test_every_pair_of_settings_is_met():
    for one, other in itertools.combinations(FACTORS, 2):
        met = {(str(row[one]), str(row[other])) for row in ROWS}
        assert len(met) == len(FACTORS[one]) * len(FACTORS[other])
    assert len(ROWS) < 60


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
    return folder


def has_images(row):
    return row["source"].endswith("images")


def without_regions(entry):
    """Whether a method can run where there are no regions."""
    return "region" not in entry.get("modalities", ["snp"])


def configure(row):
    """Return the configuration of one combination."""
    simulated = row["source"].startswith("simulated")
    made = "results/grid/simulate"
    folds, repeats = row["folds"]
    study = {
        "study": "grid",
        "seed": 1,
        "genotypes": {"inputs": list(row["genotypes"]), "build": "GRCh37"},
        "annotation": {"genes": "genes", "format": row["genes"]},
        "cohort": {"participants": "participants.tsv", "folds": folds, "repeats": repeats},
        "training": {
            "methods": METHODS[row["methods"]],
            "selection": {"mode": row["selection"]},
            "null": {"permutations": 0 if row["null"] == "off" else 50, "chunk": 20},
        },
        "tracking": {"enabled": row["tracking"]},
    }
    if row["null"] == "some":
        study["training"]["null"]["methods"] = ranked(study)[:1]
    if simulated:
        study["simulate"] = {"people": 40, "images": IMAGES, "faults": False}
        study["genotypes"]["inputs"] = [f"{made}/genotypes/array1", f"{made}/genotypes/array2"]
        study["annotation"] = {"genes": f"{made}/genes.gene.loc"}
        study["cohort"]["participants"] = f"{made}/participants.tsv"
        study["report"] = {"truth": f"{made}/truth.json"}
    if has_images(row):
        folder = made if simulated else ""
        study["imaging"] = {
            "bids": f"{made}/bids" if simulated else "bids",
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
        study["imaging"] = {"measurements": f"{made}/regions.nc"}
    elif row["source"] != "genotypes only":
        study["imaging"] = {"measurements": "regions.tsv"}
        if row["source"].endswith("places"):
            study["imaging"]["places"] = "places.tsv"
    if row["enrichment"] != "off":
        sets = {} if row["enrichment"] == "loci" else {"sets": ["sets.gmt"]}
        loci = {} if row["enrichment"] == "sets" else {"loci": ["loci.tsv"]}
        study["ranking"] = {"enrichment": sets | loci}
    return study


ATLAS = (("labels", "nii.gz"), ("table", "tsv"))


def ranked(study):
    methods = study["training"]["methods"].items()
    return [name for name, entry in methods if entry.get("modalities") != ["covariates"]]


def expected(row, study):
    """Count, without Snakemake, the jobs of rules that not every study runs exactly once."""
    n_folds = row["folds"][0] * row["folds"][1]
    methods = len(study["training"]["methods"])
    n_ranked = len(ranked(study))
    nulls = {"off": 0, "all": n_ranked, "some": min(1, n_ranked)}[row["null"]]
    simulated = row["source"].startswith("simulated")
    images, measured = has_images(row), "measurements" in row["source"]
    jobs = {
        "simulate_cohort": simulated,
        "simulate_atlas": simulated and images,
        "simulate_images": simulated and images,
        "simulate_measurements": simulated and measured,
        "prepare_template": images,
        "register_t1w": IMAGES * images,
        "collect_regions": images,
        "read_measurements": measured,
        "train_fold": methods * n_folds,
        "train_null": nulls * n_folds * 3,
        "collect_metrics": methods,
        "rank_genes": n_ranked,
        "draw_ranking": n_ranked,
        "compare_rankings": n_ranked > 0,
        "test_enrichment": n_ranked * (row["enrichment"] != "off"),
    }
    return {rule: int(count) for rule, count in jobs.items()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['source']}, {row['methods']}")
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
    others = {rule: count for rule, count in counts.items() if rule not in some}
    assert set(others.values()) == {1}
    assert {"merge_genotypes", "join_cohort", "split_folds", "summarize_study"} <= set(others)
    networks = {
        name
        for name, entry in study["training"]["methods"].items()
        if entry["kind"] in {"gendmr", "fusion"}
    }
    for job in jobs:
        assert job.mem_mb > 0
        assert job.runtime > 0
        assert job.gpu == (job.wildcards.get("method") in networks and job.rule.startswith("train"))
