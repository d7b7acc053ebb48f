"""What can be said of the genotypes that a study is given before any of them is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gendmr.config.genotypes import GenotypesSection, beside_pgen, form_of
from gendmr.genotypes.autosomes import check_autosomes
from gendmr.genotypes.bed_file import check_size
from gendmr.genotypes.bgen import bgen_people
from gendmr.genotypes.builds import read_reference
from gendmr.genotypes.filesets import read_bim, read_fam
from gendmr.genotypes.formats import refuse_absent, refuse_two_variant_files
from gendmr.genotypes.sexes import read_sexes
from gendmr.genotypes.vcf_header import read_vcf_header

BLOCK = 1 << 20


def checks(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[Callable[[], object]]:
    """Yield a check of each file: sizes of PLINK sets, headers of VCF, tables; and of autosomes.

    Parameters
    ----------
    stages : mapping of str to mapping
        Sections of the study by stage; `genotypes` is among them.
    """
    genotypes = GenotypesSection.parse(dict(stages["genotypes"]), where="genotypes")
    for name in genotypes.inputs:
        form = form_of(name)
        if form == "bed":
            yield partial(check_sizes, name)
        elif form == "pgen":
            yield partial(refuse_absent, *map(Path, (name, *beside_pgen(name))))
            yield partial(refuse_two_variant_files, Path(name))
        elif form == "bgen" and genotypes.bgen is not None:
            yield partial(_check_bgen, name, genotypes.bgen.sample_of(name))
        else:
            yield partial(_check_header, Path(name))
    yield partial(check_autosomes, genotypes)
    if genotypes.sexes:
        yield partial(read_sexes, genotypes.sexes)
    if genotypes.check_build:
        yield partial(read_reference, genotypes.reference_file)


def _check_bgen(name: str, sample: str | None) -> None:
    refuse_absent(Path(name))
    bgen_people(name, sample)


def _check_header(path: Path) -> None:
    refuse_absent(path)
    read_vcf_header(path)


def check_sizes(prefix: str) -> None:
    """Refuse a set whose .bed is not as large as its .bim and .fam say; no variant is read.

    Raises
    ------
    InputFileError, GenotypeFileError
        See `gendmr.genotypes.filesets.check_fileset`.
    """
    people, bim = len(read_fam(prefix)), Path(f"{prefix}.bim")
    if not bim.is_file() or not bim.stat().st_size:
        read_bim(prefix)
    check_size(prefix, people, _rows(bim))


def _rows(path: Path) -> int:
    """Return the number of lines of a file, of which the last may lack its end."""
    count, last = 0, b"\n"
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")
