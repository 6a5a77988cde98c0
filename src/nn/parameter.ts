/** A tensor that training updates. */
import { setRequiresGrad } from '../autograd/tape';
import { isFloating } from '../core/dtype';
import { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';

/**
 * A leaf tensor that modules find among their properties and optimizers update. Shares the memory of `data` and survives `tidy`. Requires a
 * gradient unless `requiresGrad` is false. As `torch.nn.Parameter`.
 */
export class Parameter extends Tensor {
	constructor(data: Tensor, requiresGrad?: boolean) {
		requireTensor('Parameter', data, 'data');
		super(data.storage, data.shape, data.strides, data.offset);
		this.kept = true;
		setRequiresGrad(this, requiresGrad ?? isFloating(data.dtype));
	}
}
