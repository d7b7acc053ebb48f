"""From PLINK file sets to checked genotypes, with a reason for every person and variant that left.

Takes one or more PLINK 1 file sets (.bed, .bim, .fam): of other people, merged over the variants
they share, or of the same people, one per chromosome. PLINK 1.9 and 2 do the passes over the
genotypes; this package checks what they read, decides on their small reports, and lists what goes.

Steps, in order: `merge` (position, alleles and strand agree), `chromosome`, variant missingness
(among people with at least 80 % of the calls), person missingness, sex (chromosome X),
heterozygosity given ancestry, duplicates and kin (KING-robust; both only where there are variants
enough to tell them from chance), then variant missingness once more, minor
allele frequency and Hardy-Weinberg among the people who stay, and ancestry components for
description. The phenotype of the .fam is never read, and the result carries none: whatever needs a
diagnosis happens inside the folds.

Leaves `qc.{bed,bim,fam}`, `attrition.tsv`, `kinship.tsv`, `components.tsv`, `summary.json` and one
figure per criterion. The allele of .bim column 5 (A1) is the effect allele, and `filesets` is the
only place that reads it.
"""
