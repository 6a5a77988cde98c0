/** Images sampled at places of one's own. */
import type { SampleAttributes } from '../backends/contract/sample';
import { emptyOn, type Tensor } from '../tensor';

/**
 * Not for users, without checks and without a gradient: x [N, C, H, W] sampled on `size` places that matrices [N, 6] map to pixels of x.
 * See the contract.
 */
export function affineSample(
	name: string,
	x: Tensor,
	matrices: Tensor,
	size: readonly [height: number, width: number],
	attributes: SampleAttributes,
): Tensor {
	x.backend.setLabel(name);
	const y = emptyOn(x, [x.shape[0]!, x.shape[1]!, ...size]);
	x.backend.kernels.affineSample({ x, matrices }, { y }, attributes);
	return y;
}
