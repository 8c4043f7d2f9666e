"""`howfar models`: what networks there are, where they lie, and whether they are whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from howfar.cli.listing import print_list
from howfar.cli.progress import DownloadBar, confirm_download
from howfar.errors import ChecksumError, HowfarError, UsageError

if TYPE_CHECKING:
    from howfar.models.card import ModelCard
    from howfar.models.catalog import Entry

models_app = typer.Typer(help="List, describe, fetch and verify networks.", no_args_is_help=True)

Trust = Annotated[
    bool, typer.Option("--trust", help="Trust downloads whose checksum nobody verified.")
]


@models_app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show all networks that have a name, and which of them are on this machine."""
    from howfar.models.catalog import CATALOG

    rows = [
        {
            "name": name,
            "task": str(entry.card.task),
            "licence": entry.card.licence,
            "where": _where(name, entry),
            "published": entry.card.published,
        }
        for name, entry in CATALOG.items()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    columns = ("name", "task", "licence", "where", "published")
    print_list(columns, [tuple(row.values()) for row in rows], whole=("name", "task"))


@models_app.command()
def info(
    name: Annotated[str, typer.Argument(help="A name of the catalog, a file or an address.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the card as JSON, to start your own from.")
    ] = False,
) -> None:
    """Show the card of a network: what it needs, what it gives, whose it is."""
    from howfar.models.catalog import CATALOG, SHIPPED

    entry = CATALOG.get(name)
    card = entry.card if entry else _card_of_file(name)
    if as_json:
        typer.echo(json.dumps(card.to_dict(), indent=1))
        return
    for key, value in card.to_dict().items():
        text = value if isinstance(value, str) else json.dumps(value)
        typer.echo(f"{key:14} {text if len(text) < 300 else text[:297] + '...'}")
    if entry:
        typer.echo(f"{'where':14} {_where(name, entry)}")
        for source in entry.sources:
            told = "in the package: " if name in SHIPPED else "bring your own: "
            typer.echo(f"{'source':14} {source.url or told + source.filename}")
            typer.echo(f"{'  sha256':14} {source.sha256 or 'unverified'}")


@models_app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Names of the catalog, or addresses.")],
    trust: Trust = False,
) -> None:
    """Download networks, check them, and say where they lie.

    Example: howfar models fetch yolox-tiny midas-small
    """
    from howfar.models.store import find_model

    def one(name: str) -> None:
        found = find_model(name, confirm_download(trust), DownloadBar())
        typer.echo(f"{name}: {found.path}")

    _for_each(names, one)


@models_app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of the catalog; all unless given.")
    ] = None,
) -> None:
    """Compare the checksums of the networks on this machine with the known ones."""
    from howfar.models.catalog import CATALOG
    from howfar.models.store import find_local

    def one(name: str) -> None:
        if name not in CATALOG:
            raise UsageError(f"network {name!r} is unknown; `howfar models list` shows the names")
        found = find_local(name)
        if found or names:
            typer.echo(f"{name}: {f'whole, {found.path}' if found else 'not on this machine'}")

    _for_each(names or list(CATALOG), one)


def _for_each(names: list[str], job: object) -> None:
    """Do all, report every failure, then fail with the gravest exit code."""
    worst = 0
    for name in names:
        try:
            job(name)  # type: ignore[operator]  # a local function
        except HowfarError as error:
            typer.echo(f"howfar: error: {error}", err=True)
            worst = max(worst, 2 if isinstance(error, UsageError) else 1)
    if worst:
        raise typer.Exit(worst)


def _where(name: str, entry: Entry) -> str:
    from howfar.models.store import EMBEDDED, find_local

    try:
        found = find_local(name)
    except ChecksumError:
        return "damaged: see `howfar models verify`"
    if found:
        return "in the package" if found.path.parent == EMBEDDED else str(found.path)
    remote = [source for source in entry.sources if source.url]
    if not remote:
        return "bring your own"
    return "to fetch" if any(source.sha256 for source in remote) else "to fetch, unverified"


def _card_of_file(name: str) -> ModelCard:
    from howfar.loading import load_network
    from howfar.models.store import find_model

    return load_network(find_model(name, confirm_download(trust=False), DownloadBar())).card
