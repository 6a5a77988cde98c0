/** Launches that update many tensors give each the bits that it gets alone. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cat, counters, type DType, GradScaler, init, noGrad, optim, type Tensor, tensor, tidy } from 'wgrad';
import { stream } from '../ops/database';
import { hasFloat16 } from '../proofs/half';
import { OPTIMIZERS } from './views';

test.before(async () => {
	await init({ device: 'webgpu' });
});

/** More than one launch can bind. */
const SIZES = [1, 3, 33, 65, 64, 1000, 4, 5, 129, 12, 7, 256, 2, 31, 8, 17, 100, 6];

function draw(name: string, count: number, dtype: DType = 'float32'): Tensor {
	const next = stream(name);
	const values = Float32Array.from({ length: count }, () => 2 * next() - 1);
	return tensor(values, { device: 'webgpu' }).to(dtype);
}

const FEW = [1, 3, 33, 65, 1000];

function few(): Tensor[] {
	return FEW.map((size, i) => draw(`p${i}`, size).requiresGrad_());
}

/** Parameters of both dtypes in turn, views of one memory at even and odd offsets, an empty and a transposed one. */
function parameters(large: readonly number[] = []): Tensor[] {
	const half: DType = hasFloat16() ? 'float16' : 'float32';
	const plain = [...SIZES, ...large].map((size, i) => draw(`p${i}`, size, i % 3 === 2 ? half : 'float32'));
	const store = draw('store', 64);
	const views = [store.narrow(0, 0, 8), store.narrow(0, 8, 8), store.narrow(0, 17, 5), store.narrow(0, 24, 0)];
	const all = [...plain, ...views, store.narrow(0, 32, 32).reshape([4, 8]).transpose(0, 1)];
	return all.map((param) => param.detach().requiresGrad_());
}

function giveGradients(params: readonly Tensor[], step: number): void {
	for (const [i, param] of params.entries()) {
		param.grad?.dispose();
		param.grad = null;
		// A parameter without a gradient falls behind the steps of the others.
		if (step === 1 && i === 2) continue;
		// At an odd offset now and then.
		const offset = params.length > FEW.length && i % 4 === 1 ? 3 : 0;
		const values = draw(`g${step} ${i}`, param.size + 3, param.dtype).narrow(0, offset, param.size);
		param.grad = values.reshape(param.shape).detach();
	}
}

/** All elements of all tensors. */
async function bits(tensors: readonly Tensor[]): Promise<number[]> {
	const flat = tidy(() => noGrad(() => cat(tensors.map((t) => t.to('float32').reshape([t.size])))));
	return Array.from(await flat.data());
}

const EVERY = Object.entries(OPTIMIZERS).filter(([name]) => name !== 'Muon');

for (const [name, make] of EVERY) {
	test(`${name} steps many parameters as it steps each alone`, async () => {
		// Each further kind of parameter compiles its own variants, for each optimizer.
		const isThorough = name === 'AdamW';
		const params = () => (isThorough ? parameters([2 ** 17 + 3]) : few());
		const [together, apart] = [params(), params()];
		const one = make(together);
		const many = apart.map((param) => make([param]));
		const launches = [0, 0];
		for (let step = 0; step < 3; step++) {
			for (const [k, list] of [together, apart].entries()) {
				giveGradients(list, step);
				const before = counters()!.launches;
				tidy(() => {
					for (const optimizer of k === 0 ? [one] : many) optimizer.step();
				});
				launches[k]! += counters()!.launches - before;
			}
		}
		assert.equal(await bits(together), await bits(apart));
		assert.ok(launches[0]! < launches[1]! * 0.7, `${launches[0]} launches instead of ${launches[1]}`);
		const state = (optimizer: optim.Optimizer<optim.CommonOptions>) =>
			Object.values(optimizer.stateDict().state).flatMap((own) =>
				Object.values(own).filter((value) => typeof value !== 'number'),
			);
		const [stateTogether, stateApart] = [state(one), many.flatMap(state)];
		assert.is(stateTogether.length, stateApart.length);
		if (stateApart.length > 0) assert.equal(await bits(stateTogether), await bits(stateApart));
	});
}

test('a loaded state, parameters of another group and a scaler go on in the same way', async () => {
	const [together, apart] = [parameters(), parameters()];
	const make = (params: Tensor[]) => new optim.AdamW(params, { lr: 0.05 });
	let one = make(together.slice(0, 9));
	one.addParamGroup({ params: together.slice(9), lr: 0.01 });
	const many = apart.map((param, i) => new optim.AdamW([param], { lr: i < 9 ? 0.05 : 0.01 }));
	for (let step = 0; step < 4; step++) {
		giveGradients(together, step);
		giveGradients(apart, step);
		if (step === 2) {
			const saved = one.stateDict();
			one = make(together.slice(0, 9));
			one.addParamGroup({ params: together.slice(9) });
			one.loadStateDict(saved);
		}
		if (step < 3) {
			one.step();
			for (const optimizer of many) optimizer.step();
		} else {
			for (const optimizers of [[one], many]) {
				const scaler = new GradScaler({ initScale: 8 });
				for (const optimizer of optimizers)
					if (optimizer.paramGroups.some(({ params }) => params[0]!.size > 0)) scaler.step(optimizer);
			}
		}
	}
	assert.equal(await bits(together), await bits(apart));
});

test('clipping, the division by the scale and EMA treat many tensors as each alone', async () => {
	const float = (params: Tensor[]) => params.filter(({ dtype }) => dtype === 'float32');
	const [together, apart] = [float(parameters()), float(parameters())];
	for (const params of [together, apart]) giveGradients(params, 0);
	const before = counters()!.launches;
	const norm = optim.clipGradNorm(together, 0.5);
	const launches = counters()!.launches - before;
	assert.ok(launches <= 16, `${launches} launches for ${together.length} gradients`);
	noGrad(() => {
		const factor = norm.add(1e-6).reciprocal().mul(0.5);
		for (const { grad } of apart) grad!.copy_(grad!.mul(factor));
	});
	const gradients = (params: readonly Tensor[]) => params.map(({ grad }) => grad!);
	const [a, b] = [await bits(gradients(together)), await bits(gradients(apart))];
	// The quotient may differ in its last place from that of the kernel.
	for (const [i, value] of a.entries()) assert.ok(Math.abs(value - b[i]!) <= 2e-7 * Math.abs(b[i]!) + 1e-12);

	for (const params of [together, apart]) giveGradients(params, 0);
	optim.clipGradValue(together, 0.3);
	noGrad(() => {
		for (const { grad } of apart) grad!.copy_(grad!.clamp({ min: -0.3, max: 0.3 }));
	});
	assert.equal(await bits(gradients(together)), await bits(gradients(apart)));

	const averages = [new optim.EMA(together, { decay: 0.9 })];
	const alone = apart.map((param) => new optim.EMA([param], { decay: 0.9 }));
	noGrad(() => {
		for (const params of [together, apart])
			for (const [i, param] of params.entries()) param.copy_(draw(`new ${i}`, param.size).reshape(param.shape));
	});
	for (const ema of [...averages, ...alone]) ema.update();
	assert.equal(await bits(averages[0]!.averages), await bits(alone.flatMap((ema) => ema.averages)));
});

test.run();
