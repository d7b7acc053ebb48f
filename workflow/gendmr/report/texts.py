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
<td class="n">{{ row.p | number(4) }}</td>
<td class="n">{{ row.p_fwer | number(4) }}</td>
<td class="n">{{ row.q | number(4) }}</td>
{% endif %}
{% endmacro %}
{% macro gene_table(genes) %}
<div class="scroll"><table>
<thead><tr><th>Gene</th><th>Chr</th><th class="n">Rank</th><th class="n">Rank interval</th>
<th class="n">Stability</th><th class="n">Score</th><th class="n">SNPs</th>
{% if genes.p_values %}<th class="n">p</th><th class="n">p, family-wise</th><th class="n">q</th>
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
{% if regions.p_values %}<th class="n">p</th><th class="n">p, family-wise</th><th class="n">q</th>
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
{% if s.people.sites > 1 %}People come from {{ s.people.sites }} sites.{% endif %}</p>

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
<div class="scroll"><table>
<thead><tr><th>Method</th><th>Sees</th><th class="n">AUC</th><th class="n">95 % interval</th>
{% if s.main %}<th class="n">{{ s.main }} minus this</th>{% endif %}
<th class="n">Balanced accuracy</th><th class="n">Sensitivity</th><th class="n">Specificity</th>
<th class="n">Brier</th></tr></thead>
<tbody>
{% for item in s.methods %}
{% set m = item.metrics %}
<tr{% if item.method == s.main %} class="main"{% endif %}><td>{{ item.method }}</td>
<td>{{ item.modalities | join(", ") }}</td>
<td class="n">{{ m.get("auc", {}).get("mean") | number }}</td>
<td class="n">{{ m.get("auc", {}) | interval }}</td>
{% if s.main %}<td class="n">{% if item.difference and item.difference.mean is not none %}
{{ item.difference.mean | signed }}
{% if item.difference | interval %}({{ item.difference | interval }}){% endif %}{% endif %}</td>
{% endif %}
<td class="n">{{ m.get("balanced_accuracy", {}).get("mean") | number }}</td>
<td class="n">{{ m.get("sensitivity", {}).get("mean") | number }}</td>
<td class="n">{{ m.get("specificity", {}).get("mean") | number }}</td>
<td class="n">{{ m.get("brier", {}).get("mean") | number(3) }}</td></tr>
{% endfor %}
</tbody></table></div>
<p class="hint">Means over folds. Intervals respect that training sets overlap (Nadeau and Bengio 2003);
with few folds they are wide and may pass 0 or 1. Sensitivity is the share of cases that are found,
specificity the share of controls that are left alone; the Brier score is the mean squared error of the
probability (lower is better, 0.25 is a coin).</p>
<div class="pair">
{{ figure(figures.performance, "AUC of each method", "AUC of each method: circles are folds, the square is their mean, the bar its 95 % interval.") }}
{{ figure(figures.roc, "ROC curves", "ROC curves, averaged over folds: cases found against controls wrongly called cases.") }}
</div>
<h3>By what was known of a person</h3>
<div class="scroll"><table>
<thead><tr><th>Method</th><th>People with</th><th class="n">Cases</th><th class="n">Controls</th>
<th class="n">AUC</th><th class="n">95 % interval</th></tr></thead><tbody>
{% for item in s.methods %}{% for row in item.by_modality %}
<tr{% if item.method == s.main %} class="main"{% endif %}><td>{{ item.method if loop.first else "" }}</td>
<td>{{ row.modalities }}</td><td class="n">{{ row.cases }}</td><td class="n">{{ row.controls }}</td>
<td class="n">{{ row.auc | number }}</td><td class="n">{{ row | interval }}</td></tr>
{% endfor %}{% endfor %}
</tbody></table></div>
<p class="hint">Held-out scores pooled over people; intervals from resampling people.</p>

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

{% for other in s.other_rankings %}
{% if loop.first %}<h3>Rankings by the other methods</h3>{% endif %}
<details><summary>{{ other.method }}, first:
{{ other.genes.rows[0].gene if other.genes }}{{ " and " if other.genes and other.regions }}{{ other.regions.rows[0].region if other.regions }}</summary>
{% if other.genes %}{{ gene_table(other.genes) }}{% endif %}
{% if other.regions %}{{ region_table(other.regions) }}{% endif %}
</details>
{% endfor %}

{% if s.registration %}
<h2 id="registration">Were the images registered well?</h2>
<p>{{ s.registration.n | plural("image") }}. The overlap (Dice) of each brain with the template's is
{{ s.registration.dice_min | number(3) }} at worst, {{ s.registration.dice_median | number(3) }} in the
middle; 1 is perfect. {{ s.registration.n_outliers | plural("image is", "images are") }} flagged as
outlier; flagged people are kept, for you to look at and decide.</p>
{% if s.registration.outliers %}
<div class="scroll"><table><thead><tr><th>Flagged</th><th class="n">Dice</th><th>Reason</th></tr></thead>
<tbody>{% for row in s.registration.outliers %}
<tr><td>{{ row.participant_id }}</td><td class="n">{{ row.dice | number(3) }}</td>
<td>{{ row.reason }}</td></tr>{% endfor %}</tbody></table></div>
{% endif %}
{{ figure(figures.quality, "Registration quality", "Quality of all registrations.") }}
{% if pictures %}
<details><summary>Pictures of the {{ pictures | length }} with the lowest overlap (contours of the
template over the registered image)</summary>
{% for item in pictures %}
<figure><img src="{{ item.uri }}" alt="Registration of {{ item.who }}">
<figcaption>{{ item.who }}{% if item.flagged %} (flagged){% endif %}</figcaption></figure>
{% endfor %}</details>
{% endif %}
{% endif %}

<h2 id="not-done">What was not done, or done differently</h2>
{% if s.not_done %}
<ul>{% for item in s.not_done %}<li><b>{{ item.stage }}</b>: {{ item.note }}</li>{% endfor %}</ul>
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

<h2 id="versions">Versions and seeds</h2>
<p>GenDMR {{ s.gendmr }}; {% for name, version in s.versions.items() %}{{ name }} {{ version }}{{ ", " if not loop.last }}{% endfor %}.
Devices: {{ s.devices | join(", ") }}. Seeds of the fits:
{% for item in s.seeds %}{{ item.method }} {{ item.first }}{% if item.n > 1 %} and {{ item.n - 1 }} more{% endif %}{{ "; " if not loop.last }}{% endfor %}.
They all derive from the one seed of the study's configuration.</p>
</main>
</body>
</html>
"""
