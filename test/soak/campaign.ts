/** Campaigns: random attempts to break something, for a given time. Tests run each campaign briefly. */
import { stream } from '../ops/database';
import { setting } from '../random/setting';

/** Numbers in [0, 1), equal for equal seeds. */
export type Random = () => number;

/** The number of attempts of each kind, by name. */
export type Counts = Readonly<Record<string, number>>;

/** Tries until `deadline`, a time of `performance.now()`, at least once, and throws at the first failure. */
export type Campaign = (random: Random, deadline: number) => Promise<Counts>;

/** Runs a campaign for this many milliseconds. Its error names the seed, which is fixed unless WGRAD_SEED is set. */
export async function runFor(
	milliseconds: number,
	name: string,
	campaign: Campaign,
	seed = setting('WGRAD_SEED') ?? 1,
): Promise<Counts> {
	try {
		return await campaign(stream(`${name} ${seed}`), performance.now() + milliseconds);
	} catch (error) {
		const told = error instanceof Error ? error.stack : String(error);
		throw new Error(`${name}: run it again with WGRAD_SEED=${seed}\n${told}`, { cause: error });
	}
}

/** An integer from 0 to `count` - 1. */
export function below(random: Random, count: number): number {
	return Math.floor(random() * count);
}

export function pick<T>(random: Random, list: readonly T[]): T {
	return list[below(random, list.length)]!;
}

/** The time limit of one attempt, below that of run.mjs. */
const PATIENCE_MILLISECONDS = 110_000;

/** The result of `promise`. Its error, also after a hang, says that `what` was tried. */
export async function requireEnd<T>(what: string, promise: Promise<T>): Promise<T> {
	let hangs: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<never>((_, reject) => {
		hangs = setTimeout(() => reject(new Error('it hangs')), PATIENCE_MILLISECONDS);
	});
	try {
		return await Promise.race([promise, late]);
	} catch (error) {
		throw new Error(`${what}\n${error instanceof Error ? error.stack : String(error)}`, { cause: error });
	} finally {
		clearTimeout(hangs);
	}
}
