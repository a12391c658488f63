"""`paperlib train renderer`: on which device and in which precision. Only stage 2 is long enough to need more than this processor."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from paperlib.errors import InputError

if TYPE_CHECKING:
    from paperlib.config import Profile

OPTIONS = ("accelerator", "devices", "precision", "strategy")
NETWORK = "renderer"


def add_device_options(sub: argparse.ArgumentParser) -> None:
    """Declare them on `train`; left out, the profile's settings hold."""
    group = sub.add_argument_group(f"where it trains ({NETWORK} only)")
    group.add_argument("--accelerator", help="auto (the default: CUDA where there is one), cpu, cuda, ...")
    group.add_argument("--devices", type=int, metavar="N", help="processes, one a device; each takes the profile's batch")
    group.add_argument("--precision", help="32-true (default) or bf16-mixed")
    group.add_argument("--strategy", help="auto (default) or one of Lightning Fabric's, such as ddp")


def with_device(args: argparse.Namespace, profile: Profile) -> Profile:
    """The profile with the options given. InputError where the network trains on the processor alone, or for less than one device."""
    given = {name: getattr(args, name) for name in OPTIONS if getattr(args, name) is not None}
    if given and args.name != NETWORK:
        raise InputError(f"{args.name}: does not take {', '.join(f'--{name}' for name in given)}; only the {NETWORK} does")
    if given.get("devices", 1) < 1:
        raise InputError(f"--devices {given['devices']}: at least one is needed")
    return dataclasses.replace(profile, device=dataclasses.replace(profile.device, **given))
