"""What participants.tsv says of people against what the files of their measurements record."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gendmr.errors import IdentifierError, first_few
from gendmr.files.tables import MISSING
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import Listing

FEW = 2  # people who differ and are only listed, however small the cohort
SHARE = 0.05  # of the people compared: from here on rows belong to other people
EXCHANGED = 0.9  # from here on it is the coding that differs


def compare_recorded(
    people: pd.DataFrame,
    keys: Mapping[str, str],
    listing: Listing,
    attrition: Attrition,
    participants: str,
) -> None:
    """List people of whom two files record different things; refuse many of them.

    Parameters
    ----------
    people : DataFrame
        `participant_id` and the columns of participants.tsv.
    keys : mapping of str to str
        Matching key to participant.
    listing : Listing
        `recorded` is compared; what either file does not know is not.
    attrition : Attrition
        Receives who differs; they stay.
    participants : str
        The table, for errors.

    Raises
    ------
    IdentifierError
        More than two people differ, and more than 5 % of those compared.
    """
    for column, by_key in listing.recorded.items():
        if column not in people:
            continue
        in_table = dict(zip(people["participant_id"], people[column], strict=True))
        labels = set(by_key.values())
        pairs = [
            (participant, str(in_table[participant]), by_key[key])
            for key, participant in keys.items()
            if key in by_key and in_table.get(participant, MISSING) in labels
        ]
        different = [pair for pair in pairs if pair[1] != pair[2]]
        if len(different) > max(FEW, SHARE * len(pairs)):
            exchanged = len(different) > EXCHANGED * len(pairs)
            examples = first_few(
                f"{participant}: {ours}, {theirs}" for participant, ours, theirs in different
            )
            raise IdentifierError(
                f"{column} of {len(different)} of {len(pairs)} people differs between"
                f" {participants} and {listing.where}: {examples}",
                cause="the two files number it in opposite ways"
                if exchanged
                else "rows of the table that were sorted without their identifiers, or names that"
                " mean other people",
                next_step=f"correct the coding of {column} in one of them"
                if exchanged
                else "join the table again from its source, by identifier, not by order",
            )
        for participant, ours, theirs in different:
            reason = f"{column} is {ours} in participants.tsv, {theirs} in {listing.where}: kept"
            attrition.add([participant], "value", reason)
