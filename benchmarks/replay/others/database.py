"""A database nobody has seen before is looked through, and a summary is written into it."""

from __future__ import annotations

import ast
import random
import sqlite3
from pathlib import Path
from typing import Any

from replay.recording import Call
from replay.ways import Way

TITLE = "Sales report (database)"
ABOUT = (
    "Find out what is in the sales database: revenue by country, month and product, the best customers, "
    "orders without items. Keep the revenue by country in a table of its own and note what stands out."
)
QUERIES = {
    "list_tables": "list the tables of the database",
    "describe_table": "columns of a table",
    "read_query": "run a select query",
    "create_table": "create a table",
    "write_query": "insert rows into a table",
    "append_insight": "note an insight",
}
RECIPES: dict[str, Any] = {}

_COUNTRIES = ("Austria", "France", "Germany", "Portugal", "Sweden", "Ukraine")
_PRODUCTS = ("Chair", "Desk", "Lamp", "Rug", "Shelf", "Sofa", "Stool")
_SOLD = "orders JOIN items ON items.order_id = orders.id JOIN customers ON customers.id = orders.customer_id"


def prepare(home: Path) -> None:
    """Four tables of invented sales."""
    dice = random.Random(11)
    base = sqlite3.connect(home / "sales.db")
    base.executescript(
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL);"
        "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL);"
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, day TEXT NOT NULL);"
        "CREATE TABLE items (order_id INTEGER, product_id INTEGER, pieces INTEGER, price INTEGER);"
    )
    people = [(n, f"Customer {n:02}", dice.choice(_COUNTRIES)) for n in range(1, 41)]
    goods = [(n, name, 20 + 15 * n) for n, name in enumerate(_PRODUCTS, 1)]
    orders = [
        (n, dice.randint(1, 40), f"2026-{dice.randint(1, 10):02}-{dice.randint(1, 28):02}")
        for n in range(300)
    ]
    items = [
        (order, product, dice.randint(1, 4), 20 + 15 * product)
        for order, _, _ in orders
        if order % 37
        for product in dice.sample(range(1, 8), dice.randint(1, 3))
    ]
    base.executemany("INSERT INTO customers VALUES (?, ?, ?)", people)
    base.executemany("INSERT INTO products VALUES (?, ?, ?)", goods)
    base.executemany("INSERT INTO orders VALUES (?, ?, ?)", orders)
    base.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", items)
    base.commit()
    base.close()


def perform(way: Way) -> Any:
    """The figures, and the table that was made of some."""
    tables = [row["name"] for row in rows(way.one(Call("sqlite", "list_tables")))]
    columns = way.many([Call("sqlite", "describe_table", {"table_name": name}) for name in tables])
    assert all(rows(said) for said in columns)
    spent = "sum(items.pieces * items.price) AS revenue"
    found = way.many(
        [
            _read(f"SELECT country, {spent} FROM {_SOLD} GROUP BY country ORDER BY country"),
            _read(f"SELECT substr(day, 1, 7) AS month, {spent} FROM {_SOLD} GROUP BY month ORDER BY month"),
            _read(
                f"SELECT products.name, {spent} FROM items JOIN products ON products.id = items.product_id "
                "GROUP BY products.name ORDER BY revenue DESC"
            ),
            _read(
                f"SELECT customers.name, {spent} FROM {_SOLD} GROUP BY customers.id "
                "ORDER BY revenue DESC LIMIT 10"
            ),
            _read("SELECT id, day FROM orders WHERE id NOT IN (SELECT order_id FROM items) ORDER BY id"),
            _read("SELECT count(*) AS orders, min(day) AS first, max(day) AS last FROM orders"),
        ]
    )
    countries, _, goods, people, empty, _ = map(rows, found)
    table = Call(
        "sqlite", "create_table", {"query": "CREATE TABLE by_country (country TEXT, revenue INTEGER)"}
    )
    inserts = [
        Call(
            "sqlite",
            "write_query",
            {"query": f"INSERT INTO by_country VALUES ('{row['country']}', {row['revenue']})"},
        )
        for row in countries
    ]
    notes = (
        f"{goods[0]['name']} earns most: {goods[0]['revenue']}.",
        f"{people[0]['name']} is the best customer: {people[0]['revenue']}.",
        f"{len(empty)} orders have no items.",
    )
    insights = [Call("sqlite", "append_insight", {"insight": note}) for note in notes]
    check = _read("SELECT country, revenue FROM by_country ORDER BY country")
    *_, (made,) = way.stages([[table], inserts, insights, [check]])
    assert rows(made) == countries
    return [found, made]


def _read(query: str) -> Call:
    return Call("sqlite", "read_query", {"query": query})


def rows(said: Any) -> list[dict[str, Any]]:
    """Rows as this server writes them: a Python list, which may be JSON, too."""
    found: list[dict[str, Any]] = ast.literal_eval(said) if isinstance(said, str) else said
    return found
