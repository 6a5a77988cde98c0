/** The doctor's report: what it looks at, as data for a file and as text for a person. */
import { type DeviceInfo, WgradError } from 'wgrad';
import { version } from '../../package.json';
import type { AdapterInfo } from '../../src/backends/webgpu/statistics';
import { webgpuBackend } from '../../src/init';
import { cases } from '../cases';
import { measureRoofline, type Roofline } from '../roofline';
import { type Result, runCase } from '../runCase';
import { type SweepOptions, type SweepReport, sweep } from './sweep';

/** One case for each heavy family, whole training steps, and the cost of an operation. */
const MAIN_CASES = [
	'matmul 1024 A B',
	'matrix-vector 1024',
	'conv2d 16x32x32x32 to 64 forward',
	'conv2d 16x32x32x32 to 64 weight gradient',
	'softmax 4096x1024',
	'layer norm 4096x1024',
	'sum 4 M',
	'add 4 M',
	'training step, MLP 784-256-10, batch 64',
	'training step, MNIST CNN, batch 64',
	'1,000 dependent tiny operations',
];

export interface DoctorReport {
	readonly wgrad: string;
	readonly date: string;
	/** The browser, or Node and the operating system. */
	readonly platform: string;
	readonly adapter: AdapterInfo;
	readonly features: readonly string[];
	readonly limits: Readonly<Record<string, number>>;
	readonly correctness: SweepReport;
	/** Null if it was not measured. */
	readonly speed: { readonly roofline: Roofline; readonly cases: readonly Result[]; readonly errors: readonly string[] } | null;
}

export interface DoctorOptions extends SweepOptions {
	/** Default true. */
	readonly speed?: boolean;
	/** What is under way. */
	readonly onPhase?: (phase: string) => void;
}

/** Examines the running WebGPU device. Call it after `init()`. */
export async function examine({ adapter }: DeviceInfo, platform: string, options: DoctorOptions = {}): Promise<DoctorReport> {
	if (adapter === null) throw new WgradError('doctor: there is no WebGPU device to examine');
	const { features, limits } = webgpuBackend();
	const { onPhase = () => {}, speed = true } = options;
	onPhase('Comparing every kernel variant with the CPU');
	const correctness = await sweep(options);
	return {
		wgrad: version,
		date: new Date().toISOString(),
		platform,
		adapter,
		features: [...features].sort(),
		limits: numbersOf(limits),
		correctness,
		speed: speed && options.signal?.aborted !== true ? await measureSpeed(onPhase) : null,
	};
}

/** The limits are getters of a prototype, which JSON does not see. */
function numbersOf(limits: GPUSupportedLimits): Record<string, number> {
	const numbers: Record<string, number> = {};
	for (const name in limits) {
		const value = limits[name as keyof GPUSupportedLimits];
		if (typeof value === 'number') numbers[name] = value;
	}
	return numbers;
}

async function measureSpeed(onPhase: (phase: string) => void): Promise<DoctorReport['speed']> {
	onPhase('Measuring the roofline');
	const roofline = await measureRoofline();
	const results: Result[] = [];
	const errors: string[] = [];
	for (const benchmark of cases.filter(({ name }) => MAIN_CASES.includes(name))) {
		onPhase(`Timing ${benchmark.name}`);
		try {
			results.push(await runCase(benchmark, roofline, 7, false));
		} catch (error) {
			// A case that does not fit the adapter must not hide the others.
			errors.push(`${benchmark.name}: ${error instanceof Error ? error.message : error}`);
		}
	}
	return { roofline, cases: results, errors };
}

/** What a person reads first. */
export function verdict({ correctness: { failures, passed, left, variants, seconds } }: DoctorReport): string {
	const checked = `${passed + failures.length} checks of ${variants.length} kernel variants in ${seconds.toFixed(0)} s`;
	const rest = left > 0 ? ` There was no time for ${left} further checks.` : '';
	if (failures.length === 0) return `Everything is right: ${checked}.${rest}`;
	const wrong = new Set(failures.flatMap(({ suspects }) => suspects));
	return `${failures.length} of ${checked} went wrong; suspected: ${[...wrong].slice(0, 5).join(', ')}${wrong.size > 5 ? ` and ${wrong.size - 5} others` : ''}.${rest}`;
}

/** What matters of the adapter, by name. */
export function facts({ adapter, features, limits }: DoctorReport): Record<string, string> {
	return {
		adapter: `${adapter.description}${adapter.isSoftware ? ' (software: it computes on the CPU)' : ''}`,
		subgroups:
			adapter.subgroupSize > 0 ? `of ${adapter.subgroupSize}` : features.includes('subgroups') ? 'of several sizes' : 'none',
		float16: features.includes('shader-f16') ? 'yes' : 'no',
		timestamps: features.includes('timestamp-query') ? 'yes' : 'no',
		buffers: `at most ${mebibytes(limits.maxBufferSize)}, of which ${mebibytes(limits.maxStorageBufferBindingSize)} can be bound`,
		workgroups: `at most ${limits.maxComputeInvocationsPerWorkgroup} invocations and ${limits.maxComputeWorkgroupStorageSize} bytes`,
	};
}

/** The rate of a case and its share of the roofline; empty if it has none. */
export function rateOf({ gflops, gbps, share }: Result): [rate: string, share: string] {
	const rate = gflops !== null ? `${gflops.toFixed(2)} GFLOP/s` : gbps !== null ? `${gbps.toFixed(2)} GB/s` : '';
	return [rate, share === null ? '' : `${(100 * share).toFixed(0)} %`];
}

/** The whole report as text. */
export function formatReport(report: DoctorReport): string {
	const { correctness, speed } = report;
	const lines = [
		`wgrad ${report.wgrad} on ${report.platform}`,
		'',
		...Object.entries(facts(report)).map(([name, value]) => `${name.padEnd(11)}${value}`),
		'',
		verdict(report),
	];
	for (const { operation, sample, precision, form, message, suspects } of correctness.failures.slice(0, 20)) {
		lines.push(
			'',
			`WRONG  ${operation} (${sample}) in ${precision}, ${form}`,
			`       ${message}`,
			`       kernels: ${suspects.join(', ')}`,
		);
	}
	const further = correctness.failures.length - 20;
	if (further > 0) lines.push('', `and ${further} further failures, in the file`);
	if (speed !== null) {
		const { roofline, cases: measured, errors } = speed;
		lines.push(
			'',
			`${'roofline'.padEnd(11)}${roofline.gflops.toFixed(1)} GFLOP/s multiply-add, ${roofline.gbps.toFixed(1)} GB/s copy`,
			'',
		);
		for (const result of measured) {
			const [rate, share] = rateOf(result);
			const ms = result.webgpu.median.toFixed(2);
			lines.push(`${result.name.padEnd(44)} ${ms.padStart(9)} ms ${rate.padStart(15)} ${share.padStart(6)}`.trimEnd());
		}
		for (const error of errors) lines.push(`FAILED  ${error}`);
	}
	return lines.join('\n');
}

const mebibytes = (bytes = 0) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
