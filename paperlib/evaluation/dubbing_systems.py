"""Every system of tables 1 and 2 behind one call, Task -> frames (T, 3, H, W) in [0, 1]: ours, five minis, the sanity rows, and the
official Wav2Lip for those who have its weights.

A system without a checkpoint is a row that says so; no network with random weights ever stands in for it.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from paperlib.artifacts import code_hash, file_hash
from paperlib.baselines.interface import Baseline, dub
from paperlib.baselines.references import steady_references
from paperlib.errors import InputError
from paperlib.evaluation.dubbing_controls import CONTROLS, IN_SELF, NEED_TRUTH
from paperlib.evaluation.dubbing_tasks import CROSS, SELF, SENTENCE, Task
from paperlib.evaluation.expression_inputs import length_index, shift_index
from paperlib.evaluation.renderer import Shipped
from paperlib.evaluation.shelf import Shelf
from paperlib.models import wav2lip_official
from paperlib.weights import available
from paperlib.weights import path as weight_path

OURS = "ours_mini"
OUR_NETS = ("expression", "teacher", "renderer")
CONTESTS = {  # the paper's five, as reduced here -> what they may see
    "wav2lip": "dubbing", "ip_lap": "dubbing", "diff2lip": "dubbing", "makeittalk": "animation", "sadtalker": "animation",
}  # fmt: skip
MINIS = tuple(f"{name}_mini" for name in CONTESTS)
OFFICIAL = "wav2lip_official"
BATCH = 8  # frames painted at once: larger batches leave a core's cache and take twice as long a frame
SHIFT = 5  # frames that the speech comes too early (m) or too late (p)

Paint = Callable[[Task], Tensor]


@dataclass(frozen=True)
class Entry:
    """A row of the tables before anything is loaded. kinds: the tasks it takes part in; key: what decides its frames; missing: why it
    has none ("" when it has)."""

    row: str
    contest: str
    beta: str
    kinds: tuple[str, ...]
    key: str
    missing: str = ""


def heard_windows(task: Task, row: str) -> tuple[np.ndarray, np.ndarray]:
    """(mfcc (T, 13, 28), mel (T, 80, 16)) that our system is given in a row: the right speech, silence, a third clip's, or shifted."""
    from paperlib.media import audio

    n = len(task.source)
    if row == OURS:
        return task.speech.mfcc, task.speech.mel
    if row == "silent_speech":
        quiet = np.zeros_like(task.speech.wave)
        return audio.mfcc_windows(quiet, n).astype(np.float32), audio.mel_windows(quiet, n).astype(np.float32)
    if row == "swapped_speech":
        at = length_index(n, len(task.third)).numpy()
        return task.third.mfcc[at], task.third.mel[at]
    at = shift_index(n, {"m": -1, "p": 1}[row[-2]] * int(row[-1])).numpy()  # shifted_m5, shifted_p5
    return task.speech.mfcc[at], task.speech.mel[at]


SPEECH = ("silent_speech", "swapped_speech", f"shifted_m{SHIFT}", f"shifted_p{SHIFT}")


def our_dub(nets: Shipped, task: Task, mfcc: np.ndarray, mel: np.ndarray) -> Tensor:
    """Stage 1 hears the windows, stage 2 paints what it says; the references are the ones that the baselines get first."""
    from paperlib.evaluation.renderer_bank import draw_i3d
    from paperlib.evaluation.renderer_run import paint
    from paperlib.face3d.coefficients import with_exp
    from paperlib.training.expression import predict
    from paperlib.training.teacher import semantic_images

    source = task.source
    with torch.no_grad():
        images = semantic_images(nets.teacher, nets.face, torch.from_numpy(mel).float())
        exp = predict(nets.expression, torch.from_numpy(mfcc).float(), images)
    i3d = draw_i3d(with_exp(torch.from_numpy(source.coeffs), exp), source.size)
    frames = torch.from_numpy(source.frames)
    refs = frames[task.given.ref_index[:, 0]]
    return paint(nets.renderer, i3d, refs, frames, source.masks[:, 0] > 0.5, BATCH)["full"]


def official_dub(net: wav2lip_official.OfficialWav2Lip, task: Task) -> Tensor:
    """The official network under the tables' rules: its face crop laid into the frame, of which Omega_c is used."""
    source = task.source
    refs = steady_references(task.given.ref_index).numpy()
    made = wav2lip_official.dub(net, source.frames, source.lmk_neutral, task.speech.wave, refs)
    painted = torch.from_numpy(made).movedim(-1, 1).float() / 255
    return task.given.frames * (1 - task.given.masks) + painted * task.given.masks


def taken(entry: Entry, kinds: set[str]) -> list[str]:
    """Of the kinds of task there are, those that a row takes part in. Twins share all but the mouth, so rows of the truth would be the
    same pictures in cross-dubs and in self-reconstruction: they are made in the first alone."""
    own = [k for k in entry.kinds if k in kinds]
    return [CROSS] if entry.row in NEED_TRUTH and CROSS in own else own


def entries(shelf: Shelf) -> list[Entry]:
    """Every row, systems first, in the order of the tables; the official Wav2Lip only where its weights are."""
    kinds, gone = (CROSS, SELF, SENTENCE), shelf.missing(*OUR_NETS)
    ours = "" if gone else ", ".join(shelf.label(k) for k in OUR_NETS)
    out = [Entry(OURS, "dubbing", "predicted", kinds, ours, gone)]
    for name, contest in CONTESTS.items():
        gone = shelf.missing(kind := f"{name}_mini")
        out.append(Entry(kind, contest, "predicted", kinds, "" if gone else f"{shelf.label(kind)} {_code(name)}", gone))
    if available("wav2lip"):
        out.append(Entry(OFFICIAL, "dubbing", "predicted", kinds, f"wav2lip.pth {file_hash(weight_path('wav2lip'))[:8]}"))
    out += [Entry(row, "", "predicted", (CROSS, SENTENCE), ours, out[0].missing) for row in SPEECH]
    for row in CONTROLS:
        own = kinds if row in IN_SELF else (CROSS, SELF) if row in NEED_TRUTH else (CROSS, SENTENCE)
        out.append(Entry(row, "", "none", own, "control"))
    return out


def _code(name: str) -> str:
    """Hash of a baseline's module: another way of painting makes other frames."""
    module = f"paperlib.baselines.{name}"
    return code_hash([importlib.import_module(module)]) if importlib.util.find_spec(module) else ""


def open_system(row: str, shelf: Shelf) -> Paint:
    """The row's system, loaded. InputError when its checkpoint is not there or is not what its name says."""
    if row in CONTROLS:
        return CONTROLS[row]
    if row == OURS or row in SPEECH:
        nets = _ours(shelf)
        return lambda task: our_dub(nets, task, *heard_windows(task, row))
    if row == OFFICIAL:
        net = wav2lip_official.load()
        return lambda task: official_dub(net, task)
    if row not in MINIS:
        raise InputError(f"unknown system {row!r}; choose from: {', '.join(e.row for e in entries(shelf))}")
    net, name = shelf.load(row), row.removesuffix("_mini")
    if not isinstance(net, Baseline) or (name, CONTESTS[name]) != (net.NAME, net.TRACK):
        said = f"{net.NAME}, {net.TRACK}" if isinstance(net, Baseline) else type(net).__name__
        raise InputError(f"{shelf.name(row)}: holds {said} and not {name}, {CONTESTS[name]}; train it again")
    return lambda task: dub(net, task.given)


def _ours(shelf: Shelf) -> Shipped:
    from paperlib.training.teacher import neutral_face

    face = neutral_face(shelf.card("teacher")["config"]["size"])
    return Shipped(**{kind: shelf.load(kind) for kind in OUR_NETS}, face=face)
