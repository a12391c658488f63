"""`paperlib train renderer --accelerator --devices --precision --strategy`: what reaches the training, and what is refused."""

import pytest

from paperlib.cli import main
from paperlib.config import DeviceConfig
from paperlib.training import run


@pytest.fixture
def asked(monkeypatch):
    seen = {}
    monkeypatch.setattr(run, "train", lambda name, profile, **more: seen.update(name=name, device=profile.device))
    return seen


def test_the_options_reach_the_training(asked):
    options = ["--accelerator", "cpu", "--devices", "2", "--precision", "bf16-mixed", "--strategy", "ddp"]
    assert main(["train", "renderer", "--profile", "smoke", *options]) == 0
    device = asked["device"]
    assert (device.accelerator, device.devices, device.precision, device.strategy) == ("cpu", 2, "bf16-mixed", "ddp")


def test_left_out_the_profile_holds(asked):
    assert main(["train", "flow", "--profile", "smoke"]) == 0
    assert asked["name"] == "flow" and asked["device"] == DeviceConfig()


@pytest.mark.parametrize("words", ["expression --devices 2", "renderer --devices 0", "study-expression --precision bf16-mixed"])
def test_one_line_and_exit_code_2(asked, capsys, words):
    assert main(["train", *words.split(), "--profile", "smoke"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not asked


def test_a_precision_that_is_not_supported_is_named():
    from paperlib.errors import InputError
    from paperlib.training import device

    with pytest.raises(InputError, match="precision"):
        device.launch(DeviceConfig(accelerator="cpu", precision="16-mixed"))
