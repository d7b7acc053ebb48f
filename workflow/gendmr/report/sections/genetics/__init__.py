"""Chapters of studies with genotypes: sets, builds, ancestry groups, excluded intervals, APOE."""

MODALITY = "snp"
