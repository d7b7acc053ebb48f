"""BGEN files and the .sample files beside them: who and what they hold, read before PLINK does.

Format: https://www.chg.ox.ac.uk/~gav/bgen_format/spec/latest.html (layouts 1 and 2, which are
versions 1.1 and 1.2 to 1.3). Genotypes are read by PLINK 2 alone.
"""

from __future__ import annotations

import re
import shlex
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from gendmr.errors import GenotypeFileError, IdentifierError, InputFileError, first_few
from gendmr.files.chromosomes import chromosome_name
from gendmr.genotypes.sexes import recode_sex

MAGIC = (b"bgen", b"\0\0\0\0")
LAYOUT_1 = 1
LAYOUTS = (LAYOUT_1, 2)
HAS_SAMPLES = 1 << 31
LARGEST_HEADER = 64 * 2**20  # bytes of the header and of the names of people
# What QCTOOL writes where it was told no names.
NO_NAME = "(anonymous"
# UK Biobank writes -1, -2, ... for people who have withdrawn.
WITHDRAWN = re.compile(r"-\d+")
TYPES = frozenset("0DCPB")


@dataclass(frozen=True)
class BgenHeader:
    """What the beginning of a BGEN file says.

    Attributes
    ----------
    variants, people : int
    layout : int
        1 (version 1.1) or 2.
    packed : bool
        Whether genotypes are compressed.
    samples : tuple of str
        Names of people, in order; empty where the file has none.
    start : int
        Byte of the first variant.
    """

    variants: int
    people: int
    layout: int
    packed: bool
    samples: tuple[str, ...]
    start: int


@dataclass(frozen=True)
class Variant:
    """The description of one variant: its identifiers, position (1-based) and alleles."""

    name: str
    chromosome: str
    position: int
    alleles: tuple[str, ...]


def read_bgen_header(path: Path) -> BgenHeader:
    """Read counts and names of people.

    Raises
    ------
    InputFileError
        No BGEN file, or one that is cut off.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        try:
            offset, length, variants, people = struct.unpack("<4I", _exactly(stream, 16))
            magic = _exactly(stream, 4)
            stream.seek(length)
            (flags,) = struct.unpack("<I", _exactly(stream, 4))
            layout, packed = flags >> 2 & 15, flags & 3
            sound = magic in MAGIC and layout in LAYOUTS and 20 <= length <= offset
            if not sound or offset > min(size, LARGEST_HEADER):
                raise EOFError
            samples = _names(stream, people) if flags & HAS_SAMPLES else ()
        except (EOFError, struct.error, UnicodeDecodeError) as error:
            raise InputFileError(
                f"{path}: its first bytes are not those of a BGEN file of version 1.1 to 1.3",
                cause="another kind of file under this name, or an interrupted copy",
                next_step="copy it again from where it was made, and compare the sizes",
            ) from error
    has_names = not any(name.startswith(NO_NAME) for name in samples)
    return BgenHeader(
        variants, people, layout, bool(packed), samples if has_names else (), offset + 4
    )


def read_variants(path: Path, header: BgenHeader, most: int | None = None) -> Iterator[Variant]:
    """Give the descriptions of variants in order, without reading genotypes.

    Raises
    ------
    GenotypeFileError
        The file ends before its last variant.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(header.start)
        for number in islice(range(header.variants), most):
            try:
                yield _variant(stream, header, size)
            except (EOFError, struct.error, UnicodeDecodeError) as error:
                raise GenotypeFileError(
                    f"{path}: it holds {number} whole variants, and says that it has"
                    f" {header.variants}",
                    cause="an interrupted copy",
                    next_step="copy it again from where it was made, and compare the sizes",
                ) from error


def variants_table(path: Path, most: int) -> pd.DataFrame:
    """Return the first variants as `gendmr.genotypes.filesets.read_bim` does, the second as a1."""
    variants = read_variants(path, read_bgen_header(path), most)
    rows = [
        (
            chromosome_name(variant.chromosome),
            variant.name,
            "0",
            variant.position,
            *variant.alleles[1::-1],
        )
        for variant in variants
        if len(variant.alleles) == 2
    ]
    return pd.DataFrame(rows, columns=["chromosome", "snp", "cm", "position", "a1", "a2"])


def bgen_people(source: str, sample: str | None, notes: list[str] | None = None) -> pd.DataFrame:
    """Return the people of a BGEN file in its order, by its .sample file or its own names.

    Parameters
    ----------
    source : str
        Path of the .bgen.
    sample : str, optional
        Path of the .sample file; None where the file's own names count.
    notes : list of str, optional
        What is odd about names is added.

    Returns
    -------
    DataFrame
        `fid`, `iid` and `sex` (PLINK's code), all text.

    Raises
    ------
    InputFileError
        Nobody is named, or a file is none of its kind.
    GenotypeFileError
        The .sample file has another number or order of people, or a sex that is none.
    IdentifierError
        A name is there twice or has a space.
    """
    header = read_bgen_header(Path(source))
    if sample is None and not header.samples:
        raise InputFileError(
            f"{source}: the file names nobody, and there is no .sample file",
            cause="the .sample file has a name of its own, as those of UK Biobank, or was not"
            " copied",
            next_step="name it in the configuration: genotypes: bgen: samples: PATH",
        )
    if sample is None:
        people = pd.DataFrame({"fid": "0", "iid": list(header.samples), "sex": "0"})
        _refuse_spaces(source, people["iid"])
        _refuse_twice(
            source,
            people["iid"],
            "name a .sample file in which each has a name of its own: genotypes: bgen: samples:"
            " PATH",
        )
    else:
        people = _read_sample(Path(sample))
        _compare(source, header, Path(sample), people, notes if notes is not None else [])
    return people


def withdrawn(people: pd.DataFrame) -> pd.Series:
    """Return who has a negative number for a name, as UK Biobank marks who has withdrawn."""
    return people["iid"].map(lambda name: WITHDRAWN.fullmatch(name) is not None)


def write_sample(path: Path, people: pd.DataFrame) -> None:
    """Write a .sample file as every release of PLINK 2 reads it."""
    rows = [
        f"{fid} {iid} 0 {sex}\n"
        for fid, iid, sex in zip(people["fid"], people["iid"], people["sex"], strict=True)
    ]
    path.write_text("ID_1 ID_2 missing sex\n0 0 0 D\n" + "".join(rows), encoding="utf-8")


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _text(stream: BinaryIO, kind: str = "<H") -> str:
    (length,) = struct.unpack(kind, _exactly(stream, struct.calcsize(kind)))
    if length > LARGEST_HEADER:
        raise EOFError
    return _exactly(stream, length).decode("utf-8")


def _names(stream: BinaryIO, people: int) -> tuple[str, ...]:
    _, count = struct.unpack("<2I", _exactly(stream, 8))
    if count != people:
        raise EOFError
    return tuple(_text(stream) for _ in range(count))


def _variant(stream: BinaryIO, header: BgenHeader, size: int) -> Variant:
    layout_1 = header.layout == LAYOUT_1
    if layout_1:
        _exactly(stream, 4)  # the number of people once more
    identifier, name, chromosome = _text(stream), _text(stream), _text(stream)
    (position,) = struct.unpack("<I", _exactly(stream, 4))
    alleles = 2 if layout_1 else struct.unpack("<H", _exactly(stream, 2))[0]
    names = tuple(_text(stream, "<I") for _ in range(alleles))
    if layout_1 and not header.packed:
        length = 6 * header.people  # three probabilities of two bytes
    else:
        (length,) = struct.unpack("<I", _exactly(stream, 4))
    end = stream.tell() + length
    if end > size:
        raise EOFError
    stream.seek(end)
    return Variant(name or identifier, chromosome, position, names)


def _read_sample(path: Path) -> pd.DataFrame:
    """Read a .sample file: a line of names, a line of types, a line per person."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise InputFileError(
            f"{path}: no such file",
            cause="the .sample file of a .bgen has another name, or was not copied",
            next_step="name it in the configuration: genotypes: bgen: samples: PATH",
        ) from error
    except UnicodeDecodeError as error:
        raise InputFileError(
            f"{path}: not text (byte {error.start})",
            cause="another kind of file under this name",
            next_step=f"file {shlex.quote(str(path))}",
        ) from error
    rows = [line.split() for line in lines if line.strip()]
    types = rows[1] if len(rows) > 1 else []
    if not types or types[0] != "0" or not set(types) <= TYPES or len(types) != len(rows[0]):
        raise InputFileError(
            f"{path}: its second line does not say the types of its columns (0, D, C, P, B)",
            cause="a list of people in place of a .sample file",
            next_step="take the .sample file that came with the .bgen; its first lines are"
            " 'ID_1 ID_2 missing sex' and '0 0 0 D'",
        )
    columns = [name.casefold() for name in rows[0]]
    wrong = [number for number, row in enumerate(rows[2:], 3) if len(row) != len(columns)]
    if wrong:
        raise InputFileError(
            f"{path}: {len(wrong)} of {len(rows) - 2} people do not have {len(columns)} columns;"
            f" the first is line {wrong[0]}",
            cause="the file is cut short, or a name holds a space",
            next_step=f"sed -n {wrong[0]}p {shlex.quote(str(path))}",
        )
    second = len(columns) > 1 and types[1] == "0" and columns[1] != "missing"
    people = pd.DataFrame(
        {
            "fid": [row[0] if second else "0" for row in rows[2:]],
            "iid": [row[1 if second else 0] for row in rows[2:]],
            "sex": "0",
        },
        dtype=object,
    )
    key = f"${2 if second else 1}"
    numbered = f'{{{key} = {key} "_" seen[{key}]}} {{print}}'
    _refuse_twice(
        str(path),
        people["iid"],
        f"number the copies: awk 'NR > 2 && seen[{key}]++ {numbered}' {shlex.quote(str(path))}"
        " > numbered.sample, then name numbered.sample in genotypes: bgen: samples",
    )
    if "sex" in columns:
        place = columns.index("sex")
        people["sex"], unrecognised = recode_sex(
            pd.Series([row[place] for row in rows[2:]], dtype=str)
        )
        if unrecognised:
            raise GenotypeFileError(
                f"{path}: sex of some of {len(people)} people is none: {unrecognised}",
                cause="codes of another program: 1 is male, 2 female, 0 unknown",
                next_step="correct the column; where it means nothing, make it unknown: awk 'NR > 2"
                f" && ${place + 1} !~ /^[012]$/ {{${place + 1} = 0}} {{print}}'"
                f" {shlex.quote(str(path))} > known.sample, then name known.sample in genotypes:"
                " bgen: samples",
            )
    return people


def _compare(
    source: str, header: BgenHeader, path: Path, people: pd.DataFrame, notes: list[str]
) -> None:
    """Refuse a .sample file that is of another .bgen, or in another order than its names."""
    aside = f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.old')}"
    if len(people) != header.people:
        raise GenotypeFileError(
            f"{path} lists {len(people)} people, and {source} holds {header.people}",
            cause="the .sample file of another release or chromosome: people who have withdrawn"
            " stay in both files",
            next_step="give the .sample file that came with this .bgen: genotypes: bgen: samples:"
            " PATH" + (f"; or let the names in the .bgen count: {aside}" if header.samples else ""),
        )
    if not header.samples:
        return
    pasted = people["fid"] + "_" + people["iid"]
    ways = [names.tolist() for names in (people["iid"], people["fid"], pasted)]
    header_names = list(header.samples)
    if header_names in ways:
        return
    shared = max(len(set(header_names) & set(way)) for way in ways)
    if not shared:
        notes.append(
            f"{Path(source).name}: its own names of people ({first_few(header_names, 2)}) are none"
            f" of {path.name}, whose names and order count"
        )
        return
    moved = min(sum(a != b for a, b in zip(header_names, way, strict=True)) for way in ways)
    raise GenotypeFileError(
        f"{path}: {moved} of {len(header_names)} people stand at the place of somebody else in"
        f" {source}, which names them itself: {first_few(header_names, 3)} and so on",
        cause="the .sample file was sorted, or is of another .bgen",
        next_step=f"let the names in the .bgen count: {aside}; sex is then told by genotypes.sexes",
    )


def _refuse_twice(where: str, names: pd.Series, next_step: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise IdentifierError(
            f"{where}: {len(twice)} names of people appear more than once: {first_few(twice)}",
            cause="the same person typed twice, or one word for all whose name is not told",
            next_step=next_step,
        )


def _refuse_spaces(source: str, names: pd.Series) -> None:
    spaced = names[names.str.contains(r"\s") | (names == "")]
    if len(spaced):
        raise IdentifierError(
            f"{source}: {len(spaced)} names of people are empty or hold a space:"
            f" {first_few(spaced)}",
            cause="PLINK ends a name at a space",
            next_step="name a .sample file with other names: genotypes: bgen: samples: PATH",
        )
