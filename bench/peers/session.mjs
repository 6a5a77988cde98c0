/** What run.mjs asks of a library: the same in a process of Node and on a page. */
import { sample } from './cases.mjs';

/** Calls before the first timed one. */
const WARMUPS = 2;

/**
 * @typedef {{ run(): void | Promise<void>, sync(): Promise<unknown>, values(): Promise<ArrayLike<number>> }} Started
 * @param {{ open(device?: string): Promise<string>, start(name: string, model?: string): Started | Promise<Started> }} library
 * @param {string} [device]
 */
export function answer({ open, start }, device) {
	/** @type {Started} */
	let started;
	return {
		open: () => open(device),
		/** Starts a case. Returns the time to the first result, and what is compared: of a step, the losses of three steps. */
		async start(/** @type {string} */ name, /** @type {string | undefined} */ model, warm = true) {
			const begun = performance.now();
			started = await start(name, model);
			let values = await started.values();
			const firstMs = performance.now() - begun;
			if (values.length === 1) values = [values[0], (await started.values())[0], (await started.values())[0]];
			for (let i = 0; warm && i < WARMUPS; i++) await started.run();
			if (warm) await started.sync();
			return { firstMs, values: sample(values) };
		},
		/** Milliseconds of a call. */
		async time(/** @type {number} */ repeats) {
			const begun = performance.now();
			for (let i = 0; i < repeats; i++) await started.run();
			await started.sync();
			return (performance.now() - begun) / repeats;
		},
	};
}
