"""itc: a declarative compiler for iterative neural networks."""
