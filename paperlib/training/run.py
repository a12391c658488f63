"""`paperlib train NAME`: one command per network, from corpus to checkpoint with its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from paperlib import config, paths
from paperlib.corpus.dataset import Corpus
from paperlib.errors import InputError
from paperlib.seeding import seed_everything
from paperlib.training import checkpoints

ORDER = ("sync", "teacher", "expression", "flow", "renderer", "regressor", "judge")  # each may need those before it; the last two none
OWN_PICTURES = ("regressor", "judge")  # learn from corpora of their own


def train(
    name: str, profile: config.Profile, resume: bool = True, folder: Path | None = None, validate_every: int = 200, data: Path | None = None
) -> Path:
    """Train network `name` under `profile` and write `<folder>/<name>_<profile>.safetensors` with its card.

    folder: default build/<profile>/checkpoints; the shipped ones are copied from there to data/checkpoints by hand.
    data: a folder made by `paperlib prepare grid | voxceleb | lrw`, instead of the embedded corpus; its networks are stored apart.

    State is kept in build/<profile>/training/<name>, so a stopped run goes on where it was.
    """
    if name not in ORDER:
        raise InputError(f"unknown network {name!r}; choose one of: {', '.join(ORDER)}")
    seed_everything(profile.seed)
    checkpoints.set_threads()
    if data and name in OWN_PICTURES:
        raise InputError(f"--data: the {name} learns from rendered faces alone, whose coefficients are known; leave it out")
    corpus = _corpus(profile, data)
    if data or name not in ("expression", *OWN_PICTURES):
        corpus.prepare(("train", "val"))
    net = checkpoints.build(name, profile)
    build = paths.build_dir(profile.name) / corpus.key.replace(" ", "_") if data else paths.build_dir(profile.name)
    folder = folder or build / "checkpoints"
    work = build / "training" / name
    loop = {"folder": work, "resume": resume, "progress": name, "validate_every": validate_every}
    extra: dict = {"folder": folder}
    history = _TRAINERS[name](net, profile, corpus, loop, extra)
    del extra["folder"]
    if not extra.pop("writes", True):  # another process of the same training stores it
        return folder / f"{name}_{profile.name}.safetensors"
    settings = corpus.card["settings"] if data else config.to_dict(profile.corpus)
    about = {"corpus": {"key": corpus.key, "settings": settings}, "motion": corpus.motion if data else profile.corpus.motion}
    about = {k: extra.pop(k, v) for k, v in about.items()}  # a network with a corpus of its own says which
    return checkpoints.save(
        f"{name}_{profile.name}", name, net, profile, history, folder,
        command=f"paperlib train {name} --profile {profile.name} --seed {profile.seed}" + (" --data DIR" if data else ""),
        **about, **extra,
    )  # fmt: skip


def _corpus(profile: config.Profile, data: Path | None):
    """The embedded corpus, or the prepared folder `data` at the profile's size."""
    if data is None:
        return Corpus(profile.corpus)
    from paperlib.corpus.prepared import PreparedCorpus

    return PreparedCorpus(data, profile.size)


def _with_people(corpus, speakers: int):
    """The embedded corpus with at least so many people to train on: heard alone, they need no pictures. A prepared folder as it is."""
    if not isinstance(corpus, Corpus):
        return corpus
    return Corpus(replace(corpus.cfg, train_speakers=max(speakers, corpus.cfg.train_speakers)))


def _dependency(name: str, profile: config.Profile, folder: Path):
    """The network trained before this one: from the same folder, else the shipped one."""
    file = f"{name}_{profile.name}"
    return checkpoints.load(file, folder if (folder / f"{file}.json").exists() else None)[0]


def _sync(net, profile, corpus, loop, extra):
    from paperlib.corpus.banks import face_bank
    from paperlib.training import sync

    seen, heard = sync.seen_bank(corpus, profile), sync.heard_bank(corpus, profile.sync)
    val = face_bank(corpus, "val", profile.sync.size)
    history, truth = sync.train_sync(net, seen, heard, val, profile.sync, profile.seed, **loop)
    known = [sync.heard_item(corpus, c) for c in corpus.clips("val")]
    extra |= sync.card([sync.cosines(net, item) for item in val], truth, net.embed_mel, known)
    voices = "all but the judge's" if isinstance(corpus, Corpus) else "all"
    extra["trained_on"] = {"clips_seen": len(seen), "clips_heard": len(heard), "voices": voices}
    return history


def _judge(net, profile, corpus, loop, extra):
    from paperlib.training import judge, sync

    cfg = profile.judge
    own = judge.judge_corpus(profile.corpus, cfg)
    seen, heard, val = judge.seen_bank(own, cfg), judge.heard_bank(own, cfg), judge.validation(own, cfg)
    history, truth = judge.train_judge(net, seen, heard, val, cfg, profile.seed, **loop)
    extra |= sync.card([judge.cosines(net, item) for item in val], truth, net.embed_sound, judge.validation_heard(own, cfg))
    extra["trained_on"] = {"clips_seen": len(seen), "clips_heard": len(heard), "voices": list(judge.JUDGE_VOICES)}
    extra["corpus"], extra["motion"] = {"key": own.key, "settings": config.to_dict(own.cfg)}, judge.MOTION
    return history


def _teacher(net, profile, corpus, loop, extra):
    from paperlib.corpus.banks import FaceItem, face_bank
    from paperlib.training import speech_store
    from paperlib.training.teacher import train_teacher

    size, wide = profile.teacher.size, _with_people(corpus, profile.teacher.speakers)

    def actor(split: str) -> list[FaceItem]:
        heard = speech_store.features(wide, wide.clips(split))
        shown = speech_store.pictures(heard, f"{speech_store.TRUE} {size}", speech_store.true_frames(size))
        return [FaceItem(i.id, v.movedim(1, -1), i.mel) for i, v in zip(heard.items, shown, strict=True)]

    own, val = actor("train"), actor("val")
    extra["speech"] = {"clips": len(own), "speakers": len({i.id.speaker for i in own})}
    banks = [own, face_bank(corpus, "train", size)]
    return train_teacher(net, _dependency("sync", profile, extra["folder"]), banks, val, profile.teacher, profile.seed, **loop)


def _expression(net, profile, corpus, loop, extra):
    from paperlib.face3d.morphable_model import default_model
    from paperlib.training import speech_store
    from paperlib.training.expression import Sequence, train_expression
    from paperlib.training.teacher import neutral_face

    corpus = _with_people(corpus, profile.expression.speakers)
    teacher, face = _dependency("teacher", profile, extra["folder"]), neutral_face(profile.teacher.size)
    kind = f"teacher {speech_store.fingerprint(teacher)}"

    def drawn(store: speech_store.Store, changed: bool) -> list:
        make = speech_store.drawn_by(teacher, face, changed)
        return speech_store.pictures(store, kind + " in other voices" * changed, make)

    heard = {split: speech_store.features(corpus, corpus.clips(split)) for split in ("train", "val")}
    extra["speech"] = {split: {"clips": len(s.items), "speakers": len({i.id.speaker for i in s.items})} for split, s in heard.items()}
    data, val = (
        [Sequence(i.mfcc, v, i.coeffs) for i, v in zip(s.items, drawn(s, split == "train"), strict=True)] for split, s in heard.items()
    )
    return train_expression(net, default_model(), data, val, profile.expression, profile.seed, **loop)


def _flow(net, profile, corpus, loop, extra):
    from paperlib.corpus.banks import render_bank
    from paperlib.training.flow import train_flow

    return train_flow(net, render_bank(corpus, "train"), render_bank(corpus, "val"), profile.flow, profile.seed, **loop)


def _renderer(net, profile, corpus, loop, extra):
    from paperlib.corpus.banks import render_bank
    from paperlib.losses.perceptual import VGGFeatures
    from paperlib.training import device
    from paperlib.training.stages import Judges, train_renderer

    fabric = device.launch(profile.device)
    extra |= {"device": device.describe(fabric, profile.device), "writes": fabric.is_global_zero}
    flow = _dependency("flow", profile, extra["folder"]).requires_grad_(False)
    judges = Judges(VGGFeatures(profile.renderer.vgg_layers), flow)
    critic = checkpoints.build("critic", profile)
    extra["perceptual"] = f"VGG-16 {', '.join(profile.renderer.vgg_layers)}"
    bank, val = (render_bank(corpus, split) for split in ("train", "val"))
    return train_renderer(net, critic, judges, bank, val, profile.renderer, profile.seed, fabric=fabric, **loop)


def _regressor(net, profile, corpus, loop, extra):
    from paperlib.face3d.morphable_model import default_model
    from paperlib.training import landmark_trust, regressor

    many, large = regressor.corpora(profile.corpus, profile.regressor)
    many.prepare(("train", "val"))
    large.prepare(("train", "val"))
    bank, val = (regressor.pictures(many, split) for split in ("train", "val"))
    history = regressor.train_regressor(net, default_model(), bank, val, profile.regressor, profile.seed, **loop)
    error = regressor.measure_errors(net, val)
    train, choose = landmark_trust.seen(large, "train", every=2), landmark_trust.seen(large, "val")
    extra["landmark_trust"] = landmark_trust.measure(net, default_model(), train, choose)
    extra["pictures"] = {"key": many.key, "train": len(bank.frames), "val": len(val.frames), "detector": large.key}
    extra["error_sd"] = {name: round(float(error[s].square().mean().sqrt()), 4) for name, (s, _, _) in regressor.TERMS.items()}
    return history


_TRAINERS = {
    "sync": _sync, "teacher": _teacher, "expression": _expression, "flow": _flow, "renderer": _renderer, "regressor": _regressor,
    "judge": _judge,
}  # fmt: skip
