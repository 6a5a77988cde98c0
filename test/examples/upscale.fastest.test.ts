/** The tiles of an enlarged picture fit together: they are what the network gives for the whole picture. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, tensor } from 'wgrad';
import { loadTfjs } from 'wgrad/formats';
import { enlarge, FACTOR } from '../../examples/upscale/enlarge';

/** What the page uses of the browser's class. */
class Pixels {
	readonly data: Uint8ClampedArray;

	constructor(
		readonly width: number,
		readonly height: number,
	) {
		this.data = new Uint8ClampedArray(4 * width * height);
	}
}

test('the tiles of 131 x 40 pixels are those of the whole', async () => {
	Object.assign(globalThis, { ImageData: Pixels });
	await init({ device: 'webgpu' });
	const network = (await loadTfjs(join(process.cwd(), 'node_modules/@upscalerjs/default-model/models/model.json'))).eval();
	const [width, height] = [131, 40];
	const value = (x: number, y: number, c: number) =>
		Math.round(127 + 90 * Math.sin(x / (3 + c)) * Math.cos(y / 5) + ((7 * x * y) % 31));
	const read = (left: number, top: number, w: number, h: number) => {
		const part = new Pixels(w, h);
		for (let y = 0; y < h; y++)
			for (let x = 0; x < w; x++)
				for (let c = 0; c < 4; c++) part.data[4 * (y * w + x) + c] = c === 3 ? 255 : value(left + x, top + y, c);
		return part as unknown as ImageData;
	};
	const whole = network.forward(
		tensor(read(0, 0, width, height))
			.slice(2, 0, 3)
			.to('float32')
			.unsqueeze(0),
	);
	const expected = await whole.round().clamp(0, 255).data();
	let tiles = 0;
	for await (const { pixels, left, top } of enlarge(network, { width, height }, read, 'webgpu')) {
		tiles++;
		for (let y = 0; y < pixels.height; y++)
			for (let x = 0; x < pixels.width; x++)
				for (let c = 0; c < 3; c++) {
					const wanted = expected[3 * ((top + y) * width * FACTOR + left + x) + c]!;
					const got = pixels.data[4 * (y * pixels.width + x) + c]!;
					// Sums in another order may round to the next number.
					assert.ok(Math.abs(got - wanted) <= 1, `pixel ${left + x}, ${top + y}: ${got} instead of ${wanted}`);
				}
	}
	assert.is(tiles, 2);
});

test.run();
