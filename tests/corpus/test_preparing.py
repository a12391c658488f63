"""The shared runner: resumable, the same bytes after a kill, nothing redone, duplicates found."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from paperlib.artifacts import atomic_write
from paperlib.corpus import preparing
from paperlib.corpus.preparing import How, Outcome, Unit, rejection
from paperlib.errors import InputError

SERIAL = How(backend="serial", progress=False)


@dataclass(frozen=True)
class Toy:
    size: int = 8


def row(unit: Unit) -> dict:
    same = {"split": "train", "speaker": unit.name.split("/")[0], "source": unit.source.name, "sha256": unit.sha256, "start": 0, "end": 50}
    return {
        "clip": unit.name, **same, "fps": 25, "box": "0-0-8-8", "width": 8, "height": 8, "frames": 50, "missed": 0, "covered": 0,
        "reprojection_percent": "1.00", "landmarks": "dlib",
    }  # fmt: skip


class Work:
    """Copies the file's bytes into the clip's .npz; remembers what it was asked for."""

    def __init__(self, out):
        self.out, self.done = out, []

    def __call__(self, unit):
        self.done.append(unit.name)
        if unit.source.read_bytes() == b"bad":
            raise InputError(f"{unit.source}: cannot be read; copy it again")
        atomic_write(self.out / f"{unit.name}.npz", unit.source.read_bytes() * 100)
        return Outcome([row(unit)], [])


def units(folder: Path) -> list[Unit]:
    return [Unit(f"s{p.stem}/a/0", p, d) for p, d in preparing.hashes(sorted(folder.glob("*.bin")), SERIAL).items()]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    for i in range(6):
        (made / f"{i}.bin").write_bytes(f"file {i}".encode() * 50)
    return made


def go(folder, out, settings=None):
    work = Work(out)
    card = preparing.run(work, units(folder), out, settings or Toy(), SERIAL, {"corpus": "toy"})
    return card, work.done


def test_nothing_is_done_twice_and_a_changed_file_is_done_again(folder, tmp_path):
    out = tmp_path / "out"
    card, done = go(folder, out)
    assert len(done) == 6 and card["clips"] == 6 and card["minutes"] == 0.2
    assert go(folder, out)[1] == []
    (folder / "3.bin").write_bytes(b"new")
    assert go(folder, out)[1] == ["s3/a/0"]
    (out / "s4/a/0.npz").unlink()
    assert go(folder, out)[1] == ["s4/a/0"]


def test_a_bad_file_is_listed_without_its_path(folder, tmp_path):
    (folder / "2.bin").write_bytes(b"bad")
    card, _ = go(folder, tmp_path / "out")
    assert card["rejected"] == {"unusable": 1} and card["clips"] == 5
    text = (tmp_path / "out" / "rejected.csv").read_text()
    assert "2.bin: cannot be read" in text and str(tmp_path) not in text


def test_other_settings_and_foreign_folders_are_refused(folder, tmp_path):
    go(folder, tmp_path / "out")
    with pytest.raises(InputError, match="other settings"):
        go(folder, tmp_path / "out", Toy(size=9))
    with pytest.raises(InputError, match="holds no prepared corpus"):
        go(folder, folder)
    with pytest.raises(InputError, match="is a file"):
        go(folder, folder / "1.bin")


def test_no_accepted_clip_is_an_error_that_counts_reasons(folder, tmp_path):
    for path in folder.glob("*.bin"):
        path.write_bytes(b"bad")
    with pytest.raises(InputError, match="no clip was accepted .6 unusable."):
        go(folder, tmp_path / "out")
    assert (tmp_path / "out" / "rejected.csv").exists()


def test_byte_equal_files_are_found_and_the_first_is_kept(folder):
    (folder / "9.bin").write_bytes((folder / "1.bin").read_bytes())
    digests = preparing.hashes(sorted(folder.glob("*.bin")), SERIAL)
    assert preparing.duplicates(digests) == {folder / "9.bin": folder / "1.bin"}


@pytest.mark.parametrize(
    ("how", "said"),
    [(How(backend="threads"), "choose loky"), (How(scheduler="h:1"), "needs --backend dask"), (How(workers=0), "1 or more")],
)
def test_impossible_ways_to_run_are_refused(how, said):
    with pytest.raises(InputError, match=said):
        how.check()


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_killed_at_any_moment_and_resumed_gives_the_same_bytes(folder, tmp_path):
    """SIGKILL while units run, then again until it is through; what is left half-written is cleared away."""
    script = tmp_path / "killed.py"
    script.write_text(
        textwrap.dedent("""
        import contextlib, sys, time
        from pathlib import Path
        sys.path.insert(0, sys.argv[3])
        import test_preparing as t
        class Slow(t.Work):
            def __call__(self, unit):
                part = self.out / f".{unit.name.replace('/', '_')}.1.part"
                part.write_bytes(b"half")
                print("unit", flush=True)
                time.sleep(0.15)
                return super().__call__(unit)
        t.preparing.one_thread = contextlib.nullcontext  # nothing here computes, and torch takes seconds to load
        folder, out = Path(sys.argv[1]), Path(sys.argv[2])
        t.preparing.run(Slow(out), t.units(folder), out, t.Toy(), t.SERIAL, {"corpus": "toy"})
        """)
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    go(folder, whole)
    command = [sys.executable, str(script), str(folder), str(cut), str(Path(__file__).parent)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True)
    for _ in range(3):
        assert process.stdout.readline() == "unit\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(cut.rglob("*.npz"))) in (2, 3) and not (cut / "clips.csv").exists() and list(cut.rglob("*.part"))
    _, done = go(folder, cut)
    assert 3 <= len(done) <= 4
    assert tree(cut) == tree(whole)


def test_rejections_have_one_line():
    assert rejection("a", "b", "c", "two\n  lines")["detail"] == "two lines"
