"""The section `cohort` of the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator

from gendmr.config.base import Section
from gendmr.config.outcomes import AnyOutcome
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.errors import first_few

OUTCOME_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
NO_OUTCOMES = ("age", "sex", "site", "family", "fold", "repeat", "set", "modalities", "all")


def _diagnosis() -> dict[str, AnyOutcome]:
    return {"diagnosis": BinaryOutcome()}


class CohortSection(Section):
    """Who is analysed, how identifiers join, and how the folds are split."""

    participants: str
    """Path of participants.tsv (BIDS): one row per person, tabs between columns."""
    outcomes: dict[str, AnyOutcome] = Field(default_factory=_diagnosis, min_length=1, max_length=20)
    """Outcomes by name; a method learns the first, or the one it names. Who lacks an outcome leaves
    only the methods of that outcome; who lacks all of them leaves the cohort."""
    covariates: tuple[str, ...] = ("age", "sex", "site")
    """Columns of participants.tsv that methods may adjust for. Each must be there."""
    categorical: tuple[str, ...] = ("sex", "site")
    """Covariates that are labels. All others must be numbers: a site called `12` is a label."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Columns that your file names otherwise: ours to yours, e.g. `{sex: gender}`."""
    sex_codes: dict[str, Literal["M", "F", "O", "n/a"]] = Field(default_factory=dict)
    """What codes of sex mean, e.g. `{"1": M, "2": F}`. Words (male, F, woman) are known; numbers
    are not guessed, since programs number the sexes differently."""
    unknown: tuple[str, ...] = ()
    """Further values that mean unknown in covariates, e.g. `["-9", "99"]`. Blanks, NA, NaN, NULL,
    `#N/A`, `.`, `?` and the like always do; each is listed."""
    genotype_id: Literal["IID", "FID_IID", "FID"] = "IID"
    """Which identifier of the .fam is the participant_id (`FID_IID`: both, joined by `_`)."""
    strip: tuple[str, ...] = ()
    """Text removed from the start of identifiers in every input before joining, e.g. `[ADNI_]`.
    The prefix `sub-` is always removed."""
    ignore: tuple[Literal["case", "zeros", "punctuation"], ...] = ()
    """Differences between identifiers that do not count: letter case, leading zeros, punctuation
    (`002_S_0295` and `002S0295`). Two people who become one are an error."""
    require: str = "any"
    """Modalities a person must have to stay: `any` (at least one), `all`, or the name of one."""
    minimum_overlap: float = Field(default=0.5, ge=0, le=1)
    """The run stops when a smaller share of people joins: the people in both participants.tsv and
    a modality, divided by the smaller of the two. A modality that joins nobody always stops it."""
    bad_rows: Literal["list", "stop"] = "list"
    """Rows of participants.tsv that cannot be used. `list`: people with an identifier that cannot
    be used are left out, an age or number that cannot be meant counts as unknown, the others go on
    and the report tells. `stop`: any of them stops the run; more than 5 % always do."""
    kinship: float = Field(default=0.0884, gt=0, le=0.5)
    """KING kinship from which two people are one family and share a fold. 0.0884 is the border
    between second- and third-degree relatives (Manichaikul et al. 2010)."""
    group_by: str | None = None
    """A further column whose groups never straddle folds, e.g. `site` or an ancestry label."""
    fold_by: str | None = None
    """Folds by a column of participants.tsv: each of its values (a site, a hospital) is held out
    once, and `folds` and `repeats` do not count. The inner validation is drawn from the others,
    by whole values where at least three remain. People without a value train and are never held
    out; who is kin of a held-out person elsewhere is set aside in that fold."""
    folds: int = Field(default=5, ge=2, le=20)
    """Outer folds: each person is held out exactly once per repeat."""
    repeats: int = Field(default=1, ge=1, le=100)
    """Times the whole split is made anew, from another seed."""
    inner_validation: float = Field(default=0.15, gt=0, lt=0.5)
    """Share of each outer training set that is kept for early stopping and thresholds."""
    strata: tuple[str, ...] | None = None
    """Within which permutations of the outcome stay, the most important first: columns of
    participants.tsv (numbers are cut into thirds) and `ancestry`, groups of the genotypes'
    components. Without it: sex, site, ancestry and age, those that there are."""
    min_exchangeable: float = Field(default=0.8, ge=0, le=1)
    """Smallest share of people that can be permuted; the last strata are left out until it is
    reached, and the report says so."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        loose = sorted(set(self.categorical) - set(self.covariates) - {"sex", "site"})
        if loose:
            yield f"categorical names no covariates: {first_few(loose)}"
        grouping = [name for name in (self.group_by, self.fold_by) if name is not None]
        used = {"participant_id", *self.covariates, "age", "sex", "site", *grouping}
        unknown = sorted(set(self.columns) - used)
        if unknown:
            yield (
                f"columns renames what is not used: {first_few(unknown)}; it maps our names to"
                f" yours, ours are {first_few(sorted(used), 12)}"
            )
        extra = {*self.covariates, *grouping}
        reserved = {"participant_id", "family", *self.outcomes}
        clashing = sorted(
            name
            for name in extra
            if name in reserved
            or name.startswith("has_")
            or any(name.startswith(f"{outcome}_") for outcome in self.outcomes)
        )
        if clashing:
            yield f"reserved names among covariates, group_by or fold_by: {first_few(clashing)}"
        if len(grouping) > 1:
            yield (
                "group_by and fold_by together: each value of fold_by is a fold, so that groups of"
                " another column would be cut; keep one of them"
            )
        if self.fold_by in set(self.covariates) - set(self.categorical):
            yield (
                f"fold_by: {self.fold_by} is a numeric covariate; add it to categorical if its"
                " values are labels"
            )

    @field_validator("sex_codes", mode="before")
    @classmethod
    def _codes_as_text(cls, values: object) -> object:
        return (
            {str(code): sex for code, sex in values.items()} if isinstance(values, dict) else values
        )

    @field_validator("unknown", mode="before")
    @classmethod
    def _unknown_as_text(cls, values: object) -> object:
        return tuple(map(str, values)) if isinstance(values, list | tuple) else values

    @field_validator("outcomes")
    @classmethod
    def _outcome_names(cls, values: dict[str, AnyOutcome]) -> dict[str, AnyOutcome]:
        invalid = [
            name for name in values if not OUTCOME_NAME.fullmatch(name) or name in NO_OUTCOMES
        ]
        if invalid:
            raise ValueError(
                f"not names of outcomes: {first_few(invalid)}; a small letter, then small letters,"
                " digits and -, at most 30, and no column of the cohort's own"
            )
        return values
