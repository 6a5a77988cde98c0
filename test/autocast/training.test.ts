/** Training in mixed precision on the CPU: against float32, and `fit` with its checkpoints. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { autocast, crossEntropy, type DType, GradScaler, init, linear, manualSeed, nn, optim, randn, tidy } from 'wgrad';
import { fit, MemoryStore, ModelCheckpoint } from 'wgrad/train';
import { AUTOCAST_TABLES } from '../../src/autograd/autocast';
import { assertRejects, points, weightsOf } from '../train/setting';

test.before(async () => {
	await init({ device: 'cpu' });
});

function network(): nn.Sequential {
	manualSeed(3);
	return new nn.Sequential(new nn.Linear(4, 16), new nn.Tanh(), new nn.Linear(16, 2));
}

test('the loss of a small network is within 1 % of that of float32', async () => {
	const losses: number[] = [];
	for (const enabled of [false, true]) {
		const [x, y] = points(128);
		const noisy = x.add(randn([128, 4]).mul(0.7));
		const model = network();
		const optimizer = new optim.Adam(model.parameters(), { lr: 5e-3 });
		const scaler = new GradScaler({ enabled });
		let last = 0;
		for (let step = 0; step < 80; step++) {
			const loss = tidy(() => {
				optimizer.zeroGrad();
				const result = autocast(() => crossEntropy(model.forward(noisy), y), { enabled });
				scaler.scale(result).backward();
				scaler.step(optimizer);
				scaler.update();
				return result.detach();
			});
			last = await loss.item();
		}
		losses.push(last);
	}
	const [exact, mixed] = losses as [number, number];
	assert.ok(exact > 0.1 && exact < 0.6);
	assert.not.equal(mixed, exact);
	assert.ok(Math.abs(mixed - exact) < 0.01 * exact, `${mixed} and ${exact}`);
});

/** Runs six epochs; the third step overflows. With `resumeFrom`, resumes there instead. */
async function run(store: MemoryStore, resumeFrom?: string) {
	const data = points(64);
	const model = network();
	const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2 });
	const dtypes = new Set<DType>();
	let step = 0;
	await fit(model, data, {
		trainStep: (net, [x, y]) => {
			const output = (net as nn.Sequential).forward(x!);
			dtypes.add(output.dtype);
			const loss = crossEntropy(output, y!);
			return resumeFrom === undefined && ++step === 3 ? loss.mul(Infinity) : loss;
		},
		optimizer,
		precision: 'float16',
		clipGradNorm: 1,
		accumulateSteps: 2,
		epochs: 6,
		batchSize: 16,
		seed: 5,
		verbose: 0,
		callbacks: [new ModelCheckpoint('epoch-{epoch}', { store })],
		...(resumeFrom !== undefined && { resumeFrom: { name: resumeFrom, store } }),
	});
	return { model, optimizer, dtypes };
}

test('fit trains in float16, and a resumed run gives the same bits', async () => {
	const store = new MemoryStore();
	const whole = await run(store);
	assert.equal([...whole.dtypes], ['float16']);
	const { step } = whole.optimizer.stateDict().state[0]!;
	assert.is(typeof step === 'number' ? step : await step!.item(), 11);
	const names = await store.list('');
	assert.ok(
		names.some((name) => name.includes('3')),
		names.join(' '),
	);
	const again = await run(
		store,
		names.find((name) => name.includes('3')),
	);
	assert.equal(await weightsOf(again.model), await weightsOf(whole.model));
});

test('fit refuses what it cannot train in float16', async () => {
	const model = network();
	const data = points(16);
	const options = { loss: crossEntropy, verbose: 0 } as const;
	const optimizer = new optim.SGD(model.parameters());
	await assertRejects(() => fit(model, data, { ...options, optimizer, precision: 'half' as never }), /precision/);
	const lbfgs = new optim.LBFGS(model.parameters());
	await assertRejects(() => fit(model, data, { ...options, optimizer: lbfgs, precision: 'float16' }), /LBFGS/);
	const store = new MemoryStore();
	const callbacks = [new ModelCheckpoint('last', { store })];
	await fit(model, data, { ...options, optimizer, callbacks });
	const resumeFrom = { name: (await store.list(''))[0]!, store };
	await assertRejects(() => fit(model, data, { ...options, optimizer, precision: 'float16', epochs: 2, resumeFrom }), /scaler/);
});

test('without float16 autocast says so once, and computes in float32', () => {
	const [x, w] = [randn([2, 3]), randn([4, 3]).requiresGrad_()];
	const backend = x.backend as { hasFloat16: boolean };
	const { warn } = console;
	const said: unknown[] = [];
	console.warn = (text) => said.push(text);
	try {
		backend.hasFloat16 = false;
		for (let i = 0; i < 2; i++) assert.is(autocast(() => linear(x, w)).dtype, 'float32');
	} finally {
		backend.hasFloat16 = true;
		console.warn = warn;
	}
	assert.is(said.length, 1);
	assert.match(String(said[0]), /autocast computes in float32, because this adapter has no float16/);
	assert.is(autocast(() => linear(x, w)).dtype, 'float16');
});

/** The tables of docs/mixed-precision.md, between its marks. */
function documented(): string {
	const of = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(' ');
	return [
		'| takes | operations |',
		'| --- | --- |',
		`| float16 | ${of(AUTOCAST_TABLES.float16)} |`,
		`| float32 | ${of(AUTOCAST_TABLES.float32)} |`,
		`| the widest dtype of its inputs | ${of(AUTOCAST_TABLES.widest)} |`,
		`| nothing: throws | ${of(AUTOCAST_TABLES.refused)} |`,
	].join('\n');
}

test('the page shows the tables of autocast', () => {
	const page = readFileSync('docs/mixed-precision.md', 'utf8');
	const [, shown] = /<!-- autocast -->\n([\s\S]*?)\n?<!-- \/autocast -->/.exec(page) ?? [];
	assert.is(shown, documented());
});

test.run();
