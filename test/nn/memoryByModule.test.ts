/** `memoryByModule`: what a real step makes, by module, at its peak and after it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { nn, ones, optim, type Tensor, tidy } from 'wgrad';

const F32 = 4;

test('a training step', async () => {
	const model = new nn.Sequential(new nn.Linear(8, 16), new nn.Tanh(), new nn.Linear(16, 1));
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
	const x = ones([32, 8]);
	const step = () =>
		tidy(() => {
			optimizer.zeroGrad();
			model.forward(x).square().mean().backward();
			optimizer.step();
		});
	const report = await nn.memoryByModule(model, step);
	const row = (path: string) => report.rows.find((found) => found.path === path)!;
	assert.equal(
		report.rows.map(({ path, kind }) => `${path} ${kind}`),
		[' Sequential', '0 Linear', '1 Tanh', '2 Linear', '(backward) ', '(outside) '],
	);
	assert.equal(
		report.rows.map(({ parameters, gradients }) => [parameters, gradients]),
		[[0, 0], ...[9 * 16, 0, 17].map((count) => [F32 * count, F32 * count]), [0, 0], [0, 0]],
	);
	// Each layer makes its output. The Sequential frees the product that only tanh reads, tanh's result is kept for the backward pass.
	assert.equal(
		['0', '1', '2'].map((path) => row(path).made),
		[F32 * 32 * 16, F32 * 32 * 16, F32 * 32],
	);
	assert.equal(
		report.rows.map(({ left }) => left),
		[0, 0, 0, 0, 0, 0],
	);
	assert.is(
		report.rows.reduce((sum, { atPeak }) => sum + atPeak, 0),
		report.peak,
	);
	assert.is(Math.max(...report.moments.map(({ bytes }) => bytes)), report.peak);
	assert.is(row('1').atPeak, F32 * 32 * 16);
	assert.match(report.peakOperation, / backward$/);
	const lines = String(report).split('\n');
	assert.match(lines[0]!, /^module +type +parameters +gradients +made +at peak +left$/);
	assert.match(lines[1]!, /^\(model\) +Sequential$/);
	assert.match(lines[3]!, /^1 +Tanh +2\.0 KiB +2\.0 KiB$/);
	assert.match(lines.at(-1)!, /^peak: .* in .* backward$/);
	assert.not.ok(Object.hasOwn(model, 'forward'));
});

test('what a step leaves, buffers, and errors', async () => {
	const model = new nn.Sequential(new nn.BatchNorm1d(4));
	const kept: Tensor[] = [];
	const { rows, result } = await nn.memoryByModule(model, async () => {
		kept.push(ones([5, 4]));
		await Promise.resolve();
		return 7;
	});
	assert.is(result, 7);
	assert.equal(rows[1]!.parameters, F32 * (4 + 4 + 4 + 4 + 1));
	assert.equal(
		rows.map(({ left }) => left),
		[0, 0, 0, F32 * 20],
	);
	let error: unknown;
	await nn
		.memoryByModule(model, () => model.forward(ones([2, 3])))
		.catch((caught) => {
			error = caught;
		});
	assert.match(String(error), /ShapeError/);
	assert.not.ok(Object.hasOwn(model, 'forward') || Object.hasOwn(model.at(0), 'forward'));
});

test('refusals', async () => {
	for (const [call, message] of [
		[() => nn.memoryByModule({} as never, () => 1), /memoryByModule: model must be a module/],
		[() => nn.memoryByModule(new nn.ReLU(), 1 as never), /memoryByModule: step must be a function/],
	] as const) {
		let error: unknown;
		await call().catch((caught) => {
			error = caught;
		});
		assert.match(String(error), message);
	}
});

test.run();
