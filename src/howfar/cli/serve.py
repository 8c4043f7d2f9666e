"""`howfar serve`: the networks behind HTTP, and a page in the browser."""

from __future__ import annotations

import importlib.util
import math
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from howfar.cli.networks import NETWORKS, ImgszOption, ModelOption, detector_and_depth
from howfar.cli.progress import DownloadBar, confirm_download, split_commas
from howfar.errors import UsageError

if TYPE_CHECKING:
    import uvicorn

    from howfar.pipeline import Ranger
    from howfar.web.limits import Limits

ACCESS, LIMITS = "Access", "Limits"
PACKAGES = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "websockets": "websockets",
    "python_multipart": "python-multipart",
}
MEGA = 1_000_000

LAST_PORT = 65535


def serve(
    model: ModelOption = None,
    detector: Annotated[
        str | None,
        typer.Option(help="Name, ONNX file or address.", rich_help_panel=NETWORKS),
    ] = None,
    depth: Annotated[
        str | None,
        typer.Option(
            help="Name, ONNX file or address; none for boxes only.", rich_help_panel=NETWORKS
        ),
    ] = None,
    semantic: Annotated[
        str | None,
        typer.Option(help="ONNX file of a semantic network.", rich_help_panel=NETWORKS),
    ] = None,
    join: Annotated[
        str, typer.Option(help="parallel, crop or mask.", rich_help_panel=NETWORKS)
    ] = "parallel",
    imgsz: ImgszOption = None,
    camera: Annotated[
        Path | None,
        typer.Option(
            help="Profile of the camera that takes all pictures.", rich_help_panel=NETWORKS
        ),
    ] = None,
    runtime: Annotated[
        str, typer.Option(help="onnx, openvino, or auto.", rich_help_panel=NETWORKS)
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="float32, or auto.", rich_help_panel=NETWORKS)
    ] = "auto",
    workers: Annotated[
        int,
        typer.Option(
            help="Pictures at a time, each with networks of its own.", rich_help_panel=NETWORKS
        ),
    ] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            help="CPU threads of each worker; all cores are shared among them unless given.",
            rich_help_panel=NETWORKS,
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; 0.0.0.0 for all, which lets the network in.",
            rich_help_panel=ACCESS,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port; 0 for any free one.", rich_help_panel=ACCESS)
    ] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A name under which the server is reached, behind a proxy say.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    allow_urls: Annotated[
        bool,
        typer.Option(
            "--allow-urls",
            help="Fetch pictures from public addresses that clients name.",
            rich_help_panel=ACCESS,
        ),
    ] = False,
    max_body_mb: Annotated[float, typer.Option(help="Longest body.", rich_help_panel=LIMITS)] = 20,
    max_megapixels: Annotated[
        float, typer.Option(help="Largest picture.", rich_help_panel=LIMITS)
    ] = 25,
    timeout: Annotated[
        float, typer.Option(help="Seconds for an answer, queue included.", rich_help_panel=LIMITS)
    ] = 30,
    queue: Annotated[
        int,
        typer.Option(help="Requests that may wait; more get 503.", rich_help_panel=LIMITS),
    ] = 16,
    results_mb: Annotated[
        float,
        typer.Option(help="Memory for results that can be fetched.", rich_help_panel=LIMITS),
    ] = 256,
) -> None:
    """Serve the networks over HTTP and WebSocket, with a page in the browser.

    Examples:

      howfar serve

      howfar serve --port 9000 --depth pydnet-kitti --workers 4

      curl -F image=@kitchen.jpg "http://127.0.0.1:8000/v1/predict?max_distance=4"
    """
    check_packages()
    from howfar.loading import available_threads
    from howfar.options import make_options
    from howfar.web.app import make_app
    from howfar.web.limits import Limits
    from howfar.web.server import Settings

    if workers < 1:
        raise UsageError(f"workers is {workers}; give at least 1")
    for option, value in {
        "--max-body-mb": max_body_mb,
        "--max-megapixels": max_megapixels,
        "--results-mb": results_mb,
        "--timeout": timeout,
    }.items():
        if not 0 < value < math.inf:
            raise UsageError(f"{option} is {value}; give a number above 0")
    each = max(1, available_threads() // workers) if threads is None else threads
    settings = Settings(
        limits=Limits(
            body_bytes=int(max_body_mb * MEGA),
            pixels=int(max_megapixels * MEGA),
            request_seconds=timeout,
            waiting=queue,
            results_bytes=int(results_mb * MEGA),
        ),
        allow_urls=allow_urls,
        hosts=tuple(split_commas(allow_host or [])),
        options=make_options({} if camera is None else {"camera": camera}),
    )
    listening = listen(host, port)
    with listening:
        finder, ranging = detector_and_depth(model, detector, depth)
        networks = {"detector": finder, "depth": ranging, "semantic": semantic}
        rangers = [_ranger(networks, join, runtime, precision, each, imgsz) for _ in range(workers)]
        app = make_app(rangers, settings)
        about = app.state.server.models
        names = " + ".join(model["name"] for model in about)
        typer.echo(f"howfar: {address_of(listening)}  ({names}); Ctrl-C stops", err=True)
        run(app, listening, settings.limits)


def check_packages() -> None:
    """Raise `UsageError` where the extra `web` is not installed."""
    missing = [name for module, name in PACKAGES.items() if not importlib.util.find_spec(module)]
    if missing:
        raise UsageError(f"serving needs {', '.join(missing)}; run: pip install 'howfar[web]'")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `UsageError` where the address cannot be had."""
    if not 0 <= port <= LAST_PORT:  # getaddrinfo takes larger ones modulo 65536
        raise UsageError(f"--port is {port}; give a number in 0..{LAST_PORT}, 0 for any free one")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family, backlog=256)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot listen on {host} port {port} ({reason}); choose another --port or --host"
        ) from error


def address_of(listening: socket.socket) -> str:
    """The address of a page to open."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def run(app: Any, listening: socket.socket, limits: Limits) -> None:
    """Serve until a signal comes."""
    import uvicorn

    uvicorn.Server(server_config(app, limits)).run(sockets=[listening])


def server_config(app: Any, limits: Limits) -> uvicorn.Config:
    """How uvicorn serves an application."""
    import uvicorn

    from howfar.web.protocol import Http, WebSocket

    return uvicorn.Config(
        app,
        http=Http,
        ws=WebSocket,
        ws_max_size=limits.body_bytes + 1,  # a frame that is cut off is still seen as too long
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        limit_concurrency=limits.connections,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=3,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


def _ranger(
    networks: dict[str, Any],
    join: str,
    runtime: str,
    precision: str,
    threads: int,
    imgsz: str | None,
) -> Ranger:
    """One worker's networks."""
    from howfar.loading import load, parse_imgsz

    return load(
        **networks,
        join=join,
        runtime=runtime,
        precision=precision,
        threads=threads,
        imgsz=parse_imgsz(imgsz),
        confirm=confirm_download(trust=False),
        progress=DownloadBar(),
    )
