/** A GPT small enough for tests, and a text that it can learn. */
import { DEFAULTS, type Settings } from '../../examples/gpt/settings';

export const TEXT = 'The whale swims. The sea is deep. The ship sails on. '.repeat(30);

/** Dropout is on, so that a resumed run must continue with the right random numbers. */
export const SMALL: Settings = {
	...DEFAULTS,
	layers: 2,
	width: 16,
	heads: 2,
	context: 16,
	dropout: 0.1,
	batchSize: 4,
	steps: 10,
	lr: 1e-2,
	warmup: 3,
};

/** A model that learns within seconds. */
export const LEARNING: Settings = { ...SMALL, layers: 1, width: 32, dropout: 0, batchSize: 8, steps: 60 };

/** Runs all iterations to their end. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
	const all: T[] = [];
	for await (const item of items) all.push(item);
	return all;
}
