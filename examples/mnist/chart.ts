/** The chart of the loss by training step. */
import '../locale';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

/** Decay of the smoothed curve, which averages over about 10 steps. */
const MEMORY = 0.9;

export class LossChart {
	readonly #plot: uPlot;
	readonly #colors: CSSStyleDeclaration;
	#steps: number[] = [];
	#losses: number[] = [];
	#smoothed: number[] = [];
	#mean = 0;

	constructor(container: HTMLElement) {
		this.#colors = getComputedStyle(container);
		const axis: uPlot.Axis = {
			stroke: () => this.#color('--muted'),
			grid: { stroke: () => this.#color('--line'), width: 1 },
			ticks: { show: false },
			font: '12px system-ui, sans-serif',
			labelFont: '12px system-ui, sans-serif',
			labelSize: 20,
		};
		const value = (_: uPlot, loss: number | null) => loss?.toFixed(4) ?? '–';
		this.#plot = new uPlot(
			{
				...size(container),
				scales: {
					x: { time: false, range: (_, __, last) => [0, Math.max(20, last ?? 0)] },
					y: { range: (_, __, highest) => [0, Math.max(0.1, 1.05 * (highest ?? 2.4))] },
				},
				axes: [
					{ ...axis, label: 'step', size: 28 },
					{ ...axis, label: 'loss', size: 44 },
				],
				series: [
					{ label: 'step', value: (_, step: number | null) => step?.toLocaleString('en') ?? '–' },
					{ label: 'each step', stroke: () => this.#color('--accent-soft'), width: 1, points: { show: false }, value },
					{ label: 'smoothed', stroke: () => this.#color('--accent'), width: 2, points: { show: false }, value },
				],
				legend: { mount: (_, table) => container.after(table) },
				cursor: { y: false, drag: { x: false, y: false } },
			},
			[[], [], []],
			container,
		);
		new ResizeObserver(() => this.#plot.setSize(size(container))).observe(container);
		// Canvases do not follow the colour scheme automatically.
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
	}

	add(step: number, loss: number): void {
		this.#steps.push(step);
		this.#losses.push(loss);
		this.#mean = MEMORY * this.#mean + (1 - MEMORY) * loss;
		this.#smoothed.push(this.#mean / (1 - MEMORY ** this.#steps.length));
	}

	clear(): void {
		[this.#steps, this.#losses, this.#smoothed, this.#mean] = [[], [], [], 0];
		this.draw();
	}

	draw(): void {
		this.#plot.setData([this.#steps, this.#losses, this.#smoothed]);
	}

	#color(property: string): string {
		return this.#colors.getPropertyValue(property);
	}
}

function size({ clientWidth, clientHeight }: HTMLElement): { width: number; height: number } {
	return { width: clientWidth, height: clientHeight };
}
