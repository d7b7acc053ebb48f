"""Strata within which people could have been given each other's outcomes, for the null."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.cohort.outcomes import read_outcome, tasks_of
from gendmr.cohort.permutations import Permutations
from gendmr.config.cohort import CohortSection
from gendmr.errors import ConfigurationError, first_few
from gendmr.files.atomic import write_json
from gendmr.files.tables import MISSING, Kind, read_table, write_table
from gendmr.seeds import derive
from gendmr.statistics.clusters import separate_groups

FACTORS = ("sex", "site", "ancestry", "age")
ANCESTRY = "ancestry"
THIRDS = ("low", "middle", "high")
PEOPLE: dict[str, Kind] = {"participant_id": "text", "family": "text"}


def stratify_people(
    participants: Path | str,
    components: Path | str | None,
    options: CohortSection,
    seed: int,
    output: Path,
) -> None:
    """Write strata.tsv and strata.json for the people of a cohort.

    Parameters
    ----------
    participants : Path or str
        `cohort/participants.tsv`.
    components : Path or str, optional
        `genotypes/components.tsv`, from which ancestry groups are made; none in a study without.
    options : CohortSection
        `strata`, `categorical`, `min_exchangeable`, `outcomes`.
    seed : int
        Of the study.
    output : Path
        `cohort/strata.tsv`: `participant_id`, `family`, `stratum`, `ancestry`.

    Raises
    ------
    ConfigurationError
        A column of `cohort.strata` is not in participants.tsv.
    """
    table = read_table(participants, PEOPLE, extra=True, key="participant_id")
    scores = None
    if components is not None:
        scores = read_table(components, {"id": "text"}, extra=True, key="id")
    strata, summary = make_strata(table, scores, options, seed)
    write_table(output, strata)
    write_json(output.with_suffix(".json"), summary)


def make_strata(
    table: pd.DataFrame, components: pd.DataFrame | None, options: CohortSection, seed: int
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Return strata.tsv and a summary.

    One stratum per person serves all outcomes: people who have an outcome change it among
    themselves. Numbers are cut into thirds; a missing value is a level of its own. Where too few
    people could change an outcome with anybody, the last factors are left out one by one, and the
    summary says so.
    """
    ancestry = np.full(len(table), MISSING, dtype=object)
    if components is not None:
        ancestry = ancestry_groups(table["participant_id"], components, seed)
    available: dict[str, pd.Series | np.ndarray] = {
        **({} if components is None else {ANCESTRY: ancestry}),
        **{str(name): table[name] for name in table.columns},
    }
    factors = options.strata
    if factors is None:
        factors = tuple(name for name in FACTORS if name in available)
    unknown = [name for name in factors if name not in available]
    if unknown:
        raise ConfigurationError(
            f"cohort.strata names {len(unknown)} columns that participants.tsv lacks:"
            f" {first_few(unknown)}; it has {first_few(available, 20)}",
            cause="a misspelt name, a column that cohort.covariates does not declare, or ancestry"
            " in a study without genotypes",
            next_step="correct cohort.strata, or leave it out",
        )
    levels = {
        name: _levels(available[name], name in options.categorical or name == ANCESTRY)
        for name in factors
    }
    left_out: list[str] = []
    while True:
        strata = table[["participant_id", "family"]].assign(
            stratum=_joined(levels, len(table)), ancestry=ancestry
        )
        exchangeable = _exchangeable(table, strata, options, seed)
        share = min(
            (float(can_change.mean()) for can_change in exchangeable.values() if can_change.size),
            default=0.0,
        )
        if share >= options.min_exchangeable or not levels:
            break
        left_out.insert(0, list(levels)[-1])
        del levels[left_out[0]]
    warnings = []
    if left_out:
        extent = f"within strata of {', '.join(levels)}" if levels else "over everybody"
        warnings.append(
            f"P-values do not allow for {', '.join(left_out)}: with"
            f" {'it' if len(left_out) == 1 else 'them'} among the strata of the permutations, fewer"
            f" than {options.min_exchangeable:.0%} of people could be given another outcome"
            f" (cohort.min_exchangeable), so outcomes are permuted {extent}. What goes with"
            f" {', '.join(left_out)} gets small p-values as well."
        )
    notes = [
        f"{int((~can_change).sum())} of {len(can_change)} people keep their {name} in all"
        f" permutations: nobody else, or no other {name}, is in their stratum."
        for name, can_change in exchangeable.items()
        if not can_change.all()
    ]
    return strata, {
        "factors": list(levels),
        "left_out": left_out,
        "strata": len(set(strata["stratum"])),
        "ancestry_groups": len(set(ancestry) - {MISSING}),
        "people": len(table),
        "exchangeable": {name: int(can_change.sum()) for name, can_change in exchangeable.items()},
        "kin": int(table["family"].duplicated(keep=False).sum()),
        "warnings": warnings,
        "notes": notes,
    }


def _exchangeable(
    table: pd.DataFrame, strata: pd.DataFrame, options: CohortSection, seed: int
) -> dict[str, np.ndarray]:
    """Return who can be given another value of each outcome, bool (person who has it,)."""
    people = table["participant_id"].to_numpy(dtype=object)
    exchangeable = {}
    for name, task in tasks_of(options).items():
        outcome = read_outcome(table, task, "participants.tsv")
        has_value = outcome.known
        permutations = Permutations(strata, seed, people[has_value], outcome.take(has_value))
        exchangeable[name] = permutations.exchangeable
    return exchangeable


def ancestry_groups(people: pd.Series, components: pd.DataFrame, seed: int) -> np.ndarray:
    """Return the ancestry group of each person as text: `1`, `2`, ... by size, or `n/a`.

    Groups of the first two components of the genotypes: see
    `gendmr.statistics.clusters.separate_groups`.
    """
    coordinates = components.set_index("id").filter(regex=r"^PC[12]$").reindex(people)
    values = coordinates.to_numpy(dtype=np.float64)
    has_value = np.isfinite(values).all(axis=1) if values.shape[1] else np.zeros(len(people), bool)
    group_of = np.full(len(people), MISSING, dtype=object)
    groups = separate_groups(values[has_value], lambda count: derive(seed, "ancestry", count))
    group_of[has_value] = [str(group + 1) for group in groups]
    return group_of


def _levels(values: pd.Series | np.ndarray, categorical: bool) -> np.ndarray:
    text = pd.Series(np.asarray(values, dtype=object)).astype(str).str.strip()
    number = pd.to_numeric(text, errors="coerce")
    missing = text.isin([MISSING, ""]).to_numpy()
    if categorical or number[~missing].isna().any() or missing.all():
        return np.where(missing, MISSING, text.to_numpy(dtype=object))
    cuts = np.quantile(number[~missing], [1 / 3, 2 / 3])
    third = np.searchsorted(cuts, number.fillna(0).to_numpy(), side="left")
    return np.where(missing, MISSING, np.array(THIRDS, dtype=object)[third])


def _joined(levels: dict[str, np.ndarray], people: int) -> np.ndarray:
    if not levels:
        return np.full(people, "all", dtype=object)
    labels = [[f"{name}={value}" for value in values] for name, values in levels.items()]
    return np.array([", ".join(row) for row in zip(*labels, strict=True)], dtype=object)
