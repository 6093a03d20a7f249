"""The kinds of samples. Each is one function that asks a teacher and returns a draft; see `base`."""

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing, drive
from jobs.synthesis.kinds.diverse import diverse
from jobs.synthesis.kinds.educational import educational
from jobs.synthesis.kinds.infinity import infinity
from jobs.synthesis.kinds.multilingual import multilingual
from jobs.synthesis.kinds.package import package
from jobs.synthesis.kinds.realuser import realuser
from jobs.synthesis.kinds.repack import repack
from jobs.synthesis.kinds.snippets import snippets
from jobs.synthesis.kinds.textbooks import textbooks

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (snippets, textbooks, educational, package, diverse, multilingual, realuser, infinity, repack)
}

__all__ = ["KINDS", "Draft", "Kind", "Rejected", "Seed", "Settings", "Writing", "drive"]
