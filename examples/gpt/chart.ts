/** The chart of the losses by training step. */
import '../locale';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { GptTraining } from './training';

/** Decay of the smoothed curve, which averages over about 20 steps. */
const MEMORY = 0.95;

export class LossChart {
	readonly #plot: uPlot;
	readonly #colors: CSSStyleDeclaration;

	constructor(container: HTMLElement) {
		this.#colors = getComputedStyle(container);
		const color = (property: string) => () => this.#colors.getPropertyValue(property);
		const font = '12px system-ui, sans-serif';
		const axis: uPlot.Axis = {
			stroke: color('--muted'),
			grid: { stroke: color('--line'), width: 1 },
			ticks: { show: false },
			font,
			labelFont: font,
			labelSize: 20,
		};
		const value = (_: uPlot, loss: number | null) => loss?.toFixed(3) ?? '–';
		const line = { points: { show: false }, value };
		this.#plot = new uPlot(
			{
				...size(container),
				scales: {
					x: { time: false, range: (_, __, last) => [0, Math.max(20, last ?? 0)] },
					y: { range: (_, lowest, highest) => [0.9 * (lowest ?? 0), 1.05 * (highest ?? 5)] },
				},
				axes: [
					{ ...axis, label: 'step', size: 28 },
					{ ...axis, label: 'nats a character', size: 44 },
				],
				series: [
					{ label: 'step', value: (_, step: number | null) => step?.toLocaleString('en') ?? '–' },
					{ ...line, label: 'each step', stroke: color('--accent-soft'), width: 1 },
					{ ...line, label: 'smoothed', stroke: color('--accent'), width: 2 },
					{
						label: 'validation',
						stroke: color('--good'),
						width: 2,
						spanGaps: true,
						points: { show: true, size: 6, fill: color('--good') },
						value,
					},
				],
				legend: { mount: (_, table) => container.after(table) },
				cursor: { y: false, drag: { x: false, y: false } },
			},
			[[], [], [], []],
			container,
		);
		new ResizeObserver(() => this.#plot.setSize(size(container))).observe(container);
		// Canvases do not follow the colour scheme automatically.
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#plot.redraw());
	}

	draw({ losses, validations, corpus }: GptTraining): void {
		const each = losses.map((loss) => loss / corpus.charactersPerToken);
		let mean = 0;
		const smoothed = each.map((loss, i) => {
			mean = MEMORY * mean + (1 - MEMORY) * loss;
			return mean / (1 - MEMORY ** (i + 1));
		});
		const judged = new Map(validations.map(({ step, loss }) => [step, loss / corpus.charactersPerToken]));
		const steps = each.map((_, i) => i + 1);
		this.#plot.setData([steps, each, smoothed, steps.map((step) => judged.get(step) ?? null)]);
	}
}

function size({ clientWidth, clientHeight }: HTMLElement): { width: number; height: number } {
	return { width: clientWidth, height: clientHeight };
}
