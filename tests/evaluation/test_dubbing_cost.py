"""Cost of a dub: counted frames, a fresh process, rows with reasons."""

import json
import subprocess

import pytest
from made_dubs import FRAMES

from paperlib.evaluation import dubbing_cost
from paperlib.evaluation.dubbing_cost import Cost
from paperlib.evaluation.dubbing_tasks import CROSS, Plan
from paperlib.paper import row_id
from paperlib.results import select


def test_every_frame_of_every_task_is_counted_once(shelf, minis, cross):
    found = dubbing_cost.cost("wav2lip_mini", shelf, [cross, cross])
    assert found.frames == 2 * FRAMES and found.seconds > 0 and found.cpu_seconds > 0 and found.peak >= 0


def test_rows_are_rates_and_reasons():
    rows = dubbing_cost.rows_of({"ours_mini": Cost(100, 4.0, 2.0, 50.5)}, {"sadtalker_mini": "no checkpoint x: not trained"}, "d")
    for r in rows:
        row_id(r.table, r.row)
    values = {r.metric: (r.value, r.unit) for r in select(rows, row="ours_mini")}
    assert values == {"fps": (25.0, "frames / s"), "cpu_ms": (20.0, "ms / frame"), "peak_mib": (50.5, "MiB")}
    (gone,) = select(rows, row="sadtalker_mini")
    assert gone.value is None and gone.contest == "animation" and gone.protocol == "no checkpoint x: not trained"


def test_a_fresh_process_that_fails_says_why(store, monkeypatch):
    asked = []

    def run(command, **kwargs):
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "out of luck")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RuntimeError, match="ours_mini: out of luck"):
        dubbing_cost.fresh("ours_mini", "smoke", store.folder, [Plan(CROSS, "a", "b", "c")])
    assert asked[0][1:3] == ["-m", "paperlib.evaluation.dubbing_cost"] and '"source": "a"' in asked[0][3]


def test_the_fresh_process_prints_what_it_measured(store, cross, capsys):
    plan = {"kind": CROSS, "source": cross.source.name, "speech": cross.speech.name, "third": cross.third.name}
    asked = json.dumps(["frozen_mouth", "smoke", str(store.folder), [plan]])
    dubbing_cost.main(asked)
    assert Cost(**json.loads(capsys.readouterr().out)).frames == FRAMES
