/** The CPU reference as a backend: host memory, plain loops, no asynchronous work. */
import { allocateTyped, type DType, type TypedArray } from '../../core/dtype';
import { DTypeError } from '../../core/errors';
import { isTurnDue, turn } from '../../core/eventloop';
import { currentOperation } from '../../core/operation';
import type { Backend, Kernels, Storage } from '../contract';
import { attention } from './attention';
import { conv } from './conv';
import { elementwise } from './elementwise';
import { embedding } from './embedding';
import { indexing } from './indexing';
import { layout } from './layout';
import { loss } from './loss';
import { matmul } from './matmul';
import { norm } from './norm';
import { optimizer } from './optimizer';
import { pool } from './pool';
import { random } from './random';
import { reduce } from './reduce';
import { rnn } from './rnn';
import { sample } from './sample';
import { softmax } from './softmax';
import { CpuStorage } from './storage';

const kernels: Kernels = {
	...elementwise,
	...reduce,
	...matmul,
	...conv,
	...pool,
	...softmax,
	...norm,
	...attention,
	...embedding,
	...indexing,
	...layout,
	...random,
	...rnn,
	...sample,
	...loss,
	...optimizer,
};

function requireSupported(dtype: DType): void {
	if (dtype === 'float16') {
		const operation = currentOperation() || 'tensor';
		throw new DTypeError(`${operation}: float16 lives on WebGPU only; on the CPU use float32, which holds every float16 exactly`);
	}
}

export const cpuBackend: Backend = {
	device: 'cpu',
	loss: undefined,
	kernels,
	allocate(length: number, dtype: DType): Storage {
		requireSupported(dtype);
		return new CpuStorage(cpuBackend, dtype, allocateTyped(dtype, length));
	},
	upload(data: TypedArray, dtype: DType): Storage {
		requireSupported(dtype);
		return new CpuStorage(cpuBackend, dtype, data.slice());
	},
	release(): void {},
	async read(storage: Storage): Promise<TypedArray> {
		const values = (storage as CpuStorage).data.slice();
		if (isTurnDue()) await turn();
		return values;
	},
	pace: () => (isTurnDue() ? turn() : undefined),
	throwReported(): void {},
};
