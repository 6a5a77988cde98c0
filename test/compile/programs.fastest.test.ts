/**
 * Random programs under `compile`: 5 to 40 operations with views, writes in place, reuse and random numbers; several outputs and the gradients
 * of all inputs. A replay with other inputs gives the bits of the program run as usual, before and after its launches are fused. WGRAD_CASES sets
 * the number of programs.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	compile,
	dropout,
	grad,
	init,
	manualSeed,
	matmul,
	noGrad,
	rand,
	randLike,
	shutdown,
	softmax,
	stack,
	type Tensor,
	tidy,
	where,
} from 'wgrad';
import { stream } from '../ops/database';
import { setting } from '../random/setting';
import { untilFused } from './fused';

const CASES = setting('WGRAD_CASES') ?? 4;
const SHAPE = [3, 4];
const INPUTS = 3;

test.before(async () => {
	await init({ device: 'webgpu' });
});
test.after(() => shutdown());

/** Steps from tensors of one shape to another one of that shape. Values stay small. */
const STEPS: readonly ((a: Tensor, b: Tensor, c: Tensor) => Tensor)[] = [
	(a) => a.tanh(),
	(a) => a.sin().mul(0.5),
	(a) => a.neg().relu(),
	(a, b) => a.add(b, { alpha: 0.5 }).tanh(),
	(a, b) => a.mul(b).tanh(),
	(a, b) => a.maximum(b),
	(a, b) => a.sub(b.mean(0, { keepdim: true })),
	(a, b) => a.add(b.amax(1, { keepdim: true })).tanh(),
	(a, b, c) => matmul(a, matmul(b.transpose(0, 1), c)).tanh(),
	(a) => softmax(a, 1),
	(a) => dropout(a, { p: 0.3 }),
	(a) => a.add(randLike(a)).mul(0.5),
	(a, b) => where(a.gt(b), a, b.abs()),
	(a) => a.transpose(0, 1).flip(0).transpose(0, 1),
	(a, b) =>
		a
			.reshape([4, 3])
			.add(b.reshape([4, 3]))
			.reshape(SHAPE)
			.tanh(),
	(a, b) => a.clone().mul_(b),
	(a, b) => {
		const copy = a.clone();
		copy
			.narrow(1, 1, 2)
			.add_(b.narrow(1, 0, 2))
			.mul_(0.5);
		return copy;
	},
	(a, b) => {
		const copy = a.clone();
		copy.select(0, 1).copy_(b.select(0, 2));
		return copy.detach().add(copy);
	},
	(a, b) =>
		noGrad(() => b.exp())
			.mul(a)
			.tanh(),
	(a) => a.cumsum(1).tanh(),
	(a, b, c) => a.mul(b).add(c).mul(0.7),
	(a, b, c) => a.mul(1.7).sub(b).mul(0.3).add(c.mul(b)),
	(a, b, c) => a.lerp(b, 0.3).add(c.mul(c)).tanh(),
	(a, b) => a.gt(b).to('float32').mul(a).sub(b.mul(0.1)),
	(a, b) => a.mul(5).to('int32').to('float32').mul(0.2).add(b.mul(a)),
	(a, b) => a.add(b.select(1, 0).unsqueeze(1).mul(0.5)).mul(b.select(0, 2)).tanh(),
	(a, b) => a.transpose(0, 1).mul(2).add(b.transpose(0, 1)).tanh().transpose(0, 1).clone(),
	(a, b) => {
		const copy = a.mul(2);
		copy.add_(b).mul_(0.3);
		return copy
			.narrow(1, 0, 2)
			.add(copy.narrow(1, 2, 2).mul(copy.narrow(1, 1, 2)))
			.repeat([1, 2]);
	},
	(a, b) => stack([a.narrow(1, 0, 2), b.narrow(1, 1, 2).mul(0.5)], 2).reshape(SHAPE),
];

type Outcome = readonly (Tensor | null)[];

function programOf(seed: number): (...inputs: Tensor[]) => Outcome {
	const next = stream(`program ${seed}`);
	const below = (count: number) => Math.floor(next() * count);
	const steps = Array.from({ length: 5 + below(36) }, (_, i) => ({
		step: STEPS[below(STEPS.length)]!,
		from: Array.from({ length: 3 }, () => below(INPUTS + i)),
	}));
	return (...inputs) => {
		const values = [...inputs];
		for (const { step, from } of steps) values.push(step(values[from[0]!]!, values[from[1]!]!, values[from[2]!]!));
		const outputs = [values.at(-1)!, values[INPUTS + (steps.length >> 1)]!];
		const total = outputs[0]!.square().sum().add(outputs[1]!.sum());
		const gradients = total.requiresGrad ? grad(total, inputs, { allowUnused: true }) : [];
		return [...outputs.map((output) => output.detach().clone()), ...gradients.map((gradient) => gradient?.clone() ?? null)];
	};
}

function inputsOf(seed: number): Tensor[] {
	manualSeed(seed);
	return Array.from({ length: INPUTS }, () => rand(SHAPE).sub(0.5).requiresGrad_());
}

const read = (tensors: Outcome) => Promise.all(tensors.map(async (tensor) => tensor && [...(await tensor.data())]));

for (let seed = 0; seed < CASES; seed++) {
	test(`program ${seed}`, async () => {
		const program = programOf(seed);
		const compiled = compile(program, { fuse: true });
		for (let i = 0; i < 5; i++) {
			const usual = tidy(() => program(...inputsOf(i)));
			const result = compiled(...inputsOf(i));
			assert.equal(await read(result), await read(usual));
			if (i === 3) await untilFused(compiled);
		}
		const { reason, replayed, plans } = compiled.report();
		assert.equal([reason, replayed], [null, 3]);
		for (const { launches, eagerLaunches } of plans)
			assert.ok(launches < eagerLaunches, `${launches} of ${eagerLaunches} launches`);
	});
}

test.run();
