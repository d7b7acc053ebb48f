"""Genes and regions ranked by the signed risk that a method puts on them, held-out people only.

The stage takes the attention of every fold and repeat of one method, the cohort's modalities and
the places of the genes. Per fold, a SNP or region scores by how much its risk differs between
held-out people; the SNPs of a gene are summed after weighting by linkage disequilibrium; scores are
averaged over folds and repeats. No diagnosis is read here. It leaves

- `genes.tsv` and `regions.tsv`, with rank, its interval over folds, and stability; `snps.tsv`;
- `summary.json`, with the agreement between folds against chance, and a check whether larger genes
  are favoured;
- `figures/{genome,qq,stability,brain}.png`, drawn from these files by a step of their own.

A ranking names first genes even where there is nothing to find: without a permutation null the
columns `p`, `p_fwer` and `q` are missing, and the summary says so.
"""
