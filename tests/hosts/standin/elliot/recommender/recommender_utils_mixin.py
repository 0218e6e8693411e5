"""``RecMixin``: evaluation, lists on disk, weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class RecMixin:
    def evaluate(self: Any) -> None:
        recommendations = self.get_recommendations(self.evaluator.get_needed_recommendations())
        self.results = self.evaluator.eval(recommendations)
        if getattr(self._params.meta, "save_recs", False):
            lines = [f"{u}\t{i}\t{v}\n" for u, rows in recommendations[1].items() for i, v in rows]
            folder = Path(self._config.path_output_rec_result)
            (folder / f"{self.name}.tsv").write_text("".join(lines), "utf-8")
        if self._save_weights:
            self._model.save_weights(self._saving_filepath)

    def restore_weights(self: Any) -> None:
        self._model.load_weights(self._saving_filepath)
        self.evaluate()
