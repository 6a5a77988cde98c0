/** `fit` with modules that compute again in the backward pass: the bits of a run without. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, init, manualSeed, nn, optim, randint, randn, type Tensor } from 'wgrad';
import { fit } from 'wgrad/train';

test.before(async () => void (await init({ device: 'cpu' })));

class Block extends nn.Module {
	readonly norm = new nn.BatchNorm1d(6);
	readonly inner = new nn.Linear(6, 12);
	readonly drop = new nn.Dropout(0.3);
	readonly outer = new nn.Linear(12, 6);
	runs = 0;

	/** Takes a number beside its tensors. */
	override forward(x: Tensor, scale: number, more: Tensor): Tensor {
		this.runs++;
		return x.add(this.outer.forward(this.drop.forward(this.inner.forward(this.norm.forward(x)).tanh())).mul(scale)).add(more);
	}
}

class Net extends nn.Module {
	readonly blocks = new nn.ModuleList([new Block(), new Block(), new Block()]);
	readonly head = new nn.Linear(6, 3);

	override forward(x: Tensor): Tensor {
		let y = x;
		for (const block of this.blocks) y = block.forward(y, 0.5, x);
		return this.head.forward(y);
	}
}

async function train(names: readonly string[] | undefined): Promise<{ bits: number[][]; runs: number[]; model: Net }> {
	manualSeed(7);
	const model = new Net();
	const [x, y] = [randn([24, 6]), randint(0, 3, [24])];
	await fit(model, [x, y], {
		loss: crossEntropy,
		optimizer: new optim.Adam(model.parameters(), { lr: 0.01 }),
		epochs: 3,
		batchSize: 8,
		seed: 1,
		verbose: 0,
		...(names && { checkpoint: names }),
	});
	const values = await Promise.all(Object.values(model.stateDict()).map((value) => value.data()));
	return { bits: values.map((part) => Array.from(part)), runs: [...model.blocks].map(({ runs }) => runs), model };
}

test('the weights, batch statistics and dropout of a run are those of a run without, bit by bit', async () => {
	const plain = await train(undefined);
	assert.equal(plain.runs, [9, 9, 9]);
	const all = await train(['blocks.*']);
	assert.equal(all.bits, plain.bits);
	assert.equal(all.runs, [18, 18, 18]);
	const parts = await train(['blocks.1', '*.2.inner']);
	assert.equal(parts.bits, plain.bits);
	assert.equal(parts.runs, [9, 18, 9]);
	// Afterwards, forward is the class's own again.
	assert.not.ok(Object.hasOwn(all.model.blocks.at(0), 'forward'));
});

test('names that match nothing are refused before the run', async () => {
	for (const [names, message] of [
		[['layers.*'], /fit: no module matches 'layers\.\*' of checkpoint; the model has: blocks, blocks\.0, /],
		['blocks', /fit: checkpoint must be a list of paths of modules, such as \['blocks\.\*'\], not 'blocks'/],
	] as const) {
		try {
			await train(names as never);
			assert.unreachable();
		} catch (error) {
			assert.match((error as Error).message, message);
		}
	}
});

test.run();
