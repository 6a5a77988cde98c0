/**
 * The console output of WGRAD_DEBUG. `launches` prints every launch; `wgsl` prints the source of each kernel variant once; a
 * comma joins the two. In Node WGRAD_DEBUG is an environment variable, in browsers a global. A new device reads it.
 */
import type { Storage } from '../contract';
import type { LaunchRecord } from './launch';
import { gpuBytes } from './memory';
import { LaunchLog } from './profiler';

const TOPICS = ['launches', 'wgsl'] as const;

/** The topics that WGRAD_DEBUG names. */
export function debugTopics(): ReadonlySet<(typeof TOPICS)[number]> {
	const { WGRAD_DEBUG, process } = globalThis as {
		WGRAD_DEBUG?: unknown;
		process?: { env?: Readonly<Record<string, string | undefined>> };
	};
	const words = String(WGRAD_DEBUG ?? process?.env?.WGRAD_DEBUG ?? '').split(/[\s,]+/);
	const unknown = words.filter((word) => word !== '' && !TOPICS.some((topic) => topic === word));
	if (unknown.length > 0) console.warn(`wgrad: WGRAD_DEBUG takes ${TOPICS.join(' and ')}, not '${unknown.join(', ')}'`);
	return new Set(TOPICS.filter((topic) => words.includes(topic)));
}

/** Prints launches in order: with timestamps when their times arrive, without timestamps at once. */
export class LaunchPrinter {
	readonly log: LaunchLog;
	/** Lines of launches that still lack their times. */
	private lines: string[] = [];

	constructor(device: GPUDevice, batchLaunches: number) {
		this.log = new LaunchLog(device, batchLaunches, (times) => {
			const ready = this.lines.splice(0, times.length);
			for (const [i, line] of ready.entries()) console.log(`${line}  ${(1000 * times[i]!).toFixed(1)} us`);
		});
	}

	/** `isTimed`: whether `log` sees the launch. */
	print(record: LaunchRecord, isTimed: boolean): void {
		if (isTimed && this.log.source === 'timestamps') this.lines.push(describe(record));
		else console.log(describe(record));
	}

	/** Prints the launches that will get no times. */
	finish(): void {
		for (const line of this.lines.splice(0)) console.log(line);
	}
}

function describe({ operation, pipeline, grid, buffers, params }: LaunchRecord): string {
	const bound = Object.entries(buffers)
		.filter((entry): entry is [string, Storage] => entry[1] !== undefined)
		.map(([name, { dtype, length }]) => `${name} ${dtype} ${length * gpuBytes(dtype)} B`);
	const values = Object.entries(params).map(([name, value]) => `${name}=${formatValue(value)}`);
	const parts = [
		`wgrad: ${operation || '(no operation)'}`,
		pipeline,
		`grid ${[0, 1, 2].map((dim) => grid[dim] ?? 1).join(' x ')}`,
		`buffers ${bound.join(', ')}`,
		`params ${values.join(', ')}`,
	];
	return parts.join('  ');
}

function formatValue(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(formatValue).join(', ')}]`;
	if (typeof value !== 'object' || value === null) return String(value);
	const fields = Object.entries(value).filter(([, field]) => typeof field === 'number' || Array.isArray(field));
	return `{${fields.map(([name, field]) => `${name}: ${formatValue(field)}`).join(', ')}}`;
}
