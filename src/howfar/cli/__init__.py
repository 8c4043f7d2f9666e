"""The command line: one small file a verb; errors are one line."""

from __future__ import annotations

import io
import sys

import typer

from howfar.cli.benchmark import benchmark
from howfar.cli.calibrate import calibrate
from howfar.cli.data import data_app
from howfar.cli.distill import distill
from howfar.cli.export import export
from howfar.cli.models import models_app
from howfar.cli.predict import predict
from howfar.cli.serve import serve
from howfar.cli.track import track
from howfar.cli.train import train
from howfar.cli.val import val_app
from howfar.errors import HowfarError, UsageError

app = typer.Typer(
    name="howfar",
    help="Finds the objects in pictures and says how far away each one is, in metres.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(predict)
app.command()(track)
app.command()(calibrate)
app.add_typer(models_app, name="models")
app.add_typer(val_app, name="val")
app.add_typer(data_app, name="data")
app.command()(train)
app.command()(distill)
app.command()(export)
app.command()(benchmark)
app.command()(serve)


def _version(show: bool) -> None:
    if show:
        from howfar import __version__

        typer.echo(f"howfar {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    del version


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed with one clear line, 2 wrong use."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may hold what it cannot print
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except HowfarError as error:
        print_error(error)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        typer.echo("howfar: stopped", err=True)
        sys.exit(130)


def print_error(error: HowfarError) -> None:
    """One line on stderr."""
    typer.echo(f"howfar: error: {error}", err=True)
