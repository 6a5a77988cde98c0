/** The effect of each transform on images, exact for moves of whole pixels, and the distribution of its random numbers. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { manualSeed, type Tensor, tensor, zeros } from 'wgrad';
import { DataLoader, TensorDataset, transforms } from 'wgrad/data';

const device = 'cpu';
const target = tensor([0], { device });

/** Applies a transform to one image with one channel. */
async function once(transform: transforms.Transform, rows: readonly (readonly number[])[], seed = 5): Promise<number[][]> {
	const [images] = transform([tensor([[rows]], { device }), target], { generator: manualSeed(seed) });
	return ((await images!.toArray()) as number[][][][])[0]![0]!;
}

/** `count` images of this size, image n filled by `value`. */
function images(count: number, height: number, width: number, value: (n: number, i: number, j: number) => number): Tensor {
	const values = Float32Array.from({ length: count * height * width }, (_, at) => {
		const n = Math.floor(at / (height * width));
		return value(n, Math.floor(at / width) % height, at % width);
	});
	return tensor(values, { shape: [count, 1, height, width], device });
}

const SQUARE = [
	[1, 2, 3],
	[4, 5, 6],
	[7, 8, 9],
];

test('flips, quarter turns, crops and shifts move pixels exactly', async () => {
	assert.equal(await once(transforms.randomHorizontalFlip({ p: 1 }), [[1, 2, 3]]), [[3, 2, 1]]);
	assert.equal(await once(transforms.randomVerticalFlip({ p: 1 }), [[1], [2], [3]]), [[3], [2], [1]]);
	assert.equal(await once(transforms.randomHorizontalFlip({ p: 0 }), SQUARE), SQUARE);
	// Counter-clockwise, as torchvision does.
	const turned = [
		[3, 6, 9],
		[2, 5, 8],
		[1, 4, 7],
	];
	assert.equal(await once(transforms.randomRotation([90, 90]), SQUARE), turned);
	assert.equal(await once(transforms.randomRotation([-270, -270]), SQUARE), turned);
	assert.equal(await once(transforms.randomAffine({ degrees: [-90, -90] }), SQUARE), turned);
	assert.equal(await once(transforms.randomRotation([180, 180]), [[1, 2, 3, 4]]), [[4, 3, 2, 1]]);
	assert.equal(await once(transforms.randomCrop([1, 3]), [[1, 2, 3]]), [[1, 2, 3]]);
	const padded = [
		[9, 9, 9, 9],
		[9, 1, 2, 9],
		[9, 9, 9, 9],
	];
	assert.equal(await once(transforms.randomCrop([3, 4], { padding: 1, fill: 9 }), [[1, 2]]), padded);
	const wide = [[3, 2, 1, 2, 3, 2, 1]];
	assert.equal(await once(transforms.randomCrop([1, 7], { padding: [2, 0], paddingMode: 'reflect' }), [[1, 2, 3]]), wide);
	const mirrored = [[2, 1, 1, 2, 3, 3, 2]];
	assert.equal(await once(transforms.randomCrop([1, 7], { padding: [2, 0], paddingMode: 'symmetric' }), [[1, 2, 3]]), mirrored);
	const edge = [[1, 1, 2, 3, 3, 3]];
	assert.equal(await once(transforms.randomCrop([1, 6], { padding: [1, 0, 2, 0], paddingMode: 'edge' }), [[1, 2, 3]]), edge);
});

test('shear and zoom about the centre', async () => {
	const spot = [
		[0, 0, 1, 0, 0],
		[0, 0, 0, 0, 0],
		[0, 0, 1, 0, 0],
		[0, 0, 0, 0, 0],
		[0, 0, 1, 0, 0],
	];
	const slanted = [
		[0, 0, 0, 0, 1],
		[0, 0, 0, 0, 0],
		[0, 0, 1, 0, 0],
		[0, 0, 0, 0, 0],
		[1, 0, 0, 0, 0],
	];
	const sheared = await once(transforms.randomShear([45, 45], { interpolation: 'nearest' }), spot);
	assert.equal(sheared, slanted);
	const line = spot.map((_, j) => spot.map((row) => row[j]!));
	assert.equal(await once(transforms.randomShear(0, { y: [45, 45], interpolation: 'nearest' }), line), slanted);
	assert.equal(await once(transforms.randomZoom([0.5, 0.5]), [[1, 2, 3, 4, 5]]), [[0, 1, 3, 5, 0]]);
	const enlarged = await once(transforms.randomZoom([2, 2]), [[1, 2, 3, 4, 5]]);
	assert.equal(enlarged, [[2, 2.5, 3, 3.5, 4]]);
	assert.equal(await once(transforms.randomAffine({ scale: [2, 2] }), [[1, 2, 3, 4, 5]]), enlarged);
});

test('parameters that change nothing keep every bit, also of NaN, infinity and -0', async () => {
	const rows = [
		[Number.NaN, -0, 3.5],
		[Number.POSITIVE_INFINITY, 1e-40, -7],
	];
	const still = [
		transforms.randomRotation(0),
		transforms.randomShear(0),
		transforms.randomZoom(0),
		transforms.randomShift(0),
		transforms.randomAffine({}),
		transforms.randomAffine({ degrees: 0, paddingMode: 'reflect' }),
		transforms.randomHorizontalFlip({ p: 0 }),
		transforms.cutout(2, { p: 0 }),
		transforms.randomErasing({ p: 0 }),
	];
	const bits = (values: readonly (readonly number[])[]) => [...new Uint32Array(Float32Array.from(values.flat()).buffer)];
	for (const transform of still) assert.equal(bits(await once(transform, rows)), bits(rows));
});

test('interpolation is linear between pixels and with the fill', async () => {
	// Half a pixel towards the left: (0 + 4) / 2, (4 + 8) / 2.
	const half = await once(transforms.randomZoom([4, 4], { fill: 100 }), [[0, 8]]);
	assert.equal(half, [[3, 5]]);
	const beyond = await once(transforms.randomZoom([0.5, 0.5], { fill: 100 }), [[0, 8]]);
	assert.equal(beyond, [[50, 54]]);
	const edge = await once(transforms.randomZoom([0.5, 0.5], { paddingMode: 'edge' }), [[0, 8]]);
	assert.equal(edge, [[0, 8]]);
	const nearest = await once(transforms.randomZoom([0.4, 0.4], { interpolation: 'nearest', fill: 100 }), [[0, 8]]);
	assert.equal(nearest, [[100, 100]]);
});

test('each image has its own draws, and the same seed gives the same draws', async () => {
	const count = 4000;
	const x = images(count, 1, 2, (_n, _i, j) => j);
	const flip = transforms.randomHorizontalFlip({ p: 0.3 });
	const flips = async (seed: number) =>
		Array.from(await flip([x], { generator: manualSeed(seed) })[0]!.data()).filter((_, i) => i % 2 === 0);
	const first = await flips(1);
	const share = first.reduce((sum, v) => sum + v, 0) / count;
	// Four standard deviations of a share of 4000.
	assert.ok(Math.abs(share - 0.3) < 4 * Math.sqrt((0.3 * 0.7) / count), `${share} flipped`);
	assert.equal(await flips(1), first);
	assert.not.equal(await flips(2), first);

	const place = images(count, 5, 5, (_n, i, j) => i * 5 + j);
	const corners = await transforms
		.randomCrop(2)([place], { generator: manualSeed(3) })[0]!
		.data();
	const counts = new Map<number, number>();
	for (let n = 0; n < count; n++) counts.set(corners[n * 4]!, (counts.get(corners[n * 4]!) ?? 0) + 1);
	assert.is(counts.size, 16);
	for (const [corner, times] of counts) {
		assert.ok(corner % 5 < 4 && corner < 20);
		assert.ok(Math.abs(times / count - 1 / 16) < 4 * Math.sqrt(15 / 256 / count), `corner ${corner}: ${times} times`);
	}

	const shifted = await transforms
		.randomShift([0.4, 0], { fill: -1 })([images(count, 1, 5, (_n, _i, j) => j)], {
			generator: manualSeed(4),
		})[0]!
		.data();
	const steps = new Set<number>();
	for (let n = 0; n < count; n++) steps.add(2 - shifted[n * 5 + 2]!);
	assert.equal([...steps].sort(), [-1, -2, 0, 1, 2]);

	const bright = await transforms
		.randomBrightness(0.5, { clip: null })([images(count, 1, 1, () => 1)], {
			generator: manualSeed(5),
		})[0]!
		.data();
	const mean = Array.from(bright).reduce((sum, v) => sum + v, 0) / count;
	assert.ok(bright.every((v) => v >= 0.5 && v < 1.5));
	assert.ok(Math.abs(mean - 1) < 4 * Math.sqrt(1 / 12 / count), `mean factor ${mean}`);
});

test('brightness, contrast and normalize', async () => {
	assert.equal(await once(transforms.randomBrightness([2, 2]), [[0.25, 0.75]]), [[0.5, 1]]);
	assert.equal(await once(transforms.randomBrightness([2, 2], { clip: null }), [[0.25, 0.75]]), [[0.5, 1.5]]);
	assert.equal(await once(transforms.randomContrast([0.5, 0.5]), [[0.25, 0.75]]), [[0.375, 0.625]]);
	assert.equal(await once(transforms.randomContrast([3, 3]), [[0.25, 0.75]]), [[0, 1]]);
	const rgb = tensor([[[[1]], [[0.5]], [[0]]]], { device, dtype: 'float64' });
	const grey = 0.2989 + 0.587 * 0.5;
	const [flat] = transforms.randomContrast([0, 0])([rgb]);
	for (const value of await flat!.data()) assert.ok(Math.abs(value - grey) < 1e-12);
	const [scaled] = transforms.normalize([0.5, 0.5, 0], [0.5, 0.25, 2])([rgb]);
	assert.equal([...(await scaled!.data())], [1, 0, 0]);
	assert.equal(await once(transforms.normalize(0.5, 0.25), [[0.25, 0.75]]), [[-1, 1]]);
});

test('cutout and erasing', async () => {
	const count = 600;
	const x = images(count, 9, 7, () => 1);
	const [cut] = transforms.cutout([3, 2], { fill: 0 })([x], { generator: manualSeed(6) });
	const values = await cut!.data();
	let whole = 0;
	for (let n = 0; n < count; n++) {
		const plane = values.subarray(n * 63, (n + 1) * 63);
		const rows = new Set<number>();
		const columns = new Set<number>();
		plane.forEach((v, at) => {
			if (v !== 0) return;
			rows.add(Math.floor(at / 7));
			columns.add(at % 7);
		});
		const erased = plane.filter((v) => v === 0).length;
		assert.is(erased, rows.size * columns.size);
		assert.ok(rows.size >= 2 && rows.size <= 3 && columns.size >= 1 && columns.size <= 2);
		if (erased === 6) whole++;
	}
	// The whole rectangle fits in for rows 1 .. 7 of 9 and columns 1 .. 6 of 7.
	assert.ok(Math.abs(whole / count - (7 * 6) / 63) < 4 * Math.sqrt(2 / 9 / count), `${whole} of ${count} whole`);

	const [erased] = transforms.randomErasing({ p: 0.5, scale: [0.1, 0.2], value: 5 })([images(count, 20, 20, () => 1)], {
		generator: manualSeed(7),
	});
	const after = await erased!.data();
	let touched = 0;
	for (let n = 0; n < count; n++) {
		const area = after.subarray(n * 400, (n + 1) * 400).filter((v) => v === 5).length;
		if (area > 0) touched++;
		// Sides are rounded to whole pixels.
		assert.ok(area === 0 || (area >= 0.07 * 400 && area <= 0.24 * 400), `area ${area}`);
	}
	assert.ok(Math.abs(touched / count - 0.5) < 4 * Math.sqrt(0.25 / count), `${touched} of ${count} erased in`);
});

test('mixup mixes images and targets by the same weights, which are Beta-distributed', async () => {
	const count = 3000;
	for (const alpha of [0.2, 1, 3]) {
		const classes = tensor(
			Int32Array.from({ length: count }, (_, n) => n % 3),
			{ device },
		);
		const x = images(count, 1, 1, (n) => n % 3);
		const [mixed, soft] = transforms.mixup(alpha, { numClasses: 3 })([x, classes], { generator: manualSeed(8) });
		assert.equal(soft!.shape, [count, 3]);
		assert.is(soft!.dtype, 'float32');
		const [pixels, rows] = [await mixed!.data(), await soft!.data()];
		let mean = 0;
		let squares = 0;
		let others = 0;
		for (let n = 0; n < count; n++) {
			const row = rows.subarray(n * 3, n * 3 + 3);
			assert.ok(Math.abs(row[0]! + row[1]! + row[2]! - 1) < 1e-6);
			assert.ok(Math.abs(pixels[n]! - (row[1]! + 2 * row[2]!)) < 1e-6, 'images and targets have one weight');
			const own = row[n % 3]!;
			if (own < 1 - 1e-6 || alpha < 1) {
				mean += own;
				squares += own * own;
				others++;
			}
		}
		// If the partner has another class, the sample's own share is lambda: mean 1/2, variance 1 / (4 (2 alpha + 1)).
		if (alpha >= 1) {
			mean /= others;
			const variance = squares / others - mean * mean;
			assert.ok(Math.abs(others / count - 2 / 3) < 0.04);
			assert.ok(Math.abs(mean - 0.5) < 0.03, `alpha ${alpha}: mean ${mean}`);
			assert.ok(Math.abs(variance - 1 / (4 * (2 * alpha + 1))) < 0.01, `alpha ${alpha}: variance ${variance}`);
		}
	}
	const soft = tensor([[1], [3]], { device });
	const [, mixed] = transforms.mixup(0.5)([zeros([2, 1, 2, 2], { device }), soft], { generator: manualSeed(9) });
	const [a, b] = await mixed!.data();
	assert.ok(a! >= 1 && a! <= 3 && b! >= 1 && b! <= 3);
});

test('wrong images and arguments throw clear errors', () => {
	const flip = transforms.randomHorizontalFlip();
	const pixels = zeros([2, 1, 4, 4], { dtype: 'int32', device });
	assert.throws(() => flip([pixels]), /randomHorizontalFlip: images must be floating, not int32.*scale 1 \/ 255/);
	assert.throws(() => flip([zeros([4, 4], { device })]), /images must be a batch \[N, C, H, W\], not \[4, 4\]/);
	assert.throws(() => flip(zeros([1, 1, 4, 4], { device }) as never), /takes a batch, an array of tensors/);
	assert.throws(() => transforms.randomHorizontalFlip({ p: 2 }), /p must lie in \[0, 1\], not 2/);
	assert.throws(() => transforms.randomHorizontalFlip({ q: 2 } as never), /randomHorizontalFlip: there is no option 'q'/);
	assert.throws(
		() => transforms.randomCrop(5)([zeros([1, 1, 4, 4], { device })]),
		/randomCrop: images \[1, 1, 4, 4\].*smaller than the crop/,
	);
	assert.throws(() => transforms.randomCrop(0), /size must be a whole number of pixels above 0/);
	assert.throws(() => transforms.randomCrop(4, { padding: [1, 2, 3] as never }), /padding must be/);
	assert.throws(
		() => transforms.randomCrop(4, { paddingMode: 'zeros' as never }),
		/paddingMode must be 'constant', 'edge', 'reflect' or 'symmetric', not 'zeros'/,
	);
	assert.throws(() => transforms.randomRotation(-5), /degrees must be a number of at least 0 or \[low, high\]/);
	assert.throws(() => transforms.randomZoom(1), /zoom must be above 0/);
	assert.throws(() => transforms.randomShear(90), /between -90 and 90/);
	assert.throws(() => transforms.randomShift(1.5), /from 0 to 1/);
	assert.throws(
		() => transforms.normalize([1, 2], 1)([zeros([1, 3, 2, 2], { device })]),
		/2 values for images \[1, 3, 2, 2\] of 3 channels/,
	);
	assert.throws(() => transforms.normalize(0, 0), /std must be above 0/);
	assert.throws(() => transforms.randomErasing({ scale: [0.5, 0.1] }), /scale must be a range/);
	assert.throws(() => transforms.mixup(0), /alpha must be above 0/);
	const batch = [zeros([2, 1, 2, 2], { device }), tensor(Int32Array.of(0, 1), { device })];
	assert.throws(() => transforms.mixup(1)(batch), /cannot be mixed. Pass numClasses/);
	assert.throws(() => transforms.mixup(1, { numClasses: 2 })([batch[0]!]), /takes batches of images and targets/);
	assert.throws(
		() => transforms.compose(3 as never),
		/compose: each argument must be a transform, such as randomHorizontalFlip\(\), not 3/,
	);
});

test('a loader runs them on each batch, reproducibly by the seed', async () => {
	const dataset = new TensorDataset(
		images(10, 4, 4, (n, i, j) => n * 16 + i * 4 + j),
		tensor(
			Int32Array.from({ length: 10 }, (_, n) => n),
			{ device },
		),
	);
	const transform = transforms.compose(transforms.randomHorizontalFlip(), transforms.randomCrop(4, { padding: 1 }));
	const epoch = async (loader: DataLoader) => {
		const seen: number[][] = [];
		for await (const [x, y] of loader) seen.push([...(await x!.data()), ...(await y!.data())]);
		return seen;
	};
	const options = { batchSize: 4, shuffle: true, seed: 1, transform };
	const loader = new DataLoader(dataset, options);
	const first = await epoch(loader);
	assert.equal(await epoch(new DataLoader(dataset, options)), first);
	assert.not.equal(await epoch(loader), first);
});

test.run();
