"""Genotypes: dosages of SNPs."""
