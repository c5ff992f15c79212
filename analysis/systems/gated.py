"""What systems share whose networks are gated circuits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from brianprop.analysis.systems.system import Layout, System
from brianprop.models.circuit import Circuit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from brianprop.analysis.energy.counts import Counts
    from brianprop.analysis.figures.selection import Selection
    from brianprop.analysis.runs.recording import Recording
    from brianprop.analysis.runs.run import Run
    from brianprop.models.feedforward import Layer
    from brianprop.models.model import Weights

__all__ = ["GatedSystem"]


class GatedSystem(System):
    """A system of two gated circuits: one that learns, and one that answers.

    Their first phases are the same, up to the phase in which the answer is read. Parameters are `models.nbp.parameters.Rules`
    with the sizes of the layers.

    Accuracies: all output spikes equal the target (exact); the answer is the argmax of the output spikes; the answer is the
    argmax of the drive of the output (membrane). The loss is the mean squared error of the output spikes. Answers are the
    output ``spikes`` (0 or 1) and the ``drive`` of the output in units of weight.
    """

    accuracies = ("accuracy_exact", "accuracy_spikes", "accuracy_membrane")
    answers = ("spikes", "drive")
    readouts = ("spikes", "membrane")

    @abstractmethod
    def circuit(self, parameters: Any) -> Circuit:
        """The circuit that learns."""

    @abstractmethod
    def inference_circuit(self, parameters: Any) -> Circuit:
        """The circuit that answers."""

    def epochs_matter(self, settings: dict) -> bool:
        return bool(settings.get("annealed"))

    def feedforward(self, parameters: Any, weights: Weights, seed: int) -> tuple[Layer, ...]:
        from brianprop.models.nbp.circuit import matrices
        from brianprop.models.nbp.feedforward import feedforward

        circuit = self.inference_circuit(parameters)
        return feedforward(circuit, parameters, matrices(circuit, weights), seed)

    def layout(self, parameters: Any) -> Layout:
        circuit = self.circuit(parameters)
        sizes = {population.name: population.size for population in circuit.populations}
        return Layout(sizes, (circuit.period, self.inference_circuit(parameters).period))

    def figures(self, run: Run) -> dict[str, Callable[[], Figure]]:
        from brianprop.analysis.figures.classes import class_names
        from brianprop.analysis.figures.connectivity import plot_anatomy, plot_functional
        from brianprop.analysis.figures.images import plot_images
        from brianprop.analysis.figures.selection import Selection
        from brianprop.analysis.figures.sources import images, initial_and_final_weights
        from brianprop.analysis.figures.weights import plot_weights

        circuit, dataset, values = self.circuit(run.parameters()), run.config["dataset"], run.config["parameters"]
        shape = dataset["image_shape"]
        return {
            "raster": lambda: self.raster(run, Selection()),
            "functional": lambda: plot_functional(circuit),
            "anatomy": lambda: plot_anatomy(circuit, f"{self.title}, the circuit that learns"),
            "weights": lambda: plot_weights(*initial_and_final_weights(run), shape, values["w_max"], values["w_step"]),
            # gate and bias give the other half of the threshold
            "images": lambda: plot_images(images(run), shape, class_names(dataset), threshold=values["theta"] / 2),
        }

    def raster(self, run: Run, selection: Selection) -> Figure:
        from brianprop.analysis.figures.classes import class_names
        from brianprop.analysis.figures.raster_nbp import plot_raster
        from brianprop.analysis.figures.sources import recording

        classes = class_names(run.config["dataset"])
        return plot_raster(recording(run, selection), self.circuit(run.parameters()), classes=classes, selection=selection)

    def counts(self, parameters: Any, recording: Recording) -> list[Counts]:
        from brianprop.analysis.energy.gated import as_inference, count

        training, inference = self.circuit(parameters), self.inference_circuit(parameters)
        if recording.populations == tuple(population.name for population in inference.populations):
            return [count(recording, inference)]
        forward = f"phases 0 to {inference.period - 1} of recorded training turns"
        return [count(recording, training), count(as_inference(recording, inference), inference, forward)]
