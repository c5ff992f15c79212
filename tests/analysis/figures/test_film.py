"""The film of one turn: what its frames show, and that it is a film."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from brianprop.analysis.figures.film import plot_frame, write_film
from brianprop.analysis.figures.output import NothingToShowError
from brianprop.analysis.figures.selection import Selection
from brianprop.experiments.cli.main import main
from brianprop.models.errors import ParameterError
from brianprop.models.nbp.circuit import training_circuit
from tests.analysis.figures.test_figures import PARAMETERS, complete, make_run, random_recording, record


def test_a_frame_fills_what_fires_and_shows_what_arrives():
    circuit = training_circuit(PARAMETERS)
    # turn 1, phase 2: what x sends arrives at the open h, h< and h>, with the gate g2
    spikes = [(1, 13, "x", 2), (1, 13, "g2", 0), (1, 14, "h", 0), (1, 14, "h", 5), (1, 14, "g3", 0), (1, 15, "o", 1)]
    axes = plot_frame(record(circuit, spikes), circuit, 1, 2, classes=["A", "B", "C"]).axes[0]
    labels = [text.get_text() for text in axes.texts]
    (boxes,) = [one for one in axes.collections if len(one.get_facecolors()) == len(circuit.populations)]
    filled = [label for label, face in zip(labels, boxes.get_facecolors(), strict=False) if tuple(face) == to_rgba("0.25")]
    assert sorted(filled) == ["$g_{3}$", "$h$\n2"]
    assert labels[-1] == "turn 1, target none, output B: phase 2"
    strong = [one for one in axes.collections if one.zorder == 3 and hasattr(one, "get_segments")]
    # x to three copies, g2 to each of them as often as it has arrows, g2 to g3
    expected = [
        p for p in circuit.projections if (p.source in ("x", "g2") and p.delay == 0 and p.target in ("h", "h_lt", "h_gt", "g3"))
    ]
    assert sum(len(one.get_segments()) for one in strong) == len(expected)


def test_a_frame_names_where_weights_change():
    circuit = training_circuit(PARAMETERS)
    recording = record(circuit, [(1, 7, "x", 2), (1, 7, "h", 1), (1, 11, "x", 2), (1, 11, "h_lt", 1)])
    titles = [plot_frame(recording, circuit, 0, phase).axes[0].texts[-1].get_text() for phase in (7, 11)]
    assert titles[0].endswith("phase 7, potentiation at $h$") and titles[1].endswith("phase 11, depression at $h^{<}$")


def test_the_film_has_a_frame_for_each_phase(tmp_path):
    circuit = training_circuit(PARAMETERS)
    recording = random_recording(circuit, turns=3)
    path = write_film(recording, circuit, tmp_path / "film.gif", selection=Selection(turns=slice(1, 2), phases=range(2, 5)))
    with Image.open(path) as film:
        assert film.n_frames == 3 and film.info["loop"] == 0
        frames = []
        for number in range(3):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB"), int))
    assert all(np.abs(one - other).max() > 100 for one, other in itertools.pairwise(frames))
    with pytest.raises(ParameterError, match="turns 3:4"):
        write_film(recording, circuit, tmp_path / "film.gif", selection=Selection(turns=slice(3, 4)))
    with pytest.raises(NothingToShowError):
        write_film(record(circuit, [(1, -1, "g0", 0)]), circuit, tmp_path / "film.gif")


def test_the_command_line_draws_the_parts_that_are_asked_for(tmp_path, capsys):
    run = complete(make_run(tmp_path / "run"))
    options = ["--raster", "--film", "--populations", "h", "--turns", "1:3", "--phases", "3:5"]
    assert main(["figures", str(run.path), *options]) == 0
    assert sorted(path.name for path in (run.path / "figures").iterdir()) == ["film.gif", "raster.pdf", "raster.png"]
    capsys.readouterr()
    (run.path / "raster.npz").unlink()
    assert main(["figures", str(run.path), "--film"]) == 2
    assert "so that there is no film" in capsys.readouterr().err
