/** `GradScaler`: the rule of the scale against PyTorch's, and skipped steps against steps that were never taken. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { full, GradScaler, init, keep, noGrad, optim, profile, type Tensor, tensor, tidy } from 'wgrad';
import golden from '../golden/gradScaler.json';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';
import { OPTIMIZERS } from './views';

test.before(async () => {
	await init({ device: 'webgpu' });
});

const DEVICES = ['cpu', 'webgpu'] as const;
type Optimizer = optim.Optimizer<optim.CommonOptions>;

function draw(name: string, size = 7): number[] {
	const next = stream(name);
	return Array.from({ length: size }, () => Math.fround(2 * next() - 1));
}

const GOLDEN: Readonly<Record<string, (params: Tensor[]) => Optimizer>> = {
	'SGD momentum': (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.1 }),
	Adam: (p) => new optim.Adam(p, { lr: 0.05 }),
	AdamW: (p) => new optim.AdamW(p, { lr: 0.05, weightDecay: 0.1 }),
	Adamax: (p) => new optim.Adamax(p, { lr: 0.05 }),
	NAdam: (p) => new optim.NAdam(p, { lr: 0.05 }),
	RAdam: (p) => new optim.RAdam(p, { lr: 0.05 }),
	Adagrad: (p) => new optim.Adagrad(p, { lr: 0.05, lrDecay: 0.1, initialAccumulatorValue: 0.5 }),
	RMSprop: (p) => new optim.RMSprop(p, { lr: 0.05, momentum: 0.9, centered: true }),
	Adadelta: (p) => new optim.Adadelta(p),
};

const OVERFLOWS = golden.overflows as Readonly<Record<string, string>>;
const overflow = (step: number) => ({ inf: Infinity, '-inf': -Infinity, nan: Number.NaN })[OVERFLOWS[step] ?? ''];

/** Gives the parameter the gradient that the scaled loss of a step would give it. */
async function giveGradient(param: Tensor, step: number, scale: number): Promise<void> {
	const values = draw(`gradient ${step}`).map((value) => Math.fround(value * scale));
	const bad = overflow(step);
	if (bad !== undefined) values[step % 7] = bad;
	param.grad = tensor(values, { device: param.device });
}

for (const device of DEVICES) {
	for (const [name, run] of Object.entries(golden.runs)) {
		test(`as PyTorch: ${name} on ${device}`, async () => {
			const [optimizerName, ruleName] = name.split(', ') as [string, keyof typeof golden.rules];
			const { initScale, growth, backoff, interval } = golden.rules[ruleName];
			const scaler = new GradScaler({ initScale, growthFactor: growth, backoffFactor: backoff, growthInterval: interval });
			const param = tensor(draw('param'), { device }).requiresGrad_();
			const optimizer = GOLDEN[optimizerName]!([param]);
			for (let step = 0; step < run.scales.length; step++) {
				await giveGradient(param, step, await scaler.getScale());
				scaler.step(optimizer);
				scaler.update();
				const { scale, growthTracker } = scaler.stateDict() as { scale: Tensor; growthTracker: Tensor };
				assert.equal([await scale.item(), await growthTracker.item()], [run.scales[step], run.trackers[step]], `step ${step}`);
				requireClose(`${name}, step ${step}`, await param.data(), run.params[step]!, { relative: 3e-6, absolute: 1e-6 });
			}
			const { step } = optimizer.stateDict().state[0] as { step: Tensor };
			assert.is(await step.item(), run.scales.length - Object.keys(OVERFLOWS).length);
		});
	}
}

/** The numbers of a state: tensors as lists. */
async function numbersOf(state: Readonly<Record<string, Tensor | number>>): Promise<Record<string, number[]>> {
	const entries = Object.entries(state).map(async ([key, value]) => [
		key,
		typeof value === 'number' ? [value] : [...(await value.data())],
	]);
	return Object.fromEntries((await Promise.all(entries)) as [string, number[]][]);
}

for (const device of DEVICES) {
	for (const [name, make] of Object.entries(OPTIMIZERS)) {
		test(`a skipped step changes nothing: ${name} on ${device}`, async () => {
			const shape = name === 'Muon' ? [3, 2] : [6];
			const of = (key: string) => tensor(draw(key, 6), { device, shape });
			const [a, b] = [of('a').requiresGrad_(), of('a').requiresGrad_()];
			const [scaled, plain] = [make([a]), make([b])];
			const scaler = new GradScaler({ initScale: 64 });
			for (let step = 0; step < 7; step++) {
				const gradient = of(`gradient ${step}`);
				const overflows = step === 0 || step === 3 || step === 4;
				const scale = await scaler.getScale();
				a.grad = noGrad(() => keep(overflows ? gradient.mul(Infinity) : gradient.mul(scale)));
				scaler.step(scaled);
				scaler.update();
				if (overflows) continue;
				b.grad = gradient;
				plain.step();
			}
			assert.is(await scaler.getScale(), 8);
			requireClose(name, await a.data(), await b.data(), { relative: 2e-6, absolute: 1e-6 });
			const [found, expected] = await Promise.all(
				[scaled, plain].map((optimizer) => numbersOf((optimizer.stateDict().state[0] ?? {}) as Record<string, Tensor>)),
			);
			// Muon only records its step count. SGD counts steps only if they may be skipped.
			if (name !== 'Muon' && expected!.step !== undefined) assert.equal(found!.step, [4]);
			for (const [key, values] of Object.entries(expected!))
				if (key !== 'step') requireClose(`${name}, ${key}`, found![key]!, values, { relative: 2e-6, absolute: 1e-6 });
		});
	}

	test(`groups and late parameters count for themselves on ${device}`, async () => {
		const make = () => ['a', 'b', 'c'].map((key) => tensor(draw(key), { device }).requiresGrad_());
		const [scaled, plain] = [make(), make()];
		const of = ([a, b, c]: Tensor[]) => new optim.Adam([{ params: [a!, b!] }, { params: [c!], betas: [0.5, 0.9], lr: 0.1 }]);
		const [first, second] = [of(scaled), of(plain)];
		const scaler = new GradScaler({ initScale: 2 });
		for (let step = 0; step < 8; step++) {
			const overflows = step % 3 === 1;
			const present = [0, ...(step > 3 ? [1] : []), ...(step !== 5 ? [2] : [])];
			const scale = await scaler.getScale();
			for (const [i, param] of scaled.entries()) {
				param.grad = null;
				plain[i]!.grad = null;
				if (!present.includes(i)) continue;
				const gradient = tensor(draw(`${step} ${i}`), { device });
				param.grad = noGrad(() => keep(gradient.mul(overflows ? Infinity : scale)));
				plain[i]!.grad = gradient;
			}
			scaler.step(first);
			scaler.update();
			if (!overflows) second.step();
		}
		for (const [i, param] of scaled.entries())
			requireClose(`parameter ${i}`, await param.data(), await plain[i]!.data(), { relative: 2e-6, absolute: 1e-6 });
		const [found, expected] = [first, second].map((optimizer) => optimizer.stateDict().state);
		for (const i of [0, 1, 2]) assert.is(await (found![i]!.step as Tensor).item(), expected![i]!.step);
	});

	test(`clipping after unscale_, several losses, and float16 parameters on ${device}`, async () => {
		const x = tensor([3, 4], { device }).requiresGrad_();
		const scaler = new GradScaler({ initScale: 1024 });
		const optimizer = new optim.SGD([x], { lr: 1 });
		for (const loss of scaler.scale([x.sum(), x.mul(3).sum()])) loss.backward();
		assert.equal([...(await x.grad!.data())], [4096, 4096]);
		scaler.unscale_(optimizer);
		assert.equal([...(await x.grad!.data())], [4, 4]);
		await optim.clipGradNorm([x], Math.SQRT2).item();
		scaler.step(optimizer);
		scaler.update();
		requireClose('clipped', await x.data(), [2, 3], { relative: 1e-5, absolute: 0 });
		assert.is(await scaler.getScale(), 1024);
	});

	test(`a state is loaded, and the run goes on as before, on ${device}`, async () => {
		const run = async (param: Tensor, optimizer: Optimizer, scaler: GradScaler, steps: readonly number[]) => {
			for (const step of steps) {
				await giveGradient(param, step, await scaler.getScale());
				scaler.step(optimizer);
				scaler.update();
			}
		};
		const make = () => {
			const param = tensor(draw('param'), { device }).requiresGrad_();
			return { param, optimizer: new optim.NAdam([param], { lr: 0.05 }), scaler: new GradScaler({ growthInterval: 3 }) };
		};
		const whole = make();
		await run(whole.param, whole.optimizer, whole.scaler, [0, 1, 2, 3, 4]);
		const halves = [make(), make()];
		for (const [i, half] of halves.entries()) {
			half.optimizer.loadStateDict(await onHost(i === 0, whole.optimizer.stateDict()));
			half.scaler.loadStateDict(await onHost(i === 0, whole.scaler.stateDict()));
			noGrad(() => half.param.copy_(whole.param));
		}
		for (const { param, optimizer, scaler } of [whole, ...halves]) await run(param, optimizer, scaler, [5, 6, 7, 8, 9]);
		for (const { param, scaler } of halves) {
			assert.equal([...(await param.data())], [...(await whole.param.data())]);
			assert.is(await scaler.getScale(), await whole.scaler.getScale());
		}
		// Without the scaler, counting continues on the device.
		const { param, optimizer } = whole;
		param.grad = tensor(draw('last'), { device });
		optimizer.step();
		assert.is(await (optimizer.stateDict().state[0]!.step as Tensor).item(), 8);
	});

	test(`the scale never becomes infinite on ${device}`, async () => {
		const scale = full([], 2 ** 127, { device });
		const tracker = full([], 0, { dtype: 'int32', device });
		const found = full([], 0, { dtype: 'int32', device });
		const rule = { growthFactor: 2, backoffFactor: 0.5, growthInterval: 1 };
		scale.backend.kernels.updateScale({ found }, { scale, tracker }, rule);
		assert.is(await scale.item(), 2 ** 127);
	});
}

/** Moves the tensors of a state to the CPU, as a checkpoint does, if `moves`; else returns the state. */
async function onHost<T>(moves: boolean, state: T): Promise<T> {
	if (typeof state !== 'object' || state === null || !moves) return state;
	if ('storage' in state) return (await (state as unknown as Tensor).to('cpu')) as T;
	const entries = Object.entries(state).map(async ([key, value]) => [key, await onHost(moves, value)]);
	const result = Object.fromEntries(await Promise.all(entries)) as T;
	return (Array.isArray(state) ? Object.values(result as object) : result) as T;
}

test('one launch counts the step of all parameters, one divides all gradients, and nothing is read', async () => {
	const params = Array.from({ length: 5 }, (_, i) => tensor(draw(`p${i}`), { device: 'webgpu' }).requiresGrad_());
	const optimizer = new optim.Adam(params);
	const scaler = new GradScaler();
	const { rows } = await profile(() => {
		for (let step = 0; step < 3; step++) {
			for (const param of params) param.grad = tensor(draw('g'), { device: 'webgpu' });
			tidy(() => scaler.step(optimizer));
			scaler.update();
		}
	});
	const launches = (kernel: RegExp) => rows.filter((row) => kernel.test(row.kernel)).reduce((sum, row) => sum + row.launches, 0);
	assert.equal([launches(/countStep/), launches(/unscale/), launches(/updateScale/)], [3, 3, 3]);
});

test('wrong calls', () => {
	const x = tensor([1], { device: 'cpu' }).requiresGrad_();
	const optimizer = new optim.SGD([x], { lr: 1 });
	const scaler = new GradScaler();
	assert.throws(() => scaler.step(optimizer), /no parameter of the optimizer has a gradient/);
	assert.throws(() => scaler.update(), /call step\(\) or unscale_\(\)/);
	scaler.scale(x.sum()).backward();
	scaler.unscale_(optimizer);
	assert.throws(() => scaler.unscale_(optimizer), /unscale_\(\) was already called/);
	scaler.step(optimizer);
	assert.throws(() => scaler.step(optimizer), /step\(\) was already called/);
	assert.throws(() => scaler.unscale_(optimizer), /step\(\) was already called/);
	scaler.update();
	assert.throws(() => scaler.step(new optim.LBFGS([x])), /LBFGS computes the loss several times/);
	assert.throws(() => new GradScaler({ growthFactor: 1 }), /growthFactor must be above 1/);
	assert.throws(() => new GradScaler({ backoffFactor: 1 }), /backoffFactor must lie in \(0, 1\), not 1/);
	assert.throws(() => new GradScaler({ growthInterval: 0 }), /growthInterval/);
	assert.throws(() => new GradScaler({ initScale: Infinity }), /scale must be above 0/);
	assert.throws(() => scaler.scale(1 as never), /GradScaler.scale: the loss must be a tensor or an array of tensors, not 1/);
	assert.throws(() => scaler.loadStateDict({} as never), /GradScaler.loadStateDict/);
});

test('a scaler that is not enabled passes everything through', async () => {
	const x = tensor([1], { device: 'cpu' }).requiresGrad_();
	const optimizer = new optim.SGD([x], { lr: 1 });
	const scaler = new GradScaler({ enabled: false });
	const loss = x.sum();
	assert.is(scaler.scale(loss), loss);
	loss.backward();
	scaler.unscale_(optimizer);
	scaler.step(optimizer);
	scaler.update();
	assert.equal([await x.item(), await scaler.getScale(), scaler.stateDict()], [0, 1, {}]);
});

test.run();
