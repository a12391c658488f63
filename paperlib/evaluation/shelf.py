"""Where an evaluation finds the networks of a profile: among the shipped checkpoints, else among those trained here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from paperlib import paths
from paperlib.errors import InputError
from paperlib.training import checkpoints


@dataclass(frozen=True)
class Shelf:
    """Checkpoints `<kind>_<profile>` of one profile. folders: searched in this order (default: the shipped ones, then build's)."""

    profile: str
    folders: tuple[Path, ...] = ()

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders that are searched."""
        return self.folders or (paths.CHECKPOINTS, paths.build_dir(self.profile) / "checkpoints")

    def name(self, kind: str) -> str:
        """File name without suffix."""
        return f"{kind}_{self.profile}"

    def folder(self, kind: str) -> Path | None:
        """The first folder with this checkpoint; None when there is none."""
        return next((p for p in self.places if (p / f"{self.name(kind)}.json").exists()), None)

    def missing(self, *kinds: str) -> str:
        """Why there is no network of these kinds, "" when all are there."""
        names = [self.name(k) for k in kinds if self.folder(k) is None]
        return f"no checkpoint {', '.join(names)}: not trained" if names else ""

    def label(self, kind: str) -> str:
        """Name and the first eight digits of its hash: which network it is. InputError when it is not there."""
        card = checkpoints.read_card(self.name(kind), self._found(kind))
        return f"{self.name(kind)} {card['sha256'][:8]}"

    def load(self, kind: str) -> nn.Module:
        """The network in eval mode. InputError when it is not there."""
        return checkpoints.load(self.name(kind), self._found(kind))[0]

    def card(self, kind: str) -> dict:
        """Its card. InputError when it is not there."""
        return checkpoints.read_card(self.name(kind), self._found(kind))

    def or_classroom(self, kind: str) -> Shelf:
        """This shelf if it has the network, else the classroom's: an instrument must not be missing because a profile trains none."""
        return self if self.folder(kind) is not None else Shelf("classroom", self.folders)

    def _found(self, kind: str) -> Path:
        folder = self.folder(kind)
        if folder is None:
            places = " or ".join(str(p) for p in self.places)
            raise InputError(f"{self.name(kind)}.json: no such checkpoint in {places}; train it with `paperlib train` first")
        return folder
