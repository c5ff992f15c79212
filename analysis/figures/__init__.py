"""Figures: one file for each kind, and one style.

draw.py            all figures of a run, written to files
sources.py         what these show, read from the run directory
comparison.py      SSNN-BP over many runs, beside the ANN
sweeps/            figures of a sweep
raster_nbp.py      spikes of a few samples of nBP
raster_ssnn_bp.py  spikes of a few samples of SSNN-BP
accuracy.py        accuracy and loss over epochs
weights.py         weights before and after training
images.py          test images with the answers to them
connectivity.py    the circuit: anatomical and functional connectivity
arrows.py          arrows of the circuit's figures
events.py          real recordings of an event camera beside emulated ones
speed.py           figures and statistics of a benchmark
output.py          the style, and how figures are written
"""
