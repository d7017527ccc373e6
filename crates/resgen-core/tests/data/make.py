"""Writes the JPEG fixtures that the Rust encoder cannot: `python make.py` (Pillow 13.0.0)."""

import io
import pathlib

from PIL import Image

HERE = pathlib.Path(__file__).parent


def jpeg(picture, **options):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95, optimize=True, **options)
    return bytearray(file.getvalue())


# 8 x 8 pixels of cyan 51, magenta 102, yellow 153, black 51. Pillow stores 255 - ink and says "Adobe".
inks = jpeg(Image.new("CMYK", (8, 8), (51, 102, 153, 51)))
(HERE / "cmyk-adobe.jpg").write_bytes(inks)

# The same without the Adobe segment (two bytes of mark, then its length).
at = inks.find(b"\xff\xee")
length = int.from_bytes(inks[at + 2 : at + 4], "big")
(HERE / "cmyk-bare.jpg").write_bytes(inks[:at] + inks[at + 2 + length :])

# The same as YCCK: the light (204, 153, 102) complemented to (51, 102, 153) and turned into YCbCr.
ycc = Image.new("RGB", (1, 1), (51, 102, 153)).convert("YCbCr").getpixel((0, 0))
ycck = jpeg(Image.new("CMYK", (8, 8), tuple(255 - value for value in (*ycc, 204))))
ycck[ycck.find(b"\xff\xee") + 4 + 11] = 2
(HERE / "ycck-adobe.jpg").write_bytes(ycck)

# 16 x 8 pixels, red left and blue right, to be shown turned clockwise by a quarter: red on top.
turned = Image.new("RGB", (16, 8), (0, 0, 255))
turned.paste((255, 0, 0), (0, 0, 8, 8))
exif = Image.Exif()
exif[0x112] = 6
(HERE / "turned.jpg").write_bytes(jpeg(turned, exif=exif.tobytes(), subsampling=0))
