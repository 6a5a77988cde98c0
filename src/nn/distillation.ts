/** Distillation: learning from another model's outputs. */
import { requireFraction, requirePositive } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { add, div, mul } from '../ops/elementwise';
import { detach } from '../ops/layout';
import { crossEntropy } from '../ops/loss';
import { softmax } from '../ops/softmax';
import type { Tensor } from '../tensor';
import { requireShape, requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { Module } from './module';

export interface DistillationOptions {
	/** Divides the logits of both models before the softmax, so that small probabilities matter more. Default 2. */
	readonly temperature?: number;
	/** The weight of the loss against the true classes, from 0 to 1. Default 0.5. */
	readonly alpha?: number;
}

/**
 * alpha CE(student, target) + (1 - alpha) T^2 CE(student / T, softmax(teacher / T)), where CE is the mean cross-entropy and T the
 * temperature. The factor T^2 compensates for the soft part's gradients, which shrink with 1 / T^2. Logits are [N, C, ...]. The teacher
 * gets no gradient. Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531.
 */
export class DistillationLoss extends Module {
	readonly temperature: number;
	readonly alpha: number;

	constructor(options: DistillationOptions = {}) {
		super();
		const { temperature = 2, alpha = 0.5 } = checkOptions('DistillationLoss', options, ['temperature', 'alpha']);
		requirePositive('DistillationLoss', 'temperature', temperature);
		requireFraction('DistillationLoss', 'alpha', alpha);
		this.temperature = temperature;
		this.alpha = alpha;
	}

	/** `target`: classes or probabilities, as for `crossEntropy`; not needed if alpha is 0. */
	override forward(student: Tensor, teacher: Tensor, target: Tensor | null = null): Tensor {
		requireTensor('DistillationLoss', student, 'student');
		requireTensor('DistillationLoss', teacher, 'teacher');
		requireShape('DistillationLoss', 'teacher', teacher, student.shape, student, 'student');
		const { temperature, alpha } = this;
		if (target === null && alpha > 0)
			throw new ArgumentError(
				`DistillationLoss: it needs the target, because alpha is ${alpha}; pass { alpha: 0 } to do without`,
			);
		return tidy(() => {
			const probabilities = softmax(div(detach(teacher), temperature), 1);
			const soft = crossEntropy(div(student, temperature), probabilities);
			const softPart = mul(soft, (1 - alpha) * temperature ** 2);
			return target === null ? softPart : add(mul(crossEntropy(student, target), alpha), softPart);
		});
	}

	override extraRepr(): string {
		return `temperature=${this.temperature}, alpha=${this.alpha}`;
	}
}
