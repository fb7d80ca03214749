"""Which colour the cells of a workbook have, by the numbers of their styles.

A colour is called as the file says it: `FFFF00` for red, green and blue, `theme-4` for
one of the workbook's theme, `indexed-13` for one of the fixed palette. White is none,
and so is a mere pattern.
"""

from collections.abc import Iterable, Mapping

Attributes = Mapping[str, str]

_NO_FILL = ("none", "gray125")
_NO_COLOUR = ("", "FFFFFF", "theme-0", "indexed-9", "indexed-64", "indexed-65")


def colours_of_styles(elements: Iterable[tuple[str, Attributes]]) -> dict[int, str]:
    """Return the colour by number of cell style.

    Args:
        elements: The elements of `xl/styles.xml` in their order: name, attributes.
    """
    fills: list[str] = []
    styles: dict[int, str] = {}
    section, number, pattern = "", 0, ""
    for name, attributes in elements:
        if name in ("fills", "fonts", "borders", "cellStyleXfs", "cellXfs", "dxfs"):
            section, number = name, 0
        elif section == "fills" and name == "fill":
            fills.append("")
        elif section == "fills" and name == "patternFill":
            pattern = attributes.get("patternType", "none")
        elif section == "fills" and name == "fgColor" and pattern not in _NO_FILL:
            fills[-1] = _name(attributes)
        elif section == "cellXfs" and name == "xf":
            fill = int(attributes.get("fillId", "0"))
            if fill < len(fills) and fills[fill] not in _NO_COLOUR:
                styles[number] = fills[fill]
            number += 1
    return styles


def _name(attributes: Attributes) -> str:
    """Return what a colour is called."""
    if "rgb" in attributes:
        return attributes["rgb"][-6:].upper()
    if "theme" in attributes:
        shade = float(attributes.get("tint", "0") or 0)
        return f"theme-{attributes['theme']}" + (f"{shade:+.2f}" if shade else "")
    return f"indexed-{attributes['indexed']}" if "indexed" in attributes else ""


__all__ = ["colours_of_styles"]
