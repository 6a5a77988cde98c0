/** clipGradNorm on WebGPU against the definition, in float64 on the host. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, optim, type Tensor, tensor, zeros } from 'wgrad';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';

const FLOAT32 = { relative: 2e-6, absolute: 1e-7 };

test.before(async () => {
	await init({ device: 'webgpu' });
});

/** A parameter with this gradient. */
function withGradient(gradient: Tensor): Tensor {
	const param = zeros(gradient.shape, { device: 'webgpu' }).requiresGrad_();
	param.grad = gradient;
	return param;
}

function drawn(name: string, count: number): number[] {
	const next = stream(name);
	return Array.from({ length: count }, () => Math.fround(2 * next() - 1));
}

/**
 * Gradients of many sizes: one element, odd sizes, at odd offsets, transposed, empty, larger than the invocations of one launch.
 */
function gradients(): { params: Tensor[]; values: number[] } {
	const params: Tensor[] = [];
	const values: number[] = [];
	for (const size of [1, 3, 33, 65, 1024, 70_001]) {
		const list = drawn(`clip ${size}`, size);
		params.push(withGradient(tensor(list, { device: 'webgpu' })));
		values.push(...list);
	}
	const list = drawn('clip views', 48);
	const store = tensor(list, { device: 'webgpu' });
	params.push(withGradient(store.narrow(0, 3, 10)), withGradient(store.narrow(0, 16, 32).reshape([4, 8]).transpose(0, 1)));
	values.push(...list.slice(3, 13));
	for (let column = 0; column < 8; column++) for (let row = 0; row < 4; row++) values.push(list[16 + 8 * row + column]!);
	params.push(withGradient(zeros([0, 3], { device: 'webgpu' })));
	return { params, values };
}

async function clipped(params: readonly Tensor[]): Promise<number[]> {
	const all = await Promise.all(params.map(({ grad }) => grad!.data()));
	return all.flatMap((data) => Array.from(data));
}

const NORMS: Record<string, { normType: number; of: (values: readonly number[]) => number }> = {
	two: { normType: 2, of: (values) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0)) },
	one: { normType: 1, of: (values) => values.reduce((sum, v) => sum + Math.abs(v), 0) },
	three: { normType: 3, of: (values) => Math.cbrt(values.reduce((sum, v) => sum + Math.abs(v) ** 3, 0)) },
	infinite: { normType: Number.POSITIVE_INFINITY, of: (values) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) },
};

for (const [name, { normType, of }] of Object.entries(NORMS)) {
	test(`gradients above the limit are scaled down to it, norm ${name}`, async () => {
		const { params, values } = gradients();
		// The empty gradient has no largest element.
		const used = normType === Number.POSITIVE_INFINITY ? params.slice(0, -1) : params;
		const expected = of(values);
		const total = await optim.clipGradNorm(used, 0.5, { normType }).item();
		// Sums of 70,000 powers lose a few units of rounding, more through the power's logarithm.
		const tolerance = normType === 3 ? { relative: 2e-5, absolute: 1e-7 } : FLOAT32;
		requireClose('norm', [total], [expected], tolerance);
		const factor = 0.5 / (expected + 1e-6);
		requireClose(
			'gradients',
			await clipped(used),
			values.map((value) => value * factor),
			tolerance,
		);
	});
}

test('gradients below the limit keep their bits', async () => {
	const { params, values } = gradients();
	await optim.clipGradNorm(params, 1e4).item();
	assert.equal(await clipped(params), values);
});

test('infinite and undefined norms', async () => {
	for (const [bad, norm] of [
		[Number.NaN, Number.NaN],
		[Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
		[3e38, Number.POSITIVE_INFINITY],
	] as const) {
		const params = [tensor([1, 2], { device: 'webgpu' }), tensor([1, bad, 3], { device: 'webgpu' })].map(withGradient);
		assert.equal(await optim.clipGradNorm(params, 1).item(), norm);
		const [first] = await clipped(params);
		assert.equal(first, Number.isNaN(bad) ? Number.NaN : 0);
	}
});

test('no gradients, or only empty ones', async () => {
	assert.equal(await optim.clipGradNorm([], 1).item(), 0);
	assert.equal(await optim.clipGradNorm([withGradient(zeros([0], { device: 'webgpu' }))], 1).item(), 0);
});

test.run();
