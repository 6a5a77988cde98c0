/** `fromPixels` of pixels, canvases, bitmaps and videos, on the device and on the CPU. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { counters, type Device, init, type Tensor } from 'wgrad';
import { fromPixels, imageTensor, type PixelSource } from 'wgrad/data';

/** Pixels of any bytes, with alpha. */
function pixelsOf(
	width: number,
	height: number,
	opaque: boolean,
): { width: number; height: number; data: Uint8ClampedArray<ArrayBuffer> } {
	const data = new Uint8ClampedArray(4 * width * height);
	for (let i = 0; i < data.length; i++) data[i] = opaque && i % 4 === 3 ? 255 : (i * 37 + (i >> 3)) % 256;
	return { width, height, data };
}

/** The planes of `channels`, in float64, and independent of the library. */
function expected({ width, height, data }: ReturnType<typeof pixelsOf>, channels: number): number[] {
	const area = width * height;
	return Array.from({ length: channels * area }, (_, i) => {
		const at = 4 * (i % area);
		const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
		return (channels === 1 ? 0.299 * r + 0.587 * g + 0.114 * b : data[at + Math.floor(i / area)]!) / 255;
	});
}

/** WGSL's division may err by 2.5 units of the last place. */
async function assertPlanes(x: Tensor, shape: number[], values: readonly number[], tolerance = 2 ** -22): Promise<void> {
	assert.equal([...x.shape], shape);
	assert.is(x.dtype, 'float32');
	const found = await x.data();
	const wrong = values.findIndex((value, i) => !(Math.abs(found[i]! - value) <= tolerance));
	assert.is(wrong, -1, `element ${wrong} is ${found[wrong]}, not ${values[wrong]}`);
	x.dispose();
}

let device: Device;
test.before(async () => {
	({ device } = await init());
});

test('pixels become planes, on both devices', async () => {
	for (const on of [device, 'cpu'] as const) {
		for (const [width, height] of [
			[1, 1],
			[5, 3],
			[130, 3],
		] as const) {
			const pixels = pixelsOf(width, height, false);
			for (const channels of [1, 3, 4] as const)
				await assertPlanes(fromPixels(pixels, { channels, device: on }), [channels, height, width], expected(pixels, channels));
		}
	}
	const pixels = pixelsOf(4, 4, false);
	const image = { width: 4, height: 4, channels: 4, data: new Uint8Array(pixels.data) };
	const other = imageTensor(image);
	await assertPlanes(fromPixels(pixels, { channels: 4 }), [4, 4, 4], [...(await other.data())]);
	// A part of a buffer that does not begin at a multiple of four.
	const odd = new Uint8ClampedArray(21).subarray(1, 17);
	odd.set(pixels.data.subarray(0, 16));
	await assertPlanes(
		fromPixels({ width: 2, height: 2, data: odd }),
		[3, 2, 2],
		expected({ ...pixelsOf(2, 2, false), data: new Uint8ClampedArray(odd) }, 3),
	);
});

test('wrong calls say what is wrong', () => {
	const wrong = (source: unknown, options?: object) => () => fromPixels(source as PixelSource, options);
	assert.throws(wrong(undefined), /fromPixels: the source must be an ImageData, canvas/);
	assert.throws(
		wrong({ width: 1, height: 1, data: Float32Array.of(1, 0, 0, 1) }),
		/fromPixels: data must be bytes from 0 to 255/,
	);
	assert.throws(
		wrong({ width: 1.5, height: 2, data: new Uint8Array(12) }),
		/a picture has whole numbers of pixels, not 1\.5 x 2/,
	);
	assert.throws(wrong({ width: 2, height: 2, data: new Uint8ClampedArray(12) }), /2 x 2 pixels have 16 bytes .* not 12/);
	assert.throws(wrong({ videoWidth: 0, videoHeight: 0 }), /no pixels yet/);
	assert.throws(wrong(pixelsOf(1, 1, true), { channels: 2 }), /fromPixels: channels must be 1 \(grey\)/);
	assert.throws(wrong(pixelsOf(1, 1, true), { chanels: 3 }), /chanels/);
	if (device === 'webgpu') assert.throws(wrong({ width: 9000, height: 1 }), /at most 8192 on a side/);
});

if (typeof OffscreenCanvas === 'function') {
	test('a canvas, a bitmap and a VideoFrame are copied on the device', async () => {
		const pixels = pixelsOf(70, 3, true);
		const canvas = new OffscreenCanvas(70, 3);
		canvas.getContext('2d')!.putImageData(new ImageData(pixels.data, 70, 3), 0, 0);
		const bitmap = await createImageBitmap(canvas);
		const before = device === 'webgpu' ? counters() : null;
		const tensors = [fromPixels(canvas), fromPixels(bitmap, { channels: 1 }), fromPixels(bitmap, { device: 'cpu' })];
		if (before !== null) {
			const { bytesUploaded, bytesRead } = counters();
			assert.equal([bytesUploaded, bytesRead], [before.bytesUploaded, before.bytesRead], 'nothing passes through the host');
		}
		await assertPlanes(tensors[0]!, [3, 3, 70], expected(pixels, 3));
		await assertPlanes(tensors[1]!, [1, 3, 70], expected(pixels, 1));
		await assertPlanes(tensors[2]!, [3, 3, 70], expected(pixels, 3));
		const frame = new VideoFrame(bitmap, { timestamp: 0 });
		await assertPlanes(fromPixels(frame, { channels: 4 }), [4, 3, 70], expected(pixels, 4));
		frame.close();

		// Alpha is not multiplied in. A canvas keeps colours multiplied, which rounds.
		const clear = new OffscreenCanvas(1, 1);
		clear.getContext('2d')!.putImageData(new ImageData(Uint8ClampedArray.of(200, 100, 50, 128), 1, 1), 0, 0);
		const planes = [200, 100, 50, 128].map((value) => value / 255);
		await assertPlanes(fromPixels(clear, { channels: 4 }), [4, 1, 1], planes, 1.5 / 255);
		await assertPlanes(fromPixels(clear, { channels: 4, device: 'cpu' }), [4, 1, 1], planes, 1.5 / 255);
	});
}

if (typeof document !== 'undefined') {
	test('a playing video gives the picture that it shows', async () => {
		const canvas = document.createElement('canvas');
		[canvas.width, canvas.height] = [64, 32];
		const context = canvas.getContext('2d')!;
		const draw = () => {
			context.fillStyle = 'rgb(200, 40, 120)';
			context.fillRect(0, 0, 64, 32);
		};
		draw();
		const video = document.createElement('video');
		assert.throws(() => fromPixels(video), /no pixels yet; wait for a video's 'loadeddata' event/);
		video.muted = true;
		video.srcObject = canvas.captureStream(30);
		const drawing = setInterval(draw, 30);
		await video.play();
		clearInterval(drawing);
		const planes = [200, 40, 120].flatMap((value) => Array.from({ length: 64 * 32 }, () => value / 255));
		// Videos hold colours as brightness and two differences, each rounded.
		await assertPlanes(fromPixels(video), [3, 32, 64], planes, 4 / 255);
		await assertPlanes(fromPixels(canvas), [3, 32, 64], planes);
		for (const track of (video.srcObject as MediaStream).getTracks()) track.stop();
	});
}

test.run();
