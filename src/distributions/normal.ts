/** The normal distribution. */

import { add, div, log, mul, square, sub } from '../ops/elementwise';
import { broadcastTo } from '../ops/layout';
import type { Operand } from '../ops/operands';
import { randn } from '../ops/random';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { Distribution, parametersOf } from './distribution';

const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);

/** Normal distributions with means `loc` and standard deviations `scale`, which broadcast. As `torch.distributions.Normal`. */
export class Normal extends Distribution {
	readonly loc: Tensor;
	readonly scale: Tensor;

	constructor(loc: Operand, scale: Operand) {
		const [first, second, shape] = parametersOf('Normal', { loc, scale });
		super(shape);
		this.loc = first;
		this.scale = second;
	}

	override get mean(): Tensor {
		return this.loc;
	}

	override get variance(): Tensor {
		return square(this.scale);
	}

	get stddev(): Tensor {
		return this.scale;
	}

	/** Draws loc + scale * noise: differentiable by both. */
	override rsample(shape: readonly number[] = []): Tensor {
		return tidy(() => {
			const { dtype, device } = this.loc;
			const noise = randn(this.extended('Normal.rsample', shape), { dtype, device });
			return add(this.loc, mul(noise, this.scale));
		});
	}

	override logProb(value: Operand): Tensor {
		return tidy(() => {
			const distance = div(sub(value, this.loc), this.scale);
			return sub(mul(square(distance), -0.5), add(log(this.scale), HALF_LOG_2PI));
		});
	}

	override entropy(): Tensor {
		return tidy(() => broadcastTo(add(log(this.scale), 0.5 + HALF_LOG_2PI), this.batchShape));
	}
}
