/**
 * Collects the indices out of range that kernels report: see shaders/shader.ts.
 *
 * Each launch with a check gets the next record in a small buffer. Every read of a tensor also copies and clears the records of
 * the launches since the last copy, and the next launch starts at the first record again. A sync, an idle program and a full
 * buffer do the same. If a copied record is set, the launch's check makes the error, which AsyncErrors throws at the next read, sync
 * or step.
 */
import { ArgumentError } from '../../core/errors';
import { type IndexCheck, indexMessage } from '../../core/indexCheck';
import type { Backend } from '../contract';
import type { AsyncErrors } from './asyncErrors';
import { BufferUsage } from './device';
import { type Block, GpuStorage } from './memory';

/** The number of records. Record 0 is for launches without a check. */
const RECORDS = 256;
const RECORD_BYTES = 4 * RECORDS;
/** The room that a readback of tensors needs for records behind its own bytes. */
export const RECORD_ROOM = RECORD_BYTES + 4;

/** The checks of the launches in a copy, by the index of their record. */
export type ReportSpan = readonly (IndexCheck | undefined)[];

export class IndexReports {
	readonly storage: GpuStorage;
	private readonly block: Block;
	private checks: (IndexCheck | undefined)[] = [undefined];
	private readonly spare: GPUBuffer[] = [];

	constructor(
		private readonly device: GPUDevice,
		private readonly asyncErrors: AsyncErrors,
		owner: Backend,
	) {
		const usage = BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;
		const buffer = device.createBuffer({ label: 'index records', size: RECORD_BYTES, usage });
		// Memory never gives a block the number 0.
		this.block = { id: 0, buffer, bytes: RECORD_BYTES, batch: 0, freedAt: 0, takenAt: 0, state: 'confirmed', isVoid: false };
		this.storage = new GpuStorage(owner, 'int32', RECORDS, this.block);
	}

	/** Whether launches have taken records since the last copy. */
	get areDue(): boolean {
		return this.checks.length > 1;
	}

	/** Whether the records must be copied before another launch can take one. */
	get areFull(): boolean {
		return this.checks.length === RECORDS;
	}

	/** The index of a launch's record. */
	add(check: IndexCheck): number {
		return this.checks.push(check) - 1;
	}

	/** Encodes a copy of the records to `offset` of `staging`, and frees them for the next launches. */
	copy(encoder: GPUCommandEncoder, staging: GPUBuffer, offset: number): ReportSpan {
		const { checks } = this;
		encoder.copyBufferToBuffer(this.block.buffer, 0, staging, offset, 4 * checks.length);
		encoder.clearBuffer(this.block.buffer, 0, 4 * checks.length);
		this.checks = [undefined];
		return checks;
	}

	/** Turns the records of an arrived copy into errors. */
	inspect(span: ReportSpan, records: Uint32Array): void {
		records.forEach((record, i) => {
			const check = span[i];
			if (record === 0 || check === undefined) return;
			const value = (record ^ 0x80000000) | 0;
			const index = check.wraps && value < 0 ? value - check.count : value;
			this.asyncErrors.note(new ArgumentError(indexMessage(check, index)));
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
