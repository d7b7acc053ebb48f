"""Training: one job per method, repeat and fold, then the metrics of a method over its folds.

Takes the folder that the stage `cohort` leaves, and only through `gendmr.cohort.view.FoldView`,
which hands out training and validation people at once and held-out people after the fit is sealed.

A fold goes through three steps, each fitted on training people and applied to everybody:

- `preparation`: covariates, ancestry components (`components`), the SNPs that enter (`selection`,
  by the matrix products of `association`), imputation, scaling, and the adjustment of region
  measurements for head size and age;
- the method (`gendmr.methods`), networks through `fit`, which trains several replicates at once;
- `scores`: the threshold from the inner validation, metrics of held-out people.

Leaves, in `training/<method>/repeat-<r>/fold-<k>/`, model.safetensors, history.jsonl, fold.json,
predictions.tsv, attributions.nc and run.json; and `training/<method>/metrics.tsv`. Predictions of
training people are those of a model that has seen them, and are there to show overfitting only.
"""
