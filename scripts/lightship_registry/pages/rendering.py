"""How the pages look: templates, the one stylesheet and script, and the headers that allow nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from lightship_protocol.centre import UNNAMED, Centre


class Renderer:
    """Renders the packed templates; everything that comes from people is escaped."""

    def __init__(self, centre: Centre = UNNAMED) -> None:
        self._templates = jinja2.Environment(
            loader=jinja2.FunctionLoader(_packed),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["ticked"] = _ticked
        self._templates.globals.update(style=_packed("style.css"), script=_packed("page.js"), centre=centre)
        self._style, self._script = _digest(_packed("style.css")), _digest(_packed("page.js"))

    def render(self, template: str, **values: object) -> str:
        """A whole page."""
        return self._templates.get_template(template).render(**values)

    def headers(self, *, live: bool = False, form: bool = False) -> dict[str, str]:
        """For every answer; `live` allows the script and what it listens to, `form` the page's own form."""
        policy = ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"]
        policy += ["form-action 'self'" if form else "form-action 'none'", f"style-src '{self._style}'"]
        policy += [f"script-src '{self._script}'", "connect-src 'self'"] if live else []
        return {
            "Content-Security-Policy": "; ".join(policy),
            "X-Content-Type-Options": "nosniff",
            # Not no-referrer: the notebook at this address needs the Referer of its own pages, and the form its Origin.
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
        }


def _packed(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text("utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _ticked(text: str) -> Markup:
    """Text whose parts between backticks are code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts))
