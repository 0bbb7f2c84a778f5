"""What each pass does, on small nets in full text; what it must leave alone beside it."""
