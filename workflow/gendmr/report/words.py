"""What is known of a person, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

NOTHING = "none"  # the pattern of people of whom no modality is there


def pattern_words(pattern: str, labels: Mapping[str, str]) -> str:
    """Return what is known of a person, in words: `snp+region` is genotypes and images.

    Parameters
    ----------
    pattern : str
        As in predictions.tsv.
    labels : mapping of str to str
        Of the modalities of the study, by name.
    """
    if pattern == NOTHING:
        return no_modality(list(labels.values()))
    modalities = pattern.split("+")
    words = _joined([labels.get(modality, modality) for modality in modalities], "and")
    return f"{words} only" if len(modalities) == 1 and len(labels) > 1 else words


def pattern_place(pattern: str, people: int) -> tuple[bool, int, int]:
    """Return the place of a pattern in tables: most modalities first, then most people."""
    return pattern == NOTHING, -pattern.count("+"), -people


def no_modality(labels: Sequence[str]) -> str:
    """Return `neither genotypes nor images` for the modalities of a study."""
    if len(labels) == 2:
        return f"neither {labels[0]} nor {labels[1]}"
    return f"no {_joined(labels, 'or')}"


def _joined(words: Sequence[str], conjunction: str) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"
