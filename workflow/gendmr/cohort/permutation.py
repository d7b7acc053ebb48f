"""Permutations of the diagnosis over people, for the null: within strata, kin kept together.

People of one stratum could have been given each other's diagnosis as far as sex, site, ancestry and
age go. Families change diagnoses as wholes, with families whose members are of the same strata
(whole-block exchangeability, Winkler et al. 2015, NeuroImage 123:253).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.cohort import CohortSection
from gendmr.errors import ConfigurationError, FoldError, first_few
from gendmr.files.atomic import write_json
from gendmr.files.tables import MISSING, Kind, read_table, write_table
from gendmr.seeds import generator
from gendmr.tasks.base import Outcome

FACTORS = ("sex", "site", "ancestry", "age")
ANCESTRY = "ancestry"
THIRDS = ("low", "middle", "high")
MOST_GROUPS = 5
SEPARATION = 0.5  # mean silhouette from which components are groups rather than a cloud
PEOPLE: dict[str, Kind] = {
    "participant_id": "text",
    "diagnosis": "text",
    "family": "text",
    "has_snp": "flag",
}
STRATA: dict[str, Kind] = {
    "participant_id": "text",
    "diagnosis": "text",
    "family": "text",
    "stratum": "text",
}


def stratify_people(
    participants: Path | str,
    components: Path | str,
    options: CohortSection,
    seed: int,
    output: Path,
) -> None:
    """Write strata.tsv and strata.json for the people of a cohort.

    Parameters
    ----------
    participants : Path or str
        `cohort/participants.tsv`.
    components : Path or str
        `genotypes/components.tsv`, from which ancestry groups are made.
    options : CohortSection
        `strata`, `categorical`, `movable`.
    seed : int
        Of the study.
    output : Path
        `cohort/strata.tsv`: `participant_id`, `diagnosis`, `family`, `stratum`, `ancestry`.

    Raises
    ------
    ConfigurationError
        A column of `cohort.strata` is not in participants.tsv.
    """
    table = read_table(participants, PEOPLE, extra=True, key="participant_id")
    scores = read_table(components, {"id": "text"}, extra=True, key="id")
    strata, summary = make_strata(table, scores, options, seed)
    write_table(output, strata)
    write_json(output.with_suffix(".json"), summary)


def make_strata(
    table: pd.DataFrame, components: pd.DataFrame, options: CohortSection, seed: int
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Return strata.tsv and a summary.

    Numbers are cut into thirds; a missing value is a level of its own. Where too few people could
    change their diagnosis with anybody, the last factors are left out one by one, and the summary
    says so.
    """
    ancestry = ancestry_groups(table["participant_id"], components, seed)
    available: dict[str, pd.Series | np.ndarray] = {
        ANCESTRY: ancestry,
        **{str(name): table[name] for name in table.columns},
    }
    wanted = options.strata
    if wanted is None:
        wanted = tuple(name for name in FACTORS if name in available)
    unknown = [name for name in wanted if name not in available]
    if unknown:
        raise ConfigurationError(
            f"cohort.strata names {len(unknown)} columns that participants.tsv lacks:"
            f" {first_few(unknown)}; it has {first_few(table.columns, 20)}",
            cause="a misspelt name, or a column that cohort.covariates does not declare",
            next_step="correct cohort.strata, or leave it out",
        )
    levels = {
        name: _levels(available[name], name in options.categorical or name == ANCESTRY)
        for name in wanted
    }
    left_out: list[str] = []
    while True:
        stratum = _joined(levels, len(table))
        strata = table[["participant_id", "diagnosis", "family"]].assign(
            stratum=stratum, ancestry=ancestry
        )
        movable = Permutations(strata, seed).movable
        share = float(movable.mean()) if len(table) else 0.0
        if share >= options.movable or not levels:
            break
        left_out.insert(0, list(levels)[-1])
        del levels[left_out[0]]
    notes = []
    if left_out:
        notes.append(
            f"With {', '.join(left_out)} among the strata of the permutations, fewer than"
            f" {options.movable:.0%} of people could change diagnoses with anybody: left out."
        )
    if share < 1:
        notes.append(
            f"{int((~movable).sum())} of {len(table)} people keep their diagnosis in all"
            " permutations: nobody else, or no other diagnosis, is in their stratum."
        )
    return strata, {
        "factors": list(levels),
        "left_out": left_out,
        "strata": len(set(stratum)),
        "ancestry_groups": len(set(ancestry) - {MISSING}),
        "people": len(table),
        "movable": int(movable.sum()),
        "kin": int(table["family"].duplicated(keep=False).sum()),
        "notes": notes,
    }


def ancestry_groups(people: pd.Series, components: pd.DataFrame, seed: int) -> np.ndarray:
    """Return the ancestry group of each person as text: `1`, `2`, ... by size, or `n/a`.

    k-means on the first two components of the genotypes, with the number of groups of the largest
    mean silhouette (Rousseeuw 1987); one group where none is above 0.5.
    """
    from scipy.cluster.vq import kmeans2

    named = components.set_index("id").filter(regex=r"^PC[12]$").reindex(people)
    values = named.to_numpy(dtype=np.float64)
    known = np.isfinite(values).all(axis=1) if values.shape[1] else np.zeros(len(people), bool)
    found = np.full(len(people), MISSING, dtype=object)
    found[known] = "1"
    points = values[known]
    if len(points) < 2 * MOST_GROUPS or not points.std():
        return found
    best = SEPARATION
    for groups in range(2, MOST_GROUPS + 1):
        random = generator(seed, "ancestry", groups)
        _, label = kmeans2(points, groups, minit="++", seed=random)
        score = _silhouette(points, label)
        if score > best:
            best = score
            sizes = np.bincount(label, minlength=groups)
            place = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
            found[known] = [str(place[group] + 1) for group in label]
    return found


def _silhouette(points: np.ndarray, label: np.ndarray, most: int = 2000) -> float:
    step = max(1, len(points) // most)
    points, label = points[::step], label[::step]
    groups = np.unique(label)
    if len(groups) < 2:
        return -1.0
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    member = label[:, None] == groups
    size = member.sum(axis=0)
    mean = apart @ member / np.maximum(size - member, 1)
    own = mean[member]
    other = np.where(member, np.inf, mean).min(axis=1)
    largest = np.maximum(np.maximum(own, other), 1e-300)
    return float(np.where(size[member.argmax(axis=1)] > 1, (other - own) / largest, 0.0).mean())


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
    parts = [[f"{name}={value}" for value in values] for name, values in levels.items()]
    return np.array([", ".join(row) for row in zip(*parts, strict=True)], dtype=object)


class Permutations:
    """Orders of people, for whole outcomes that change hands; number k is always the same.

    Parameters
    ----------
    strata : DataFrame
        Columns `participant_id`, `family`, `stratum`.
    seed : int
        Of the study.
    people : text (person,)
        Those who have the outcome: they change it among themselves.
    outcome : Outcome
        Of these people; says who could get another one.

    Raises
    ------
    FoldError
        Somebody is not in `strata`.
    """

    def __init__(
        self, strata: pd.DataFrame, seed: int, people: np.ndarray, outcome: Outcome
    ) -> None:
        table = strata.set_index("participant_id")
        absent = [name for name in people if name not in table.index]
        if absent:
            raise FoldError(
                f"{len(absent)} people of the cohort have no stratum: {first_few(absent)}",
                cause="strata.tsv is of another cohort",
                next_step="run the rule stratify_people again",
            )
        table = table.loc[people]
        self.people = np.asarray(people, dtype=object)
        self.outcome = outcome
        self.seed = seed
        stratum = table["stratum"].to_numpy(dtype=str)
        family = table["family"].to_numpy(dtype=str)
        families: dict[str, list[int]] = {}
        # In a family, people of the same stratum stand side by side: who changes with whom.
        for row in np.lexsort((self.people.astype(str), stratum)):
            families.setdefault(family[row], []).append(int(row))
        alike: dict[tuple[str, ...], list[list[int]]] = {}
        for rows in families.values():
            alike.setdefault(tuple(stratum[rows]), []).append(rows)
        self._sets = [np.array(alike[kind]) for kind in sorted(alike)]

    @classmethod
    def read(
        cls, path: Path | str, seed: int, people: np.ndarray, outcome: Outcome
    ) -> Permutations:
        """Read `cohort/strata.tsv`."""
        table = read_table(path, STRATA, extra=True, key="participant_id")
        return cls(table, seed, people, outcome)

    @property
    def exchangeable(self) -> np.ndarray:
        """Return who can be given another outcome, bool (person,)."""
        strata = self.outcome.strata()
        exchangeable = np.zeros(len(self.people), dtype=bool)
        for rows in self._sets:
            values = strata[rows]
            exchangeable[rows] = (values != values[:1]).any(axis=0)
        return exchangeable

    def draw(self, number: int) -> np.ndarray:
        """Return permutation `number`: whose outcome each person gets, int (person,)."""
        random = generator(self.seed, "permutation", number)
        order = np.arange(len(self.people))
        for rows in self._sets:
            order[rows] = rows[random.permutation(len(rows))]
        return order
