"""Values of a program, computed tile by tile from per-tile stores."""
