"""Networks in which SNPs meet in their gene: peers of GenDMR that read genotypes alone."""
