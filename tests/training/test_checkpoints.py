"""Shipped checkpoints: their tensors are those of the network that their card describes, under the same names."""

import pytest

from paperlib import paths
from paperlib.training import checkpoints

SHIPPED = sorted(p.stem for p in paths.CHECKPOINTS.glob("*_classroom.safetensors"))


@pytest.mark.parametrize("name", SHIPPED)
def test_tensors_have_the_names_and_shapes_of_the_network(name):
    from safetensors import safe_open

    card = checkpoints.read_card(name)
    module = checkpoints.untrained(card)
    with safe_open(paths.CHECKPOINTS / f"{name}.safetensors", "pt") as file:
        found = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
    assert found == {key: tuple(value.shape) for key, value in module.state_dict().items()}


def test_the_networks_of_a_dub_are_shipped():
    assert {"expression_classroom", "renderer_classroom", "teacher_classroom"} <= set(SHIPPED)
