"""What a run of each system keeps: its title, parameters, scores and arrays, by the name of the system."""

from __future__ import annotations

from brianprop.models.ann import ANN
from brianprop.models.nbp.parameters import NBP
from brianprop.models.ssnn_bp.parameters import SSNN

__all__ = ["ACCURACIES", "IMAGE_ARRAYS", "METRIC_COLUMNS", "PARAMETERS", "SPLITS", "TITLES"]

#: Name of each system in text and figures.
TITLES = {"nbp": "nBP", "ssnn-bp": "SSNN-BP", "ann": "ANN"}

#: Class of the parameters of each system.
PARAMETERS: dict[str, type] = {"nbp": NBP, "ssnn-bp": SSNN, "ann": ANN}

#: Columns of the accuracies of each system. nBP: all output spikes equal the target (exact); argmax of the output spikes;
#: argmax of the drive of the output (membrane). SSNN-BP: argmax of the spike counts; argmax of the mean of softmax(V) (rates).
ACCURACIES = {
    "nbp": ("accuracy_exact", "accuracy_spikes", "accuracy_membrane"),
    "ssnn-bp": ("accuracy_spikes", "accuracy_rates"),
    "ann": ("accuracy",),
}

#: Columns of metrics.csv. ``loss`` is the mean squared error of the output spikes for nBP, else the mean cross-entropy [nat];
#: ``samples`` is the number of samples that were scored; ``seconds`` is the wall time of learning in a row of the split
#: ``train``, else that of the answers.
METRIC_COLUMNS = {
    system: ("epoch", "split", *accuracies, "loss", "samples", "seconds") for system, accuracies in ACCURACIES.items()
}

#: Splits of a data set, as in metrics.csv.
SPLITS = ("train", "validation", "test")

#: Arrays of images.npz besides ``images`` (k, n_in) uint8 and ``target`` (k,), the index of the class; all (k, n_out).
#: nBP: output ``spikes`` (0 or 1), and ``drive`` of the output in units of weight. SSNN-BP: output spike ``counts`` over T
#: steps, mean ``membrane`` V and mean ``rates`` softmax(V). ANN: ``rates``, the softmax of the output.
IMAGE_ARRAYS = {"nbp": ("spikes", "drive"), "ssnn-bp": ("counts", "membrane", "rates"), "ann": ("rates",)}
