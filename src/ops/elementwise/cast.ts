/** Conversion to another dtype or device. */
import { cast } from '../../autograd/gradients';
import { requireOwnGradient } from '../../autograd/tape';
import type { DeviceName } from '../../backends/contract';
import { backendOf } from '../../backends/registry';
import { wrongArgument } from '../../core/checks';
import { DTYPES, type DType, insteadOf, isDType } from '../../core/dtype';
import { DTypeError } from '../../core/errors';
import { storedArray } from '../../core/halves';
import { runOperation } from '../../core/scope';
import { copyOf, Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { tidy } from '../../tidy';

/**
 * Converts `x` to another dtype, or moves it to another device. Returns `x` itself if it has the dtype or is on the device.
 *
 * bool is x != 0. int32 truncates, clamps to its range and turns NaN into 0. uint8 and int8 take the int32 modulo 256. float16 and bfloat16
 * round to nearest, ties to even. The gradient is converted back. 'webgpu' uploads at once. 'cpu' always returns a promise, because it waits for the GPU. Throws an AutogradError if a gradient
 * would have to flow between devices: move a tensor before `requiresGrad_()`, or move its `detach()`. As `torch.Tensor.to`.
 */
export function to(x: Tensor, target: DType | 'webgpu'): Tensor;
export function to(x: Tensor, target: 'cpu'): Promise<Tensor>;
export function to(x: Tensor, target: DType | DeviceName): Tensor | Promise<Tensor>;
export function to(x: Tensor, target: DType | DeviceName): Tensor | Promise<Tensor> {
	requireTensor('to', x);
	if (target === 'webgpu') return toWebGPU(x);
	if (target === 'cpu') return toCPU(x);
	if (!isDType(target)) {
		const expected = `a dtype (${DTYPES.join(', ')}) or a device (cpu, webgpu)`;
		throw wrongArgument('to', 'the target', expected, target, insteadOf(target));
	}
	return toDType(x, target);
}

function toDType(x: Tensor, dtype: DType): Tensor {
	return x.dtype === dtype ? x : cast(x, dtype);
}

function toWebGPU(x: Tensor): Tensor {
	if (x.device === 'webgpu') return x;
	requireOwnGradient('to', x, 'webgpu');
	if (x.dtype === 'float64')
		throw new DTypeError(`to: float64 lives on the CPU only. Convert first: x.to('float32').to('webgpu')`);
	return tidy(() => {
		const isWhole = x.isContiguous && x.offset === 0 && x.storage.length === x.size;
		const source = isWhole ? x : copyOf(x);
		return runOperation(
			'to',
			() => new Tensor(backendOf('webgpu').upload(source.storage.hostData!(), x.dtype, x.shape), x.shape),
		);
	});
}

async function toCPU(x: Tensor): Promise<Tensor> {
	if (x.device === 'cpu') return x;
	requireOwnGradient('to', x, 'cpu');
	return new Tensor(backendOf('cpu').upload(storedArray(x.dtype, await x.data()), x.dtype), x.shape);
}
