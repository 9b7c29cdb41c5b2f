"""What the benchmarks measure by running whole programs: the app, and training runs."""
