"""`paperlib prepare CORPUS`: the embedded corpus and those that the user brings; one entry of CORPORA for each.

To add one: a function that declares options, a function that runs, one line in CORPORA. Only the standard library is imported here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

BACKENDS = ("loky", "dask", "serial")


def add_corpora(sub: argparse.ArgumentParser) -> argparse._SubParsersAction:
    """Give `prepare` its sub-commands; returns them."""
    corpora = sub.add_subparsers(dest="corpus", metavar="CORPUS", required=True, parser_class=type(sub))
    for name, (text, options, run) in CORPORA.items():
        parser = corpora.add_parser(name, help=text, description=text)
        options(parser)
        parser.set_defaults(run=run)
    return corpora


def _synthetic_options(parser: argparse.ArgumentParser) -> None:
    from paperlib.config import MOTIONS

    parser.add_argument("--profile", default="classroom", help="smoke, classroom (default) or paper: what the other options do not say")
    parser.add_argument("--speakers", type=int, help="people in all, shared 7 : 1 : 2 among train, validation and test")
    parser.add_argument("--minutes", type=float, help="about how many minutes of video in all; every speaker gets as many clips")
    parser.add_argument("--size", type=int, metavar="PX", help="side of the square frames in pixels")
    parser.add_argument("--motion", choices=MOTIONS, help="what moves the mouths")
    parser.add_argument("--seed", type=int, default=0, help="the one seed of everything random (default 0)")
    parser.add_argument("--workers", type=int, metavar="K", help="processes (default: all cores, at most 8); the files do not depend on it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the corpus goes (default: a folder of data/cache/corpus)")


def _synthetic(args: argparse.Namespace) -> int:
    from paperlib.corpus import bulk

    names = ("profile", "speakers", "minutes", "size", "motion", "seed", "workers", "out")
    print(*bulk.from_options(**{name: getattr(args, name) for name in names}), sep="\n")
    return 0


def _folders(parser: argparse.ArgumentParser, folder: str, size: int, out: Path | None = None) -> None:
    parser.add_argument("--folder", required=True, type=Path, metavar="DIR", help=folder)
    where = "where the prepared corpus goes; run again to go on" + (f" (default: data/cache/{out.name})" if out else "")
    parser.add_argument("--out", required=out is None, default=out, type=Path, metavar="DIR", help=where)
    parser.add_argument("--size", type=int, default=size, metavar="PX", help=f"side of the clips in pixels (default {size})")
    parser.add_argument("--workers", type=int, metavar="K", help="processes (default: one for each core, at most 8)")
    parser.add_argument("--backend", choices=BACKENDS, default="loky", help="on this machine (loky), on Dask, or in one process")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="a running Dask scheduler that sees the same folders (default: a local cluster)"
    )


def _grid_options(parser: argparse.ArgumentParser) -> None:
    from paperlib.paths import CACHE

    _folders(parser, "GRID as unpacked: <speaker>/*.mpg, with .align files beside them or under align/", 192, CACHE / "grid")
    parser.add_argument("--test", metavar="S1,S2", help="test speakers (default s1,s2,s20,s22: LipNet's unseen speakers)")
    parser.add_argument("--val", metavar="S3", help="validation speakers (default s5,s11)")


def _grid(args: argparse.Namespace) -> int:
    from paperlib.corpus import grid

    chosen = {name: tuple(value.split(",")) for name in ("test", "val") if (value := getattr(args, name)) is not None}
    return _report(grid.prepare(args.folder, args.out, grid.Settings(size=args.size, **chosen), **_how(args)))


def _voxceleb_options(parser: argparse.ArgumentParser) -> None:
    _folders(parser, "holds txt/<person>/<video>/<utterance>.txt and videos/<video>.mp4", 256)
    parser.add_argument("--min-frames", type=int, default=64, help="shorter clips are rejected (default 64)")
    parser.add_argument("--max-frames", type=int, default=1024, help="longer ones are cut there (default 1024)")
    parser.add_argument("--min-size", type=int, default=256, metavar="PX", help="smaller faces are rejected (default 256)")
    parser.add_argument("--increase", type=float, default=0.1, help="growth of the face box on each side, of its side (default 0.1)")


def _voxceleb(args: argparse.Namespace) -> int:
    from paperlib.corpus import voxceleb

    rules = {name: getattr(args, name) for name in ("size", "min_frames", "max_frames", "min_size", "increase")}
    return _report(voxceleb.prepare(args.folder, args.out, voxceleb.Settings(**rules), **_how(args)))


def _lrw_options(parser: argparse.ArgumentParser) -> None:
    _folders(parser, "LRW as unpacked: <WORD>/<train|val|test>/<WORD>_00001.mp4 with its .txt", 256)


def _lrw(args: argparse.Namespace) -> int:
    from paperlib.corpus import lrw

    return _report(lrw.prepare(args.folder, args.out, lrw.Settings(size=args.size), **_how(args)))


def _videos_options(parser: argparse.ArgumentParser) -> None:
    _folders(parser, "videos of talking people: <person>/<video>/<clip>.mp4, <person>/<clip>.mp4, or plain files, each a person", 192)
    parser.add_argument("--longest", type=int, default=250, help="frames of a video that are taken at most (default 250)")


def _videos(args: argparse.Namespace) -> int:
    from paperlib.corpus import videos

    return _report(videos.prepare(args.folder, args.out, videos.Settings(args.size, args.longest), **_how(args)))


def _bfm_options(parser: argparse.ArgumentParser) -> None:
    text = "BFM_model_front.mat, or 01_MorphableModel.mat with Exp_Pca.bin and the index files of Deng et al.'s repository"
    parser.add_argument("--folder", required=True, type=Path, metavar="DIR", help=text)
    parser.add_argument("--out", type=Path, metavar="FILE", help="the converted model (default data/gated/bfm09.safetensors)")
    parser.add_argument("--region", choices=("all", "front"), default="all", help="what I_3D shows: all of it, or no ears and neck")


def _bfm(args: argparse.Namespace) -> int:
    from paperlib.face3d import bfm

    print(bfm.prepare(args.folder, args.out, args.region))
    return 0


def _how(args: argparse.Namespace) -> dict:
    return {"workers": args.workers, "backend": args.backend, "scheduler": args.scheduler}


def _report(card: dict) -> int:
    for key in ("clips", "minutes", "speakers", "rejected"):
        print(f"{key}: {card[key]}")
    print(f"lists: {card['out']}/clips.csv, rejected.csv, card.json")
    return 0


CORPORA = {
    "synthetic": (
        "the embedded corpus: rendered faces that speak, with the truth beside each clip",
        _synthetic_options,
        _synthetic,
    ),
    "grid": ("GRID: sentences with word times, split by speaker, fitted coefficients beside each clip", _grid_options, _grid),
    "voxceleb": (
        "VoxCeleb 1 or 2 from downloaded videos, cropped by first-order-model's rules",
        _voxceleb_options,
        _voxceleb,
    ),
    "lrw": ("LRW word clips, cropped by ATVGnet's rules", _lrw_options, _lrw),
    "videos": ("any folder of videos of people who agreed to be dubbed", _videos_options, _videos),
    "bfm": ("the Basel Face Model 2009 in place of the shipped face, from your own files", _bfm_options, _bfm),
}
