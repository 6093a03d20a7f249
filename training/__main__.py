"""`python -m training`: what a launcher starts on every rank. The options are those of `codelake train`.

torchrun --nproc_per_node 8 -m training --profile paper_1_5b
deepspeed --module training --profile paper_1_5b
"""

from __future__ import annotations

import sys

from lakehouse.cli import main

main(["train", *sys.argv[1:]])
