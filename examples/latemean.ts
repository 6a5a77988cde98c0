/** Averages values of a loop's steps. Reads them some steps late, so that the GPU never waits for the host. */
import type { Tensor } from 'wgrad';

/** The number of steps the GPU runs ahead of the value that the host waits for. */
const AHEAD = 4;

export class LateMean {
	readonly #pending: [value: Promise<number>, weight: number][] = [];
	#sum = 0;
	#weight = 0;

	/** Adds a one-element tensor and disposes of it. The weight is, for example, the number of samples. */
	async add(value: Tensor, weight = 1): Promise<void> {
		this.#pending.push([value.item(), weight]);
		value.dispose();
		while (this.#pending.length > AHEAD) await this.#read();
	}

	/** Returns the mean of all values since the last call. */
	async take(): Promise<number> {
		while (this.#pending.length > 0) await this.#read();
		const mean = this.#sum / this.#weight;
		this.#sum = 0;
		this.#weight = 0;
		return mean;
	}

	async #read(): Promise<void> {
		const [value, weight] = this.#pending.shift()!;
		this.#sum += (await value) * weight;
		this.#weight += weight;
	}
}
