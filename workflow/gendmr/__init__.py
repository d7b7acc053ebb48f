"""GenDMR: imaging-genetics workflow, from PLINK files and T1-weighted MRIs to ranked genes."""

__version__ = "0.3.0"
