"""VCF, BCF and PLINK 2 files as inputs: PLINK 2 turns them into PLINK 1 file sets."""

from __future__ import annotations

import gzip
import re
import shlex
import subprocess
from collections import Counter
from pathlib import Path
from typing import IO, cast

from gendmr.config.genotypes import form_of
from gendmr.errors import IdentifierError, InputFileError, first_few
from gendmr.genotypes.plink import Plink, find

# Names such as `.` could not be told apart; long indels would make names that PLINK refuses.
NAMES = ("--set-missing-var-ids", "@:#:$r:$a", "--new-id-max-allele-len", "60", "missing")

BLOCK = 1 << 20  # bytes


def convert(source: str, work: Path, name: str, plink: Plink, notes: list[str]) -> Path:
    """Write an input that is no PLINK 1 file set as one.

    Parameters
    ----------
    source : str
        Path of a .vcf, .vcf.gz, .bcf or .pgen (with .pvar and .psam beside it).
    work : Path
        Receives ``<name>.{bed,bim,fam}``. Column 5 of the .bim is the alternative allele.
    name : str
        Of the new set.
    plink : Plink
        Threads and memory.
    notes : list of str
        What was left out is added.

    Returns
    -------
    Path
        Prefix of the new set.

    Raises
    ------
    InputFileError
        A file is missing, or the variants of a .pgen stand in two files that differ.
    IdentifierError
        A sample of a VCF or BCF has a space in its name, or is there twice.
    ToolError
        PLINK cannot read it.
    """
    form = form_of(source)
    path = Path(source).resolve()
    if form == "pgen":
        stem = path.with_suffix("")
        packed = Path(f"{stem}.pvar.zst").is_file()
        if packed and Path(f"{stem}.pvar").is_file():
            _check_packed(Path(f"{stem}.pvar"), Path(f"{stem}.pvar.zst"))
        needed = [
            path,
            Path(f"{stem}.pvar.zst" if packed else f"{stem}.pvar"),
            Path(f"{stem}.psam"),
        ]
        arguments = ["--pfile", str(stem), *(["vzs"] if packed else [])]
    else:
        needed = [path]
        arguments = [f"--{form}", str(path)]
    for file in needed:
        if not file.is_file() or file.stat().st_size == 0:
            raise InputFileError(
                f"{file}: {'empty' if file.is_file() else 'no such file'}",
                cause="the path in genotypes.inputs is wrong, or a copy failed",
                next_step=f"ls -l {file.parent}",
            )
    if form != "pgen":
        _check_samples(source, _samples(path))
    lines = plink.run(
        "2",
        [*arguments, "--allow-extra-chr", *NAMES, "--max-alleles", "2", "--make-bed"],
        out=name,
        folder=work,
    )
    log = "\n".join(lines)
    loaded = re.search(r"(\d+) (?:out of \d+ )?variants? (?:loaded|scanned)", log)
    remaining = re.search(r"(\d+) variants? remaining after main filters", log)
    if loaded and remaining and loaded.group(1) != remaining.group(1):
        notes.append(
            f"{int(loaded.group(1)) - int(remaining.group(1))} of {loaded.group(1)} variants of"
            f" {path.name} have more than two alleles and were left out"
        )
    return work / name


def _check_packed(plain: Path, packed: Path) -> None:
    """Refuse a .pvar.zst that holds something else than the .pvar beside it.

    PLINK 2 reads one of the two, by the options of the call; the .pgen belongs to one of them only.
    """
    command = [find("2").path, "--zst-decompress", str(packed)]
    with (
        plain.open("rb") as stream,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpacking,
    ):
        unpacked = cast("IO[bytes]", unpacking.stdout)
        same = True
        while same and (block := unpacked.read(BLOCK)):
            same = stream.read(len(block)) == block
        same = same and not stream.read(1)
        unpacked.close()
    older, newer = sorted((plain, packed), key=lambda file: file.stat().st_mtime_ns)
    # A process that is cut off ends with another status: only equality asks for success.
    if not same or unpacking.returncode != 0:
        raise InputFileError(
            f"{packed} and {plain.name} beside it hold different variants",
            cause=f"an older export that was left there: {older.name} is older than {newer.name}",
            next_step=f"keep the one that was made with the .pgen; if that is {newer.name}:"
            f" mv {shlex.quote(str(older))} {shlex.quote(f'{older}.old')}",
        )


def _samples(path: Path) -> list[str]:
    """Read the samples of a VCF or BCF; none where it has no header, which PLINK then refuses."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            start = stream.read(5)
            if start == b"BCF\x02\x02":
                size = int.from_bytes(stream.read(4), "little")
                lines = iter(stream.read(size).splitlines())
            else:
                stream.seek(0)
                lines = iter(stream)
            for line in lines:
                if line.startswith(b"#CHROM"):
                    return line.decode("utf-8", "replace").rstrip("\r\n\0").split("\t")[9:]
                if not line.startswith(b"##"):
                    break
    except (OSError, EOFError) as error:
        raise InputFileError(
            f"{path}: cannot be unpacked ({error})",
            cause="an interrupted copy",
            next_step="copy it again; bcftools index tells whether it is whole",
        ) from error
    return []


def _check_samples(source: str, samples: list[str]) -> None:
    """Refuse names that PLINK would cut at a space."""
    spaced = [name for name in samples if name.split() != [name]]
    if spaced:
        raise IdentifierError(
            f"{source}: {len(spaced)} of {len(samples)} samples have a space in their name, or no"
            f" name: {first_few(spaced)}",
            cause="names of people in place of identifiers",
            next_step=f"rename them: bcftools reheader --samples new_names.txt {source}",
        )
    twice = [name for name, count in Counter(samples).items() if count > 1]
    if twice:
        raise IdentifierError(
            f"{source}: {len(twice)} samples appear more than once: {first_few(twice)}",
            cause="the same person exported twice, or names that were cut",
            next_step=f"rename them: bcftools reheader --samples new_names.txt {source}",
        )
