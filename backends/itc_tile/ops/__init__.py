"""The records of operations on tiles: what each reads, its work, and its values on shards; knows no machine."""
