"""Methods: what a published system adds to the shared training, and the baselines beside it.

`base` says what a method is, `network_method` what methods trained by `gendmr.engine` share.
`gendmr` is GenDMR: its network, tables, exchange of roles and read-out; `evidence` computes what
the training people say about each SNP and region. The baselines are `ridge`, `locus`, `polygenic`
and `association`, without torch (what they share is in `additive`), and the networks of `fusion`
(docs/explanation/baselines.md); `distillation` says how outputs of any task are compared.
Losses, optimisation, folds, tracking and ranking are shared and know no method by name.

Of GenDMR only the abstract of its paper (arXiv 2506.01456) is known here. Every formula in `gendmr`
and `evidence` is our reconstruction and is marked as such.
"""
