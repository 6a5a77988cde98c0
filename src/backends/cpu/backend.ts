/** The CPU reference as a backend: host memory, plain loops, no asynchronous work. */
import type { DType, TypedArray } from '../../core/dtype';
import { isYieldDue, yieldToEventLoop } from '../../core/eventLoop';
import { isHalf } from '../../core/halves';
import type { Backend, Storage } from '../contract';
import { attention } from './attention';
import { conv } from './conv';
import { elementwise } from './elementwise';
import { embedding } from './embedding';
import { gradScaler } from './gradScaler';
import { indexing } from './indexing';
import { layout } from './layout';
import { linalg } from './linalg';
import { loss } from './loss';
import { matmul } from './matmul';
import { norm } from './norm';
import { optimizer } from './optimizer';
import { pool } from './pool';
import { quantized } from './quantized';
import { random } from './random';
import { reduce } from './reduce';
import { rnn } from './rnn';
import { sample } from './sample';
import { softmax } from './softmax';
import { CpuStorage, roundingHalves } from './storage';

const kernels = roundingHalves({
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
	...quantized,
	...random,
	...rnn,
	...sample,
	...linalg,
	...loss,
	...optimizer,
	...gradScaler,
});

export const cpuBackend: Backend = {
	device: 'cpu',
	loss: undefined,
	hasFloat16: true,
	kernels,
	allocate(length: number, dtype: DType): CpuStorage {
		return new CpuStorage(cpuBackend, dtype, length);
	},
	upload(data: TypedArray, dtype: DType): CpuStorage {
		return new CpuStorage(cpuBackend, dtype, data.length, data.slice());
	},
	release(): void {},
	async read(storage: Storage): Promise<TypedArray> {
		const { dtype, data } = storage as CpuStorage;
		const values = isHalf(dtype) ? storage.hostData!() : data.slice();
		if (isYieldDue()) await yieldToEventLoop();
		return values;
	},
	pace: () => (isYieldDue() ? yieldToEventLoop() : undefined),
	throwReported(): void {},
};
