"""Every kind of method in a form that fits in moments: what holds for one must hold for all."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np

from gendmr.config.methods import AnyMethod
from gendmr.config.training import MethodOptions
from gendmr.training.fold import train_fold
from gendmr.preprocessing.preparation import People

EVERYWHERE = "19:1-59000000"  # the planted gene of the made-up cohorts lies on chromosome 19
METHODS: dict[str, dict[str, Any]] = {
    "gendmr": {"kind": "gendmr"},
    "gendmr-blocks": {"kind": "gendmr", "blocks": 1, "width": 8, "attention": 8, "heads": 2},
    "gendmr-no-evidence": {"kind": "gendmr", "evidence": "none", "width": 8, "attention": 8},
    "ridge": {"kind": "ridge"},
    "locus": {"kind": "locus", "interval": EVERYWHERE},
    "polygenic": {"kind": "polygenic"},
    "association-diagnosis": {"kind": "association", "channels": "diagnosis"},
    "association-both": {"kind": "association", "channels": "both"},
    "fusion-concatenation": {"kind": "fusion", "mode": "concatenation", "width": 6},
    "fusion-late": {"kind": "fusion", "mode": "late", "width": 6},
    "fusion-ogm_ge": {"kind": "fusion", "mode": "ogm_ge", "width": 6},
    "fusion-fixed_teacher": {"kind": "fusion", "mode": "fixed_teacher", "width": 6},
}
NETWORKS = [name for name, method in METHODS.items() if method["kind"] in ("gendmr", "fusion")]
# One of each kind, in its richest form.
EACH_KIND = (
    "gendmr",
    "ridge",
    "locus",
    "polygenic",
    "association-both",
    "fusion-fixed_teacher",
)
SEED = 5


def sections() -> dict[str, type]:
    """Return the configuration type of each kind of method that a study can ask for."""
    return {
        section.model_fields["kind"].default: section
        for section in get_args(get_args(AnyMethod)[0])
    }


def options(name: str, **changes: dict[str, Any]) -> MethodOptions:
    """Return the slice of a method of `METHODS`; SNPs are selected by the diagnosis."""
    shared: dict[str, dict[str, Any]] = {
        "selection": {"mode": "both", "maximum": 40},
        "adjustment": {"components": 2},
        "optimisation": {"epochs": 3},
    }
    for section, values in changes.items():
        shared[section] = shared.get(section, {}) | values
    method = METHODS[name] | shared.pop("method", {})
    if name not in NETWORKS:
        del shared["optimisation"]
    return MethodOptions.parse({"method": method, **shared})


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
    found: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return found


def joined(one: People, other: People) -> People:
    """Return people of two sets as one."""
    return People(
        **{
            field.name: np.concatenate([getattr(one, field.name), getattr(other, field.name)])
            for field in fields(People)
        }
    )
