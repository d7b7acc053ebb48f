"""Ancestry components for pictures and description, and the summary of the stage.

Nothing downstream is fitted on them: training computes its own within each fold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.genotypes import GenotypesSection
from gendmr.files.atomic import read_json, read_text, write_json
from gendmr.files.tables import write_table
from gendmr.genotypes.filesets import read_fam
from gendmr.genotypes.plink import FEW_FOUNDERS, Plink, link, read_scores, workplace, write_names
from gendmr.seeds import derive, generator

# Above it PLINK's randomised algorithm (Galinsky et al. 2016) is needed.
MANY_PEOPLE = 5000


def compute_components(
    section: GenotypesSection, folder: Path | str, plink: Plink, seed: int
) -> None:
    """Compute components of the checked genotypes on pruned variants, and sum the stage up.

    Parameters
    ----------
    section : GenotypesSection
        Number of components and of variants.
    folder : Path or str
        Where the other steps left their files; its parent receives ``components.tsv`` and
        ``summary.json``.
    plink : Plink
        Threads and memory.
    seed : int
        Seed of the study.

    Raises
    ------
    ToolError
        PLINK is missing or failed.
    """
    folder = Path(folder)
    result = folder.parent
    notes: list[str] = []
    people = read_fam(result / "qc")
    pruned = read_text(folder / "pruned.txt").split()
    # PLINK 2 separates by tabs.
    cells = read_text(result / "qc.bim").replace("\n", "\t").split("\t")
    chromosomes, checked = cells[0::6], cells[1::6]
    passed = {name for name, code in zip(checked, chromosomes, strict=False) if code != "X"}
    names = [name for name in pruned if name in passed]
    if len(names) > section.component_variants:
        draw = generator(seed, "genotypes", "components")
        drawn = draw.choice(len(names), section.component_variants, replace=False)
        names = [names[number] for number in np.sort(drawn)]
    count = min(section.components, len(people) - 1, len(names))
    if count < section.components:
        notes.append(
            f"{max(count, 0)} instead of {section.components} components: {len(people)} people,"
            f" {len(names)} pruned variants"
        )
    columns = ["id", *(f"PC{number + 1}" for number in range(count))]
    if count < 1:
        table = pd.DataFrame({"id": people["iid"]})
        values = np.empty(0)
    else:
        table, values = _components(people, names, count, plink=plink, seed=seed, folder=folder)
        table.columns = pd.Index(columns)
    write_table(result / "components.tsv", table)
    _write_summary(section, folder, len(names), values, notes)


def _components(
    people: pd.DataFrame, names: list[str], count: int, *, plink: Plink, seed: int, folder: Path
) -> tuple[pd.DataFrame, np.ndarray]:
    with workplace(folder) as work:
        link(folder.parent / "qc", work, "qc", ("bed", "bim", "fam"))
        write_names(work / "names.txt", names)
        approximate = ["approx"] if len(people) > MANY_PEOPLE else []
        founders = (people["father"] == "0") & (people["mother"] == "0")
        small_sample = ["--bad-freqs"] if int(founders.sum()) < FEW_FOUNDERS else []
        plink.run(
            "2",
            [
                *("--bfile", "qc", "--autosome", "--extract", "names.txt", *small_sample),
                *("--pca", str(count), *approximate),
                *("--seed", str(derive(seed, "genotypes", "pca") % 2**31)),
            ],
            out="components",
            folder=work,
            people=people["iid"].tolist(),
            variants=names,
        )
        iids, scores = read_scores(work / "components.eigenvec")
        values = np.loadtxt(work / "components.eigenval", ndmin=1)
    # The sign of a component is arbitrary: the person farthest out is on the positive side.
    farthest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    scores *= np.where(farthest < 0, -1.0, 1.0)
    table = pd.DataFrame(scores)
    table.insert(0, "id", iids)
    return table, values


def _write_summary(
    section: GenotypesSection, folder: Path, n_used: int, values: np.ndarray, notes: list[str]
) -> None:
    summaries: dict[str, dict[str, Any]] = {
        name: read_json(folder / f"{name}.json") for name in ("merge", "participants", "variants")
    }
    merge = summaries["merge"]
    thresholds = section.model_dump(mode="json", exclude={"inputs"})
    write_json(
        folder.parent / "summary.json",
        {
            "build": section.build,
            "inputs": merge["inputs"],
            "plink": merge["plink"],
            "participants": {"read": merge["people"], "kept": summaries["variants"]["people"]},
            "variants": {
                "read": merge["variants"],
                "kept": summaries["variants"]["variants"],
                "components": n_used,
            },
            "eigenvalues": values.tolist(),
            "removed": [item for summary in summaries.values() for item in summary["removed"]],
            "removed_people": summaries["participants"]["removed_people"],
            "pairs": summaries["participants"]["pairs"],
            "thresholds": thresholds,
            "notes": [note for summary in summaries.values() for note in summary["notes"]] + notes,
        },
    )
