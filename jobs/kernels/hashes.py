"""Byte strings as 32-bit numbers: XXH3-64 and SHA-1 of every shingle of a block.

XXH3-64 hashes one shingle after another, SHA-1 sixteen at once, one in each lane of a vector: its steps depend
on each other, and one at a time leaves most of the core idle (170 ns a shingle).

Cost on one core (AMD EPYC, AVX-512), of a shingle of five words of Python code: XXH3-64 7 ns, SHA-1 23 ns.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from jobs.kernels.arrays import Bytes, Hashes, Index, Places, compiled

Hash = Literal["xxh3", "sha1"]
HASHES: tuple[Hash, ...] = get_args(Hash)
PADDING = 8  # bytes that may be read behind the last token of a stream

U32, U64 = np.uint32, np.uint64


def hash_name(name: Hash) -> str:
    """The name under which a hash enters a digest: which 32 bits of it are used."""
    return {"xxh3": "xxh3_64_low32", "sha1": "sha1_first32"}[name]


def hash_shingles(
    name: Hash, stream: Bytes, starts: Places, firsts: Index, size: int, gap: int, hashes: Hashes
) -> Index:
    """Hashes every shingle of `size` tokens of a block; returns bounds, shape (documents + 1,).

    `stream`, `starts` and `firsts` are those of `tokens.cut`, `gap` its joint, and stream has PADDING bytes more.
    A document with fewer tokens is one shingle of all of them, one without a token has none. The shingles of
    document i, in order and with repeats, hash to hashes[bounds[i] : bounds[i + 1]]:
    xxh3 to the low 32 bits of XXH3-64 with seed 0 (oracle: xxhash.xxh3_64_intdigest), sha1 to the first four
    bytes of SHA-1, least significant first (oracle: datasketch.hashfunc.sha1_hash32).
    """
    bounds = np.zeros(len(firsts), np.int64)
    tokens = np.diff(firsts)
    np.cumsum(np.minimum(tokens, np.maximum(tokens - size + 1, 1)), out=bounds[1:])
    rows = _xxh3_rows if name == "xxh3" else _sha1_rows
    rows(stream, starts, firsts, size, gap, hashes)
    return bounds


# ---- memory. Hashes read a stream by address: an array that is handed to another compiled function is counted, two
# atomic operations that cost 10 ns a shingle, as much as the hash.


def _loader(bits: int, unsigned: Any) -> Any:
    """Compiled-only `load(address) -> unsigned`: an unaligned little-endian read without bounds test."""

    def load(typing_context: Any, address: Any) -> Any:  # noqa: ARG001  numba's fixed signature
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            value = builder.load(builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer()))
            value.align = 1
            return value

        return unsigned(types.int64), generate

    return intrinsic(load)


def _multiply_fold(typing_context: Any, x: Any, y: Any) -> Any:  # noqa: ARG001  numba's fixed signature
    """Compiled-only: the two halves of the 128-bit product of two uint64, xored."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        wide, narrow = ir.IntType(128), ir.IntType(64)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), narrow)
        return builder.xor(builder.trunc(product, narrow), high)

    return types.uint64(types.uint64, types.uint64), generate


_load8: Callable[[int], np.uint8] = _loader(8, types.uint8)
_load32: Callable[[int], np.uint32] = _loader(32, types.uint32)
_load64: Callable[[int], np.uint64] = _loader(64, types.uint64)
_fold128: Callable[[np.uint64, np.uint64], np.uint64] = intrinsic(_multiply_fold)


@compiled
def _address(array: Bytes) -> np.int64:
    return np.int64(array.ctypes.data)  # signed, because numba makes floats of signed and unsigned together


@compiled
def _swapped(x: np.uint64) -> np.uint64:
    x = ((x & U64(0x00FF00FF00FF00FF)) << U64(8)) | ((x >> U64(8)) & U64(0x00FF00FF00FF00FF))
    x = ((x & U64(0x0000FFFF0000FFFF)) << U64(16)) | ((x >> U64(16)) & U64(0x0000FFFF0000FFFF))
    return (x << U64(32)) | (x >> U64(32))


# ---- XXH3-64, seed 0. Public constants of the algorithm; equal to xxhash.xxh3_64_intdigest.

_SECRET_BYTES = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_SECRET = np.array([int.from_bytes(_SECRET_BYTES[i : i + 8], "little") for i in range(185)], np.uint64)  # at any byte
_PRIME32_1, _PRIME32_2, _PRIME32_3 = U64(0x9E3779B1), U64(0x85EBCA77), U64(0xC2B2AE3D)
_PRIME64_1, _PRIME64_2, _PRIME64_3 = U64(0x9E3779B185EBCA87), U64(0xC2B2AE3D27D4EB4F), U64(0x165667B19E3779F9)
_PRIME64_4, _PRIME64_5 = U64(0x85EBCA77C2B2AE63), U64(0x27D4EB2F165667C5)
_PRIME_MX1, _PRIME_MX2 = U64(0x165667919E3779F9), U64(0x9FB21C651E98DF25)
_LOW_32 = U64(0xFFFFFFFF)
_STRIPE, _STRIPES, _LAST_STRIPE_SECRET = 64, 16, 121  # bytes, stripes a block, offset into the secret


@compiled
def _avalanche(h: np.uint64) -> np.uint64:
    h ^= h >> U64(37)
    h *= _PRIME_MX1
    return h ^ (h >> U64(32))


@compiled
def _avalanche_short(h: np.uint64) -> np.uint64:
    h ^= h >> U64(33)
    h *= _PRIME64_2
    h ^= h >> U64(29)
    h *= _PRIME64_3
    return h ^ (h >> U64(32))


@compiled
def _mix16(at: int, secret: int) -> np.uint64:
    return _fold128(_load64(at) ^ _SECRET[secret], _load64(at + 8) ^ _SECRET[secret + 8])


@compiled
def _xxh3_to_16(at: int, n: int) -> np.uint64:
    if n > 8:
        low = _load64(at) ^ _SECRET[24] ^ _SECRET[32]
        high = _load64(at + n - 8) ^ _SECRET[40] ^ _SECRET[48]
        return _avalanche(U64(n) + _swapped(low) + high + _fold128(low, high))
    if n >= 4:
        h: np.uint64 = U64(_load32(at + n - 4)) + (U64(_load32(at)) << U64(32))
        h ^= _SECRET[8] ^ _SECRET[16]
        h ^= ((h << U64(49)) | (h >> U64(15))) ^ ((h << U64(24)) | (h >> U64(40)))
        h *= _PRIME_MX2
        h ^= (h >> U64(35)) + U64(n)
        h *= _PRIME_MX2
        return h ^ (h >> U64(28))
    if n > 0:
        first, middle, last = U64(_load8(at)), U64(_load8(at + n // 2)), U64(_load8(at + n - 1))
        h = (first << U64(16)) | (middle << U64(24)) | last | (U64(n) << U64(8))
        return _avalanche_short(h ^ (_SECRET[0] & _LOW_32) ^ (_SECRET[4] & _LOW_32))
    return _avalanche_short(_SECRET[56] ^ _SECRET[64])


@compiled
def _xxh3_to_240(at: int, n: int) -> np.uint64:
    h = U64(n) * _PRIME64_1
    if n <= 128:
        for i in range((n - 1) // 32 + 1):  # inwards from both ends
            h += _mix16(at + 16 * i, 32 * i) + _mix16(at + n - 16 * (i + 1), 32 * i + 16)
        return _avalanche(h)
    for i in range(8):
        h += _mix16(at + 16 * i, 16 * i)
    h = _avalanche(h) + _mix16(at + n - 16, 119)
    for i in range(8, n // 16):
        h += _mix16(at + 16 * i, 16 * (i - 8) + 3)
    return _avalanche(h)


@compiled
def _accumulate(lanes: npt.NDArray[np.uint64], at: int, secret: int) -> None:
    for i in range(8):
        value = _load64(at + 8 * i)
        keyed = value ^ _SECRET[secret + 8 * i]
        lanes[i ^ 1] += value
        lanes[i] += (keyed & _LOW_32) * (keyed >> U64(32))


@compiled
def _xxh3_long(at: int, n: int) -> np.uint64:
    lanes = np.empty(8, np.uint64)
    lanes[0], lanes[1], lanes[2], lanes[3] = _PRIME32_3, _PRIME64_1, _PRIME64_2, _PRIME64_3
    lanes[4], lanes[5], lanes[6], lanes[7] = _PRIME64_4, _PRIME32_2, _PRIME64_5, _PRIME32_1
    for stripe in range((n - 1) // _STRIPE):
        in_block = stripe % _STRIPES
        _accumulate(lanes, at + _STRIPE * stripe, 8 * in_block)
        # A block that ends with the text is not scrambled: its last stripe is the one after the loop.
        if in_block == _STRIPES - 1:
            for i in range(8):
                lanes[i] = (lanes[i] ^ (lanes[i] >> U64(47)) ^ _SECRET[128 + 8 * i]) * _PRIME32_1
    _accumulate(lanes, at + n - _STRIPE, _LAST_STRIPE_SECRET)
    h = U64(n) * _PRIME64_1
    for i in range(4):
        low = lanes[2 * i] ^ _SECRET[11 + 16 * i]
        h += _fold128(low, lanes[2 * i + 1] ^ _SECRET[19 + 16 * i])
    return _avalanche(h)


@compiled
def _xxh3_rows(stream: Bytes, starts: Places, firsts: Index, size: int, gap: int, hashes: Hashes) -> None:
    base = _address(stream)
    done = 0
    for row in range(firsts.shape[0] - 1):
        places = starts[firsts[row] : firsts[row + 1] + 1]  # one more than tokens
        width = min(places.shape[0] - 1, size)
        shingles = places.shape[0] - max(width, 1)
        out = hashes[done : done + shingles]
        for i in range(shingles):
            at = base + places[i]
            n = places[i + width] - places[i] - gap
            if n <= 16:
                h = _xxh3_to_16(at, n)
            elif n <= 240:
                h = _xxh3_to_240(at, n)
            else:
                h = _xxh3_long(at, n)
            out[i] = U32(h & _LOW_32)
        done += shingles


# ---- SHA-1 (FIPS 180-4), sixteen messages at once

_LANES = 16
_QUEUES = 4  # messages of 1, 2, .. blocks wait until there are sixteen; longer ones, rare, go alone
_H0, _H1, _H2, _H3, _H4 = U32(0x67452301), U32(0xEFCDAB89), U32(0x98BADCFE), U32(0x10325476), U32(0xC3D2E1F0)


def _sha1_compress(typing_context: Any, words: Any, state: Any) -> Any:  # noqa: ARG001  numba's fixed signature
    """Compiled-only: one block of each lane. words: u32[16 words x 16 lanes], state: u32[5 words x 16 lanes].

    Written as vectors of 16 numbers, which LLVM splits into what the CPU has.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(32), _LANES)

        def place(array: int, row: int) -> Any:
            data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            at = builder.gep(data, [ir.Constant(ir.IntType(64), row * _LANES)])
            return builder.bitcast(at, vector.as_pointer())

        def load(array: int, row: int) -> Any:
            value = builder.load(place(array, row))
            value.align = 4
            return value

        def constant(x: int) -> Any:
            return ir.Constant(vector, [ir.Constant(ir.IntType(32), x)] * _LANES)

        def rotated(x: Any, by: int) -> Any:
            return builder.or_(builder.shl(x, constant(by)), builder.lshr(x, constant(32 - by)))

        w = [load(0, row) for row in range(16)]
        before = [load(1, row) for row in range(5)]
        a, b, c, d, e = before
        for i in range(80):
            if i >= 16:
                mixed = builder.xor(builder.xor(w[i - 3], w[i - 8]), builder.xor(w[i - 14], w[i - 16]))
                w.append(rotated(mixed, 1))
            if i < 20:
                f, k = builder.xor(d, builder.and_(b, builder.xor(c, d))), 0x5A827999
            elif 40 <= i < 60:
                f, k = builder.or_(builder.and_(b, c), builder.and_(d, builder.or_(b, c))), 0x8F1BBCDC
            else:
                f, k = builder.xor(builder.xor(b, c), d), 0x6ED9EBA1 if i < 40 else 0xCA62C1D6
            turn = builder.add(builder.add(rotated(a, 5), f), builder.add(builder.add(e, constant(k)), w[i]))
            a, b, c, d, e = turn, a, rotated(b, 30), c, d
        for row, (old, new) in enumerate(zip(before, (a, b, c, d, e), strict=True)):
            builder.store(builder.add(old, new), place(1, row)).align = 4
        return context.get_dummy_value()

    return types.none(words, state), generate


_compress: Callable[[Hashes, Hashes], None] = intrinsic(_sha1_compress)


@compiled
def _message_word(at: int, left: int) -> np.uint64:
    """Eight bytes of a padded message, of which `left` bytes begin at `at`. Reads at most 7 bytes behind it."""
    if left >= 8:
        return _swapped(_load64(at))
    if left > 0:
        bits = U64(8 * left)
        return _swapped((_load64(at) & ((U64(1) << bits) - U64(1))) | (U64(0x80) << bits))
    return U64(0x80) << U64(56) if left == 0 else U64(0)


@compiled
def _sha1_lanes(start: Index, size: Index, place: Index, used: int, words: Hashes, state: Hashes, out: Hashes) -> None:
    """Hashes `used` messages of the same number of blocks, at most sixteen: out[place[i]] is that of message i."""
    for lane in range(_LANES):
        state[lane], state[_LANES + lane], state[2 * _LANES + lane] = _H0, _H1, _H2
        state[3 * _LANES + lane], state[4 * _LANES + lane] = _H3, _H4
    blocks = (size[0] + 8) // 64 + 1
    for block in range(blocks):
        for lane in range(used):
            at, left = start[lane] + 64 * block, size[lane] - 64 * block
            for i in range(8):
                value = _message_word(at + 8 * i, left - 8 * i)
                if i == 7 and block == blocks - 1:
                    value = U64(8 * size[lane])
                words[_LANES * 2 * i + lane] = U32(value >> U64(32))
                words[_LANES * (2 * i + 1) + lane] = U32(value & _LOW_32)
        _compress(words, state)
    for lane in range(used):
        out[place[lane]] = U32(_swapped(U64(state[lane])) >> U64(32))


@compiled
def _sha1_rows(stream: Bytes, starts: Places, firsts: Index, size: int, gap: int, hashes: Hashes) -> None:
    base = _address(stream)
    words, state = np.zeros(16 * _LANES, np.uint32), np.empty(5 * _LANES, np.uint32)
    start, length = np.empty((_QUEUES + 1, _LANES), np.int64), np.empty((_QUEUES + 1, _LANES), np.int64)
    place = np.empty((_QUEUES + 1, _LANES), np.int64)
    waiting = np.zeros(_QUEUES + 1, np.int64)
    done = 0
    for row in range(firsts.shape[0] - 1):
        places = starts[firsts[row] : firsts[row + 1] + 1]  # one more than tokens
        width = min(places.shape[0] - 1, size)
        for i in range(places.shape[0] - max(width, 1)):
            n = places[i + width] - places[i] - gap
            queue = min((n + 8) // 64, _QUEUES)
            lane = waiting[queue]
            start[queue, lane], length[queue, lane], place[queue, lane] = base + places[i], n, done
            waiting[queue] += 1
            done += 1
            if waiting[queue] == _LANES or queue == _QUEUES:
                _sha1_lanes(start[queue], length[queue], place[queue], waiting[queue], words, state, hashes)
                waiting[queue] = 0
    for queue in range(_QUEUES):
        if waiting[queue]:
            _sha1_lanes(start[queue], length[queue], place[queue], waiting[queue], words, state, hashes)
