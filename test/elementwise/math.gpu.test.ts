/** Elementary functions of shaders/math.wgsl.ts at inputs that expose compilers that reassociate, flush or assume no NaN. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cos, erfc, exp, expm1, init, log, log2, log10, logSoftmax, logsumexp, pow, sin, type Tensor, tensor } from 'wgrad';

test.before(async () => {
	await init({ device: 'webgpu' });
});

const on = (values: readonly number[], shape = [values.length]) => tensor(values, { shape, device: 'webgpu' });

/** The largest error of `f` at `values`, in the units that `unit` gives for the true result. */
async function worst(
	f: (x: Tensor) => Tensor,
	truth: (x: number) => number,
	values: readonly number[],
	unit: (result: number) => number,
): Promise<number> {
	const exact = values.map(Math.fround);
	const found = await f(on(exact)).data();
	return Math.max(...exact.map((x, i) => Math.abs(found[i]! - truth(x)) / unit(truth(x))));
}

const range = (count: number, at: (i: number) => number) => Array.from({ length: count }, (_, i) => at(i));
const relative = (result: number) => Math.abs(result);

test('sine and cosine are good to 2e-7 for arguments of any size', async () => {
	const angles = [
		...range(4000, (i) => (i * Math.PI) / 2),
		...range(4000, (i) => i * 2.0471),
		...range(300, (i) => 8192 * 1.31 ** i).filter((x) => x < 3e38),
	];
	for (const values of [angles, angles.map((x) => -x)]) {
		assert.ok((await worst(sin, Math.sin, values, () => 1)) < 2e-7);
		assert.ok((await worst(cos, Math.cos, values, () => 1)) < 2e-7);
	}
});

test('exponentials and powers keep their digits for large arguments and near 0', async () => {
	assert.ok(
		(await worst(
			exp,
			Math.exp,
			range(5000, (i) => -85 + i / 29),
			relative,
		)) < 3e-7,
	);
	const small = range(4000, (i) => (i - 2000.5) / 2000);
	assert.ok((await worst(expm1, Math.expm1, small, relative)) < 3e-7);
	assert.ok(
		(await worst(
			expm1,
			Math.expm1,
			range(40, (i) => 0.5 ** i),
			relative,
		)) < 3e-7,
	);
	assert.ok(
		(await worst(
			(x) => pow(x, 20),
			(x) => x ** 20,
			range(4000, (i) => 0.02 + i / 57),
			relative,
		)) < 2e-6,
	);
	// erfc(x) x sqrt(pi) e^(x^2) tends to 1 - 1 / (2 x^2) + 3 / (4 x^4) - 15 / (8 x^6) + 105 / (16 x^8).
	const tail = (x: number) =>
		(Math.exp(-x * x) / (x * Math.sqrt(Math.PI))) *
		(1 - 1 / (2 * x ** 2) + 3 / (4 * x ** 4) - 15 / (8 * x ** 6) + 105 / (16 * x ** 8) - 945 / (32 * x ** 10));
	assert.ok(
		(await worst(
			erfc,
			tail,
			range(200, (i) => 7 + i / 100),
			relative,
		)) < 1.5e-6,
	);
});

test('logarithms of subnormal numbers are right, flushed or not', async () => {
	const denormal = [1e-38, 1e-39, 1e-40, 3e-42, 1e-44, 1.4e-45];
	assert.ok((await worst(log, Math.log, denormal, relative)) < 3e-7);
	assert.ok((await worst(log2, Math.log2, denormal, relative)) < 3e-7);
	assert.ok((await worst(log10, Math.log10, denormal, relative)) < 3e-7);
});

test('logarithms of sums near 1 keep the digits of the sum', async () => {
	const rests = range(12, (i) => 0.5 ** (i + 4));
	const x = on(
		rests.flatMap((rest) => [0, Math.log(rest)]),
		[rests.length, 2],
	);
	const expected = rests.map((rest) => Math.log1p(rest));
	const sums = await logsumexp(x, 1).data();
	const shares = await logSoftmax(x, 1).select(1, 0).data();
	const across = await logSoftmax(x.transpose(0, 1).contiguous(), 0).select(0, 0).data();
	for (const [i, truth] of expected.entries()) {
		// The sum itself is rounded to half a unit of 2^-23.
		for (const found of [sums[i]!, -shares[i]!, -across[i]!])
			assert.ok(Math.abs(found - truth) < 1.3e-7, `${found} for ${truth}`);
	}
});
test.run();
