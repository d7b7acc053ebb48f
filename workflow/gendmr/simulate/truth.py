"""What was planted, as truth.json and participants.json tell it."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from gendmr.config.simulate import SimulateSection
from gendmr.simulate.disease import Planted
from gendmr.simulate.outcomes import SimulatedColumns
from gendmr.simulate.roster import ImageList

_UNITS = {
    "quantitative": "score",
    "survival": "log hazard ratio",
    "multiclass": "standard deviations of the axis",
}
DESCRIPTION = {
    "participant_id": {"Description": "Unique identifier; genotypes carry it as IID without sub-"},
    "diagnosis": {
        "Description": "Simulated diagnosis",
        "Levels": {"AD": "Alzheimer's disease", "CN": "cognitively normal"},
    },
    "age": {"Description": "Age at the scan", "Units": "year"},
    "sex": {"Description": "Declared sex", "Levels": {"F": "female", "M": "male"}},
    "site": {"Description": "Recruiting site"},
}


def truth_of(
    section: SimulateSection,
    names: ImageList,
    regions: pd.DataFrame,
    people: pd.DataFrame,
    outcomes: dict[str, SimulatedColumns],
    variants: pd.DataFrame,
    planted: list[Planted],
    seed: int,
) -> dict[str, Any]:
    """Return what was planted, as truth.json holds it.

    Parameters
    ----------
    section : SimulateSection
    names : ImageList
        Who is in the cohort, with their faults.
    regions : pandas.DataFrame
        The table of regions.
    people : pandas.DataFrame
        `label`, and `other`: the label of a twin or parent.
    outcomes : dict of str to SimulatedColumns
        Further outcomes; without any, the file has no entry `outcomes`.
    variants : pandas.DataFrame
        `snp`, `chromosome`, `position`, both alleles and `fault`.
    planted : list of Planted
    seed : int
    """
    hemisphere = dict(zip(regions["region"], regions["hemisphere"], strict=True))
    relatives = dict(zip(people["label"], people["other"], strict=True))
    shrinking = () if section.null_mode or section.atrophy == 0 else section.regions
    weakened = () if section.null_mode or section.atrophy == 0 else section.connections
    truth: dict[str, Any] = {
        "null": section.null_mode,
        "seed": seed,
        "build": "GRCh37",
        "genes": [
            _gene(item, variants)
            | {
                "odds_ratio": item.odds_ratio,
                "through": item.through,
                "variance_explained": None if item.share is None else section.variance_explained,
            }
            | _action(section, item)
            for item in planted
        ],
        "regions": [
            {"region": name, "hemisphere": hemisphere[name], "effect": section.atrophy}
            for name in shrinking
        ],
        **(
            {"connections": [{"connection": name, "effect": section.atrophy} for name in weakened]}
            if section.functional
            else {}
        ),
        "faults": [
            {"participant_id": f"sub-{label}", "fault": fault}
            | ({"other": f"sub-{relatives[label]}"} if relatives[label] else {})
            for label, fault in sorted(names.faults.items())
        ],
        "variants": [
            {"snp": snp, "fault": fault}
            for snp, fault in zip(variants["snp"], variants["fault"], strict=True)
            if fault
        ],
    }
    if outcomes:
        truth["outcomes"] = {
            name: _outcome(section, item, hemisphere, variants, planted)
            for name, item in outcomes.items()
        }
    return truth


def _action(section: SimulateSection, item: Planted) -> dict[str, Any]:
    """Return how a gene acts, and the other of its pair; nothing where all are additive."""
    if section.gene_action == "additive":
        return {}
    alone = section.gene_action == "epistatic" and item.partner is None
    return {
        "gene_action": "additive" if alone else section.gene_action,
        "partner": item.partner,
    }


def _gene(item: Planted, variants: pd.DataFrame) -> dict[str, Any]:
    return {
        "gene": item.gene,
        "chromosome": str(variants["chromosome"].iloc[item.row]),
        "position": int(variants["position"].iloc[item.row]),
        "snp": str(variants["snp"].iloc[item.row]),
        "risk_allele": str(variants["derived" if item.derived else "ancestral"].iloc[item.row]),
    }


def _outcome(
    section: SimulateSection,
    columns: SimulatedColumns,
    hemisphere: dict[str, str],
    variants: pd.DataFrame,
    planted: list[Planted],
) -> dict[str, Any]:
    """Return effects on an outcome, given all its other causes, per copy and per unit.

    A unit of susceptibility is a region smaller by `simulate.susceptibility` of its volume. What
    has no effect is not listed.
    """
    axes = {"effect": columns.liability}
    if columns.second is not None:
        axes["effect_second"] = columns.second

    def effects(attribute: Literal["genes", "regions"], number: int) -> dict[str, float]:
        return {
            key: round(float(columns.scale * getattr(axis, attribute)[number]), 6)
            for key, axis in axes.items()
        }

    genes = [
        _gene(item, variants) | effects("genes", number) | {"through": item.through}
        for number, item in enumerate(planted)
        if any(effects("genes", number).values())
    ]
    region_names = section.regions if len(columns.liability.regions) else ()
    regions = [
        {"region": name, "hemisphere": hemisphere[name]} | effects("regions", number)
        for number, name in enumerate(region_names)
        if any(effects("regions", number).values())
    ]
    outcome = columns.section
    return {
        "kind": outcome.kind,
        "columns": [str(column) for column in columns.table],
        "unit": _UNITS[outcome.kind],
        **({"labels": list(outcome.labels)} if outcome.kind == "multiclass" else {}),
        "genes": genes,
        "regions": regions,
    }


def describe_columns(
    outcomes: dict[str, SimulatedColumns], functional: bool = False
) -> dict[str, Any]:
    """Return participants.json: what each column of participants.tsv is.

    Parameters
    ----------
    outcomes : dict of str to SimulatedColumns
        Further outcomes, by name.
    functional : bool
        Whether there are functional scans, and so motion.
    """
    described: dict[str, Any] = dict(DESCRIPTION)
    if functional:
        described["motion"] = {"Description": "Mean framewise displacement", "Units": "mm"}
    for name, item in outcomes.items():
        outcome = item.section
        if outcome.kind == "survival":
            described[outcome.time] = {
                "Description": f"{name}: time to the event, or to when the person was last seen",
                "Units": "month",
            }
            described[outcome.event] = {
                "Description": f"{name}: whether the event was seen",
                "Levels": {"1": "event", "0": "censored"},
            }
        elif outcome.kind == "multiclass":
            described[name] = {
                "Description": "Simulated class",
                "Levels": {label: f"class {label}" for label in outcome.labels},
            }
        else:
            described[name] = {"Description": f"Simulated score; {outcome.worse} is worse"}
    return described
