"""Where compiled programs are kept, for the next process. jax is imported only when it is needed."""

import os
from pathlib import Path
from typing import Any

import platformdirs

from softjax.errors import InputError, read_kind

LEAST_SECONDS = 0.1  # of compilation, for a program to be kept; JAX's own is 1 s


def keep_compiled(folder: str | Path | None = None) -> Path:
    """Has JAX keep compiled programs in a folder, so that the next process with these shapes does not compile them again.

    Call it once, before or after other functions: programs compiled before it are not kept. JAX keeps all programs there
    that took at least a tenth of a second to compile, also those of your own functions. The command line does the same.

    **Arguments:**

    - `folder`: the folder, which is created. By default the one that JAX is set to, as by `JAX_COMPILATION_CACHE_DIR`,
      and else the command line's, in the user's cache. Whoever can write to it can have this process run any code.

    **Returns:** the folder.

    Raises `InputError` if it cannot be created or written.

    Examples:
        >>> import softjax
        >>> folder = softjax.keep_compiled()
        >>> folder.is_dir()
        True
    """
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    settings: Any = jax.config
    kept: str | None = settings.jax_compilation_cache_dir
    if folder is not None or not kept:
        kept = str(find_folder(folder))
        settings.update("jax_compilation_cache_dir", kept)
    seconds = min(LEAST_SECONDS, settings.jax_persistent_cache_min_compile_time_secs)
    settings.update("jax_persistent_cache_min_compile_time_secs", seconds)
    reset_cache()  # JAX reads the folder at its first compilation alone
    return Path(kept)


def find_folder(folder: str | Path | None) -> Path:
    """The folder for compiled programs, by default in the user's cache. It is created.

    Raises `InputError` if it cannot be written.
    """
    if folder is None:
        path = platformdirs.user_cache_path("softjax") / "compiled"
        if not path.is_absolute():
            raise InputError("compiled programs cannot be kept in the user's cache: there is no home")
    else:
        path = read_kind("folder", folder, Path).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"compiled programs cannot be kept in {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise InputError(f"compiled programs cannot be kept in {path}: it cannot be written")
    return path
