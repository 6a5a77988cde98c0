"""Writes jpegs.fixture.ts: JPEG files of all kinds, with their pixels as Pillow and libjpeg-turbo decode them. Needs Pillow and
libjpeg-turbo's program cjpeg.

    python3 test/data/jpegs.fixture.py > test/data/jpegs.fixture.ts
"""
import base64
import io
import subprocess
import tempfile

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 21, 18


def picture(channels):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [128 + 110 * np.sin(x * (0.2 + 0.13 * c) + y * (0.35 - 0.1 * c) + c) for c in range(channels)]
    return np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8)


def program(name, *arguments, stdin):
    return subprocess.run([name, *arguments], input=stdin, capture_output=True, check=True).stdout


def cjpeg(*arguments):
    ppm = io.BytesIO()
    Image.fromarray(picture(3)).save(ppm, 'PPM')
    return program('cjpeg', '-quality', '80', '-optimize', *arguments, stdin=ppm.getvalue())


def scans(script):
    with tempfile.NamedTemporaryFile('w', suffix='.txt') as file:
        file.write(script)
        file.flush()
        return cjpeg('-sample', '2x2', '-scans', file.name)


def pillow(mode, **options):
    file = io.BytesIO()
    Image.fromarray(picture(len(mode)), mode).save(file, 'JPEG', quality=80, optimize=True, **options)
    return file.getvalue()


FILES = {
    'full colour': cjpeg('-sample', '1x1'),
    'half across': cjpeg('-sample', '2x1'),
    'half down': cjpeg('-sample', '1x2'),
    'half both ways': cjpeg('-sample', '2x2'),
    'quarter across': cjpeg('-sample', '4x1'),
    'two kinds of chroma': cjpeg('-sample', '2x2,2x1,1x2'),
    'grey': cjpeg('-grayscale'),
    'RGB': cjpeg('-rgb', '-sample', '1x1'),
    'restarts': cjpeg('-sample', '2x1', '-restart', '1B'),
    'progressive': cjpeg('-sample', '2x2', '-progressive'),
    'progressive with restarts': cjpeg('-sample', '1x1', '-progressive', '-restart', '2B'),
    'CMYK': pillow('CMYK'),
    'a scan for each channel': scans('0;1;2;'),
}


def main():
    print('// Written by jpegs.fixture.py.\n')
    print(f'export const size = [{WIDTH}, {HEIGHT}] as const;\n')
    print('export const jpegs: Readonly<Record<string, { readonly file: string; readonly pixels: string }>> = {')
    for name, file in FILES.items():
        pixels = np.array(Image.open(io.BytesIO(file)).convert('RGB')).tobytes()
        print(f"\t'{name}': {{")
        for key, value in (('file', file), ('pixels', pixels)):
            print(f"\t\t{key}: '{base64.b64encode(value).decode()}',")
        print('\t},')
    print('};')


main()
