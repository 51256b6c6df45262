"""Hooks of mkdocs: the site also contains the files outside docs/ that its pages link to.

Links in the pages are those that GitHub resolves, relative to the file. Files of docs/ stand at the
root of the site, all others at their path in the repository.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
HOME = {"README.md": "docs/index.md", "docs/README.md": "docs/index.md"}
"""Pages of the repository that another page of the site stands for."""
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")
FOREIGN = re.compile(
    r"""<(?:script|img|iframe|link(?=[^>]*\brel=["']?(?:stylesheet|preload|icon)))
    [^>]*\b(?:src|href)=["']?(?:https?:)?//[^\s"'>]+""",
    re.VERBOSE,
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List pages that the navigation does not name in a section of their own, at its end."""
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    if more := [page for page in pages if page not in str(config.nav)]:
        config.nav = [*(config.nav or []), {"More": more}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the linked files, and those that they link to."""
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    waiting += ["SECURITY.md", "CONTRIBUTING.md"]  # which are named in the navigation alone
    seen = set(HOME)
    while waiting:
        path = waiting.pop()
        if path in seen or not (ROOT / path).is_file():
            continue
        seen.add(path)
        if not path.startswith("docs/"):
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
        if path.endswith(".md"):
            text = (ROOT / path).read_text(encoding="utf-8")
            waiting += [_target(path, link) for _, link, _ in LINK.findall(text)]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links of the repository as links of the site."""
    here = page.file.src_uri
    source = here if page.file.generated_by else f"docs/{here}"

    def rewrite(found: re.Match[str]) -> str:
        target = _target(source, found[2])
        target = HOME.get(target, target).removeprefix("docs/")
        return found[1] + posixpath.relpath(target, posixpath.dirname(here) or ".") + found[3]

    return LINK.sub(rewrite, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Fail if a page would load anything from another host."""
    if found := FOREIGN.search(output):
        raise PluginError(f"{page.file.src_uri} loads from another host: {found[0]}")
    return output


def _target(path: str, link: str) -> str:
    """The path in the repository that a link in a file leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
