"""What becomes of compiled kernels on disks of all kinds, a process each."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edge_kernels

# Cheap to compile, and enough to see where the result goes.
SCORE = """
import numpy as np
from edge_kernels import forest
leaf = np.zeros(1, np.int32)
tree = forest.Forest(leaf, np.full(1, np.inf), leaf, np.ones(1), leaf, leaf, 1, 1.0)
assert forest.forest_scores(tree, np.zeros((1, 1))).tolist() == [-0.5]
stats = forest._total_lengths.stats
print(stats.cache_path, sum(stats.cache_hits.values()), sep="\\n")
"""


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """A copy of the package, never run."""
    folder = tmp_path / "site" / "edge_kernels"
    source = Path(edge_kernels.__file__).parent
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def score(install: Path, **environment: str) -> tuple[Path, int, str]:
    """Where the kernel's cache is, whether it came from there, and what was said."""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", SCORE],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(install.parent)} | environment,
    )
    path, hits = done.stdout.splitlines()
    return Path(path), int(hits), done.stderr


def without_a_place(install: Path) -> dict[str, str]:
    """Even root cannot make a folder where a file is."""
    cache = install / "__pycache__"
    if cache.exists():
        cache.rename(install / "warmed")
    cache.touch()
    return {"XDG_CACHE_HOME": str(cache)}


def test_the_cache_lies_beside_the_kernels_and_is_used(install: Path) -> None:
    assert score(install) == (install / "__pycache__", 0, "")
    assert score(install) == (install / "__pycache__", 1, "")


def test_a_chosen_folder_is_used(install: Path, tmp_path: Path) -> None:
    path, _, _ = score(install, NUMBA_CACHE_DIR=str(tmp_path / "chosen"))
    assert path.is_relative_to(tmp_path / "chosen")
    assert list(path.glob("*.nbc"))


def test_an_install_that_cannot_be_written_to_uses_the_home(install: Path, tmp_path: Path) -> None:
    without_a_place(install)
    home = str(tmp_path / "home")
    assert score(install, XDG_CACHE_HOME=home)[0].is_relative_to(home)
    assert score(install, XDG_CACHE_HOME=home)[1] == 1


def test_with_no_place_at_all_it_compiles_in_a_temporary_one_and_says_so(
    install: Path,
) -> None:
    path, hits, said = score(install, **without_a_place(install))
    assert hits == 0
    assert said.count("no folder to keep compiled kernels in") == 1
    assert not path.exists()


def test_an_image_that_was_warmed_starts_from_what_it_holds(install: Path) -> None:
    score(install)
    # Root may write anywhere, so the folders that it may write to are taken away.
    cache = install / "cache.py"
    source = cache.read_text("utf-8")
    start = "import edge_kernels.cache as c; c._permanent_folders = lambda: iter(())"
    (install / "__init__.py").write_text(start, "utf-8")
    compiled = install / "__pycache__"
    stamp = f"{source}\nsource_stamp = lambda: {_stamp(compiled)!r}\n"
    cache.write_text(stamp, "utf-8")
    path, hits, said = score(install)
    assert path != compiled
    assert (hits, said) == (1, "")


def _stamp(compiled: Path) -> bytes:
    """What the kernel's index in `compiled` was stamped with."""
    [index] = compiled.glob("forest._total_lengths-*.nbi")
    with index.open("rb") as file:
        pickle.load(file)  # noqa: S301  # numba's version; we wrote it just now
        stamp, _ = pickle.loads(file.read())  # noqa: S301 - our own cache
    assert isinstance(stamp, bytes)
    return stamp


@pytest.mark.parametrize("file", ["forest.py", "lanes.py"])
def test_a_change_in_any_file_of_the_package_compiles_anew(install: Path, file: str) -> None:
    # numba would look at the kernel's own file alone, and go on with what was inlined.
    score(install)
    with (install / file).open("a") as source:
        source.write("\n# changed\n")
    assert score(install)[1] == 0


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 0.5, None], ids=["empty", "cut", "zeros"])
def test_what_a_power_failure_left_of_a_kernel_is_compiled_again(
    install: Path, kind: str, left: float | None
) -> None:
    path, _, _ = score(install)
    [file] = path.glob(f"forest._total_lengths-*.{kind}")
    whole = file.read_bytes()
    file.write_bytes(bytes(len(whole)) if left is None else whole[: int(left * len(whole))])
    assert score(install) == (path, 0, "")
    assert score(install) == (path, 1, "")


def test_what_another_release_compiled_is_never_read_and_makes_room(install: Path) -> None:
    path, _, _ = score(install)
    [index] = path.glob("forest._total_lengths-*.nbi")
    release = edge_kernels.cache.source_stamp().hex()[:12]
    other = index.with_name(index.name.replace(release, "0" * 12))
    # The types of its arguments had another name then.
    other.write_bytes(index.read_bytes() + b"cedge_kernels.lanes\nLost\n.")
    assert score(install) == (path, 1, "")
    assert not other.exists()


def test_releases_that_share_a_folder_leave_each_other_what_they_compiled(
    install: Path, tmp_path: Path
) -> None:
    home = str(tmp_path / "shared")
    path, _, _ = score(install, NUMBA_CACHE_DIR=home)
    before = {file.name for file in path.iterdir()}
    with (install / "lanes.py").open("a") as source:
        source.write("\n# another\n")
    assert score(install, NUMBA_CACHE_DIR=home)[1] == 0
    assert before < {file.name for file in path.iterdir()}
