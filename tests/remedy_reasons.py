"""Remedies in words that tests elsewhere carry out, and those that no test can, with the reason."""

from __future__ import annotations

BUILDS, FORMS = "genotypes/test_genotypes_builds.py", "genotypes/test_genotypes_formats.py"
INPUTS, LOSSES = "genotypes/test_genotypes_inputs.py", "genotypes/test_genotypes_losses.py"
BGEN, NAMES = "genotypes/test_genotypes_bgen.py", "genotypes/test_genotypes_names.py"
GENOTYPES, STEPS = "genotypes/test_genotypes_remedies.py", "genotypes/test_genotypes_steps.py"
CONFIG = "config/test_config_remedies.py::test_a_wrong_study_is_valid_after_each_part_of_its_remedy"
TILES = "histology/test_histology_tiles.py"
NOTEBOOK, PREDICT = "notebook/test_notebook_open.py", "predict/test_predict_study.py"
SYNC = "tracking/test_tracking_sync.py"
LOST = "workflow/test_workflow_chain.py::test_each_kind_of_result_that_is_lost_is_made_again"
REBUILT = f"{SYNC}::test_database_can_be_rebuilt_after_damage_or_a_move"

# Module, part of the remedy -> the test that carries it out.
CARRIED_OUT_ELSEWHERE: dict[tuple[str, str], str] = {
    ("cohort/codes.py", "say what they mean, "): (
        "cohort/test_cohort_codes.py"
        "::test_recode_sex__numbers_need_the_meaning_that_the_error_asks_for"
    ),
    ("files/tables.py", "{rename(absent)}"): (
        "cli/test_cli_preflight.py::test_check__the_remedy_of_a_covariate_that_nobody_has_goes_on"
    ),
    ("cohort/outcomes.py", " to modalities, and the section of the stage"): CONFIG,
    ("config/cross_checks.py", "your own data: delete the section simulate"): (
        "config/test_config_study.py"
        "::test_a_copy_of_the_demo_that_still_simulates_is_refused_and_mended_as_it_says"
    ),
    ("config/genotypes.py", "convert it: {CONVERTED"): (
        f"{FORMS}::test_other_forms_are_named_with_the_command_that_converts_them"
    ),
    ("connectivity/fmriprep.py", "name that of the atlas: `connectivity: fmriprep: space:"): (
        "connectivity/test_connectivity_fmriprep.py"
        "::test_find_bold__of_several_spaces_takes_the_one_that_the_error_says_to_name"
    ),
    ("connectivity/signals.py", "list the person in `connectivity: exclude:`"): (
        "connectivity/test_connectivity_fmriprep.py"
        "::test_collect_connectivity__excluded_people_are_listed_without_their_signals"
    ),
    ("genotypes/autosomes.py", "name autosomes of the files in genotypes.chromosomes"): (
        f"{LOSSES}::test_x_alone_is_refused_until_autosomes_are_given_as_it_says"
    ),
    ("genotypes/autosomes.py", "give the files of the autosomes too"): (
        f"{LOSSES}::test_x_alone_is_refused_until_autosomes_are_given_as_it_says"
    ),
    ("genotypes/bgen.py", "{next_step}"): (
        f"{BGEN}::test_merge_genotypes__refuses_a_sample_file_that_does_not_fit"
    ),
    ("genotypes/bgen.py", "let the names in the .bgen count: {aside}"): (
        f"{BGEN}::test_merge_genotypes__refuses_a_sample_file_that_does_not_fit"
    ),
    ("genotypes/bgen.py", "genotypes: bgen: samples: PATH"): (
        f"{BGEN}::test_merge_genotypes__names_the_key_of_a_sample_file_that_is_elsewhere"
    ),
    ("genotypes/builds.py", "lift this set: genotypes.lift: "): (
        f"{BUILDS}::test_two_arrays_of_two_builds_are_joined_when_one_is_lifted"
    ),
    ("genotypes/builds.py", "give positions of that build for SNPs of this set"): (
        f"{BUILDS}::test_a_build_that_the_reference_lacks_is_known_by_what_moves_together"
    ),
    ("genotypes/filesets.py", "{NUMBERED.format("): (
        f"{GENOTYPES}::test_check_fileset__rows_of_one_person_are_numbered_as_it_says"
    ),
    ("genotypes/filesets.py", "{next_step}"): (
        f"{NAMES}::test_one_site_with_two_probes_is_refused_until_one_is_left"
    ),
    ("genotypes/formats.py", "filter the file by R2 or INFO, or take the nearest whole number"): (
        f"{FORMS}::test_poor_dosages_stop_the_run_until_the_nearest_whole_number_is_asked_for"
    ),
    ("genotypes/kinship.py", "look at genotypes.inputs: which variants they share"): (
        f"{LOSSES}::test_most_people_as_copies_of_others_stop_the_run"
    ),
    ("genotypes/kinship.py", "raise the coefficient from which people count as kin"): (
        f"{LOSSES}::test_chains_of_kin_that_take_in_most_people_stop_the_run"
    ),
    ("genotypes/kinship.py", "find out who is who; then rename the wrong copies"): (
        f"{GENOTYPES}::test_merge__people_under_two_families_are_renamed_as_it_says"
    ),
    ("genotypes/loading.py", "{command.format('--sort-vars'"): (
        f"{INPUTS}::test_a_vcf_with_half_calls_out_of_order_or_cut_short_is_refused"
    ),
    ("genotypes/sex_check.py", "set genotypes.sex_check: false"): (
        f"{INPUTS}::test_a_reordered_fam_is_noticed_by_sex"
    ),
    ("genotypes/shared_people.py", "give the same person the same FID and IID"): (
        f"{GENOTYPES}::test_merge__people_under_two_families_are_renamed_as_it_says"
    ),
    ("genotypes/shared_people.py", "rename one of them: {renaming"): (
        f"{GENOTYPES}::test_merge__people_under_two_families_are_renamed_as_it_says"
    ),
    ("genotypes/strands.py", "lift one of them: genotypes.lift: "): (
        f"{BUILDS}::test_two_arrays_of_two_builds_are_joined_when_one_is_lifted"
    ),
    ("genotypes/vcf_header.py", "rename them, by hand or so: {command}"): (
        f"{INPUTS}::test_samples_of_a_vcf_that_would_be_cut_or_are_twice_are_refused"
    ),
    ("histology/backbone.py", "save them without "): (
        f"{TILES}::test_weights_that_do_not_fit_are_refused_before_any_slide"
    ),
    ("histology/backbone.py", "set `histology: tiles: size: 224`"): (
        f"{TILES}::test_a_network_of_one_size_of_picture_is_refused_at_once"
    ),
    ("histology/collect.py", "or name these in `histology: exclude:`"): (
        "histology/test_histology_collect.py::test_features_of_different_lengths_are_refused"
    ),
    ("histology/collect.py", "{why['next']}"): (
        f"{TILES}::test_slides_that_cannot_be_used_are_listed_with_the_reason"
    ),
    ("connectivity/collect.py", "{why['next']}"): (
        "connectivity/test_connectivity_signal_remedies.py"
        "::test_extract_signals__after_each_part_of_its_remedy"
    ),
    ("histology/image.py", "find it out, and set `histology: tiles: unknown_mpp:`"): (
        f"{TILES}::test_unknown_scale_is_refused_or_declared"
    ),
    ("init/draft.py", "add --bgen-reference first"): (
        "init/test_init_draft.py::test_init__takes_what_a_bgen_does_not_say"
    ),
    ("modalities/matching.py", "{next_step}"): (
        "cohort/test_cohort_join.py::test_the_error_of_a_mismatch_names_the_setting_that_mends_it"
    ),
    ("modalities/region/transform.py", "add the column to cohort.covariates and"): CONFIG,
    ("notebook/files.py", "{step}"): (
        f"{NOTEBOOK}::test_open__refuses_folders_of_no_study_and_names_those_below"
    ),
    ("notebook/files.py", "{command_for("): f"{NOTEBOOK}::test_command_for__makes_what_is_missing",
    ("predict/matching.py", "or take less with --overlap"): (
        f"{PREDICT}::test_predict_study__counts_missing_snps_and_regions_and_refuses_too_many"
    ),
    ("predict/matching.py", "{modality.agreeing[attribute]}"): (
        f"{PREDICT}::test_predict_study__refuses_another_build"
    ),
    ("preprocessing/preparation.py", "{error.next_step}"): (
        "tasks/test_tasks_remedies.py::test_fit__fewer_intervals_or_cox"
    ),
    ("report/comparison.py", "name one of these, or leave report.reference out"): CONFIG,
    ("simulate/lesion_names.py", "set `lesions: {name}: {value}`"): (
        "simulate/test_simulate_lesions.py::test_refuse_other_lesions__says_what_to_set"
    ),
    ("simulate/tumours.py", "add `simulate: tumours: {}`"): (
        "simulate/test_simulate_remedies.py::test_names_of_people__after_the_section_is_added"
    ),
    ("tasks/quantitative/task.py", "{fault[2]}"): (
        "tasks/test_tasks_remedies.py"
        "::test_make_splits__the_number_of_folds_that_is_printed_or_no_groups"
    ),
    ("tasks/survival/users.py", "write 1 - {column} into a column `event`"): (
        "tasks/test_tasks_survival.py"
        "::test_censoring_in_place_of_the_event_is_refused_and_the_remedy_works"
    ),
    ("tasks/segmentation/task.py", "lower training.optimisation.learning_rate"): (
        "training/test_training_bad_input.py::test_smaller_steps_train_as_the_error_says"
    ),
    ("training/fold.py", "lower training.optimisation.learning_rate"): (
        "training/test_training_bad_input.py::test_smaller_steps_train_as_the_error_says"
    ),
    ("tracking/replay.py", "gendmr tracking rebuild --results "): REBUILT,
    ("tracking/replay.py", "gendmr tracking sync with the study's options"): (
        "tracking/test_tracking_accidents.py"
        "::test_a_full_disk_is_a_note_and_a_later_replay_completes_it"
    ),
    ("tracking/replay.py", "{help_.format(sync=sync)}"): (
        "tracking/test_tracking_accidents.py"
        "::test_a_full_disk_is_a_note_and_a_later_replay_completes_it"
    ),
    ("tracking/show.py", "gendmr tracking sync --results "): (
        "tracking/test_tracking_accidents.py"
        "::test_a_full_disk_is_a_note_and_a_later_replay_completes_it"
    ),
    ("tracking/show.py", "gendmr tracking rebuild --results "): REBUILT,
    ("tracking/store.py", "gendmr tracking rebuild --results "): REBUILT,
    ("estimate/cost.py", "add it to workflow/gendmr/estimate/rates.yaml"): (
        "estimate/test_estimate_cost.py::test_every_rule_and_method_of_the_house_has_rates"
    ),
    ("estimate/plan.py", "snakemake -n "): (
        "estimate/test_estimate_cost.py::test_the_command_estimates_the_demo"
    ),
}
# What is said of any result: rules and commands that make it again.
MADE_AGAIN = (
    r"run the (rule|stages?|annotation|step|workflow)\b.*",
    r"(run )?`?snakemake --cores 2 .*",
    r"look into its log; snakemake --cores 2 .*",
    r"remove (it|their folders),? and run .*",
    r"train (this fold|all folds of this repeat|the study|the method) .*",
    r"rank again",
    r"run `gendmr simulate cohort` with the same configuration",
)
# Whole remedies that no test carries out -> why.
BY_HAND: dict[str, str] = {
    r"(check the (path|file): |look at its beginning: |compare both tables: )?"
    r"(sed|head|ls|file|gzip|df|python -m json\.tool)\b[^,]*": (
        "it only looks, and is run by `test_commands_that_look_can_be_run`; what is seen decides"
    ),
    r"look (at|into) .*|compare .*|check (the path in|that|annotation|--configfile|`).*": (
        "it names what to look at; what is seen decides on what to do"
    ),
    r"(restore|fetch|copy|export|convert|save) (it|them|the|both|all|or)\b.*|convert it again.*": (
        "it asks for the file as it was, which only its owner has"
    ),
    r"bring (more )?people.*": "it asks for more people",
    r"(python -m )?pip install .*|apt install .*|install .*|git lfs pull|datalad get .*": (
        "it installs or fetches from a network"
    ),
    r"take (other weights|the label image|the \.sample file) .*|take other weights": (
        "it asks for a file that another program made"
    ),
    r"extract features with the model that .*|use the atlas .*": (
        "it asks for a file that another program made"
    ),
    r"name the folder that fMRIPrep wrote, .*": "it asks for another file of the user",
    r"predict with the version that trained, .*": "it asks for another version of this program",
    r"(df -h|make room).*|give the same command again": "it asks for room on the disk",
    r"mend what PLINK names in the inputs, .*|give these \{noun\} names of letters, .*": (
        "it passes on what another program said"
    ),
    r"choose (a method that reads|the methods of another outcome) .*": (
        "it asks for another method of a study that may have none"
    ),
    r"relax modalities\.snp\.selection.*": "how far a selection may go is for the study to decide",
    r"use fewer folds, or take out the methods of this outcome": (
        "`check_groups` refuses such an outcome before a fold is made"
    ),
    r"take these genes out of the matrix, .*": "genes without a value are taken out by the stage",
    r"gendmr init writes one from your files; .*": "both commands are tested, the demo as a whole",
    r"name another with --port, .*": "it asks for a hundred ports that are taken",
    r"\{program\} .*": "it repeats a call of another program",
    r"\{(command|next_step)\}": "the words come from where the function is called",
    r"add --genes results/<study>/annotation/genes\.tsv": (
        "rules always give it: it is for a command that is typed"
    ),
}
