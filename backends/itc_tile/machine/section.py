"""The base of all sections of a machine file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping in a machine file: no key but these."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)
