"""Every remedy that an error prints can be carried out: an inventory of all of them, from the code.

A remedy is the `next_step` of an error. Keys of the configuration that it names must exist, and so
must rules, stages and commands of this package with their options. Commands that only look are run
here. Commands that change something are carried out by the tests in `CARRIED_OUT`; a command that
is in none of these fails the tests.
"""

from __future__ import annotations

import ast
import gzip
import importlib
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from gendmr.cli.main import LAZY, root
from gendmr.config.base import keys_of
from gendmr.config.study import Study
from remedy_inventory import CHANGING, remedies

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Study.model_json_schema()
# `study` and `seed` have no keys of their own.
TOP = "|".join(SCHEMA["properties"].keys() - {"study", "seed"})
# `annotation.build`, and `imaging: atlas: table:`; names that a user chooses are in braces.
DOTTED = re.compile(rf"(?<![\w/.<-])((?:{TOP})(?:\.(?:[a-z_0-9]+|\{{[^}}]*\}}))+)(?![\w/])")
SPACED = re.compile(rf"`((?:{TOP}):(?: [a-z_0-9]+:)+)")
# Commands that change nothing; {…} stands for a file.
FILE = r"\{[^}]*\}"
LOOKING = re.compile(
    rf"(?<![\w/.-])(sed -n [^;,|]+?p {FILE}(?: \| cat -A)?(?: \| head -c \d+)?"
    rf"|head(?: -\w+ ?\d*)? {FILE}(?: {FILE})?|ls -\w+ {FILE}|file {FILE}|gzip -t {FILE}"
    rf"|df -h(?: {FILE})?|python -m json\.tool {FILE}|iconv -f \S+ -t \S+ {FILE} > fixed)"
)
# Programs that this project does not bring: what they do stands in their own documents.
OTHERS = re.compile(
    r"(?<![\w/.-])(git lfs|datalad|fslorient|fslmaths|fslroi|mri_convert|dcm2niix|mrconvert"
    r"|asegstats2table|aparcstats2table|pip install|apt install|conda install)"
)
RESULTS = (
    "files/test_files_seal.py::test_both_remedies_of_a_damaged_result_do_what_they_say",
    "workflow/test_workflow_chain.py::test_each_kind_of_result_that_is_lost_is_made_again",
)
FILESETS, GENOTYPES = "genotypes/test_genotypes_filesets.py", "genotypes/test_genotypes_remedies.py"
FORMS, BGEN = "genotypes/test_genotypes_formats.py", "genotypes/test_genotypes_bgen.py"
MERGING, INPUTS = "genotypes/test_genotypes_merging.py", "genotypes/test_genotypes_inputs.py"
LOSSES, NAMES = "genotypes/test_genotypes_losses.py", "genotypes/test_genotypes_names.py"
# A part of each command -> the tests that carry it out.
CARRIED_OUT: dict[str, tuple[str, ...]] = {
    "rm {": RESULTS,
    "they are trained again by: rm": (
        "training/test_training_agreement.py::test_one_fold_of_something_else_is_refused_and_named",
    ),
    "gunzip -c {path} > fixed": (
        "files/test_files_tables.py::test_read_table__a_file_in_another_form_is_read_after_what_it_says",
    ),
    "iconv -f": (
        "files/test_files_tables.py::test_read_table__a_file_in_another_form_is_read_after_what_it_says",
    ),
    **dict.fromkeys(
        ("--gen {path}", "--file {stem}", "--tfile {stem}", "--haps {path}"),
        (f"{FORMS}::test_other_forms_are_named_with_the_command_that_converts_them",),
    ),
    **dict.fromkeys(
        ("gunzip {path}", "unzip -d {stem}"),
        (f"{FORMS}::test_packed_sets_are_unpacked_as_it_says",),
    ),
    **dict.fromkeys(
        ("awk 'NR > 2", "mv {shlex.quote(str(path))}"),
        (f"{BGEN}::test_merge_genotypes__refuses_a_sample_file_that_does_not_fit",),
    ),
    "--23file {path}": (f"{FORMS}::test_a_file_of_23andme_is_no_prefix",),
    **dict.fromkeys(
        ("bcftools view {path}", "/^#CHROM/", "!/^#/ {if (n[$1]++)", "plink2 --bcf {path}"),
        (f"{INPUTS}::test_samples_of_a_vcf_that_would_be_cut_or_are_twice_are_refused",),
    ),
    "plink2 --pgen {path} --bim": (
        f"{GENOTYPES}::test_check_fileset__a_pgen_that_is_called_bed_is_converted_as_it_says",
    ),
    "--out {prefix}.variant-major": (
        f"{FILESETS}::test_a_sample_major_set_is_refused_and_converted_as_it_says",
    ),
    "awk '{$4 = $4 + 1": (f"{GENOTYPES}::test_merge__positions_from_zero_are_moved_as_it_says",),
    "rows[$1, $2]": (
        f"{GENOTYPES}::test_check_fileset__rows_of_one_person_are_numbered_as_it_says",
    ),
    "--rm-dup force-first": (
        f"{NAMES}::test_one_site_with_two_probes_is_refused_until_one_is_left",
    ),
    "--out {prefix}.sorted": (f"{FILESETS}::test_a_reordered_bim_is_refused",),
    "sed -i": (f"{GENOTYPES}::test_check_fileset__a_header_of_a_fam_is_taken_out_as_it_says",),
    "mv {shlex.quote(str(older))}": (
        f"{INPUTS}::test_two_files_of_variants_beside_a_pgen_must_agree",
    ),
    "--vcf-half-call missing": (
        f"{INPUTS}::test_a_vcf_with_half_calls_out_of_order_or_cut_short_is_refused",
    ),
    "awk '$5 !~": (f"{NAMES}::test_sex_that_is_none_is_refused_with_a_command_that_works",),
    "--update-ids {loaded.source}.ids": (f"{MERGING}::test_one_number_in_two_families_is_refused",),
    "--update-ids NAMES": (
        f"{GENOTYPES}::test_merge__people_under_two_families_are_renamed_as_it_says",
    ),
    "--keep COMMON": (f"{MERGING}::test_chromosomes_that_list_different_people_are_refused",),
    "--merge-list LIST": (
        f"{MERGING}::test_arrays_given_chromosome_by_chromosome_are_joined_first",
    ),
    "--set-all-var-ids": (
        f"{LOSSES}::test_sets_that_share_few_names_are_refused_and_named_alike_as_it_says",
    ),
    "--update-alleles TABLE": (f"{LOSSES}::test_sets_of_other_positions_or_alleles_are_refused",),
}


def known_key(keys: list[str]) -> bool:
    place: list[str] = []
    for key in keys:
        if key.startswith("{"):
            place.append("any")
            continue
        # The keys of the items of a list are told without a number.
        schema_keys = {*keys_of(SCHEMA, place), *keys_of(SCHEMA, [*place, 0])}
        if key not in schema_keys and "any" not in place:
            return False
        place.append(key)
    return True


def test_remedies_are_found():
    assert len(remedies()) > 500


def test_keys_of_the_configuration_that_remedies_name_exist():
    named = [
        (remedy, [key for key in re.split(r"[.:]\s*", words.rstrip(":.")) if key])
        for remedy in remedies()
        for words in (*DOTTED.findall(remedy.text), *SPACED.findall(remedy.text))
    ]
    assert len(named) > 100
    wrong = [(remedy.place, keys) for remedy, keys in named if not known_key(keys)]
    assert [
        named_key for named_key in wrong if named_key[1][-1] not in ("yaml", "tsv", "json", "smk")
    ] == []


def test_rules_and_stages_that_remedies_name_exist():
    rules = {
        name
        for path in (ROOT / "workflow").rglob("*.smk")
        for name in re.findall(r"^rule (\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = [
        (remedy.place, name)
        for remedy in remedies()
        for name in re.findall(
            r"(?:the rule|run the stages?|--cores 2) `?([a-z_]+)(?! --known)", remedy.text
        )
    ]
    assert len(named) > 10
    # The rule of glioma is one of medicine.
    assert [named_rule for named_rule in named if named_rule[1] not in rules | {"glioma"}] == []


def test_commands_of_snakemake_name_the_configuration():
    """Without it `snakemake` runs the demo."""
    commands = [
        (remedy.place, remedy.text)
        for remedy in remedies()
        if re.search(r"(?<!run )snakemake (?!with|-n)", remedy.text)
    ]
    assert commands
    assert [command for command in commands if "--configfile CONFIG" not in command[1]] == []


def command_named(name: str) -> click.Command:
    """Return a command of `gendmr`, which imports its module when it is called."""
    if name in LAZY:
        lazy: click.Command = importlib.import_module(f"gendmr.{name}.commands").group
        return lazy
    return root.commands[name]


def options_of(command: click.Command) -> set[str]:
    options = {option for parameter in command.params for option in parameter.opts}
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return options.union(*map(options_of, inner))


def test_commands_of_this_package_that_remedies_name_exist():
    named = [
        (remedy.place, *words)
        for remedy in remedies()
        for words in re.findall(
            r"(?<![\w.])gendmr ([a-z]+)(?: ([a-z]+))?(?: (--[a-z-]+))?", remedy.text
        )
    ]
    assert named
    for place, name, verb, option in named:
        command = command_named(name)
        if isinstance(command, click.Group):
            assert verb in command.commands, place
            command = command.commands[verb]
        # `gendmr run` hands its words to Snakemake.
        assert not option or name == "run" or option in options_of(command), (place, option)


def test_options_that_remedies_name_exist():
    """Options without a command are those of the command that was given."""
    options = set().union(*(options_of(command_named(name)) for name in (*LAZY, "estimate")))
    options |= {"--cores", "--configfile", "--config", "--output-spaces", "--sdm", "--no-deps"}
    options |= {"--remove", "--update-ids"}  # of PLINK
    named = [
        (remedy.place, option)
        for remedy in remedies()
        if not CHANGING.search(remedy.text) and not OTHERS.search(remedy.text)
        for option in re.findall(r"(?<!\S)\(?(--[a-z][a-z-]+)", remedy.text)
    ]
    assert named
    assert [named_option for named_option in named if named_option[1] not in options] == []


LOOKED = sorted({words for remedy in remedies() for words in LOOKING.findall(remedy.text)})


@pytest.mark.parametrize("command", LOOKED)
def test_commands_that_look_can_be_run(tmp_path, command):
    program = command.split()[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here")
    path = tmp_path / "a table.tsv"
    path.write_text('["one", "two"]\n', encoding=command.split()[2] if "iconv" in command else None)
    if "gzip" in command:
        path.write_bytes(gzip.compress(path.read_bytes()))
    command = re.sub(r"\{[^}]*\}p", "1p", command)
    command = re.sub(r"\{[^}]*\}", "'a table.tsv'", command)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "gzip" in command or done.stdout or (tmp_path / "fixed").stat().st_size


def test_commands_that_change_something_are_carried_out_by_a_test():
    commands = [remedy for remedy in remedies() if CHANGING.search(remedy.text)]
    assert len(commands) > 30
    unknown = [
        (remedy.place, remedy.text)
        for remedy in commands
        if not any(part in remedy.text for part in CARRIED_OUT)
    ]
    assert unknown == []
    text = " ".join(remedy.text for remedy in remedies())
    assert [part for part in CARRIED_OUT if part not in text] == []


@pytest.mark.parametrize("name", sorted({name for names in CARRIED_OUT.values() for name in names}))
def test_the_tests_that_carry_commands_out_exist(name):
    path, _, function = name.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert function in functions
    assert re.search(r"carry_out|unlink|subprocess|rename", ast.unparse(functions[function]))
