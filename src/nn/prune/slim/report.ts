/** What `slim` did. */

/** Of one call on the example's shape. */
export interface SlimCosts {
	readonly parameters: number;
	readonly flops: number;
}

export interface SlimmedLayer {
	readonly path: string;
	readonly kind: string;
	/** Output channels before. */
	readonly channels: number;
	/** Output channels now. */
	readonly kept: number;
	/** Why pruned channels, or all channels, stay; null if none had to. */
	readonly reason: string | null;
}

/** The result of `slim`. As text, a table. */
export class SlimReport {
	constructor(
		readonly before: SlimCosts,
		readonly after: SlimCosts,
		readonly layers: readonly SlimmedLayer[],
	) {}

	toString(): string {
		const width = Math.max(0, ...this.layers.map(({ path, kind }) => `${path} (${kind})`.length));
		const rows = this.layers.map(({ path, kind, channels, kept, reason }) =>
			[`${`${path} (${kind})`.padEnd(width)}  ${kept} of ${channels} channels`, ...(reason === null ? [] : [reason])].join(': '),
		);
		const change = (name: 'parameters' | 'flops', label: string) =>
			`${label}: ${this.before[name].toLocaleString('en-US')} before, ${this.after[name].toLocaleString('en-US')} now`;
		return [...rows, change('parameters', 'parameters'), change('flops', 'FLOPs')].join('\n');
	}

	[Symbol.for('nodejs.util.inspect.custom')](): string {
		return this.toString();
	}
}
