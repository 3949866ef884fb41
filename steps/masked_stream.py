"""Hides secrets in a stream of bytes, wherever its pieces end."""

from codecs import getincrementaldecoder

from steps.masking import HIDDEN, Mask


class MaskedStream:
    """Gives a stream back as the mask shows its whole text at once; the rest of it byte for byte.

    A secret may go on in the next piece, so something is held back: a few hundred times the longest secret.
    A secret is hidden from where it is known. No spelling of one is looked for that is longer than 32 times
    the secret itself, as one with dozens of backslashes before each character would be.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._decoder = getincrementaldecoder("utf-8")("surrogateescape")
        self._held = ""
        self._covered = 0
        """So many characters of what is held are the rest of something that has been hidden."""

    def feed(self, data: bytes) -> bytes:
        """More came: what of it, and of what was held, can be shown."""
        if not self._mask:
            return data
        self._held += self._decoder.decode(data)
        reach = self._mask.reach
        # Looking again and again through what is held would take long where a secret is.
        return self._shown(len(self._held) - reach) if len(self._held) >= 3 * reach else b""

    def rest(self) -> bytes:
        """The stream ended."""
        self._held += self._decoder.decode(b"", final=True)
        return self._shown(len(self._held))

    def _shown(self, upto: int) -> bytes:
        text, end = self._held, self._covered
        parts: list[str] = []
        for begin, stop in sorted(self._mask.spans(text)):
            if begin >= upto:
                break
            if begin >= end:
                parts += [text[end:begin], HIDDEN]
            end = max(end, stop)
        parts.append(text[end:upto])
        self._held, self._covered = text[upto:], max(0, end - upto)
        return "".join(parts).encode("utf-8", "surrogateescape")
