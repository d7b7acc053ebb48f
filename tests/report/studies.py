"""A finished study in the form of the contracts, with made-up numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.outcomes.base import OutcomeSection
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.config.report import ReportSection
from gendmr.report import study as report
from gendmr.report import summary
from gendmr.report.schema import StudySummary

METHODS = {
    "gendmr": (["snp", "region"], 0.80),
    "ridge": (["snp", "region", "covariates"], 0.74),
    "ridge-snp": (["snp"], 0.58),
    "ridge-region": (["region"], 0.77),
    "ridge-covariates": (["covariates"], 0.55),
}
PATTERNS = ("auc:snp", "auc:snp+region", "auc:region")
BOTH = ["snp", "region"]
# What a full study adds: ablations, baselines, and the same without the APOE region.
MORE = {
    "gendmr-no-position": (BOTH, 0.795),
    "gendmr-no-blocks": (BOTH, 0.80),
    "gendmr-no-selection": (BOTH, 0.79),
    "gendmr-no-distillation": (BOTH, 0.78),
    "gendmr-no-contrast": (BOTH, 0.805),
    "gendmr-imaging-teaches": (BOTH, 0.79),
    "gendmr-genetics-teaches": (BOTH, 0.75),
    "gendmr-no-evidence": (BOTH, 0.76),
    "gendmr-without-apoe": (BOTH, 0.74),
    "gendmr-snp": (["snp"], 0.61),
    "gendmr-region": (["region"], 0.77),
    "locus-apoe": (["snp", "covariates"], 0.64),
    "polygenic": (["snp", "covariates"], 0.6),
    "polygenic-without-apoe": (["snp", "covariates"], 0.56),
    "association": (BOTH, 0.7),
    "association-two-channels": (BOTH, 0.72),
    "fusion-concatenation": (BOTH, 0.73),
    "fusion-late": (BOTH, 0.74),
    "fusion-ogm-ge": (BOTH, 0.74),
    "fusion-fixed-teacher": (BOTH, 0.75),
}
OUTCOMES: dict[str, OutcomeSection] = {"diagnosis": BinaryOutcome()}
DEFAULTS = ReportSection()
REGIONS = ("Hippocampus", "Amygdala", "Entorhinal cortex", "Precuneus", "Occipital pole")
Maker = Callable[..., Path]


def write_tsv(path: Path, rows: Sequence[Mapping[str, object]] | pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False, na_rep="n/a")


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def draw(path: Path, text: str) -> None:
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure = plt.figure(figsize=(5, 1.5))
    figure.text(0.5, 0.5, text, ha="center")
    figure.savefig(path, metadata={"Software": None}, dpi=60)
    plt.close(figure)


def people_of(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "participant_id": [f"{i:03d}" for i in range(n)],
            "diagnosis": ["case" if i % 2 else "control" for i in range(n)],
            "age": rng.normal(74, 6, n).round(1),
            "sex": rng.choice(["F", "M"], n),
            "site": rng.choice(["A", "B"], n),
            "has_snp": [i % 7 != 0 for i in range(n)],
            "has_region": [i % 3 == 0 for i in range(n)],
            "family": [f"f{i // 2 if i < 4 else i}" for i in range(n)],
        }
    )


def patterns_of(people: pd.DataFrame) -> np.ndarray:
    has_both = people["has_snp"] & people["has_region"]
    single = np.where(people["has_snp"], "snp", np.where(people["has_region"], "region", "none"))
    return np.where(has_both, "snp+region", single)


def write_history(path: Path, rng: np.random.Generator, *, roles: bool) -> None:
    epochs = 5 if "fold-0" in path.parts else 8
    lines = []
    for epoch in range(1, epochs + 1):
        line: dict[str, object] = {"epoch": epoch, "step": 4 * epoch, "train_loss": 0.7}
        if roles:
            for group, imaging in (("case", 0.6), ("control", 0.4)):
                region = imaging * epoch / epochs * rng.uniform(0.8, 1)
                snp = 0.3 * (1 - region)
                line |= {
                    f"lead_region_{group}": region,
                    f"lead_snp_{group}": snp,
                    f"lead_none_{group}": 1 - region - snp,
                }
        lines.append(json.dumps(line) + "\n")
    path.write_text("".join(lines))


def write_method(results: Path, people: pd.DataFrame, name: str, folds: int) -> None:
    modalities, level = (METHODS | MORE)[name]
    kind = name.split("-", maxsplit=1)[0]
    rng = np.random.default_rng(sum(name.encode()))
    folder = results / "training" / name
    rows = []
    for fold in range(folds):
        place = folder / "repeat-0" / f"fold-{fold}"
        auc = round(level + 0.02 * (fold - (folds - 1) / 2) + rng.normal(0, 0.01), 3)
        write_json(
            place / "run.json",
            {
                "status": "finished",
                "method": name,
                "kind": kind,
                "repeat": 0,
                "fold": fold,
                "seed": 100 + fold,
                "device": "cpu",
                "epochs": 5,
                "best_epoch": 3,
                "outcome": "diagnosis",
                "task": "binary",
                "reads": modalities,
                "options": {
                    "method": {
                        "kind": kind,
                        "exclude": ["19:44000000-46500000"] if "without-apoe" in name else [],
                    }
                },
                "notes": ["no blocks"] if kind == "gendmr" else ["linear"],
                "selection": {"n_snp": 80},
                "versions": {"torch": "2.13.0", "numpy": "2.4"},
                "inputs": {},
            },
        )
        held_out = people.iloc[fold::folds]
        write_json(
            place / "fold.json",
            {
                "method": name,
                "repeat": 0,
                "fold": fold,
                "outcome": "diagnosis",
                "n_train": len(people) - len(held_out),
                "n_validation": 0,
                "n_held_out": len(held_out),
                "calibration": {"threshold": 0.5},
                "notes": [],
            },
        )
        write_history(place / "history.jsonl", rng, roles=kind == "gendmr" and modalities == BOTH)
        truth = (held_out["diagnosis"] == "case").astype(int)
        score = 1 / (
            1 + np.exp(-(truth - 0.5) * (level - 0.5) * 8 - rng.normal(0, 1.5, len(held_out)))
        )
        write_tsv(
            place / "predictions.tsv",
            pd.DataFrame(
                {
                    "participant_id": held_out["participant_id"],
                    "set": "held-out",
                    "modalities": patterns_of(held_out),
                    "observed": truth,
                    "score": score,
                    "logit": np.log(score / (1 - score)),
                    "predicted": (score > 0.5).astype(int),
                }
            ),
        )
        rows.append({"repeat": 0, "fold": fold, "metric": "auc", "value": auc})
    means = {
        "auc": level,
        "balanced_accuracy": level - 0.05,
        "sensitivity": level - 0.1,
        "specificity": level,
        "brier": 0.2,
    }
    for metric, value in means.items():
        for column, shift in (("mean", 0.0), ("low", -0.08), ("high", 0.08)):
            rows.append({"repeat": "n/a", "fold": column, "metric": metric, "value": value + shift})
    pooled = {"auc": level, **dict.fromkeys(PATTERNS, level - 0.03)}
    for metric, value in pooled.items():
        for column, shift in (("pooled", 0.0), ("pooled_low", -0.1), ("pooled_high", 0.1)):
            rows.append({"repeat": "n/a", "fold": column, "metric": metric, "value": value + shift})
    write_tsv(folder / "metrics.tsv", [{"method": name, **row} for row in rows])


def copy_method(results: Path, name: str, copy: str) -> None:
    """Give a method a twin that was trained in the same folds."""
    folder = results / "training" / copy
    shutil.copytree(results / "training" / name, folder)
    for path in folder.rglob("fold.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"method": copy}))


def write_ranking(results: Path, name: str, genes: list[str]) -> None:
    folder = results / "ranking" / name
    table = [
        {
            "gene": gene,
            "chromosome": str(1 + place % 22),
            "start": 1000 * place,
            "end": 1000 * place + 500,
            "score": 1 / (place + 1),
            "score_max": 1 / (place + 2),
            "rank": place + 1,
            "rank_low": max(1, place - 3),
            "rank_high": place + 6,
            "stability": max(0.1, 1 - place / 50),
            "n_snp": 4,
            "p": None,
            "p_fwer": None,
            "q": None,
        }
        for place, gene in enumerate(genes)
    ]
    write_tsv(folder / "genes.tsv", table)
    regions = [
        {
            "region": region,
            "hemisphere": "L",
            "score": 1 / (place + 1),
            "direction": "lower",
            "rank": place + 1,
            "rank_low": 1,
            "rank_high": place + 3,
            "stability": 0.8,
            "p": None,
            "p_fwer": None,
            "q": None,
        }
        for place, region in enumerate(REGIONS)
    ]
    write_tsv(folder / "regions.tsv", regions)
    for figure in ("genome", "stability", "brain"):
        draw(folder / "figures" / f"{figure}.png", figure)


def make_study(
    results: Path, *, n: int = 120, folds: int = 5, images: bool = True, many: bool = False
) -> Path:
    people = people_of(n)
    if not images:
        people["has_region"] = False
        people["has_snp"] = True
    write_tsv(results / "cohort" / "participants.tsv", people)
    removed = [
        ("participant", "207", "genotypes", "call rate", "too many missing genotypes", 0.2, 0.05),
        ("participant", "208", "genotypes", "sex", "genetic and recorded sex differ", 1, 2),
        ("participant", "<b>209</b>", "cohort", "diagnosis", "no diagnosis & no age", None, None),
        *[
            ("variant", f"rs{i}", "genotypes", "MAF", "rare in this cohort", 0.001, 0.01)
            for i in range(40)
        ],
    ]
    columns = ("kind", "id", "stage", "step", "reason", "value", "threshold")
    write_tsv(
        results / "cohort" / "attrition.tsv",
        [dict(zip(columns, row, strict=True)) for row in removed],
    )
    write_json(results / "annotation" / "summary.json", {"build": "GRCh37", "notes": []})
    write_json(results / "cohort" / "summary.json", {"notes": ["2 people are kept without age"]})
    draw(results / "cohort" / "figures" / "flow.png", "flow")
    for name in METHODS | MORE if many else METHODS:
        write_method(results, people, name, folds)
    genes = ["APOE", *[f"GENE{i}" for i in range(1, 60)]]
    for name in ("gendmr", "ridge"):
        write_ranking(results, name, genes if name == "gendmr" else genes[::-1])
    if images:
        imaged = people.loc[people["has_region"], "participant_id"]
        write_tsv(
            results / "imaging" / "quality.tsv",
            [
                {
                    "participant_id": who,
                    "dice": 0.9 if place == 0 else 0.96 + place / 10000,
                    "outlier": place == 0,
                    "reason": "dice below 0.93" if place == 0 else "",
                }
                for place, who in enumerate(imaged)
            ],
        )
        draw(results / "imaging" / "figures" / "quality.png", "quality")
        for who in list(imaged)[:3]:
            draw(results / "imaging" / who / "registration.png", who)
    else:
        for name in ("gendmr", "ridge"):
            (results / "ranking" / name / "regions.tsv").unlink()
    write_json(
        results / "simulate" / "truth.json",
        {
            "null": False,
            "genes": [
                {"gene": "APOE", "odds_ratio": 3.0, "through": None},
                {"gene": "GENE7", "odds_ratio": 1.4, "through": "Hippocampus"},
                {"gene": "GENE55", "odds_ratio": 1.25, "through": None},
                {"gene": "LOST", "odds_ratio": 1.25, "through": None},
            ],
            "regions": [{"region": "Hippocampus", "effect": -0.6}],
            "faults": [],
        },
    )
    write_json(results / "tracking" / "synced.json", {"notes": []})
    return results


def summarise(
    results: Path,
    options: ReportSection = DEFAULTS,
    outcomes: Mapping[str, OutcomeSection] = OUTCOMES,
    **names: Sequence[str],
) -> StudySummary:
    """Collect the numbers of a study, of cases and controls unless other outcomes are given."""
    return summary.summarise(results, options, outcomes, **names)


def report_study(
    results: Path,
    options: ReportSection = DEFAULTS,
    outcomes: Mapping[str, OutcomeSection] = OUTCOMES,
    **names: Sequence[str],
) -> StudySummary:
    """Write the report of a study, of cases and controls unless other outcomes are given."""
    return report.report_study(results, options, outcomes, **names)
