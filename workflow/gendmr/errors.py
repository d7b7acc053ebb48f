"""Named errors. Each says what is wrong, why it is likely, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any


def first_few(ids: Iterable[object], limit: int = 5) -> str:
    """Return the first `limit` identifiers, quoted, and how many more there are."""
    listed = [repr(str(item)) for item in ids]
    text = ", ".join(listed[:limit])
    return f"{text} and {len(listed) - limit} more" if len(listed) > limit else text


def plural(count: int, singular: str, plural_form: str | None = None) -> str:
    """Return a number with its noun.

    >>> plural(1, "person", "people"), plural(1200, "gene")
    ('1 person', '1,200 genes')
    """
    return f"{count:,} {singular if count == 1 else plural_form or singular + 's'}"


def did_you_mean(names: Iterable[str], candidates: Iterable[str]) -> str:
    """Return which names are near others, as a question; an empty text where none is.

    >>> did_you_mean(["covariate", "x"], ["covariates", "columns"])
    "; did you mean 'covariates' for 'covariate'?"
    """
    folded = {name.casefold(): name for name in candidates}
    pairs = []
    for name in names:
        near = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
        pairs += [f"{folded[candidate]!r} for {name!r}" for candidate in near]
    return f"; did you mean {', '.join(pairs[:5])}?" if pairs else ""


class GendmrError(Exception):
    """Base of every error that a user can cause and mend.

    Parameters
    ----------
    what : str
        What is wrong: counts, the first few identifiers, the file.
    cause : str
        The likely cause.
    next_step : str
        The next command or edit.
    """

    def __init__(self, what: str, *, cause: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.next_step = next_step

    def __str__(self) -> str:
        lines = [self.what]
        if self.cause:
            lines.append(f"  likely cause: {self.cause}")
        if self.next_step:
            lines.append(f"  next step:    {self.next_step}")
        return "\n".join(lines)


class SeveralErrors(GendmrError):
    """Several things are wrong, each of which is told in full.

    Parameters
    ----------
    errors : sequence of GendmrError
        Two at least.
    """

    def __init__(self, errors: Sequence[GendmrError]) -> None:
        super().__init__(f"{len(errors)} things are missing or do not fit")
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return f"{self.what}\n{numbered(self.errors)}"


def numbered(errors: Iterable[GendmrError]) -> str:
    """Return errors as a numbered list, each with its class, cause and next step.

    >>> print(numbered([TableError("a.tsv: empty", next_step="fill it"), FoldError("one person")]))
    1. TableError: a.tsv: empty
         next step:    fill it
    2. FoldError: one person
    """
    return "\n".join(
        f"{number}. {type(error).__name__}: {error}".replace("\n", "\n   ")
        for number, error in enumerate(errors, start=1)
    )


class Problems:
    """Collects errors of checks that do not depend on one another.

    Attributes
    ----------
    errors : list of GendmrError
        In the order in which they came, each text once.
    """

    def __init__(self) -> None:
        self.errors: list[GendmrError] = []

    def add(self, error: GendmrError) -> None:
        """Note one error, or each of several."""
        for listed in error.errors if isinstance(error, SeveralErrors) else (error,):
            if str(listed) not in map(str, self.errors):
                self.errors.append(listed)

    def attempt(self, check: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Return what a check returns; None where it raises, which is noted."""
        try:
            return check(*args, **options)
        except GendmrError as error:
            self.add(error)
            return None

    def refuse(self) -> None:
        """Raise the error that was noted, or all of them as one.

        Raises
        ------
        GendmrError
            The only one.
        SeveralErrors
            All.
        """
        if self.errors:
            raise self.errors[0] if len(self.errors) == 1 else SeveralErrors(self.errors)


class ConfigurationError(GendmrError):
    """The study's configuration has an unknown key or a value out of range."""


class InputFileError(GendmrError):
    """An input file is missing, empty or unreadable."""


class OutputError(GendmrError):
    """A result cannot be written: the disk is full or read-only, or there is no content."""


class StorageError(GendmrError):
    """A file could not be read, and its content is not to blame: permission, disk, network."""


class TableError(GendmrError):
    """A table is malformed: columns missing, unknown or duplicated, values out of range."""


class IdentifierError(GendmrError):
    """Identifiers are duplicated, hostile, or join nothing."""


class GenotypeFileError(GendmrError):
    """A PLINK file set is damaged or inconsistent."""


class AnnotationError(GendmrError):
    """A gene table is malformed or of another genome build."""


class ImageError(GendmrError):
    """An image cannot be used: no valid affine, not three-dimensional, empty."""


class AtlasError(GendmrError):
    """An atlas and its table of regions do not agree."""


class ModalityError(GendmrError):
    """A modality file breaks the contract of its variables."""


class OutcomeError(GendmrError):
    """An outcome fits no kind, or cannot be trained on: one class, no event, text for numbers."""


class FoldError(GendmrError):
    """A split or a fold cannot be made or used."""


class DataLeakageError(GendmrError):
    """Held-out rows were asked for where only training rows may be seen."""


class TrainingError(GendmrError):
    """A fold cannot be trained: one class, no instance, a loss that is not finite."""


class ModelError(GendmrError):
    """A model of a fold cannot be applied: of another version, or to such a cohort."""


class RankingError(GendmrError):
    """Fold results are missing or do not agree with one another."""


class TrackingError(GendmrError):
    """Results cannot be replayed into the tracking store."""


class ToolError(GendmrError):
    """An external program is missing or returned a failure."""
