/** The reference for shaders/gradScaler.wgsl.ts. */
import { numel } from '../../core/shape';
import { CONTROL, type GradScalerKernels } from '../contract/gradScaler';
import { cpuData } from './storage';

export const gradScaler: GradScalerKernels = {
	unscale({ scale }, { gradients, found }) {
		const factor = cpuData(scale)[scale.offset]!;
		for (const gradient of gradients) {
			const data = cpuData(gradient);
			const end = gradient.offset + numel(gradient.shape);
			for (let i = gradient.offset; i < end; i++) {
				if (!Number.isFinite(data[i]!)) cpuData(found)[found.offset] = 1;
				data[i] = data[i]! / factor;
			}
		}
	},

	updateScale({ found }, { scale, tracker }, { growthFactor, backoffFactor, growthInterval }) {
		const [scales, trackers] = [cpuData(scale), cpuData(tracker)];
		const before = scales[scale.offset]!;
		if (cpuData(found)[found.offset] !== 0) {
			scales[scale.offset] = before * Math.fround(backoffFactor);
			trackers[tracker.offset] = 0;
			return;
		}
		const steps = trackers[tracker.offset]! + 1;
		trackers[tracker.offset] = steps === growthInterval ? 0 : steps;
		const grown = Math.fround(before * Math.fround(growthFactor));
		if (steps === growthInterval && Number.isFinite(grown)) scales[scale.offset] = grown;
	},

	countStep({ step, product, found }, { next, control, nextProduct }, { kind, beta1, beta2, momentumDecay }) {
		const skips = found !== undefined && cpuData(found)[found.offset] !== 0;
		const before = cpuData(step)[step.offset]!;
		const t = before + 1;
		const values = cpuData(control);
		const put = (place: keyof typeof CONTROL, value: number) => {
			values[control.offset + CONTROL[place]] = value;
		};
		cpuData(next)[next.offset] = skips ? before : t;
		put('skip', skips ? 1 : 0);
		put('step', t);
		put('correction1', -Math.expm1(t * Math.log(beta1)));
		put('correction2', -Math.expm1(t * Math.log(beta2)));
		if (kind === 'nadam') {
			const momentum = (number: number) => beta1 * (1 - 0.5 * 0.96 ** (number * momentumDecay));
			const soFar = cpuData(product!)[product!.offset]!;
			const now = soFar * momentum(t);
			cpuData(nextProduct!)[nextProduct!.offset] = skips ? soFar : now;
			put('factor1', (1 - momentum(t)) / (1 - now));
			put('factor2', momentum(t + 1) / (1 - now * momentum(t + 1)));
		}
		if (kind === 'radam') {
			const longest = 2 / (1 - beta2) - 1;
			const length = longest - (2 * t * beta2 ** t) / (1 - beta2 ** t);
			const ratio = ((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length);
			put('factor1', length > 5 ? Math.sqrt(ratio) * Math.sqrt(1 - beta2 ** t) : 1);
			put('factor2', length > 5 ? 1 : 0);
		}
	},
};
