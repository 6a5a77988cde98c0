/** Training under `compile`: the bits, gradients, random numbers and counts of the same steps run as usual. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	autocast,
	type Compiled,
	checkpoint,
	compile,
	crossEntropy,
	GradScaler,
	init,
	manualSeed,
	mseLoss,
	nn,
	optim,
	quantize,
	rand,
	randint,
	shutdown,
	type Tensor,
	tidy,
} from 'wgrad';

import { untilFused } from './fused';

const { clipGradNorm, clipGradValue, lrScheduler } = optim;

test.before(async () => {
	await init({ device: 'webgpu' });
});
test.after(() => shutdown());

type Step = (x: Tensor, y: Tensor) => Tensor;
type Batch = readonly [x: Tensor, y: Tensor];

interface Program {
	/** A step that has not run, and what it changes. */
	make(): { step: Step; state: () => readonly Tensor[]; counts?: () => unknown; between?: (i: number) => void };
	batch?: (i: number) => Batch;
	steps?: number;
	/** Calls that need not be replayed. */
	recorded?: number;
}

const features = (): Batch => [rand([3, 6]), randint(0, 4, [3])];

async function bits(tensors: readonly Tensor[]): Promise<number[]> {
	return (await Promise.all(tensors.map((tensor) => tensor.data()))).flatMap((data) => [...data]);
}

async function run({ make, batch = features, steps = 12 }: Program, isCompiled: boolean) {
	manualSeed(3);
	const { step, state, counts, between } = make();
	const compiled: Compiled<[Tensor, Tensor], Tensor> = compile(step, { fuse: true });
	const losses: Tensor[] = [];
	for (let i = 0; i < steps; i++) {
		const [x, y] = batch(i);
		losses.push(isCompiled ? compiled(x, y) : tidy(() => step(x, y)));
		between?.(i);
		if (i === steps >> 1) await untilFused(compiled);
		x.dispose();
		y.dispose();
	}
	const result = { losses: await bits(losses), state: await bits(state()), counts: counts?.() };
	return { result, report: compiled.report() };
}

/** Runs a program as usual and compiled. */
async function requireSame(program: Program): Promise<void> {
	const usual = await run(program, false);
	const { result, report } = await run(program, true);
	assert.equal(result, usual.result);
	const { steps = 12, recorded = 2 } = program;
	assert.equal([report.reason, report.replayed + report.checked], [null, steps - recorded]);
	for (const { temporaryBytes, eagerBytes } of report.plans)
		assert.ok(temporaryBytes <= eagerBytes, `${temporaryBytes} bytes planned, ${eagerBytes} before`);
}

const gradients = (params: readonly Tensor[]) => params.flatMap(({ grad }) => (grad === null ? [] : [grad]));

/** A layer for each optimizer, so that one run trains with all of them. */
function layers() {
	const sizes = { inFeatures: 5, outFeatures: 5 };
	const makers = [
		(params: nn.Parameter[]) => new optim.SGD(params, { lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
		(params: nn.Parameter[]) => new optim.Adam(params, { amsgrad: true, l1: 1e-4 }),
		(params: nn.Parameter[]) => new optim.AdamW(params),
		(params: nn.Parameter[]) => new optim.Adamax(params),
		(params: nn.Parameter[]) => new optim.NAdam(params),
		(params: nn.Parameter[]) => new optim.RAdam(params, { decoupledWeightDecay: true, weightDecay: 0.01 }),
		(params: nn.Parameter[]) => new optim.RMSprop(params, { centered: true, momentum: 0.9 }),
		(params: nn.Parameter[]) => new optim.Adagrad(params, { lrDecay: 0.01, initialAccumulatorValue: 0.1 }),
		(params: nn.Parameter[]) => new optim.Adadelta(params),
		(params: nn.Parameter[]) => new optim.Lion(params),
		(params: nn.Parameter[]) => new optim.Muon(params.filter(({ ndim }) => ndim === 2)),
	];
	const linears = makers.map(() => new nn.Linear(sizes.inFeatures, sizes.outFeatures));
	const optimizers = makers.map((make, i) => make(linears[i]!.parameters()));
	const body = linears.flatMap((linear) => [linear, new nn.GELU(), new nn.Dropout(0.2)]);
	const model = new nn.Sequential(new nn.Linear(6, 5), new nn.BatchNorm1d(5), ...body, new nn.Linear(5, 4));
	return { model, optimizers };
}

test('200 steps of all optimizers with dropout, schedules, clipping and an average of weights, resumed in between', async () => {
	await requireSame({
		steps: 200,
		recorded: 4,
		make: () => {
			const { model, optimizers } = layers();
			const schedulers = optimizers.map((optimizer, i) =>
				i === 0
					? new lrScheduler.CyclicLR(optimizer, 0.01, 0.05, { stepSizeUp: 7 })
					: new lrScheduler.CosineAnnealingLR(optimizer, 60),
			);
			const ema = new optim.EMA(model.parameters(), { warmup: true });
			const step = (x: Tensor, y: Tensor) => {
				model.zeroGrad();
				const loss = crossEntropy(model.forward(x), y);
				loss.backward();
				clipGradNorm(model.parameters(), 1);
				clipGradValue(model.parameters(), 0.05);
				for (const optimizer of optimizers) optimizer.step();
				for (const scheduler of schedulers) scheduler.step();
				ema.update();
				return loss.detach();
			};
			return {
				step,
				state: () => [...model.parameters(), ...model.buffers(), ...gradients(model.parameters()), ...ema.averages],
				counts: () => [
					optimizers.map((optimizer) => optimizer.paramGroups[0]!.lr),
					optimizers.map((optimizer) => Object.values(optimizer.stateDict().state).map((own) => own.step)),
					schedulers.map((scheduler) => scheduler.lastEpoch),
					ema.stateDict().updates,
				],
				between: (i) => {
					if (i !== 99) return;
					// As a resumed run: the state goes into other tensors, and back.
					tidy(() => {
						model.loadStateDict(
							Object.fromEntries(Object.entries(model.stateDict()).map(([key, value]) => [key, value.clone()])),
						);
						for (const optimizer of optimizers) optimizer.loadStateDict(optimizer.stateDict() as never);
					});
					model.parameters()[0]!.requiresGrad_(false);
				},
			};
		},
	});
});

test('gradients accumulate over calls, with the optimizer outside', async () => {
	await requireSame({
		recorded: 5,
		make: () => {
			const model = new nn.Sequential(new nn.Linear(6, 5), new nn.Tanh(), new nn.Linear(5, 4));
			const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
			return {
				step: (x, y) => {
					const loss = crossEntropy(model.forward(x), y);
					loss.backward();
					return loss.detach();
				},
				state: () => [...model.parameters(), ...gradients(model.parameters())],
				between: (i) => {
					if (i % 3 !== 2) return;
					optimizer.step();
					optimizer.zeroGrad();
				},
			};
		},
	});
});

test('a step that frees its gradients at the end, and one that takes two batches', async () => {
	await requireSame({
		make: () => {
			const model = new nn.Linear(6, 4);
			const optimizer = new optim.Adam(model.parameters());
			return {
				step: (x, y) => {
					const losses = [x, x.mul(2)].map((input) => {
						const loss = crossEntropy(model.forward(input), y);
						loss.div(2).backward();
						return loss.detach();
					});
					optimizer.step();
					optimizer.zeroGrad();
					return losses[0]!.add(losses[1]!);
				},
				state: () => model.parameters(),
				counts: () => model.parameters().map(({ grad }) => grad),
			};
		},
	});
});

test('a GradScaler with a step that overflows, clipping, and autocast inside', async () => {
	await requireSame({
		steps: 16,
		recorded: 3,
		make: () => {
			const model = new nn.Sequential(new nn.Linear(6, 8), new nn.ReLU(), new nn.Linear(8, 4));
			const optimizer = new optim.AdamW(model.parameters());
			const scaler = new GradScaler({ initScale: 2 ** 8, growthInterval: 3 });
			return {
				step: (x, y) => {
					optimizer.zeroGrad();
					const loss = autocast(() => crossEntropy(model.forward(x), y));
					scaler.scale(loss).backward();
					scaler.unscale_(optimizer);
					clipGradNorm(model.parameters(), 1);
					scaler.step(optimizer);
					scaler.update();
					return loss.detach();
				},
				state: () => [
					...model.parameters(),
					...Object.values(scaler.stateDict()).filter((value) => typeof value === 'object'),
					...Object.values(optimizer.stateDict().state).flatMap(({ step }) => (typeof step === 'object' ? [step] : [])),
				],
			};
		},
		batch: (i) => [rand([3, 6]).mul(i % 5 === 3 ? 1e30 : 1), randint(0, 4, [3])],
	});
});

test('a transformer block with attention dropout, recomputed by checkpoint', async () => {
	await requireSame({
		batch: () => [rand([2, 5, 8]), rand([2, 5, 8])],
		make: () => {
			const block = new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 12, dropout: 0.2, batchFirst: true });
			const optimizer = new optim.SGD(block.parameters(), { lr: 0.1, momentum: 0.9 });
			return {
				step: (x, y) => {
					optimizer.zeroGrad();
					const loss = mseLoss(
						checkpoint((input: Tensor) => block.forward(input), x),
						y,
					);
					loss.backward();
					optimizer.step();
					return loss.detach();
				},
				state: () => [...block.parameters(), ...gradients(block.parameters())],
			};
		},
	});
});

test('an LSTM and a convolution with instance and batch norms', async () => {
	await requireSame({
		batch: () => [rand([2, 2, 6, 6]), rand([2, 3, 4])],
		make: () => {
			const conv = new nn.Sequential(new nn.Conv2d(2, 3, 3), new nn.BatchNorm2d(3), new nn.MaxPool2d(2), new nn.Flatten(2));
			const lstm = new nn.LSTM(4, 4, { batchFirst: true });
			const params = [...conv.parameters(), ...lstm.parameters()];
			const optimizer = new optim.AdamW(params);
			return {
				step: (x, y) => {
					optimizer.zeroGrad();
					const [output] = lstm.forward(conv.forward(x));
					const loss = mseLoss(output, y);
					loss.backward();
					optimizer.step();
					return loss.detach();
				},
				state: () => [...params, ...conv.buffers(), ...gradients(params)],
			};
		},
	});
});

test('adapters on a quantised layer', async () => {
	await requireSame({
		make: () => {
			const model = new nn.Sequential(new nn.Linear(6, 32), new nn.ReLU(), new nn.Linear(32, 4));
			quantize(model, { bits: 4, groupSize: 32, exclude: ['2'] });
			nn.lora.apply(model, { rank: 2, dropout: 0.1, targets: 'all-linear' });
			const params = model.parameters().filter(({ requiresGrad }) => requiresGrad);
			const optimizer = new optim.AdamW(params);
			return {
				step: (x, y) => {
					optimizer.zeroGrad();
					const loss = crossEntropy(model.forward(x), y);
					loss.backward();
					optimizer.step();
					return loss.detach();
				},
				state: () => [...params, ...gradients(params)],
			};
		},
	});
});

test.run();
