/** Random numbers on the host: the reference for shaders/random.wgsl.ts. */
import { forEachWord, multiplyHigh, toOpenUniform, toUniform, uniformRange, uniformThreshold } from '../../core/philox';
import { numel } from '../../core/shape';
import type { RandomKernels } from '../contract/random';
import { cpuData, positions } from './storage';

const { fround } = Math;

export const random: RandomKernels = {
	randomUniform(_inputs, { out }, { low, high, largest, ...key }) {
		const data = cpuData(out);
		if (out.dtype === 'float64') {
			forEachWord(key, numel(out.shape), (word, i) => {
				data[i] = low + toUniform(word) * (high - low);
			});
			return;
		}
		// Factors of 12 bits have exact products, so a device that fuses multiply and add rounds to the same bits.
		const range = uniformRange(low, high, largest);
		forEachWord(key, numel(out.shape), (word, i) => {
			const top = (word >>> 20) * 2 ** -12;
			const rest = ((word >>> 8) & 0xfff) * 2 ** -24;
			const cross = fround(top * range.rest + rest * range.top);
			data[i] = Math.min(fround(fround(cross + top * range.top) + range.low), range.largest);
		});
	},

	randomNormal(_inputs, { out }, { mean, std, ...key }) {
		const data = cpuData(out);
		const count = numel(out.shape);
		// Words 2k and 2k + 1 give the radius and the angle of a point; elements 2k and 2k + 1 are its coordinates.
		let radius = 0;
		forEachWord(key, count + (count % 2), (word, i) => {
			if (i % 2 === 0) {
				radius = std * Math.sqrt(-2 * Math.log(toOpenUniform(word)));
				return;
			}
			const angle = 2 * Math.PI * 2 ** -32 * word;
			data[i - 1] = mean + radius * Math.cos(angle);
			if (i < count) data[i] = mean + radius * Math.sin(angle);
		});
	},

	randomInteger(_inputs, { out }, { low, high, ...key }) {
		const data = cpuData(out);
		forEachWord(key, numel(out.shape), (word, i) => {
			data[i] = low + multiplyHigh(word, high - low);
		});
	},

	bernoulli({ p }, { out }, { probability = 0.5, ...key }) {
		const data = cpuData(out);
		if (p) {
			const probabilities = cpuData(p);
			const at = positions(p);
			forEachWord(key, numel(out.shape), (word, i) => {
				data[i] = toUniform(word) < probabilities[at[i]!]! ? 1 : 0;
			});
			return;
		}
		const threshold = uniformThreshold(probability);
		forEachWord(key, numel(out.shape), (word, i) => {
			data[i] = word >>> 8 < threshold ? 1 : 0;
		});
	},

	dropout({ x }, { y }, { p, scale = p < 1 ? 1 / (1 - p) : 0, group = 1, ...key }) {
		const source = cpuData(x);
		const data = cpuData(y);
		const at = positions(x);
		const count = at.length;
		const threshold = uniformThreshold(p);
		const factor = y.dtype === 'float64' ? scale : fround(scale);
		forEachWord(key, Math.ceil(count / group), (word, draw) => {
			const kept = word >>> 8 >= threshold;
			const end = Math.min((draw + 1) * group, count);
			for (let i = draw * group; i < end; i++) data[i] = kept ? source[at[i]!]! * factor : 0;
		});
	},
};
