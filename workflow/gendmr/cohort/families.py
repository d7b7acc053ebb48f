"""Families: people whom kinship, a duplicated genotype or a shared group ties together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def connected_groups(members: Sequence[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name the connected component of each member.

    Parameters
    ----------
    members : sequence of str
        Everybody to be named.
    pairs : iterable of (str, str)
        Ties. They may run through people who are no members: two cousins of a removed sibling
        still belong together.

    Returns
    -------
    dict of str to str
        Each member's group, named after its first member in the order of text.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for first, second in pairs:
        parent[root(first)] = root(second)
    names: dict[str, str] = {}
    for member in sorted(members):
        names.setdefault(root(member), member)
    return {member: names[root(member)] for member in members}
