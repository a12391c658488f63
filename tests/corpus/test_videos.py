"""Any folder of videos: names, what is refused, a whole way from plain files to a corpus that is dubbed at once."""

import shutil

import pytest

from paperlib import cli_tables, config, paths
from paperlib.corpus import still_camera, videos
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.prepared import PreparedCorpus
from paperlib.corpus.preparing import How
from paperlib.errors import InputError

SERIAL = How(backend="serial", progress=False)


@pytest.fixture(scope="module")
def clip():
    """A rendered talking face with its sound, as a file."""
    corpus = Corpus(config.load_profile("smoke").corpus)
    return corpus.ensure(corpus.clips("test")[0])


def test_every_layout_has_three_levels(tmp_path):
    for name in ("id1/abc/00001.mp4", "id1/abc/00002.MP4", "anna/one.mov", "plain.mp4", "notes.txt", "a/b/c/deep.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    names = [videos.clip_name(p, tmp_path) for p in videos.find_clips(tmp_path)]
    assert sorted(names) == ["anna/one/00000", "id1/abc/00001", "id1/abc/00002", "plain/plain/00000"]
    (tmp_path / "plain.mov").write_bytes(b"y")
    with pytest.raises(InputError, match="has the name of"):
        videos.find_clips(tmp_path)


def test_folders_without_videos_are_named(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        videos.prepare(tmp_path / "none", tmp_path / "out")
    with pytest.raises(InputError, match="no videos"):
        videos.prepare(tmp_path, tmp_path / "out")


def test_plain_files_become_a_corpus_of_test_speakers_once(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    folder = tmp_path / "mine"
    (folder / "anna").mkdir(parents=True)
    shutil.copy(clip, folder / "anna" / "one.mp4")
    shutil.copy(clip, folder / "copy.mp4")
    (folder / "broken.mp4").write_bytes(b"not a video")
    out = cli_tables.prepared(folder, SERIAL)
    corpus = PreparedCorpus(out, 64)
    assert [c.name for c in corpus.clips("test")] == ["anna/one/00000"] and not corpus.clips("train")
    assert corpus.card["rejected"] == {"duplicate": 1, "unusable": 1} and corpus.card["corpus"] == "videos"
    made = corpus.load(corpus.clips("test")[0])
    assert made.frames.shape[1:] == (64, 64, 3) and len(made.coeffs) == len(made.frames) and abs(made.wave).max() > 0.01
    again, own = [], still_camera.prepare_clip
    monkeypatch.setattr(still_camera, "prepare_clip", lambda out, size, unit, *rest: again.append(unit.name) or own(out, size, unit, *rest))
    assert cli_tables.prepared(folder, SERIAL) == out, "finished clips are not redone"
    assert "anna/one/00000" not in again
    assert cli_tables.prepared(out, SERIAL) == out, "a prepared folder is taken as it is"


def test_long_videos_are_cut(clip, tmp_path):
    (tmp_path / "mine").mkdir()
    shutil.copy(clip, tmp_path / "mine" / "one.mp4")
    videos.prepare(tmp_path / "mine", tmp_path / "out", videos.Settings(64, longest=9), backend="serial", progress=False)
    corpus = PreparedCorpus(tmp_path / "out")
    assert len(corpus.load(corpus.clips("test")[0])) == 9
