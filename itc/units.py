"""Sizes and counts in the unit that shows them."""

from __future__ import annotations

KIB, MIB = 2**10, 2**20
#: From ten of one on, sizes are in these; below, the papers' MiB can be compared.
LARGE = ((2**40, "TiB"), (2**30, "GiB"))
UNITS = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def size_text(size: int) -> str:
    """Bytes: in MiB from a tenth of one on, else KiB, else bytes."""
    if abs(size) < KIB:
        return f"{size} B"
    for unit, name in LARGE:
        if abs(size) >= 10 * unit:
            return f"{size / unit:.2f} {name}"
    return f"{size / MIB:.2f} MiB" if abs(size) >= MIB / 10 else f"{size / KIB:.2f} KiB"


def count_text(count: int) -> str:
    """A count by thousands; nothing where it is short already."""
    unit, letter = next(((unit, letter) for unit, letter in UNITS if count >= unit), (1, ""))
    return f"{count / unit:.2f} {letter}" if letter else ""
