"""The OpenCoder filter as it was released, value for value: 118 signals under their own names.

`measure.measure` is the way in. The rest of this package is how: `split` takes comments from code, `general` and
`natural` measure code and text, one module per language measures what only that language has. Odd results are the
release's own and kept; the rule set codelake-1 stands on `jobs.kernels.signals`, where they are mended.

The values rest on the parsers that the release ran with, so those versions are pinned (extra `opencoder`) and checked.
"""
