/** The state of random operations: a seed, and the number of the next operation. */
import { ArgumentError } from './errors';
import type { RandomKey } from './philox';

/** A generator's state as plain data that survives JSON, for checkpoints. */
export interface GeneratorState {
	readonly seed: readonly [low: number, high: number];
	readonly counter: number;
}

const MAX_COUNTER = Number.MAX_SAFE_INTEGER;

function isWord(value: unknown): value is number {
	return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;
}

function seedWords(operation: string, seed: number | bigint): readonly [number, number] {
	if (typeof seed === 'bigint' ? seed < -(2n ** 63n) || seed >= 2n ** 64n : !Number.isSafeInteger(seed)) {
		throw new ArgumentError(`${operation}: seed ${String(seed)} is not a 64-bit integer; above 2^53 - 1 pass a bigint`);
	}
	const bits = BigInt.asUintN(64, BigInt(seed));
	return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}

/** Gives each random operation its own key. Two generators in the same state give the same keys. */
export class Generator {
	#seed: readonly [low: number, high: number];
	#counter = 0;

	/** Without a seed, draws one from the system, as PyTorch does. */
	constructor(seed?: number | bigint) {
		if (seed === undefined) {
			const words = crypto.getRandomValues(new Uint32Array(2));
			this.#seed = [words[0]!, words[1]!];
		} else {
			this.#seed = seedWords('Generator', seed);
		}
	}

	/** Restarts from `seed`, a 64-bit integer. Negative seeds count from 2^64, as in PyTorch. */
	manualSeed(seed: number | bigint): this {
		this.#seed = seedWords('manualSeed', seed);
		this.#counter = 0;
		return this;
	}

	/** Returns the key of the next random operation. `operations` advances by more; the others have the counters after it. */
	next(operations = 1): RandomKey {
		const counter = this.#counter;
		this.#counter += operations;
		return { seed: this.#seed, counter };
	}

	/** Returns a copy of the state. Restoring it makes the same operations draw the same numbers again. */
	getState(): GeneratorState {
		return { seed: [...this.#seed], counter: this.#counter };
	}

	setState(state: GeneratorState): void {
		requireGeneratorState(state);
		const { seed, counter } = state;
		this.#seed = [seed[0], seed[1]];
		this.#counter = counter;
	}
}

/** What `setState` would throw. */
export function requireGeneratorState(state: GeneratorState): void {
	const { seed, counter } = state ?? {};
	const valid = Array.isArray(seed) && seed.length === 2 && seed.every(isWord);
	if (!valid || !Number.isInteger(counter) || counter < 0 || counter > MAX_COUNTER) {
		throw new ArgumentError(
			`setState: ${JSON.stringify(state)} is not the state of a generator. Pass the result of getState(): { seed: [low, high], counter }`,
		);
	}
}

/** The generator that random operations use by default. */
export const defaultGenerator = new Generator();

/** Runs `fn` with `generator` in place of the default generator. The state of the default generator does not change. `fn` must be synchronous. */
export function drawFrom<T>(generator: Generator, fn: () => T): T {
	if (generator === defaultGenerator) return fn();
	const before = defaultGenerator.getState();
	defaultGenerator.setState(generator.getState());
	try {
		return fn();
	} finally {
		generator.setState(defaultGenerator.getState());
		defaultGenerator.setState(before);
	}
}

/**
 * Seeds the default generator. With the same seed, a program draws the same numbers in every run and on every device. Normal numbers agree
 * between devices up to rounding, all others to the bit.
 */
export function manualSeed(seed: number | bigint): Generator {
	return defaultGenerator.manualSeed(seed);
}
