"""pyproject.toml, environment.yml, the lock and the Makefile agree."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from paperlib import paths

yaml = pytest.importorskip("yaml")
CARD = (
    "torch", "jupyterlab", "papermill", "jupytext", "easypytorch3d", "face-alignment", "librosa", "opencv-python", "lpips", "seaborn",
    "ipywidgets", "nbval",
)  # fmt: skip


def declared():
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    return project["dependencies"] + project["optional-dependencies"]["test"], project


def locked():
    """Name -> set of versions in requirements.lock."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9][\w.-]*)==([^\s;\\]+)", (paths.ROOT / "requirements.lock").read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def test_environment_file_asks_for_the_same():
    requirements, _ = declared()
    data = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
    pip = next(d["pip"] for d in data["dependencies"] if isinstance(d, dict))
    assert sorted(p for p in pip if not p.startswith("--editable")) == sorted(requirements)
    assert "--editable ." in pip and "python=3.11" in data["dependencies"]


def test_the_twelve_packages_of_the_design_card_are_real_dependencies():
    _, project = declared()
    names = {canonicalize_name(Requirement(r).name) for r in project["dependencies"]}
    assert len(CARD) == 12 and set(CARD) <= names


def test_each_of_the_twelve_is_used():
    modules = {"easypytorch3d": "pytorch3d", "face-alignment": "face_alignment", "opencv-python": "cv2"}
    text = "\n".join(p.read_text() for folder in ("paperlib", "notebooks") for p in (paths.ROOT / folder).rglob("*.py"))
    imported = {name for name in CARD if re.search(rf"^\s*(import|from) {modules.get(name, name)}\b", text, re.MULTILINE)}
    assert "--nbval" in text and "jupyter lab" in (paths.ROOT / "Makefile").read_text()
    assert set(CARD) - imported == {"jupyterlab", "nbval"}


def test_lock_satisfies_every_requirement_with_hashes():
    requirements, _ = declared()
    pins = locked()
    for r in map(Requirement, requirements):
        versions = pins.get(canonicalize_name(r.name))
        assert versions, f"{r.name} is not locked; run: make lock"
        assert all(r.specifier.contains(v, prereleases=True) for v in versions), f"{r}: locked {versions}; run: make lock"
    text = (paths.ROOT / "requirements.lock").read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in e for e in entries)


def test_lock_names_no_host_and_no_path():
    text = (paths.ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?://|file:|--index|--extra-index|--find-links|(?<!\w)/\w", text)


def test_installed_versions_are_the_locked_ones():
    import importlib.metadata

    pins = locked()
    wrong = {n: importlib.metadata.version(n) for n in CARD if importlib.metadata.version(n) not in pins[canonicalize_name(n)]}
    assert wrong == {}


def make(*arguments: str, cwd) -> str:
    """What make prints, also when this test itself runs under make (whose MAKEFLAGS would add lines)."""
    return subprocess.run(["make", *arguments], cwd=cwd, capture_output=True, text=True, check=True, env=no_make()).stdout


def no_make() -> dict[str, str]:
    """The environment without what an outer make put there."""
    return {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PROFILE", "ONLY")}


def test_make_help_lists_the_targets_and_a_second_run_installs_nothing(tmp_path):
    help_text = make(cwd=paths.ROOT)
    for target in ("reproduce", "test", "bench", "lab", "refresh", "student", "clean"):
        assert re.search(rf"^  {target}\s", help_text, re.MULTILINE), target
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((paths.ROOT / name).read_bytes())
    fresh = make("-n", "reproduce", cwd=tmp_path)
    assert "pip install" in fresh and "--require-hashes" in fresh and "weights fetch vgg16" in fresh
    for made in (".venv/.installed", "data/cache/weights/vgg16.safetensors"):
        (tmp_path / made).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / made).touch()
    again = make("-n", "reproduce", "PROFILE=smoke", cwd=tmp_path)
    assert again.strip() == ".venv/bin/python -m paperlib reproduce --profile smoke"


def test_an_installation_without_room_stops_before_it_begins(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((paths.ROOT / name).read_bytes())
    command = ["make", "install", "NEED_GB=1000000", f"PYTHON={sys.executable}"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=no_make())
    assert run.returncode and "need 1000000 GB of disk and " in run.stderr and "make room" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_tracked_files_stay_small():
    run = subprocess.run(["git", "ls-files", "-z"], cwd=paths.ROOT, capture_output=True, text=True)
    if run.returncode:
        pytest.skip("not a git checkout")
    files = [paths.ROOT / f for f in run.stdout.split("\0") if f]
    total = sum(f.stat().st_size for f in files if f.is_file())
    assert total <= 40 * 2**20, f"{total / 2**20:.1f} MiB tracked; at most 40"


def test_no_file_of_the_library_is_over_400_lines():
    lines = {p.name: len(p.read_text().splitlines()) for p in (paths.ROOT / "paperlib").rglob("*.py")}
    assert {name: n for name, n in lines.items() if n > 400} == {}
