"""MinHash signatures of text columns and their LSH band hashes.

A signature holds, for each of `permutations` random permutations of the 32-bit numbers, the least image of
the document's shingle hashes; two documents agree in one place with probability J, their Jaccard similarity.
`bands` groups of `rows` places are hashed to one number each. Documents that share one of these numbers are
candidates, found with probability 1 - (1 - J^rows)^bands. Places beyond bands * rows are in signatures only.

Signatures equal those of datasketch 2.0.0 for the scheme affine32 (x -> a x + b mod 2^32, a odd, x the hash
mixed once) over the same shingles with the same hash (`jobs.kernels.shingles`); `jobs.kernels.sketches` exchanges
them.

Cost on one core (AMD EPYC, AVX-512, two threads a core and both busy), cutting and hashing included, of shingles of
five ASCII words of Python code: 20 ns a shingle at 256 permutations and 44 at 2048, which is 480 and 210 MB/s; with
SHA-1 260 and 160. Characters and bytes have nine times the shingles: 115 and 35 MB/s in shingles of 20.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.kernels.arrays import Hashes, Index, compiled, documents
from jobs.kernels.hashes import HASHES, hash_name
from jobs.kernels.shingles import Shingling, hash_blocks
from jobs.kernels.tokens import UNITS, unit_name

SCHEME = "affine32"
KERNEL_VERSION = 1  # raise it whenever a signature or a band hash changes for the same setting

_KERNEL = {"scheme": SCHEME, "kernel": KERNEL_VERSION}
_SIZES = ("permutations", "bands", "rows", "seed")

U32, U64 = np.uint32, np.uint64
_ALL_ONES = U32(0xFFFFFFFF)  # signature of the empty set
_REMEMBERED, _FEW = 4096, 256  # hashes; with few of them it costs more to forget the last document
_GOLDEN = U64(0x9E3779B97F4A7C15)
_LOW_32 = U64(0xFFFFFFFF)


@dataclass(frozen=True)
class Setting:
    """What makes a signature what it is. Values made with different digests must never be compared.

    Raises ValueError for sizes below 1, bands * rows above permutations, and a seed outside uint32.
    """

    shingling: Shingling
    permutations: int  # places of a signature
    bands: int
    rows: int  # places of a band
    seed: int

    def __post_init__(self) -> None:
        for name in ("permutations", "bands", "rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: expected at least 1.")
        if self.bands * self.rows > self.permutations:
            raise ValueError(
                f"bands * rows = {self.bands} * {self.rows} = {self.bands * self.rows}: expected at most "
                f"permutations = {self.permutations}. Lower bands or rows, or raise permutations."
            )
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"seed = {self.seed}: expected 0 to {(1 << 32) - 1}.")

    @property
    def canonical(self) -> str:
        """The setting and the names of tokeniser, hash, scheme and kernel version as JSON with sorted keys."""
        how = self.shingling
        said = {name: getattr(self, name) for name in _SIZES}
        said |= {"shingle": how.size, "tokeniser": unit_name(how.unit), "hash": hash_name(how.hash)}
        return json.dumps(said | _KERNEL, sort_keys=True, separators=(",", ":"))

    @staticmethod
    def parse(text: str) -> "Setting":
        """The setting that `canonical` wrote. Raises ValueError where another kernel, or another Unicode, wrote it."""
        said = json.loads(text)
        units, hashes = {unit_name(unit): unit for unit in UNITS}, {hash_name(name): name for name in HASHES}
        known: dict[str, Collection[object]] = {"tokeniser": units, "hash": hashes}
        for name, allowed in (known | {name: [value] for name, value in _KERNEL.items()}).items():
            if said.get(name) not in allowed:
                raise ValueError(
                    f"setting {text}: {name} = {said.get(name)!r}, expected {' or '.join(map(repr, allowed))}, "
                    f"the kernel of this version."
                )
        shingling = Shingling(units[said["tokeniser"]], said["shingle"], hashes[said["hash"]])
        return Setting(shingling, **{name: said[name] for name in _SIZES})


def permutation_table(setting: Setting) -> tuple[Hashes, Hashes]:
    """(a, b) of x -> a x + b mod 2^32, one pair a permutation: shape (permutations,), uint32, a odd.

    The same draws as datasketch.MinHash(num_perm, seed), whose `permutations` is the oracle.
    """
    draw = np.random.RandomState(setting.seed)
    a = draw.randint(0, 1 << 31, setting.permutations, dtype=np.uint32) * U32(2) + U32(1)
    return a, draw.randint(0, 1 << 32, setting.permutations, dtype=np.uint32)


@compiled
def _mix32(x: np.uint32) -> np.uint32:
    h = U64(x)  # MurmurHash3's finaliser for 32 bits, in 64-bit arithmetic
    h ^= h >> U64(16)
    h = (h * U64(0x85EBCA6B)) & _LOW_32
    h ^= h >> U64(13)
    h = (h * U64(0xC2B2AE35)) & _LOW_32
    return U32(h ^ (h >> U64(16)))


@compiled
def _mix64(x: np.uint64) -> np.uint64:
    x ^= x >> U64(33)
    x *= U64(0xFF51AFD7ED558CCD)
    x ^= x >> U64(33)
    x *= U64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> U64(33))


@compiled
def _image(x: np.uint32, a: np.uint32, b: np.uint32) -> np.uint32:
    return U32(x * a + b)


@compiled
def _fold_minima(hashes: Hashes, a: Hashes, b: Hashes, signature: Hashes) -> None:
    # Eight shingles at once, so that a, b and the signature are loaded once for eight: a third of the time at
    # 256 permutations, half at 2048; wider tiles gained nothing. The last tile repeats the last shingle.
    last = hashes.shape[0] - 1
    for i in range(0, hashes.shape[0], 8):
        x0, x1 = _mix32(hashes[i]), _mix32(hashes[min(i + 1, last)])
        x2, x3 = _mix32(hashes[min(i + 2, last)]), _mix32(hashes[min(i + 3, last)])
        x4, x5 = _mix32(hashes[min(i + 4, last)]), _mix32(hashes[min(i + 5, last)])
        x6, x7 = _mix32(hashes[min(i + 6, last)]), _mix32(hashes[min(i + 7, last)])
        for p in range(signature.shape[0]):
            u, v = a[p], b[p]
            low = min(min(_image(x0, u, v), _image(x1, u, v)), min(_image(x2, u, v), _image(x3, u, v)))
            high = min(min(_image(x4, u, v), _image(x5, u, v)), min(_image(x6, u, v), _image(x7, u, v)))
            signature[p] = min(signature[p], min(low, high))


@compiled
def _without_repeats(hashes: Hashes, last: Hashes) -> Hashes:
    """The hashes without most of their repeats, in their own place. last: scratch, a power of two of numbers.

    A minimum does not change by a number that it has seen. Of Python code a sixth of the shingles of five words go,
    and 64 % of those of five characters; a set that forgets costs less than one that does not.
    """
    for i in range(last.shape[0]):
        last[i] = ~i  # no hash that belongs here
    kept = 0
    for h in hashes:
        i = h & (last.shape[0] - 1)
        hashes[kept] = h
        kept += 1 if last[i] != h else 0
        last[i] = h
    return hashes[:kept]


@compiled
def _sign_rows(hashes: Hashes, bounds: Index, a: Hashes, b: Hashes, signatures: Hashes) -> None:
    """Leaves the hashes in disorder."""
    last = np.empty(_REMEMBERED, np.uint32)
    for row in range(signatures.shape[0]):
        signatures[row, :] = _ALL_ONES
        found = hashes[bounds[row] : bounds[row + 1]]
        if found.shape[0] > _FEW:
            found = _without_repeats(found, last)
        _fold_minima(found, a, b, signatures[row])


@compiled
def _hash_bands(signatures: Hashes, rows: int, out: npt.NDArray[np.uint64]) -> None:
    for row in range(signatures.shape[0]):
        for band in range(out.shape[1]):
            x = _mix64(_GOLDEN * U64(band + 1))
            for place in range(band * rows, (band + 1) * rows):
                x = _mix64(x ^ U64(signatures[row, place]))
            out[row, band] = x


def signatures(text: pa.Array, setting: Setting) -> tuple[Hashes, Index]:
    """MinHash signatures, shape (n, permutations), uint32, and shingle counts, shape (n,), int64.

    A count is the number of shingles with repeats.
    A null or a document without a token has count 0 and a signature of all ones.
    Memory: 4 bytes a place beside `hash_blocks`. Oracle: datasketch.MinHash.update_batch.
    Raises ValueError where `shingles.documents` does.
    """
    a, b = permutation_table(setting)
    column = documents(text)
    out = np.empty((len(column), setting.permutations), np.uint32)
    counts = np.empty(len(column), np.int64)
    for first, hashes, bounds in hash_blocks(column, setting.shingling):
        last = first + len(bounds) - 1
        _sign_rows(hashes, bounds, a, b, out[first:last])
        counts[first:last] = np.diff(bounds)
    return out, counts


def band_hashes(text: pa.Array, setting: Setting) -> pa.ListArray:
    """list<int64> of length n: `bands` hashes of each document, the number of the band folded in.

    Empty, never null, for a null and for a document without a token: the one signature that these share would
    make one giant bucket. Two documents share hash i if they share the rows of band i, and only then but for
    collisions of 64 bits. Signatures live for one block of `hash_blocks` at a time.
    Raises ValueError where `shingles.documents` does.
    """
    used = setting.bands * setting.rows
    a, b = (table[:used] for table in permutation_table(setting))
    column = documents(text)
    filled = np.zeros(len(column) + 1, np.int64)
    kept: list[Index] = []
    for first, hashes, bounds in hash_blocks(column, setting.shingling):
        block = np.empty((len(bounds) - 1, used), np.uint32)
        bands = np.empty((len(block), setting.bands), np.uint64)
        _sign_rows(hashes, bounds, a, b, block)
        _hash_bands(block, setting.rows, bands)
        has_token = np.diff(bounds) > 0
        filled[first + 1 : first + len(bounds)] = has_token * setting.bands
        kept.append(bands[has_token].view(np.int64).ravel())
    values = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    return pa.ListArray.from_arrays(pa.array(np.cumsum(filled), pa.int32()), pa.array(values, pa.int64()))


@overload
def candidate_probability(jaccard: float, setting: Setting) -> float: ...
@overload
def candidate_probability(jaccard: npt.NDArray[np.float64], setting: Setting) -> npt.NDArray[np.float64]: ...
def candidate_probability(
    jaccard: float | npt.NDArray[np.float64], setting: Setting
) -> float | npt.NDArray[np.float64]:
    """Chance that two documents of this Jaccard similarity share a band: 1 - (1 - J^rows)^bands.

    A float for a float, an array of the same shape for an array. Raises ValueError outside 0 to 1.
    """
    given = np.asarray(jaccard, np.float64)
    if not np.all((given >= 0) & (given <= 1)):
        raise ValueError(f"jaccard = {jaccard}: expected values from 0 to 1.")
    with np.errstate(divide="ignore"):  # J = 1: log1p(-1) = -inf, and the chance is 1
        chance = -np.expm1(setting.bands * np.log1p(-(given**setting.rows)))
    return chance if isinstance(jaccard, np.ndarray) else float(chance)
