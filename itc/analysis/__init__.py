"""Static analyses of nets; their time depends on the size of the program, not on the number of iterations."""
