/** The card of the race: four optimizers on one surface, from one place. */
import type { Device } from 'wgrad';
import { element, messageOf, showNotice } from '../page';
import { type Colour, mix, paintField } from './picture';
import { heights, RACERS, Race, type Racer, type RaceStep, SURFACES, type SurfaceName } from './race';

const GRID = 80;
const LABELS: Readonly<Record<Racer, string>> = { sgd: 'SGD', momentum: 'SGD with momentum', rmsprop: 'RMSprop', adam: 'Adam' };
const COLOURS: Readonly<Record<Racer, string>> = { sgd: '#d6336c', momentum: '#e8590c', rmsprop: '#2f9e44', adam: '#1c5fd8' };
const LOW: Colour = [250, 250, 252];
const HIGH: Colour = [108, 117, 138];
/** Contour bands in the picture. */
const BANDS = 14;

const canvas = element('surface', HTMLCanvasElement);
const kind = element('surface-kind', HTMLSelectElement);
const [startX, startY, factor, steps] = ['start-x', 'start-y', 'race-factor', 'race-steps'].map((id) =>
	element(id, HTMLInputElement),
) as [HTMLInputElement, HTMLInputElement, HTMLInputElement, HTMLInputElement];
const button = element('race', HTMLButtonElement);
const list = element('standings', HTMLOListElement);

export class RaceCard {
	readonly #device: Device;
	#field: ArrayLike<number> = [];
	#paths: (readonly (readonly [number, number])[])[] = [];
	#running = 0;

	constructor(device: Device) {
		this.#device = device;
		kind.addEventListener('change', () => void this.#attempt(() => this.#choose()));
		element('racing', HTMLFormElement).addEventListener('submit', (event) => {
			event.preventDefault();
			void this.#attempt(() => this.#race());
		});
		canvas.addEventListener('click', ({ offsetX, offsetY }) => {
			const { x, y } = this.#surface;
			startX.valueAsNumber = rounded(x[0] + (offsetX / canvas.clientWidth) * (x[1] - x[0]));
			startY.valueAsNumber = rounded(y[1] - (offsetY / canvas.clientHeight) * (y[1] - y[0]));
			void this.#attempt(() => this.#race());
		});
		for (const input of [startX, startY]) {
			input.addEventListener('input', () => {
				this.#paths = [];
				this.#draw();
			});
		}
		button.disabled = false;
		void this.#attempt(() => this.#choose());
	}

	get #name(): SurfaceName {
		return kind.value as SurfaceName;
	}

	get #surface() {
		return SURFACES[this.#name];
	}

	async #attempt(action: () => Promise<void>): Promise<void> {
		try {
			await action();
		} catch (error) {
			console.error(error);
			showNotice('The race has stopped', `${messageOf(error)}. Reload the page to start anew.`);
		}
	}

	async #choose(): Promise<void> {
		this.#running++;
		const name = this.#name;
		[startX.valueAsNumber, startY.valueAsNumber] = this.#surface.start;
		this.#paths = [];
		const field = await heights(name, GRID, this.#device);
		if (name !== this.#name) return;
		this.#field = field;
		this.#draw();
		list.replaceChildren();
	}

	async #race(): Promise<void> {
		const mine = ++this.#running;
		const race = new Race(this.#name, [startX.valueAsNumber, startY.valueAsNumber], factor.valueAsNumber, this.#device);
		const paths: [number, number][][] = RACERS.map(() => []);
		this.#paths = paths;
		for (let step = 0; step <= steps.valueAsNumber; step++) {
			const found = await race.step();
			if (mine !== this.#running) return;
			for (const [i, [x, y]] of found.places.entries()) paths[i]!.push([x, y]);
			this.#draw();
			this.#rank(found, step);
			// At most a step for each frame, so that eyes can follow.
			await new Promise((resolve) => requestAnimationFrame(resolve));
		}
	}

	#draw(): void {
		if (this.#field.length === 0) return;
		// Heights differ by orders of magnitude, so the bands are those of the logarithm.
		const logs = Float64Array.from(this.#field as ArrayLike<number>, (height) => Math.log1p(Math.max(0, height)));
		const most = logs.reduce((a, b) => Math.max(a, b), 1e-9);
		const context = paintField(canvas, GRID, (i) => mix(LOW, HIGH, Math.round((BANDS * logs[i]!) / most) / BANDS));
		const { x, y } = this.#surface;
		const at = ([px, py]: readonly [number, number]): [number, number] => [
			((px - x[0]) / (x[1] - x[0])) * canvas.width,
			((y[1] - py) / (y[1] - y[0])) * canvas.height,
		];
		const dot = (place: readonly [number, number], radius: number, colour: string) => {
			context.beginPath();
			context.arc(...at(place), radius, 0, 2 * Math.PI);
			context.fillStyle = colour;
			context.strokeStyle = 'white';
			context.lineWidth = 2;
			context.fill();
			context.stroke();
		};
		dot([startX.valueAsNumber, startY.valueAsNumber], 5, '#1b1f27');
		this.#paths.forEach((path, i) => {
			const colour = COLOURS[RACERS[i]!];
			context.beginPath();
			for (const place of path) context.lineTo(...at(place));
			context.strokeStyle = colour;
			context.lineWidth = 2.5;
			context.stroke();
			if (path.length > 0) dot(path.at(-1)!, 6, colour);
		});
	}

	#rank({ heights }: RaceStep, step: number): void {
		const order = RACERS.map((racer, i) => ({ racer, height: heights[i]! }));
		// Whoever has left for infinity comes last.
		order.sort(
			(a, b) =>
				(Number.isFinite(a.height) ? a.height : Number.MAX_VALUE) - (Number.isFinite(b.height) ? b.height : Number.MAX_VALUE),
		);
		list.replaceChildren(
			...order.map(({ racer, height }) => {
				const item = document.createElement('li');
				const mark = document.createElement('span');
				mark.className = 'mark';
				mark.style.background = COLOURS[racer];
				const value = document.createElement('data');
				value.value = String(height);
				value.textContent = Number.isFinite(height) ? height.toPrecision(3) : 'has left for infinity';
				item.append(mark, LABELS[racer], value);
				return item;
			}),
		);
		element('race-status', HTMLElement).textContent = `step ${step}`;
	}
}

function rounded(value: number): number {
	return Math.round(100 * value) / 100;
}
