"""Figures: one file for each kind, and one style.

draw.py            all figures of a run, written to files
sources.py         what these show, read from the run directory
comparison.py      SSNN-BP over many runs, beside the ANN
sweeps/            figures of a sweep
raster_nbp.py      spikes of a few samples of nBP
raster_ssnn_bp.py  spikes of a few samples of SSNN-BP
accuracy.py        accuracy and loss over epochs
weights.py         weights before and after training
confusion.py       confusion matrix and accuracy of each class
classes.py         names of the classes
images.py          test images with the answers to them
connectivity.py    the circuit: anatomical and functional connectivity
diagram.py         boxes and the arrows between them, which those two consist of
places.py          where the populations of nBP stand, and their symbols
selection.py       what of a recording a raster shows
captions.py        captions of the turns of a raster
film.py            one turn as a film
events.py          real recordings of an event camera beside emulated ones
speed.py           figures and statistics of a benchmark
output.py          the style, and how figures are written
"""
