# ruff: noqa: E501
"""Style and text of the page. A module, not a data file, so that the fingerprint sees an edit."""

STYLE = """
.gendmr { --ink: #1b2733; --soft: #5b6b7a; --line: #dce3ea; --back: #f6f8fa; --accent: #0072b2;
  --warn: #a43c00; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, Helvetica,
  Arial, sans-serif; max-width: 1040px; margin: 0 auto; padding: 24px; box-sizing: border-box; }
.gendmr h1 { font-size: 1.9em; line-height: 1.2; margin: 0 0 .1em; font-weight: 700; }
.gendmr h2 { font-size: 1.3em; margin: 1.8em 0 .4em; padding-top: .6em; font-weight: 650;
  border-top: 2px solid var(--line); }
.gendmr h3 { font-size: 1.02em; margin: 1.2em 0 .3em; font-weight: 650; }
.gendmr p, .gendmr ul { margin: .4em 0 .8em; }
.gendmr ul { padding-left: 1.3em; list-style: disc; }
.gendmr li { margin: .15em 0; }
.gendmr .soft, .gendmr figcaption, .gendmr .hint { color: var(--soft); }
.gendmr .hint, .gendmr figcaption { font-size: .9em; }
.gendmr .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr));
  gap: 12px; margin: 16px 0; }
.gendmr .card { background: var(--back); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 14px; }
.gendmr .card b { display: block; font-size: 1.25em; line-height: 1.3; font-weight: 650;
  overflow-wrap: anywhere; }
.gendmr .card span { color: var(--soft); font-size: .88em; }
.gendmr .warn { border-left: 4px solid var(--warn); background: #fff5ee; padding: 8px 14px;
  margin: 12px 0; border-radius: 0 6px 6px 0; }
.gendmr .warn h2 { border: 0; margin: 0; padding: 0; font-size: 1.08em; color: var(--warn); }
.gendmr .fine { border-left: 4px solid #009e73; background: #effaf6; padding: 8px 14px;
  margin: 12px 0; border-radius: 0 6px 6px 0; }
.gendmr .scroll { overflow-x: auto; }
.gendmr table { border-collapse: collapse; margin: .6em 0 1em; font-size: .93em; width: auto; }
.gendmr th { text-align: left; font-weight: 600; border-bottom: 2px solid var(--line);
  padding: 4px 12px 4px 0; vertical-align: bottom; }
.gendmr td { border-bottom: 1px solid var(--line); padding: 3px 12px 3px 0; vertical-align: top; }
.gendmr td.n, .gendmr th.n { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.gendmr th.n { white-space: normal; }
.gendmr table.tight { font-size: .8em; }
.gendmr table.tight th, .gendmr table.tight td { padding-right: 8px; }
.gendmr table.tight td:first-child { white-space: nowrap; }
.gendmr tr.main td { font-weight: 650; background: #eef5fa; }
.gendmr tr.planted td { background: #fff8e1; }
.gendmr .mark { display: inline-block; background: #e69f00; color: #1b1200; border-radius: 4px;
  font-size: .78em; padding: 0 6px; font-weight: 600; }
.gendmr figure { margin: .8em 0 1.2em; }
.gendmr figure img { max-width: 100%; height: auto; border: 1px solid var(--line);
  border-radius: 6px; background: white; display: block; }
.gendmr .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr));
  gap: 16px; align-items: start; }
.gendmr details { margin: .6em 0; }
.gendmr summary { cursor: pointer; color: var(--accent); }
.gendmr code { background: var(--back); border: 1px solid var(--line); border-radius: 4px;
  padding: 0 4px; font-size: .9em; }
.gendmr code::before, .gendmr code::after { content: none; }
@media print { .gendmr { max-width: none; } .gendmr figure, .gendmr tr { break-inside: avoid; } }
"""

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ s.title }} · GenDMR</title>
<style>body { margin: 0; background: white; }</style>
<style id="page">{{ style | safe }}</style>
</head>
<body>
<main class="gendmr">
{% macro rank_cells(row) %}
<td class="n">{{ row.rank | number(0) }}</td>
<td class="n">{{ row.rank_low | number(0) }}–{{ row.rank_high | number(0) }}</td>
<td class="n">{{ row.stability | number(2) }}</td>
<td class="n">{{ row.score | number(4) }}</td>
{% endmacro %}
{% macro p_cells(row, shown) %}
{% if shown %}
<td class="n">{{ row.z | default(none) | number(2) }}</td>
<td class="n">{{ row.p | number(4) }}</td>
<td class="n">{{ row.p_fwer | number(4) }}</td>
<td class="n">{{ row.q | number(4) }}</td>
<td class="n">{{ row.q_pooled | default(none) | number(4) }}</td>
{% endif %}
{% endmacro %}
{% macro gene_table(genes) %}
<div class="scroll"><table>
<thead><tr><th>Gene</th><th>Chr</th><th class="n">Rank</th><th class="n">Rank interval</th>
<th class="n">Stability</th><th class="n">Score</th><th class="n">SNPs</th>
{% if genes.p_values %}<th class="n">z</th><th class="n">p</th><th class="n">p, family-wise</th><th class="n">q</th>
<th class="n">q, pooled</th>
{% endif %}{% if s.truth %}<th></th>{% endif %}</tr></thead>
<tbody>
{% for row in genes.rows %}
<tr{% if row.planted %} class="planted"{% endif %}><td>{{ row.gene }}</td>
<td>{{ row.chromosome | default("") }}</td>{{ rank_cells(row) }}
<td class="n">{{ row.n_snp | number(0) }}</td>{{ p_cells(row, genes.p_values) }}
{% if s.truth %}<td>{% if row.planted %}<span class="mark">planted</span>{% endif %}</td>{% endif %}
</tr>
{% endfor %}
</tbody></table></div>
{% endmacro %}
{% macro region_table(regions) %}
<div class="scroll"><table>
<thead><tr><th>Region</th><th>Side</th><th>Risk with volume</th><th class="n">Rank</th>
<th class="n">Rank interval</th><th class="n">Stability</th><th class="n">Score</th>
{% if regions.p_values %}<th class="n">z</th><th class="n">p</th><th class="n">p, family-wise</th><th class="n">q</th>
<th class="n">q, pooled</th>
{% endif %}{% if s.truth %}<th></th>{% endif %}</tr></thead>
<tbody>
{% for row in regions.rows %}
<tr{% if row.planted %} class="planted"{% endif %}><td>{{ row.region }}</td>
<td>{{ row.hemisphere }}</td><td>{{ row.direction | default("") }}</td>{{ rank_cells(row) }}
{{ p_cells(row, regions.p_values) }}
{% if s.truth %}<td>{% if row.planted %}<span class="mark">planted</span>{% endif %}</td>{% endif %}
</tr>
{% endfor %}
</tbody></table></div>
{% endmacro %}
{% macro null_of(sig) %}
{% set null = sig.null %}
{% if null.permutations %}
<h3>Could it be chance?</h3>
<p>Diagnoses were permuted <b>{{ null.permutations | plural("time") }}</b> over people, within strata
(<code>cohort/strata.json</code>), and everything that a fold does was done again. No p-value can be below
{{ null.smallest_p | number(4) }}. At a family-wise 5 %, {{ null.found.genes.family_wise | plural("gene") }},
{{ null.found.blocks.family_wise | plural("LD block") }} and
{{ null.found.regions.family_wise | plural("region") }} stand out: in 19 of 20 studies in which nothing is
there, not one would. At a false discovery rate of 5 % it is
{{ null.found.genes.q_pooled | plural("gene") }} with the z of all genes pooled, and
{{ null.found.genes.q }} by single genes' p-values, which so few permutations cannot make small.
{% if null.tail %}Where fewer than ten permutations are as large, p-values are fitted, not counted.{% endif %}
{% if null.sequential %}Where {{ null.sequential }} permutations are as large, later ones do not count.
{% endif %}</p>
{{ figure(figures.qq, "p-values of genes against uniform ones", "p-values of genes against what they would be if nothing was there.") }}
<div class="scroll"><table><thead><tr><th>Do folds agree on the first</th><th class="n">Share in common</th>
<th class="n">Permuted diagnoses</th><th class="n">p</th><th class="n">If drawn by lot</th></tr></thead><tbody>
{% for name, item in [("genes", sig.genes), ("regions", sig.regions)] %}
{% if item.top_k_overlap is not none and item.count %}
<tr><td>{{ item.top_k }} {{ name }}</td><td class="n">{{ item.top_k_overlap | percent }}</td>
<td class="n">{{ item.top_k_overlap_under_null | percent }}</td>
<td class="n">{{ item.top_k_overlap_p | number(3) }}</td>
<td class="n">{{ item.top_k_overlap_by_chance | percent }}</td></tr>
{% endif %}{% endfor %}</tbody></table></div>
<p class="hint">Training sets of folds overlap, so that folds agree on noise too: the second number says
how far.</p>
{% endif %}
{% if sig.bias %}
<div class="scroll"><table><thead><tr><th>Does the score go with the</th><th class="n">Rank correlation</th>
<th class="n">Permuted diagnoses</th><th class="n">Of z</th></tr></thead><tbody>
{% for item in sig.bias %}
<tr><td>{{ item.words }}</td><td class="n">{{ item.observed | signed(2) }}</td>
<td class="n">{% if item.null is not none %}{{ item.null | signed(2) }}
({{ item.null_low | signed(2) }} to {{ item.null_high | signed(2) }}){% else %}–{% endif %}</td>
<td class="n">{% if item.z is not none %}{{ item.z | signed(2) }}{% else %}–{% endif %}</td></tr>
{% endfor %}</tbody></table></div>
<p class="hint">Scores of large genes are larger when nothing is there as well; z and p compare every gene
with its own null.</p>
{% endif %}
{% if sig.blocks %}
<details><summary>LD blocks of several genes: one finding, not several</summary>
<div class="scroll"><table><thead><tr><th>Block</th><th>Genes</th><th class="n">Rank among blocks</th>
<th class="n">z</th><th class="n">p</th><th class="n">p, family-wise</th></tr></thead><tbody>
{% for row in sig.blocks %}
<tr><td>{{ row.block }}</td><td>{{ row.genes | replace(";", ", ") }}</td>
<td class="n">{{ row.rank | number(0) }}</td><td class="n">{{ row.z | number(2) }}</td>
<td class="n">{{ row.p | number(4) }}</td><td class="n">{{ row.p_fwer | number(4) }}</td></tr>
{% endfor %}</tbody></table></div></details>
{% endif %}
{% if sig.sets %}
<h3>Gene sets and known loci</h3>
<p>How high the LD blocks of a set stand, against blocks of like size drawn
by lot; in the last column, against the same blocks under permuted diagnoses.</p>
<div class="scroll"><table><thead><tr><th>Set</th><th class="n">Genes</th><th class="n">Blocks</th>
<th class="n">Mean z</th><th class="n">Expected</th><th class="n">p</th><th class="n">q</th>
<th class="n">p, permuted</th><th>Leading genes</th></tr></thead><tbody>
{% for row in sig.sets[:25] %}
<tr><td>{{ row.set }}</td><td class="n">{{ row.n_ranked | number(0) }}</td>
<td class="n">{{ row.n_block | number(0) }}</td><td class="n">{{ row.score | number(2) }}</td>
<td class="n">{{ row.expected | number(2) }}</td><td class="n">{{ row.p | number(4) }}</td>
<td class="n">{{ row.q | number(4) }}</td><td class="n">{{ row.p_permuted | number(4) }}</td>
<td>{{ row.leading | replace(";", ", ") }}</td></tr>
{% endfor %}</tbody></table></div>
{{ figure(figures.enrichment, "Gene sets", "Gene sets and known loci against blocks of like size.") }}
{% endif %}
{% endmacro %}
{% macro note_text(item) %}
{{ item.note }}{% if item.where is defined %} <span class="soft">({{ item.where }})</span>{% endif %}
{% endmacro %}
{% macro figure(uri, alt, caption) %}
{% if uri %}
<figure><img src="{{ uri }}" alt="{{ alt }}"><figcaption>{{ caption }}</figcaption></figure>
{% endif %}
{% endmacro %}
{% set everybody = s.people.groups[-1] %}
{% set chosen = (s.methods | selectattr("method", "equalto", s.main) | list + [none]) | first %}

<h1>{{ s.title }}</h1>
<p class="soft">Which genes and which brain regions carry the risk, and can I believe it?
One page; the numbers behind it are in <code>summary.json</code>.</p>

<div class="cards">
<div class="card"><b>{{ "{:,}".format(s.people.n) }}</b><span>people analysed:
{{ s.people.groups[0].n }} cases, {{ s.people.groups[1].n }} controls</span></div>
<div class="card"><b>{{ everybody.both }}</b><span>of them with genotypes and images;
{{ everybody.snp_only }} with genotypes only, {{ everybody.region_only }} with images only</span></div>
{% if chosen %}
<div class="card"><b>{{ chosen.metrics.auc.mean | number }}</b><span>AUC of {{ s.main }}
{% if chosen.metrics.auc | interval %}(95 % interval {{ chosen.metrics.auc | interval }}){% endif %}
</span></div>
{% endif %}
{% if s.genes %}
<div class="card"><b>{{ s.genes.rows[0].gene }}</b><span>first of {{ s.genes.n }} genes
{% if s.genes.rows[0].planted %}(planted){% endif %}</span></div>
{% endif %}
{% if s.regions %}
<div class="card"><b>{{ s.regions.rows[0].region }}</b><span>first of {{ s.regions.n }} regions
{% if s.regions.rows[0].planted %}(planted){% endif %}</span></div>
{% endif %}
</div>

{% if s.warnings %}
<div class="warn"><h2>Before you believe a number</h2>
<ul>{% for warning in s.warnings %}<li>{{ warning }}</li>{% endfor %}</ul></div>
{% else %}
<div class="fine">No automatic warning was raised. That is no proof that all is well.</div>
{% endif %}
{% if s.truth %}
<p><span class="mark">planted</span> marks what a simulation put in on purpose: these people are made
up, and the right answer is known.{% if s.truth.null %} In this simulation nothing was planted.
{% endif %}</p>
{% endif %}

<h2 id="people">Who was analysed</h2>
<div class="scroll"><table>
<thead><tr><th></th><th class="n">People</th><th class="n">Age, mean ± SD (range)</th>
<th class="n">Women</th><th class="n">Men</th><th class="n">Genotypes and images</th>
<th class="n">Genotypes only</th><th class="n">Images only</th></tr></thead>
<tbody>
{% for group in s.people.groups %}
<tr><td>{{ group.group }}</td><td class="n">{{ group.n }}</td><td class="n">{{ group | years }}</td>
<td class="n">{{ group.female }}</td><td class="n">{{ group.male }}</td>
<td class="n">{{ group.both }}</td><td class="n">{{ group.snp_only }}</td>
<td class="n">{{ group.region_only }}</td></tr>
{% endfor %}
</tbody></table></div>
<p>Nobody is left out for lack of one modality: what is missing stays missing.
{% if s.people.families %}{{ s.people.families | plural("family has", "families have") }} more than one
member here; relatives never stand on both sides of a split.
{% endif %}
{% if s.people.sites > 1 %}People come from {{ s.people.sites }} sites.{% endif %}
{% if s.ancestry %}
 By ancestry (clusters of the genotypes' first two components, named by size):
{% for row in s.ancestry %}
{% if row.group == "n/a" %}without genotypes{% else %}group {{ row.group }}{% endif %}
 {{ row.n | plural("person", "people") }} ({{ row.cases | plural("case") }}, {{ row.controls | plural("control") }}){{ "; " if not loop.last else "." }}
{% endfor %}
{% else %}
 Ancestry groups were not made.
{% endif %}</p>
{% if s.genotypes %}
{% set g = s.genotypes %}
<h3 id="genotypes">Genotypes that were read</h3>
<div class="scroll"><table>
<thead><tr><th>Set</th><th class="n">People</th><th class="n">Variants</th><th>Build, declared</th>
<th>Build, found</th><th>Reference SNPs at the position of each build</th></tr></thead><tbody>
{% for row in g.sets %}
<tr><td>{{ row.name }}</td><td class="n">{{ "{:,}".format(row.people) }}</td>
<td class="n">{{ "{:,}".format(row.variants) }}</td><td>{{ row.declared or g.build }}</td>
<td>{{ row.found or "not told" }}</td>
<td>{% for build, share in row.shares %}{{ build }} {% if share is none %}no reference{% else %}{{ "%.1f" | format(100 * share) }} %{% endif %}{{ ", " if not loop.last }}{% endfor %}
{% if row.shares %} <span class="soft">({{ row.checked | plural("SNP") }})</span>{% else %}not checked{% endif %}</td></tr>
{% endfor %}
</tbody></table></div>
<p>{{ g.sex }}.
{% if g.pairs %}Pairs of kin by KING:
{% for relation, count in g.pairs.items() %}{{ count }} {{ relation if relation == "duplicate" else relation + " degree" }}{{ ", " if not loop.last }}{% endfor %}
 (<code>genotypes/kinship.tsv</code>).{% else %}No pair of kin was found.{% endif %}</p>
{% endif %}

<h2 id="left">Who left, and why</h2>
{% set people_left = s.left | selectattr("kind", "ne", "variant") | list %}
{% set variants_left = s.left | selectattr("kind", "equalto", "variant") | list %}
{% if people_left %}
<div class="scroll"><table>
<thead><tr><th>Stage</th><th>Step</th><th>Reason</th><th class="n">Number</th><th>For example</th></tr>
</thead><tbody>
{% for row in people_left %}
<tr><td>{{ row.stage }}</td><td>{{ row.step }}</td><td>{{ row.reason }}</td>
<td class="n">{{ row.n }}</td><td>{{ row.first | join(", ") }}</td></tr>
{% endfor %}
</tbody></table></div>
<p class="hint">A person may lose one modality only and still be analysed with the other. Every name
is in <code>cohort/attrition.tsv</code>.</p>
{% else %}<p>Nobody.</p>{% endif %}
{{ figure(figures.flow, "Flow diagram of exclusions", "From everybody who came in to everybody who was analysed.") }}
{% if variants_left %}
<h3>Genetic variants that were removed</h3>
<div class="scroll"><table>
<thead><tr><th>Step</th><th>Reason</th><th class="n">Number</th></tr></thead><tbody>
{% for row in variants_left %}
<tr><td>{{ row.step }}</td><td>{{ row.reason }}</td><td class="n">{{ "{:,}".format(row.n) }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}

<h2 id="performance">How well does each method predict?</h2>
<p>Take one case and one control at random: the <b>AUC</b> is how often the case gets the higher score.
0.5 is a coin, 1 is perfect. Every number is of people whom the method had not seen, and all methods
were judged on the same people in the same folds.</p>
{% set c = s.comparison %}
{% if s.methods | length > 1 %}
<p>Against <b>{{ c.reference }}</b>, the reference, fold by fold:
{% if c.folds < 2 %}not computed, for a comparison needs at least 2 folds.
{% else %}
{{ c.verdicts.higher | plural("method is", "methods are") }} better,
{{ c.verdicts.lower | plural("is", "are") }} worse, and for {{ c.verdicts.tied }} the interval of the
difference includes 0: these folds do not say which is better.
{% if c.verdicts.not_computed %}For {{ c.verdicts.not_computed }} it was not computed: fewer than 2
folds with both.{% endif %}
{% endif %}</p>
{% endif %}
<div class="scroll"><table class="tight">
<thead><tr><th>Method</th><th>Reads</th><th class="n">AUC</th><th class="n">95 % interval</th>
<th class="n">Minus {{ c.reference }}</th><th>In these folds</th>
<th class="n">AUC, pooled</th><th class="n">95 % interval</th>
<th class="n">Balanced accuracy</th><th class="n">Sensi&shy;tivity</th><th class="n">Speci&shy;ficity</th>
<th class="n">Brier</th></tr></thead>
<tbody>
{% for item in ordered %}
{% set m = item.metrics %}
{% set auc = m.get("auc", {}) %}
{% set d = item.difference %}
<tr{% if item.method == c.reference %} class="main"{% endif %}><td>{{ item.method }}</td>
<td>{{ item.reads | join(", ") }}{% if item.exclude %}<br><span class="soft">without
{{ item.exclude | map("stretch") | join(", ") }}</span>{% endif %}</td>
<td class="n">{{ auc.get("mean") | number }}</td>
<td class="n">{{ (auc | interval) or "not computed" }}</td>
<td class="n">{% if d.mean is not none %}{{ d.mean | signed(3) }}
{% if d | interval %}({{ d | interval(digits=3) }}){% endif %}{% endif %}</td>
<td>{{ d.verdict }}</td>
<td class="n">{{ auc.get("pooled") | number }}</td>
<td class="n">{{ auc | interval("pooled_low", "pooled_high") }}</td>
<td class="n">{{ m.get("balanced_accuracy", {}).get("mean") | number }}</td>
<td class="n">{{ m.get("sensitivity", {}).get("mean") | number }}</td>
<td class="n">{{ m.get("specificity", {}).get("mean") | number }}</td>
<td class="n">{{ m.get("brier", {}).get("mean") | number(3) }}</td></tr>
{% endfor %}
</tbody></table></div>
<p class="hint">Best AUC first. AUC, balanced accuracy, sensitivity, specificity and Brier score are means
over folds. Intervals of a mean and of a difference over folds respect that training sets overlap (Nadeau
and Bengio 2003); with few folds they are wide and may pass 0 or 1, and they are not corrected for the
number of methods. The pooled AUC puts the people of all folds together, its interval is from resampling
them. Sensitivity is the share of cases that are found, specificity the share of controls that are left
alone; the Brier score is the mean squared error of the probability (lower is better, 0.25 is a coin).
All of it, and more metrics, in <code>report/comparison.tsv</code>.</p>
<div class="pair">
{{ figure(figures.comparison, "AUC of each method and its difference from the reference", "Left: AUC of each method; small circles are folds, the dot is their mean, the bar its 95 % interval; dotted: chance. Right: the difference from the reference in the same folds; grey and hollow where its interval includes 0.") }}
{{ figure(figures.roc, "ROC curves", "ROC curves, averaged over folds: cases found against controls wrongly called cases, with a 95 % band over people; dashed: the reference.") }}
{{ figure(figures.calibration, "Calibration of predicted probabilities", "Is a probability of 0.7 right in 7 of 10? Dots: share of cases among people of like probability, with 95 % intervals; the diagonal is perfect.") }}
</div>
<h3>By what was known of a person</h3>
<div class="scroll"><table>
<thead><tr><th>AUC among people with</th>
{% for column in patterns %}<th class="n">{{ column.modalities | known }}<br>
<span class="soft">{{ column.cases | plural("case") }}, {{ column.controls | plural("control") }}</span></th>
{% endfor %}</tr></thead><tbody>
{% for item in ordered %}
<tr{% if item.method == c.reference %} class="main"{% endif %}><td>{{ item.method }}</td>
{% for column in patterns %}
{% set row = (item.by_modality | selectattr("modalities", "equalto", column.modalities) | list + [none]) | first %}
<td class="n">{% if row and row.auc is not none %}{{ row.auc | number }}
{% if row | interval %}({{ row | interval }}){% endif %}{% else %}–{% endif %}
{% if row and (row.cases, row.controls) != (column.cases, column.controls) %}<br>
<span class="soft">{{ row.cases }} and {{ row.controls }} people</span>{% endif %}</td>
{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<p class="hint">Held-out scores pooled over people; intervals from resampling people. A dash: the method
reads nothing of these people, or they are cases or controls only. Few people, wide intervals.</p>

{% if s.ancestry | length > 1 %}
<h3 id="ancestry">By ancestry group</h3>
<div class="scroll"><table>
<thead><tr><th>AUC among people of</th>
{% for column in s.ancestry %}<th class="n">{{ "no group" if column.group == "n/a" else "group " + column.group }}<br>
<span class="soft">{{ column.cases | plural("case") }}, {{ column.controls | plural("control") }}</span></th>
{% endfor %}</tr></thead><tbody>
{% for item in ordered %}
<tr{% if item.method == c.reference %} class="main"{% endif %}><td>{{ item.method }}</td>
{% for column in s.ancestry %}
{% set row = (item.by_ancestry | selectattr("group", "equalto", column.group) | list + [none]) | first %}
<td class="n">{% if not row %}–{% elif row.auc is none %}too few{% else %}{{ row.auc | number }}
{% if row | interval %}({{ row | interval }}){% endif %}{% endif %}
{% if row and row.n != column.n %}<br>
<span class="soft">{{ row.cases | plural("case") }}, {{ row.controls | plural("control") }}</span>{% endif %}</td>
{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<p class="hint">Held-out people of all folds, scores averaged over repeats; 95 % intervals from resampling people.
Groups with fewer than ten cases or ten controls are too few for an AUC. An AUC that holds in the largest group
only says little about the others. The same in <code>report/by_ancestry.tsv</code>.</p>
{% endif %}
{% if s.leaders %}
<h3>Who led in training</h3>
<p>Of the training people who have genotypes and images, the share that each modality led: its own answer
was nearer to the truth than that of the other, by more than a margin. Averaged over folds, at the epoch
whose weights were kept.</p>
<div class="scroll"><table>
<thead><tr><th rowspan="2">Method</th><th colspan="3">Cases led by</th><th colspan="3">Controls led by</th></tr>
<tr>{% for group in ["case", "control"] %}{% for who in ["imaging", "genetics", "nobody"] %}
<th class="n">{{ who }}</th>{% endfor %}{% endfor %}</tr></thead><tbody>
{% for item in s.leaders %}
<tr{% if item.method == s.main %} class="main"{% endif %}><td>{{ item.method }}</td>
{% for group in ["case", "control"] %}{% for who in ["imaging", "genetics", "nobody"] %}
<td class="n">{{ item[group][who] | percent }}</td>{% endfor %}{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% set leading = "Share of training people led by each modality, epoch by epoch: thick lines are means over folds (as long as half of them go on), thin lines are folds." %}
{% for item in leaders if item.shown %}
{{ figure(item.uri, "Who led in " ~ item.method, item.method ~ ". " ~ leading) }}
{% endfor %}
{% for item in leaders if not item.shown %}
{% if loop.first %}<details><summary>The same for the other methods</summary><div class="pair">{% endif %}
{{ figure(item.uri, "Who led in " ~ item.method, item.method) }}
{% if loop.last %}</div></details>{% endif %}
{% endfor %}
{% endif %}

<h2 id="genes">Genes</h2>
{% if s.genes %}
<p>The first {{ s.genes.top }} of {{ s.genes.n }} genes by {{ s.main }}: how much the SNPs of a gene
moved the predicted risk of people whom the method had not seen. The <b>rank interval</b> says where the
gene stood from fold to fold; <b>stability</b> is the share of folds in which it was among the first ones:
1 is always, and a gene that is there by luck in one fold is seldom there in the next.
{% if not s.genes.p_values %}There are no p-values: see <a href="#not-done">what was not done</a>.
{% endif %}</p>
{% if s.genes.planted is not none and s.genes.planted %}
<p><b>{{ s.genes.among_first }} of the {{ s.genes.planted | length }} planted genes</b> are among the
first {{ s.genes.top }}; by chance it would be
{{ (s.genes.top * (s.genes.planted | length) / s.genes.n) | number(1) }}.</p>
{% endif %}
{{ gene_table(s.genes) }}
{% if s.genes.planted %}
<details><summary>Where each planted gene came out</summary>
<div class="scroll"><table><thead><tr><th>Gene</th><th class="n">Odds ratio per allele</th>
<th>Acts through</th><th class="n">Rank</th></tr></thead><tbody>
{% for row in s.genes.planted | sort(attribute="odds_ratio", reverse=true) %}
<tr><td>{{ row.gene }}</td><td class="n">{{ row.odds_ratio | number }}</td>
<td>{{ row.through or "the diagnosis" }}</td>
<td class="n">{{ row.rank if row.rank is not none else "not ranked" }}</td></tr>
{% endfor %}</tbody></table></div></details>
{% endif %}
{{ figure(figures.genome, "Gene scores along the genome", "Gene scores along the genome.") }}
{{ figure(figures.stability, "Rank stability", "How far ranks move from fold to fold.") }}
{% if s.significance %}{{ null_of(s.significance) }}{% endif %}
{% else %}<p>No method of this study ranks genes.</p>{% endif %}

<h2 id="regions">Brain regions</h2>
{% if s.regions %}
<p>The first {{ s.regions.rows | length }} of {{ s.regions.n }} regions by {{ s.main }}.
“Risk with volume” says whether a lower or a higher volume of grey matter moved people towards the
disease.</p>
{{ region_table(s.regions) }}
{% if s.regions.planted %}
<details><summary>Where each planted region came out</summary>
<div class="scroll"><table><thead><tr><th>Region</th><th class="n">Effect</th><th class="n">Rank</th></tr>
</thead><tbody>
{% for row in s.regions.planted %}
<tr><td>{{ row.region }}</td><td class="n">{{ row.effect if row.effect is not none else "–" }}</td>
<td class="n">{{ row.rank if row.rank is not none else "not ranked" }}</td></tr>
{% endfor %}</tbody></table></div></details>
{% endif %}
{{ figure(figures.brain, "Region scores on the brain", "Region scores on the template brain.") }}
{% else %}<p>This study has no ranked regions.</p>{% endif %}

{% if s.who_finds %}
{% set w = s.who_finds %}
<h3>Who finds what</h3>
<p>Ranks of the genes that some method has among its first {{ w.top_k }} or finds at a family-wise 5 %
(<b>bold</b>), those of several methods first; {{ w.rows | length }} of {{ w.listed }}. All in
<code>ranking/comparison.tsv</code>.</p>
<div class="scroll"><table><thead><tr><th>Gene</th><th>Chr</th>
{% for name in w.methods %}<th class="n">{{ name }}</th>{% endfor %}{% if s.truth %}<th></th>{% endif %}</tr>
</thead><tbody>
{% for row in w.rows %}
<tr{% if row.planted %} class="planted"{% endif %}><td>{{ row.gene }}</td><td>{{ row.chromosome }}</td>
{% for by in row.by %}<td class="n">{% if by.significant %}<b>{{ by.rank | number(0) }}</b>
{% else %}{{ by.rank | number(0) }}{% endif %}</td>{% endfor %}
{% if s.truth %}<td>{% if row.planted %}<span class="mark">planted</span>{% endif %}</td>{% endif %}</tr>
{% endfor %}
<tr><td>found at 5 %</td><td></td>{% for count in w.found %}
<td class="n">{{ count if count is not none else "no null" }}</td>{% endfor %}
{% if s.truth %}<td></td>{% endif %}</tr>
</tbody></table></div>
<p class="hint">In common among the first {{ w.top_k }}:
{% for pair in w.shared %}{{ pair.one }} and {{ pair.other }} {{ pair.genes }}{{ ", " if not loop.last }}{% endfor %}.
A method that does not see a stretch of the genome (such as that of APOE) shows what the others owe to
it.</p>
{% endif %}
{% for k in s.knockouts %}
{% if loop.first %}<h3>Without a stretch of the genome</h3>{% endif %}
<p><b>{{ k.method }}</b> is {{ k.whole }} without {{ k.exclude | join(", ") }}, where {{ k.whole }} has
{{ k.inside.n | plural("gene") }}{% if k.inside.n %} ({{ k.inside.first | join(", ") }}{{ ", …" if k.inside.n > k.inside.first | length }};
best rank {{ k.inside.best_rank | number(0) }}){% endif %}. AUC {{ k.auc.mean | signed(3) }}
{% if k.auc.low is not none %}({{ k.auc.low | signed(3) }} to {{ k.auc.high | signed(3) }}){% endif %}. Of the
{{ k.outside.n | plural("gene") }} elsewhere that both rank, {{ k.outside.shared }} of the first
{{ k.outside.top }} are the same; rank correlation {{ k.outside.correlation | signed(2) }}.
{% if k.kept is not none %}Elsewhere, at a family-wise 5 %, both find {{ k.kept | length }},
{{ k.whole }} alone {{ k.lost | length }}{% if k.lost %} ({{ k.lost[:10] | join(", ") }}){% endif %},
{{ k.method }} alone {{ k.gained | length }}{% if k.gained %} ({{ k.gained[:10] | join(", ") }}){% endif %}.
{% else %}Without a null of both, nothing is said of significance.{% endif %}</p>
{% endfor %}
{% for other in s.other_rankings %}
{% if loop.first %}<h3>Rankings by the other methods</h3>{% endif %}
<details><summary>{{ other.method }}, first:
{{ other.genes.rows[0].gene if other.genes }}{{ " and " if other.genes and other.regions }}{{ other.regions.rows[0].region if other.regions }}</summary>
{% if other.genes %}{{ gene_table(other.genes) }}{% endif %}
{% if other.regions %}{{ region_table(other.regions) }}{% endif %}
</details>
{% endfor %}

{% if s.registration %}
{% if s.registration.dice_median is none %}
<h2 id="registration">Are the measurements plausible?</h2>
<p>Images were not registered here: regions were measured elsewhere, in
{{ s.registration.n | plural("person", "people") }}, of whom {{ s.registration.n_outliers }} are flagged
as outlier; flagged people are kept, for you to look at and decide.</p>
{% else %}
<h2 id="registration">Were the images registered well?</h2>
<p>{{ s.registration.n | plural("image") }}. The overlap (Dice) of each brain with the template's is
{{ s.registration.dice_min | number(3) }} at worst, {{ s.registration.dice_median | number(3) }} in the
middle; 1 is perfect. {{ s.registration.n_outliers | plural("image is", "images are") }} flagged as
outlier; flagged people are kept, for you to look at and decide, unless they are listed as left out.</p>
{% endif %}
{% if s.registration.left_out %}
<p>{{ s.registration.n_left_out | plural("person is", "people are") }} without regions, although there is
an image or a row of measurements; with genotypes they stay in the analysis.</p>
<div class="scroll"><table><thead><tr><th>Left out</th><th>Status</th><th>Reason</th></tr></thead>
<tbody>{% for row in s.registration.left_out %}
<tr><td>{{ row.participant_id }}</td><td>{{ row.status }}</td><td>{{ row.reason }}</td></tr>{% endfor %}
</tbody></table></div>
{% if s.registration.n_left_out > s.registration.left_out | length %}
<p class="hint">The others are in imaging/quality.tsv.</p>{% endif %}
{% endif %}
{% if s.registration.outliers %}
<div class="scroll"><table><thead><tr><th>Flagged</th><th class="n">Dice</th><th>Reason</th></tr></thead>
<tbody>{% for row in s.registration.outliers %}
<tr><td>{{ row.participant_id }}</td><td class="n">{{ row.dice | number(3) }}</td>
<td>{{ row.reason }}</td></tr>{% endfor %}</tbody></table></div>
{% endif %}
{{ figure(figures.quality, "Quality of imaging", "Quality of imaging over all people.") }}
{% if pictures %}
<details><summary>Pictures of {{ pictures | length }}, flagged ones first, then those with the lowest
overlap (contours of the template over the registered image)</summary>
{% for item in pictures %}
<figure><img src="{{ item.uri }}" alt="Registration of {{ item.who }}">
<figcaption>{{ item.who }}{% if item.flagged %} (flagged){% endif %}</figcaption></figure>
{% endfor %}</details>
{% endif %}
{% endif %}

<h2 id="not-done">What was not done, or done differently</h2>
{% if s.not_done %}
<ul>{% for group in notes %}<li><b>{{ group[0].stage }}</b>: {{ note_text(group[0]) }}
{% if group | length > 1 %}
<details><summary>{{ (group | length - 1) | plural("note that differs", "notes that differ") }} in numbers only</summary><ul>
{% for item in group[1:] %}<li>{{ note_text(item) }}</li>{% endfor %}</ul></details>
{% endif %}</li>{% endfor %}</ul>
{% else %}<p>No stage left a note.</p>{% endif %}

<h2 id="detectable">What could have been found at all</h2>
<p>Four times out of five, a test of a single SNP or region finds an effect of the size below or
larger. Smaller effects may well be real, and may stand anywhere in the ranking.</p>
{% if s.detectable.snp %}
{% set found = s.detectable.snp %}
<div class="scroll"><table><thead><tr><th>{{ found.cases }} cases and {{ found.controls }} controls with genotypes</th>
{% for f in found.frequencies %}
<th class="n">Odds ratio per allele, frequency {{ "%g" | format(f) }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in found.rows %}<tr><td>{{ row.what }}</td>
{% for value in row.odds_ratios %}<td class="n">{{ value | odds }}</td>{% endfor %}</tr>{% endfor %}
</tbody></table></div>
{% endif %}
{% if s.detectable.region %}
{% set found = s.detectable.region %}
<div class="scroll"><table><thead><tr><th>{{ found.cases }} cases and {{ found.controls }} controls with images</th>
<th class="n">Difference in volume, standard deviations</th></tr></thead>
<tbody>{% for row in found.rows %}<tr><td>{{ row.what }}</td><td class="n">{{ row.sd | number }}</td></tr>{% endfor %}
</tbody></table></div>
{% endif %}
<p class="hint">Expected z = log(OR) · √(2f(1−f) · n · φ(1−φ)), f the allele's frequency, φ the share of
cases; for regions z = difference / √(1/cases + 1/controls). Level 0.05, divided by the number of genes
or regions where any of them may be found; power 0.8. Common variants of common diseases mostly have odds
ratios of 1.05 to 1.3; APOE's is about 3.</p>

<h2 id="versions">Versions, inputs and seeds</h2>
<p>GenDMR {{ s.gendmr }}; {% for name, version in s.versions.items() %}{{ name }} {{ version }}{{ ", " if not loop.last }}{% endfor %}.
Devices: {{ s.devices | join(", ") }}. The seeds of
all fits derive from the one seed of the study's configuration.</p>
<details><summary>Versions by stage</summary>
<div class="scroll"><table><tbody>
{% for stage, names in s.made_with.items() %}<tr><td>{{ stage }}</td><td>
{% for name, version in names.items() %}{{ name }} {{ version }}{{ ", " if not loop.last }}{% endfor %}</td></tr>
{% endfor %}</tbody></table></div></details>
{% if s.given %}
<details><summary>Checksums of the {{ s.given.n | plural("file") }} that the study was given</summary>
<div class="scroll"><table><thead><tr><th>File</th><th class="n">Bytes</th><th>SHA-256</th></tr></thead><tbody>
{% for file in s.given.files %}<tr><td>{{ file.path }}</td><td class="n">{{ file.bytes }}</td>
<td><code>{{ file.sha256 }}</code></td></tr>
{% endfor %}</tbody></table></div>
<p class="hint">{% if s.given.more %}And {{ s.given.more }} more in <code>cohort/inputs.json</code>. {% endif %}Over
all of them: <code>{{ s.given.sha256 }}</code>. A file is read again when its size or its time has
changed.</p></details>
{% endif %}
<details><summary>Seeds of the fits</summary><p>
{% for item in s.seeds %}{{ item.method }} {{ item.first }}{% if item.n > 1 %} and {{ item.n - 1 }} more{% endif %}{{ "; " if not loop.last }}{% endfor %}.</p></details>
</main>
</body>
</html>
"""
