/** Checkpoints that are damaged, forged or from another run throw clear errors, change nothing and remove nothing. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError, crossEntropy, FormatError, optim } from 'wgrad';
import {
	type Callback,
	type CheckpointTree,
	FileStore,
	fit,
	loadCheckpoint,
	MemoryStore,
	ModelCheckpoint,
	saveCheckpoint,
} from 'wgrad/train';
import { runFor } from '../soak/campaign';
import { damagedCheckpoints, forged, forgedCheckpoints } from '../soak/checkpoints';
import { linear, points, weightsOf } from './setting';

const [x, y] = points(30);

test('damaged checkpoints throw', async () => {
	const { flipped } = await runFor(700, 'damagedCheckpoints', damagedCheckpoints);
	assert.ok(flipped! > 0);
});

test('forged states with a correct checksum throw errors of the library', async () => {
	const { tried, refused } = await runFor(1500, 'forgedCheckpoints', forgedCheckpoints);
	assert.ok(refused! > 0 && refused! <= tried!);
});

async function refuses(
	fn: () => Promise<unknown>,
	message: RegExp,
	kind: new (message: string) => Error = ArgumentError,
): Promise<void> {
	let error: unknown;
	try {
		await fn();
	} catch (caught) {
		error = caught;
	}
	assert.instance(error, kind, `${String(error)} where ${message} was expected`);
	assert.match((error as Error).message, message);
}

type Make = (params: ReturnType<ReturnType<typeof linear>['parameters']>) => optim.Optimizer<optim.CommonOptions>;

/** Trains one epoch of four steps, or resumes. */
function run(make: Make, options: object) {
	const model = linear();
	const optimizer = make(model.parameters());
	const train = () => fit(model, [x, y], { loss: crossEntropy, optimizer, batchSize: 8, seed: 1, verbose: 0, ...options });
	return { model, optimizer, train };
}

test('a forged checkpoint removes only files of the callback itself', async () => {
	const top = mkdtempSync(join(tmpdir(), 'wgrad-'));
	try {
		const folder = join(top, 'runs');
		mkdirSync(folder);
		const name = join(folder, 'a.run-{epoch}-{step}');
		const callbacks = [new ModelCheckpoint(name, { keep: 1, everySteps: 1 })];
		const adam: Make = (params) => new optim.Adam(params);
		await run(adam, { callbacks }).train();
		assert.equal(readdirSync(folder), ['a.run-1-4']);
		const own = join(folder, 'a.run-1-2');
		const others = ['x', 'a.run-1-2.bak', 'axrun-1-2', 'a.run-01-2', 'a.run-1-1e0', 'a.run-1-', 'a.run--1-2', 'ba.run-1-2'];
		const victims = [join(top, 'secret'), join(top, 'a.run-1-2'), ...others.map((other) => join(folder, other))];
		for (const path of [own, ...victims]) writeFileSync(path, 'precious');
		const indirect = [`${folder}/../runs/x`, `${folder}/../secret`, join(folder, 'a.run-1-3/../x'), `${own}/../x`, folder, top];
		const bytes = (await new FileStore().read(join(folder, 'a.run-1-4')))!;
		const changed = await forged(bytes, (state) =>
			state.replace(/"saved":\[[^\]]*\]/, `"saved":${JSON.stringify([...victims, ...indirect, own])}`),
		);
		const path = join(top, 'forged');
		writeFileSync(path, changed);
		await run(adam, { callbacks, epochs: 2, resumeFrom: path }).train();
		const left = ['secret', 'a.run-1-2', 'forged', 'runs'].sort();
		assert.equal(readdirSync(top).sort(), left);
		assert.equal(
			readdirSync(folder).sort(),
			[...others, 'a.run-1-4', 'a.run-2-8'].sort(),
			'only what the callback itself may have written',
		);
	} finally {
		rmSync(top, { recursive: true, force: true });
	}
});

test('a run resumes only with the optimizer and options that it started with', async () => {
	const store = new MemoryStore();
	const adam: Make = (params) => new optim.Adam(params, { lr: 0.01 });
	const callbacks = [new ModelCheckpoint('{step}', { store, everySteps: 1 })];
	await run(adam, { callbacks }).train();
	const others: [Make, RegExp][] = [
		[
			(params) => new optim.Adam(params, { lr: 0.02 }),
			/'3' was trained with other options than this Adam has: lr 0\.01 in group 0, not 0\.02\. Create it with the same/,
		],
		[
			(params) => new optim.Adam(params, { lr: 0.01, betas: [0.9, 0.99] }),
			/betas \[0\.9, 0\.999\] in group 0, not \[0\.9, 0\.99\]/,
		],
		[(params) => new optim.Adam(params, { lr: 0.01, amsgrad: true }), /amsgrad false in group 0, not true/],
		[
			(params) => new optim.AdamW(params, { lr: 0.01, weightDecay: 0 }),
			/than this AdamW has: decoupledWeightDecay false in group 0, not true/,
		],
		[
			(params) => new optim.RAdam(params, { lr: 0.01 }),
			/the state belongs to another kind of optimizer: its group 0 has amsgrad/,
		],
		[(params) => new optim.SGD(params, { lr: 0.01 }), /another kind of optimizer/],
		[
			(params) =>
				new optim.Adam(
					params.map((param) => ({ params: [param] })),
					{ lr: 0.01 },
				),
			/groups of 2 parameters, but the optimizer has 1, 1/,
		],
	];
	const resumeFrom = { name: '3', store };
	for (const [make, message] of others) {
		const { model, optimizer, train } = run(make, { resumeFrom });
		const before = await weightsOf(model);
		await refuses(train, message);
		await refuses(() => loadCheckpoint('3', { model, optimizer }, { store }), message);
		assert.equal(await weightsOf(model), before, 'nothing was changed');
		await loadCheckpoint('3', { model }, { store });
		assert.not.equal(await weightsOf(model), before, 'the model alone is loaded');
	}
	// Options that changed since do not matter: a schedule or a callback continues where it was.
	const { optimizer, train } = run(adam, {
		resumeFrom,
		callbacks: [
			{
				onTrainBegin: () => {
					optimizer.paramGroups[0]!.lr = 0.5;
				},
			},
		],
	});
	optimizer.paramGroups[0]!.lr = 0.7;
	assert.is((await train()).epochs[0]!.lr, 0.5);
	assert.is(optimizer.initialOptions[0]!.lr, 0.01);
});

test('within an epoch, a run resumes only with data of the same length and order', async () => {
	const store = new MemoryStore();
	const sgd: Make = (params) => new optim.SGD(params, { lr: 0.1 });
	await run(sgd, { callbacks: [new ModelCheckpoint('{step}', { store, everySteps: 1 })] }).train();
	const resumeFrom = { name: '2', store };
	await refuses(
		run(sgd, { resumeFrom, shuffle: false }).train,
		/at batch 2 of shuffle true; resume with the same settings, not with shuffle false/,
	);
	await refuses(run(sgd, { resumeFrom, validationSplit: 0.2 }).train, /of samplesPerEpoch 30; .* not with samplesPerEpoch 24/);
	assert.is((await run(sgd, { resumeFrom: { name: '4', store }, shuffle: false, epochs: 2 }).train()).steps, 8);
});

test('if a callback rejects its state, the model does not change', async () => {
	class Refusing implements Callback {
		stateDict() {
			return {};
		}
		loadStateDict() {
			throw new ArgumentError('refused');
		}
	}
	const store = new MemoryStore();
	const sgd: Make = (params) => new optim.SGD(params, { lr: 0.1, momentum: 0.9 });
	await run(sgd, { callbacks: [new Refusing(), new ModelCheckpoint('{step}', { store, everySteps: 1 })] }).train();
	const { model, optimizer, train } = run(sgd, { resumeFrom: { name: '2', store }, callbacks: [new Refusing()] });
	const before = await weightsOf(model);
	await refuses(train, /refused/);
	assert.equal(await weightsOf(model), before);
	assert.equal(optimizer.stateDict().state, {});
});

test('states that are not trees of plain data', async () => {
	const store = new MemoryStore();
	const model = linear();
	await saveCheckpoint('good', { model }, { store });
	const good = (await store.read('good'))!;
	const states: [string, RegExp][] = [
		['', /state is not valid JSON/],
		['{"parts":', /state is not valid JSON/],
		['[]', /state is not an object/],
		['null', /state is not an object/],
		[`{"parts":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, /nested more than 500 deep/],
		[`{"parts":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`, /nested more than 500 deep/],
		['{"parts":{"$tensor":"constructor"}}', /lacks the tensor 'constructor'/],
	];
	for (const [state, message] of states) {
		await store.write('forged', await forged(good, () => state));
		await refuses(() => loadCheckpoint('forged', { model }, { store }), message, FormatError);
	}
	const circle: Record<string, CheckpointTree> = {};
	circle.self = circle;
	const save = (extra: unknown) => () => saveCheckpoint('own', { model }, { store, extra: extra as CheckpointTree });
	await refuses(save(circle), /cannot hold data nested 500 deep or in itself/);
	await refuses(save({ a: [1n] }), /'extra\/a\/0' is a bigint/);
	await refuses(save({ run: () => 1 }), /'extra\/run' is a function/);
	assert.is(await store.read('own'), null);
});

test.run();
