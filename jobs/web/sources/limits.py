"""What one web source may cost. All values are configuration; nothing here has a default."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """The bounds that every reader keeps, before it reads and again while it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_page_bytes: int = Field(gt=0, description="largest body that is taken in, before and after decoding")
    max_ratio: float = Field(ge=1, description="most plain bytes per packed byte of one compressed member")
    max_faults: int = Field(gt=0, description="broken records of one file after which its rest is given up")
    shard_bytes: int = Field(gt=0, description="bytes of indexed records or of row groups that one task reads")
