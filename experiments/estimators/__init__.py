"""Estimators after scikit-learn, which learn from arrays of one's own.

nbp.py, ssnn_bp.py, ann.py   the estimator of each system
classifier.py   what they share: fit, partial_fit, predict, save
options.py      their parameters: the options of a training and its rules, side by side
samples.py      arrays of images and events, as networks take them
trained.py      what a training leaves, in memory: from a run directory, and back to one
"""

from brianprop.experiments.estimators.ann import ANNClassifier
from brianprop.experiments.estimators.nbp import NBPClassifier
from brianprop.experiments.estimators.ssnn_bp import SSNNClassifier

__all__ = ["ANNClassifier", "NBPClassifier", "SSNNClassifier"]
