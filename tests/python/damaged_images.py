"""What Pillow, TensorFlow and OpenCV make of the damaged files of udfs/src/support/damage.rs.

mkdir /tmp/damaged
PIXMILL_DAMAGED_TO=/tmp/damaged cargo test -p pixmill-udfs damage
pip install pillow==13.0.0 tensorflow-cpu==2.21.0 opencv-python-headless==5.0.0.93
python tests/python/damaged_images.py /tmp/damaged > tests/python/damaged_images.csv
"""

import io
import pathlib
import sys

import cv2
import numpy
import tensorflow
from PIL import Image, ImageOps


def pillow(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return ImageOps.exif_transpose(image).size


def tensorflow_reads(content):
    if content[:2] in (b"II", b"MM"):
        return None
    shape = tensorflow.io.decode_image(content, expand_animations=False).shape
    return shape[1], shape[0]


def opencv(content):
    image = cv2.imdecode(numpy.frombuffer(content, numpy.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("not read")
    return image.shape[1], image.shape[0]


def verdict(read, content):
    try:
        size = read(content)
    except Exception:
        return "no"
    if size is None:
        return "-"
    return {(64, 48): "yes", (40, 21): "yes", (48, 64): "yes, turned"}.get(size, f"yes, {size[0]}x{size[1]}")


for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    content = path.read_bytes()
    print(path.name, *(verdict(read, content) for read in (pillow, tensorflow_reads, opencv)), sep=";")
