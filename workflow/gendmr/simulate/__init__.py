"""The stage `simulate`: a cohort with planted truth, in the form a user would bring.

It takes two small tables of public facts, genes with GRCh37 coordinates and regions with MNI
centroids, and one section of the configuration. `cohort` draws people: haplotypes by coalescent
simulation around the genes, diagnoses by a logistic model on planted alleles, atrophy and age, and
two PLINK file sets that overlap as two arrays do. `outcomes` adds, where the configuration has any,
scores, times to an event and classes that the same genes and regions drive. `atlas` labels the grey
matter of the MNI152 template by nearest centroid. `images` bends the template into one T1w scan per
imaged person, with the atrophy that `cohort` decided, and writes it in BIDS form on varied grids
and orientations. `measurements` writes in place of images what would have been measured in them:
enough to ask what a method finds, and cheap for thousands of people.

It leaves, under results/<study>/simulate/, `participants.tsv`, two .bed/.bim/.fam sets, a table of
genes, an atlas, the scans, and `truth.json`: the planted genes and regions, their effects on each
further outcome, and the deliberate faults. Nothing downstream reads the truth but the report, which
marks what was planted.
"""
