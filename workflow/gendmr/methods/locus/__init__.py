"""One locus with the covariates."""
