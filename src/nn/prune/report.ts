/** Counts the zeros of a model's parameters. */
import { noGrad } from '../../autograd/modes';
import { mul } from '../../ops/elementwise';
import { detach } from '../../ops/layout';
import type { Module } from '../module';
import { Channels } from './masks';
import { prunedNames } from './prune';

/** A parameter of a sparsity report. */
export interface ParameterSparsity {
	/** The path without `_orig`, such as 'conv1.weight'. */
	readonly path: string;
	readonly size: number;
	/** Elements that are 0, masked or not. */
	readonly zeros: number;
	/** The size of dim 0, the output channels of most layers; 0 for parameters with fewer than 2 dims. */
	readonly channels: number;
	/** Channels of zeros only, which `slim` can remove. */
	readonly zeroChannels: number;
	/** Whether the parameter has a mask. */
	readonly masked: boolean;
}

/** How sparse a model is. As text, a table. */
export class SparsityReport {
	readonly size: number;
	readonly zeros: number;

	constructor(readonly parameters: readonly ParameterSparsity[]) {
		this.size = parameters.reduce((sum, { size }) => sum + size, 0);
		this.zeros = parameters.reduce((sum, { zeros }) => sum + zeros, 0);
	}

	/** The fraction of all elements that are 0. */
	get sparsity(): number {
		return this.size === 0 ? 0 : this.zeros / this.size;
	}

	toString(): string {
		const rows = [
			['parameter', 'elements', 'zeros', 'sparsity', 'zero channels'],
			...this.parameters.map(({ path, size, zeros, channels, zeroChannels, masked }) => [
				`${path}${masked ? ' (masked)' : ''}`,
				size.toLocaleString('en-US'),
				zeros.toLocaleString('en-US'),
				percent(zeros, size),
				channels === 0 ? '' : `${zeroChannels} of ${channels}`,
			]),
			['total', this.size.toLocaleString('en-US'), this.zeros.toLocaleString('en-US'), percent(this.zeros, this.size), ''],
		];
		const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
		return rows
			.map((row) =>
				row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  '),
			)
			.map((line) => line.trimEnd())
			.join('\n');
	}

	[Symbol.for('nodejs.util.inspect.custom')](): string {
		return this.toString();
	}
}

function percent(part: number, whole: number): string {
	return whole === 0 ? '' : `${((100 * part) / whole).toFixed(1)} %`;
}

/** Counts the zeros of each parameter, with its mask applied. Reads all parameters to the host. */
export async function report(model: Module): Promise<SparsityReport> {
	const rows: ParameterSparsity[] = [];
	for (const [path, module] of model.namedModules()) {
		const names = new Set(prunedNames(module));
		for (const [key, parameter] of module.ownParameters()) {
			const name = names.has(key.replace(/_orig$/, '')) ? key.replace(/_orig$/, '') : key;
			const masked = names.has(name);
			using values = noGrad(() => (masked ? mul(parameter, module.buffer(`${name}_mask`)) : detach(parameter)));
			const present = Uint8Array.from(await values.data(), (value) => Number(value !== 0));
			const channels = parameter.ndim < 2 ? null : new Channels('report', parameter.shape, 0);
			rows.push({
				path: path === '' ? name : `${path}.${name}`,
				size: parameter.size,
				zeros: present.reduce((zeros, value) => zeros - value, present.length),
				channels: channels?.count ?? 0,
				zeroChannels: channels === null ? 0 : channels.count - channels.left(present).length,
				masked,
			});
		}
	}
	return new SparsityReport(rows);
}
