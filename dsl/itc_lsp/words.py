"""The reserved words of specs by what they are, for completion and colours."""

from __future__ import annotations

DEFINITIONS = ("block", "data", "iterative", "output", "network")
STATEMENTS = (
    "input", "emit", "return", "yield", "halt", "if", "elif", "else", "for", "in", "from", "import", "at",
    "and", "or", "not",
)  # fmt: skip
ROLES = ("carry", "each")
CONSTANTS = ("true", "false", "none")
ANNOTATIONS = ("loop", "share", "halt", "loss", "published", "counted")
KEYWORDS = (*DEFINITIONS, *STATEMENTS, *ROLES, *CONSTANTS)
