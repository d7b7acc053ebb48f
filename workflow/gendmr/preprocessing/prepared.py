"""What methods are given of people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from gendmr.modalities.subset import Role
from gendmr.tasks.base import Outcome


@dataclass(frozen=True)
class PreparedSubset:
    """Prepared measurements of some people.

    Parameters
    ----------
    role : str
    participants, family : object (n,)
        Text.
    outcome : Outcome
    present : mapping of str to bool (n,)
        Who has each modality of the study and anything usable in it.
    values : mapping of str to ndarray (n, instance) or (n, instance, measure)
        By modality; people without it have missing values.
    covariates : float64 (n, covariate)
        Adjustment covariates (missing is the training mean) and ancestry components.
    labels : mapping of str to object (n,)
        Categorical covariates of the cohort as text, None where missing: a hospital, a scanner.
    """

    role: Role
    participants: np.ndarray
    family: np.ndarray
    outcome: Outcome
    present: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    covariates: np.ndarray
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.participants)

    @property
    def patterns(self) -> np.ndarray:
        """Return what each person has, as text (n,): `snp+region`, `snp`, `region` or `none`."""
        names = np.array(list(self.present), dtype=object)
        table = np.column_stack(list(self.present.values()))
        return np.array(["+".join(names[row]) or "none" for row in table], dtype=object)

    @property
    def pattern_codes(self) -> np.ndarray:
        """Return the same as numbers, int64 (n,): 1 for the first modality, 2 for the second."""
        return np.asarray(
            np.sum(
                [
                    has_modality * 2**place
                    for place, has_modality in enumerate(self.present.values())
                ],
                axis=0,
            )
        )

    def joined(self, other: PreparedSubset) -> PreparedSubset:
        """Return these people and then others, prepared by the same fit; the role is of these."""
        return replace(
            self,
            participants=np.concatenate([self.participants, other.participants]),
            family=np.concatenate([self.family, other.family]),
            outcome=_joined_outcomes(self.outcome, other.outcome),
            present=_joined_arrays(self.present, other.present),
            values=_joined_arrays(self.values, other.values),
            covariates=np.concatenate([self.covariates, other.covariates]),
            labels=_joined_arrays(self.labels, other.labels),
        )

    def take(self, index: np.ndarray | slice) -> PreparedSubset:
        """Return some of these people."""
        where = np.arange(len(self))[index]
        return replace(
            self,
            participants=self.participants[index],
            family=self.family[index],
            outcome=self.outcome.take(where),
            present={name: has_modality[index] for name, has_modality in self.present.items()},
            values={name: value[index] for name, value in self.values.items()},
            covariates=self.covariates[index],
            labels={name: text[index] for name, text in self.labels.items()},
        )


def _joined_arrays(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    return {name: np.concatenate([values, second[name]]) for name, values in first.items()}


def _joined_outcomes(first: Any, second: Outcome) -> Any:
    """Return an outcome of more people: outcomes are dataclasses of arrays (person,)."""
    arrays = {
        column.name: np.concatenate([values, getattr(second, column.name)])
        for column in fields(first)
        if isinstance(values := getattr(first, column.name), np.ndarray)
    }
    return replace(first, **arrays)
