"""The annealing mixture: pretraining documents again, those that are algorithmic, and samples that a teacher wrote.

Nothing is copied: the mixture names documents of gold.pretrain and gold.synthetic, and packing takes their ids from the two
tables of tokens. A document that `synthesis.algorithmic` takes is of the corpus `algorithmic` and no longer of `code`; a
sample is of the corpus that its kind names (snippets, textbooks, ...). So every document belongs to one part.

Where a part is empty, the mixture holds nothing: `codelake mix plan anneal.mix` says which, and `exclude` leaves it out.
"""

from __future__ import annotations

from jobs.corpus.mix import COLUMNS, Drawn, mix_job
from jobs.corpus.pack import pack_job
from jobs.corpus.tables import anneal_mixture, packed_anneal, pretrain, pretrain_tokens, synthetic_tokens
from jobs.corpus.tokenize import tokenize_job
from jobs.synthesis.tables import algorithmic, synthetic

DRAWN = (
    Drawn(pretrain, pretrain_tokens, {column: column for column in COLUMNS}, {"algorithmic": algorithmic}),
    Drawn(
        synthetic,
        synthetic_tokens,
        {"corpus": "kind", "source": "source", "repo": "repo", "language": "language", "licence": "seed_licence"},
    ),
)

tokenize = tokenize_job("anneal.tokenize", "samples as token ids", synthetic, synthetic_tokens, __name__)
mix = mix_job(
    "anneal.mix",
    "which documents and samples are annealed on, and how often",
    DRAWN,
    anneal_mixture,
    __name__,
    asked=True,
)
pack = pack_job(
    "anneal.pack",
    "training sequences of the annealing mixture",
    anneal_mixture,
    (pretrain_tokens, synthetic_tokens),
    packed_anneal,
    __name__,
)
