"""From SNPs to genes: which genes a SNP lies in or near, by strand-aware windows.

Takes the .bim of the checked genotypes and a gene table: MAGMA `gene.loc`, PLINK `glist` or GTF.
Each has its own convention of coordinates; inside and in every result positions are 1-based and
closed. A window reaches further before the start of transcription than after its end, so the strand
decides which side is which. A SNP may belong to several genes.

The genome builds of genotypes and gene table are declared, must be the same, and the table's claim
is checked against genes whose coordinates are known.

Leaves `snp2gene.tsv` (one row for each SNP and gene), `genes.tsv` and `summary.json`.
"""
