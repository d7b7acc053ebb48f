"""Samples of a VCF or BCF, and which of its fields hold genotypes."""

from __future__ import annotations

import gzip
import io
import shlex
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from gendmr.errors import IdentifierError, InputFileError, first_few

GZIP, ZSTD, BCF = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BCF\x02\x02"
# Half a million samples with names of 40 letters take 20 MB; a longer header is none.
LARGEST_HEADER = 64 * 2**20
# Rows whose FORMAT is read: servers write the same fields everywhere.
ROWS = 200
LONGEST_START = 2**16  # of a row, which holds its FORMAT
# Fields of dosages by preference: the copies of the allele, or the probabilities of genotypes.
# Without -force PLINK 2 refuses GP where the header alone declares DS too.
DOSAGES = {"DS": "DS", "GP": "GP-force"}


@dataclass(frozen=True)
class VcfHeader:
    """What is known of a VCF or BCF before PLINK reads it.

    Attributes
    ----------
    samples : tuple of str
        In the order of the file.
    dosage : str
        What PLINK 2 is told, `DS` or `GP-force`; empty where the rows hold no dosages.
    """

    samples: tuple[str, ...]
    dosage: str


def read_vcf_header(path: Path) -> VcfHeader:
    """Read samples and fields, at most 64 MiB of a header whatever it unpacks to.

    Raises
    ------
    InputFileError
        It cannot be unpacked, has no line of columns, or its header is too large.
    IdentifierError
        A sample has a space in its name, or is there twice.
    """
    try:
        with _unpacked(path) as stream:
            start = stream.read(len(BCF))
            if start == BCF:
                size = int.from_bytes(stream.read(4), "little")
                _refuse_large(path, size)
                lines = stream.read(size).splitlines()
                fields = {_declared(line) for line in lines}
            else:
                lines = list(_header_lines(path, start, stream))
                declared = {_declared(line) for line in lines}
                used = {field for row in _starts_of_rows(stream) for field in _fields(row)}
                fields = used & declared
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise InputFileError(
            f"{path}: cannot be unpacked ({error})",
            cause="an interrupted copy",
            next_step="copy it again from where it was made, and compare the sizes",
        ) from error
    columns = next((line for line in lines if line.startswith(b"#CHROM")), None)
    if columns is None:
        raise InputFileError(
            f"{path}: no line of columns (#CHROM), so that it is no VCF or BCF",
            cause="another kind of file under this name, or a file without its header",
            next_step=f"look at its beginning: {_beginning(path)}",
        )
    samples = columns.decode("utf-8", "replace").rstrip("\r\n\0").split("\t")[9:]
    dosage = next((DOSAGES[name] for name in DOSAGES if name in fields), "")
    _check_samples(path, samples, dosage)
    return VcfHeader(tuple(samples), dosage)


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as stream:
        magic = stream.read(4)
        stream.seek(0)
        if magic[:2] == GZIP:
            with gzip.open(stream) as unpacked:
                yield unpacked  # type: ignore[misc]
        elif magic == ZSTD:
            with zstandard.ZstdDecompressor().stream_reader(stream) as unpacked:
                yield io.BufferedReader(unpacked)
        else:
            yield stream


def _header_lines(path: Path, start: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Give the lines up to that of the columns; a line is read in pieces of bounded size."""
    bytes_left = LARGEST_HEADER
    line = start
    while True:
        line += stream.readline(bytes_left + 1)
        bytes_left -= len(line)
        if bytes_left < 0:
            _refuse_large(path, LARGEST_HEADER - bytes_left)
        if not line.startswith(b"##"):
            yield line
            return
        yield line
        line = b""


def _starts_of_rows(stream: BinaryIO) -> Iterator[bytes]:
    """Give the beginnings of the first rows."""
    for _ in range(ROWS):
        row = stream.readline(LONGEST_START)
        if not row:
            return
        yield row
        while row and not row.endswith(b"\n"):
            row = stream.readline(LONGEST_START)


def _beginning(path: Path) -> str:
    """Return the command that shows the beginning of a file, packed or not."""
    packed = {".gz": "zcat", ".bgz": "zcat", ".bcf": "zcat", ".zst": "zstdcat"}
    return f"{packed.get(path.suffix, 'cat')} < {shlex.quote(str(path))} | head -c 2000"


def _refuse_large(path: Path, size: int) -> None:
    if size > LARGEST_HEADER:
        raise InputFileError(
            f"{path}: a header of more than {LARGEST_HEADER // 2**20} MiB, which none needs",
            cause="another kind of file under this name, or one made to fill the memory",
            next_step=f"look at its beginning: {_beginning(path)}",
        )


def _declared(line: bytes) -> str:
    head, _, tail = line.partition(b"ID=")
    return tail.partition(b",")[0].decode("ascii", "replace") if b"FORMAT" in head else ""


def _fields(row: bytes) -> list[str]:
    columns = row.split(b"\t", 9)
    return columns[8].decode("ascii", "replace").strip().split(":") if len(columns) > 8 else []


def _check_samples(path: Path, samples: list[str], dosage: str) -> None:
    """Refuse names that PLINK would cut at a space, and names that are there twice."""
    spaced = [name for name in samples if name.split() != [name]]
    twice = [name for name, count in Counter(samples).items() if count > 1]
    if not (spaced or twice):
        return
    stem = str(path).partition(".vcf")[0].removesuffix(".bcf")
    rename = (
        'awk \'BEGIN {FS = OFS = "\\t"} /^#CHROM/ {for (i = 10; i <= NF; i++) {gsub(/ /, "_", $i);'
        ' if (n[$i]++) $i = $i "_" n[$i]}} {print}\''
    )
    unpack = {GZIP: "zcat", ZSTD: "zstdcat"}.get(_magic(path), "cat")
    command = f"{unpack} {path} | {rename} > {stem}.renamed.vcf"
    if str(path).endswith(".bcf"):
        command = f"bcftools view {path} | {rename} > {stem}.renamed.vcf"
        if twice and not spaced:
            # bcftools reads no header in which a sample is there twice; PLINK 2 does.
            number = (
                'awk \'BEGIN {FS = OFS = "\\t"} !/^#/ {if (n[$1]++) $1 = $1 "_" n[$1]} {print}\''
            )
            imported = f"dosage={dosage} --make-pgen" if dosage else "--make-pgen"
            command = (
                f"plink2 --bcf {path} {imported} --out {stem}.renamed"
                f" && {number} {stem}.renamed.psam > {stem}.psam"
                f" && mv {stem}.psam {stem}.renamed.psam, then give {stem}.renamed.pgen"
            )
    raise IdentifierError(
        f"{path}: {len(spaced)} of {len(samples)} samples have a space in their name, or no name:"
        f" {first_few(spaced)}"
        if spaced
        else f"{path}: {len(twice)} samples appear more than once: {first_few(twice)}",
        cause="names of people in place of identifiers"
        if spaced
        else "the same person exported twice, or names that were cut",
        next_step=f"rename them, by hand or so: {command}",
    )


def _magic(path: Path) -> bytes:
    with path.open("rb") as stream:
        magic = stream.read(4)
    return GZIP if magic[:2] == GZIP else magic
