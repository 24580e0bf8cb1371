"""Compares the pixels that pixmill and Pillow make of the images of a folder.

pip install pillow==13.0.0 numpy pyarrow
python tests/python/compare_with_pillow.py target/release/pixmill FOLDER

Prints how many files of each format are equal ('same'), differ by at most 2 ('close') or by more ('differs'), are refused by both, or
by one alone; and lists those of the last three kinds.
"""

import collections
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy
import pyarrow.parquet
from PIL import Image, ImageOps

MOST_PIXELS = 120_000_000


def pixmill(binary, folder):
    """Path to (reason, pixels)."""
    with tempfile.TemporaryDirectory() as out:
        query = f"""
            COPY (
                SELECT path, image_error(content) AS reason, i.width AS w, i.height AS h, i.data AS data
                FROM (
                    SELECT path, content,
                        image_decode(content, mode => 'rgb', dct => 'accurate') AS i
                    FROM read_images('{folder}', extensions => ['*'])
                )
            ) TO '{out}/rows.parquet'
        """
        subprocess.run([binary, "sql", "-c", query], check=True, stdout=subprocess.DEVNULL)
        rows = pyarrow.parquet.read_table(f"{out}/rows.parquet").to_pylist()
    pixels = {}
    for row in rows:
        data = row["data"]
        if data is not None:
            data = numpy.frombuffer(data, numpy.uint8).reshape(row["h"], row["w"], 3)
        pixels[pathlib.Path(row["path"]).name] = (row["reason"], data)
    return pixels


def rgb(image):
    """As image_decode's mode 'rgb': alpha dropped, the upper bytes of 16 bits."""
    if image.mode.startswith("I;16"):
        gray = (numpy.array(image).astype(numpy.uint32) >> 8).astype(numpy.uint8)
    elif image.mode in ("L", "LA", "1"):
        gray = numpy.array(image.convert("L") if image.mode == "1" else image.getchannel(0))
    elif image.mode in ("P", "PA"):
        return numpy.array(image.convert("RGBA"))[..., :3]
    elif image.mode in ("RGBA", "RGBX"):
        return numpy.array(image)[..., :3]
    elif image.mode in ("I", "F"):
        return None
    else:
        return numpy.array(image.convert("RGB"))
    return numpy.stack([gray] * 3, -1)


def pillow(path):
    """(format, mode, why not, pixels)"""
    kind = mode = None
    try:
        image = Image.open(path)
        kind, mode = image.format, image.mode
        if image.width * image.height > MOST_PIXELS:
            return kind, mode, "too large", None
        image.load()
        try:
            image = ImageOps.exif_transpose(image)
        except Exception:
            pass
        return kind, mode, None, rgb(image)
    except Exception as error:
        return kind, mode, f"{type(error).__name__}: {error}"[:90], None


def compare(ours, theirs):
    if theirs is None:
        return "without range", ""
    if ours.shape != theirs.shape:
        return "other size", f"{ours.shape[1]}x{ours.shape[0]}, Pillow {theirs.shape[1]}x{theirs.shape[0]}"
    difference = numpy.abs(ours.astype(int) - theirs.astype(int))
    most = int(difference.max())
    return ("same" if most == 0 else "close" if most <= 2 else "differs"), f"{most}, mean {difference.mean():.3f}"


def main(binary, folder):
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None
    ours = pixmill(binary, folder)
    counts = collections.Counter()
    for path in sorted(pathlib.Path(folder).iterdir()):
        kind, mode, refused, theirs = pillow(path)
        reason, pixels = ours.get(path.name, ("not listed", None))
        if pixels is None:
            verdict, what = ("both refuse", "") if refused else ("only Pillow reads", reason)
        elif refused:
            verdict, what = "only pixmill reads", refused
        else:
            verdict, what = compare(pixels, theirs)
        counts[kind, verdict] += 1
        if verdict not in ("same", "both refuse") or "--all" in sys.argv:
            print(kind, mode, verdict, what, path.name, sep=" | ")
    for (kind, verdict), count in sorted(counts.items(), key=str):
        print(f"{kind}: {count} {verdict}")


main(sys.argv[1], sys.argv[2])
