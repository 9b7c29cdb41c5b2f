"""Keeps Gradio from rewriting its own type stubs each time it is imported.

Gradio 6.31 parses the source of each of its components at import and writes a .pyi file beside it. That takes
about half of the import's time, helps nobody who serves a page, and writes into the installed packages.
Has to run before the first import of gradio; does nothing afterwards.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

MODULE = "gradio.component_meta"
WRITER = "create_or_modify_pyi"


class WithoutStubs(MetaPathFinder):
    """Finds the one module that writes the stubs, and empties that function when it has been loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_without_stubs(module: ModuleType) -> None:
            load(module)
            if hasattr(module, WRITER):
                setattr(module, WRITER, lambda *_: None)

        spec.loader.exec_module = load_without_stubs  # type: ignore[method-assign]
        return spec


def skip_type_stubs() -> None:
    """Put the finder in place, once, where gradio has not been imported yet."""
    if "gradio" not in sys.modules and not any(isinstance(one, WithoutStubs) for one in sys.meta_path):
        sys.meta_path.insert(0, WithoutStubs())
