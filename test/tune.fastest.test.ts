/** tune measures the variants of kernels on this adapter, uses and keeps the fastest, and never uses one with wrong results. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	compile,
	crossEntropy,
	init,
	manualSeed,
	matmul,
	nn,
	optim,
	randint,
	randn,
	shutdown,
	tidy,
	tune,
	tuning,
	useTuning,
} from 'wgrad';
import { version } from '../package.json';
import { formsOf } from '../src/backends/webgpu/forms';
import type { Gpu } from '../src/backends/webgpu/launch';
import { matmulKernels } from '../src/backends/webgpu/matmul';
import { classOf } from '../src/backends/webgpu/tuning';
import { VERSION } from '../src/core/version';
import { webgpuBackend } from '../src/init';

async function rejects(run: () => Promise<unknown>, message: RegExp): Promise<void> {
	try {
		await run();
	} catch (error) {
		assert.match(String(error), message);
		return;
	}
	assert.unreachable(`nothing was thrown where ${message} was expected`);
}

const cache = mkdtempSync(join(tmpdir(), 'wgrad-tuning-'));
process.env.XDG_CACHE_HOME = cache;

test.before.each(async () => {
	await init({ device: 'webgpu' });
});
test.after(async () => {
	await shutdown();
	rmSync(cache, { recursive: true, force: true });
});

function trainer() {
	manualSeed(3);
	const model = new nn.Sequential(new nn.Linear(40, 64), new nn.ReLU(), new nn.LayerNorm(64), new nn.Linear(64, 10));
	const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 });
	const [x, y] = [randn([48, 40]), randint(0, 10, [48])];
	return () =>
		tidy(() => {
			optimizer.zeroGrad();
			const loss = crossEntropy(model.forward(x), y);
			loss.backward();
			optimizer.step();
			return loss.detach();
		});
}

test('the version is that of the package', () => {
	assert.is(VERSION, version);
});

test('a training step: measured by class, chosen, kept, and repeated to the bit', async () => {
	const forms = formsOf(webgpuBackend().gpu).map(({ name }) => name);
	const report = await tune(trainer(), { rounds: 3 });
	assert.ok(report.classes.length >= 4, String(report));
	for (const { kernelClass, ms, chosen, wrong } of report.classes) {
		assert.equal(wrong, {}, kernelClass);
		assert.ok(forms.includes(chosen) || /^\w+\.\w+=/.test(chosen));
		const times = Object.values(ms);
		assert.ok(times.length >= 1 && times.every((time) => time >= 0));
		// What is chosen is at most as slow as the launchers' own choice.
		assert.ok(ms[chosen]! <= ms[forms[0]!]!, kernelClass);
	}
	const chosen = report.classes.filter((entry) => entry.chosen !== forms[0]);
	assert.equal(
		report.table.kernels,
		chosen.map(({ kernelClass, chosen: form }) => ({ kernelClass, form })),
	);
	assert.equal(tuning(), report.table);
	const run = async () => {
		const step = trainer();
		const losses = [];
		for (let i = 0; i < 3; i++) losses.push(await step().item());
		return losses;
	};
	const losses = await run();
	await shutdown();
	assert.is(tuning(), null);
	await init({ device: 'webgpu', tune: true });
	assert.equal(tuning(), report.table);
	assert.equal(await run(), losses);
	useTuning(null);
	assert.is(tuning(), null);
});

test('a table changes the variant of its class only; tables of others are refused', async () => {
	const backend = webgpuBackend();
	const [own, other] = formsOf(backend.gpu);
	const [a, b] = [randn([96, 64]), randn([64, 96])];
	const launched = () => {
		const names: string[] = [];
		backend.onLaunch(({ pipeline }) => names.push(pipeline));
		tidy(() => void matmul(a, b));
		backend.onLaunch(undefined);
		return names.join();
	};
	const usual = launched();
	let kernelClass = '';
	backend.watch((call) => {
		kernelClass = classOf(call);
	});
	launched();
	backend.watch(undefined);
	const report = await tune(() => matmul(a, b), { save: false, rounds: 1 });
	const table = { ...report.table, kernels: [{ kernelClass, form: other!.name }] };
	useTuning(table);
	assert.is.not(launched(), usual);
	useTuning({ ...table, kernels: [{ kernelClass, form: own!.name }] });
	assert.is(launched(), usual);
	useTuning({ ...table, kernels: [{ kernelClass: `${kernelClass} `, form: other!.name }] });
	assert.is(launched(), usual);
	assert.throws(() => useTuning({ ...table, adapter: 'another' }), /useTuning: the table is for wgrad .* on 'another'/);
	assert.throws(() => useTuning({ kernels: 1 } as never), /useTuning: this is no table/);
	useTuning(null);
});

test('a variant with wrong results is reported and never used', async () => {
	const backend = webgpuBackend();
	const [, other] = formsOf(backend.gpu);
	const build = backend.kernelsOf;
	// The other form forgets the second half of each sum.
	backend.kernelsOf = (form) => {
		if (form.name !== other!.name) return build.call(backend, form);
		const broken: Gpu = {
			...backend.gpu,
			...form.claims,
			launch: (record) => backend.gpu.launch({ ...record, params: { ...record.params, depth: 32, splitDepth: 32 } }),
		};
		return { ...build.call(backend, form), ...matmulKernels(broken) };
	};
	try {
		const report = await tune(() => matmul(randn([96, 64]), randn([64, 96])), { save: false, rounds: 1 });
		const [found] = report.classes;
		assert.ok(found!.wrong[other!.name]! > 100);
		assert.is.not(found!.chosen, other!.name);
		assert.is(found!.ms[other!.name], undefined);
		assert.match(String(report), /WRONG/);
		assert.equal(
			report.table.kernels.filter(({ form }) => form === other!.name),
			[],
		);
	} finally {
		backend.kernelsOf = build;
		useTuning(null);
	}
});

test('single decisions: tiles and splits are measured, a table may name them, and a compiled step shows its kernels', async () => {
	const [a, b] = [randn([70, 512]), randn([512, 66])];
	const product = compile(() => matmul(a, b));
	for (let i = 0; i < 4; i++) product().dispose();
	const report = await tune(product, { save: false, rounds: 1 });
	const [found] = report.classes;
	assert.equal(found!.wrong, {});
	const measured = Object.keys(found!.ms);
	assert.ok(
		measured.some((name) => name.startsWith('matmul.tile=')) && measured.some((name) => name.startsWith('matmul.splits=')),
		measured.join(),
	);
	const backend = webgpuBackend();
	const launched = () => {
		const names: string[] = [];
		backend.onLaunch(({ pipeline }) => names.push(pipeline));
		product().dispose();
		backend.onLaunch(undefined);
		return names.join();
	};
	useTuning({ ...report.table, kernels: [{ kernelClass: found!.kernelClass, form: 'matmul.tile=4x8, matmul.splits=8' }] });
	// The plan of the kernels before is not replayed.
	assert.match(launched(), /share=1, rowQuads=1, columnQuads=2/);
	assert.match(launched(), /matmul.sum/);
	useTuning({ ...report.table, kernels: [{ kernelClass: found!.kernelClass, form: 'matmul.tile=9x9' }] });
	assert.not.match(launched(), /columnQuads=2|matmul.sum/);
	useTuning(null);
});

test('wrong calls', async () => {
	await rejects(() => tune(1 as never), /tune: fn must be a function/);
	await rejects(() => tune(() => {}, { rounds: 0 }), /tune: rounds must be/);
	await rejects(() => tune(() => {}, { memory: -1 }), /tune: memory must be/);
	await rejects(() => tune(() => {}, { speed: 1 } as never), /tune: .*'speed'/);
	const report = await tune(() => matmul(randn([96, 64]), randn([64, 96])), { memory: 16, save: false });
	assert.is(report.skipped.length, 1);
	assert.is(report.classes.length, 0);
	await shutdown();
	await rejects(() => tune(() => {}), /WebGPU device/);
});

test.run();
