"""The recording of a run that is counted."""

from __future__ import annotations

from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.models.errors import RunError

__all__ = ["recording_to_count"]


def recording_to_count(run: Run) -> Recording:
    """All recorded spikes of a run, or those of its raster. Raises RunError if there are none."""
    recording = run.load_spikes() or run.load_spikes("raster")
    if recording is None:
        raise RunError(
            f"{run.path} holds no recorded spikes (spikes.npz or raster.npz); give a run that has them, or train again."
        )
    return recording
