"""Genotypes of some people, packed: four people to a byte."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gendmr.statistics.association import CHUNK, project_out

MOST_LISTED = 1 << 25  # missing genotypes that are listed; more are looked for in every block
_PAIRS = np.arange(256)[:, None] >> np.array([0, 2, 4, 6]) & 3
_COPIES = np.where(_PAIRS == 3, 0, _PAIRS - 1).astype(np.float32)
_DOSAGES = np.where(_PAIRS == 3, -1, _PAIRS).astype(np.int8)


@dataclass(frozen=True)
class PackedGenotypes:
    """Genotypes of some people in two bits each.

    Parameters
    ----------
    codes : uint8 (snp, ceil(people / 4))
        The first person in the lowest bits; 0, 1, 2 copies, 3 missing.
    people : int
    absent : int32 (missing genotype, 2), or None
        SNP and person of what is missing, in the order of SNPs; None where they are too many.
    """

    codes: np.ndarray
    people: int
    absent: np.ndarray | None

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def pack(cls, dosage: np.ndarray) -> PackedGenotypes:
        """Pack dosages int8 (people, snp), -1 missing."""
        return cls.collect([dosage], dosage.shape[0])

    @classmethod
    def collect(cls, blocks: Iterable[np.ndarray], people: int) -> PackedGenotypes:
        """Pack blocks of dosages int8 (people, block), -1 missing, one after the other."""
        width = -(-people // 4)
        pieces: list[np.ndarray] = [np.zeros((0, width), dtype=np.uint8)]
        absent: list[np.ndarray] | None = [np.zeros((0, 2), dtype=np.int32)]
        first = listed = 0
        for dosage in blocks:
            for start in range(0, dosage.shape[1], CHUNK):
                part = dosage[:, start : start + CHUNK]
                block = np.zeros((width * 4, part.shape[1]), dtype=np.uint8)
                block[:people] = part & 3  # -1 is 3 in its last two bits
                four = block.reshape(-1, 4, block.shape[1])
                byte = four[:, 0] | four[:, 1] << 2 | four[:, 2] << 4 | four[:, 3] << 6
                pieces.append(np.ascontiguousarray(byte.T))
                if absent is not None:
                    where = np.argwhere(block.T == 3).astype(np.int32)
                    absent.append(where + np.array([first, 0], dtype=np.int32))
                    listed += len(where)
                    absent = absent if listed <= MOST_LISTED else None
                first += part.shape[1]
        codes = np.concatenate(pieces)
        return cls(codes, people, None if absent is None else np.concatenate(absent))

    def rows(self, columns: np.ndarray | slice) -> np.ndarray:
        """Return dosages of some SNPs, int8 (snp, people), -1 missing."""
        codes = self.codes[columns]
        return np.asarray(_DOSAGES[codes].reshape(len(codes), 4 * codes.shape[1])[:, : self.people])

    def dosage(self, columns: np.ndarray) -> np.ndarray:
        """Return dosages of some SNPs, int8 (people, snp), -1 missing."""
        dosage = np.empty((self.people, len(columns)), dtype=np.int8)
        for start in range(0, len(columns), CHUNK):
            dosage[:, start : start + CHUNK] = self.rows(columns[start : start + CHUNK]).T
        return dosage

    def counts(self, columns: np.ndarray, people: np.ndarray) -> np.ndarray:
        """Return how many of some people (bool) carry 0, 1 and 2 copies, int64 (snp, 3)."""
        counts = np.zeros((len(columns), 3), dtype=np.int64)
        for start in range(0, len(columns), CHUNK):
            dosage = self.rows(columns[start : start + CHUNK])[:, people]
            for copies in range(3):
                counts[start : start + CHUNK, copies] = (dosage == copies).sum(axis=1)
        return counts

    def decode(self, start: int, stop: int) -> np.ndarray:
        """Return genotypes counted from 1, float32 (snp, people); missing is the SNP's mean."""
        codes = self.codes[start:stop]
        values = _COPIES[codes].reshape(stop - start, -1)[:, : self.people]
        if self.absent is None:
            snp, person = np.nonzero(self.rows(slice(start, stop)) < 0)
        else:
            first, last = np.searchsorted(self.absent[:, 0], [start, stop])
            snp, person = self.absent[first:last, 0] - start, self.absent[first:last, 1]
        called = self.people - np.bincount(snp, minlength=stop - start)
        mean = values.sum(axis=1) / np.maximum(called, 1)  # what is missing adds 0
        values[snp, person] = mean[snp]
        return np.asarray(values)

    def associate(self, phenotypes: np.ndarray, covariates: np.ndarray) -> np.ndarray:
        """Return z float32 (snp, phenotype) as `score_test` does, to single precision.

        Covariates are projected out of the phenotypes and of the squares of the genotypes, so that
        all phenotypes take one product with the genotypes, decoded block by block.

        Parameters
        ----------
        phenotypes : float (people, phenotype)
        covariates : float (people, covariate)
            Without intercept, which is added.
        """
        basis, targets = project_out(phenotypes, covariates)
        free = max(self.people - basis.shape[1], 0)
        together = np.column_stack([basis, targets]).astype(np.float32)
        width, snps = basis.shape[1], len(self.codes)
        z_of_all = np.empty((snps, targets.shape[1]), dtype=np.float32)
        for start in range(0, snps, CHUNK):
            stop = min(start + CHUNK, snps)
            genotypes = self.decode(start, stop)
            products = genotypes @ together
            square = np.einsum("ij,ij->i", genotypes, genotypes)
            variation = square - genotypes.sum(axis=1) ** 2 / max(self.people, 1)
            beyond = square - (products[:, :width] ** 2).sum(axis=1)
            varies = beyond > 1e-5 * np.maximum(variation, square * 1e-2)
            scale = np.where(varies, np.sqrt(free / np.where(varies, beyond, 1)), 0)
            z = products[:, width:] * scale[:, None].astype(np.float32)
            limit = np.float32(np.sqrt(free))
            z_of_all[start:stop] = np.clip(z, -limit, limit)
        return z_of_all
