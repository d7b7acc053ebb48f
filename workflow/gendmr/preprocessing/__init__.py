"""What is fitted before a method: transforms of modalities and covariates, on training people."""
