"""Identifiers are strings: how they join, and why they do not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, product

from gendmr.config.cohort import CohortSection
from gendmr.errors import IdentifierError, first_few

DIFFERENCES = {
    "case": "letter case",
    "zeros": "leading zeros",
    "punctuation": "punctuation",
}
GENOTYPE_IDS = ("IID", "FID_IID", "FID")


@dataclass(frozen=True)
class Matching:
    """What does not count when two identifiers are compared; `sub-` never does.

    Attributes
    ----------
    strip : tuple of str
        Text removed from the start, each once, in order.
    ignore : tuple of str
        Any of `case`, `zeros` (leading, in every run of digits) and `punctuation`.
    """

    strip: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: CohortSection) -> Matching:
        """Return what the configuration says."""
        return cls(options.strip, options.ignore)

    def key(self, identifier: str) -> str:
        """Return the key on which everything joins.

        >>> Matching().key("sub-007")
        '007'
        >>> Matching(ignore=("punctuation", "zeros")).key("002_S_0295")
        '2S295'
        """
        # File systems write é in two ways (NFC, NFD): both are the same person.
        key = unicodedata.normalize("NFC", strip_sub_prefix(identifier))
        for prefix in self.strip:
            key = key.removeprefix(prefix)
        if "case" in self.ignore:
            key = key.casefold()
        # Zeros before punctuation: `002_S_0295` has leading zeros where `002S0295` has them too.
        if "zeros" in self.ignore:
            key = re.sub(r"(?<!\d)0+(?=\d)", "", key)
        if "punctuation" in self.ignore:
            key = re.sub(r"[\W_]+", "", key)
        return key

    def keys(self, identifiers: Sequence[str], where: str) -> dict[str, str]:
        """Return key to identifier, refusing two identifiers that become one.

        Raises
        ------
        IdentifierError
            Names the file and the first identifiers that collide.
        """
        by_key: dict[str, str] = {}
        collisions: list[str] = []
        for identifier in identifiers:
            key = self.key(identifier)
            if key in by_key:
                collisions.append(f"{by_key[key]} and {identifier}")
            by_key.setdefault(key, identifier)
        if collisions:
            raise IdentifierError(
                f"{where}: {len(collisions)} identifiers stand for somebody already listed:"
                f" {first_few(collisions)}",
                cause="the same person with and without `sub-`"
                if not (self.strip or self.ignore)
                else "cohort.strip or cohort.ignore makes different people the same",
                next_step="give each person one row and one identifier"
                + ("" if not self.ignore else f", or shorten cohort.ignore {list(self.ignore)}"),
            )
        return by_key

    def rows(
        self, identifiers: Sequence[str], people: Mapping[str, str], where: str
    ) -> list[tuple[int, str]]:
        """Return row in a file and name of the people of the cohort who are in it, in its order.

        Parameters
        ----------
        identifiers : sequence of str
            Of the file, by row.
        people : mapping of str to str
            Key of each person of the cohort to the name there.
        where : str
            The file, for errors.

        Raises
        ------
        IdentifierError
            See `keys`.
        """
        row_of = {key: row for row, key in enumerate(self.keys(identifiers, where))}
        return [(row_of[key], name) for key, name in people.items() if key in row_of]


def strip_sub_prefix(identifier: str) -> str:
    """Return an identifier without the optional `sub-` of BIDS."""
    return identifier.removeprefix("sub-")


def genotype_ids(fid: Sequence[str], iid: Sequence[str], scheme: str) -> list[str]:
    """Return the identifier of each row of a .fam that stands for the person.

    Parameters
    ----------
    fid, iid : sequence of str
        The first two columns.
    scheme : str
        `IID`, `FID` or `FID_IID` (joined by `_`).
    """
    if scheme == "IID":
        return list(iid)
    if scheme == "FID":
        return list(fid)
    return [f"{family}_{person}" for family, person in zip(fid, iid, strict=True)]


def hint(key: str, identifiers_by_key: Mapping[str, Sequence[str]]) -> str:
    """Return what may be the same person on the other side, or an empty text.

    Parameters
    ----------
    key : str
        A key that joins nothing.
    identifiers_by_key : mapping
        From `group_normalised` of the other side's identifiers.
    """
    similar = identifiers_by_key.get(_LOOSE.key(key), ())
    if len(similar) != 1:
        return ""
    for count in range(1, len(DIFFERENCES) + 1):
        for names in combinations(DIFFERENCES, count):
            trial = Matching(ignore=names)
            if trial.key(key) == trial.key(similar[0]):
                return f"{similar[0]!r} differs only in " + " and ".join(
                    DIFFERENCES[name] for name in names
                )
    return ""


def group_normalised(identifiers: Iterable[str]) -> dict[str, list[str]]:
    """Group identifiers that are the same but for case, leading zeros and punctuation."""
    groups: dict[str, list[str]] = {}
    for identifier in identifiers:
        groups.setdefault(_LOOSE.key(identifier), []).append(identifier)
    return groups


_LOOSE = Matching(ignore=tuple(DIFFERENCES))


def check_overlap(
    listed: Sequence[str],
    identifiers: Mapping[str, Sequence[str]],
    used: str,
    *,
    matching: Matching,
    minimum: float,
    listed_in: str,
    found_in: str,
) -> None:
    """Stop when too few people of a modality are in participants.tsv.

    Parameters
    ----------
    listed : sequence of str
        `participant_id`s.
    identifiers : mapping of str to sequence of str
        The identifiers of the modality's people, by each way of naming them
        (`{"IID": …, "FID_IID": …, "FID": …}`, or one way only).
    used : str
        The configured way, a key of `identifiers`.
    matching : Matching
        As configured.
    minimum : float
        Share of the smaller of the two sets that must join.
    listed_in, found_in : str
        Files, for the message.

    Raises
    ------
    IdentifierError
        With both sizes, the overlap, examples of both sides, and, found by trying, the likely
        cause and the setting that mends it.
    """
    listed_keys = {matching.key(identifier) for identifier in listed}
    found_keys = {matching.key(identifier) for identifier in identifiers[used]}
    smaller = min(len(listed_keys), len(found_keys))
    overlap = len(listed_keys & found_keys)
    if smaller == 0 or (overlap > 0 and overlap >= minimum * smaller):
        return
    cause, next_step = _likely_cause(listed, identifiers, used, matching, overlap)
    raise IdentifierError(
        f"{overlap} people of {found_in} are in {listed_in}: {overlap / smaller:.0%} of the smaller"
        f" of the two (cohort.minimum_overlap: {minimum:.0%})\n"
        f"  {found_in}: {len(found_keys)} people, first"
        f" {first_few(sorted(found_keys - listed_keys), 3)} (without a match)\n"
        f"  {listed_in}: {len(listed_keys)} people, first"
        f" {first_few(sorted(listed_keys - found_keys), 3)} (without a match)",
        cause=cause,
        next_step=next_step,
    )


def _likely_cause(
    listed: Sequence[str],
    identifiers: Mapping[str, Sequence[str]],
    used: str,
    matching: Matching,
    overlap: int,
) -> tuple[str, str]:
    """Try every setting, alone and together; the one that joins most with least change wins."""
    prefixes = {prefix for side in (listed, *identifiers.values()) for prefix in _prefixes(side)}
    extra = [name for name in DIFFERENCES if name not in matching.ignore]
    subsets = list(chain.from_iterable(combinations(extra, n) for n in range(len(extra) + 1)))
    best: tuple[int, int, str, str] = (-overlap, 0, "", "")
    for scheme, ignored, prefix in product(identifiers, subsets, ["", *sorted(prefixes)]):
        trial = replace(
            matching,
            ignore=matching.ignore + ignored,
            strip=matching.strip + ((prefix,) if prefix else ()),
        )
        listed_keys = {trial.key(identifier) for identifier in listed}
        found_keys = {trial.key(identifier) for identifier in identifiers[scheme]}
        n_joined = len(listed_keys & found_keys)
        causes, settings = [], []
        if scheme != used:
            causes.append(f"participants.tsv holds the {scheme.replace('_', ' and ')} of the .fam")
            settings.append(f"cohort.genotype_id: {scheme}")
        if ignored:
            causes.append(
                "identifiers differ in " + " and ".join(DIFFERENCES[name] for name in ignored)
            )
            settings.append(f"cohort.ignore: [{', '.join(trial.ignore)}]")
        if prefix:
            causes.append(f"one side begins with {prefix!r}")
            settings.append(f'cohort.strip: ["{prefix}"]')
        outcome = (-n_joined, len(settings), "; ".join(causes), " and ".join(settings))
        if outcome[:2] < best[:2] and n_joined > overlap:
            best = outcome
    if best[2]:
        return best[2], f"set {best[3]}: then {-best[0]} join"
    return (
        "the files are of different studies, or identifiers were replaced in one of them",
        "compare the identifiers above; rename them in participants.tsv, or lower"
        " cohort.minimum_overlap if so few are expected",
    )


def _prefixes(identifiers: Sequence[str]) -> set[str]:
    """Return what all identifiers begin with: all of it, and the letters it begins with."""
    names = [strip_sub_prefix(identifier) for identifier in identifiers]
    if len(names) < 2:
        return set()
    first, last = min(names), max(names)
    n_shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    whole = first[:n_shared]
    letters = re.match(r"[^\W\d_]*", whole)
    return {whole.rstrip("0123456789"), letters[0] if letters else ""} - {""}
