/** Recurrent modules: keys, cells against layers, padded batches against single rows. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dropout, manualSeed, nn, randn, type Tensor, tensor } from 'wgrad';
import { requireClose } from '../proofs/compare';

const CLOSE = { relative: 1e-12, absolute: 1e-14 };

test('keys are those of PyTorch', () => {
	const layer = new nn.LSTM(3, 2, { numLayers: 2, bidirectional: true });
	assert.equal(Object.keys(layer.stateDict()).slice(0, 8), [
		'weight_ih_l0',
		'weight_hh_l0',
		'bias_ih_l0',
		'bias_hh_l0',
		'weight_ih_l0_reverse',
		'weight_hh_l0_reverse',
		'bias_ih_l0_reverse',
		'bias_hh_l0_reverse',
	]);
	assert.equal(layer.stateDict().weight_ih_l1!.shape, [8, 4]);
});

test('a padded batch gives the same results as its single rows, forward and bidirectionally', async () => {
	manualSeed(4);
	const layer = new nn.GRU(3, 2, { bidirectional: true, numLayers: 2, dtype: 'float64' });
	const lengths = [5, 2, 4];
	const x = randn([5, 3, 3], { dtype: 'float64' });
	const [y, h] = layer.forward(x, null, { lengths: tensor(lengths, { dtype: 'int32' }) });
	for (const [row, length] of lengths.entries()) {
		const [alone, last] = layer.forward(x.narrow(1, row, 1).narrow(0, 0, length));
		requireClose(`row ${row}`, await y.narrow(1, row, 1).narrow(0, 0, length).data(), await alone.data(), CLOSE);
		requireClose(`last state of row ${row}`, await h.narrow(1, row, 1).data(), await last.data(), CLOSE);
		assert.ok(
			Array.from(
				await y
					.narrow(1, row, 1)
					.narrow(0, length, 5 - length)
					.data(),
			).every((value) => value === 0),
		);
	}
});

test('cells step as layers do', async () => {
	manualSeed(5);
	const layer = new nn.LSTM(3, 2, { dtype: 'float64' });
	const cell = new nn.LSTMCell(3, 2, { dtype: 'float64' });
	const state = Object.fromEntries(Object.entries(layer.stateDict()).map(([key, value]) => [key.replace('_l0', ''), value]));
	cell.loadStateDict(state);
	const x = randn([4, 2, 3], { dtype: 'float64' });
	const [y] = layer.forward(x);
	let states: [Tensor, Tensor] | null = null;
	for (let t = 0; t < 4; t++) states = cell.forward(x.select(0, t), states);
	requireClose('last step', await states![0].data(), await y.select(0, 3).data(), CLOSE);
});

test('dropout acts between layers, not behind the last one, and only in training', async () => {
	manualSeed(6);
	const [p, double] = [0.5, { dtype: 'float64' } as const];
	const layer = new nn.GRU(3, 8, { numLayers: 2, dropout: p, ...double });
	const singles = [0, 1].map((index) => {
		const single = new nn.GRU(index === 0 ? 3 : 8, 8, double);
		const own = Object.entries(layer.stateDict()).filter(([key]) => key.endsWith(`_l${index}`));
		single.loadStateDict(Object.fromEntries(own.map(([key, value]) => [key.replace(`_l${index}`, '_l0'), value])));
		return single;
	}) as [nn.GRU, nn.GRU];
	const x = randn([4, 2, 3], double);
	for (const training of [true, false]) {
		layer.train(training);
		manualSeed(7);
		const [y] = layer.forward(x);
		manualSeed(7);
		const [between] = singles[0].forward(x);
		const [expected] = singles[1].forward(dropout(between, { p, training }));
		requireClose(`training ${training}`, await y.data(), await expected.data(), CLOSE);
	}
});

test('TimeDistributed applies a layer to every step', async () => {
	const layer = new nn.Linear(3, 2);
	const x = randn([2, 5, 3]);
	const y = new nn.TimeDistributed(layer).forward(x);
	assert.equal(y.shape, [2, 5, 2]);
	requireClose('step 3', await y.select(1, 3).data(), await layer.forward(x.select(1, 3)).data(), {
		relative: 1e-6,
		absolute: 1e-7,
	});
});

test('projections come after the biases of their layer', () => {
	const layer = new nn.LSTM(3, 4, { bidirectional: true, projSize: 2 });
	assert.equal(Object.keys(layer.stateDict()).slice(2, 6), ['bias_ih_l0', 'bias_hh_l0', 'weight_hr_l0', 'weight_ih_l0_reverse']);
	const [y, [h, c]] = layer.forward(randn([5, 1, 3]));
	assert.equal(
		[y.shape, h.shape, c.shape],
		[
			[5, 1, 4],
			[2, 1, 2],
			[2, 1, 4],
		],
	);
	assert.throws(() => new nn.LSTM(3, 4, { projSize: 4 }), /LSTM: projSize 4 must be smaller than hiddenSize 4/);
});

test('recurrent layers reject states and options that they would ignore', () => {
	const x = randn([2, 1, 3]);
	const h = randn([1, 1, 2]);
	const lstm = new nn.LSTM(3, 2);
	assert.throws(() => lstm.forward(x, h as never), /LSTM: the states must be \[hidden, cell\], not a tensor/);
	assert.throws(() => lstm.forward(x, [h] as never), /LSTM: the states must be \[hidden, cell\]/);
	assert.throws(() => new nn.LSTMCell(3, 2).forward(x.select(0, 0), h as never), /LSTMCell: the states must be \[hidden, cell\]/);
	assert.throws(() => new nn.GRU(3, 2, { numLayers: 2, dropout: 2 }), /GRU: dropout must lie in \[0, 1\], not 2/);
	assert.throws(() => new nn.RNN(3, 2, { nonlinearity: 'sigmoid' as 'tanh' }), /RNN: nonlinearity must be 'tanh' or 'relu'/);
	assert.throws(() => new nn.GRU(3, undefined as never), /GRU: hiddenSize must be a whole number of at least 0, not undefined/);
	assert.throws(() => new nn.TimeDistributed(lstm as never).forward(randn([1, 2, 1, 3])), /the module's output must be a tensor/);
});

test.run();
