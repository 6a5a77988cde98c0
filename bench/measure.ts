/** Timing: warm-ups, several runs, the median and its spread. */
import { sync, tidy } from 'wgrad';

export interface Measurement {
	/** Milliseconds: the median, the quartiles, and the number of runs. */
	readonly median: number;
	readonly low: number;
	readonly high: number;
	readonly runs: number;
}

interface MeasureOptions {
	readonly warmups?: number;
	/** The least number of runs. Default 7. */
	readonly runs?: number;
	/** Calls in one run, for work too short for the clock. */
	readonly repeats?: number;
}

/** Times `fn`, which launches work. A run ends when the device is done. Returns the milliseconds of one call. */
export async function measure(
	fn: () => unknown,
	{ warmups = 3, runs = 7, repeats = 1 }: MeasureOptions = {},
): Promise<Measurement> {
	const once = () => tidy(() => void fn());
	for (let i = 0; i < warmups; i++) {
		once();
		await sync();
	}
	const times: number[] = [];
	for (let i = 0; i < runs; i++) {
		const start = performance.now();
		for (let r = 0; r < repeats; r++) once();
		await sync();
		times.push((performance.now() - start) / repeats);
	}
	return summarize(times);
}

/** The median and the quartiles of `times`. */
export function summarize(times: readonly number[]): Measurement {
	const sorted = [...times].sort((a, b) => a - b);
	const at = (share: number) => {
		const position = share * (sorted.length - 1);
		const [below, above] = [sorted[Math.floor(position)]!, sorted[Math.ceil(position)]!];
		return below + (above - below) * (position % 1);
	};
	return { median: at(0.5), low: at(0.25), high: at(0.75), runs: times.length };
}
