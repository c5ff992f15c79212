"""What is run: data and a model in, a run directory out."""
