"""Prints the hashes that `udfs/src/image_hash.rs` expects: `python3 image_hash.py`, with imagehash 4.3 and Pillow 12."""

import imagehash
from PIL import Image


def picture(width, height):
    """The image of `udfs/src/support/testing.rs`."""
    image = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            image.putpixel((x, y), (x * 7 % 256, y * 5 % 256, 90 if x > width // 2 else 0))
    return image


for size in [(64, 48), (7, 5), (32, 32), (333, 100)]:
    image = picture(*size)
    hashes = [imagehash.average_hash(image), imagehash.dhash(image), imagehash.phash(image)]
    print(f"({size}, [{', '.join(f'0x{hash}' for hash in hashes)}]),")
