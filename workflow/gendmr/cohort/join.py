"""Join participants and what is measured of them by identifier; list what does not join."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from gendmr.cohort.differential import by_group
from gendmr.cohort.families import connected_groups
from gendmr.cohort.outcomes import with_measured
from gendmr.cohort.participants import HAS, describe, read_participants, with_outcomes
from gendmr.cohort.recorded import compare_recorded
from gendmr.cohort.summary import Joined, groups_of, summarise
from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.errors import IdentifierError
from gendmr.files.atomic import write_json
from gendmr.files.tables import write_table
from gendmr.modalities import modality_of, source_of
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import Listing, Modality
from gendmr.modalities.matching import Matching, check_overlap, group_normalised, hint

STAGE = "cohort"


def join_people(
    sources: Mapping[str, Mapping[str, str]],
    sections: Mapping[str, ModalitySection],
    options: CohortSection,
    output: Path,
) -> None:
    """Write who is analysed: participants, attrition, summary and flow diagram.

    Parameters
    ----------
    sources : mapping of str to mapping
        Files of each modality, `ModalitySection.sources`.
    sections : mapping of str to ModalitySection
        The modalities of the study, in the order of tables and texts.
    options : CohortSection
    output : Path
        Folder `cohort` of the study.

    Raises
    ------
    TableError, OutcomeError
        participants.tsv lacks a configured column, or nobody has an outcome.
    IdentifierError
        Too few people join, two people have the same identifier, or nobody has a modality.
    """
    from gendmr.cohort.flow import draw_flow

    matching = Matching.of(options)
    attrition = Attrition(STAGE)
    listed = read_participants(options, attrition)
    ids = listed.people["participant_id"].tolist()
    keys = matching.keys(ids, options.participants)
    modalities = {name: modality_of(name) for name in sections}
    listings: dict[str, Listing] = {}
    for name, section in sections.items():
        listing = source_of(name).people(sources[name], section, options)
        check_joined(ids, listing, options)
        compare_recorded(listed.people, keys, listing, attrition, options.participants)
        listings[name] = listing
    listed = replace(listed, outcomes=with_measured(listed.outcomes, list(keys), listings, options))

    table, without = with_outcomes(listed, options, attrition)
    key_of = {participant: key for key, participant in keys.items()}
    table.index = pd.Index([key_of[name] for name in table["participant_id"]])
    with_outcome = set(table.index)
    for name, listing in listings.items():
        _list_strangers(modalities[name], listing.names, keys, attrition)
        table[f"{HAS}{name}"] = [key in listing.names for key in table.index]
    attrition_of = {
        name: _attrition_by_participant(listing, keys, matching)
        for name, listing in listings.items()
    }
    quality = by_group(
        table["participant_id"], groups_of(table, options), listings, attrition_of, modalities
    )
    table = _with_modalities(table, modalities, options, attrition)
    table = table.sort_values("participant_id", kind="stable")
    table["family"] = _families(table, listings.values(), options)

    theirs = list(attrition_of.values())
    # Rows of the join follow those of the earlier stages.
    everything = pd.concat(
        [
            *(rows[rows["stage"] != STAGE] for rows in theirs),
            attrition.table(),
            *(rows[rows["stage"] == STAGE] for rows in theirs),
        ],
        ignore_index=True,
    )
    write_table(output / "attrition.tsv", everything)
    write_json(output / "participants.json", describe(options, modalities))
    joined = Joined(
        table=table,
        attrition=everything,
        listings=listings,
        modalities=modalities,
        listed=set(keys),
        with_outcome=with_outcome,
        without=without,
        quality=quality,
    )
    summary = summarise(joined, options)
    write_json(output / "summary.json", summary)
    draw_flow(summary["flow"], output / "figures" / "flow.png")
    # Written last: its existence tells the rules that follow that the other files are complete.
    write_table(output / "participants.tsv", table)


def check_joined(ids: Sequence[str], listing: Listing, options: CohortSection) -> None:
    """Refuse a modality that hardly anybody of participants.tsv has.

    Raises
    ------
    IdentifierError
        See `gendmr.modalities.matching.check_overlap`; or the modality has nobody at all.
    """
    if not listing.names:
        raise IdentifierError(
            f"{listing.where}: nobody is in it",
            cause="a filter, or an export that came out empty",
            next_step="restore the file, or take its section out of the configuration",
        )
    check_overlap(
        ids,
        listing.ways,
        listing.used,
        matching=Matching.of(options),
        minimum=options.minimum_overlap,
        listed_in=options.participants,
        found_in=listing.where,
    )


def _list_strangers(
    modality: Modality, names: Mapping[str, str], keys: Mapping[str, str], attrition: Attrition
) -> None:
    """List people of a modality who are not in participants.tsv, with the likely cause."""
    similar = group_normalised(key for key in keys if key not in names)
    for key in sorted(set(names) - set(keys)):
        likely_match = hint(key, similar)
        reason = f"{modality.label}, but not in participants.tsv"
        attrition.add(
            [names[key]], modality.label, f"{reason} ({likely_match})" if likely_match else reason
        )


def _with_modalities(
    table: pd.DataFrame,
    modalities: Mapping[str, Modality],
    options: CohortSection,
    attrition: Attrition,
) -> pd.DataFrame:
    """Return who has what `require` asks for; list the others."""
    leaves = ~table[[f"{HAS}{name}" for name in modalities]].any(axis=1)
    attrition.add(table.loc[leaves, "participant_id"], "modality", _nothing(modalities))
    required = list(modalities) if options.require == "all" else [options.require]
    for name in [] if options.require == "any" else required:
        lacking = ~table[f"{HAS}{name}"] & ~leaves
        reason = f"no {modalities[name].label} (cohort.require: {options.require})"
        attrition.add(table.loc[lacking, "participant_id"], "modality", reason)
        leaves |= lacking
    counts = {name: int(table[f"{HAS}{name}"].sum()) for name in modalities}
    if leaves.all():
        having = ", ".join(f"{n} have {modalities[name].label}" for name, n in counts.items())
        raise IdentifierError(
            f"nobody of {len(table)} people with an outcome has what cohort.require asks for"
            f" ({options.require}): {having}",
            cause="modalities of different people",
            next_step="set cohort.require: any",
        )
    for name, modality in modalities.items():
        if not table.loc[~leaves, f"{HAS}{name}"].any():
            raise IdentifierError(
                f"nobody of {int((~leaves).sum())} people of the cohort has {modality.label}:"
                f" {counts[name]} of {len(table)} with an outcome do",
                cause="only people without an outcome were measured, or cohort.require leaves out"
                " those who were",
                next_step=f"set cohort.require: any, or take out the section that measures"
                f" {modality.label}",
            )
    return table[~leaves].copy()


def _nothing(modalities: Mapping[str, Modality]) -> str:
    labels = [modality.label for modality in modalities.values()]
    if len(labels) == 1:
        return f"no {labels[0]}"
    if len(labels) == 2:
        return f"neither {labels[0]} nor {labels[1]}"
    return f"none of {', '.join(labels)}"


def _families(
    table: pd.DataFrame, listings: Iterable[Listing], options: CohortSection
) -> list[str]:
    """Name the family of each person after its first member in the cohort."""
    matching = Matching.of(options)
    ties: list[tuple[str, str]] = []
    for listing in listings:
        if listing.kin is None:
            continue
        aliases = _Aliases(listing, table.index, matching)
        pairs = listing.kin[listing.kin["kinship"] >= options.kinship]
        for first_id, second_id in zip(pairs["id1"], pairs["id2"], strict=True):
            # People who share an alias are all tied, because kin in two folds would leak.
            everyone = [*aliases.keys_of(first_id), *aliases.keys_of(second_id)]
            ties += [(everyone[0], key) for key in everyone[1:]]
    groups = connected_groups(table.index.tolist(), ties)
    name = dict(zip(table.index, table["participant_id"], strict=True))
    first: dict[str, str] = {}
    for key in sorted(groups, key=lambda key: name[key]):
        first.setdefault(groups[key], name[key])
    return [first[groups[key]] for key in table.index]


class _Aliases:
    """Whom the aliases of a modality mean, those who left its file too.

    Parameters
    ----------
    listing : Listing
    known : iterable of str
        Keys that they may be.
    matching : Matching
    """

    def __init__(self, listing: Listing, keys: Iterable[str], matching: Matching) -> None:
        self._listing = listing
        self._matching = matching
        self._ending: dict[str, list[str]] = {}
        for key in keys:
            self._ending.setdefault(key, []).append(key)
            # People removed from the .fam are listed without FID, so endings after `_` match too.
            for place in range(1, len(key)) if listing.aliases else ():
                if key[place - 1] == "_":
                    self._ending.setdefault(key[place:], []).append(key)

    def keys_of(self, alias: str) -> list[str]:
        """Return the keys of the people whom an alias may mean; itself where it means nobody."""
        if alias in self._listing.aliases:
            return self._listing.aliases[alias]
        key = self._matching.key(alias)
        return self._ending.get(key) or [key]


def _attrition_by_participant(
    listing: Listing, keys: Mapping[str, str], matching: Matching
) -> pd.DataFrame:
    """Return the attrition of a modality, people by `participant_id` where they have exactly one.

    Parameters
    ----------
    listing : Listing
    keys : mapping of str to str
        Key to `participant_id` of everybody listed.
    matching : Matching
    """
    aliases = _Aliases(listing, keys, matching)
    rows = listing.attrition.copy()
    names = []
    for alias in rows.loc[rows["kind"] == "participant", "id"]:
        participants = [keys[key] for key in aliases.keys_of(alias) if key in keys]
        names.append(participants[0] if len(participants) == 1 else alias)
    rows.loc[rows["kind"] == "participant", "id"] = names
    return rows
