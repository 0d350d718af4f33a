"""Where compiled kernels are kept, so that a gateway does not wait for a compiler.

numba's own choice falls short of an appliance in four ways. A folder that cannot be
written to is not read either: an image that was warmed when it was built and is mounted
read-only compiles at every start. Without any folder to write to, importing a cached
kernel raises. And a cached kernel is only renewed when its own file changes, not when a
file does whose functions were inlined into it. What an older release or a power failure
left behind is unpickled before it is judged, and raises. `KernelCache` answers all four,
for the kernels of this package alone:

- the folder is NUMBA_CACHE_DIR, else __pycache__ beside the kernels, else the user's
  cache folder: the first that can be written to;
- failing all, it is a temporary one, which begins with what __pycache__ holds. Where
  that is nothing, every kernel is compiled again at every start: a warning says so;
- its stamp is a digest of all the files of this package, and part of the names of its
  files, so that one release never opens another's; beside the kernels, where nobody else
  needs them, the others' are removed;
- a file that is not a whole pickle is removed, and its kernel compiled again.
"""

import atexit
import contextlib
import functools
import hashlib
import os
import pickle
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CacheImpl, _CacheLocator

__all__ = ["KernelCache", "source_stamp"]

PACKAGE = Path(__file__).parent
BESIDE = PACKAGE / "__pycache__"


class KernelCache(_CacheLocator):  # type: ignore[misc]  # numba's is untyped
    """numba's protocol for the folder of a function's cache, and its stamp."""

    def __init__(self, file: str, line: int) -> None:
        self._py_file, self._line = file, line  # numba's warnings name the first

    def get_disambiguator(self) -> str:
        """What tells kernels of one name in one file apart, and releases."""
        return f"{self._line}-{_release()}"

    def get_cache_path(self) -> str:
        """The folder, the same for every kernel."""
        return str(_folder())

    def get_source_stamp(self) -> bytes:
        """A digest of all our sources: a kernel contains more than its own file."""
        return source_stamp()

    @classmethod
    def from_function(cls, function: Any, file: str) -> "KernelCache | None":
        """A cache for our kernels; None, that is numba's own, for those of others."""
        if Path(file).parent != PACKAGE:
            return None
        return cls(file, function.__code__.co_firstlineno)


@functools.cache
def source_stamp() -> bytes:
    """SHA-256 of this package's files, in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()


def _release() -> str:
    return source_stamp().hex()[:12]


@functools.cache
def _folder() -> Path:
    for folder in _permanent_folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            _tidy(folder)
        except OSError:
            continue
        return folder
    folder = Path(tempfile.mkdtemp(prefix="edge-kernels-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    warmed = [file for file in _kept(BESIDE) if _release() in file.name and _whole(file)]
    for file in warmed:
        shutil.copy(file, folder)
    if not warmed:
        warnings.warn(
            f"no folder to keep compiled kernels in: {PACKAGE} cannot be written to, "
            "so they are compiled at every start; set NUMBA_CACHE_DIR, or call "
            "edge_kernels.warm when the image is built",
            stacklevel=1,
        )
    return folder


def _tidy(folder: Path) -> None:
    """Remove what cannot be used; two releases may share any folder but the one beside them."""
    for file in _kept(folder):
        ours = _release() in file.name
        with contextlib.suppress(FileNotFoundError):  # another process tidies up too
            if (ours and not _whole(file)) or (not ours and folder == BESIDE):
                file.unlink()


def _kept(folder: Path) -> Iterator[Path]:
    """What numba wrote, of every release: an index a kernel, a file a compiled form."""
    return folder.glob("*.nb[ic]")


def _whole(file: Path) -> bool:
    """Whether it begins and ends as a pickle does: power that fails leaves other things."""
    data = file.read_bytes()
    return data[:1] == pickle.PROTO and data[-1:] == pickle.STOP


def _permanent_folders() -> Iterator[Path]:
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR, PACKAGE.name)
        return
    yield BESIDE
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", PACKAGE.name)


CacheImpl._locator_classes.insert(0, KernelCache)  # noqa: SLF001  # numba offers no other way
