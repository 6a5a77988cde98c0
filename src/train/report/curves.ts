/** Finds the curves of a history, and writes a sentence about each. */
import { type EpochRecord, type History, validationName } from '../history';
import { formatNumber } from './html';

interface Curve {
	readonly label: string;
	/** One value per epoch; null if it is missing or not finite. */
	readonly values: readonly (number | null)[];
}

/** One chart of quantities that share a scale. */
export interface Chart {
	readonly title: string;
	readonly logarithmic: boolean;
	readonly curves: readonly Curve[];
	/** A description of the chart for screen readers. */
	readonly description: string;
}

/** Columns not worth a curve. */
const BOOKKEEPING = new Set(['epoch', 'step', 'seconds']);

/** The names of all numeric columns except bookkeeping, in order of first occurrence. */
export function columns(history: History): string[] {
	const cells = history.epochs.flatMap((record) => Object.entries(record));
	const names = new Set(cells.flatMap(([name, value]) => (typeof value === 'number' ? [name] : [])));
	return [...names].filter((name) => !BOOKKEEPING.has(name));
}

/** Charts of the loss and each metric, with their validation values, then of the learning rates. */
export function chartsOf(history: History): Chart[] {
	const names = columns(history);
	const rates = names.filter((name) => /^lr\d*$/.test(name));
	const validations = new Set(names.map(validationName));
	const quantities = names.filter((name) => !rates.includes(name) && !(validations.has(name) && name.startsWith('val')));
	const charts = quantities.map((name) => {
		const validation = validationName(name);
		const curves = [curve(history, name, 'training')];
		if (names.includes(validation)) curves.push(curve(history, validation, 'validation'));
		return chart(titleOf(name), curves, false, history);
	});
	if (rates.length > 0) {
		const curves = rates.map((name) =>
			curve(history, name, rates.length === 1 ? 'learning rate' : `parameter group ${name.slice(2) || '0'}`),
		);
		const positive = curves.flatMap(({ values }) => values.filter((value) => value !== null));
		const spread = Math.max(...positive) / Math.min(...positive);
		charts.push(chart('Learning rate', curves, Math.min(...positive) > 0 && spread >= 30, history));
	}
	return charts;
}

function curve(history: History, name: string, label: string): Curve {
	return { label, values: history.epochs.map((record: EpochRecord) => finite(record[name])) };
}

function finite(value: number | undefined): number | null {
	return value !== undefined && Number.isFinite(value) ? value : null;
}

function chart(title: string, curves: readonly Curve[], logarithmic: boolean, history: History): Chart {
	return { title, curves, logarithmic, description: curves.map((each) => describe(each, history)).join(' ') };
}

function describe({ label, values }: Curve, { epochs }: History): string {
	const known = values.flatMap((value, i) => (value === null ? [] : [{ value, epoch: epochs[i]!.epoch }]));
	const name = titleOf(label);
	if (known.length === 0) return `${name}: no finite values.`;
	const [first, last] = [known[0]!, known.at(-1)!];
	const lowest = known.reduce((a, b) => (b.value < a.value ? b : a));
	const highest = known.reduce((a, b) => (b.value > a.value ? b : a));
	const at = ({ value, epoch }: { value: number; epoch: number }) => `${formatNumber(value)} at epoch ${epoch}`;
	return `${name}: from ${at(first)} to ${at(last)}; lowest ${at(lowest)}, highest ${at(highest)}.`;
}

/** Maps `topKAccuracy` to 'Top k accuracy'. */
export function titleOf(name: string): string {
	const group = /^lr(\d*)$/.exec(name);
	if (group !== null) return `Learning rate ${group[1]}`.trimEnd();
	const words = name.replace(/([a-z\d])([A-Z])/g, (_, before: string, capital: string) => `${before} ${capital.toLowerCase()}`);
	return words.slice(0, 1).toUpperCase() + words.slice(1);
}
