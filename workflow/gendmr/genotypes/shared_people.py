"""People of several sets: who is in two of them, and which sets hold the same people."""

from __future__ import annotations

from typing import Any

from gendmr.errors import IdentifierError, first_few
from gendmr.genotypes.loaded import Loaded


def group_by_people(
    sets: list[Loaded], notes: list[str]
) -> tuple[list[list[int]], list[dict[str, Any]]]:
    """Group sets of the same people, and rename people who are in two sets with common variants.

    Returns
    -------
    blocks : list of list of int
        Numbers of the sets that are put side by side.
    twice : list of dict
        `fid`, `iid` and `names` (the IIDs of the copies) of each person genotyped twice.

    Raises
    ------
    IdentifierError
        The key cannot tell people apart, or sets of the same people list different ones.
    """
    for loaded in sets:
        repeated = loaded.fam["iid"][loaded.fam["iid"].duplicated()].unique()
        if len(repeated):
            raise IdentifierError(
                f"{loaded.source}: {len(repeated)} IIDs appear in more than one family:"
                f" {first_few(repeated)}",
                cause="people are numbered within families",
                next_step="rename them: awk '{print $1,$2,$1,$1\"_\"$2}'"
                f" {loaded.source}.fam > {loaded.source}.ids; plink1.9 --bfile {loaded.source}"
                f" --update-ids {loaded.source}.ids --keep-allele-order --make-bed"
                f" --out {loaded.source}.unique",
            )
    variants = [set(loaded.bim["snp"]) for loaded in sets]
    blocks: list[list[int]] = []
    copies: dict[str, set[int]] = {}
    for number, loaded in enumerate(sets):
        home: list[int] = [number]
        for block in list(blocks):
            side_by_side = False
            for member in block:
                shared_iids = _shared(sets[member], loaded)
                if shared_iids and variants[member].isdisjoint(variants[number]):
                    side_by_side = True
                for iid in shared_iids if not side_by_side else ():
                    copies.setdefault(iid, set()).update((member, number))
            if side_by_side:
                blocks.remove(block)
                home = [*block, *home]
        blocks.append(home)
    for block in blocks:
        _same_people([sets[number] for number in block], [variants[number] for number in block])
    return blocks, _rename_copies(sets, copies, notes)


def renaming(source: str) -> str:
    """Return the command that gives people of a set other names."""
    return (
        f"plink1.9 --bfile {source} --update-ids NAMES --keep-allele-order --make-bed --out"
        f" {source}.renamed, where NAMES holds FID and IID as they are, and FID and IID as they"
        " shall be"
    )


def _shared(first: Loaded, second: Loaded) -> list[str]:
    shared = first.fam.merge(second.fam, on="iid", suffixes=("", "_second"))
    other_family = shared[shared["fid"] != shared["fid_second"]]
    if len(other_family):
        raise IdentifierError(
            f"{first.source} and {second.source}: {len(other_family)} IIDs are in both sets under"
            f" different FIDs: {first_few(other_family['iid'])}",
            cause="FIDs were written differently, or two people have the same number",
            next_step="give the same person the same FID and IID, and others another IID: "
            + renaming(second.source),
        )
    return shared["iid"].tolist()


def _same_people(block: list[Loaded], variants: list[set[str]]) -> None:
    """Refuse sets put side by side that list different people, or some variants twice."""
    for place, loaded in enumerate(block):
        for earlier, earlier_variants in zip(block[:place], variants[:place], strict=True):
            repeated = earlier_variants & variants[place]
            if repeated:
                raise IdentifierError(
                    f"{earlier.source} and {loaded.source} are put side by side with other sets of"
                    f" the same people, but share {len(repeated)} variants:"
                    f" {first_few(sorted(repeated))}",
                    cause="two arrays of the same people, each given chromosome by chromosome",
                    next_step="join the chromosomes of each array first, with the paths of its"
                    " other files, without suffix, one a line in LIST: plink1.9 --bfile"
                    f" {earlier.source} --merge-list LIST --keep-allele-order --make-bed --out"
                    f" {earlier.source}.joined",
                )
    first = block[0]
    names = set(first.fam["iid"])
    for loaded in block[1:]:
        ids = set(loaded.fam["iid"])
        if names != ids:
            raise IdentifierError(
                f"{first.source} ({len(names)} people) and {loaded.source} ({len(ids)}) hold"
                f" other variants of the same people, but {len(names - ids)} are only in the"
                f" first ({first_few(sorted(names - ids))}) and {len(ids - names)} only in"
                f" the second ({first_few(sorted(ids - names))})",
                cause="rows of one .fam were removed or renamed without its .bed, or people were"
                " filtered chromosome by chromosome",
                next_step="restore the .fam; or, where people were filtered, write FID and IID of"
                " those who are in all sets into COMMON, and for each set: plink1.9 --bfile"
                f" {first.source} --keep COMMON --keep-allele-order --make-bed --out"
                f" {first.source}.common",
            )


def _rename_copies(
    sets: list[Loaded], copies: dict[str, set[int]], notes: list[str]
) -> list[dict[str, Any]]:
    used_iids = {iid for loaded in sets for iid in loaded.fam["iid"]}
    twice = []
    for iid, set_numbers in copies.items():
        names = []
        for number in sorted(set_numbers):
            name = f"{iid}@{sets[number].label}"
            if name in used_iids:
                raise IdentifierError(
                    f"{iid} is in several sets, and its copy cannot be called {name}: somebody is",
                    next_step=f"rename one of them: {renaming(sets[number].source)}",
                )
            fam = sets[number].fam
            row = fam.index[fam["iid"] == iid][0]
            fam.loc[row, "iid"] = name
            names.append(name)
        twice.append({"fid": str(fam.loc[row, "fid"]), "iid": iid, "names": names})
    if twice:
        notes.append(
            f"{len(twice)} people are in several sets with common variants"
            f" ({first_few(person['iid'] for person in twice)}): the copy with the better call rate"
            " stays"
        )
    return twice
