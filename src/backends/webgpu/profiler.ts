/**
 * Profiles the GPU's work: one row with times for each kernel variant and the operation that launched it.
 *
 * If the adapter has timestamps, profiling gives every launch its own pass and times that pass. Otherwise the elapsed
 * time is divided in proportion to the work that launches declare, and the table says so.
 */
import { BufferUsage, MAP_MODE_READ } from './device';
import type { Profile, ProfileRow } from './statistics';
import type { TracedLaunch } from './timeline';

interface LoggedLaunch {
	/** The key of the pipeline: kernel and variant. */
	readonly kernel: string;
	readonly operation: string;
	readonly flops: number;
	readonly bytes: number;
}

/** What a profile measures; `profile` adds the trace. */
export type KernelProfile<T = unknown> = Omit<Profile<T>, 'toTrace'>;

/** Bytes of one 64-bit timestamp. */
const STAMP = 8;

/** A step between timestamps below this (in nanoseconds) is the GPU's clock. */
const COARSE = 10_000n;
/** With fewer timestamps than this, a common step may be chance. */
const ENOUGH_STAMPS = 16;

/** The coarse step, in milliseconds, that divides all timestamps; 0 if there is none. */
export function coarseStep(stamps: readonly bigint[]): number {
	let step = 0n;
	for (let i = 1; i < stamps.length; i++) {
		let rest = stamps[i]! - stamps[0]!;
		if (rest < 0n) rest = -rest;
		while (rest !== 0n) [step, rest] = [rest, step % rest];
	}
	return stamps.length < ENOUGH_STAMPS || step < COARSE ? 0 : Number(step) / 1e6;
}

/** Collects the launches of a profile, and their times. */
export class LaunchLog {
	readonly launches: LoggedLaunch[] = [];
	/** Milliseconds, in the order of `launches`; complete when `finish()` has resolved. */
	readonly times: number[] = [];
	private readonly stamps: bigint[] = [];
	/** When the host encoded each launch, and when it submitted it. */
	private readonly encoded: number[] = [];
	private readonly sent: number[] = [];
	private readonly timing: { readonly set: GPUQuerySet; readonly resolved: GPUBuffer } | undefined;
	private readonly reports: Promise<void>[] = [];
	private staging: GPUBuffer | undefined;
	/** The number of launches in batches before the open one. */
	private reported = 0;

	constructor(
		private readonly device: GPUDevice,
		batchLaunches: number,
		/** Receives the times of each batch, in the order of the batches. */
		private readonly onTimes?: (times: readonly number[]) => void,
	) {
		if (device.features.has('timestamp-query')) {
			const count = 2 * batchLaunches;
			this.timing = {
				set: device.createQuerySet({ type: 'timestamp', count }),
				resolved: device.createBuffer({ size: count * STAMP, usage: BufferUsage.QUERY_RESOLVE | BufferUsage.COPY_SRC }),
			};
		}
	}

	get source(): Profile['source'] {
		return this.timing === undefined ? 'estimate' : 'timestamps';
	}

	/** The step of the timestamps so far: see Profile. */
	get stepMs(): number {
		return coarseStep(this.stamps);
	}

	/** The launches with their times, once `finish()` has resolved. */
	traced(): TracedLaunch[] {
		return this.launches.map((launch, i) => ({
			...launch,
			encoded: this.encoded[i]!,
			submitted: this.sent[i]!,
			stamps: this.timing === undefined ? null : [this.stamps[2 * i]!, this.stamps[2 * i + 1]!],
		}));
	}

	/** Logs a launch, and returns how to time its pass. */
	add(launch: LoggedLaunch): GPUComputePassDescriptor | undefined {
		const query = 2 * (this.launches.length - this.reported);
		this.launches.push(launch);
		this.encoded.push(performance.now());
		if (this.timing === undefined) return undefined;
		return {
			timestampWrites: { querySet: this.timing.set, beginningOfPassWriteIndex: query, endOfPassWriteIndex: query + 1 },
		};
	}

	/** Encodes the copy of the batch's timestamps, at the end of the batch. */
	resolve(encoder: GPUCommandEncoder): void {
		const count = 2 * (this.launches.length - this.reported);
		if (this.timing === undefined || count === 0) return;
		const { set, resolved } = this.timing;
		const size = count * STAMP;
		this.staging = this.device.createBuffer({ size, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST });
		encoder.resolveQuerySet(set, 0, count, resolved, 0);
		encoder.copyBufferToBuffer(resolved, 0, this.staging, 0, size);
	}

	/** Call it when the batch has been submitted. */
	submitted(): void {
		const now = performance.now();
		while (this.sent.length < this.launches.length) this.sent.push(now);
		const { staging } = this;
		if (staging !== undefined) {
			const report = this.collect(staging, this.reported, this.reports.at(-1));
			// If nobody waits for the times, nobody needs the loss of the device as an error.
			report.catch(() => {});
			this.reports.push(report);
		}
		this.staging = undefined;
		this.reported = this.launches.length;
	}

	/** Resolves when the times of all submitted launches have arrived, and frees the log's GPU resources. */
	async finish(): Promise<void> {
		await Promise.all(this.reports);
		this.timing?.set.destroy();
		this.timing?.resolved.destroy();
	}

	/** Rows by time, longest first. Without timestamps, they divide `wallMs`. */
	rows(wallMs: number): ProfileRow[] {
		const times = this.timing !== undefined ? this.times : shareOut(this.launches, wallMs);
		const rows = new Map<string, { -readonly [K in keyof ProfileRow]: ProfileRow[K] }>();
		for (const [i, { kernel, operation, flops, bytes }] of this.launches.entries()) {
			const key = `${kernel} ${operation}`;
			let row = rows.get(key);
			if (row === undefined) {
				row = { kernel, operation, launches: 0, ms: 0, flops: 0, bytes: 0 };
				rows.set(key, row);
			}
			row.launches++;
			row.ms += times[i] ?? 0;
			row.flops += flops;
			row.bytes += bytes;
		}
		return [...rows.values()].sort((a, b) => b.ms - a.ms);
	}

	private async collect(staging: GPUBuffer, first: number, before: Promise<void> | undefined): Promise<void> {
		await staging.mapAsync(MAP_MODE_READ);
		await before;
		const stamps = new BigUint64Array(staging.getMappedRange());
		this.stamps.push(...stamps);
		const count = stamps.length / 2;
		for (let i = 0; i < count; i++) {
			const nanoseconds = Number(stamps[2 * i + 1]! - stamps[2 * i]!);
			// Drivers may reset their clock between passes; such a launch counts as 0 ms.
			this.times[first + i] = Math.max(0, nanoseconds) / 1e6;
		}
		staging.destroy();
		this.onTimes?.(this.times.slice(first, first + count));
	}
}

/** Divides time by declared work: ten operations cost about as much as a byte, and a launch as much as 2,000 bytes. */
function shareOut(launches: readonly LoggedLaunch[], wallMs: number): number[] {
	const weights = launches.map(({ flops, bytes }) => Math.max(flops / 10, bytes) + 2000);
	const total = weights.reduce((sum, weight) => sum + weight, 0);
	return weights.map((weight) => (weight / total) * wallMs);
}

/** The profile as a plain-text table. */
export function formatProfile(profile: Omit<KernelProfile, 'toString'>): string {
	const { rows, gpuMs } = profile;
	const cells = rows.map((row) => [
		row.kernel,
		row.operation,
		String(row.launches),
		row.ms.toFixed(3),
		`${((100 * row.ms) / (gpuMs || 1)).toFixed(1)}%`,
		(row.flops / (row.ms || Infinity) / 1e6).toFixed(2),
		(row.bytes / (row.ms || Infinity) / 1e6).toFixed(2),
	]);
	const header = ['kernel', 'operation', 'launches', 'ms', 'share', 'GFLOP/s', 'GB/s'];
	const widths = header.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i]!.length)));
	const line = (row: string[]) => row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
	const launches = rows.reduce((sum, row) => sum + row.launches, 0);
	const steps = profile.stepMs > 0 ? ` in steps of ${profile.stepMs.toFixed(3)} ms: rows of few launches are rough` : '';
	const summary = [
		`${gpuMs.toFixed(2)} ms on the GPU (${profile.source === 'timestamps' ? `timestamps${steps}` : 'estimated from declared work'})`,
		`${profile.wallMs.toFixed(2)} ms elapsed`,
		`${launches} launches in ${profile.submits} submits`,
		`${profile.pipelinesCompiled} pipelines compiled in ${profile.compileMs.toFixed(1)} ms`,
	].join(', ');
	return [line(header), ...cells.map(line), summary].join('\n');
}
