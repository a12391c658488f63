"""A small VoxCeleb download made of embedded clips, prepared once for the tests that read it."""

import dataclasses

import pytest

from paperlib.config import CorpusConfig
from paperlib.corpus import export, voxceleb
from paperlib.corpus.dataset import Corpus

PEOPLE = {"train": "id00012", "test": "id10270"}
RULES = voxceleb.Settings(size=96, min_frames=8, min_size=50)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """One short training clip and one test clip of the embedded corpus, 128 px, with their truth."""
    cfg = CorpusConfig(size=128, train_speakers=1, val_speakers=0, test_speakers=1, clips_per_speaker=1, test_scenes=1, seconds=0.48)
    corpus = Corpus(cfg, tmp_path_factory.mktemp("embedded"))
    return {split: corpus.load(corpus.clips(split)[0]) for split in PEOPLE}


@pytest.fixture(scope="session")
def vox_folder(rendered, tmp_path_factory):
    """txt/ and videos/: two utterances that pass, one without a video, one whose video is a copy, one that is too short."""
    folder = tmp_path_factory.mktemp("vox")
    named = [(f"{PEOPLE[s]}/video_{s}/00001", clip) for s, clip in rendered.items()]
    export.export_voxceleb(named[:1], folder, first=3)
    export.export_voxceleb(named[1:], folder, fractions=True)
    good = folder / "txt" / f"{named[0][0]}.txt"
    lines = good.read_text().splitlines(keepends=True)
    for name, text in (
        ("id00012/gone/00001", lines),
        ("id00013/zcopy/00001", lines),
        ("id00012/video_train/00002", lines[:13]),
    ):
        path = folder / "txt" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(text))
    (folder / "videos" / "zcopy.mp4").write_bytes((folder / "videos" / "video_train.mp4").read_bytes())
    return folder


@pytest.fixture(scope="session")
def vox_prepared(vox_folder, tmp_path_factory):
    """The same, prepared in one process."""
    out = tmp_path_factory.mktemp("prepared") / "vox"
    card = voxceleb.prepare(vox_folder, out, dataclasses.replace(RULES), backend="serial", progress=False)
    return out, card
