"""Signatures to and from datasketch.

A sketch of datasketch (2.0 or later) holds the same numbers as a row of `minhash.signatures`, so an index that
exists can be queried with ours, and its sketches can be compared with ours. What a sketch was made of, words or
characters and how many, it does not say: that the tokens agree is for the caller to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from jobs.kernels.arrays import Hashes
from jobs.kernels.hashes import Hash
from jobs.kernels.minhash import SCHEME, Setting

if TYPE_CHECKING:
    from collections.abc import Callable

_PROBE = b"which hash is it"


def xxh3_low32(data: bytes) -> int:
    """The hash `xxh3` as a hashfunc of datasketch.MinHash. Pickles by name, as sketches with a hashfunc must."""
    return xxhash.xxh3_64_intdigest(data) & 0xFFFFFFFF


def hashfunc(name: Hash) -> Callable[[bytes], int]:
    """What to pass to datasketch.MinHash as hashfunc to get our signatures."""
    from datasketch.hashfunc import sha1_hash32  # imports scipy: half a second that most never need

    known: dict[Hash, Callable[[bytes], int]] = {"xxh3": xxh3_low32, "sha1": sha1_hash32}
    return known[name]


def to_datasketch(signature: Hashes, setting: Setting) -> Any:
    """A datasketch.MinHash with a copy of this signature, a row of `signatures`, which more may be added to.

    Raises ValueError where the signature is not one row of uint32 of the setting's length.
    """
    from datasketch import MinHash

    row = np.asarray(signature)
    if row.shape != (setting.permutations,) or row.dtype != np.uint32:
        raise ValueError(
            f"signature is {row.dtype} of shape {row.shape}: expected uint32 of shape ({setting.permutations},), "
            f"one row of `signatures` made with this setting."
        )
    return MinHash(seed=setting.seed, hashfunc=hashfunc(setting.shingling.hash), hashvalues=row.copy(), scheme=SCHEME)


def from_datasketch(sketch: Any, setting: Setting) -> Hashes:
    """The signature that a datasketch MinHash or LeanMinHash holds: shape (permutations,), uint32, a copy.

    Raises ValueError where scheme, seed, number of permutations or hash are not those of the setting; a
    LeanMinHash does not know its hash, nor does any sketch know its tokens.
    """
    known: dict[str, tuple[Any, Any]] = {
        "scheme": (getattr(sketch, "scheme", "legacy"), SCHEME),
        "seed": (sketch.seed, setting.seed),
        "num_perm": (len(sketch.hashvalues), setting.permutations),
    }
    made_by = getattr(sketch, "hashfunc", None)
    if made_by is not None:
        known[f"hashfunc({_PROBE!r})"] = (made_by(_PROBE), hashfunc(setting.shingling.hash)(_PROBE))
    for name, (found, expected) in known.items():
        if found != expected:
            raise ValueError(
                f"the sketch has {name} = {found}: expected {expected}, as the setting says. Its values cannot be "
                f"compared with ours; sign its documents again, or take the setting it was made with."
            )
    return np.array(sketch.hashvalues, np.uint32)
