"""Who is analysed: participants, genotypes and images joined by identifier; folds; the view.

The stage takes `participants.tsv`, the filtered genotypes with their kinship, the map of SNPs to
genes and, where there are images, the region modality. It leaves

- `participants.tsv`, the people of the analysis, with `has_snp` and `has_region`: nobody is dropped
  for lack of one modality; and `participants.json`, which says which covariates are numbers;
- `attrition.tsv`, every person and variant that left, at which stage and why, and
  `figures/flow.png`, the same as a flow diagram;
- `snp.nc` and `region.nc`, one row per person who has the modality: missing is a missing row;
- `splits.tsv`, repeated participant-level folds in which families never straddle.

Identifiers are strings, always. What does not join is listed with the likely cause.

Training sees the result through `gendmr.cohort.view.FoldView` only.
"""
