"""What is run: data and a model in, a run directory out.

data/           data sets, and how images and events become input
estimators/     the systems after the conventions of scikit-learn, for arrays of one's own
training/       from options to a run directory
sweeps/         many trainings, over parameters and seeds
reproduce/      the experiments of both papers
benchmarks/     the speed of systems, against hand-written kernels
cli/            the command line
environment.py  versions, compiler and machine, as every run records them
"""
