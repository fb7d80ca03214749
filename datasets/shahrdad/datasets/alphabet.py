"""The order of the Persian alphabet, for sorting.

Code-point order puts پ چ ژ گ ی after ه; a dictionary does not.

>>> from shahrdad.datasets.alphabet import sort_key
>>> sorted(["یزد", "پارس", "تهران", "آمل", "گرگان"], key=sort_key)
['آمل', 'پارس', 'تهران', 'گرگان', 'یزد']

Source: the 33 letters from آ to ی in the order of the Persian Academy.
"""

LETTERS = "آابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهی"
# The place of a letter, after all that is not a letter and before other scripts.
_PLACE = {letter: 0x0600 + place for place, letter in enumerate(LETTERS)}
_AS = {
    "\u064a": "ی",
    "\u0649": "ی",
    "\u0643": "ک",
    "\u0629": "ه",
    "\u06c0": "ه",
    "أ": "ا",
    "إ": "ا",
    "ؤ": "و",
    "ئ": "ی",
    "\u200c": "",
}


def sort_key(text: str) -> bytes:
    """Return bytes whose order is the dictionary order of the texts.

    Digits come first, Latin letters without regard to case, then Persian letters;
    ZWNJ does not count.
    """
    folded = "".join(_AS.get(letter, letter) for letter in text.casefold())
    return b"".join(
        _PLACE.get(letter, ord(letter)).to_bytes(3, "big") for letter in folded
    )
