/**
 * Indices out of range that kernels found: see shaders/shader.ts.
 *
 * Each launch that has a check takes the next place in a small buffer of records. Every read of a tensor also copies the records of the launches
 * since the last copy, clears them, and begins again at the first place; so does a sync, an idle program and a full buffer. Where a copy
 * arrives with a record, the launch's check makes the error, which Failures throws at the read, sync or step that comes first.
 */
import { ArgumentError } from '../../core/errors';
import { type IndexCheck, indexMessage } from '../../core/indexCheck';
import type { Backend } from '../contract';
import { BufferUsage } from './device';
import type { Failures } from './failures';
import { type Block, GpuStorage } from './memory';

/** Launches between two copies; place 0 is for those without a check. */
const PLACES = 256;
const RECORD_BYTES = 4 * PLACES;
/** What a readback of tensors needs for records behind its own bytes. */
export const RECORD_ROOM = RECORD_BYTES + 4;

/** The checks of the launches whose records a copy holds, by their places. */
export type ReportSpan = readonly (IndexCheck | undefined)[];

export class IndexReports {
	readonly storage: GpuStorage;
	private readonly block: Block;
	private checks: (IndexCheck | undefined)[] = [undefined];
	private readonly spare: GPUBuffer[] = [];

	constructor(
		private readonly device: GPUDevice,
		private readonly failures: Failures,
		owner: Backend,
	) {
		const usage = BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;
		const buffer = device.createBuffer({ label: 'index records', size: RECORD_BYTES, usage });
		// No block of Memory has the number 0.
		this.block = { id: 0, buffer, bytes: RECORD_BYTES, batch: 0, freedAt: 0, takenAt: 0, state: 'confirmed', isVoid: false };
		this.storage = new GpuStorage(owner, 'int32', PLACES, this.block);
	}

	/** Whether launches have taken places since the last copy. */
	get areDue(): boolean {
		return this.checks.length > 1;
	}

	/** Whether the records must be copied before another launch can take a place. */
	get areFull(): boolean {
		return this.checks.length === PLACES;
	}

	/** The place of a launch in the records. */
	add(check: IndexCheck): number {
		return this.checks.push(check) - 1;
	}

	/** Encodes a copy of the records to `offset` of `staging`, and gives their places free for the next launches. */
	copy(encoder: GPUCommandEncoder, staging: GPUBuffer, offset: number): ReportSpan {
		const { checks } = this;
		encoder.copyBufferToBuffer(this.block.buffer, 0, staging, offset, 4 * checks.length);
		encoder.clearBuffer(this.block.buffer, 0, 4 * checks.length);
		this.checks = [undefined];
		return checks;
	}

	/** Notes the records of a copy that has arrived as errors. */
	inspect(span: ReportSpan, records: Uint32Array): void {
		records.forEach((record, place) => {
			const check = span[place];
			if (record === 0 || check === undefined) return;
			const value = (record ^ 0x80000000) | 0;
			const index = check.wraps && value < 0 ? value - check.count : value;
			this.failures.note(new ArgumentError(indexMessage(check, index)));
		});
	}

	/** A mappable buffer for a copy of the records alone. */
	takeStaging(): GPUBuffer {
		const usage = BufferUsage.MAP_READ | BufferUsage.COPY_DST;
		return this.spare.pop() ?? this.device.createBuffer({ label: 'index records', size: RECORD_BYTES, usage });
	}

	giveStaging(staging: GPUBuffer): void {
		this.spare.push(staging);
	}

	destroy(): void {
		for (const buffer of [this.block.buffer, ...this.spare]) buffer.destroy();
	}
}
