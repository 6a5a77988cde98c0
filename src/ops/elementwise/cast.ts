/** `to`: other dtypes and other devices. */
import { cast } from '../../autograd/gradients';
import { isGradEnabled } from '../../autograd/modes';
import type { DeviceName } from '../../backends/contract';
import { backendOf } from '../../backends/registry';
import { runOperation } from '../../core/currentOperation';
import { DTYPES, type DType } from '../../core/dtype';
import { ArgumentError, AutogradError, DTypeError } from '../../core/errors';
import { float32ToFloat16 } from '../../core/float16';
import { emptyOn, Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { tidy } from '../../tidy';

/**
 * `x` as another dtype, or on another device; `x` itself when it is that already.
 *
 * To bool is x != 0; to int32 truncates, clamps to its range and turns NaN into 0; to uint8 takes that modulo 256. The gradient is
 * converted back.
 * To 'webgpu' uploads at once. To 'cpu' has to wait for the GPU, so that it gives a promise, always. No gradient flows between
 * devices: move a tensor before `requiresGrad_()`, or move its `detach()`.
 */
export function to(x: Tensor, target: DType | 'webgpu'): Tensor;
export function to(x: Tensor, target: 'cpu'): Promise<Tensor>;
export function to(x: Tensor, target: DType | DeviceName): Tensor | Promise<Tensor>;
export function to(x: Tensor, target: DType | DeviceName): Tensor | Promise<Tensor> {
	requireTensor('to', x);
	if (target === 'webgpu') return toWebGPU(x);
	if (target === 'cpu') return toCPU(x);
	if (!DTYPES.includes(target)) {
		throw new ArgumentError(`to: '${String(target)}' is neither a dtype (${DTYPES.join(', ')}) nor a device (cpu, webgpu)`);
	}
	return toDType(x, target);
}

function toDType(x: Tensor, dtype: DType): Tensor {
	return x.dtype === dtype ? x : cast(x, dtype);
}

function requireNoGradient(x: Tensor, device: DeviceName): void {
	if (x.requiresGrad && isGradEnabled()) {
		throw new AutogradError(
			`to: a gradient cannot flow from ${device} back to ${x.device}. Move the tensor before requiresGrad_(), or move its detach()`,
		);
	}
}

function toWebGPU(x: Tensor): Tensor {
	if (x.device === 'webgpu') return x;
	requireNoGradient(x, 'webgpu');
	if (x.dtype === 'float64')
		throw new DTypeError(`to: float64 lives on the CPU only. Convert first: x.to('float32').to('webgpu')`);
	return tidy(() => {
		let source = x;
		if (!x.isContiguous || x.offset !== 0 || x.storage.length !== x.size) {
			source = emptyOn(x, x.shape);
			x.backend.kernels.copy({ x }, { y: source }, {});
		}
		return runOperation(
			'to',
			() => new Tensor(backendOf('webgpu').upload(source.storage.hostData!(), x.dtype, x.shape), x.shape),
		);
	});
}

async function toCPU(x: Tensor): Promise<Tensor> {
	if (x.device === 'cpu') return x;
	requireNoGradient(x, 'cpu');
	const values = await x.data();
	const stored = x.dtype === 'float16' ? float32ToFloat16(values as Float32Array) : values;
	return new Tensor(backendOf('cpu').upload(stored, x.dtype), x.shape);
}
