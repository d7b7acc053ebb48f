"""Whether a study has variants on autosomes: later steps read no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gendmr.config.genotypes import GenotypesSection, form_of
from gendmr.errors import GenotypeFileError
from gendmr.files.chromosomes import chromosome_name
from gendmr.genotypes.joining import AUTOSOMES


def x_only(section: GenotypesSection, count: int, noun: str) -> GenotypeFileError:
    """Return the error of variants of which none is on an autosome, and some are on X.

    Parameters
    ----------
    section : GenotypesSection
        Whether it chooses chromosomes is the cause.
    count : int
    noun : str
        What they are called.
    """
    return GenotypeFileError(
        f"none of {count} {noun} is on an autosome; X serves to check sex and is read by no later"
        " step",
        cause="`chromosomes` names none that the files hold"
        if section.chromosomes
        else "the file of one chromosome was given",
        next_step="name autosomes of the files in genotypes.chromosomes, or leave it out"
        if section.chromosomes
        else "give the files of the autosomes too: genotypes.inputs takes one per chromosome",
    )


def check_autosomes(section: GenotypesSection) -> None:
    """Refuse inputs of X alone, as far as the variants stand in a text: in a .bim or .pvar.

    Reading ends at the first variant of an autosome that is asked for, which mostly is the first.
    VCF, BCF and BGEN files are left to the step that converts them.

    Raises
    ------
    GenotypeFileError
        See `x_only`.
    """
    wanted = {*(section.chromosomes or AUTOSOMES)}
    on_x = elsewhere = 0
    for path in section.inputs:
        table = _table(path)
        if table is None:
            return
        for name in _chromosomes(table):
            if name in wanted:
                return
            on_x, elsewhere = on_x + (name == "X"), elsewhere + (name != "X")
    if on_x:
        raise x_only(section, on_x + elsewhere, "variants")


def _table(path: str) -> Path | None:
    """Return the file that names the variants of an input as text; None where there is none."""
    suffix = {"bed": ".bim", "pgen": ".pvar"}.get(form_of(path))
    table = Path(path.removesuffix(".pgen") + suffix) if suffix else None
    return table if table is not None and table.is_file() else None


def _chromosomes(path: Path) -> Iterator[str]:
    """Give the chromosome of each variant."""
    name_of_code: dict[bytes, str] = {}
    with path.open("rb") as stream:
        for line in stream:
            code = line.split(None, 1)[0] if line.strip() else b"#"
            if not code.startswith(b"#"):
                if code not in name_of_code:
                    name_of_code[code] = chromosome_name(code.decode(errors="replace"))
                yield name_of_code[code]
