/** Tensors that a program drops on the CPU, and programs that leak tensors. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, memory, ones, type Tensor } from 'wgrad';

test.before(async () => {
	await init({ device: 'cpu' });
});

/** The peak of bytes in typed arrays while `rounds` run. */
async function mostBytes(rounds: number, round: () => unknown): Promise<number> {
	const before = process.memoryUsage().arrayBuffers;
	let most = 0;
	for (let i = 0; i < rounds; i++) {
		const result = round();
		if (result instanceof Promise) await result;
		most = Math.max(most, process.memoryUsage().arrayBuffers - before);
	}
	return most;
}

test('a loop that only awaits items frees tensors and does not starve timers', async () => {
	let turns = 0;
	const timer = setInterval(() => turns++, 1);
	const most = await mostBytes(400, () => ones([250_000]).mul(2).narrow(0, 0, 1).item());
	clearInterval(timer);
	assert.ok(turns > 0, 'no timer had its turn');
	// Of 800 MB in all.
	assert.ok(most < 3e8, `${most / 1e6} MB are held at once`);
	assert.ok(memory().tensors < 800, `${memory().tensors} tensors are left`);
});

test('a loop that awaits nothing frees memory', async () => {
	const most = await mostBytes(400, () => void ones([250_000]).mul(2));
	assert.ok(most < 3e8, `${most / 1e6} MB are held at once`);
});

/** Runs `step` often, with a collection now and then, and returns the warnings. */
async function warnings(steps: number, step: () => void): Promise<string[]> {
	const { warn } = console;
	const warned: string[] = [];
	console.warn = (text: string) => warned.push(text);
	try {
		for (let i = 1; i <= steps; i++) {
			step();
			if (i % 400 > 0) continue;
			globalThis.gc!();
			await new Promise((resolve) => setTimeout(resolve));
			await ones([1]).item();
		}
	} finally {
		console.warn = warn;
	}
	return warned;
}

test('a program that keeps ever more tensors gets one warning about most of them; other programs get none', async () => {
	const many: Tensor[] = Array.from({ length: 3000 }, () => ones([1]));
	assert.equal(
		await warnings(6000, () => {
			const index = Math.floor(Math.random() * many.length);
			many[index] = many[index]!.add(1);
		}),
		[],
		'as many as before',
	);
	const losses: Tensor[] = [];
	const weight = ones([2], { requiresGrad: true });
	const warned = await warnings(12_000, () => {
		const loss = weight.mul(2).sum();
		loss.backward();
		losses.push(loss.detach());
	});
	assert.is(warned.length, 1);
	assert.match(warned[0]!, /the program holds \d+ more tensors \(.*\) than \d+ steps ago/);
	assert.match(warned[0]!, /come from 'sum' .*memory\.test\.ts:\d+/);
	assert.match(warned[0]!, 'await loss.item()');
	// Small storages are sampled, and the sum of the others' numbers is estimated.
	const [, held, estimate] = /holds (\d+) more .* about (\d+) tensors/.exec(warned[0]!)!.map(Number);
	assert.is(estimate! % 16, 0);
	assert.ok(estimate! > 0.2 * held! && estimate! < 1.5 * held!, warned[0]);
});

test.run();
