"""The loop over epochs."""

from __future__ import annotations

import numpy as np

from brianprop.analysis.runs.recording import Recording
from brianprop.analysis.runs.run import Run
from brianprop.experiments.training.options import Message
from brianprop.experiments.training.trainer import SHUFFLE_STREAM, Learned, Trainer, metrics_row
from brianprop.models.errors import RunError
from brianprop.models.model import Weights
from brianprop.models.weights import layout_fault, value_fault

__all__ = ["Training"]

#: The epoch whose first samples are recorded in every run (raster.npz): early enough to show errors.
RASTER_EPOCH = 2

#: Number of test images that every run keeps together with the answers to them (images.npz).
KEPT_IMAGES = 12

#: What to do when weights or answers are no longer finite or in range.
DIVERGED = "train again with smaller learning rates and another --out"


class Training:
    """Trains a run from its last checkpoint to its last epoch.

    Parameters
    ----------
    run : Run
    trainer : Trainer
        The network, with all splits.
    message : callable
        Called with a line of text after each epoch.
    bar : bool
        Whether a terminal shows how far an epoch is.
    """

    def __init__(self, run: Run, trainer: Trainer, message: Message = print, bar: bool = True):
        self.run, self.trainer, self.message = run, trainer, message
        # in a lockstep the bars of several trainings would overwrite one another
        self.bar = bar and trainer.member is None
        settings = run.config["training"]
        self.seed, self.epochs, self.shuffle = settings["seed"], settings["epochs"], settings["shuffle"]
        self.keeps_spikes = settings.get("record_spikes", False)
        self.n_train = len(trainer.parts["train"].labels)
        # Where answers given while learning say nothing, the row "train" of the metrics is of as many training images as there
        # are for validation.
        compared = next(trainer.parts[split] for split in ("validation", "test", "train") if split in trainer.parts)
        self.n_scored = min(self.n_train, len(compared.labels))

    def go(self) -> None:
        """Train the missing epochs and write the final files."""
        run, trainer = self.run, self.trainer
        done, weights = self._last_whole_epoch()
        trainer.prepare()
        run.truncate_metrics(done)
        for epoch in range(done + 1, self.epochs + 1):
            learned = self._learn(epoch, weights)
            weights = learned.weights
            self._require_sound(weights, epoch)
            rows = [self._train_row(epoch, learned)]
            for split in trainer.parts:
                if split != "train":
                    scores, seconds = trainer.score(weights, split, epoch)
                    rows.append(metrics_row(epoch, split, scores, len(trainer.parts[split].labels), seconds))
            if not all(np.isfinite(value) for row in rows for value in row.values() if isinstance(value, float)):
                raise RunError(f"{run.path}: the answers after epoch {epoch} are not finite numbers; {DIVERGED}.")
            if (recording := learned.recording) is not None:
                if self.keeps_spikes:
                    self._keep_spikes(epoch, recording)
                if self._shows_raster(epoch):
                    run.save_spikes(recording.where(recording.sample < trainer.raster_samples), "raster")
            run.append_metrics(rows)
            # written last: a checkpoint means that everything else of its epoch is on disk
            run.save_checkpoint(epoch, weights)
            self.message(self._line(epoch, rows))
        run.save_images(trainer.images(weights, self.epochs, KEPT_IMAGES))
        if "test" in trainer.parts:  # arrays of a user have none
            run.save_predictions({"target": trainer.parts["test"].labels, **trainer.predict(weights, "test", self.epochs)})
        run.save_weights(weights)

    def _last_whole_epoch(self) -> tuple[int, Weights]:
        """The last epoch of which every file was written completely, and the weights after it."""
        run = self.run
        whole = min(run.scored_epochs, self.epochs)
        if self.keeps_spikes:
            recording = run.load_spikes("spikes")
            kept = set() if recording is None else set(recording.epoch.tolist())
            whole = next(epoch for epoch in range(whole + 1) if epoch == whole or epoch + 1 not in kept)
        done, weights = run.load_checkpoint(at_most=whole)
        if not weights:
            raise RunError(
                f"{run.path} has no checkpoint of epoch {whole} or before that can be read, so that it cannot go on; restore "
                "the folder checkpoints from a copy, or train again with another --out."
            )
        last = min(max(run.checkpoints), self.epochs)
        if done < last:
            self.message(f"{run.path} is whole up to epoch {done} of {last}: what came after is trained again.")
        return done, weights

    def _require_sound(self, weights: Weights, epoch: int) -> None:
        """Raise RunError where learned weights are not finite, out of range or off their grid."""
        wanted = self.trainer.parameters.arrays
        if fault := layout_fault(weights, wanted) or value_fault(weights, wanted):
            raise RunError(f"{self.run.path}: after epoch {epoch} of the training, {fault}; {DIVERGED}.")

    def _learn(self, epoch: int, weights: Weights) -> Learned:
        from tqdm import tqdm

        n_recorded = self.n_train if self.keeps_spikes else self.trainer.raster_samples if self._shows_raster(epoch) else 0
        # None: only where there is a terminal
        options = {"unit": " samples", "leave": False, "disable": None if self.bar else True}
        with tqdm(total=self.n_train, desc=f"epoch {epoch}/{self.epochs}", **options) as bar:

            def progress(done: int) -> None:
                bar.update(done - bar.n)

            return self.trainer.learn(weights, epoch, self._order(epoch), min(n_recorded, self.n_train), progress)

    def _shows_raster(self, epoch: int) -> bool:
        return self.trainer.raster_samples > 0 and epoch == min(RASTER_EPOCH, self.epochs)

    def _train_row(self, epoch: int, learned: Learned) -> dict:
        if learned.scores is not None:
            return metrics_row(epoch, "train", learned.scores, self.n_train, learned.seconds)
        scores, _ = self.trainer.score(learned.weights, "train", epoch, self.n_scored)
        return metrics_row(epoch, "train", scores, self.n_scored, learned.seconds)

    def _order(self, epoch: int) -> np.ndarray:
        """Order of the training samples. Every epoch has its own random stream, so that a resumed run draws the same order."""
        if not self.shuffle:
            return np.arange(self.n_train)
        return np.random.default_rng([self.seed, SHUFFLE_STREAM, epoch]).permutation(self.n_train)

    def _keep_spikes(self, epoch: int, new: Recording) -> None:
        """Append an epoch to spikes.npz. What an interrupted run left of the same epoch is replaced."""
        old = self.run.load_spikes("spikes")
        if old is not None:
            new = old.where(old.epoch < epoch).followed_by(new)
        self.run.save_spikes(new, "spikes")

    def _line(self, epoch: int, rows: list[dict]) -> str:
        parts = [f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}"]
        for row in rows:
            values = (f"{100 * row[name]:.2f} % {name.partition('_')[2]}".strip() for name in self.trainer.headline)
            parts.append(f"{row['split']} {' '.join(values)}")
        seconds = rows[0]["seconds"]
        speed = f"{seconds:.1f} s ({1e6 * seconds / self.n_train:.0f} us/sample)"
        return " | ".join([*parts, f"loss {rows[0]['loss']:.4f}", speed])
