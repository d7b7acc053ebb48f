"""The last room: what a study found, what it did not, and how far to believe it.

This stage reads the finished tables and figures of all others and changes nothing in them. It
leaves ``report/summary.json`` (every number of the page), ``report/summary.html`` (one page that
needs no other file and no network) and figures in ``report/figures``. ``snakemake --report`` then
packs that page and the figures of all stages into one file, and opens with it.

The page answers, in this order: is there something to worry about; who was analysed; who left and
why; how well does each method predict each outcome, against its baselines in the same folds; which
genes, regions and other instances carry the risk; were the images registered well; what was not
done; what could have been found at all; with which versions and seeds.

Outcomes are known by their tasks only (`gendmr.tasks`): metrics, figures and groups of people are
theirs. Chapters that only some studies have are in `gendmr.report.sections`.

``gendmr report table`` prints the essence in a terminal, from ``summary.json`` alone.
"""
