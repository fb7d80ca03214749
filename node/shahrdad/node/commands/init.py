"""`shahrdad init`: a node from five answers."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.node.console import Common, print_json


def init(
    folder: Annotated[Path, Parameter()] = Path(),
    *,
    city: str | None = None,
    public_url: str | None = None,
    origin: str | None = None,
    http_port: int = 8080,
    grpc_port: int = 50051,
    approval: Literal["four-eyes", "single"] | None = None,
    no_input: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Make a node: configuration, signing key, and the log's first entry.

    Asks for what is not given. The key is a file that only you can read; keep a copy
    of it in a safe: whoever has it can sign as your city.

    Args:
        folder: Where the node lives; made when absent.
        city: The city's slug, for example kerman; `shahrdad init` lists them.
        public_url: The address at which the public will reach the node.
        origin: The log's permanent name, host/path; a host of yours in it is enough.
        http_port: Port of the web pages and the API.
        grpc_port: Port of the federation.
        approval: single, or four-eyes (needs accounts).
        no_input: Never ask; take defaults or refuse.
    """
    from shahrdad.datasets.standards import cities
    from shahrdad.node.city import create_node
    from shahrdad.node.config import (
        Config,
        FederationSection,
        GrpcSection,
        HttpSection,
        NodeSection,
        PublishSection,
    )
    from shahrdad.node.config_file import render

    ask = not no_input and sys.stdin.isatty()
    file = folder / "shahrdad.toml"
    if file.exists():
        raise ConflictError(Reason.NODE_EXISTS, path=str(file))
    known = {found.slug: found for found in cities()}
    if city is None and ask:
        common.say("شهرها: " + "، ".join(known), "Cities: " + ", ".join(known))
        city = _ask(common, "شهر شما؟", "Your city?", "")
    if city not in known:
        raise RequestError(
            Reason.CITY_NOT_LISTED, city=city or "", cities=", ".join(sorted(known))
        )
    facts = known[city]
    default_url = f"http://127.0.0.1:{http_port}"
    if public_url is None:
        public_url = (
            _ask(common, "نشانی عمومی؟", "Public address?", default_url)
            if ask
            else default_url
        )
    if origin is None:
        default = f"{city}.example/catalog"
        origin = (
            _ask(common, "نام دفتر (میزبان/مسیر)؟", "Name of the log?", default)
            if ask
            else default
        )
    if approval is None:
        answer = (
            _ask(common, "تأیید تک‌نفره؟ (y/n)", "One person approves? (y/n)", "y")
            if ask
            else "n"
        )
        approval = "single" if answer.lower().startswith("y") else "four-eyes"
    folder.mkdir(parents=True, exist_ok=True)
    config = Config(
        node=NodeSection(
            city=city,
            city_code=facts.code,
            name_fa=facts.name_fa,
            name_en=facts.name_en,
            public_url=public_url,
        ),
        http=HttpSection(port=http_port),
        grpc=GrpcSection(port=grpc_port),
        publish=PublishSection(approval=approval),
        federation=FederationSection(origin=origin),
    )
    file.write_text(render(config), "utf-8")
    vkey = create_node(file)
    if common.json:
        print_json({"config": str(file), "origin": origin, "vkey": vkey})
        return
    common.say(
        f"گرهٔ {facts.name_fa} در {folder.absolute()} آماده است. کلید عمومی:\n{vkey}",
        f"The node of {facts.name_en} is in {folder.absolute()}. Public key:\n{vkey}",
    )
    common.next_step(
        f"cd {folder} و سپس: shahrdad publish FILE --family budget_lines",
        f"cd {folder}; shahrdad publish FILE --family budget_lines",
    )


def _ask(common: Common, fa: str, en: str, default: str) -> str:
    """Ask on the terminal; an empty answer is the default."""
    shown = f" [{default}]" if default else ""
    sys.stderr.write(common.text(fa, en) + shown + " ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() or default
