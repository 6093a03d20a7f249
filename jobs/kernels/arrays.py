"""What kernels stand on: compiled functions, the arrays they share, and text columns without their Arrow type.

Numba compiles a function on first use and caches it beside its source; where that folder and the user's cache
folder are read-only, set NUMBA_CACHE_DIR. It recompiles when the file of the function changes, and does not see
that the function calls one that changed in another file. So a compiled function calls, and reads constants of,
its own file only; files meet in Python, over arrays that hold a block of documents.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

MAX_DOCUMENT_BYTES = (1 << 31) - 2  # places of tokens are int32; the last may lie one byte behind the text

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int32]
Index = npt.NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])
Scalar = TypeVar("Scalar", bound=np.generic)


def compiled(function: Function) -> Function:
    """numba.njit with the options all kernels share, typed as the function it compiles.

    Only for module-level functions: numba silently keeps no cache for closures over other compiled functions.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def frozen(array: npt.ArrayLike, dtype: type[Scalar]) -> npt.NDArray[Scalar]:
    """A contiguous, read-only view of a one-dimensional array, copied only where the layout or type differs.

    Arrow's buffers are read-only, numpy's arrays mostly are not, and to numba these are two types: without
    this the first call with the other kind compiles everything again.
    """
    view = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Documents:
    """A text column without its Arrow type: document i is data[start[i]:end[i]], and a null has no bytes."""

    data: Bytes
    start: Index
    end: Index

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: Index) -> "Documents":
        """The documents at these rows, in this order, over the same bytes."""
        return Documents(self.data, self.start[rows], self.end[rows])


def documents(text: pa.Array) -> Documents:
    """A string, binary, large_string or large_binary array as Documents: 16 bytes a row, no copy of the text.

    Slices and nulls are allowed. Raises ValueError for any other type, and for a document of more than
    MAX_DOCUMENT_BYTES.
    """
    wide, narrow = (pa.large_string(), pa.large_binary()), (pa.string(), pa.binary())
    if not isinstance(text, pa.Array) or text.type not in wide + narrow:
        found = text.type if isinstance(text, pa.Array) else type(text).__name__
        raise ValueError(
            f"text is {found}: expected an Array of string, binary, large_string or large_binary. "
            f"Cast it (`text.cast(pa.large_string())`), or pass the chunks of a ChunkedArray one by one."
        )
    nothing = np.zeros(0, np.int64)
    if len(text) == 0:
        return Documents(frozen(nothing, np.uint8), nothing, nothing)
    _, offset_buffer, data_buffer = text.buffers()
    stored = np.frombuffer(offset_buffer, np.int64 if text.type in wide else np.int32)
    offsets: Index = stored[text.offset : text.offset + len(text) + 1].astype(np.int64)
    start, end = offsets[:-1].copy(), offsets[1:].copy()
    if text.null_count:
        null = text.is_null().to_numpy(zero_copy_only=False)
        end[null] = start[null]  # Arrow allows bytes under a null
    longest = int(np.argmax(end - start))
    if end[longest] - start[longest] > MAX_DOCUMENT_BYTES:
        raise ValueError(
            f"text[{longest}] has {end[longest] - start[longest]} bytes: expected at most "
            f"{MAX_DOCUMENT_BYTES}. Drop or cut this document; nothing was hashed."
        )
    return Documents(frozen(np.frombuffer(data_buffer, np.uint8), np.uint8), start, end)
