"""Every kind of method in a form that fits in moments: what holds for one must hold for all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gendmr.config.methods import KINDS
from gendmr.config.methods.base import MethodSection
from gendmr.config.study import Study
from gendmr.config.training import MethodOptions
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.tasks.binary.outcome import CaseStatus
from gendmr.training.fold import train_fold

EVERYWHERE = "19:1-59000000"  # the planted gene of the made-up cohorts lies on chromosome 19
METHODS: dict[str, dict[str, Any]] = {
    "gendmr": {"kind": "gendmr"},
    "gendmr-blocks": {"kind": "gendmr", "blocks": 1, "width": 8, "attention": 8, "heads": 2},
    "gendmr-network": {"kind": "gendmr", "design": "network", "width": 8, "attention": 8},
    "ridge": {"kind": "ridge"},
    "ridge-shuffled": {"kind": "ridge", "shuffled": {"snp": ["diagnosis"]}},
    "locus": {"kind": "locus", "interval": EVERYWHERE},
    "polygenic": {"kind": "polygenic"},
    "association-outcome": {"kind": "association", "channels": "outcome"},
    "association-both": {"kind": "association", "channels": "both"},
    "fusion-concatenation": {"kind": "fusion", "mode": "concatenation", "width": 6},
    "fusion-late": {"kind": "fusion", "mode": "late", "width": 6},
    "fusion-ogm_ge": {"kind": "fusion", "mode": "ogm_ge", "width": 6},
    "fusion-fixed_teacher": {"kind": "fusion", "mode": "fixed_teacher", "width": 6},
    "gene_network-sparse": {"kind": "gene_network", "mode": "sparse"},
    "gene_network-set": {"kind": "gene_network", "mode": "set", "width": 4},
    "gene_network-attention": {"kind": "gene_network", "mode": "attention", "width": 4},
    "migtrans": {
        "kind": "migtrans",
        "reads": ["snp", "region"],
        "width": 8,
        "hidden": [16, 12],
        "tokens": 2,
        "autoencoder": "joint",
        "shortcut": "none",
    },
    "migtrans-ridge": {
        "kind": "migtrans",
        "reads": ["snp", "region"],
        "width": 8,
        "hidden": [16, 12],
        "tokens": 2,
        "shortcut": "ridge",
    },
}
# How much of the network counts is chosen on the validation people, and kept in the model.
CHOSEN_ON_VALIDATION = ("migtrans-ridge",)
NETWORKS = [name for name, method in METHODS.items() if KINDS[method["kind"]].network]
# One of each kind, in its richest form.
EACH_KIND = (
    "gendmr",
    "ridge",
    "locus",
    "polygenic",
    "association-both",
    "fusion-fixed_teacher",
    "gene_network-set",
    "migtrans",
)
SEED = 5


def sections() -> dict[str, type[MethodSection]]:
    """Return the type of each kind that can learn a diagnosis from SNPs or regions.

    The others are proved in tests/contract, with outcomes and modalities that they can use.
    """
    return {
        kind: section
        for kind, section in KINDS.items()
        if "binary" in section.tasks
        and (section.readable is None or set(section.readable) & {"snp", "region"})
    }


def study(name: str, **changes: dict[str, Any]) -> Study:
    """Return a study with one method of `METHODS`; SNPs are selected by the outcome.

    Parameters
    ----------
    name : str
        Of `METHODS`.
    changes : dict
        `selection`, `snp`, `region`, `optimisation`, `method`, `outcomes`: keys that differ.
    """
    selection = {"mode": "both", "maximum": 40} | changes.get("selection", {})
    snp = {"components": 2, "selection": selection} | changes.get("snp", {})
    cohort: dict[str, Any] = {"participants": "participants.tsv"}
    if "outcomes" in changes:
        cohort["outcomes"] = changes["outcomes"]
    return Study.parse(
        {
            "study": "kinds",
            "seed": SEED,
            "genotypes": {"inputs": ["made-up"], "build": "GRCh37"},
            "annotation": {"genes": "made-up", "format": "gene.loc", "build": "GRCh37"},
            "imaging": {"measurements": "made-up"},
            "modalities": {"snp": snp, "region": changes.get("region", {})},
            "cohort": cohort,
            "training": {
                "methods": {name: METHODS[name] | changes.get("method", {})},
                "optimisation": {"epochs": 3} | changes.get("optimisation", {}),
            },
        }
    )


def options(name: str, **changes: dict[str, Any]) -> MethodOptions:
    """Return the slice of a method: see `study`."""
    return study(name, **changes).method_options(name)


def train(cohort: Path, output: Path, name: str, fold: int = 0, **changes: dict[str, Any]) -> Path:
    """Train one fold of a method of `METHODS`; return `output`."""
    train_fold(
        cohort,
        output,
        method=name,
        repeat=0,
        fold=fold,
        options=options(name, **changes),
        seed=SEED,
        device="cpu",
    )
    return output


def read(folder: Path, name: str) -> dict[str, Any]:
    """Return one of the JSON files of a fold."""
    content: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return content


def joined(early: PreparedSubset, late: PreparedSubset) -> PreparedSubset:
    """Return people of two sets as one, with outcomes of binary tasks."""
    first, second = early.outcome, late.outcome
    assert isinstance(first, CaseStatus) and isinstance(second, CaseStatus)
    return replace(
        early,
        participants=np.concatenate([early.participants, late.participants]),
        family=np.concatenate([early.family, late.family]),
        outcome=CaseStatus(np.concatenate([first.case, second.case])),
        present={
            name: np.concatenate([who, late.present[name]]) for name, who in early.present.items()
        },
        values={
            name: np.concatenate([value, late.values[name]]) for name, value in early.values.items()
        },
        covariates=np.concatenate([early.covariates, late.covariates]),
    )
