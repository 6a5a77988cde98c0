/**
 * The random numbers of a loader. The order of an epoch and the numbers of a batch depend only on (seed, epoch, batch). So a loader can
 * make batches in advance, in any order and again after a restart, with the same result.
 */
import { setGradEnabled } from '../autograd/modes';
import { ArgumentError } from '../core/errors';
import { defaultGenerator, drawFrom, Generator, type GeneratorState } from '../core/generator';
import { philox4x32 } from '../core/philox';

/** The two words of a seed, as in GeneratorState. */
export type Seed = GeneratorState['seed'];

/** The seed as words. Without a seed, draws one from the default generator, so that `manualSeed` determines it. */
export function seedOf(seed: number | bigint | undefined): Seed {
	if (seed !== undefined) {
		if (typeof seed !== 'number' && typeof seed !== 'bigint') {
			throw new ArgumentError(`seed must be a whole number, not ${typeof seed} ${String(seed)}`);
		}
		return new Generator(seed).getState().seed;
	}
	const { seed: key, counter } = defaultGenerator.next();
	const [low, high] = philox4x32([0, 0, counter >>> 0, Math.floor(counter / 2 ** 32)], key);
	return [low, high];
}

/** A separate generator that starts from `seed`, or from a key of the default generator. */
export function generatorOf(seed: number | bigint | undefined): Generator {
	const generator = new Generator(0);
	generator.setState({ seed: seedOf(seed), counter: 0 });
	return generator;
}

/** The purposes of random numbers. Each has its own streams. */
export const PURPOSE = { order: 0, stream: 1, samples: 2, transform: 3 } as const;

/** The random numbers for one purpose in one batch of one epoch. */
export class RandomStream {
	/** For code that takes a generator argument. */
	readonly generator = new Generator(0);
	/** For operations that draw from the default generator. */
	readonly #ambient = new Generator(0);

	constructor(seed: Seed, epoch: number, batch: number, purpose: (typeof PURPOSE)[keyof typeof PURPOSE]) {
		// Operations count their keys from 0, so each stream needs its own seed.
		const words = philox4x32([batch, epoch, purpose, 0x64617461], seed);
		this.generator.setState({ seed: [words[0], words[1]], counter: 0 });
		this.#ambient.setState({ seed: [words[2], words[3]], counter: 0 });
	}

	/**
	 * Runs `fn` without recording. All operations that draw from the default generator, such as `rand`, draw from this batch's own stream
	 * instead. So a batch does not depend on when it is made, and making it does not change the numbers that training draws. Both effects
	 * end at the first `await` of an asynchronous function.
	 */
	run<T>(fn: () => T): T {
		const grad = setGradEnabled(false);
		try {
			return drawFrom(this.#ambient, fn);
		} finally {
			setGradEnabled(grad);
		}
	}
}
