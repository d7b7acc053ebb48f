"""GenDMR: from PLINK genotypes, T1-weighted MRIs and diagnoses to ranked genes and regions."""


include: "workflow/Snakefile"


rule default:
    """The whole study: what `snakemake --cores 2` makes."""
    default_target: True
    input:
        rules.all.input,
