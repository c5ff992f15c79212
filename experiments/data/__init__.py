"""Data sets: how they are found, downloaded and read, and how they become the input of a network.

dataset.py     what a data set is, and how it is divided into training, validation and test part
images.py      the list of image data sets: load, find
digits.py      scikit-learn's digits
mnist.py       MNIST and Fashion-MNIST
emnist.py      EMNIST
encoding.py    images and labels to spikes
frames.py      the event data sets: load; recordings to time steps
events.py      recordings of an event camera, and their file format
nmnist.py      N-MNIST, and subsets of it
emulator.py    an emulated event camera
idx.py         the file format of MNIST
downloads.py   where data sets are searched, and downloads
payloads.py    the cache of unzipped files

A new image data set is a file like mnist.py and an entry of the list in images.py.
"""
