"""``experiment.adversarial``: all of a recipe that is not Elliot's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elliot_advrec.errors import UserError
from elliot_advrec.extractors.config import ExtractorSettings
from elliot_advrec.recipe.attacks import read_attacks
from elliot_advrec.recipe.catalog import read_catalog
from elliot_advrec.recipe.checked import build, entries, mapping
from elliot_advrec.recipe.defenses import NO_DEFENSE, read_defense, stand_over, undefended
from elliot_advrec.recipe.distinct import identity, refuse_same_cells, refuse_same_threats, refuse_twice
from elliot_advrec.recipe.extractor import read_extractor
from elliot_advrec.recipe.node import Node
from elliot_advrec.recipe.run import LpipsSettings, RunSettings, Simulation
from elliot_advrec.recipe.spec import AttackSpec, CatalogSpec, Spec, ThreatSpec
from elliot_advrec.recipe.threats import read_threat

PARTS = ("catalog", "extractor", "defenses", "threats", "attacks")
KEYS = (*PARTS, *RunSettings.model_fields)

ELLIOTS_SEED = (42,)
"""What Elliot fits a model with where its section names no ``seed``."""


@dataclass(frozen=True)
class Adversarial:
    """The validated section; a recipe of Elliot's own has none, and so no catalog and no attacks.

    Attributes:
        catalog: where the items come from; None: the interactions' own items, without pictures.
        extractor: settings of the extractor and of its clean training.
        defenses: training defenses, and what stands in front of extractors (``GuardSpec``); the one called
            ``none`` has the kind ``none`` and no settings.
        threats: at least one, or there are no attacks either.
        attacks: at least one, or none; one of several ``steps`` stands here once for each.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        lpips: None where it is not asked for.
    """

    catalog: CatalogSpec | None
    extractor: ExtractorSettings
    defenses: tuple[Spec, ...]
    threats: tuple[ThreatSpec, ...]
    attacks: tuple[AttackSpec, ...]
    seeds: tuple[int, ...]
    device: str
    precision: str
    batch_size: int
    strict: bool
    simulation: Simulation
    workers: int
    lpips: LpipsSettings | None = None

    @property
    def size(self) -> int:
        """Side of the square pictures, in pixels; 0 where there are none."""
        return 0 if self.catalog is None else self.catalog.size

    def resolved(self) -> dict[str, Any]:
        """The section as JSON-able settings that load to the same."""
        parts: dict[str, Any] = {}
        if self.catalog is not None:
            parts = {
                "catalog": self.catalog.resolved(),
                "extractor": self.extractor.model_dump(mode="json"),
                "defenses": [NO_DEFENSE if d.kind == NO_DEFENSE else d.resolved() for d in self.defenses],
            }
        if self.attacks:
            parts["threats"] = [threat.resolved() for threat in self.threats]
            parts["attacks"] = [attack.resolved() for attack in self.attacks]
        return {
            **parts,
            "seeds": list(self.seeds),
            "simulation": self.simulation.model_dump(mode="json"),
            **({} if self.lpips is None else {"lpips": self.lpips.model_dump(mode="json")}),
            **{
                key: getattr(self, key)
                for key in RunSettings.model_fields
                if key not in ("seeds", "simulation", "lpips")
            },
        }


def read_adversarial(
    node: Node, folder: Path, recommenders: list[str], *, gpu: int | None, overlaid: bool
) -> Adversarial:
    """The section ``node`` of a recipe that lies in ``folder``.

    Args:
        recommenders: names of the recipe's models.
        node: a mapping; of ``RunSettings`` alone where the recipe has no catalog.
        gpu: Elliot's key, which decides the device where ``device`` is absent.
        overlaid: whether an overlay was laid over the recipe; entries that it made equal are then kept once.

    Raises:
        UserError: the first thing that is wrong.
    """
    mapping(node, KEYS)
    run = build(RunSettings, node.without(*PARTS), folder)
    written = [node.get(key) for key in PARTS]
    # What an overlay alone says of parts changes nothing that is there.
    if all(part is None or part.origin.overlay for part in written):
        node = node.without(*PARTS)
    written_defenses = entries(node.get("defenses"), "defenses")
    defenses = [read_defense(entry, folder, recommenders) for entry in written_defenses]
    if not defenses:
        defenses = [undefended(node.where())]
    threats, attacks = _attacked(node, folder, [defense.name for defense in defenses], recommenders)
    if overlaid:
        attacks = list({identity(attack): attack for attack in reversed(attacks)}.values())[::-1]
    for specs, what in ((defenses, "defense"), (threats, "threat"), (attacks, "attack")):
        refuse_twice(specs, what)
    stand_over(defenses)
    refuse_same_threats(threats)
    refuse_same_cells(attacks)
    catalog = read_catalog(node, folder) if any(node.get(key) is not None for key in PARTS) else None
    if catalog is None and "seeds" not in run.model_fields_set:
        run = run.model_copy(update={"seeds": ELLIOTS_SEED})
    return Adversarial(
        catalog=catalog,
        extractor=read_extractor(node.get("extractor") or Node({}, node.origin), folder),
        defenses=tuple(defenses),
        threats=tuple(threats),
        attacks=tuple(attacks),
        **{**dict(run), "device": run.device or _device(gpu)},
    )


def _attacked(
    node: Node, folder: Path, defenses: list[str], recommenders: list[str]
) -> tuple[list[ThreatSpec], list[AttackSpec]]:
    """Threats and attacks: some of both, or none of either."""
    if node.get("threats") is None and node.get("attacks") is None:
        return [], []
    threats = [read_threat(entry, folder, recommenders) for entry in _required(node, "threats")]
    names = [threat.name for threat in threats]
    return threats, [
        spec for entry in _required(node, "attacks") for spec in read_attacks(entry, folder, defenses, names)
    ]


def _device(gpu: int | None) -> str:
    if gpu is None:
        return "auto"
    return "cpu" if gpu < 0 else f"cuda:{gpu}"


def _required(node: Node, key: str) -> list[Node]:
    found = entries(node.get(key), key)
    if not found:
        raise UserError(
            f"'{key}' is missing", where=node.where(key), remedy=f"name at least one of the {key}"
        )
    return found
