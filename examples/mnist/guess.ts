/** Shows the network's prediction for the drawing. */

import { element } from '../page';
import { ProbabilityBars } from './bars';
import { DrawingBox, paint } from './drawing';

/** Predicts the digit in an image of 28 x 28 bytes: gives ten probabilities, or null before a network exists. */
type Predict = (pixels: Uint8Array) => Promise<ArrayLike<number> | null>;

const answer = element('answer', HTMLElement);
const seen = element('seen', HTMLCanvasElement).getContext('2d')!;

export class Guesser {
	readonly #box = new DrawingBox(element('drawing', HTMLCanvasElement), () => this.#redraw(null));
	readonly #bars = new ProbabilityBars(element('probabilities', HTMLElement));
	/** Set when there is a network. */
	predict: Predict = async () => null;
	#pixels: Uint8Array | null = null;
	/** The label of an image that was not drawn. */
	#label: number | null = null;
	#wanted = false;
	#busy = false;

	constructor() {
		element('clear', HTMLButtonElement).addEventListener('click', () => {
			this.#box.clear();
			this.#redraw(null);
		});
	}

	/** Shows a labelled image of 28 x 28 bytes in the box. */
	show(pixels: Uint8Array, label: number): void {
		this.#box.show(pixels);
		this.#redraw(label);
	}

	#redraw(label: number | null): void {
		this.#label = label;
		this.#pixels = this.#box.image();
		paint(seen, this.#pixels);
		void this.refresh();
	}

	/** Predicts again. Calls during a prediction merge into one, so that a fast pen does not build up a queue. */
	async refresh(): Promise<void> {
		this.#wanted = true;
		if (this.#busy) return;
		this.#busy = true;
		try {
			while (this.#wanted) {
				this.#wanted = false;
				this.#tell(this.#pixels === null ? null : await this.predict(this.#pixels));
			}
		} finally {
			this.#busy = false;
		}
	}

	#tell(probabilities: ArrayLike<number> | null): void {
		const best = this.#bars.show(this.#pixels === null ? null : probabilities);
		const label = this.#label === null ? '' : `; its label is ${this.#label}`;
		const text = best === null ? 'Draw a digit.' : `Looks like ${best}${label}.`;
		// Screen readers announce every change, so change only the text.
		if (answer.textContent !== text) answer.textContent = text;
	}
}
