"""What can be told of a net without running it, in time by the size of the program and not by its iterations."""
