"""The pages of a small shop are read in a browser, and the cheapest offer is ordered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from replay.recording import Call
from replay.ways import Way

TITLE = "Price check (browser)"
ABOUT = (
    "Look at every lamp of the shop, say what each costs and whether it is there, and order the cheapest one "
    "that is, two pieces, for Ada."
)
QUERIES = {
    "browser_navigate": "open a page in the browser",
    "browser_snapshot": "read the page in the browser",
    "browser_fill_form": "fill in a form in the browser",
    "browser_click": "click in the browser",
}
RECIPES: dict[str, Any] = {}

SHOP = "http://shop.example:8000"
"""What the shop is called in the trace, wherever it was served."""
_LAMPS = (
    ("Anglepoise", "64.00", "in stock"),
    ("Banker", "48.50", "in stock"),
    ("Clip", "19.90", "sold out"),
    ("Drum", "33.20", "in stock"),
    ("Easel", "72.00", "sold out"),
    ("Floor", "95.10", "in stock"),
    ("Globe", "27.40", "in stock"),
    ("Hurricane", "22.80", "sold out"),
)


def prepare(home: Path) -> None:
    """The pages that are served."""
    pages = home / "shop"
    pages.mkdir()
    links = "".join(f'<li><a href="/{name.lower()}.html">{name} lamp</a></li>' for name, _, _ in _LAMPS)
    _page(pages / "index.html", "Lamps", f"<p>All lamps of this season.</p><ul>{links}</ul>")
    for name, price, stock in _LAMPS:
        rows = "".join(f"<tr><td>{what}</td><td>{name} {what.lower()}</td></tr>" for what in _FACTS)
        table = f"<table>{rows}</table>"
        text = f"<p>Price: {price} EUR</p><p>Availability: {stock}</p>{table}"
        _page(pages / f"{name.lower()}.html", f"{name} lamp", text)
    fields = "".join(
        f'<label>{label} <input name="{label.lower()}"></label>' for label in ("Lamp", "Pieces", "Name")
    )
    _page(pages / "order.html", "Order", f'<form action="/thanks.html">{fields}<button>Send</button></form>')
    shown = "<p id=said></p><script>said.textContent = location.search</script>"
    _page(pages / "thanks.html", "Thank you", shown)


_FACTS = ("Material", "Height", "Bulb", "Cable", "Warranty")


def _page(path: Path, title: str, body: str) -> None:
    menu = "".join(f'<a href="/{page}.html">{page}</a> ' for page in ("index", "order", "thanks"))
    text = (
        f"<!doctype html><title>{title}</title><link rel=icon href=data:,><nav>{menu}</nav><h1>{title}</h1>"
    )
    path.write_text(f"{text}{body}\n", "utf-8")


def perform(way: Way) -> Any:
    """What every lamp costs, and what the shop says about the order."""
    _, (start,) = way.stages([[_go("/index.html")], [_look()]])
    paths = re.findall(r"/url: (/[a-z]+\.html)", start[start.index("list") :])
    groups = [[call] for path in paths for call in (_go(path), _look())]
    pages = [said for (said,) in way.stages(groups)[1::2]]
    offers = [_offer(page) for page in pages]
    best = min((price, name) for name, price, stock in offers if stock == "in stock")[1]
    _, (form,) = way.stages([[_go("/order.html")], [_look()]])
    wanted = {"Lamp": best, "Pieces": "2", "Name": "Ada"}
    fields = [
        {"name": label, "target": _ref(form, f'textbox "{label}"'), "type": "textbox", "value": value}
        for label, value in wanted.items()
    ]
    fill = Call("browser", "browser_fill_form", {"fields": fields})
    button = {"element": "Send", "target": _ref(form, 'button "Send"')}
    _, _, (after,) = way.stages([[fill], [Call("browser", "browser_click", button)], [_look()]])
    return [offers, re.findall(r"\?lamp=\S+", after)[0]]


def _go(path: str) -> Call:
    return Call("browser", "browser_navigate", {"url": SHOP + path})


def _look() -> Call:
    return Call("browser", "browser_snapshot", {})


def _offer(page: str) -> tuple[str, float, str]:
    name = re.findall(r'heading "(.*) lamp"', page)[0]
    price = float(re.findall(r"Price: ([\d.]+) EUR", page)[0])
    return name, price, re.findall(r"Availability: ([a-z ]+)", page)[0].strip()


def _ref(page: str, what: str) -> str:
    """The name by which the browser's server knows an element."""
    found: str = re.findall(rf"{re.escape(what)}.*?\[ref=(\w+)\]", page)[0]
    return found
