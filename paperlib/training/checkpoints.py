"""Shipped networks: half-precision safetensors with a card that says how each was made."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import torch
from torch import nn

from paperlib import config, paths
from paperlib.artifacts import atomic_write, file_hash
from paperlib.baselines import systems
from paperlib.errors import InputError
from paperlib.results import git_commit
from paperlib.training.loop import History

# What these say or are fed are coefficients of one face, or pictures drawn from them: with another face they would mean another thing.
FACE_BOUND = ("teacher", "expression", "renderer", "regressor", *systems.FACE_BOUND)
FIRST_FACE = "fb57e8d6d6518bced0432f9b420103110275dc0b55fc99a429a55b1fabd7b5ec"  # the only face there was when cards did not name theirs


def build(kind: str, profile: config.Profile, **switches: bool) -> nn.Module:
    """An untrained network of `kind` at the profile's widths: sync, teacher, expression, flow, regressor, renderer, critic, judge; or
    one of `baselines.systems.NAMES`, for the profile's frames.

    switches: what a row of an ablation table turns off, arguments of the network's class.
    """
    from paperlib.models import corrflow, critic, expression, judge, regressor, renderer, semantic_teacher, syncnet

    makers = {
        "sync": lambda: syncnet.SyncNet(profile.sync),
        "teacher": lambda: semantic_teacher.SemanticTeacher(profile.teacher),
        "expression": lambda: expression.ExpressionNet(profile.expression, profile.teacher.size, **switches),
        "flow": lambda: corrflow.FlowNet(profile.flow.width),
        "regressor": lambda: regressor.FaceRegressor(profile.regressor),
        "renderer": lambda: renderer.Renderer(profile.renderer, **switches),
        "critic": lambda: critic.Critic(profile.renderer.critic_base),
        "judge": lambda: judge.Judge(profile.judge),
        **{name: functools.partial(systems.make, name, profile.size) for name in systems.NAMES},
    }
    if kind not in makers:
        raise InputError(f"unknown network {kind!r}; choose one of: {', '.join(makers)}")
    if switches and kind not in ("expression", "renderer"):
        raise ValueError(f"build: {kind} has no switches")
    return makers[kind]()


def section(kind: str, profile: config.Profile) -> dict:
    """The part of the profile that decides a network's shape, as plain data."""
    return config.to_dict(getattr(profile, "renderer" if kind == "critic" else kind))


def save(name: str, kind: str, module: nn.Module, profile: config.Profile, history: History, folder: Path | None = None, **card) -> Path:
    """Write `<folder>/<name>.safetensors` (half precision) and its card `<name>.json`. card: command, corpus, data, note, ...

    The card names the face model in use by its hash.
    """
    from safetensors.torch import save as serialise

    from paperlib.face3d.model_choice import chosen_file

    folder = folder or paths.CHECKPOINTS
    learned = dict(module.named_parameters())  # buffers, such as a mean picture, are few and keep their digits
    tensors = {k: (v.half() if k in learned else v).contiguous() for k, v in module.state_dict().items()}
    path = folder / f"{name}.safetensors"
    atomic_write(path, serialise(tensors))
    curve = thin(history.rows)
    info = {
        "name": name, "kind": kind, "profile": profile.name, "seed": profile.seed, "commit": git_commit(), "sha256": file_hash(path),
        "face_model": file_hash(chosen_file()),
        "parameters": sum(p.numel() for p in module.parameters()), "seconds": round(history.seconds, 1),
        "best_step": history.best_step, "best_value": history.best_value if history.best_step else None,
        **card, "config": systems.describe(module) if kind in systems.NAMES else section(kind, profile),
        "curve": [{k: round(v, 6) for k, v in r.items()} for r in curve],
    }  # fmt: skip
    atomic_write(path.with_suffix(".json"), (json.dumps(info, indent=1) + "\n").encode())
    return path


def thin(rows: list[dict[str, float]], most: int = 120) -> list[dict[str, float]]:
    """About 100 of the log's rows, evenly spaced, when there are more than `most`; rows with a validation and the last are always kept.

    >>> log = [{"step": i, "val": 0.5} if i % 50 == 49 else {"step": i} for i in range(300)]
    >>> [r["step"] for r in thin(log) if "val" in r]
    [49, 99, 149, 199, 249, 299]
    """
    every = 1 if len(rows) <= most else len(rows) // 100 + 1
    return [r for i, r in enumerate(rows) if i % every == 0 or "val" in r or i == len(rows) - 1]


def read_card(name: str, folder: Path | None = None) -> dict:
    """The card of a shipped checkpoint."""
    path = (folder or paths.CHECKPOINTS) / f"{name}.json"
    if not path.exists():
        raise InputError(f"{path}: no such checkpoint card; train it with `paperlib train`")
    return json.loads(path.read_text())


def load(name: str, folder: Path | None = None) -> tuple[nn.Module, dict]:
    """(network in eval mode, card). The file must match the card's SHA-256 and the network its card describes; the networks of
    FACE_BOUND load only beside the face model they were trained on. InputError otherwise."""
    from safetensors.torch import load_file

    card = read_card(name, folder)
    path = (folder or paths.CHECKPOINTS) / f"{name}.safetensors"
    if not path.exists() or file_hash(path) != card["sha256"]:
        raise InputError(f"{path}: missing, or not the file its card describes; restore both from the repository or train again")
    check_face(card, path)
    module = untrained(card)
    module.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()})
    return module.eval(), card


def untrained(card: dict) -> nn.Module:
    """The network that a card describes, with fresh weights; settings that the card is too old to know have their defaults."""
    kind = card["kind"]
    if kind in systems.NAMES:
        return systems.from_description(kind, card["config"])
    profile = config.load_profile(card["profile"])
    key = "renderer" if kind == "critic" else kind
    stored = config.from_dict(type(getattr(profile, key)), card["config"])
    return build(kind, config.dataclasses.replace(profile, **{key: stored}), **card.get("switches", {}))


def check_face(card: dict, path: Path) -> None:
    """InputError when the network of `card` is bound to another face model than the one in use.

    A card without the field is older than the field: its network was trained on FIRST_FACE.
    """
    from paperlib.face3d.model_choice import VARIABLE, chosen_file

    said, here = card.get("face_model", FIRST_FACE), chosen_file()
    if card["kind"] in FACE_BOUND and (now := file_hash(here)) != said:
        raise InputError(
            f"{path}: was trained on face model {said[:12]}, and the one in use, {here.name}, is {now[:12]}; "
            f"train it again with `{card.get('command', 'paperlib train ' + card['kind'])}`, or set or unset {VARIABLE}"
        )


def set_threads() -> int:
    """Use every core this process may run on, or as many threads as OMP_NUM_THREADS says; returns the number.

    Two trainings at once should each be given theirs: threads that wait for a core taken by another process slow both many times over.
    """
    import os

    said = os.environ.get("OMP_NUM_THREADS", "")
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    n = int(said) if said.isdigit() and int(said) else n
    torch.set_num_threads(n)
    return n


def load_stages(suffix: str = "classroom", folder: Path | None = None):
    """Everything a dub needs, trained under profile `suffix`, as `paperlib.dubbing.DubStages`."""
    from paperlib.dubbing import DubStages
    from paperlib.face3d.morphable_model import default_model
    from paperlib.training.teacher import neutral_face

    kinds = ("expression", "teacher", "renderer")
    nets, cards = zip(*(load(f"{kind}_{suffix}", folder) for kind in kinds), strict=True)
    labels = {kind: f"{card['name']} {card['sha256'][:8]}" for kind, card in zip(kinds, cards, strict=True)}
    return DubStages(default_model(), *nets, neutral_face(cards[1]["config"]["size"]), labels=labels)
