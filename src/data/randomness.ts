/**
 * Where a loader's random numbers come from: the order of an epoch and what is drawn for a batch are functions of (seed, epoch, batch)
 * alone. So batches can be made ahead, in any order, and again after a restart, with the same result.
 */
import { setGradEnabled } from '../autograd/modes';
import { ArgumentError } from '../core/errors';
import { defaultGenerator, drawFrom, Generator, type GeneratorState } from '../core/generator';
import { philox4x32 } from '../core/philox';

/** Two words, as in GeneratorState. */
export type Seed = GeneratorState['seed'];

/** The seed as words; without one, it is drawn from the default generator, so that `manualSeed` decides it too. */
export function seedOf(seed: number | bigint | undefined): Seed {
	if (seed !== undefined) {
		if (typeof seed !== 'number' && typeof seed !== 'bigint') {
			throw new ArgumentError(`seed: it must be a whole number, not ${typeof seed} ${String(seed)}`);
		}
		return new Generator(seed).getState().seed;
	}
	const { seed: key, counter } = defaultGenerator.next();
	const [low, high] = philox4x32([0, 0, counter >>> 0, Math.floor(counter / 2 ** 32)], key);
	return [low, high];
}

/** A generator of a run's own: it starts from `seed`, or from a key of the default generator. */
export function generatorOf(seed: number | bigint | undefined): Generator {
	const generator = new Generator(0);
	generator.setState({ seed: seedOf(seed), counter: 0 });
	return generator;
}

/** What the numbers are for; each purpose has streams of its own. */
export const PURPOSE = { order: 0, stream: 1, samples: 2, transform: 3 } as const;

/** The random numbers of one purpose in one batch of one epoch. */
export class RandomStream {
	/** For code that takes a generator. */
	readonly generator = new Generator(0);
	/** What operations draw from. */
	readonly #ambient = new Generator(0);

	constructor(seed: Seed, epoch: number, batch: number, purpose: (typeof PURPOSE)[keyof typeof PURPOSE]) {
		// Operations take their keys with counters from 0 on: a seed of its own keeps each stream apart from all others.
		const words = philox4x32([batch, epoch, purpose, 0x64617461], seed);
		this.generator.setState({ seed: [words[0], words[1]], counter: 0 });
		this.#ambient.setState({ seed: [words[2], words[3]], counter: 0 });
	}

	/**
	 * Runs `fn` without recording, with a stream of this batch's own behind `rand` and all other operations that draw from the default
	 * generator: a batch is the same whenever it is made, and making it does not disturb the numbers that training draws. Both end at
	 * the first `await` of an asynchronous function.
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
