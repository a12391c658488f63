"""Notebook helpers: feedback on exercises, widgets with and without a reader, source display, pictures."""

import random

import numpy as np
import pytest
import torch

from paperlib import notebook
from paperlib.errors import InputError
from paperlib.results import Row


@pytest.fixture
def shown(monkeypatch):
    """Everything displayed, as objects."""
    import IPython.display

    objects = []
    monkeypatch.setattr(IPython.display, "display", lambda *a, **k: objects.extend(a))
    return objects


@pytest.mark.parametrize(
    ("value", "expected", "said"),
    [
        (None, 3.0, "not answered yet"),
        (..., 3.0, "not answered yet"),
        (3.0, 3.0, "correct"),
        (3, 3.0, "correct"),
        (torch.tensor(3.0), 3.0, "correct"),
        (2.5, 3.0, "not yet: too small"),
        (3.5, 3.0, "not yet: too large"),
        (-3.0, 3.0, "not yet: the size is right, the sign is not"),
        (float("nan"), 3.0, "not yet: it holds values that are not finite"),
        ("three", 3.0, "not yet: a number or an array is expected, not a str"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "not yet: shape (2,), but (3,) is expected"),
        ([1.0, 9.0], [1.0, 2.0], "not yet: too large in 1 of 2 places"),
        ([0.0, 9.0], [1.0, 2.0], "not yet: wrong in 2 of 2 places"),
        ("leak", "leak", "correct"),
        ("skill", "leak", "not yet: another answer is right"),
        (1, True, "not yet: another answer is right"),
        (False, False, "correct"),
    ],
)
def test_check_says_what_is_wrong(capsys, value, expected, said):
    notebook.check("ex", value, expected)
    assert capsys.readouterr().out == f"ex: {said}\n"


def test_check_hints_and_tolerance(capsys):
    notebook.check("ex", 2.0, 3.0, hint="count the centre")
    notebook.check("ex", None, 3.0, hint="count the centre")
    notebook.check("ex", 2.95, 3.0, tol=0.1)
    assert capsys.readouterr().out.splitlines() == ["ex: not yet: too small. Hint: count the centre", "ex: not answered yet", "ex: correct"]


def test_setup_seeds_and_rejects(capsys):
    profile = notebook.setup("smoke", 7)
    first = torch.rand(3), random.random()
    notebook.setup("smoke", 7)
    assert torch.equal(torch.rand(3), first[0])
    assert random.random() == first[1]
    assert profile.seed == 7 and "profile smoke, seed 7, frames 64 x 64" in capsys.readouterr().out
    with pytest.raises(InputError, match="unknown profile"):
        notebook.setup("smok", 0)


def test_explore_headless_calls_once_with_defaults(monkeypatch):
    monkeypatch.setenv("PAPERLIB_HEADLESS", "1")
    calls = []
    notebook.explore(lambda **k: calls.append(k), a=(0, 5, 3), b=(0.0, 1.0, 0.5), c=["x", "y"], d=True)
    assert calls == [{"a": 3, "b": 0.5, "c": "x", "d": True}]


def test_explore_in_lab_builds_a_widget_per_control(monkeypatch, shown):
    import ipywidgets

    monkeypatch.setenv("PAPERLIB_HEADLESS", "0")
    calls = []
    notebook.explore(lambda **k: calls.append(k), a=(0, 5, 3), b=(0.0, 1.0, 0.5), c=["x", "y"], d=True)
    assert calls == [{"a": 3, "b": 0.5, "c": "x", "d": True}]
    rows = shown[0].children[:-1]
    kinds = [type(row.children[1]) for row in rows]
    assert kinds == [ipywidgets.IntSlider, ipywidgets.FloatSlider, ipywidgets.Dropdown, ipywidgets.Checkbox]
    rows[0].children[1].value = 5  # moving a slider calls again
    assert calls[-1]["a"] == 5


@pytest.mark.parametrize("control", [(0, 5, 9), (0, 5), "x", []])
def test_explore_rejects_a_bad_control(control):
    with pytest.raises(ValueError, match="control a"):
        notebook.explore(print, a=control)


def test_show_source_with_and_without_docstring(shown):
    from paperlib.seeding import derived_seed

    notebook.show_source(derived_seed)
    notebook.show_source(derived_seed, doc=False)
    with_doc, without = (m.data for m in shown)
    assert "paperlib.seeding.derived_seed" in with_doc and '"""' in with_doc
    assert '"""' not in without and "sha256" in without
    compile(without.split("```python\n")[1].removesuffix("```"), "shown", "exec")


def test_label_and_results_table(shown):
    notebook.label("not_reproducible", "needs VoxCeleb")
    with pytest.raises(ValueError, match="not one of"):
        notebook.label("guessed", "x")
    row = Row("table3", "full", "aed", 0.5, data="embedded", low=0.4, high=0.6)
    notebook.results_table([row], title="AED")
    assert shown[0].data == "> **Not reproducible here.** needs VoxCeleb"
    assert "**Measured here**: AED" in shown[1].data and "0.500 [0.400, 0.600]" in shown[1].data
    with pytest.raises(ValueError, match="one kind of row"):
        notebook.results_table([row, Row("table3", "full", "lmd", 0.5, kind="published")])


def test_pictures_of_every_layout():
    import matplotlib.pyplot as plt

    for frames in (
        np.zeros((3, 8, 9, 3), np.uint8),
        torch.rand(3, 3, 8, 9),
        [np.zeros((8, 9)), torch.zeros(1, 8, 9)],
    ):
        notebook.show_strip(frames, titles=["a", "b", "c"], columns=2)
    assert notebook._picture(torch.rand(3, 8, 9)).shape == (8, 9, 3)
    assert notebook._picture(torch.rand(1, 8, 9)).shape == (8, 9)
    assert notebook._picture(torch.full((3, 8, 9), 1.5)).max() == 1
    plt.close("all")


def test_video_and_sound_print_one_line_headless_and_embed_otherwise(tmp_path, monkeypatch, capsys, shown):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"not really a video")
    monkeypatch.setenv("PAPERLIB_HEADLESS", "1")
    monkeypatch.delenv("PAPERLIB_EMBED_VIDEO", raising=False)
    notebook.show_video(clip, caption="dubbed")
    notebook.show_audio(np.zeros(8000), caption="speech")
    assert capsys.readouterr().out.splitlines() == ["video: clip.mp4 (dubbed)", "sound: 0.50 s (speech)"]
    monkeypatch.setenv("PAPERLIB_EMBED_VIDEO", "1")
    notebook.show_video(clip)
    notebook.show_audio(np.zeros(8000))
    assert "data:video/mp4;base64," in shown[0].data and len(shown) == 2
    clip.write_bytes(b"0" * 2_100_000)
    with pytest.raises(ValueError, match="too large to embed"):
        notebook.show_video(clip)


def test_show_figure_is_a_small_described_jpeg(shown):
    notebook.show_figure("identities", width=300)
    picture = shown[0]
    assert picture.data[:2] == b"\xff\xd8" and len(picture.data) < 30_000
    assert "women and men" in picture._repr_mimebundle_()[1]["image/jpeg"]["alt"]


def test_show_figure_names_what_is_missing():
    with pytest.raises(InputError, match="unheard_of.png"):
        notebook.show_figure("unheard_of")
