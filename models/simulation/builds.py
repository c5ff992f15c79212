"""The cache of compiled circuits: one folder per generated program and compiler, checked on each use.

A binary is found by two keys. The first, made of the structure of a model and the sources of this package, gives the digest of
the generated code. The second, made of that digest, the compiler, its flags and the instruction set, gives the folder. A change
of the package that does not change the generated code therefore compiles nothing again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
import time
import zlib
from functools import cache, partial
from importlib import metadata
from pathlib import Path

from brianprop.models.cache import exclusive, private_folder
from brianprop.models.errors import BuildError, reason
from brianprop.models.files import atomic_write, sync_folder
from brianprop.models.model import Model
from brianprop.models.pruning import DAY, bound, prune, touch
from brianprop.models.simulation import cuda
from brianprop.models.simulation.compiler import ONCE, STEPS, compile_cpp, compiler, flags, instruction_set, link_flags
from brianprop.models.simulation.generate import CUDA, generate
from brianprop.models.simulation.scratch import Scratch
from brianprop.models.simulation.waiting import Message, Progress, clock, silent

__all__ = ["cached_build", "is_built", "keep_sources", "read_manifest", "sources"]

#: File in archived sources that holds the dictionary returned by `generate`.
GENERATED = "generated.json"

#: File that describes a finished build; and the files and folders of a build that a run reads.
MANIFEST = "manifest.json"
READ = ("main", "static_arrays")


def cached_build(model: Model, codegen: str, message: Message = silent) -> Path:
    """The folder of a finished build. It is built if it is missing or damaged; other processes that need it wait.

    Parameters
    ----------
    model : Model
    codegen : {"dense", "stock", "cuda"}
        Which templates make the code.
    message : callable
        Called with a line of text before and after a long build and now and then in between; on a terminal, a clock runs.
        `silent`, the default, shows neither.

    Raises
    ------
    BuildError
        When the code cannot be generated or compiled, or the cache cannot be used.
    """
    most = bound()
    try:
        builds = private_folder("builds")
        code = _known_code(model, codegen)
        if code is not None:
            folder = builds / _key(codegen, code)
            if folder.exists() and not _fault(folder):
                touch(folder)
                return folder
        _require_executable(builds)
        with Scratch(builds) as unfinished:
            project = unfinished / "project"
            generated = _unpack(model, codegen, project)
            if generated is None:
                project.mkdir(exist_ok=True)
                generated = _generate(project, model, codegen, message)
            code = _digest_of_project(project)
            _remember_code(model, codegen, code)
            folder = builds / _key(codegen, code)
            busy = partial(message, f"Another process builds the circuit {model.name}; waiting for it ...")
            with exclusive(builds / f"{folder.name}.lock", busy):
                fault = _fault(folder) if folder.exists() else None
                if folder.exists() and not fault:
                    return folder
                again = f" anew, since the one in the cache is damaged ({fault})" if fault else ""
                message(
                    f"Building the circuit {model.name}{again} ({codegen} code, once per configuration; half a minute or more) "
                    "..."
                )
                start = time.perf_counter()
                with clock(f"Building the circuit {model.name}", "units compiled", message) as progress:
                    _compile(project, codegen, generated, progress)
                message(f"Built in {time.perf_counter() - start:.0f} s.")
                if folder.exists():
                    folder.rename(unfinished / "damaged")
                project.rename(folder)
                sync_folder(builds)
        prune(size=most, in_use=DAY)
    except OSError as error:
        raise BuildError(
            f"Cannot write the build cache {builds} ({reason(error)}); free space or set $BRIANPROP_CACHE to another folder."
        ) from error
    return folder


def is_built(model: Model, codegen: str) -> bool:
    """Whether the binary of a model is in the cache of this machine."""
    try:
        code = _known_code(model, codegen)
        folder = private_folder("builds") / _key(codegen, code) if code else None
    except (BuildError, OSError):  # there is no compiler, or no cache
        return False
    return folder is not None and folder.exists() and not _fault(folder)


def read_manifest(folder: Path) -> dict:
    """The description of a finished build.

    Raises
    ------
    BuildError
        When it cannot be read, or was changed after it was written.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text())
        checksum = content.pop("checksum")
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise BuildError(f"{path} cannot be read; run it again, and the circuit is built anew.") from None
    if checksum != _checksum(content):
        raise BuildError(f"{path} was changed; run it again, and the circuit is built anew.")
    return content


# ---------------------------------------------------------------------------------------------------------------------
# Keys
# ---------------------------------------------------------------------------------------------------------------------


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


@cache
def _sources_digest() -> str:
    """Digest of the source files of brianprop.models, which decide the generated code."""
    digest = hashlib.sha256()
    folder = Path(__file__).parents[1]
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".h", ".cpp", ".cu"):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def _structure_key(model: Model, codegen: str) -> str:
    """Key of everything that decides the generated code. All else is set when the binary runs."""
    packages = [metadata.version("brian2"), metadata.version("numpy")]
    decisive = {"model": model.structure(), "codegen": codegen, "sources": _sources_digest(), "packages": packages}
    if codegen == CUDA:
        packages.append(cuda.package_version())
        decisive["architectures"] = cuda.architectures()
    return _digest(decisive)


def _key(codegen: str, code: str) -> str:
    """Name of the folder of a build, from the digest of the generated code and everything that compiles it."""
    decisive: list[object] = [code, compiler(), flags(), link_flags(), instruction_set()]
    return _digest([*decisive, *((cuda.nvcc(), cuda.architectures()) if codegen == CUDA else (STEPS, ONCE))])


def _digest_of_project(folder: Path) -> str:
    """Digest of the files of a generated project."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        # the makefile is not used, and contains paths of this machine
        if path.is_file() and path.name not in ("makefile", "win_makefile"):
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _code_file(model: Model, codegen: str) -> Path:
    return private_folder("codes") / _structure_key(model, codegen)


def _known_code(model: Model, codegen: str) -> str | None:
    """Digest of the code that is generated for a model, if it was generated before."""
    try:
        text = _code_file(model, codegen).read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    # a damaged file is ignored and written again
    return text if len(text) == hashlib.sha256().digest_size * 2 else None


def _remember_code(model: Model, codegen: str, code: str) -> None:
    atomic_write(_code_file(model, codegen), lambda file: file.write(code.encode()))


# ---------------------------------------------------------------------------------------------------------------------
# Contents of a folder
# ---------------------------------------------------------------------------------------------------------------------


def _checksum(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_files(folder: Path) -> list[Path]:
    """The files of a build that a run reads."""
    paths = [path for name in READ for path in ((folder / name).rglob("*") if (folder / name).is_dir() else [folder / name])]
    return sorted(path for path in paths if path.is_file())


def _generate(folder: Path, model: Model, codegen: str, message: Message) -> dict:
    what = f"Generating the code of the circuit {model.name}"
    message(f"{what} ...")
    with clock(what, "", message):
        return generate(folder, model, codegen)


def _compile(folder: Path, codegen: str, generated: dict, progress: Progress) -> None:
    """Compile a generated project, and write its manifest with the checksums of the files that a run reads."""
    start = time.perf_counter()
    cuda.compile_cuda(folder, progress) if codegen == CUDA else compile_cpp(folder, generated["hot"], progress)
    files = {}
    for path in _read_files(folder):
        data = path.read_bytes()
        files[str(path.relative_to(folder))] = [len(data), hashlib.sha256(data).hexdigest()]
    content = {**generated, "codegen": codegen, "build_seconds": time.perf_counter() - start, "files": files}
    (folder / MANIFEST).write_text(json.dumps({"checksum": _checksum(content), **content}, indent=1))
    for path in [*_read_files(folder), folder / MANIFEST]:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for path in (folder / "static_arrays", folder):
        sync_folder(path)


#: Folders whose checksums were right, with the state (times, sizes) that their files had then.
_verified: dict[Path, list] = {}


def _fault(folder: Path) -> str | None:
    """What is wrong with a build in the cache, or None. Checksums are computed once per process, and again after a change."""
    try:
        manifest = read_manifest(folder)
        wanted = manifest["files"]
        state = []
        for name, (size, _) in wanted.items():
            status = os.lstat(folder / name)
            if not stat.S_ISREG(status.st_mode) or status.st_size != size:
                return f"{name} has {status.st_size} bytes, not {size}"
            state.append([name, status.st_mtime_ns, status.st_ino, status.st_size])
        if "main" not in wanted or not os.access(folder / "main", os.X_OK):
            return "main is no program"
        if _verified.get(folder) == state:
            return None
        for name, (_, digest) in wanted.items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                return f"{name} was changed"
    except BuildError:
        return f"{MANIFEST} cannot be read"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"{Path(error.filename or folder).name}: {reason(error)}"
    _verified[folder] = state
    return None


def _require_executable(folder: Path) -> None:
    """Refuse a file system from which no programs can be run, before a long build."""
    if os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise BuildError(
            f"The build cache {folder} is on a file system that runs no programs (noexec); set $BRIANPROP_CACHE to a folder "
            "elsewhere."
        )


# ---------------------------------------------------------------------------------------------------------------------
# Archived sources, for machines that compile them
# ---------------------------------------------------------------------------------------------------------------------


def sources(model: Model, codegen: str, message: Message = silent) -> tuple[str, bytes]:
    """The generated project of a model as an archive, to be compiled on another machine, which may need another binary.

    Parameters
    ----------
    model, codegen, message
        See `cached_build`.

    Returns
    -------
    name : str
        Key of the generated code.
    archive : bytes
        A compressed tar file, for `keep_sources`.

    Raises
    ------
    BuildError
        When the code cannot be generated or the cache cannot be written.
    """
    path = _sources_file(_structure_key(model, codegen))
    if path.is_file():
        return path.name.partition(".")[0], path.read_bytes()
    with Scratch() as folder:
        (folder / GENERATED).write_text(json.dumps(_generate(folder, model, codegen, message)))
        text = io.BytesIO()
        with tarfile.open(fileobj=text, mode="w:gz") as archive:
            archive.add(folder, arcname=".")
    name = path.name.partition(".")[0]
    keep_sources(name, text.getvalue())
    return name, text.getvalue()


def keep_sources(name: str, archive: bytes) -> None:
    """Store an archive of `sources` in the cache of this machine, where the next build of that code finds it.

    Raises
    ------
    BuildError
        When the cache cannot be written.
    """
    path = _sources_file(name)
    if path.is_file():
        return
    try:
        atomic_write(path, lambda file: file.write(archive))
    except OSError as error:
        raise BuildError(
            f"Cannot write the build cache {path.parent} ({reason(error)}); free space or set $BRIANPROP_CACHE to another "
            "folder."
        ) from error


def _sources_file(name: str) -> Path:
    return private_folder("sources") / f"{name}.tar.gz"


def _unpack(model: Model, codegen: str, folder: Path) -> dict | None:
    """Unpack archived sources of a model into a folder.

    Returns
    -------
    dict or None
        The dictionary that `generate` returned. None if there is no archive, or it is damaged.
    """
    path = _sources_file(_structure_key(model, codegen))
    try:
        with tarfile.open(path) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 brought filters
            archive.extractall(folder)
        generated = json.loads((folder / GENERATED).read_text())
        (folder / GENERATED).unlink()
    except FileNotFoundError:
        return None
    except (tarfile.TarError, EOFError, zlib.error, ValueError):
        path.unlink(missing_ok=True)  # damaged: the caller generates the code again
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return generated
