"""Loads single files out of clones of the reference repositories, whose packages would not import whole.

The clones (by `--clones FOLDER`, each under its repository's name) and the commits that the fixtures were made with:

    reid-strong-baseline  github.com/michuanhaohao/reid-strong-baseline  3da7e6f03164a92e696cb6da059b1cd771b0346d
    centroids-reid        github.com/mikwieczorek/centroids-reid         a1825b7a92b2a8d5e223708c7c43ab58a46efbcf
    fast-reid             github.com/JDAI-CV/fast-reid                   c9bc3ceb2f7a6438b62fb515ea3df6d1e999e95d
    deep-person-reid      github.com/KaiyangZhou/deep-person-reid        f8cd150fdf77e8d9e1ed143b7f308c2c609ded50
    IBN-Net               github.com/XingangPan/IBN-Net                  d1673389b36c1180cf9bc35ea8260d84046da915
    SGRAF                 github.com/Paranioar/SGRAF                     50d0c6f9caf759099b28371046f780342357c405
    emde                  github.com/emde-conf/emde                      795c58e93d5cc2e0a31b711028db8cd95b07dea2
"""

import ast
import importlib.util
import sys
from pathlib import Path


def load(clones, path, name=None):
    """The module of one file of a clone, without the package around it (unless `name` places it in one)."""
    file = Path(clones) / path
    if not file.is_file():
        sys.exit(f"{file} is missing: clone the repositories that clones.py lists, and name their folder by --clones")
    spec = importlib.util.spec_from_file_location(name or file.stem, file)
    module = importlib.util.module_from_spec(spec)
    if name:
        sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def function(clones, path, name, scope, decorators=False):
    """One function or method of a file whose imports cannot be met, evaluated with `scope` for its globals."""
    tree = ast.parse((Path(clones) / path).read_text())
    found = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name)
    if not decorators:
        found.decorator_list = []
    exec(compile(ast.Module([found], []), path, "exec"), scope)
    return scope[name]
