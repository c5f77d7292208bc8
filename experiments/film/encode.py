"""Frames to a file: GIF by Pillow, MP4 by ffmpeg. Equal frames give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from savings_gym.files import write_atomically

SUFFIXES: Final = (".gif", ".mp4")
COLOURS: Final = 160  # of a GIF
UNCHANGED: Final = 255  # index of pixels that are as in the frame before
PALETTE_FRAMES: Final = 6  # frames from which they are chosen

Picture = NDArray[np.uint8]


def check_encoder(path: Path) -> None:
    """Refuse a file that cannot be written.

    Raises:
        ValueError: If its suffix is unknown.
        ImportError: If it needs ffmpeg, and there is none.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f"cannot write a film as {str(path)!r}; its suffix must be one of: {', '.join(SUFFIXES)}"
        )
    if path.suffix == ".mp4":
        try:
            import imageio_ffmpeg

            imageio_ffmpeg.get_ffmpeg_exe()
        except (ImportError, RuntimeError):
            raise ImportError(
                f"{path.name} needs ffmpeg: pip install 'savings_gym[render]', or choose a .gif"
            ) from None


def write_film(path: Path, frames: Iterable[Picture], fps: int, held: float) -> None:
    """Write frames (height, width, 3), by the suffix of the file, whole or not at all.

    Args:
        path: The file, .gif or .mp4.
        frames: The frames; one after the other in an MP4, which repeats the last one, and without repetition
            in a GIF, in which each has a duration.
        fps: Frames per second.
        held: How long the last frame stays [s].
    """
    pictures = list(frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = _gif if path.suffix == ".gif" else _mp4
    write_atomically(path, encode(pictures, fps, held))


def _gif(pictures: list[Picture], fps: int, held: float) -> bytes:
    """One palette for all frames, and each frame holds what changes: a third of the bytes."""
    chosen = np.linspace(0, len(pictures) - 1, PALETTE_FRAMES).round().astype(int)
    together = Image.fromarray(np.concatenate([pictures[i] for i in sorted(set(chosen.tolist()))]))
    palette = together.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    frames, before = [], None
    for picture in pictures:
        indices = np.asarray(Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE))
        changed = indices if before is None else np.where(indices == before, UNCHANGED, indices)
        frame = Image.fromarray(changed.astype(np.uint8), "P")
        frame.putpalette(palette.getpalette() or [])
        frames.append(frame)
        before = indices
    durations = [round(1000 / fps)] * (len(frames) - 1) + [round(1000 * held)]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, format="gif", save_all=True, append_images=frames[1:], duration=durations, loop=0,
        optimize=False, disposal=1, transparency=UNCHANGED,
    )  # fmt: skip
    return buffer.getvalue()


def _mp4(pictures: list[Picture], fps: int, held: float) -> bytes:
    """H.264, playable by browsers."""
    import imageio_ffmpeg

    height, width = pictures[0].shape[:2]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "film.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(file), (width, height), fps=fps, codec="libx264", pix_fmt_out="yuv420p", macro_block_size=2,
            quality=None, ffmpeg_log_level="error",
            output_params=["-crf", "20", "-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact",
                           "-movflags", "+faststart"],
        )  # fmt: skip
        writer.send(None)
        for picture in [*pictures, *[pictures[-1]] * round(held * fps)]:
            writer.send(np.ascontiguousarray(picture))
        writer.close()
        return file.read_bytes()
