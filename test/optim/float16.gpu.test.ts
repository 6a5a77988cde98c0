/**
 * Optimizers of float16 parameters against the CPU in float64, with each step starting from the float16 parameters. Steps and
 * state are float32: in float16 the squares of small gradients would vanish.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Device, type DType, init, noGrad, optim, type Tensor, tensor, tidy } from 'wgrad';
import { stream } from '../ops/database';
import { float16Present } from '../proofs/half';
import { roundToHalf } from '../random/draw';
import { OPTIMIZERS } from './views';

let present = false;

test.before(async () => {
	await init({ device: 'webgpu' });
	present = float16Present();
});

const SHAPE = [5, 7];
const STEPS = 8;
const STATE = 2 ** -12;

function values(name: string, range: number): number[] {
	const next = stream(name);
	return roundToHalf(Array.from({ length: 35 }, () => range * (2 * next() - 1)));
}

const make = (data: ArrayLike<number>, device: Device, dtype: DType) => tensor(Array.from(data), { shape: SHAPE, device, dtype });

/** Allows `roundings` of float16, and the error of float32. */
function requireNear(actual: ArrayLike<number>, expected: ArrayLike<number>, roundings: number): void {
	for (let i = 0; i < expected.length; i++) {
		const off = Math.abs(actual[i]! - expected[i]!);
		const allowed = roundings * 2 ** -11 * Math.abs(expected[i]!) + 2 ** -17;
		assert.ok(off <= allowed, `element ${i} is ${actual[i]} instead of ${expected[i]}, ${off / allowed} times the bound`);
	}
}

for (const [name, of] of Object.entries(OPTIMIZERS)) {
	// The square of 1e-4 is below float16's smallest number.
	for (const size of [1, 1e-4]) {
		test(`float16: ${name}, gradients up to ${size}`, async () => {
			if (!present) return;
			const start = values('start', 1);
			const half = make(start, 'webgpu', 'float16').requiresGrad_();
			const exact = make(start, 'cpu', 'float64').requiresGrad_();
			const [optimizer, reference] = [of([half]), of([exact])];
			for (let step = 0; step < STEPS; step++) {
				const gradient = values(`gradient ${step}`, size);
				half.grad = make(gradient, 'webgpu', 'float16');
				exact.grad = make(gradient, 'cpu', 'float64');
				tidy(() => optimizer.step());
				tidy(() => reference.step());
				const now = await half.data();
				requireNear(now, await exact.data(), 1);
				noGrad(() => exact.copy_(make(now, 'cpu', 'float64')));
			}
			assert.is(half.dtype, 'float16');
			const [own, right] = [optimizer.stateDict().state[0] ?? {}, reference.stateDict().state[0] ?? {}];
			for (const [key, state] of Object.entries(right)) {
				if (typeof state === 'number') continue;
				const found = own[key] as Tensor;
				assert.is(found.dtype, 'float32', key);
				const [actual, expected] = [await found.data(), await (state as Tensor).data()];
				const largest = Math.max(...Array.from(expected, Math.abs));
				for (let i = 0; i < expected.length; i++) {
					const off = Math.abs(actual[i]! - expected[i]!);
					assert.ok(off <= STATE * largest, `${key}: element ${i} is ${actual[i]} instead of ${expected[i]}`);
				}
			}
		});
	}
}

test('float16: L-BFGS', async () => {
	if (!present) return;
	const [start, target] = [values('start', 1), values('target', 1)];
	const ends = await Promise.all(
		(
			[
				['webgpu', 'float16'],
				['cpu', 'float64'],
			] as const
		).map(async ([device, dtype]) => {
			const param = make(start, device, dtype).requiresGrad_();
			const optimizer = new optim.LBFGS([param], { maxIter: 6, lineSearchFn: 'strongWolfe', weightDecay: 0.1 });
			await optimizer.step(async () => {
				optimizer.zeroGrad();
				const loss = param
					.sub(make(target, device, dtype))
					.square()
					.sum()
					.mul(0.01);
				loss.backward();
				return loss;
			});
			return param.data();
		}),
	);
	requireNear(ends[0]!, ends[1]!, 2);
});

test('a checkpoint of float16 state is read as float32', async () => {
	if (!present) return;
	const param = make(values('start', 1), 'webgpu', 'float16').requiresGrad_();
	const optimizer = new optim.Adam([param]);
	param.grad = make(values('gradient', 1), 'webgpu', 'float16');
	optimizer.step();
	const saved = optimizer.stateDict();
	const own = saved.state[0]!;
	optimizer.loadStateDict({ ...saved, state: { 0: { ...own, expAvg: (own.expAvg as Tensor).to('float16') } } });
	assert.is((optimizer.stateDict().state[0]!.expAvg as Tensor).dtype, 'float32');
});

test.run();
