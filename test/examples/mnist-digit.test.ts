/** Drawings become images like MNIST's: given MNIST's own images, enlarged and shifted, the page recovers them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Mnist } from '../../examples/mnist/data';
import { centreDigit } from '../../examples/mnist/digit';
import { PIXELS, SIDE } from '../../examples/mnist/images';

/** Enlarges each pixel to a square of `scale` x `scale` in an empty drawing of 300 x 260. */
function enlarge(pixels: Uint8Array, scale: number, left: number, top: number) {
	const [width, height] = [300, 260];
	const levels = new Uint8Array(width * height);
	for (let row = 0; row < SIDE * scale; row++) {
		for (let column = 0; column < SIDE * scale; column++) {
			const level = pixels[Math.floor(row / scale) * SIDE + Math.floor(column / scale)]!;
			levels[(row + top) * width + column + left] = level;
		}
	}
	return { width, height, levels };
}

/** The column and row of the centre of mass, counted from pixel centres. */
function centreOfMass(pixels: Uint8Array): [x: number, y: number] {
	let [mass, x, y] = [0, 0, 0];
	pixels.forEach((level, i) => {
		mass += level;
		x += level * (i % SIDE);
		y += level * Math.floor(i / SIDE);
	});
	return [x / mass, y / mass];
}

test('MNIST images are recovered', () => {
	const images = new Mnist('t10k');
	for (let i = 0; i < 100; i++) {
		const original = images.pixels(i);
		const found = centreDigit(enlarge(original, 8, 60, 20))!;
		const [x, y] = centreOfMass(found);
		assert.ok(Math.abs(x - 14) < 0.05 && Math.abs(y - 14) < 0.05, `image ${i} is centred at ${x}, ${y}`);
		// The original was moved by whole pixels, so shifts of up to half a pixel remain. Correlations tolerate them.
		let [product, first, second] = [0, 0, 0];
		for (let p = 0; p < PIXELS; p++) {
			product += found[p]! * original[p]!;
			first += found[p]! ** 2;
			second += original[p]! ** 2;
		}
		const correlation = product / Math.sqrt(first * second);
		assert.ok(correlation > 0.85, `image ${i} correlates by ${correlation}`);
	}
});

test('size and position of a drawing do not matter', () => {
	const original = new Mnist('t10k').pixels(0);
	const small = centreDigit(enlarge(original, 4, 0, 0))!;
	const large = centreDigit(enlarge(original, 8, 70, 30))!;
	for (const [p, level] of small.entries()) assert.ok(Math.abs(level - large[p]!) <= 2, `pixel ${p}: ${level} and ${large[p]}`);
});

test('the larger side becomes 20 pixels', () => {
	const levels = new Uint8Array(100 * 100);
	for (let row = 10; row < 90; row++) levels.fill(255, row * 100 + 5, row * 100 + 25);
	const found = centreDigit({ width: 100, height: 100, levels })!;
	const rows = Array.from(
		{ length: SIDE },
		(_, row) => found.subarray(row * SIDE, (row + 1) * SIDE).reduce((a, b) => a + b, 0) / 255,
	);
	assert.ok(Math.abs(rows.reduce((a, b) => a + b, 0) - 20 * 5) < 1, 'its area is 20 x 5');
	assert.is(rows.filter((row) => row > 4.9).length, 19, 'a row at each end is covered by half');
});

test('a dot at the edge is an image, an empty box is not', () => {
	const empty = { width: 50, height: 40, levels: new Uint8Array(50 * 40) };
	assert.is(centreDigit(empty), null);
	const dot = { ...empty, levels: empty.levels.slice() };
	dot.levels[0] = 1;
	assert.is(centreDigit(dot)!.length, PIXELS);
});

test.run();
