/**
 * Generation with caches gives the same results as a single pass through stacks of layers, at a cost that does not grow with the
 * cache.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cat, counters, type Device, init, manualSeed, nn, noGrad, randn, type Tensor, tidy } from 'wgrad';
import { requireClose } from '../proofs/compare';

test.before(async () => {
	await init({ device: 'webgpu' });
});

const LAYER = { dimFeedforward: 16, dropout: 0, batchFirst: true } as const;

function cachesFor(layers: number, batch: number, device: Device): nn.KVCache[] {
	return Array.from({ length: layers }, () => new nn.KVCache({ batch, heads: 2, headSize: 4, maxLength: 40, device }));
}

for (const device of ['cpu', 'webgpu'] as const) {
	test(`stacks with caches give the same results token by token as at once, on ${device}`, async () => {
		manualSeed(3);
		const encoder = new nn.TransformerEncoder(new nn.TransformerEncoderLayer(8, 2, LAYER), 2);
		const decoder = new nn.TransformerDecoder(new nn.TransformerDecoderLayer(8, 2, LAYER), 2);
		await encoder.to(device);
		await decoder.to(device);
		const [x, memory] = [randn([2, 6, 8], { device }), randn([2, 3, 8], { device })];
		const cases: [string, Tensor, (part: Tensor, caches: nn.KVCache[]) => Tensor][] = [
			['encoder', encoder.forward(x, { isCausal: true }), (part, caches) => encoder.forward(part, { caches })],
			['decoder', decoder.forward(x, memory, { tgtIsCausal: true }), (part, caches) => decoder.forward(part, memory, { caches })],
		];
		for (const [name, whole, step] of cases) {
			const caches = cachesFor(2, 2, device);
			const parts = noGrad(() => [0, 1, 3, 5].map((start, i) => step(x.slice(1, start, [1, 3, 5, 6][i]!), caches)));
			requireClose(name, await cat(parts, 1).data(), await whole.data(), { relative: 1e-4, absolute: 1e-5 });
			for (const cache of caches) cache.dispose();
		}
	});
}

test('the launches of a token depend neither on the cache nor on the batch', () => {
	const encoder = new nn.TransformerEncoder(new nn.TransformerEncoderLayer(8, 2, LAYER), 2);
	const launches = (batch: number, cached: number) =>
		noGrad(() =>
			tidy(() => {
				const caches = cachesFor(2, batch, 'webgpu');
				encoder.forward(randn([batch, cached, 8]), { caches });
				const token = randn([batch, 1, 8]);
				const before = counters().launches;
				encoder.forward(token, { caches });
				const count = counters().launches - before;
				for (const cache of caches) cache.dispose();
				return count;
			}),
		);
	const counts = [launches(1, 1), launches(1, 39), launches(8, 5), launches(8, 30)];
	assert.is(new Set(counts).size, 1, `launches: ${counts}`);
	assert.ok(counts[0]! <= 2 * 16, `${counts[0]} launches for two layers`);
});

test('a stack needs a cache for each layer', () => {
	const encoder = new nn.TransformerEncoder(new nn.TransformerEncoderLayer(8, 2, LAYER), 2);
	assert.throws(
		() => encoder.forward(randn([1, 1, 8]), { caches: cachesFor(1, 1, 'webgpu') }),
		/TransformerEncoder: 1 caches for 2 layers/,
	);
});
test.run();
