"""What one source may cost: bytes of a file, of an archive, members, depth, and the bytes of one task.

All values are configuration; nothing here has a default.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator


class Limits(BaseModel):
    """The bounds that every reader keeps, before it reads and again while it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_file_bytes: int = Field(gt=0, description="largest file that is read; a larger one is an `over_cap` row")
    max_archive_bytes: int = Field(gt=0, description="most plain bytes of an archive, or of one parquet row group")
    max_archive_members: int = Field(gt=0, description="most members of one archive, and most files of one git tree")
    max_ratio: float = Field(ge=1, description="most plain bytes per packed byte, judged past max_file_bytes only")
    max_nesting: int = Field(gt=0, description="most folders above one file; a deeper path is an `unsafe_name` row")
    shard_bytes: int = Field(gt=0, description="bytes one shard should hold; a larger file or row group is a shard")
    committed_until: AwareDatetime | None = Field(
        description="cut-off: a file whose commit is later is an `after_cutoff` row; null takes all, as where no time is known"
    )

    @field_validator("committed_until")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def is_bomb(self, plain: int, packed: int) -> bool:
        """True where `plain` bytes out of `packed` are more than an honest archive needs.

        The ratio alone condemns no small archive: a tar of one short file is mostly padding and packs 70 to 1.
        """
        return plain > self.max_archive_bytes or (plain > self.max_file_bytes and plain > self.max_ratio * packed)
