"""Genes, regions and other instances ranked by what a method attributes to them.

The stage takes the attributions of every fold and repeat of one method (held-out people only) and
the cohort's files of the modalities that the method reads. Per fold, an instance scores by how much
its values differ between held-out people; scores are averaged over folds and repeats. What they
become is for the level of the modality to say (`gendmr.ranking.levels`): SNPs of a gene are summed
after weighting by linkage disequilibrium, regions stay regions. No outcome is read here. It leaves

- a table for each of `gendmr.ranking.catalogue.tables_of`: `genes.tsv`, `blocks.tsv`, `snps.tsv`,
  `regions.tsv`, with rank, its interval over folds, and stability; those of what the method reads;
- `null.nc`, z of each row under permuted outcomes;
- `summary.json`, with the agreement between folds against chance, and a check whether larger genes
  are favoured;
- `figures/`, drawn from these files by a step of their own.

A ranking names first genes even where there is nothing to find: without a permutation null the
columns `p`, `p_fwer` and `q` are missing, and the summary says so.
"""
