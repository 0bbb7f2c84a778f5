"""What can be told of a net without running it; every analysis takes time by the size of the program, not its iterations."""
