"""Studies in memory, and the slice of a method that a job of such a study is given."""

from __future__ import annotations

from typing import Any

from gendmr.config.study import Study
from gendmr.config.training import MethodOptions

MEASURED_BY: dict[str, dict[str, dict[str, Any]]] = {
    "snp": {
        "genotypes": {"inputs": ["data/array"]},
        "annotation": {"genes": "data/genes.gene.loc"},
    },
    "region": {"imaging": {"measurements": "data/regions.nc"}},
}
OUTCOMES: dict[str, dict[str, Any]] = {
    "diagnosis": {"kind": "binary"},
    "stage": {"kind": "multiclass", "column": "stage", "classes": ["CN", "MCI", "AD"]},
    "memory": {"kind": "quantitative", "column": "memory"},
    "conversion": {"kind": "survival", "time": "months", "event": "converted"},
    "relapse": {"kind": "survival", "time": "m", "event": "r", "model": "discrete"},
}
SMALL = {"snp": {"components": 2}}


def study_mapping(
    methods: dict[str, dict[str, Any]] | None = None,
    *,
    available: tuple[str, ...] = ("snp", "region"),
    outcomes: dict[str, dict[str, Any]] | None = None,
    modalities: dict[str, dict[str, Any]] | None = None,
    **training: Any,
) -> dict[str, Any]:
    """Return a study as its YAML file would say it.

    Parameters
    ----------
    methods : dict, optional
        `training.methods`.
    available : tuple of str
        Modalities that the study measures.
    outcomes : dict, optional
        `cohort.outcomes`; without it, the default.
    modalities : dict, optional
        Entries of `modalities` beside those of `SMALL`.
    training : Any
        What else stands in the section `training`.
    """
    sections: dict[str, Any] = {}
    for name in available:
        sections |= MEASURED_BY[name]
    entries = {name: dict(SMALL.get(name, {})) for name in available}
    for name, entry in (modalities or {}).items():
        entries[name] = entries.get(name, {}) | entry
    cohort: dict[str, Any] = {"participants": "data/participants.tsv"}
    if outcomes is not None:
        cohort["outcomes"] = outcomes
    if methods is not None:
        training["methods"] = methods
    return {
        "study": "test", "seed": 1, **sections, "cohort": cohort, "training": training,
        "modalities": entries,
    }  # fmt: skip


def make_study(methods: dict[str, dict[str, Any]] | None = None, **more: Any) -> Study:
    """Return the study of `study_mapping`."""
    return Study.parse(study_mapping(methods, **more))


def slice_of(
    method: dict[str, Any], *, outcome: str = "diagnosis", epochs: int = 3, **more: Any
) -> MethodOptions:
    """Return the slice of a method alone in its study; `outcome` is one of `OUTCOMES`."""
    more = {"outcomes": {outcome: OUTCOMES[outcome]}, "optimisation": {"epochs": epochs}} | more
    return make_study({"m": method}, **more).method_options("m")
